"""Find the photos among files and folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from deciface.errors import NothingFoundError, PhotoError
from deciface.photos.containers import ACCEPTED, HEAD_BYTES, SUFFIXES, container_of


def find_photos(paths: Iterable[Path]) -> list[Path]:
    """List photos, sorted by path, each once.

    A file that is named is taken as it is, so that reading it can say what is wrong with it. Folders are searched with
    all below them; of their files those count whose content is an accepted image or whose name says so. Hidden files
    and folders (a leading dot) are left out, links to folders are not followed.

    Raises
    ------
    PhotoError
        A path that does not exist or cannot be listed.
    NothingFoundError
        No photo at all.
    """
    given = list(paths)
    found: dict[Path, Path] = {}
    for path in given:
        if path.is_dir():
            for photo in _walk(path):
                found.setdefault(photo.resolve(), photo)
        elif path.exists():
            found.setdefault(path.resolve(), path)
        else:
            raise PhotoError(f"'{path}' does not exist; check the path")
    if not found:
        where = ", ".join(f"'{path}'" for path in given[:3]) or "nothing"
        raise NothingFoundError(f"no photo found in {where}; a photo is a {ACCEPTED} file: check the path")
    return sorted(found.values())


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise PhotoError(f"'{error.filename}' cannot be listed ({error.strerror}); check your rights") from error

    for where, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(where, name)
            if not name.startswith(".") and path.is_file() and (path.suffix.lower() in SUFFIXES or _is_photo(path)):
                yield path


def _is_photo(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            container_of(file.read(HEAD_BYTES))
    except (PhotoError, OSError):
        return False
    return True
