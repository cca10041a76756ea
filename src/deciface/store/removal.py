"""What a purge takes out of the tables, and the note of it that survives a crash.

The rows go in one transaction, which also writes down in the tombstone which files belonged to them. Whoever takes the
purge up again after a crash finds the note, and adds to it what has been stored in the meantime.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, func, select, update

from deciface.store import tables
from deciface.store.case_rows import in_chunks
from deciface.store.certificate import Remade
from deciface.store.derived import OF_MANY, paths_of, paths_of_any_photo
from deciface.store.jobs import JobState
from deciface.store.tombstones import SubjectKind, Tombstone
from deciface.store.versions import count_up

OF_A_PATIENT = tuple(
    table
    for table in tables.metadata.sorted_tables
    if "patient_id" in table.c and table.name not in {"photos", "job_patients", "derived_patients"}
)
OF_A_PHOTO = (tables.encodings, tables.landmarks)


@dataclass(slots=True)
class Removal:
    """The note: JSON types only.

    Parameters
    ----------
    patient_id
        Whom the subject belongs to; empty when it was not stored.
    rows
        Removed so far, by table.
    files
        [photo id, SHA-256, suffix] of image files that may have to be deleted; emptied when that is done.
    derived
        [kind, path] of files made from the photos.
    make_again
        [kind, path, photo ids] of those that show others too.
    jobs, unfinished
        Ids of removed jobs; [id, kind] of those that were still to be done for others too.
    models
        Withdrawn photos by SHA-256 of the model trained on them.
    photo_files, left_files, kept, cached_rows
        Counted when the files and rows of caches are deleted; `left_files` belonged to no photo.
    """

    patient_id: str = ""
    rows: dict[str, int] = field(default_factory=dict)
    files: list[list[str]] = field(default_factory=list)
    derived: list[list[str]] = field(default_factory=list)
    make_again: list[list[Any]] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    unfinished: list[list[str]] = field(default_factory=list)
    models: dict[str, int] = field(default_factory=dict)
    photo_files: int = 0
    left_files: int = 0
    cached_rows: int = 0
    kept: list[str] = field(default_factory=list)

    def as_document(self) -> dict[str, Any]:
        """Return what stands in the tombstone."""
        return {"removal": asdict(self)}

    def remade(self) -> tuple[Remade, ...]:
        """Files of many patients that were deleted."""
        return tuple(Remade(kind, path, tuple(ids)) for kind, path, ids in self.make_again)


def read_removal(connection: Connection, stone: Tombstone) -> Removal:
    """Read the note of a purge that has begun; an empty one before."""
    query = select(tables.tombstones.c.certificate).where(is_stone(stone))
    document = connection.execute(query).scalar() or {}
    return Removal(**document["removal"]) if "removal" in document else Removal()


def write_removal(connection: Connection, stone: Tombstone, removal: Removal) -> None:
    """Write the note down, unless another process has ended the purge: then the certificate stands in its place."""
    begun = is_stone(stone) & tables.tombstones.c.purged_at.is_(None)
    connection.execute(update(tables.tombstones).where(begun).values(certificate=removal.as_document()))


def remove_rows(connection: Connection, stone: Tombstone) -> Removal:
    """Take everything of the subject out of the tables and note it; finds nothing more when it is run again."""
    note = read_removal(connection, stone)
    ids = _all_photos(connection, stone)
    of_patient = stone.kind is SubjectKind.PATIENT
    if of_patient:
        note.patient_id = stone.subject_id
    elif not note.patient_id:
        note.patient_id = (
            connection.execute(
                select(tables.photos.c.patient_id).where(tables.photos.c.id == stone.subject_id)
            ).scalar_one_or_none()
            or ""
        )
    _note_files(connection, ids, note)
    rows = Counter(note.rows)
    rows.update(_remove_derived(connection, stone, ids, note))
    rows.update(_remove_jobs(connection, stone, note))
    rows.update(_mark_models(connection, ids, note))
    for chunk in in_chunks(ids):
        for table in OF_A_PHOTO:
            rows[table.name] += _delete(connection, table.c.photo_id.in_(chunk), table)
        connection.execute(update(tables.photos).where(tables.photos.c.replaces.in_(chunk)).values(replaces=None))
        rows["photos"] += _delete(connection, tables.photos.c.id.in_(chunk), tables.photos)
    if of_patient:
        for table in OF_A_PATIENT:
            rows[table.name] += _delete(connection, table.c.patient_id == stone.subject_id, table)
        rows["patients"] += _delete(connection, tables.patients.c.id == stone.subject_id, tables.patients)
    if dict(+rows) != note.rows:
        count_up(connection)
    note.rows = dict(sorted((+rows).items()))
    write_removal(connection, stone, note)
    return note


def _all_photos(connection: Connection, stone: Tombstone) -> tuple[str, ...]:
    """Those that were there at the withdrawal, and what has been stored of the patient since."""
    p = tables.photos.c
    if stone.kind is SubjectKind.PHOTO:
        return stone.photo_ids
    stored = set(connection.execute(select(p.id).where(p.patient_id == stone.subject_id)).scalars())
    ids = tuple(sorted(stored | set(stone.photo_ids)))
    if ids != stone.photo_ids:
        connection.execute(update(tables.tombstones).where(is_stone(stone)).values(photo_ids=list(ids)))
    return ids


def is_stone(stone: Tombstone) -> ColumnElement[bool]:
    """Condition on `tables.tombstones`."""
    t = tables.tombstones.c
    return (t.kind == str(stone.kind)) & (t.subject_id == stone.subject_id)


def _delete(connection: Connection, which: ColumnElement[bool], table: Table) -> int:
    return connection.execute(delete(table).where(which)).rowcount


def _note_files(connection: Connection, ids: Iterable[str], note: Removal) -> None:
    p = tables.photos.c
    for chunk in in_chunks(list(ids)):
        query = select(p.id, p.file_sha256, p.suffix).where(p.id.in_(chunk), p.file_sha256.is_not(None)).order_by(p.id)
        note.files += [list(row) for row in connection.execute(query)]


def _remove_derived(connection: Connection, stone: Tombstone, ids: tuple[str, ...], note: Removal) -> Counter[str]:
    d, of, whose = tables.derived, tables.derived_from, tables.derived_patients
    withdrawn = set(ids)
    if stone.kind is SubjectKind.PATIENT:
        files = paths_of(connection, ids, patient_ids=[stone.subject_id])
    else:
        files = tuple(sorted({*paths_of(connection, ids), *paths_of_any_photo(connection, note.patient_id)}))
    for file in files:
        note.derived.append([str(file.kind), file.path])
        if file.kind in OF_MANY:
            query = select(of.c.photo_id).join(d, d.c.id == of.c.derived_id).where(d.c.path == file.path)
            left = sorted(set(connection.execute(query.order_by(of.c.photo_id)).scalars()) - withdrawn)
            note.make_again.append([str(file.kind), file.path, left])
    count: Counter[str] = Counter()
    for chunk in in_chunks([path for _, path in note.derived]):
        made = select(d.c.id).where(d.c.path.in_(chunk))
        count["derived_from"] += _delete(connection, of.c.derived_id.in_(made), of)
        count["derived_patients"] += _delete(connection, whose.c.derived_id.in_(made), whose)
        count["derived"] += _delete(connection, d.c.path.in_(chunk), d)
    return count


def _remove_jobs(connection: Connection, stone: Tombstone, note: Removal) -> Counter[str]:
    """Jobs that name the patient; of one photo, those of its patient in whose payload its id stands."""
    j, of = tables.jobs.c, tables.job_patients.c
    query = select(j.id, j.kind, j.state, j.payload).join(tables.job_patients, of.job_id == j.id)
    found = [
        row
        for row in connection.execute(query.where(of.patient_id == note.patient_id).order_by(j.id))
        if stone.kind is SubjectKind.PATIENT or json.dumps(stone.subject_id) in json.dumps(row.payload)
    ]
    count: Counter[str] = Counter()
    for row in found:
        others = connection.execute(
            select(func.count()).where(of.job_id == row.id, of.patient_id != note.patient_id)
        ).scalar_one()
        if others and row.state in {JobState.WAITING, JobState.RUNNING}:
            note.unfinished.append([row.id, row.kind])
        note.jobs.append(row.id)
        count["job_patients"] += _delete(connection, of.job_id == row.id, tables.job_patients)
        count["jobs"] += _delete(connection, j.id == row.id, tables.jobs)
    return count


def _mark_models(connection: Connection, ids: tuple[str, ...], note: Removal) -> Counter[str]:
    """Count the withdrawn photos up and take them off the list of what a model was trained on: none counts twice."""
    of = tables.trained_on.c
    found: Counter[str] = Counter()
    for chunk in in_chunks(ids):
        query = (
            select(of.model_sha256, func.count().label("number"))
            .where(of.photo_id.in_(chunk))
            .group_by(of.model_sha256)
        )
        found.update({row.model_sha256: row.number for row in connection.execute(query)})
        _delete(connection, of.photo_id.in_(chunk), tables.trained_on)
    m = tables.trained_models
    for sha256, number in sorted(found.items()):
        more = m.c.withdrawn_photos + number
        connection.execute(update(m).where(m.c.sha256 == sha256).values(withdrawn_photos=more))
        note.models[sha256] = note.models.get(sha256, 0) + number
    return Counter({"trained_on": found.total()})


def names_of(note: Removal) -> tuple[str, ...]:
    """Tables that rows were deleted from or changed in."""
    changed = {"tombstones", "photos", "trained_models"}
    return tuple(sorted({name for name, count in note.rows.items() if count} | changed))
