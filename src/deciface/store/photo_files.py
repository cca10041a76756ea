"""Photos as files named by their own content: in the workspace's folder, or in an object store."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from deciface.errors import InputError, StorageError

SUFFIXES = {b"\xff\xd8\xff": "jpg", b"\x89PNG\r\n\x1a\n": "png"}


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A stored image: SHA-256 of its bytes, and ``jpg`` or ``png``."""

    sha256: str
    suffix: str

    @property
    def name(self) -> str:
        """Path below the place where photos are: ``ab/abcd....jpg``."""
        return f"{self.sha256[:2]}/{self.sha256}.{self.suffix}"


class PhotoFiles(Protocol):
    """Where images are kept. What was put once is never changed."""

    def put(self, content: bytes) -> StoredFile:
        """Write an image, whole or not at all; the same content is written once."""
        ...

    def get(self, file: StoredFile) -> bytes:
        """Read an image and check that it is the one that was written."""
        ...

    def remove(self, file: StoredFile) -> bool:
        """Remove an image; return whether it was there."""
        ...

    def names(self) -> list[str]:
        """Everything that is there, `StoredFile.name` or not, sorted."""
        ...

    def sweep(self, names: Collection[str]) -> int:
        """Remove everything but the images of these names; return how many files there were."""
        ...


def open_files(folder: Path, blobs: str | None) -> PhotoFiles:
    """Open where a workspace keeps its images: `folder`, or `blobs` such as ``s3://bucket/photos``.

    Raises
    ------
    StorageError
        `blobs` is not an address that can be used, or a package for it is missing.
    """
    return PhotoFolder(folder) if blobs is None else PhotoObjects.open(blobs)


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


def identify(content: bytes) -> StoredFile:
    """Name an image by its content; `InputError` unless it is JPEG or PNG."""
    return StoredFile(hashlib.sha256(content).hexdigest(), suffix_of(content))


def _checked(content: bytes, file: StoredFile, place: str) -> bytes:
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise StorageError(f"{place} has changed since it was stored; restore it from a backup")
    return content


@dataclass(frozen=True, slots=True)
class PhotoFolder:
    """Images in a folder."""

    folder: Path

    def path(self, file: StoredFile) -> Path:
        """Where a file is, whether or not it is there."""
        return self.folder / file.name

    def put(self, content: bytes) -> StoredFile:
        """Write an image under its name, whole or not at all.

        The same content is written once. A file without a row in the database is a photo whose import was interrupted;
        the next import takes it over.

        Raises
        ------
        InputError
            Neither JPEG nor PNG.
        StorageError
            The disk is full or not writable.
        """
        file = identify(content)
        target = self.path(file)
        if target.exists():
            return file
        temporary = target.with_name(f".part-{file.sha256}-{os.getpid()}")
        try:
            try:
                self._write(content, temporary, target)
            except FileNotFoundError:  # an erasure has swept it away as something a killed import left
                if not target.exists():
                    self._write(content, temporary, target)
            for left_by_a_killed_import in target.parent.glob(f".part-{file.sha256}-*"):
                left_by_a_killed_import.unlink(missing_ok=True)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            if not target.exists():  # else another process stored the same photo in the meantime
                reason = error.strerror or error
                raise StorageError(
                    f"photo {file.sha256[:12]} could not be written to {self.folder} ({reason}); free some space"
                ) from error
        return file

    @staticmethod
    def _write(content: bytes, temporary: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(target)
        flush_folder(target.parent)

    def get(self, file: StoredFile) -> bytes:
        """Read an image and check it.

        Raises
        ------
        StorageError
            The file is missing or has changed.
        """
        path = self.path(file)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise StorageError(f"{path} cannot be read ({error.strerror}); restore it from a backup") from error
        return _checked(content, file, str(path))

    def remove(self, file: StoredFile) -> bool:
        """Remove an image; return whether it was there.

        Raises
        ------
        StorageError
            It is there and cannot be removed.
        """
        path = self.path(file)
        try:
            path.unlink()
            flush_folder(path.parent)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StorageError(f"{path} cannot be removed ({error.strerror}); check your rights") from error
        return True

    def names(self) -> list[str]:
        """Everything that is there, sorted; files of interrupted imports among it."""
        return sorted(p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*") if not p.is_dir())

    def sweep(self, names: Collection[str]) -> int:
        """Remove everything but the images of these names; return how many files there were.

        Raises
        ------
        StorageError
            One of them cannot be removed.
        """
        left = [self.folder / name for name in self.names() if name not in names]
        for path in left:
            try:
                path.unlink(missing_ok=True)
                flush_folder(path.parent)
            except OSError as error:
                raise StorageError(f"{path} cannot be removed ({error.strerror}); check your rights") from error
        return len(left)


@dataclass(frozen=True, slots=True)
class PhotoObjects:
    """Images in an object store, through fsspec: S3, Azure, Google Cloud, a share of the hospital.

    An object appears when it has been sent as a whole; every read compares its hash with its name.
    """

    place: str
    _system: Any
    _base: str

    @classmethod
    def open(cls, url: str) -> PhotoObjects:
        """Open ``s3://bucket/photos`` and the like; nothing is sent yet.

        Raises
        ------
        StorageError
            Not such an address, or a package for it is missing.
        """
        try:
            from fsspec.core import url_to_fs

            system, base = url_to_fs(url)
        except ImportError as error:
            raise StorageError(
                f"photos are kept in '{url}', which needs another package ({error}); "
                "run: pip install 'deciface[objects]' and what fsspec asks for"
            ) from error
        except (ValueError, OSError) as error:  # some kinds of place are reached for at once
            raise StorageError(
                f"'{url}' is no place for photos ({error}); give an address such as s3://bucket/photos"
            ) from error
        return cls(url, system, base.rstrip("/"))

    def put(self, content: bytes) -> StoredFile:
        """Send an image under its name; one that is there in full is not sent again.

        Raises
        ------
        InputError
            Neither JPEG nor PNG.
        StorageError
            The store does not take it.
        """
        file = identify(content)
        target = self._path(file)
        try:
            if not self._system.exists(target) or self._system.size(target) != len(content):
                self._system.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
                self._system.pipe_file(target, content)
        except Exception as error:  # every store raises its own
            raise self._told(file, "written", error) from error
        return file

    def get(self, file: StoredFile) -> bytes:
        """Fetch an image and check it; `StorageError` when it is missing or has changed."""
        try:
            content: bytes = self._system.cat_file(self._path(file))
        except Exception as error:
            raise self._told(file, "read", error) from error
        return _checked(content, file, f"{self.place}/{file.name}")

    def remove(self, file: StoredFile) -> bool:
        """Remove an image; return whether it was there. `StorageError` when it cannot be removed."""
        target = self._path(file)
        try:
            if not self._system.exists(target):
                return False
            self._system.rm_file(target)
        except Exception as error:
            raise self._told(file, "removed", error) from error
        return True

    def names(self) -> list[str]:
        """Everything that is there, sorted; `StorageError` when it cannot be listed."""
        try:
            start = len(self._system._strip_protocol(self._base)) + 1
            return sorted(name[start:] for name in self._system.find(self._base))
        except Exception as error:
            raise self._failed("the photos", "listed", error) from error

    def sweep(self, names: Collection[str]) -> int:
        """Remove everything but the images of these names; return how many there were.

        Raises
        ------
        StorageError
            The store cannot be listed, or one of them not be removed.
        """
        left = [name for name in self.names() if name not in names]
        for name in left:
            try:
                self._system.rm_file(f"{self._base}/{name}")
            except Exception as error:
                raise self._failed(f"photo {Path(name).stem[:12]}", "removed", error) from error
        return len(left)

    def _path(self, file: StoredFile) -> str:
        return f"{self._base}/{file.name}"

    def _told(self, file: StoredFile, what: str, error: Exception) -> StorageError:
        return self._failed(f"photo {file.sha256[:12]}", what, error)

    def _failed(self, which: str, what: str, error: Exception) -> StorageError:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return StorageError(
            f"{which} could not be {what} in {self.place} ({reason}); check its address and your rights"
        )


def flush_folder(folder: Path) -> None:
    """Make a rename in a folder last through a power cut, where the system can (not on Windows)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
