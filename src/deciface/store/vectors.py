"""Vectors in the database: stored in bulk, read back as encodings or as one matrix. Nothing holds all of them twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, func, select, tuple_, update

from deciface.cases import NOT_STATED, Encoding, View
from deciface.errors import InputError, MismatchError
from deciface.store import tables

SAME_WITHIN = 1e-3
"""Largest 1 - cosine at which two vectors of one photo, view, crop and weights count as one."""

_BATCH = 512
"""Encodings, or photos, that are looked up by one query."""
_MOST_HALVES = 16_000
"""Longest ``halfvec`` that pgvector stores; longer vectors are searched in memory only."""

_columns = tables.encodings.c
_NAMES = tuple(column.name for column in tables.encodings.columns)
_view_columns = (_columns.model, _columns.region, _columns.flip, _columns.grey)
_T = TypeVar("_T")
_Key = tuple[str, View]


@dataclass(frozen=True, slots=True, order=True)
class StoredView:
    """What one stored vector is, without its numbers; two vectors of one photo that agree in this are the same."""

    view: View
    dimensions: int
    encoder_sha256: str
    crop_version: str


@dataclass(frozen=True, slots=True)
class StoredPhoto:
    """Which vectors a photo has.

    Parameters
    ----------
    photo_sha256
        Of the pixels they were made from; empty when they were not all made from the same.
    views
        Sorted.
    """

    photo_sha256: str
    views: tuple[StoredView, ...]


def insert_encodings(
    connection: Connection,
    encodings: Iterable[Encoding],
    *,
    allow: Callable[[Collection[str]], None] = lambda _photo_ids: None,
) -> int:
    """Store encodings that are not stored yet; return how many were new.

    Reads the encodings in batches, so an iterator of any length takes a few megabytes. A batch is stored when it has
    been checked: run this in a transaction that is rolled back on an error, then all are stored or none.

    Parameters
    ----------
    allow
        Is asked about the photos of every batch before anything of it is compared; raises to refuse.

    Raises
    ------
    InputError
        A photo that is not stored, or a vector that is not (d,) finite numbers.
    MismatchError
        Made from other pixels than the stored photo's, or another encoding of that view is stored already.
    """
    halves = _takes_halves(connection)
    statement = _statement(connection.dialect.name, halves=halves)
    inserted = 0
    for batch in _batches(encodings):
        allow({encoding.photo_id for encoding in batch})
        new = _new(connection, batch)
        if new:
            rows = [tuple(values[name] for name in _NAMES) for values in new]
            if halves:
                rows = [(*row, _halves(values["vector"])) for row, values in zip(rows, new, strict=True)]
            connection.exec_driver_sql(statement, rows)
        inserted += len(new)
    return inserted


def _statement(dialect: str, *, halves: bool) -> str:
    """Write the statement for the driver itself: compiling every row's values would take longer than storing them."""
    mark = "?" if dialect == "sqlite" else "%s"
    columns = [*_NAMES, "embedding"] if halves else _NAMES
    return f"INSERT INTO encodings ({', '.join(columns)}) VALUES ({', '.join([mark] * len(columns))})"  # noqa: S608 (own names)


def read_encodings(
    connection: Connection, *, models: Collection[str] | None = None, photo_ids: Collection[str] | None = None
) -> Iterator[Encoding]:
    """Stored encodings by photo id and view: all, or those of some models or photos. Streams."""
    query = select(tables.encodings).order_by(*tables.encodings.primary_key).execution_options(yield_per=_BATCH)
    if models is not None:
        query = query.where(_columns.model.in_(sorted(models)))
    parts = (
        [query] if photo_ids is None else (query.where(_columns.photo_id.in_(b)) for b in _batches(sorted(photo_ids)))
    )
    for part in parts:
        with connection.execute(part) as rows:  # also when nobody reads on
            for row in rows:
                yield Encoding(
                    row.photo_id,
                    row.photo_sha256,
                    row.crop_version,
                    row.encoder_sha256,
                    View(row.model, row.region, row.flip, row.grey),
                    np.frombuffer(row.vector, "<f4").astype(np.float32),
                )


def stored_photos(connection: Connection, *, models: Collection[str] | None = None) -> dict[str, StoredPhoto]:
    """Which vectors every encoded photo has, by photo id, without reading them."""
    query = select(
        _columns.photo_id,
        _columns.photo_sha256,
        *_view_columns,
        func.length(_columns.vector),
        _columns.encoder_sha256,
        _columns.crop_version,
    )
    if models is not None:
        query = query.where(_columns.model.in_(sorted(models)))
    # There are few different ones and many rows: each is numbered once.
    numbers: dict[tuple[Any, ...], int] = {}
    views: dict[str, list[int]] = defaultdict(list)
    pixels: dict[str, set[str]] = defaultdict(set)
    for photo_id, sha256, *what in connection.execute(query.execution_options(yield_per=8 * _BATCH)):
        views[photo_id].append(numbers.setdefault(tuple(what), len(numbers)))
        pixels[photo_id].add(sha256)
    known = [StoredView(View(*what[:4]), what[4] // 4, *what[5:]) for what in numbers]
    kinds = {kind: tuple(sorted(known[i] for i in kind)) for kind in {tuple(sorted(v)) for v in views.values()}}
    return {
        photo_id: StoredPhoto(min(pixels[photo_id]) if len(pixels[photo_id]) == 1 else "", kinds[tuple(sorted(found))])
        for photo_id, found in views.items()
    }


def matrix(connection: Connection, photo_ids: Sequence[str], views: Sequence[View]) -> NDArray[np.float32]:
    """Vectors of photos, one row a photo, the views side by side, as they are stored.

    Parameters
    ----------
    photo_ids
        n different photos.
    views
        Different views that each of them has.

    Returns
    -------
    (n, d) float32, d being the sum of the views' dimensions. Nothing else of that size is held.

    Raises
    ------
    MismatchError
        A photo lacks one of the views, or has it in another length than the first photo.
    """
    if not photo_ids or not views:
        return np.empty((len(photo_ids), 0), np.float32)
    lengths = {
        View(*row[:4]): row[4] // 4
        for row in connection.execute(
            select(*_view_columns, func.length(_columns.vector)).where(
                _columns.photo_id == photo_ids[0], _one_of(views)
            )
        )
    }
    if missing := [view for view in views if view not in lengths]:
        raise MismatchError(f"photo '{photo_ids[0]}' has no encoding of view {missing[0]}; encode it with that model")
    starts = dict(zip(views, np.cumsum([0, *(lengths[v] for v in views)]).tolist(), strict=False))
    out = np.empty((len(photo_ids), sum(lengths[v] for v in views)), np.float32)
    places = {(v.model, v.region, v.flip, v.grey): (slice(starts[v], starts[v] + n), n) for v, n in lengths.items()}
    query = select(_columns.photo_id, *_view_columns, _columns.vector)
    row_of = {photo_id: i for i, photo_id in enumerate(photo_ids)}
    filled = np.zeros(len(photo_ids), np.intp)
    for batch in _batches(photo_ids):
        for photo_id, *view, vector in connection.execute(query.where(_columns.photo_id.in_(batch), _one_of(views))):
            place, length = places[tuple(view)]
            if len(vector) == 4 * length:
                out[row_of[photo_id], place] = np.frombuffer(vector, "<f4")
                filled[row_of[photo_id]] += 1
    if (filled < len(views)).any():
        photo_id = photo_ids[int(np.flatnonzero(filled < len(views))[0])]
        raise MismatchError(
            f"photo '{photo_id}' lacks one of the views {', '.join(map(str, views))}, or has it in another length than "
            f"photo '{photo_ids[0]}'; encode both with the same model"
        )
    return out


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    rest = iter(items)
    return iter(lambda: list(islice(rest, _BATCH)), [])


def _one_of(views: Iterable[View]) -> ColumnElement[bool]:
    return tuple_(*_view_columns).in_([(v.model, v.region, v.flip, v.grey) for v in views])


def _new(connection: Connection, batch: Sequence[Encoding]) -> list[dict[str, Any]]:
    """Rows of the encodings that are neither stored nor given twice in the batch."""
    ids = sorted({encoding.photo_id for encoding in batch})
    photos = tables.photos.c
    found = connection.execute(select(photos.id, photos.sha256).where(photos.id.in_(ids)))
    pixels = {row.id: row.sha256 for row in found}
    pixels |= _adopted(connection, batch, {photo_id for photo_id, sha256 in pixels.items() if sha256 == NOT_STATED})
    stored: dict[_Key, Mapping[str, Any]] = {}
    query = select(tables.encodings).where(_columns.photo_id.in_(ids), _one_of({e.view for e in batch}))
    for row in connection.execute(query).mappings():
        stored[row["photo_id"], View(row["model"], row["region"], row["flip"], row["grey"])] = dict(row)
    new = []
    for encoding in batch:
        values = _values(encoding, pixels)
        key = (encoding.photo_id, encoding.view)
        if key not in stored:
            stored[key] = values
            new.append(values)
        elif not _same(stored[key], values):
            raise MismatchError(
                f"photo '{encoding.photo_id}' has another encoding of view {encoding.view} already (weights "
                f"{stored[key]['encoder_sha256'][:12]}, crop {stored[key]['crop_version']}); nothing was stored"
            )
    return new


def _adopted(connection: Connection, batch: Sequence[Encoding], described: Collection[str]) -> dict[str, str]:
    """Pixel hashes of photos that were only described and have no encoding yet: those of the pixels encoded elsewhere.

    Raises `MismatchError` when these are the pixels of another photo.
    """
    stated = {e.photo_id: e.photo_sha256 for e in batch if e.photo_id in described and e.photo_sha256 != NOT_STATED}
    if not stated:
        return {}
    encoded = connection.execute(select(_columns.photo_id).where(_columns.photo_id.in_(sorted(stated)))).scalars()
    stated = {photo_id: sha256 for photo_id, sha256 in stated.items() if photo_id not in set(encoded)}
    photos = tables.photos.c
    taken = connection.execute(select(photos.id, photos.sha256).where(photos.sha256.in_(sorted(stated.values())))).all()
    for photo_id, sha256 in stated.items():
        if any(row.sha256 == sha256 for row in taken) or list(stated.values()).count(sha256) > 1:
            raise MismatchError(
                f"the encoding of photo '{photo_id}' was made from the pixels of another photo; correct its photo id"
            )
        connection.execute(update(tables.photos).where(photos.id == photo_id).values(sha256=sha256))
    return stated


def _same(stored: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether an encoding is the stored one, up to what another processor or a newer runtime rounds differently."""
    if any(stored[name] != given[name] for name in given if name != "vector"):
        return False
    if bytes(stored["vector"]) == given["vector"]:
        return True
    a, b = (np.frombuffer(values["vector"], "<f4").astype(np.float64) for values in (stored, given))
    return len(a) == len(b) and float(np.sqrt((a @ a) * (b @ b)) * (1 - SAME_WITHIN)) <= float(a @ b)


def _values(encoding: Encoding, pixels: Mapping[str, str]) -> dict[str, Any]:
    if encoding.photo_id not in pixels:
        raise InputError(f"photo '{encoding.photo_id}' is not in the workspace; add the photo before its encodings")
    if encoding.photo_sha256 != pixels[encoding.photo_id]:
        raise MismatchError(
            f"photo '{encoding.photo_id}' is stored with pixels {pixels[encoding.photo_id][:12]} but its encoding was "
            f"made from {encoding.photo_sha256[:12]}; encode the photo again"
        )
    return {
        "photo_id": encoding.photo_id,
        "model": encoding.view.model,
        "region": encoding.view.region,
        "flip": encoding.view.flip,
        "grey": encoding.view.grey,
        "photo_sha256": encoding.photo_sha256,
        "crop_version": encoding.crop_version,
        "encoder_sha256": encoding.encoder_sha256,
        "vector": stored_bytes(encoding),
    }


def stored_bytes(encoding: Encoding) -> bytes:
    """Return a vector as it is stored, little-endian float32.

    Raises
    ------
    InputError
        Not (d,) finite numbers.
    """
    vector = np.asarray(encoding.vector)
    if vector.ndim != 1 or not len(vector) or not np.isfinite(vector).all():
        raise InputError(
            f"photo '{encoding.photo_id}', view {encoding.view}: a vector of shape {vector.shape} with "
            f"{int((~np.isfinite(vector)).sum())} NaN or infinite numbers; (d,) finite ones are needed"
        )
    return vector.astype("<f4").tobytes()


def _takes_halves(connection: Connection) -> bool:
    """Whether there is a column for search in the database, PostgreSQL with pgvector; prepares the driver for it."""
    if connection.dialect.name != "postgresql":
        return False
    found = connection.exec_driver_sql(
        "SELECT 1 FROM pg_attribute WHERE attrelid = 'encodings'::regclass AND attname = 'embedding' "
        "AND NOT attisdropped"
    )
    if found.scalar() is None:
        return False
    from pgvector.psycopg import register_vector

    driver: Any = connection.connection.driver_connection
    register_vector(driver)  # binary: seven times as fast as text
    return True


def _halves(vector: bytes) -> Any:  # noqa: ANN401 (pgvector has no types)
    """Return a vector's direction for pgvector; half precision ends at 65,504, a direction never does."""
    from pgvector import HalfVector

    numbers = np.frombuffer(vector, "<f4").astype(np.float64)
    if len(numbers) > _MOST_HALVES:
        return None
    norm = float(np.sqrt(numbers @ numbers))
    return HalfVector((numbers / norm if norm else numbers).astype(np.float16))
