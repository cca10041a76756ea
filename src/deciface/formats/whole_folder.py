"""Folders that appear whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deciface.errors import StorageError


def refuse_existing(*targets: Path) -> None:
    """Refuse to write over anything.

    Raises
    ------
    StorageError
        One of the targets exists already.
    """
    for target in targets:
        if target.exists() or target.is_symlink():
            raise StorageError(f"'{target}' exists already and is not written over; name a new one or move it away")


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder beside the target, which becomes the target when the block ends without an error.

    Nobody but its owner can read it, as with `deciface.whole_files`: what is written here is about people.

    Raises
    ------
    StorageError
        The target exists already, its folder is missing or not writable, or the disk is full; nothing is then left.
    """
    refuse_existing(target)
    temporary: Path | None = None
    try:
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part"))
        yield temporary
        temporary.rename(target)
        temporary = None
    except OSError as error:
        raise StorageError(
            f"'{target}' cannot be written ({error.strerror or error}); check the folder, your rights and free space"
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
