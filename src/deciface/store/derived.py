"""Which files were made of whom: crops, heatmaps, composites, centroids, reports, exports, records of trainings.

What is made of a person or a photo carries their consent and goes with them. A file is registered before it is written
and looked for again afterwards (`Workspace.deriving`): then no file exists that erasure would not find.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePath

from sqlalchemy import ColumnElement, Connection, delete, exists, insert, select

from deciface.errors import InputError
from deciface.store import tables
from deciface.store.case_rows import in_chunks
from deciface.store.opening import CACHE, DATABASE, PHOTOS
from deciface.store.policy_sql import facts_of
from deciface.store.settings import FILE
from deciface.store.tombstones import WITHDRAWN


class DerivedKind(StrEnum):
    """What a file shows of the people and photos it was made from."""

    CROP = "crop"
    HEATMAP = "heatmap"
    COMPOSITE = "composite"
    CENTROID = "centroid"
    REPORT = "report"
    EXPORT = "export"
    TRAINING = "training"


OF_MANY = frozenset({DerivedKind.COMPOSITE, DerivedKind.CENTROID, DerivedKind.TRAINING})
"""Made from many patients: without one of them it is not gone, but to be made again."""

_OWN = (PHOTOS, CACHE, FILE, WITHDRAWN)
"""Files and folders of the workspace itself, beside the database; erasure deletes derived files by their path."""


@dataclass(frozen=True, slots=True, order=True)
class Derived:
    """A file or folder made of people. `path` is relative to the workspace (with ``/``), or absolute outside it."""

    path: str
    kind: DerivedKind

    def inside(self, root: Path) -> Path | None:
        """Where it lies within the workspace, or None for what is outside, links followed, or the workspace's own."""
        home, place = root.resolve(), _resolved(root / self.path)
        return place if place.is_relative_to(home) and not _is_own(place, home) else None


def place_of(path: Path, root: Path) -> str:
    """Name a file or folder as it is registered: relative to the workspace where it lies within, else absolute.

    A workspace that is moved, or restored elsewhere, so still finds what was made in it.

    Raises
    ------
    InputError
        The path is the workspace's own, a link, or a folder that is there already.
    """
    home, place = root.resolve(), _resolved(path)
    if _is_own(place, home) or _is_own(path.resolve(), home):
        raise InputError(f"'{path}' is no place for a file made of people; give a folder such as {root}/reports")
    if place.is_symlink():
        raise InputError(f"'{path}' is a link; give the place itself")
    if place.is_dir():
        raise InputError(f"'{path}' is a folder that is there already; give a new one, or a file in it")
    return (place.relative_to(home) if place.is_relative_to(home) else place).as_posix()


def _resolved(path: Path) -> Path:
    """Follow the links of the folders on the way; a link at the end is itself what would be deleted."""
    return path.resolve() if path.name in {"", ".."} else path.parent.resolve() / path.name


def _is_own(place: Path, home: Path) -> bool:
    if home.is_relative_to(place):
        return True
    if not place.is_relative_to(home):
        return False
    first = place.relative_to(home).parts[0].casefold()  # some file systems do not tell upper from lower case
    return first in _OWN or first.startswith((DATABASE, ".deciface."))


def register(
    connection: Connection,
    *,
    kind: DerivedKind,
    places: Sequence[str],
    patient_ids: Collection[str],
    photo_ids: Collection[str] = (),
    at: str,
) -> tuple[str, ...]:
    """Note, before files are written, of whom they are made; return the ids of the notes.

    A place that is registered already keeps the people it had: what stood in the file may still be there.

    Parameters
    ----------
    places
        As `place_of` names them.
    patient_ids, photo_ids
        Everybody whose data will be in any of the files; the patients of the photos are noted with them.
    at
        ISO 8601 UTC.

    Raises
    ------
    InputError
        Nobody is named, or one of them is not (or no longer) in the workspace.
    """
    people = sorted(set(patient_ids) | _owners(connection, places[0], photo_ids))
    if not people:
        raise InputError(f"'{places[0]}' names nobody it is made of; give the ids of all its patients")
    there = facts_of(connection, people)
    if missing := [patient_id for patient_id in people if patient_id not in there or there[patient_id].erased]:
        raise InputError(
            f"'{places[0]}' is made of patient '{missing[0]}', who is not in the workspace or was withdrawn; "
            "leave them out"
        )
    notes = []
    for place in dict.fromkeys(places):
        note = hashlib.sha256(place.encode()).hexdigest()[:32]
        if connection.execute(select(tables.derived.c.id).where(tables.derived.c.id == note)).first() is None:
            connection.execute(insert(tables.derived).values(id=note, kind=str(kind), path=place, created_at=at))
        for column, ids in ((_PATIENTS.patient_id, people), (_PHOTOS.photo_id, sorted(set(photo_ids)))):
            noted = set(connection.execute(select(column).where(column.table.c.derived_id == note)).scalars())
            if new := [{"derived_id": note, column.name: subject} for subject in ids if subject not in noted]:
                connection.execute(insert(column.table), new)
        notes.append(note)
    return tuple(notes)


_PATIENTS = tables.derived_patients.c
_PHOTOS = tables.derived_from.c


def _owners(connection: Connection, place: str, photo_ids: Collection[str]) -> set[str]:
    columns, found = tables.photos.c, dict[str, str]()
    for some in in_chunks(sorted(set(photo_ids))):  # locked, so that none is erased before this transaction has ended
        query = select(columns.id, columns.patient_id).where(columns.id.in_(some)).with_for_update(read=True)
        found |= {row.id: row.patient_id for row in connection.execute(query)}
    if missing := sorted(set(photo_ids) - found.keys()):
        raise InputError(
            f"'{place}' is made of photo '{missing[0]}', which is not in the workspace or was withdrawn; leave it out"
        )
    return set(found.values())


def stands(
    connection: Connection, notes: Sequence[str], *, patient_ids: Collection[str], photo_ids: Collection[str]
) -> bool:
    """Whether files are still registered with all these people and photos, none of whom was withdrawn meanwhile."""
    there = facts_of(connection, patient_ids)
    if any(patient_id not in there or there[patient_id].erased for patient_id in patient_ids):
        return False
    for column, ids in ((_PATIENTS.patient_id, set(patient_ids)), (_PHOTOS.photo_id, set(photo_ids))):
        for note in notes:
            noted = set(connection.execute(select(column).where(column.table.c.derived_id == note)).scalars())
            if not ids <= noted:
                return False
    return True


def take_back(connection: Connection, notes: Iterable[str]) -> None:
    """Forget the notes of files that were not written."""
    for some in in_chunks(sorted(set(notes))):
        for column in (_PATIENTS.derived_id, _PHOTOS.derived_id, tables.derived.c.id):
            connection.execute(delete(column.table).where(column.in_(some)))


def paths_of(
    connection: Connection, photo_ids: Collection[str], *, patient_ids: Collection[str] = ()
) -> tuple[Derived, ...]:
    """List every file that was made from any of these photos, or of any of these patients, sorted by path."""
    found = set[Derived]()
    for column, ids in ((_PHOTOS.photo_id, photo_ids), (_PATIENTS.patient_id, patient_ids)):
        for some in in_chunks(sorted(set(ids))):
            noted = select(column.table.c.derived_id).where(column.in_(some))
            found |= _paths(connection, tables.derived.c.id.in_(noted))
    return tuple(sorted(found))


def paths_of_any_photo(connection: Connection, patient_id: str) -> tuple[Derived, ...]:
    """List the files made of a patient that do not say from which photos: each may show any of them."""
    derived_id, photos = tables.derived.c.id, tables.photos.c
    of_patient = exists().where(_PATIENTS.derived_id == derived_id, _PATIENTS.patient_id == patient_id)
    of_photos = exists().where(
        _PHOTOS.derived_id == derived_id, _PHOTOS.photo_id == photos.id, photos.patient_id == patient_id
    )
    return tuple(sorted(_paths(connection, of_patient & ~of_photos)))


def _paths(connection: Connection, which: ColumnElement[bool]) -> set[Derived]:
    d = tables.derived.c
    return {Derived(row.path, DerivedKind(row.kind)) for row in connection.execute(select(d.path, d.kind).where(which))}


def remove(place: Path) -> None:
    """Delete a derived file or folder, and what a killed process left of it beside it (``.NAME.abc.part``)."""
    part = re.compile(rf"\.{re.escape(place.name)}\.[^.]*\.part")
    beside = [path for path in place.parent.iterdir() if part.fullmatch(path.name)] if place.parent.is_dir() else []
    for path in (place, *beside):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def mark_of(place: PurePath) -> tuple[int, ...] | None:
    """Tell what stands at a place from what is written there later; None while there is nothing."""
    try:
        found = Path(place).lstat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
