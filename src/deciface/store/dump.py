"""All tables of PostgreSQL as files, through COPY: what a backup holds where there is no database file to copy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from deciface.errors import StorageError
from deciface.store import tables

_BLOCK = 1 << 20


def dump_tables(connection: Connection, folder: Path) -> dict[str, tuple[str, ...]]:
    """Write every table to a file of its own, all of one moment; return their columns.

    Parameters
    ----------
    connection
        Within `engines.read`: one repeatable-read transaction.
    folder
        New; gets ``patients.copy`` and so on, in PostgreSQL's own text format.
    """
    folder.mkdir()
    columns = {table.name: _columns_of(connection, table.name) for table in tables.metadata.sorted_tables}
    for table, names in columns.items():
        command = f"COPY {_said(table, names)} TO STDOUT"
        with _cursor(connection) as cursor, cursor.copy(command) as rows, (folder / f"{table}.copy").open("wb") as out:
            for block in rows:
                out.write(block)
    return columns


def load_tables(connection: Connection, folder: Path, columns: Mapping[str, tuple[str, ...]]) -> None:
    """Fill empty tables from the files of a dump, in the caller's transaction; tables newer than it are passed over.

    Raises
    ------
    StorageError
        The dump has columns that this schema lacks.
    """
    for table in (table.name for table in tables.metadata.sorted_tables if table.name in columns):
        names = columns[table]
        if strange := set(names) - set(_columns_of(connection, table)):
            raise StorageError(
                f"table {table} of the backup has a column {min(strange)}; use the DeciFace that made it"
            )
        command = f"COPY {_said(table, names)} FROM STDIN"
        with (folder / f"{table}.copy").open("rb") as file, _cursor(connection) as cursor, cursor.copy(command) as rows:
            while block := file.read(_BLOCK):
                rows.write(block)


def _columns_of(connection: Connection, table: str) -> tuple[str, ...]:
    """Columns that are stored, in order; what the database computes itself is left out."""
    query = text(
        "SELECT attname FROM pg_attribute WHERE attrelid = CAST(:name AS regclass) AND attnum > 0 "
        "AND NOT attisdropped AND attgenerated = '' ORDER BY attnum"
    )
    return tuple(connection.execute(query, {"name": table}).scalars())


def _said(table: str, names: tuple[str, ...]) -> str:
    quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    return f'"{table}" ({quoted})'


def _cursor(connection: Connection) -> Any:  # noqa: ANN401 (psycopg's, which is imported where PostgreSQL is used)
    driver: Any = connection.connection.driver_connection
    return driver.cursor()
