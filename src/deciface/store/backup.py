"""Backup and restore of a workspace.

A backup is a folder: the database of one moment (a SQLite file, or a dump of PostgreSQL), every image, the files made
from them, ``withdrawn.jsonl``, ``deciface.toml`` without the database's address, and a manifest with the hash of each.
Others may write meanwhile. It is built beside its name, checked, and renamed: it is there as a whole or not at all.

A restored workspace does not know who was withdrawn since its backup, unless ``withdrawn.jsonl`` of the old workspace
is still there: `restore` takes it over, and the first opening erases them again.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection, inspect, select

import deciface
from deciface.consent import Action, may
from deciface.errors import AccessError, StorageError
from deciface.store import audit, engines, tables
from deciface.store.derived import Derived, DerivedKind
from deciface.store.dump import dump_tables, load_tables
from deciface.store.manifest import MANIFEST, Manifest, check_backup, sha256_of
from deciface.store.opening import DATABASE, PHOTOS
from deciface.store.photo_files import StoredFile, flush_folder
from deciface.store.session import Session
from deciface.store.settings import FILE, read_settings, write_settings
from deciface.store.tombstones import WITHDRAWN, Tombstone, append_lines, read_lines, workspace_id
from deciface.store.versions import stamp

_TABLES = "tables"


def backup(workspace: Session, target: Path, *, now: dt.datetime) -> Manifest:
    """Copy a workspace into a new folder, of one moment, while others may write.

    Returns
    -------
    What was copied. Its head of the audit trail is worth noting elsewhere: a trail that is cut later is noticed by it.

    Raises
    ------
    AccessError
        The user may not back up.
    StorageError
        The target exists or lies within the workspace, an image is missing or altered, or the disk is full.
    """
    if not (decision := may(workspace.actor, Action.BACK_UP, on=now.date())):
        raise AccessError(decision.reason)
    if target.exists() or target.is_symlink():
        raise StorageError(f"{target} exists already and is not overwritten; give a new folder")
    if target.resolve().is_relative_to(workspace.root.resolve()):
        raise StorageError(f"{target} lies within the workspace, where erasure would not reach it; give another folder")
    with engines.told(str(workspace.root)), engines.write(workspace.engine) as connection:
        audit.append(connection, at=stamp(now), actor=workspace.actor.user, action=str(Action.BACK_UP), record="")
    with _made_whole(target) as draft:
        manifest = _copy(workspace, draft, now=now)
        (draft / MANIFEST).write_bytes(manifest.as_json())
        check_backup(draft)
    return manifest


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore made: the folder, what the backup said, and the list of withdrawals that was taken over.

    Without such a list nobody knows who was withdrawn after the backup.
    """

    root: Path
    manifest: Manifest
    withdrawn: Path | None


def restore(folder: Path, target: Path, *, database: str | None = None, withdrawn: Path | None = None) -> Restored:
    """Make a workspace from a backup; whoever was withdrawn since is erased again when it is first opened.

    Parameters
    ----------
    folder
        The backup.
    target
        The new workspace's folder.
    database
        Address of an empty PostgreSQL database, for the backup of one.
    withdrawn
        ``withdrawn.jsonl`` of the old workspace; None: that in the folder the backup was made from, where it is still
        there and still this workspace's.

    Raises
    ------
    StorageError
        The backup has changed, the target exists, the database is missing or not empty, or the list that is given is
        damaged or another workspace's.
    """
    manifest = check_backup(folder)
    if target.exists() or target.is_symlink():
        raise StorageError(f"{target} exists already and is not overwritten; give a new folder")
    if manifest.is_dump != (database is not None):
        raise StorageError(
            "this is a backup of a PostgreSQL database; give the address of an empty one"
            if manifest.is_dump
            else "this is a backup of a SQLite file and is not restored into another database; leave the address out"
        )
    if withdrawn is not None and not withdrawn.is_file():
        raise StorageError(f"{withdrawn} is not there; give withdrawn.jsonl of the workspace the backup was made from")
    found, since = _withdrawn_since(manifest, withdrawn)
    with _made_whole(target) as draft:
        for name in manifest.files:
            if not name.startswith(f"{_TABLES}/"):
                _copy_file(folder / name, draft / name)
        (draft / PHOTOS).mkdir(exist_ok=True)
        known = {stone.key for stone in read_lines(draft / WITHDRAWN, workspace=manifest.workspace)}
        if new := [stone for stone in since if stone.key not in known]:
            append_lines(draft / WITHDRAWN, new, workspace=manifest.workspace)
        settings = replace(read_settings(draft / FILE), database=database)
        write_settings(draft / FILE, settings)
        if database is not None:
            _fill(database, folder / _TABLES, manifest)
    return Restored(target, manifest, found)


def _withdrawn_since(manifest: Manifest, given: Path | None) -> tuple[Path | None, tuple[Tombstone, ...]]:
    """Read who was withdrawn from the list that is given, or from the old folder's where it can be used."""
    if given is not None:
        return given, read_lines(given, workspace=manifest.workspace)
    left = Path(manifest.root) / WITHDRAWN
    if not left.is_file():
        return None, ()
    try:
        return left, read_lines(left, workspace=manifest.workspace)
    except StorageError:  # another workspace lives there now
        return None, ()


@contextmanager
def _made_whole(target: Path) -> Iterator[Path]:
    """A folder beside the target that becomes the target in the end, or goes."""
    draft = target.with_name(f".part-{target.name}")
    with engines.told(str(target)):
        target.parent.mkdir(parents=True, exist_ok=True)
        if draft.exists():  # left by a backup that was killed; it holds photos
            shutil.rmtree(draft)
        draft.mkdir(mode=0o700)
        try:
            yield draft
            for path in sorted(draft.rglob("*")):
                _flush(path)
            draft.rename(target)
            flush_folder(target.parent)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise


def _flush(path: Path) -> None:
    if path.is_dir():
        flush_folder(path)
        return
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _copy(workspace: Session, draft: Path, *, now: dt.datetime) -> Manifest:
    columns: dict[str, tuple[str, ...]] = {}
    if workspace.engine.dialect.name == "sqlite":
        _copy_database(workspace, draft / DATABASE)
        snapshot = engines.sqlite_engine(draft / DATABASE, journal="DELETE")
    else:
        snapshot = workspace.engine
    try:
        with engines.read(snapshot) as connection:
            if snapshot is workspace.engine:
                columns = dump_tables(connection, draft / _TABLES)
            _copy_images(workspace, connection, draft / PHOTOS)
            _copy_derived(connection, workspace.root, draft)
            own, head = workspace_id(connection), audit.read_head(connection)
            revision = engines.revision(connection) or ""
    finally:
        if snapshot is not workspace.engine:
            snapshot.dispose()
    write_settings(draft / FILE, replace(read_settings(workspace.root / FILE), database=None, blobs=None))
    if (workspace.root / WITHDRAWN).exists():  # last: it may say of more people than the database of that moment
        _copy_file(workspace.root / WITHDRAWN, draft / WITHDRAWN)
    files = {p.relative_to(draft).as_posix(): sha256_of(p) for p in draft.rglob("*") if p.is_file()}
    return Manifest(
        workspace=own,
        root=str(workspace.root.resolve()),
        made_at=stamp(now),
        software=deciface.__version__,
        revision=revision,
        head=head,
        columns=columns,
        files=files,
    )


def _copy_database(workspace: Session, target: Path) -> None:
    """SQLite's online backup: one moment, whoever writes meanwhile. The copy is checked."""
    pooled = workspace.engine.raw_connection()
    copy = sqlite3.connect(target)
    try:
        source = pooled.driver_connection
        assert isinstance(source, sqlite3.Connection)  # noqa: S101 (for the type checker)
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
        found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
    finally:
        copy.close()
        pooled.close()
    if found != "ok":
        raise StorageError(f"the database of {workspace.root} is damaged ({found}); restore it from an older backup")


def _copy_images(workspace: Session, connection: Connection, folder: Path) -> None:
    folder.mkdir()
    p, patients = tables.photos, tables.patients
    query = select(p.c.id, p.c.file_sha256, p.c.suffix).join(patients, patients.c.id == p.c.patient_id)
    query = query.where(p.c.file_sha256.is_not(None), patients.c.erased.is_(False)).order_by(p.c.id)
    for photo_id, sha256, suffix in connection.execute(query).all():
        file = StoredFile(sha256, suffix)
        target = folder / file.name
        if target.exists():
            continue
        try:
            content = workspace.files.get(file)
        except StorageError:
            if _is_served(workspace, photo_id):
                raise
            continue  # withdrawn since the moment of the copy; erased again when this is restored
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)


def _is_served(workspace: Session, photo_id: str) -> bool:
    p, patients = tables.photos, tables.patients
    query = select(p.c.id).join(patients, patients.c.id == p.c.patient_id)
    with engines.read(workspace.engine) as connection:
        now = connection.execute(query.where(p.c.id == photo_id, patients.c.erased.is_(False)))
        return now.first() is not None


def _copy_derived(connection: Connection, root: Path, draft: Path) -> None:
    d = tables.derived.c
    for path, kind in connection.execute(select(d.path, d.kind).order_by(d.path)):
        source = Derived(path, DerivedKind(kind)).inside(root)
        if source is None or not source.is_file():
            continue
        target = draft / source.relative_to(root.resolve())
        if not target.exists():
            _copy_file(source, target)


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _fill(database: str, folder: Path, manifest: Manifest) -> None:
    """Load a dump into an empty database of its own schema and bring that to the newest, in one transaction."""
    if manifest.revision not in engines.known_revisions():
        raise StorageError(
            f"the backup has schema version {manifest.revision}, this program writes {engines.HEAD}; restore it with "
            f"DeciFace {manifest.software}, then open it with this one"
        )
    engine = engines.postgres_engine(database)
    try:
        with engines.told(str(engine.url.database)), engine.begin() as connection:
            if others := inspect(connection).get_table_names():
                raise StorageError(
                    f"database '{engine.url.database}' holds tables already ({min(others)}); give an empty database"
                )
            engines.migrate_within(connection, to=manifest.revision)
            load_tables(connection, folder, manifest.columns)
            engines.migrate_within(connection)
    finally:
        engine.dispose()
