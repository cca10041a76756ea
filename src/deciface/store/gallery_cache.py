"""Open a gallery from the store fast: from a memory-mapped copy of its unit rows, brought up to date, not rebuilt.

The copy is never trusted over the database. It belongs to one workspace and one version of the store; at another
version the vectors that the database describes are compared with those in the file, new ones are appended, and rows of
vectors that are gone are no longer read. Two vectors of one photo and view count as the same when pixels, weights and
crop version are: whoever replaces one by another of the same has to call `forget`. What is damaged is made again. Where
no copy can be written the gallery is built in memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select
from sqlalchemy.exc import TimeoutError as NoConnectionError

from deciface.cases import Photo, View
from deciface.errors import NoGalleryError, StorageError
from deciface.space import Gallery
from deciface.space.vectors import Block, Vectors, unit_rows
from deciface.store import audit, gallery_file, tables, vectors, versions
from deciface.store.gallery_file import RETIRED, Cached, Index
from deciface.store.vectors import StoredPhoto, StoredView

_ROWS_AT_ONCE = 256
_LIVE_SHARE = 0.75
"""A file with a smaller share of rows in use is written anew."""


def open_gallery(
    connection: Connection,
    photos: Sequence[Photo],
    *,
    models: Collection[str] | None = None,
    folder: Path,
    version: int,
) -> Gallery:
    """Open a gallery of those of the photos that are encoded; equal to `Gallery.build` of the same.

    Parameters
    ----------
    connection
        In a transaction that sees one moment.
    photos
        Who may be in it.
    models
        Only these encoders' views; all when None.
    folder
        Where the copies are; made when missing.
    version
        Of the store, as this transaction sees it.

    Raises
    ------
    NoGalleryError
        None of the photos is encoded.
    InputError, MismatchError
        As `Gallery.build`.
    """
    key, workspace = gallery_file.key_of(models), _workspace(connection)
    cached = _valid(connection, gallery_file.load(folder, key), workspace)
    if cached is None or cached.index.version != version:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with gallery_file.alone(folder):
                cached = _brought_up(connection, folder, models=models, version=version)
        except (OSError, StorageError):  # no right to write, no space: the gallery is there all the same
            cached = None
    gallery = _from_rows(cached, photos) if cached else None
    return gallery or _built(connection, photos, models)


def forget(folder: Path, photo_ids: Collection[str]) -> int:
    """Overwrite every row of some photos with zeros, in all copies; return how many there were. May be repeated.

    To be called after the transaction that removes their vectors from the database. A gallery that is open in another
    process loses these rows too.

    Raises
    ------
    StorageError
        A file cannot be overwritten or removed.
    """
    if not folder.is_dir():
        return 0
    wanted, forgotten = frozenset(photo_ids) - {""}, 0
    try:
        with gallery_file.alone(folder):
            for key in sorted({path.name.split(".")[0] for path in folder.glob("gallery-*")}):
                forgotten += gallery_file.blank(folder, key, wanted)
                cached = gallery_file.load(folder, key)
                if cached:
                    index = cached.index
                    gallery_file.cut(folder / index.file, index.width, behind=len(index))
                else:
                    (folder / f"{key}.json").unlink(missing_ok=True)
                gallery_file.tidy(folder, key, cached.index.file if cached else None)
    except OSError as error:
        raise StorageError(
            f"vectors in {folder} cannot be erased ({error.strerror or error}); "
            "close the programs that use the workspace and run the same again"
        ) from error
    return forgotten


def _workspace(connection: Connection) -> str:
    meta = tables.meta.c
    return str(connection.execute(select(meta.value).where(meta.key == "workspace")).scalar() or "")


def _valid(connection: Connection, cached: Cached | None, workspace: str) -> Cached | None:
    """Return the copy if it is of this workspace, and of the past that this database has."""
    if cached is None or cached.index.workspace != workspace:
        return None
    number, sha256 = cached.index.history
    entry = select(tables.audit.c.sha256).where(tables.audit.c.number == number)
    if number and connection.execute(entry).scalar() != sha256:
        return None
    return cached


def _is_newest(connection: Connection, version: int) -> bool:
    """Whether nothing has changed since this transaction began. What has been erased meanwhile must not be written."""
    try:
        with connection.engine.connect() as other:
            return versions.version(other) == version
    except NoConnectionError:
        return False


def _brought_up(connection: Connection, folder: Path, *, models: Collection[str] | None, version: int) -> Cached | None:
    """Bring the copy to this version, alone in the folder; None when somebody has changed the store meanwhile."""
    key, workspace = gallery_file.key_of(models), _workspace(connection)
    if not _is_newest(connection, version):
        return None
    old = _valid(connection, gallery_file.load(folder, key), workspace)
    if old and old.index.version == version:
        return old
    now = vectors.stored_photos(connection, models=models)
    if not now:
        return None
    kept = _kept(old.index, now) if old else None
    head = audit.read_head(connection)
    index = kept or Index(
        workspace=workspace,
        version=version,
        history=(0, ""),
        models=None if models is None else tuple(sorted(models)),
        file=gallery_file.new_file(folder, key),
        kinds=tuple(sorted({photo.views for photo in now.values()})),
        photo_ids=(),
        sha256=(),
        kind=(),
    )
    index = replace(index, version=version, history=(head.number, head.sha256))
    published = False
    try:
        index = _with_missing(connection, folder, index, now)
        if _is_newest(connection, version):
            gallery_file.publish(folder, key, index)
            published = True
    finally:
        if kept and not published:
            gallery_file.cut(folder / kept.file, kept.width, behind=len(kept))
        in_use = index.file if published else old.index.file if old else None
        gallery_file.tidy(folder, key, in_use)
    if not published:
        return None
    if gone := set(index.photo_ids) - now.keys() - {""}:  # erased from another machine, where this file is not
        gallery_file.blank(folder, key, gone)
    return gallery_file.load(folder, key)


def _kept(index: Index, now: Mapping[str, StoredPhoto]) -> Index | None:
    """Retire the rows of vectors that are no longer stored; None when the file is better written anew."""
    if gallery_file.blocks_of(photo.views for photo in now.values()) != index.blocks:
        return None
    kept = replace(
        index,
        kind=tuple(
            number if number != RETIRED and now.get(photo) == StoredPhoto(sha256, index.kinds[number]) else RETIRED
            for photo, sha256, number in zip(index.photo_ids, index.sha256, index.kind, strict=True)
        ),
    )
    rows_then = len(kept) + len(now) - len(kept.row_of)
    return kept if len(now) >= _LIVE_SHARE * rows_then else None


def _with_missing(connection: Connection, folder: Path, index: Index, now: Mapping[str, StoredPhoto]) -> Index:
    """Append the photos that have no row yet, photos with the same views together."""
    kinds = {
        kind: number for number, kind in enumerate(dict.fromkeys([*index.kinds, *(p.views for p in now.values())]))
    }
    missing = sorted(now.keys() - index.row_of.keys(), key=lambda photo_id: (kinds[now[photo_id].views], photo_id))
    undirected = list(index.undirected)

    def parts() -> Iterator[NDArray[np.float32]]:
        row = len(index)
        for kind, photo_ids in groupby(missing, key=lambda photo_id: now[photo_id].views):
            for batch in _batches(list(photo_ids)):
                rows, bad = _unit_rows(connection, batch, kind, index)
                undirected.extend((row + i, block) for i, block in bad)
                yield rows
                row += len(rows)

    new = replace(
        index,
        kinds=tuple(kinds),
        photo_ids=(*index.photo_ids, *missing),
        sha256=(*index.sha256, *(now[photo_id].photo_sha256 for photo_id in missing)),
        kind=(*index.kind, *(kinds[now[photo_id].views] for photo_id in missing)),
    )
    gallery_file.append(folder / index.file, new.width, parts(), behind=len(index))
    return replace(new, undirected=tuple(undirected))


def _batches(photo_ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(photo_ids), _ROWS_AT_ONCE):
        yield photo_ids[start : start + _ROWS_AT_ONCE]


def _unit_rows(
    connection: Connection, photo_ids: list[str], kind: tuple[StoredView, ...], index: Index
) -> tuple[NDArray[np.float32], list[tuple[int, int]]]:
    """Rows of photos of one kind in the columns of the file, and (row, block) of those without a direction."""
    stored = vectors.matrix(connection, photo_ids, [v.view for v in kind])
    rows = np.zeros((len(photo_ids), index.width), np.float32)
    numbers = {block: number for number, block in enumerate(index.blocks)}
    bad, start = [], 0
    for v in kind:
        block = (v.view, v.dimensions)
        wrong = unit_rows(stored[:, start : start + v.dimensions], rows[:, index.blocks[block]])
        bad += [(row, numbers[block]) for row in wrong.tolist()]
        start += v.dimensions
    return rows, bad


def _from_rows(cached: Cached, photos: Sequence[Photo]) -> Gallery | None:
    """Take the photos' rows; None when `Gallery.build` would refuse them, for it to say why."""
    index = cached.index
    chosen = [photo for photo in photos if photo.id in index.row_of]
    if not chosen:
        return None
    rows = np.array([index.row_of[photo.id] for photo in chosen], np.intp)
    present = [index.kinds[number] for number in sorted({index.kind[row] for row in rows.tolist()})]
    blocks = [{(v.view, v.dimensions) for v in kind} for kind in present]
    shared = sorted(set.intersection(*blocks))
    stamps = {(v.view.model, v.encoder_sha256, v.crop_version) for kind in present for v in kind}
    dropped = {view for kind in blocks for view, _ in kind} - {view for view, _ in shared}
    everywhere = set.intersection(*({view for view, _ in kind} for kind in blocks))
    numbers = {block: number for number, block in enumerate(index.blocks)}
    wanted, used = set(rows.tolist()), {numbers[block] for block in shared}
    if (
        not shared
        or dropped & everywhere  # one view in two lengths
        or len(stamps) > len({model for model, _, _ in stamps})
        or any(index.sha256[row] != photo.sha256 for row, photo in zip(rows.tolist(), chosen, strict=True))
        or any(row in wanted and block in used for row, block in index.undirected)
    ):
        return None
    matrix, rows, columns = _columns(cached, rows, shared)
    return Gallery.from_vectors(
        chosen,
        tuple(view for view, _ in shared),
        Vectors(matrix, columns),
        rows,
        encoder_sha256={model: sha256 for model, sha256, _ in stamps},
        crop_version={model: crop for model, _, crop in stamps},
        dropped_views=tuple(sorted(dropped)),
    )


def _columns(
    cached: Cached, rows: NDArray[np.intp], shared: Sequence[tuple[View, int]]
) -> tuple[NDArray[np.float32], NDArray[np.intp], list[Block]]:
    """Return the mapped matrix where all its columns are wanted, else a copy of those that are."""
    where = cached.index.blocks
    if list(where) == list(shared):
        return cached.matrix, rows, [Block(c.start, c.stop) for c in where.values()]
    stops = np.cumsum([d for _, d in shared]).tolist()
    columns = [Block(stop - d, stop) for (_, d), stop in zip(shared, stops, strict=True)]
    copy = np.empty((len(rows), stops[-1]), np.float32)
    for block, column in zip(shared, columns, strict=True):
        copy[:, column.start : column.stop] = cached.matrix[rows, where[block]]
    return copy, np.arange(len(rows)), columns


def _built(connection: Connection, photos: Sequence[Photo], models: Collection[str] | None) -> Gallery:
    """Build in memory what the copy cannot give."""
    encodings = list(vectors.read_encodings(connection, models=models, photo_ids={photo.id for photo in photos}))
    encoded = {encoding.photo_id for encoding in encodings}
    chosen = [photo for photo in photos if photo.id in encoded]
    if not chosen:
        wanted = f" by {', '.join(sorted(models))}" if models else ""
        raise NoGalleryError(f"the workspace has no photo encoded{wanted}; import photos first")
    return Gallery.build(chosen, encodings)
