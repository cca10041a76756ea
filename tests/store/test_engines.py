"""Engines: the schema is what the tables say, transactions stand in line, errors are one line."""

import sqlite3
import threading
import tomllib

import numpy as np
import pytest
from sqlalchemy import inspect, text

from deciface.cases import Case, Patient
from deciface.errors import InputError, StorageError
from deciface.faces.landmarks import FACE_POINTS, Landmarks
from deciface.store import Workspace, engines, tables, versions
from deciface.store.verification import verify
from tests.store.importing import case, encodings, image, photo


@pytest.fixture
def engine(tmp_path, database):
    made = engines.sqlite_engine(tmp_path / "x.sqlite") if database is None else engines.postgres_engine(database)
    yield made
    made.dispose()


def count_up(engine):
    with engines.write(engine) as connection:
        return versions.count_up(connection)


def test_the_migrations_make_the_tables_that_stand_in_tables(engine):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from pgvector import sqlalchemy as _names_the_type_of_vectors  # noqa: F401

    with engine.connect() as connection:
        assert engines.revision(connection) is None
    for _ in range(2):
        engines.migrate(engine)
    with engine.connect() as connection:
        assert engines.revision(connection) == engines.HEAD
        differing = compare_metadata(MigrationContext.configure(connection), tables.metadata)
        if engine.dialect.name == "postgresql":  # a column for search in the database, which only PostgreSQL has
            ((kind, _, table, column),) = differing
            assert (kind, table, column.name) == ("remove_column", "encodings", "embedding")
            kinds = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attname = 'embedding'"
            assert connection.execute(text(kinds)).scalar() == "halfvec"
        else:
            assert differing == []


def test_head_is_the_newest_of_the_known_revisions():
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "src/deciface/store/migrations")
    script = ScriptDirectory.from_config(config)
    assert script.get_current_head() == engines.HEAD
    assert {revision.revision for revision in script.walk_revisions()} == engines.known_revisions()


def test_sqlite_is_set_for_safety_and_erasure(tmp_path):
    with Workspace.create(tmp_path / "a %20 ? b") as workspace, workspace.engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "secure_delete", "synchronous", "page_size")
        }
    assert found == {"journal_mode": "wal", "foreign_keys": 1, "secure_delete": 1, "synchronous": 2, "page_size": 8192}
    assert (tmp_path / "a %20 ? b" / "deciface.sqlite").is_file()


def test_a_write_is_all_or_nothing_and_a_read_sees_one_moment(engine):
    engines.migrate(engine)
    assert count_up(engine) == 1
    with pytest.raises(pytest.fail.Exception, match="cut off at 2"), engines.write(engine) as connection:
        pytest.fail(f"cut off at {versions.count_up(connection)}")
    with engines.read(engine) as connection:
        assert versions.version(connection) == 1
        assert count_up(engine) == 2
        assert versions.version(connection) == 1


def test_writers_stand_in_line(engine):
    engines.migrate(engine)
    many = [threading.Thread(target=lambda: [count_up(engine) for _ in range(10)]) for _ in range(4)]
    for one in many:
        one.start()
    for one in many:
        one.join()
    with engines.read(engine) as connection:
        assert versions.version(connection) == 40


def test_a_writer_who_waits_too_long_is_told(new_postgres_database, monkeypatch):
    monkeypatch.setattr(engines, "_PATIENCE_S", 0.05)
    engine = engines.postgres_engine(new_postgres_database())
    engines.migrate(engine)
    with (
        engines.write(engine),
        pytest.raises(StorageError, match=r"^here: canceling statement due to lock timeout; wait for the other pro"),
        engines.told("here"),
    ):
        count_up(engine)
    engine.dispose()


def test_a_value_that_the_database_does_not_take_is_bad_input(new_postgres_database):
    engine = engines.postgres_engine(new_postgres_database())
    said = r'^here: invalid input syntax for type integer: "x".*; nothing was stored, correct the value$'
    with pytest.raises(InputError, match=said), engines.told("here"), engines.read(engine) as connection:
        connection.execute(text("SELECT CAST('x' AS integer)"))
    engine.dispose()


@pytest.mark.parametrize("address", ["mysql://a/b", "letters", "postgresql://a:b:c:d/x", ""])
def test_what_is_no_address_of_postgresql(address, tmp_path):
    with pytest.raises(StorageError, match="is not an address such as postgresql://user@host/database"):
        engines.postgres_engine(address)


def test_a_server_that_does_not_answer_is_told_in_one_line(tmp_path):
    with pytest.raises(StorageError, match="check that the database server runs, and its address") as error:
        Workspace.create(tmp_path / "ws", database=f"postgresql://nobody:secret@/none?host={tmp_path}")
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)
    assert not (tmp_path / "ws" / "deciface.toml").exists()


def test_a_server_that_does_not_give_the_right_is_told(tmp_path, new_postgres_database):
    address = new_postgres_database()
    engine = engines.postgres_engine(address)
    with engine.begin() as connection:
        connection.execute(text("DO $$ BEGIN CREATE ROLE guest LOGIN; EXCEPTION WHEN duplicate_object THEN END $$"))
    engine.dispose()
    said = r"cannot be used \(permission denied for schema public\); ask the administrator of the database server for"
    with pytest.raises(StorageError, match=said):
        Workspace.create(tmp_path / "ws", database=address.replace("//postgres:@", "//guest:@"))


def test_another_schema_version_is_refused(workspace):
    with workspace.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="has schema version 9999, this program reads 0002; use the version of Deci"):
        Workspace.open(workspace.root)


def test_an_older_database_is_brought_to_the_newest_on_opening(workspace, monkeypatch):
    seen = []
    monkeypatch.setattr(engines, "HEAD", "0003")
    monkeypatch.setattr(engines, "migrate", seen.append)
    Workspace.open(workspace.root).close()
    assert [engine.dialect.name for engine in seen] == [workspace.engine.dialect.name]


@pytest.fixture
def first_schema(tmp_path, database, monkeypatch):
    """A workspace as the first revision made it, with a case, closed."""
    from alembic import command

    with monkeypatch.context() as patch:
        newest = command.upgrade
        patch.setattr(command, "upgrade", lambda config, _: newest(config, "0001"))
        patch.setattr(engines, "HEAD", "0001")
        with Workspace.create(tmp_path / "first", database=database) as made, made.engine.connect() as connection:
            made.add_case(case(0), images={photo(0).id: image(0)})
            made.add_encodings(encodings(0))
            assert engines.revision(connection) == "0001"
            assert not inspect(connection).has_table("landmarks")
        return made.root


def test_a_workspace_of_the_first_schema_is_brought_to_the_newest_with_all_it_holds(first_schema):
    with Workspace.open(first_schema) as opened:
        with opened.engine.connect() as connection:
            assert engines.revision(connection) == engines.HEAD
        assert opened.case("p00") == case(0)
        assert opened.image_bytes("photo000") == image(0)
        assert len(list(opened.encodings())) == 2
        assert opened.landmarks("photo000") is None
        placed = Landmarks.by_hand(np.zeros((189, 2)))
        given = {"corrected": FACE_POINTS, "started_from": 0, "photo_sha256": photo(0).sha256}
        assert opened.correct_landmarks("photo000", placed, **given) == 1
        assert verify(opened).findings == ()
        assert opened.withdraw("patient", "p00").rows["landmarks"] == 1


def test_an_older_workspace_that_may_not_be_written_to_is_told(first_schema, monkeypatch):
    monkeypatch.setattr(engines, "is_readonly", lambda _: True)
    with pytest.raises(
        StorageError, match=r"version 0001, which this program brings to \d+, and may not be written to;"
    ):
        Workspace.open(first_schema)


def test_a_database_from_before_schema_versions_is_told(tmp_path):
    with sqlite3.connect(tmp_path / "deciface.sqlite") as connection:
        connection.execute("CREATE TABLE meta (key TEXT, value TEXT)")
    connection.close()
    with pytest.raises(StorageError, match="was made before there were schema versions, with other tables; make a new"):
        Workspace.open(tmp_path)


def test_settings_say_where_everything_is(tmp_path, new_postgres_database):
    address = new_postgres_database()
    with Workspace.create(tmp_path / "ws", site='Taipei "北"', database=address) as workspace:
        assert workspace.actor.site == 'Taipei "北"'
    path = tmp_path / "ws" / "deciface.toml"
    found = tomllib.loads(path.read_text("utf-8"))
    assert len(found.pop("workspace")) == 32
    assert found == {"site": 'Taipei "北"', "database": address}
    assert path.stat().st_mode & 0o77 == 0, "the address may hold a password"
    assert not (tmp_path / "ws" / "deciface.sqlite").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"site = ", "deciface.toml is not valid TOML"),
        (b"\xff", "deciface.toml is not valid TOML"),
        (b"colour = 'red'", "sets colour = 'red'; it may set workspace, site, database, blobs, each as text"),
        (b"site = 3", "sets site = 3; it may set workspace, site, database, blobs, each as text in quotes"),
        (b"workspace = 'another'", "belongs to workspace another, its database to"),
        (b"database = 'mysql://x'", "is not an address such as postgresql://"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path, content, message):
    with Workspace.create(tmp_path / "ws"):
        (tmp_path / "ws" / "deciface.toml").write_bytes(content)
    with pytest.raises(StorageError, match=message):
        Workspace.open(tmp_path / "ws")


def test_a_database_belongs_to_one_workspace(tmp_path, new_postgres_database):
    address = new_postgres_database()
    Workspace.create(tmp_path / "one", database=address).close()
    with pytest.raises(StorageError, match="belongs to a workspace already; open that one or give an empty database"):
        Workspace.create(tmp_path / "two", database=address)
    other = new_postgres_database()
    engine = engines.postgres_engine(other)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE letters (a integer)"))
    engine.dispose()
    with pytest.raises(StorageError, match=r"holds other tables \(letters\); give an empty database"):
        Workspace.create(tmp_path / "three", database=other)
    assert not (tmp_path / "three" / "deciface.toml").exists()


def test_a_creation_that_was_cut_off_before_the_last_step_is_taken_up(tmp_path, database):
    Workspace.create(tmp_path / "ws", database=database).close()
    (tmp_path / "ws" / "..deciface.toml.half.part").write_text("site")
    if database is None:
        (tmp_path / "ws" / "deciface.sqlite").rename(tmp_path / "ws" / ".deciface.sqlite")
    else:
        (tmp_path / "ws" / "deciface.toml").rename(tmp_path / "ws" / ".deciface.toml")
    with Workspace.create(tmp_path / "ws", database=database) as workspace, workspace.engine.connect() as connection:
        assert inspect(connection).has_table("patients")
    assert sorted(p.name for p in (tmp_path / "ws").glob(".*")) == []


def test_a_writer_waits_a_minute_for_the_others_also_after_a_withdrawal(tmp_path):
    def patience_ms(workspace):
        with workspace.engine.connect() as connection:
            return connection.exec_driver_sql("PRAGMA busy_timeout").scalar()

    with Workspace.create(tmp_path / "ws") as workspace:
        assert patience_ms(workspace) == 60_000
        workspace.add_case(Case(Patient("p")))
        workspace.withdraw("patient", "p")
        assert patience_ms(workspace) == 60_000
