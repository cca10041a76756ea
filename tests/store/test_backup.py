import contextlib
import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from sqlalchemy import func, insert, select, text

from deciface.errors import AccessError, StorageError
from deciface.store import Workspace, audit, erasure, tables
from deciface.store.backup import backup, restore
from deciface.store.derived import DerivedKind, register
from deciface.store.engines import HEAD, read, revision, write
from deciface.store.manifest import MANIFEST, Manifest, check_backup
from deciface.store.tombstones import WITHDRAWN
from deciface.store.versions import stamp
from tests.store.erasure_world import CURATOR, NOW, VIEWER, files_with, fill

LATER = NOW + dt.timedelta(days=1)


@pytest.fixture
def traces(workspace, tmp_path):
    return fill(workspace, outside=tmp_path / "outside")


@pytest.fixture
def restore_into(request, workspace):
    """What `restore` takes as `database` for a backup of this workspace: the address of another empty one."""
    if workspace.engine.dialect.name == "sqlite":
        yield None
        return
    import psycopg

    server = request.getfixturevalue("postgres_server")
    name = f"restored_{os.getpid()}_{abs(hash(request.node.name))}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def content(workspace) -> dict[str, list[tuple]]:
    """Every row of every table; of PostgreSQL with the vectors that are searched in the database."""
    with read(workspace.engine) as connection:
        found = {t.name: [tuple(r) for r in connection.execute(select(t).order_by(*t.primary_key))] for t in TABLES}
        if connection.dialect.name == "postgresql":
            query = "SELECT photo_id, model, flip, grey, embedding::text FROM encodings ORDER BY 1, 2, 3, 4"
            found["embedding"] = [tuple(row) for row in connection.execute(text(query))]
    return found


TABLES = tables.metadata.sorted_tables


def images(root) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in (root / "photos").rglob("*") if p.is_file()}


def test_a_restored_backup_is_equal(workspace, traces, tmp_path, restore_into):
    manifest = backup(workspace, tmp_path / "backup", now=NOW)
    before, pictures = content(workspace), images(workspace.root)
    restored = restore(tmp_path / "backup", tmp_path / "new", database=restore_into)
    assert (restored.root, restored.manifest, restored.withdrawn) == (tmp_path / "new", manifest, None)
    with Workspace.open(tmp_path / "new") as new:
        assert content(new) == before
        assert images(new.root) == pictures
        assert (new.root / "reports" / "P1.html").read_bytes() == (workspace.root / "reports" / "P1.html").read_bytes()
        with read(new.engine) as connection:
            assert audit.check_chain(connection, manifest.head).whole
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_the_manifest_says_what_is_in_it(workspace, traces, tmp_path):
    manifest = backup(workspace, tmp_path / "backup", now=NOW)
    assert check_backup(tmp_path / "backup") == manifest
    with read(workspace.engine) as connection:
        assert manifest.head == audit.read_head(connection)
        assert audit.entries(connection, after=manifest.head.number - 1)[0].action == "back up the workspace"
    assert (manifest.made_at, manifest.root) == (stamp(NOW), str(workspace.root))
    assert sum(name.startswith("photos/") for name in manifest.files) == 3
    assert ("deciface.sqlite" in manifest.files) != manifest.is_dump
    assert not any(name.endswith(("-wal", "-shm", "-journal")) for name in manifest.files)
    assert not [name for name in manifest.files if name.startswith("cache/")]
    assert "postgresql://" not in (tmp_path / "backup" / "deciface.toml").read_text()


def test_a_backup_never_overwrites_and_never_lies_within(workspace, traces, tmp_path):
    (tmp_path / "backup").mkdir()
    with pytest.raises(StorageError, match="backup exists already and is not overwritten; give a new folder"):
        backup(workspace, tmp_path / "backup", now=NOW)
    with pytest.raises(StorageError, match="lies within the workspace, where erasure would not reach it"):
        backup(workspace, workspace.root / "backup", now=NOW)
    assert not (workspace.root / "backup").exists()


def test_who_may_not_back_up_is_refused(workspace, traces, tmp_path):
    session = Workspace(workspace.root, workspace.engine, VIEWER, workspace.clock, workspace.files)
    with pytest.raises(
        AccessError, match=r"user 'vic' \(viewer\) may not back up the workspace; it takes the role admin"
    ):
        backup(session, tmp_path / "backup", now=NOW)
    assert not (tmp_path / "backup").exists()


def test_a_backup_of_a_workspace_with_an_altered_image_is_refused_and_leaves_nothing(workspace, traces, tmp_path):
    image = next(p for p in (workspace.root / "photos").rglob("*") if p.is_file())
    image.write_bytes(b"\x89PNG\r\n\x1a\nother")
    with pytest.raises(StorageError, match="has changed since it was stored; restore it from a backup"):
        backup(workspace, tmp_path / "backup", now=NOW)
    assert not [p for p in tmp_path.iterdir() if "backup" in p.name]


DAMAGES = {
    "changed": (lambda folder: (folder / "reports/P1.html").write_bytes(b"x"), "P1.html has changed since the backup"),
    "missing": (lambda folder: (folder / "reports/P1.html").unlink(), "lacks reports/P1.html; use another backup"),
    "more": (lambda folder: (folder / "more.txt").write_text("x"), "holds more.txt, which is not part of it"),
    "no manifest": (lambda folder: (folder / MANIFEST).unlink(), "is not a backup"),
    "cut": (lambda folder: os.truncate(folder / MANIFEST, 40), "manifest.json is damaged"),
    "other": (lambda folder: (folder / MANIFEST).write_text('{"deciface_backup": 9}'), "is damaged .format 9.; use"),
    "list": (lambda folder: (folder / MANIFEST).write_text("[]"), "manifest.json is damaged"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_backup_is_not_restored(workspace, traces, tmp_path, damage):
    folder = tmp_path / "backup"
    backup(workspace, folder, now=NOW)
    spoil, message = DAMAGES[damage]
    spoil(folder)
    with pytest.raises(StorageError, match=message):
        restore(folder, tmp_path / "new", database=None)
    assert not (tmp_path / "new").exists()


def test_a_restore_never_overwrites_and_needs_the_right_database(workspace, traces, tmp_path, restore_into):
    backup(workspace, tmp_path / "backup", now=NOW)
    with pytest.raises(StorageError, match="ws exists already and is not overwritten; give a new folder"):
        restore(tmp_path / "backup", workspace.root, database=restore_into)
    wrong = "postgresql://somewhere/db" if restore_into is None else None
    expected = "leave the address out" if restore_into is None else "give the address of an empty one"
    with pytest.raises(StorageError, match=expected):
        restore(tmp_path / "backup", tmp_path / "new", database=wrong)
    if restore_into is not None:
        used = workspace.engine.url.render_as_string(hide_password=False)
        with pytest.raises(StorageError, match=r"holds tables already \(alembic_version\); give an empty database"):
            restore(tmp_path / "backup", tmp_path / "new", database=used)
    with pytest.raises(StorageError, match=r"gone\.jsonl is not there; give withdrawn\.jsonl of the workspace"):
        restore(tmp_path / "backup", tmp_path / "new", database=restore_into, withdrawn=tmp_path / "gone.jsonl")
    assert not [p for p in tmp_path.iterdir() if "new" in p.name]


def test_a_dump_of_another_schema_is_not_loaded(workspace, traces, tmp_path, restore_into):
    manifest = backup(workspace, tmp_path / "backup", now=NOW)
    if not manifest.is_dump:
        pytest.skip("a SQLite file is brought to the newest schema when it is opened")
    document = json.loads(manifest.as_json())
    document["revision"] = "0000"
    (tmp_path / "backup" / MANIFEST).write_text(json.dumps(document))
    with pytest.raises(StorageError, match="the backup has schema version 0000, this program writes"):
        restore(tmp_path / "backup", tmp_path / "new", database=restore_into)
    assert Manifest.from_json(json.dumps(document).encode()).revision == "0000"


def test_a_backup_of_an_older_schema_is_brought_to_the_newest(workspace, traces, tmp_path, restore_into):
    with workspace.engine.begin() as connection:  # the first schema: it had no points
        connection.execute(text("DROP TABLE landmarks"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    first = SimpleNamespace(sorted_tables=[table for table in TABLES if table.name != "landmarks"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deciface.store.dump.tables", SimpleNamespace(metadata=first))
        manifest = backup(workspace, tmp_path / "backup", now=NOW)
    assert (manifest.revision, "landmarks" in manifest.columns) == ("0001", False)
    restore(tmp_path / "backup", tmp_path / "new", database=restore_into)
    with Workspace.open(tmp_path / "new") as new:
        found = content(new)
        assert found["landmarks"] == []
        assert len(found["encodings"]) == 36
        with read(new.engine) as connection:
            assert revision(connection) == HEAD


@pytest.mark.parametrize("kind", ["found", "given"])
def test_who_was_withdrawn_since_the_backup_is_erased_again(workspace, traces, tmp_path, restore_into, kind):
    backup(workspace, tmp_path / "backup", now=NOW)
    first = erasure.withdraw(workspace, kind="patient", subject_id="P1", actor=CURATOR, now=LATER)
    assert files_with(tmp_path / "backup", traces["P1-a"])
    given = None
    if kind == "given":
        given = tmp_path / "saved.jsonl"
        shutil.copy(workspace.root / WITHDRAWN, given)
        (workspace.root / WITHDRAWN).unlink()
    restored = restore(tmp_path / "backup", tmp_path / "new", database=restore_into, withdrawn=given)
    assert restored.withdrawn == (given or workspace.root / WITHDRAWN)
    assert files_with(tmp_path / "new", traces["P1-a"])
    with Workspace.open(tmp_path / "new") as new:
        for photo_id in ("P1-a", "P1-b"):
            assert files_with(new.root, traces[photo_id]) == []
        with read(new.engine) as connection:
            again = erasure.certificate_of(connection, kind="patient", subject_id="P1")
            assert connection.execute(select(tables.patients.c.id)).scalars().all() == ["P2"]
            assert audit.check_chain(connection).whole
    assert (again.withdrawn_at, again.rows, again.photo_files) == (first.withdrawn_at, first.rows, 2)


def test_a_photo_that_was_withdrawn_since_the_backup_is_erased_again(workspace, traces, tmp_path, restore_into):
    backup(workspace, tmp_path / "backup", now=NOW)
    erasure.withdraw(workspace, kind="photo", subject_id="P1-a", actor=CURATOR, now=LATER)
    restore(tmp_path / "backup", tmp_path / "new", database=restore_into)
    with Workspace.open(tmp_path / "new") as new:
        assert files_with(new.root, traces["P1-a"]) == []
        with read(new.engine) as connection:
            assert sorted(connection.execute(select(tables.photos.c.id)).scalars()) == ["P1-b", "P2-c"]


def test_a_list_of_withdrawals_of_another_workspace_is_refused(workspace, traces, tmp_path, restore_into):
    backup(workspace, tmp_path / "backup", now=NOW)
    other = tmp_path / "other.jsonl"
    line = {"kind": "patient", "subject_id": "P2", "photo_ids": [], "at": "2026", "actor": "x", "workspace": "else"}
    other.write_text(json.dumps(line) + "\n")
    with pytest.raises(StorageError, match=r"other\.jsonl, line 1: belongs to another workspace"):
        restore(tmp_path / "backup", tmp_path / "new", database=restore_into, withdrawn=other)


def test_the_list_of_another_workspace_that_lives_in_the_old_folder_is_no_hindrance(
    workspace, traces, tmp_path, restore_into
):
    backup(workspace, tmp_path / "backup", now=NOW)
    line = {"kind": "patient", "subject_id": "P2", "photo_ids": [], "at": "2026", "actor": "x", "workspace": "else"}
    (workspace.root / WITHDRAWN).write_text(json.dumps(line) + "\n")
    restored = restore(tmp_path / "backup", tmp_path / "new", database=restore_into)
    assert restored.withdrawn is None
    with Workspace.open(tmp_path / "new") as new, read(new.engine) as connection:
        assert connection.execute(select(tables.patients.c.id).order_by("id")).scalars().all() == ["P1", "P2"]


def test_a_restored_workspace_erases_what_was_made_in_the_old_one(workspace, traces, tmp_path, restore_into):
    backup(workspace, tmp_path / "backup", now=NOW)
    restore(tmp_path / "backup", tmp_path / "new", database=restore_into)
    with Workspace.open(tmp_path / "new") as new:
        assert "reports/P1.html" in files_with(new.root, traces["P1-a"])
        erasure.withdraw(new, kind="patient", subject_id="P1", actor=CURATOR, now=LATER)
        assert files_with(new.root, traces["P1-a"]) == []


def test_a_withdrawn_patients_images_are_not_backed_up(workspace, traces, tmp_path, monkeypatch):
    def stop(*_: object) -> None:
        raise StorageError("stopped")

    monkeypatch.setattr(erasure, "STEPS", (stop,))
    with pytest.raises(StorageError, match="stopped"):
        erasure.withdraw(workspace, kind="patient", subject_id="P1", actor=CURATOR, now=LATER)
    manifest = backup(workspace, tmp_path / "backup", now=LATER)
    assert sum(name.startswith("photos/") for name in manifest.files) == 1


def test_a_photo_that_is_erased_while_the_backup_runs_does_not_stop_it(workspace, traces, tmp_path, monkeypatch):
    get = type(workspace.files).get
    withdrawn = []

    def get_late(files, file) -> bytes:
        if not withdrawn:
            withdrawn.append(1)
            # As another process would; on a server the last step waits for the backup.
            with Workspace.open(workspace.root) as other, contextlib.suppress(StorageError):
                erasure.withdraw(other, kind="patient", subject_id="P1", actor=CURATOR, now=LATER)
        return get(files, file)

    monkeypatch.setattr("deciface.store.compaction._PATIENCE_S", 0.2)
    monkeypatch.setattr(type(workspace.files), "get", get_late)
    manifest = backup(workspace, tmp_path / "backup", now=NOW)
    assert sum(name.startswith("photos/") for name in manifest.files) < 3
    assert WITHDRAWN in manifest.files


def test_a_backup_is_of_one_moment_while_others_write(workspace, traces, tmp_path, restore_into):
    stop, written = threading.Event(), []

    def write_pairs() -> None:
        while not stop.is_set():
            with write(workspace.engine) as connection:
                for half in "ab":
                    values = {"name": f"{len(written)}{half}", "roles": [], "site": "", "created_at": ""}
                    connection.execute(insert(tables.users).values(values))
            written.append(1)

    writer = threading.Thread(target=write_pairs)
    writer.start()
    try:
        for number in range(3):
            backup(workspace, tmp_path / f"backup{number}", now=NOW)
    finally:
        stop.set()
        writer.join()
    restore(tmp_path / "backup2", tmp_path / "new", database=restore_into)
    with Workspace.open(tmp_path / "new") as new, read(new.engine) as connection:
        name = tables.users.c.name
        halves = [
            connection.execute(select(func.count()).where(name.like(f"%{half}"), name.not_like("%r%"))).scalar()
            for half in "ab"
        ]
    assert halves[0] == halves[1]
    assert 0 < halves[0] <= len(written)


DYING = """
import datetime as dt, os, signal, sys
from pathlib import Path
from deciface.store import Workspace, backup
def die(folder):
    os.kill(os.getpid(), signal.SIGKILL)
backup.check_backup = die
with Workspace.open(Path(sys.argv[1])) as workspace:
    backup.backup(workspace, Path(sys.argv[2]), now=dt.datetime.now(dt.UTC))
"""


def test_a_backup_that_was_killed_is_not_there_and_can_be_made_again(workspace, traces, tmp_path):
    target = tmp_path / "backup"
    process = subprocess.run([sys.executable, "-c", DYING, str(workspace.root), str(target)], check=False)
    assert process.returncode == -signal.SIGKILL
    assert not target.exists()
    assert (tmp_path / ".part-backup").exists()
    manifest = backup(workspace, target, now=NOW)
    assert check_backup(target) == manifest
    assert not (tmp_path / ".part-backup").exists()


def test_files_made_outside_the_workspace_are_not_backed_up(workspace, traces, tmp_path):
    with write(workspace.engine) as connection:
        register(connection, kind=DerivedKind.EXPORT, places=["../x.csv"], patient_ids=["P2"], at=stamp(NOW))
    (tmp_path / "x.csv").write_text("x")
    manifest = backup(workspace, tmp_path / "backup", now=NOW)
    assert not any("x.csv" in name or "sent.csv" in name for name in manifest.files)
