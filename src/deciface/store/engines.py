"""The two engines, their transactions, and their errors in one line.

SQLite is one file, in WAL mode, with foreign keys checked, deleted content overwritten and every commit flushed.
PostgreSQL is reached through psycopg. A read sees one moment; writers stand in line, because every write appends to the
one chain of the audit trail.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import orjson
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, DataError, IntegrityError, OperationalError
from sqlalchemy.pool import QueuePool

from deciface.errors import InputError, StorageError

HEAD = "0002"
"""The newest revision in `deciface.store.migrations`; a test compares them."""

_PATIENCE_S = 60.0
"""How long a writer stands in line behind the others."""
_ANSWER_S = 10  # a server that does not answer by then is not there
_PAGE_BYTES = 8192  # a vector of 512 float32 and its key fit into a page without overflow
_MIGRATION_LOCK = 4_207_849_051  # any constant: no two processes migrate one PostgreSQL database at once


def sqlite_engine(path: Path, *, journal: Literal["WAL", "DELETE"] = "WAL") -> Engine:
    """Open or make a database file; for reading only where its folder may not be written to.

    Parameters
    ----------
    path
        The file.
    journal
        ``DELETE`` leaves no files beside the database; for one that is still being made.
    """
    readonly = path.exists() and not os.access(path.parent, os.W_OK)
    if readonly:
        engine = create_engine(
            "sqlite://",
            creator=lambda: _connect_readonly(path),
            poolclass=QueuePool,
            execution_options={"readonly": True},
            json_deserializer=orjson.loads,
        )
    else:
        engine = create_engine(
            URL.create("sqlite", database=str(path)),
            connect_args={"timeout": _PATIENCE_S, "check_same_thread": False},
            json_deserializer=orjson.loads,
        )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # transactions are begun here, not by the driver's guess
        connection.execute("PRAGMA foreign_keys = ON")
        if readonly:
            return
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")

    return engine


def _connect_readonly(path: Path) -> sqlite3.Connection:
    """Open a file in a folder where SQLite can make no files of its own."""
    log = path.with_name(f"{path.name}-wal")
    unchanging = not log.exists() or log.stat().st_size == 0  # else what is committed stands in the log
    how = "mode=ro&immutable=1" if unchanging else "mode=ro"
    return sqlite3.connect(
        f"file:{quote(str(path.resolve()))}?{how}", uri=True, timeout=_PATIENCE_S, check_same_thread=False
    )


def postgres_engine(url: str) -> Engine:
    """Open a PostgreSQL database: ``postgresql://user@host/database``.

    Raises
    ------
    StorageError
        Not such an address, or psycopg is not installed.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise StorageError(_NO_ADDRESS) from error
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise StorageError(_NO_ADDRESS)
    try:
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            json_deserializer=orjson.loads,
            connect_args={"connect_timeout": _ANSWER_S},
        )
    except ImportError as error:
        raise StorageError("PostgreSQL needs psycopg and pgvector; run: pip install 'deciface[postgres]'") from error


_NO_ADDRESS = "the database is not an address such as postgresql://user@host/database; correct it in deciface.toml"


def is_sqlite(connection: Connection) -> bool:
    """Whether this is SQLite, else PostgreSQL."""
    return connection.dialect.name == "sqlite"


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """One write transaction, the only one at its time; all of it or nothing.

    Raises
    ------
    StorageError
        The folder may not be written to.
    """
    refuse_readonly(engine)
    with engine.begin() as connection:
        if is_sqlite(connection):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            _in_line(connection)
            connection.exec_driver_sql("LOCK TABLE meta IN EXCLUSIVE MODE")
        yield connection


def is_readonly(engine: Engine) -> bool:
    """Whether a database was opened for reading only, because its folder may not be written to."""
    return bool(engine.get_execution_options().get("readonly"))


def refuse_readonly(engine: Engine) -> None:
    """Raise `StorageError` when a database was opened for reading only."""
    if is_readonly(engine):
        raise StorageError(
            "the workspace is open for reading only, because its folder may not be written to; "
            "ask for that right or work on a copy"
        )


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """One reading transaction: all its queries see the same moment, whoever writes meanwhile."""
    with engine.connect() as connection:
        if is_sqlite(connection):
            connection.exec_driver_sql("BEGIN")
        else:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield connection


def _in_line(connection: Connection) -> None:
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{int(_PATIENCE_S * 1000)}ms'")


def revision(connection: Connection) -> str | None:
    """Which revision of the schema a database has; None when it is not DeciFace's."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def known_revisions() -> frozenset[str]:
    """Every revision that this program can bring to the newest."""
    folder = Path(__file__).parent / "migrations" / "versions"
    return frozenset(path.name.split("_")[0] for path in folder.glob("[0-9]*_*.py"))


def migrate(engine: Engine) -> None:
    """Bring a new or older database to the newest revision, in one transaction."""
    with engine.begin() as connection:
        if is_sqlite(connection):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        migrate_within(connection)


def migrate_within(connection: Connection, *, to: str = "head") -> None:
    """Bring a database to a revision, the newest unless told, in a transaction that has begun."""
    from alembic import command
    from alembic.config import Config

    if not is_sqlite(connection):
        _in_line(connection)
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    command.upgrade(config, to)


@contextmanager
def told(what: str) -> Iterator[None]:
    """Turn database errors into one clear line about `what`.

    Raises
    ------
    StorageError
        For every error of the database or of the disk below it.
    InputError
        For a value that the database does not take.
    """
    try:
        yield
    except OperationalError as error:
        reason = _first_line(error.orig)
        raise StorageError(f"{what}: {reason}; {_advice(reason)}") from error
    except IntegrityError as error:
        raise StorageError(f"{what}: {_first_line(error.orig)}; nothing was stored") from error
    except DataError as error:
        raise InputError(f"{what}: {_first_line(error.orig)}; nothing was stored, correct the value") from error
    except (DatabaseError, sqlite3.DatabaseError) as error:
        reason = _first_line(getattr(error, "orig", error))
        advice = _advice(reason, otherwise="restore it from a backup")
        raise StorageError(f"the database of {what} cannot be used ({reason}); {advice}") from error
    except OSError as error:
        raise StorageError(f"{what}: {error.strerror or error}; free some space or check the folder") from error


def _first_line(error: Any) -> str:  # noqa: ANN401 (whatever the driver raised)
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _advice(reason: str, *, otherwise: str = "free some space or check the folder") -> str:
    for sign, advice in (
        ("locked", "close the other program that is writing to it"),
        ("lock timeout", "wait for the other program that is writing to it"),
        ("permission denied", "ask the administrator of the database server for that right"),
        ('extension "vector"', "ask the administrator of the database server to install pgvector"),
        ("connection", "check that the database server runs, and its address in deciface.toml"),
    ):
        if sign in reason:
            return advice
    return otherwise
