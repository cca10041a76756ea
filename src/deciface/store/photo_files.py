"""Photos as files named by their own content."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from deciface.errors import InputError, StorageError

SUFFIXES = {b"\xff\xd8\xff": "jpg", b"\x89PNG\r\n\x1a\n": "png"}


def suffix_of(content: bytes) -> str:
    """Tell ``jpg`` or ``png`` by the first bytes.

    Raises
    ------
    InputError
        Neither of them.
    """
    for start, suffix in SUFFIXES.items():
        if content.startswith(start):
            return suffix
    raise InputError("the stored photo must be JPEG or PNG; encode it as one of them first")


def file_of(folder: Path, sha256: str, suffix: str) -> Path:
    """Where a file of this content is: ``ab/abcd....jpg``."""
    return folder / sha256[:2] / f"{sha256}.{suffix}"


def put(folder: Path, content: bytes) -> tuple[str, str]:
    """Write a photo under its name, whole or not at all; return its SHA-256 and suffix.

    The same content is written once. A file without a row in the database is a photo whose import was interrupted; the
    next import takes it over.

    Raises
    ------
    InputError
        Neither JPEG nor PNG.
    StorageError
        The disk is full or not writable.
    """
    suffix, sha256 = suffix_of(content), hashlib.sha256(content).hexdigest()
    target = file_of(folder, sha256, suffix)
    if target.exists():
        return sha256, suffix
    temporary = target.with_name(f".part-{sha256}-{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(target)
        flush_folder(target.parent)
        for left_by_a_killed_import in target.parent.glob(f".part-{sha256}-*"):
            left_by_a_killed_import.unlink(missing_ok=True)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if not target.exists():  # else another process stored the same photo in the meantime
            raise StorageError(
                f"photo {sha256[:12]} could not be written to {folder} ({error.strerror or error}); free some space"
            ) from error
    return sha256, suffix


def flush_folder(folder: Path) -> None:
    """Make a rename in a folder last through a power cut, where the system can (not on Windows)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def get(folder: Path, sha256: str, suffix: str) -> bytes:
    """Read a photo and check that it is the one that was written.

    Raises
    ------
    StorageError
        The file is missing or has changed.
    """
    path = file_of(folder, sha256, suffix)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror}); restore it from a backup") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise StorageError(f"{path} has changed since it was stored; restore it from a backup")
    return content
