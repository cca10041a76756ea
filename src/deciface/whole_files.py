"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from deciface.errors import StorageError


def write_whole(path: Path, content: bytes) -> None:
    """Write under a temporary name in the same folder, flush to disk, rename.

    Raises
    ------
    StorageError
        When the folder is missing or not writable, or the disk is full; an older file of that name is then untouched.
    """
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False
        ) as file:
            temporary = file.name
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        temporary = ""
    except OSError as error:
        raise StorageError(
            f"'{path}' cannot be written ({error.strerror or error}); check the folder, your rights and the free space"
        ) from error
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
