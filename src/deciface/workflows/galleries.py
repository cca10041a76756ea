"""Open a gallery: a workspace, or a file of encodings with the case table that says who is who."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from deciface.cases import Encoding, Photo
from deciface.errors import InputError, NoGalleryError, OptionError
from deciface.formats.case_table import read_table
from deciface.formats.encodings import SUFFIXES, read_encodings
from deciface.space import Gallery
from deciface.store import Workspace


def open_gallery(path: Path, *, cases: Path | None = None, models: Collection[str] | None = None) -> Gallery:
    """Open a gallery.

    Parameters
    ----------
    path
        A workspace folder, or a .csv, .parquet or .npz file of encodings.
    cases
        With a file of encodings: the case table whose `photo` column names the same photos.
    models
        Only these encoders' vectors; all when left out.

    Raises
    ------
    NoGalleryError
        When there is nobody in it.
    InputError, OptionError, StorageError, TableError, MismatchError
        When it cannot be opened or does not fit together.
    """
    if path.is_dir():
        with Workspace.open(path) as workspace:
            return workspace.gallery(models=models)
    if not path.exists():
        raise InputError(
            f"gallery '{path}' does not exist; give a workspace folder or a file of encodings ({', '.join(SUFFIXES)})"
        )
    if cases is None:
        raise OptionError(f"'{path.name}' says no names: give the case table too, --cases TABLE.csv")
    encodings = [e for e in read_encodings(path) if not models or e.view.model in models]
    return joined(encodings, cases, source=path.name)


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
