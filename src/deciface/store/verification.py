"""Is the workspace what it was? The trail, every image, the vectors, the database, and what was withdrawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from sqlalchemy import Connection, func, select, text

from deciface.consent import Action, may
from deciface.errors import AccessError, StorageError
from deciface.store import engines, tables
from deciface.store.audit import ChainCheck, Head, check_chain
from deciface.store.certificate import Certificate
from deciface.store.derived import Derived, DerivedKind
from deciface.store.photo_files import StoredFile
from deciface.store.session import Session
from deciface.store.tombstones import WITHDRAWN, SubjectKind, read_lines, read_tombstones, workspace_id


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be, what it is about, and what to do."""

    severity: Severity
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.subject}: {self.message}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What was looked at and what was found.

    Parameters
    ----------
    findings
        Errors first.
    chain
        Of the audit trail; its head is worth noting elsewhere.
    photos, encodings, withdrawn, landmarks
        How many were looked at; of landmarks, versions.
    """

    findings: tuple[Finding, ...]
    chain: ChainCheck
    photos: int
    encodings: int
    withdrawn: int
    landmarks: int

    @property
    def sound(self) -> bool:
        """True without an error; warnings and notes are no errors."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)


def verify(workspace: Session, *, expected_head: Head | None = None) -> Verification:
    """Check a workspace, reading every image once and nothing twice; changes nothing.

    Parameters
    ----------
    expected_head
        Of the audit trail, as noted earlier.

    Raises
    ------
    AccessError
        The user may not read the audit trail.
    StorageError
        The database cannot be read at all.
    """
    on = workspace.clock().astimezone().date()
    if not (decision := may(workspace.actor, Action.AUDIT, on=on)):
        raise AccessError(decision.reason)
    with engines.told(str(workspace.root)), engines.read(workspace.engine) as connection:
        chain = check_chain(connection, expected_head)
        findings = [
            *_of_the_database(connection),
            *_of_the_trail(chain),
            *_of_the_images(workspace, connection),
            *_of_the_encodings(connection),
            *_of_the_landmarks(connection),
            *_of_derived_files(workspace.root, connection),
            *_of_the_withdrawn(workspace.root, connection),
        ]
        photos, encodings, withdrawn, landmarks = (
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (tables.photos, tables.encodings, tables.tombstones, tables.landmarks)
        )
    findings.sort(key=lambda finding: list(Severity).index(finding.severity))
    return Verification(tuple(findings), chain, photos, encodings, withdrawn, landmarks)


def _error(subject: str, message: str) -> Finding:
    return Finding(Severity.ERROR, subject, message)


def _warning(subject: str, message: str) -> Finding:
    return Finding(Severity.WARNING, subject, message)


def _note(subject: str, message: str) -> Finding:
    return Finding(Severity.NOTE, subject, message)


def _of_the_database(connection: Connection) -> Iterator[Finding]:
    """SQLite checks its own pages; a PostgreSQL server counts the pages it found damaged, where it keeps checksums."""
    if engines.is_sqlite(connection):
        for (found,) in connection.exec_driver_sql("PRAGMA integrity_check(20)"):
            if found != "ok":
                yield _error("database", f"{found}; restore a backup")
        for table, *_ in connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(20):
            yield _error("database", f"a row of table {table} belongs to nothing; restore a backup")
        return
    query = text("SELECT checksum_failures FROM pg_stat_database WHERE datname = current_database()")
    if failures := connection.execute(query).scalar():
        yield _error("database", f"the server found {failures} damaged pages; restore a backup")


def _of_the_trail(chain: ChainCheck) -> Iterator[Finding]:
    if not chain.whole:
        yield _error(
            "audit trail", f"{chain.fault}; find out who could write to the database, and compare with a backup"
        )


def _of_the_images(workspace: Session, connection: Connection) -> Iterator[Finding]:
    p, patients = tables.photos.c, tables.patients.c
    query = select(p.id, p.file_sha256, p.suffix).join(tables.patients, patients.id == p.patient_id)
    query = query.where(p.file_sha256.is_not(None), patients.erased.is_(False)).order_by(p.file_sha256, p.id)
    known = set[str]()
    for photo_id, sha256, suffix in connection.execute(query).all():
        file = StoredFile(sha256, suffix)
        if file.name in known:
            continue
        known.add(file.name)
        try:
            workspace.files.get(file)
        except StorageError as error:
            yield _error(f"photo {photo_id}", str(error))
    rows = {sha for (sha,) in connection.execute(select(p.file_sha256).where(p.file_sha256.is_not(None)))}
    for name in workspace.files.names():
        if name not in known and PurePosixPath(name).stem not in rows:
            yield _warning(
                f"photos/{name}",
                "no photo has this file: an import was interrupted; import again, or delete the file (the next "
                "withdrawal does)",
            )


def _of_the_encodings(connection: Connection) -> Iterator[Finding]:
    p, e = tables.photos.c, tables.encodings.c
    query = select(p.id, func.count()).join(tables.encodings, e.photo_id == p.id).where(e.photo_sha256 != p.sha256)
    for photo_id, count in connection.execute(query.group_by(p.id).order_by(p.id)):
        yield _error(f"photo {photo_id}", f"{count} encodings were made from other pixels; encode the photo again")


def _of_the_landmarks(connection: Connection) -> Iterator[Finding]:
    """Versions are only ever added: their numbers run from 1 without a gap."""
    p, of = tables.photos.c, tables.landmarks.c
    others = func.count().filter(of.photo_sha256 != p.sha256)
    query = select(p.id, func.count(), func.max(of.version), others).join(tables.landmarks, of.photo_id == p.id)
    for photo_id, count, newest, of_others in connection.execute(query.group_by(p.id).order_by(p.id)):
        if count != newest:
            yield _error(
                f"photo {photo_id}",
                f"{newest - count} of {newest} versions of its points are missing; restore a backup",
            )
        if of_others:
            yield _error(
                f"photo {photo_id}",
                f"{of_others} versions of its points belong to other pixels; place the points again",
            )


def _of_derived_files(root: Path, connection: Connection) -> Iterator[Finding]:
    d = tables.derived.c
    for path, kind in connection.execute(select(d.path, d.kind).order_by(d.path)):
        derived = Derived(path, DerivedKind(kind))
        place = derived.inside(root)
        if place is not None and not place.exists():
            yield _note(path, f"this {kind} is no longer there; make it again where it is needed")


def _of_the_withdrawn(root: Path, connection: Connection) -> Iterator[Finding]:
    stored = read_tombstones(connection)
    for kind, subject_id in read_tombstones(connection, pending=True):
        yield _warning(f"{kind} {subject_id}", "withdrawn and not served, but not erased yet; open the workspace again")
    try:
        lines = {stone.key for stone in read_lines(root / WITHDRAWN, workspace=workspace_id(connection))}
    except StorageError as error:
        yield _error(WITHDRAWN, str(error))
    else:
        for kind, subject_id in sorted(lines ^ stored.keys()):
            here, there = (WITHDRAWN, "the database") if (kind, subject_id) in stored else ("the database", WITHDRAWN)
            yield _warning(
                f"{kind} {subject_id}", f"{there} says it was withdrawn, {here} does not; open the workspace again"
            )
    t = tables.tombstones.c
    query = select(t.kind, t.subject_id, t.certificate).where(t.purged_at.is_not(None))
    for kind, subject_id, document in connection.execute(query.order_by(t.kind, t.subject_id)):
        try:
            Certificate.from_document(document)
        except StorageError as error:
            yield _error(f"{kind} {subject_id}", str(error))
        table = tables.patients if kind == SubjectKind.PATIENT else tables.photos
        if connection.execute(select(table.c.id).where(table.c.id == subject_id)).first() is not None:
            yield _error(f"{kind} {subject_id}", "was withdrawn and erased, but is stored again; withdraw it again")
