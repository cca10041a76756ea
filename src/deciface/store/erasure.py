"""Withdrawal and erasure: from one transaction on nothing is served, then everything that came of it is removed.

A withdrawal commits a tombstone, after which no rule allows anything with the record. The purge that follows is a list
of steps, each of which may be run again: the tombstone's line in ``withdrawn.jsonl``; the rows; the image files, crops,
heatmaps, reports, exports inside the workspace, composites and centroids, and what killed imports and exports left of
any; cached galleries; the database file itself
(see `deciface.store.compaction`). Only then is the purge marked as ended and the certificate written. Killed anywhere,
`resume` takes it up again. A database restored from an older backup is purged again from ``withdrawn.jsonl``.

What cannot be erased from here stands on every certificate: backups and exports outside the workspace, copies that a
file system or a solid-state disk keeps of deleted files, and a database server's write-ahead log, archive and replicas.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from sqlalchemy import Connection, insert, select, update

from deciface.consent import Action, Actor, Never, RecordFacts, may, rule_for
from deciface.errors import AccessError, InputError, StorageError
from deciface.store import audit, derived, gallery_cache, tables
from deciface.store.certificate import Certificate
from deciface.store.certifying import certify
from deciface.store.compaction import BusyError, compact
from deciface.store.derived import Derived, DerivedKind
from deciface.store.engines import read, told, write
from deciface.store.opening import CACHE
from deciface.store.photo_files import StoredFile
from deciface.store.policy_sql import facts_of
from deciface.store.removal import is_stone, names_of, read_removal, remove_rows, write_removal
from deciface.store.session import Session
from deciface.store.tombstones import (
    WITHDRAWN,
    SubjectKind,
    Tombstone,
    append_lines,
    read_lines,
    read_tombstones,
    workspace_id,
)
from deciface.store.versions import count_up, stamp


def withdraw(
    workspace: Session, *, kind: SubjectKind | str, subject_id: str, actor: Actor, now: dt.datetime
) -> Certificate:
    """Withdraw a patient or a photo, erase what came of it, and certify that.

    A second withdrawal of the same returns the first one's certificate, and ends a purge that was interrupted.

    Parameters
    ----------
    kind, subject_id
        ``patient`` or ``photo``, and its pseudonymous id.
    actor
        Who does it; needs the right to.
    now
        The time, with its zone.

    Raises
    ------
    InputError
        Nothing of that id is or was in the workspace.
    AccessError
        The actor may not withdraw it.
    StorageError
        The disk is full or another program holds the database. It is withdrawn all the same, nothing of it is served,
        and the purge ends when the workspace is opened next.
    """
    try:
        subject = SubjectKind(kind)
    except ValueError as error:
        raise InputError(f"'{kind}' cannot be withdrawn; allowed are {' and '.join(SubjectKind)}") from error
    with told(str(workspace.root)), write(workspace.engine) as connection:
        stone = read_tombstones(connection).get((str(subject), subject_id))
        if stone is None:
            stone = _mark(connection, subject, subject_id, actor=actor, now=now)
        elif isinstance(rule_for(actor, Action.WITHDRAW), Never):
            raise AccessError(may(actor, Action.WITHDRAW, RecordFacts(), on=now.date()).reason)
        else:
            _reopen_if_stored(connection, stone)
    return _purge(workspace, stone, now=now)


def resume(workspace: Session, *, now: dt.datetime) -> tuple[Certificate, ...]:
    """End every purge that was begun, and purge again what an older database does not know to be withdrawn.

    To be called when a workspace is opened: two short queries when there is nothing to do. A purge that has to wait for
    another program stays begun; nothing of it is served meanwhile.

    Raises
    ------
    StorageError
        ``withdrawn.jsonl`` is damaged or another workspace's, or the disk is full.
    """
    path = workspace.root / WITHDRAWN
    with told(str(workspace.root)), read(workspace.engine) as connection:
        own = workspace_id(connection)
        stored = read_tombstones(connection)
        pending = read_tombstones(connection, pending=True)
    lines = {stone.key: stone for stone in read_lines(path, workspace=own)}
    if unknown := [stone for key, stone in lines.items() if key not in stored]:
        with told(str(workspace.root)), write(workspace.engine) as connection:
            known = read_tombstones(connection)
            for stone in unknown:
                if stone.key not in known:
                    pending[stone.key] = _mark_again(connection, stone, now=now)
    if missing := [stone for key, stone in stored.items() if key not in lines]:
        append_lines(path, missing, workspace=own)
    certificates = []
    for stone in pending.values():
        try:
            certificates.append(_purge(workspace, stone, now=now))
        except BusyError:
            continue
    return tuple(certificates)


def refuse_unfinished(workspace: Session) -> None:
    """Refuse a workspace that is open for reading only while a withdrawal is still to be carried out in it.

    Raises
    ------
    StorageError
        A purge has not ended, ``withdrawn.jsonl`` names somebody whom the database does not know to be withdrawn, or
        it is damaged or another workspace's.
    """
    with told(str(workspace.root)), read(workspace.engine) as connection:
        lines = read_lines(workspace.root / WITHDRAWN, workspace=workspace_id(connection))
        unknown = {stone.key for stone in lines} - read_tombstones(connection).keys()
        count = len(unknown | read_tombstones(connection, pending=True).keys())
    if count:
        raise StorageError(
            f"{workspace.root} may not be written to, and {count} withdrawals have not been carried out in it yet; "
            "open it once with the right to write"
        )


def certificate_of(connection: Connection, *, kind: SubjectKind | str, subject_id: str) -> Certificate | None:
    """Read the certificate of a withdrawal; None when there was none, or its purge has not ended.

    Raises
    ------
    StorageError
        It was changed since.
    """
    t = tables.tombstones.c
    query = select(t.certificate).where(t.kind == str(kind), t.subject_id == subject_id, t.purged_at.is_not(None))
    document = connection.execute(query).scalar()
    return Certificate.from_document(document) if document else None


def _mark(connection: Connection, kind: SubjectKind, subject_id: str, *, actor: Actor, now: dt.datetime) -> Tombstone:
    """Set the tombstone, from which on nothing is served."""
    p = tables.photos.c
    of_patient = kind is SubjectKind.PATIENT
    query = select(p.patient_id).where(p.id == subject_id)
    patient_id = subject_id if of_patient else connection.execute(query).scalar()
    facts = facts_of(connection, [patient_id] if patient_id else [])
    if patient_id is None or patient_id not in facts:
        raise InputError(f"{kind} '{subject_id}' is not in the workspace; list its {kind}s first")
    if not (decision := may(actor, Action.WITHDRAW, facts[patient_id], on=now.date())):
        raise AccessError(decision.reason)
    mine = p.patient_id == subject_id if of_patient else p.id == subject_id
    photo_ids = tuple(connection.execute(select(p.id).where(mine).order_by(p.id)).scalars())
    stone = Tombstone(kind, subject_id, photo_ids, stamp(now), actor.user)
    _set(connection, stone, action="withdraw", at=stamp(now))
    return stone


def _reopen_if_stored(connection: Connection, stone: Tombstone) -> None:
    """Begin the purge anew when somebody has written what was erased into the database, past this program."""
    of_patient = stone.kind is SubjectKind.PATIENT
    table = tables.patients if of_patient else tables.photos
    mine = table.c.id == stone.subject_id
    if connection.execute(select(table.c.id).where(mine)).first() is None:
        return
    done = is_stone(stone) & tables.tombstones.c.purged_at.is_not(None)
    connection.execute(update(tables.tombstones).where(done).values(purged_at=None, certificate=None))
    if of_patient:
        connection.execute(update(tables.patients).where(mine).values(erased=True))


def _mark_again(connection: Connection, stone: Tombstone, *, now: dt.datetime) -> Tombstone:
    """Set the tombstone that an older database lacks."""
    _set(connection, stone, action="withdraw again", at=stamp(now))
    return stone


def _set(connection: Connection, stone: Tombstone, *, action: str, at: str) -> None:
    values = {"photo_ids": list(stone.photo_ids), "at": stone.at, "actor": stone.actor}
    connection.execute(insert(tables.tombstones).values(kind=str(stone.kind), subject_id=stone.subject_id, **values))
    if stone.kind is SubjectKind.PATIENT:
        p = tables.patients
        connection.execute(update(p).where(p.c.id == stone.subject_id).values(erased=True, changed_at=at))
        count_up(connection)
    else:  # a photo has no mark of its own: it leaves the tables in this very transaction
        remove_rows(connection, stone)
    detail = {"kind": str(stone.kind), "photos": list(stone.photo_ids)}
    audit.append(connection, at=at, actor=stone.actor, action=action, record=stone.subject_id, detail=detail)


def _purge(workspace: Session, stone: Tombstone, *, now: dt.datetime) -> Certificate:
    with told(str(workspace.root)):
        with read(workspace.engine) as connection:
            done = certificate_of(connection, kind=stone.kind, subject_id=stone.subject_id)
        if done is None:
            for step in STEPS:
                step(workspace, stone)
    return done or _certify(workspace, stone, now=now)


def _write_line(workspace: Session, stone: Tombstone) -> None:
    path = workspace.root / WITHDRAWN
    with read(workspace.engine) as connection:
        own = workspace_id(connection)
    if stone.key not in {line.key for line in read_lines(path, workspace=own)}:
        append_lines(path, [stone], workspace=own)


def _remove_rows(workspace: Session, stone: Tombstone) -> None:
    with write(workspace.engine) as connection:
        remove_rows(connection, stone)


def _remove_files(workspace: Session, stone: Tombstone) -> None:
    """Delete image files that no other photo uses, and all that was made from the photos.

    In a write transaction, so that nobody stores the same image meanwhile; then the note forgets the files' hashes. An
    import that has put its image already, and waits for its turn, puts it again.
    """
    files = workspace.files
    with write(workspace.engine) as connection:
        note = read_removal(connection, stone)
        for _, path in note.derived:
            if place := Derived(path, DerivedKind.EXPORT).inside(workspace.root):  # else named on the certificate
                derived.remove(place)
        for photo_id, sha256, suffix in note.files:
            query = select(tables.photos.c.id).where(tables.photos.c.file_sha256 == sha256).limit(1)
            if connection.execute(query).first() is not None:
                note.kept.append(f"image file of photo {photo_id}: it is also that of a photo that was not withdrawn")
                continue
            files.remove(StoredFile(sha256, suffix))
            note.photo_files += 1
        note.files = []
        note.left_files += files.sweep(_stored_names(connection))
        write_removal(connection, stone, note)


def _stored_names(connection: Connection) -> set[str]:
    """Names of all images that belong to a photo; any other was left by a killed import, and may be of anybody."""
    p = tables.photos.c
    query = select(p.file_sha256, p.suffix).where(p.file_sha256.is_not(None))
    return {StoredFile(row.file_sha256, row.suffix).name for row in connection.execute(query)}


def _forget_caches(workspace: Session, stone: Tombstone) -> None:
    with read(workspace.engine) as connection:
        photo_ids = read_tombstones(connection)[stone.key].photo_ids
    if count := gallery_cache.forget(workspace.root / CACHE, photo_ids):
        with write(workspace.engine) as connection:
            note = read_removal(connection, stone)
            note.cached_rows += count
            write_removal(connection, stone, note)


def _compact(workspace: Session, stone: Tombstone) -> None:
    with read(workspace.engine) as connection:
        names = names_of(read_removal(connection, stone))
    compact(workspace.engine, names)


Step = Callable[[Session, Tombstone], None]
STEPS: tuple[Step, ...] = (_write_line, _remove_rows, _remove_files, _forget_caches, _compact)
"""In this order; each may be run again after a crash in any of them."""


def _certify(workspace: Session, stone: Tombstone, *, now: dt.datetime) -> Certificate:
    """Mark the purge as ended, unless another process has in the meantime."""
    with told(str(workspace.root)), write(workspace.engine) as connection:
        done = certificate_of(connection, kind=stone.kind, subject_id=stone.subject_id)
        if done is not None:
            return done
        certificate = certify(connection, workspace.root, stone, now=now)
        connection.execute(
            update(tables.tombstones)
            .where(is_stone(stone))
            .values(purged_at=certificate.purged_at, certificate=certificate.as_document())
        )
        detail = {"kind": str(stone.kind), "certificate": certificate.sha256, "rows": certificate.rows}
        audit.append(
            connection,
            at=certificate.purged_at,
            actor=stone.actor,
            action="purge",
            record=stone.subject_id,
            detail=detail,
        )
    return certificate
