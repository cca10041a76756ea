"""The file a gallery opens from: unit rows in a memory-mapped ``.npy``, and beside it a JSON index of what they are.

The index decides: rows that it does not name do not exist, and it is replaced as a whole. Rows are only ever appended
behind those that were named before, so that whoever still has an older index reads what it read before. The one
exception is `blank`: rows of people who withdrew become zeros in place, for everybody at once.
"""

from __future__ import annotations

import hashlib
import io
import os
import sqlite3
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from deciface.cases import View
from deciface.store.vectors import StoredView
from deciface.whole_files import write_whole

FORMAT = 1
RETIRED = -1
"""Kind of a row that nobody reads any more."""

_HEADER_BYTES = 128
_PATIENCE_S = 600.0
_LOOKED_AT = 64
"""Rows whose length is checked on opening; reading all of them is what the cache is there to avoid."""


@dataclass(frozen=True)
class Index:
    """What the rows of a file are.

    Parameters
    ----------
    workspace, version, history
        Of which workspace, at which version of the store, and (number, sha256) of the last entry of its audit trail
        then: a restored backup counts the same numbers again, its trail does not.
    models
        Whose views; None for all.
    file
        Name of the matrix, in the same folder.
    kinds
        Which stored views a row has; rows say which of these applies.
    photo_ids, sha256, kind
        Per row: the photo, the hash of its pixels, and the number in `kinds` or `RETIRED`.
    undirected
        (row, block) of vectors that have no direction because they are zero.
    """

    workspace: str
    version: int
    history: tuple[int, str]
    models: tuple[str, ...] | None
    file: str
    kinds: tuple[tuple[StoredView, ...], ...]
    photo_ids: tuple[str, ...]
    sha256: tuple[str, ...]
    kind: tuple[int, ...]
    undirected: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.kind)

    @cached_property
    def blocks(self) -> dict[tuple[View, int], slice]:
        """Columns of every view in every length that occurs, in the order of the matrix."""
        return blocks_of(self.kinds)

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return max((columns.stop for columns in self.blocks.values()), default=0)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """The row of every photo that has one."""
        rows = zip(self.photo_ids, self.kind, range(len(self)), strict=True)
        return {photo_id: row for photo_id, kind, row in rows if kind != RETIRED}


@dataclass(frozen=True)
class Cached:
    """An index and the rows it names, (n, width) float32, mapped."""

    index: Index
    matrix: NDArray[np.float32]


def blocks_of(kinds: Iterable[tuple[StoredView, ...]]) -> dict[tuple[View, int], slice]:
    """Lay out columns for every view in every length that occurs, sorted."""
    blocks, start = {}, 0
    for view, dimensions in sorted({(v.view, v.dimensions) for kind in kinds for v in kind}):
        blocks[view, dimensions] = slice(start, start + dimensions)
        start += dimensions
    return blocks


def key_of(models: Collection[str] | None) -> str:
    """Name the files of a gallery of some models, or of all."""
    if models is None:
        return "gallery-all"
    return f"gallery-{hashlib.sha256(chr(10).join(sorted(models)).encode()).hexdigest()[:16]}"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process or thread writes here; a killed one does not hold on.

    An empty SQLite database is the lock: the one file lock that works the same everywhere.
    """
    try:
        with closing(sqlite3.connect(folder / "lock.sqlite", timeout=_PATIENCE_S, isolation_level=None)) as lock:
            lock.execute("BEGIN EXCLUSIVE")
            yield
    except sqlite3.Error as error:
        raise OSError(f"{folder} cannot be locked ({error})") from error


def load(folder: Path, key: str) -> Cached | None:
    """Open what is there; None when it is missing or damaged in any way."""
    try:
        index = _index(orjson.loads((folder / f"{key}.json").read_bytes()))
        with (folder / index.file).open("rb") as file:
            if file.read(6) != b"\x93NUMPY":
                return None
        # numpy refuses a file that is shorter than the rows it is to map.
        mapped = np.memmap(folder / index.file, np.float32, "r", _HEADER_BYTES, (len(index), index.width))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    cached = Cached(index, np.asarray(mapped))
    return cached if _plausible(cached) else None


def _plausible(cached: Cached) -> bool:
    """Whether some rows, the last among them, have the length that rows of their kind have: no hole, no garbage."""
    index = cached.index
    rows = np.unique(np.linspace(0, len(index) - 1, _LOOKED_AT).astype(np.intp))
    rows = rows[[index.kind[row] != RETIRED for row in rows]]
    undirected = [row for row, _ in index.undirected]
    expected = [len(index.kinds[index.kind[row]]) - undirected.count(row) for row in rows.tolist()]
    with np.errstate(all="ignore"):  # garbage may be anything
        lengths = np.square(cached.matrix[rows], dtype=np.float64).sum(axis=1)
    return bool(np.all(np.abs(lengths - expected) < 1e-3))


def publish(folder: Path, key: str, index: Index) -> None:
    """Make an index the valid one."""
    document = orjson.dumps(asdict(index))
    write_whole(
        folder / f"{key}.json", orjson.dumps({"format": FORMAT, "check": _check(document)})[:-1] + b"," + document[1:]
    )


def _check(document: bytes) -> str:
    return hashlib.sha256(document).hexdigest()


def _index(document: dict[str, Any]) -> Index:
    if document.pop("format") != FORMAT or document.pop("check") != _check(orjson.dumps(document)):
        raise ValueError("another format, or damaged")
    kinds = tuple(
        tuple(StoredView(View(**v["view"]), v["dimensions"], v["encoder_sha256"], v["crop_version"]) for v in kind)
        for kind in document.pop("kinds")
    )
    lists = {name: tuple(value) for name, value in document.items() if isinstance(value, list)}
    lists["undirected"] = tuple((row, block) for row, block in lists["undirected"])
    return Index(**{**document, **lists}, kinds=kinds)


def new_file(folder: Path, key: str) -> str:
    """Make an empty file that no index names yet; readable for its owner only."""
    handle, path = tempfile.mkstemp(prefix=f"{key}.", suffix=".npy", dir=folder)
    os.close(handle)
    return Path(path).name


def append(path: Path, width: int, parts: Iterable[NDArray[np.float32]], *, behind: int) -> None:
    """Write rows behind the first `behind` ones, in place of whatever a killed process left there, and flush them."""
    rows = behind
    with path.open("r+b") as file:
        file.truncate(_HEADER_BYTES + behind * width * 4)
        file.seek(0, os.SEEK_END)
        for part in parts:
            file.write(np.ascontiguousarray(part, np.float32).data)
            rows += len(part)
        file.seek(0)
        file.write(_header(rows, width))
        file.flush()
        os.fsync(file.fileno())


def cut(path: Path, width: int, *, behind: int) -> None:
    """Take away rows that were appended but are not to be published."""
    append(path, width, (), behind=behind)


def _header(rows: int, width: int) -> bytes:
    """Begin a .npy file; numpy leaves room in it, so that the number of rows may grow."""
    out = io.BytesIO()
    description = np.lib.format.dtype_to_descr(np.dtype(np.float32))
    np.lib.format.write_array_header_1_0(out, {"shape": (rows, width), "fortran_order": False, "descr": description})
    return out.getvalue()


def blank(folder: Path, key: str, photo_ids: Collection[str]) -> int:
    """Overwrite the rows of photos with zeros, flush, and forget that they were there; return how many there were.

    The index is changed before and after: whoever is killed in between is still told by it where the rows are.
    """
    cached = load(folder, key)
    if cached is None:
        return 0
    index = cached.index
    rows = [row for row, photo_id in enumerate(index.photo_ids) if photo_id in photo_ids]
    if rows:
        gone = set(rows)
        index = replace(index, kind=tuple(RETIRED if i in gone else k for i, k in enumerate(index.kind)))
        publish(folder, key, index)
        with (folder / index.file).open("r+b") as file:
            for row in rows:
                file.seek(_HEADER_BYTES + row * index.width * 4)
                file.write(bytes(index.width * 4))
            file.flush()
            os.fsync(file.fileno())
        index = replace(
            index,
            photo_ids=tuple("" if i in gone else p for i, p in enumerate(index.photo_ids)),
            sha256=tuple("" if i in gone else s for i, s in enumerate(index.sha256)),
            undirected=tuple(pair for pair in index.undirected if pair[0] not in gone),
        )
        publish(folder, key, index)
    return len(rows)


def tidy(folder: Path, key: str, keep: str | None) -> None:
    """Remove matrices that no index names, and what a killed process left half-written."""
    for path in [*folder.glob(f"{key}.*.npy"), *folder.glob(f".{key}.json.*.part")]:
        if path.name != keep:
            path.unlink(missing_ok=True)
