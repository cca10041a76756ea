"""Leave nothing of deleted rows in the database's own files.

SQLite: ``secure_delete`` overwrites deleted content; VACUUM writes the file anew without it, and the write-ahead log is
cut to nothing. PostgreSQL: a deleted row stays in its file until VACUUM FULL writes the table anew, which takes a lock
on it; sampled values stand in the planner's statistics and are made again; CHECKPOINT removes the old files. What the
server holds elsewhere is listed in `POSTGRES_BEYOND_REACH`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from deciface.errors import StorageError

POSTGRES_BEYOND_REACH = (
    "the database server's write-ahead log (pg_wal) holds the old rows until it has been recycled, its archive, "
    "replicas and base backups for as long as the hospital keeps them",
)
_PATIENCE_S = 10.0


class BusyError(StorageError):
    """Another program reads the database and so keeps the deleted rows in its files."""


def compact(engine: Engine, tables: Collection[str]) -> None:
    """Write the database anew without what was deleted.

    Parameters
    ----------
    tables
        Names of the tables rows were deleted from (PostgreSQL; SQLite has but one file).

    Raises
    ------
    BusyError
        Another program is reading; try again when it has ended.
    """
    try:
        if engine.dialect.name == "sqlite":
            _compact_sqlite(engine)
        else:
            _compact_postgres(engine, sorted(tables))
    except (OperationalError, sqlite3.OperationalError) as error:
        if any(sign in str(error) for sign in ("locked", "lock timeout")):
            raise BusyError(_BUSY) from error
        raise


_BUSY = (
    "another program is reading the database, so what was deleted cannot be overwritten yet; close it and open the "
    "workspace again"
)


def _compact_sqlite(engine: Engine) -> None:
    pooled = engine.raw_connection()
    try:
        cursor = pooled.cursor()
        usual, *_ = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {int(_PATIENCE_S * 1000)}")
        try:
            cursor.execute("VACUUM")
            busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {usual}")
            cursor.close()
    finally:
        pooled.close()
    if busy:
        raise BusyError(_BUSY)


def _compact_postgres(engine: Engine, tables: list[str]) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"SET lock_timeout = '{int(_PATIENCE_S * 1000)}ms'"))
        try:
            _wait_for_older_readers(connection)
            for table in tables:
                connection.execute(text(f'VACUUM (FULL, ANALYZE) "{table}"'))
            for if_allowed in ("VACUUM FULL pg_catalog.pg_statistic", "CHECKPOINT"):
                _try(connection, if_allowed)
        finally:
            connection.execute(text("RESET lock_timeout"))


def _wait_for_older_readers(connection: Connection) -> None:
    """Until nobody reads any more who began before now: for them even VACUUM FULL keeps deleted rows."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_xmin IS NOT NULL AND xact_start < :now"
    )
    now = connection.execute(text("SELECT clock_timestamp()")).scalar()
    until = time.monotonic() + _PATIENCE_S
    while connection.execute(query, {"now": now}).scalar():
        if time.monotonic() > until:
            raise BusyError(_BUSY)
        time.sleep(0.05)


def _try(connection: Connection, statement: str) -> None:
    """Run what a hospital's database user may not be allowed to; without it the server does the same later."""
    try:
        connection.execute(text(statement))
    except DBAPIError as error:
        if "permission denied" not in str(error):
            raise
