"""Import a file of encodings: vectors of photos that the workspace has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from deciface.cases import Encoding
from deciface.errors import InputError
from deciface.formats.encodings import iter_encodings
from deciface.store import Workspace


@dataclass(frozen=True, slots=True)
class ImportedEncodings:
    """How many vectors were added, and the photos of the file that the workspace does not have."""

    encodings: int
    unknown_photos: tuple[str, ...]


def import_encodings(path: Path, workspace: Workspace, *, cut_names: bool = False) -> ImportedEncodings:
    """Add a file of encodings to photos that are in the workspace, all or none of them.

    Parameters
    ----------
    path
        ``.csv`` (GestaltMatcher-Arc's columns), ``.parquet`` or ``.npz``. Names are those of photos, or of their files.
    workspace
        Has the photos, described or with images. Vectors of other photos are left out.
    cut_names
        Names end at the first underscore of ``img_name``, as GestaltMatcher-Arc writes them (``12_aligned.jpg``).

    Raises
    ------
    TableError, InputError, MismatchError, AccessError
        A file that cannot be read, none of its photos is there, other pixels, a user who may not.
    """
    names: Literal["whole", "until-underscore"] = "until-underscore" if cut_names else "whole"
    photos = workspace.photos()
    known = {photo.id: photo.id for photo in photos}
    by_file: dict[str, str] = {}
    for photo in photos:
        for called in {photo.file_name, photo.file_name.rsplit("/", 1)[-1]} - {""}:
            by_file[called] = "" if called in by_file else photo.id  # a name that two photos have names neither
    ids = {called: photo_id for called, photo_id in by_file.items() if photo_id} | known
    unknown: dict[str, None] = {}
    read = 0

    def of_known_photos() -> Iterator[Encoding]:
        nonlocal read
        for encoding in iter_encodings(path, image_names=names):
            if encoding.photo_id in ids:
                read += 1
                yield replace(encoding, photo_id=ids[encoding.photo_id])
            else:
                unknown[encoding.photo_id] = None

    added = workspace.add_encodings(of_known_photos())
    if not read:
        raise InputError(
            f"none of the photos of '{path.name}' is in the workspace (first: '{next(iter(unknown))}'); "
            "import the cases first, or see --cut-names"
        )
    return ImportedEncodings(added, tuple(unknown))
