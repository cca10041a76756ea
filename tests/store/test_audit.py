import datetime as dt
import hashlib
import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert, text, update
from sqlalchemy.exc import DBAPIError

from deciface.errors import InputError
from deciface.store import audit, tables
from deciface.store.audit import FIRST_PREVIOUS, Head
from deciface.store.engines import read, write
from deciface.store.versions import stamp

AT = stamp(dt.datetime(2026, 11, 25, 8, 0, tzinfo=dt.UTC))

WRITER = """
import sys
from deciface.store import audit, engines
url, name = sys.argv[1:]
engine = engines.sqlite_engine(__import__("pathlib").Path(url)) if "://" not in url else engines.postgres_engine(url)
for i in range(40):
    with engines.write(engine) as connection:
        audit.append(connection, at="2026", actor=name, action="see", record=f"P{i}")
"""


def address(engine) -> str:
    return engine.url.database if engine.dialect.name == "sqlite" else engine.url.render_as_string(hide_password=False)


def add(workspace, *records: str, **detail: object) -> None:
    with write(workspace.engine) as connection:
        for record in records:
            audit.append(connection, at=AT, actor="ann", action="see the record", record=record, detail=detail)


def check(workspace, **noted: Head):
    with read(workspace.engine) as connection:
        return audit.check_chain(connection, **noted)


def without_triggers(workspace, *statements: object) -> None:
    """What somebody can do who owns the database."""
    sqlite = workspace.engine.dialect.name == "sqlite"
    off = (
        ["DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete", "DROP TRIGGER audit_no_replace"]
        if sqlite
        else ["ALTER TABLE audit DISABLE TRIGGER ALL"]
    )
    with write(workspace.engine) as connection:
        for statement in (*map(text, off), *statements):
            connection.execute(text(statement) if isinstance(statement, str) else statement)


def base_of(workspace) -> int:
    """How many entries making the workspace has left."""
    with read(workspace.engine) as connection:
        return audit.read_head(connection).number


def test_an_empty_trail_is_whole_and_its_head_is_zeros():
    engine = create_engine("sqlite://")
    tables.metadata.create_all(engine)
    with engine.connect() as connection:
        found = audit.check_chain(connection)
    assert found.whole
    assert (found.entries, found.head) == (0, Head(0, "0" * 64))


def test_entries_are_numbered_chained_and_hash_what_is_documented(workspace):
    base = base_of(workspace)
    add(workspace, "P1", "P2", photos=2)
    with read(workspace.engine) as connection:
        first, second = audit.entries(connection, after=base)
        rows = connection.execute(tables.audit.select().order_by(tables.audit.c.number)).mappings().all()
    assert (first.number, second.number) == (base + 1, base + 2)
    assert second.detail == {"photos": 2}
    before = FIRST_PREVIOUS
    for row in rows:
        assert row["previous_sha256"] == before
        hashed = {name: row[name] for name in row if name != "sha256"}  # written down here once more
        document = json.dumps(hashed, sort_keys=True, separators=(",", ":"))
        before = hashlib.sha256(document.encode()).hexdigest()
        assert row["sha256"] == before
    assert check(workspace).head == Head(base + 2, before)


def test_entries_are_read_in_pages(workspace):
    base = base_of(workspace)
    add(workspace, *(f"P{i}" for i in range(7)))
    with read(workspace.engine) as connection:
        pages = [audit.entries(connection, after=base + n, limit=3) for n in (0, 3, 6)]
    assert [[entry.record for entry in page] for page in pages] == [["P0", "P1", "P2"], ["P3", "P4", "P5"], ["P6"]]


@pytest.mark.parametrize("verb", ["UPDATE audit SET actor = 'bob'", "DELETE FROM audit", "TRUNCATE audit", "REPLACE"])
def test_entries_cannot_be_changed_or_removed(workspace, verb):
    sqlite = workspace.engine.dialect.name == "sqlite"
    if sqlite == (verb == "TRUNCATE audit") or (verb == "REPLACE" and not sqlite):
        verb = "DELETE FROM audit"  # what this engine has in its place
    add(workspace, "P1")
    if verb == "REPLACE":
        verb = "REPLACE INTO audit SELECT number, at, 'bob', action, record, detail, previous_sha256, sha256 FROM audit"
    with pytest.raises(DBAPIError, match="the audit trail is append-only"), write(workspace.engine) as connection:
        connection.execute(text(verb))
    assert check(workspace).whole


COLUMNS = {
    "at": "2020-01-01T00:00:00.000000+00:00",
    "actor": "bob",
    "action": "nothing",
    "record": "P9",
    "detail": "{}",
    "sha256": "a" * 64,
}


@pytest.mark.parametrize("column", COLUMNS)
def test_a_changed_entry_is_named(workspace, column):
    base = base_of(workspace)
    add(workspace, "P1", "P2", "P3", photos=2)
    number = base + 2
    without_triggers(
        workspace, update(tables.audit).where(tables.audit.c.number == number).values(**{column: COLUMNS[column]})
    )
    found = check(workspace)
    assert not found.whole
    assert found.fault == f"entry {number} was changed after it was written"
    assert found.entries == base + 1


def test_a_changed_entry_with_its_hash_made_anew_is_named_by_the_next(workspace):
    base = base_of(workspace)
    add(workspace, "P1", "P2", "P3")
    row = {"number": base + 2, "at": AT, "actor": "ann", "action": "see the record", "record": "P9", "detail": "{}"}
    with read(workspace.engine) as connection:
        row["previous_sha256"] = audit.entries(connection, after=base, limit=1)[0].sha256
    forged = hashlib.sha256(json.dumps(row, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    where = tables.audit.c.number == base + 2
    without_triggers(workspace, update(tables.audit).where(where).values(record="P9", sha256=forged))
    expected = f"entry {base + 3} was not written after the entry {base + 2} that stands before it"
    assert check(workspace).fault == expected


def test_a_removed_entry_is_named(workspace):
    base = base_of(workspace)
    add(workspace, "P1", "P2", "P3")
    without_triggers(workspace, tables.audit.delete().where(tables.audit.c.number == base + 2))
    assert check(workspace).fault == f"entry {base + 3} follows entry {base + 1}: entries between them are missing"


def test_a_chain_cut_at_its_end_is_noticed_against_a_noted_head_only(workspace):
    base = base_of(workspace)
    add(workspace, "P1", "P2")
    noted = check(workspace).head
    assert str(noted) == f"{base + 2}:{noted.sha256}"
    assert check(workspace, expected_head=noted).whole
    add(workspace, "P3")
    assert check(workspace, expected_head=noted).whole
    without_triggers(workspace, tables.audit.delete().where(tables.audit.c.number > base + 1))
    assert check(workspace).whole
    assert check(workspace, expected_head=noted).fault == (
        f"the trail ends with entry {base + 1}, but entry {base + 2} was noted: entries were removed at its end, or an "
        "older backup was restored"
    )


def test_a_trail_that_was_written_anew_is_noticed_against_a_noted_head(workspace):
    add(workspace, "P1")
    noted = Head(base_of(workspace), "b" * 64)
    found = check(workspace, expected_head=noted)
    assert found.fault == f"entry {noted.number} is another than the one that was noted: the trail was written anew"


def test_long_trails_are_checked_in_pages(workspace):
    add(workspace, *(f"P{i}" for i in range(4100)))
    assert check(workspace).whole
    assert check(workspace).entries == base_of(workspace)


def test_two_processes_that_append_at_once_lose_nothing(workspace):
    base = base_of(workspace)
    command = [sys.executable, "-c", WRITER, address(workspace.engine)]
    processes = [subprocess.Popen([*command, name]) for name in ("ann", "bob")]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    with read(workspace.engine) as connection:
        actors = [entry.actor for entry in audit.entries(connection, after=base, limit=200)]
    assert sorted(actors) == ["ann"] * 40 + ["bob"] * 40
    assert check(workspace).whole


def _append_and_fail(workspace) -> None:
    with write(workspace.engine) as connection:
        audit.append(connection, at=AT, actor="ann", action="see the record", record="P1")
        audit.triggers("oracle")


def test_an_entry_goes_with_its_transaction(workspace):
    base = base_of(workspace)
    with pytest.raises(InputError):
        _append_and_fail(workspace)
    assert base_of(workspace) == base


def test_a_detail_that_json_has_no_form_for_is_refused(workspace):
    with pytest.raises(InputError, match=r"cannot be written as JSON .*give text, whole numbers or finite numbers"):
        add(workspace, "P1", score=float("nan"))


def test_triggers_of_an_unknown_database_are_refused():
    with pytest.raises(InputError, match="database 'oracle' is not supported; allowed are sqlite and postgresql"):
        audit.triggers("oracle")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.dictionaries(st.text(), st.integers())))
)
def test_whatever_text_is_appended_the_chain_is_whole(records):
    engine = create_engine("sqlite://")
    tables.metadata.create_all(engine)
    with engine.begin() as connection:
        for record, detail in records:
            audit.append(connection, at=AT, actor=record, action=record, record=record, detail=detail)
        assert audit.check_chain(connection).whole
        assert audit.check_chain(connection).entries == len(records)


def test_two_entries_with_one_number_cannot_be(workspace):
    add(workspace, "P1")
    with read(workspace.engine) as connection:
        last = (
            connection.execute(tables.audit.select().order_by(tables.audit.c.number.desc()).limit(1)).mappings().one()
        )
    with pytest.raises(DBAPIError), write(workspace.engine) as connection:
        connection.execute(insert(tables.audit).values(**{**last, "sha256": "c" * 64}))
