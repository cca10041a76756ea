"""Open a gallery: a workspace, or a file of encodings with the case table that says who is who."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from deciface.cases import Encoding, Photo
from deciface.errors import InputError, NoGalleryError, OptionError
from deciface.formats.case_table import read_table
from deciface.formats.encodings import SUFFIXES, read_encodings
from deciface.space import Gallery
from deciface.store import Workspace
from deciface.workflows.encoding import DEFAULT_ENSEMBLE

Say = Callable[[str], None]
_OF_ENSEMBLE = re.compile(r"m\d+")
"""How GestaltMatcher-Arc's table names the members of its ensemble: they belong together."""


def open_gallery(
    path: Path,
    *,
    cases: Path | None = None,
    models: Collection[str] | None = None,
    say: Say = lambda _: None,
) -> Gallery:
    """Open a gallery.

    Vectors of several encoders are never averaged unasked: their distances have other scales, and the widest would
    decide alone. Of a workspace with several, the default encoder is taken, or else the user has to choose; a file of
    encodings, and a GestaltMatcher ensemble, is one encoder.

    Parameters
    ----------
    path
        A workspace folder, or a .csv, .parquet or .npz file of encodings.
    cases
        With a file of encodings: the case table whose `photo` column names the same photos.
    models
        Only these encoders' vectors.
    say
        Told which encoders are there and were not used.

    Raises
    ------
    NoGalleryError
        When there is nobody in it.
    InputError, OptionError, StorageError, TableError, MismatchError
        When it cannot be opened or does not fit together.
    """
    if path.is_dir():
        with Workspace.open(path) as workspace:
            return workspace.gallery(models=chosen_encoders(workspace.encoders(), models, where=path.name, say=say))
    if not path.exists():
        raise InputError(
            f"gallery '{path}' does not exist; give a workspace folder or a file of encodings ({', '.join(SUFFIXES)})"
        )
    if cases is None:
        raise OptionError(f"'{path.name}' says no names: give the case table too, --cases TABLE.csv")
    encodings = read_encodings(path)
    if models:
        _refuse_unknown(sorted({e.view.model for e in encodings}), models, path.name)
        encodings = [e for e in encodings if e.view.model in models]
    return joined(encodings, cases, source=path.name)


def chosen_encoders(
    there: Sequence[str], asked: Collection[str] | None, *, where: str, say: Say
) -> tuple[str, ...] | None:
    """Which of the encoders that are there to use; None for all.

    Raises
    ------
    OptionError
        One that is asked for is not there, or several are and none of them is the default.
    """
    if asked:
        _refuse_unknown(there, asked, where)
        return tuple(asked)
    if len(there) < 2 or all(_OF_ENSEMBLE.fullmatch(name) for name in there):
        return None
    if DEFAULT_ENSEMBLE not in there:
        raise OptionError(
            f"'{where}' holds vectors of {', '.join(there)}, whose distances cannot be mixed; choose by --model "
            f"{there[0]} (repeat it for members of one ensemble)"
        )
    others = [name for name in there if name != DEFAULT_ENSEMBLE]
    say(f"encoder: {DEFAULT_ENSEMBLE}; also there and not used: {', '.join(others)} (choose by --model)")
    return (DEFAULT_ENSEMBLE,)


def _refuse_unknown(there: Sequence[str], asked: Collection[str], where: str) -> None:
    if there and (unknown := sorted(set(asked) - set(there))):
        raise OptionError(
            f"'{where}' holds no vectors of '{unknown[0]}'; there are {', '.join(there)}. To have others: deciface "
            "import the same table again with --encoder, or deciface encode"
        )


def joined(encodings: list[Encoding], cases: Path, *, source: str) -> Gallery:
    """Join encodings with a case table by photo: its id, the path in the table, or the name of its file.

    Raises
    ------
    NoGalleryError
        When no photo of the table is encoded, or people in the encodings are missing from the table.
    """
    sha256 = {e.photo_id: e.photo_sha256 for e in encodings}
    photos: list[Photo] = []
    for _, case in read_table(cases).cases:
        for photo in case.photos:
            called = (photo.id, photo.file_name, photo.file_name.rsplit("/", 1)[-1])
            name = next((n for n in called if n in sha256), None)
            if name is not None:
                photos.append(replace(photo, id=name, sha256=sha256[name]))
    if not photos:
        raise NoGalleryError(f"no photo of '{cases.name}' is encoded in '{source}'; encode them: deciface encode")
    named = {p.id for p in photos}
    return Gallery.build(photos, [e for e in encodings if e.photo_id in named])
