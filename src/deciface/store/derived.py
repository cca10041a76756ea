"""Which files were made from which photos: crops, heatmaps, composites, centroids, reports, exports.

What is made from a photo carries the photo's consent and goes with it. Register a file before it is written: then no
file exists that erasure would not find.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection, insert, select

from deciface.errors import InputError
from deciface.store import tables
from deciface.store.case_rows import in_chunks


class DerivedKind(StrEnum):
    """What a file shows of the photos it was made from."""

    CROP = "crop"
    HEATMAP = "heatmap"
    COMPOSITE = "composite"
    CENTROID = "centroid"
    REPORT = "report"
    EXPORT = "export"


OF_MANY = frozenset({DerivedKind.COMPOSITE, DerivedKind.CENTROID})
"""Made from many patients: without one of them it is not gone, but to be made again."""

_OWN = frozenset({"photos", "cache"})
"""Folders of the workspace itself; erasure deletes derived files by their path."""


@dataclass(frozen=True, slots=True, order=True)
class Derived:
    """A file made from photos. `path` is relative to the workspace (with ``/``), or absolute outside it."""

    path: str
    kind: DerivedKind

    def inside(self, root: Path) -> Path | None:
        """Where it lies within the workspace, or None for a file outside, links followed."""
        path = root / self.path
        folder = path.parent.resolve()
        return folder / path.name if folder.is_relative_to(root.resolve()) and path.name not in {"", ".."} else None


def register(
    connection: Connection, *, kind: DerivedKind, path: str | Path, photo_ids: Collection[str], at: str
) -> str:
    """Note, before a file is written, which photos it is made from; return the id of the note.

    A path that is registered already keeps the photos it had: what stood in the file may still be there.

    Parameters
    ----------
    path
        Relative to the workspace, or absolute outside it.
    at
        ISO 8601 UTC.

    Raises
    ------
    InputError
        No photos are named, one of them is not (or no longer) in the workspace, or the path is the workspace's own.
    """
    name = Path(path).as_posix()
    if len(parts := Path(path).parts) < 2 or parts[0] in _OWN:
        raise InputError(f"'{name}' is no place for a file made from photos; give a folder such as reports/{name}")
    wanted = sorted(set(photo_ids))
    if not wanted:
        raise InputError(f"'{path}' names no photo it is made from; give the ids of all its photos")
    there = set[str]()
    for some in in_chunks(wanted):  # locked, so that none is erased before this transaction has ended
        query = select(tables.photos.c.id).where(tables.photos.c.id.in_(some)).with_for_update(read=True)
        there.update(connection.execute(query).scalars())
    if missing := [photo_id for photo_id in wanted if photo_id not in there]:
        raise InputError(
            f"'{path}' is made from photo '{missing[0]}', which is not in the workspace or was withdrawn; leave it out"
        )
    derived_id = hashlib.sha256(name.encode()).hexdigest()[:32]
    of = tables.derived_from.c
    if connection.execute(select(tables.derived.c.id).where(tables.derived.c.id == derived_id)).first() is None:
        connection.execute(insert(tables.derived).values(id=derived_id, kind=str(kind), path=name, created_at=at))
    noted = set(connection.execute(select(of.photo_id).where(of.derived_id == derived_id)).scalars())
    if new := [{"derived_id": derived_id, "photo_id": photo_id} for photo_id in wanted if photo_id not in noted]:
        connection.execute(insert(tables.derived_from), new)
    return derived_id


def paths_of(connection: Connection, photo_ids: Collection[str]) -> tuple[Derived, ...]:
    """List every file that was made from any of these photos, sorted by path."""
    d, of = tables.derived, tables.derived_from
    found = set[Derived]()
    for some in in_chunks(sorted(set(photo_ids))):
        query = select(d.c.path, d.c.kind).join(of, of.c.derived_id == d.c.id).where(of.c.photo_id.in_(some)).distinct()
        found.update(Derived(row.path, DerivedKind(row.kind)) for row in connection.execute(query))
    return tuple(sorted(found))
