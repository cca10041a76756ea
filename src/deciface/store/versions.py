"""What a store counts and stamps: the version that caches are keyed by, and times."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Connection, insert, select, update

from deciface.store import tables

_KEY = "version"


def version(connection: Connection) -> int:
    """How often photos, people or encodings have changed; caches of them are keyed by it."""
    found = connection.execute(select(tables.meta.c.value).where(tables.meta.c.key == _KEY)).scalar()
    return int(found or 0)


def count_up(connection: Connection) -> int:
    """Count one change, in the transaction that makes it; return the new version."""
    new = version(connection) + 1
    counted = connection.execute(update(tables.meta).where(tables.meta.c.key == _KEY).values(value=str(new)))
    if counted.rowcount == 0:
        connection.execute(insert(tables.meta).values(key=_KEY, value=str(new)))
    return new


def stamp(now: dt.datetime) -> str:
    """Write a moment as every table has it: ISO 8601, UTC, with microseconds.

    >>> stamp(dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.timezone(dt.timedelta(hours=8))))
    '2026-01-01T19:04:00.000000+00:00'
    """
    return now.astimezone(dt.UTC).isoformat(timespec="microseconds")
