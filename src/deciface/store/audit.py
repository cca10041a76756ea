"""The audit trail: append-only, every entry hashes the one before.

An entry's hash is SHA-256 over canonical JSON (sorted keys, no spaces, ASCII) of its number, time, actor, action,
record, detail (as stored) and the previous entry's hash; before the first stand 64 zeros. A changed, removed or
inserted entry therefore no longer fits. A chain that was cut at its end still fits: that is only noticed against a
head that was noted elsewhere, which is why `Head` can be written on paper. Entries hold ids, never names or content, so
that erasure leaves the chain whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Row, insert, select, text

from deciface.errors import InputError
from deciface.store import tables

FIRST_PREVIOUS = "0" * 64
_LOCK = 0x0DEC1FACE
_PAGE = 2_000
_EMPTY: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry: its number and hash. Number 0 and zeros for a trail without entries."""

    number: int = 0
    sha256: str = FIRST_PREVIOUS

    def __str__(self) -> str:
        return f"{self.number}:{self.sha256}"


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what to which record, when."""

    number: int
    at: str
    actor: str
    action: str
    record: str
    detail: Mapping[str, Any]
    sha256: str


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """Whether every entry fits the one before.

    Parameters
    ----------
    entries
        How many fit, counted from the first.
    head
        The last that fits; note it elsewhere to notice a trail that was cut.
    fault
        What is wrong with the first that does not fit; empty when all do.
    """

    entries: int
    head: Head = field(default_factory=Head)
    fault: str = ""

    @property
    def whole(self) -> bool:
        """True when nothing is wrong."""
        return not self.fault


def canonical(document: object) -> str:
    """Write JSON in the one form that is hashed: sorted keys, no spaces, ASCII.

    Raises
    ------
    InputError
        Something that JSON has no form for, NaN and infinity among it.
    """
    try:
        return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"this cannot be written as JSON ({error}); give text, whole numbers or finite numbers"
        ) from error


def append(
    connection: Connection,
    *,
    at: str,
    actor: str,
    action: str,
    record: str,
    detail: Mapping[str, object] = _EMPTY,
) -> int:
    """Add an entry within the caller's write transaction; return its number.

    Call it last in the transaction: from here on no other transaction can add an entry until this one has ended.

    Parameters
    ----------
    at
        ISO 8601 UTC, as `deciface.store.versions.stamp` writes it.
    actor, action, record
        Who, what, and the pseudonymous id it was done to; empty for the workspace as a whole.
    detail
        Ids, counts and settings; never names, content or hashes of photos.

    Raises
    ------
    InputError
        A detail that JSON has no form for.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    head = read_head(connection)
    values = {
        "number": head.number + 1,
        "at": at,
        "actor": actor,
        "action": action,
        "record": record,
        "detail": canonical(dict(detail)),
        "previous_sha256": head.sha256,
    }
    connection.execute(insert(tables.audit).values(**values, sha256=_sha256(values)))
    return head.number + 1


def read_head(connection: Connection) -> Head:
    """Read number and hash of the last entry."""
    last = select(tables.audit.c.number, tables.audit.c.sha256).order_by(tables.audit.c.number.desc()).limit(1)
    found = connection.execute(last).one_or_none()
    return Head(found.number, found.sha256) if found else Head()


def entries(connection: Connection, *, after: int = 0, limit: int = 100) -> tuple[Entry, ...]:
    """Read the entries that follow a number, oldest first, at most `limit`."""
    query = select(tables.audit).where(tables.audit.c.number > after).order_by(tables.audit.c.number).limit(limit)
    return tuple(
        Entry(row.number, row.at, row.actor, row.action, row.record, json.loads(row.detail), row.sha256)
        for row in connection.execute(query)
    )


def check_chain(connection: Connection, expected_head: Head | None = None) -> ChainCheck:
    """Check all entries, in pages, and name the first that does not fit.

    Parameters
    ----------
    expected_head
        As noted earlier; the trail must hold that very entry.
    """
    head = Head()
    for row in _all_rows(connection):
        if fault := _fault(row, head) or _other_than_noted(row, expected_head):
            return ChainCheck(head.number, head, fault)
        head = Head(row.number, row.sha256)
    if expected_head is not None and expected_head.number > head.number:
        lost = f"the trail ends with entry {head.number}, but entry {expected_head.number} was noted"
        return ChainCheck(
            head.number, head, f"{lost}: entries were removed at its end, or an older backup was restored"
        )
    return ChainCheck(head.number, head)


def triggers(dialect: str) -> tuple[str, ...]:
    """Statements that make a database refuse to change or remove entries.

    In SQLite also those of ``REPLACE``, which removes a row without calling it DELETE.

    Raises
    ------
    InputError
        Neither ``sqlite`` nor ``postgresql``.
    """
    if dialect not in _TRIGGERS:
        raise InputError(f"database '{dialect}' is not supported; allowed are {' and '.join(_TRIGGERS)}")
    return _TRIGGERS[dialect]


_REFUSE = "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
_NOT_NEXT = (
    "NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM audit) "
    "OR EXISTS (SELECT 1 FROM audit WHERE sha256 = NEW.sha256)"
)
_TRIGGERS = {
    "sqlite": (
        f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit {_REFUSE}",
        f"CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit {_REFUSE}",
        f"CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit WHEN {_NOT_NEXT} {_REFUSE}",
    ),
    "postgresql": (
        "CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'restrict_violation'; END $$",
        "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
        "CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    ),
}


def _all_rows(connection: Connection) -> Iterator[Row[Any]]:
    after: int | None = None
    while True:
        query = select(tables.audit).order_by(tables.audit.c.number).limit(_PAGE)
        rows = connection.execute(query if after is None else query.where(tables.audit.c.number > after)).all()
        yield from rows
        if len(rows) < _PAGE:
            return
        after = rows[-1].number


def _fault(row: Row[Any], before: Head) -> str:
    if row.number != before.number + 1:
        return f"entry {row.number} follows entry {before.number}: entries between them are missing"
    if row.previous_sha256 != before.sha256:
        return f"entry {row.number} was not written after the entry {before.number} that stands before it"
    values = {name: getattr(row, name) for name in _HASHED}
    return "" if _sha256(values) == row.sha256 else f"entry {row.number} was changed after it was written"


def _other_than_noted(row: Row[Any], noted: Head | None) -> str:
    if noted is None or row.number != noted.number or row.sha256 == noted.sha256:
        return ""
    return f"entry {row.number} is another than the one that was noted: the trail was written anew"


_HASHED = ("number", "at", "actor", "action", "record", "detail", "previous_sha256")


def _sha256(values: Mapping[str, object]) -> str:
    return hashlib.sha256(canonical({name: values[name] for name in _HASHED}).encode()).hexdigest()
