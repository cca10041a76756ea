"""The rule in Python and the same rule in SQL say the same about any record, actor and day."""

import datetime as dt

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from deciface.cases import Case, Consent, Patient, Scope
from deciface.consent import (
    RULES,
    Action,
    Actor,
    All,
    Always,
    Any,
    ConsentsTo,
    IsOwner,
    IsSimulated,
    Never,
    NotErased,
    RecordFacts,
    Role,
    SameSite,
    SharedWith,
    may,
    rule_for,
)
from deciface.consent.roles import WORKSPACE_ACTIONS
from deciface.consent.rules import holds
from deciface.store import engines, people, policy_sql, tables

FEW = ("", "ann", "ben", "Bonn")  # few values, so that they often agree; users and sites share them on purpose
DAYS = [dt.date(2026, 1, day) for day in range(1, 5)]

consents = st.builds(
    Consent,
    st.sampled_from(Scope),
    site=st.sampled_from([None, *FEW]),
    signed_on=st.sampled_from([None, *DAYS]),
    withdrawn_on=st.sampled_from([None, *DAYS]),
)
records = st.builds(
    RecordFacts,
    st.sampled_from(FEW),
    st.sampled_from(FEW),
    st.booleans(),
    st.lists(consents, max_size=3).map(tuple),
    st.booleans(),
)
actors = st.builds(Actor, st.sampled_from(FEW), st.frozensets(st.sampled_from(Role)), st.sampled_from(FEW))
simple = st.one_of(
    *(st.just(kind()) for kind in (Always, Never, NotErased, IsSimulated, IsOwner, SameSite, SharedWith)),
    st.lists(st.sampled_from(Scope), max_size=3).map(lambda scopes: ConsentsTo(tuple(scopes))),
)
conditions = st.recursive(
    simple,
    lambda parts: st.builds(
        lambda kind, some: kind(tuple(some)), st.sampled_from([All, Any]), st.lists(parts, max_size=3)
    ),
    max_leaves=8,
)
facts = st.lists(records, min_size=1, max_size=8)
RECORD_ACTIONS = [action for action in Action if action not in WORKSPACE_ACTIONS]


def stored(connection, given_records):
    """Store the records, p0, p1 and so on."""
    for i, record in enumerate(given_records):
        case = Case(Patient(f"p{i}", simulated=record.simulated), consents=record.consents)
        people.insert_cases(connection, [case], owner=record.owner, origin="", site=record.site, at="2026")
        if record.erased:
            mine = tables.patients.c.id == case.id
            connection.execute(update(tables.patients).where(mine).values(erased=True))
    return {f"p{i}": record for i, record in enumerate(given_records)}


def found(connection, condition, actor, day):
    where = policy_sql.allowed(condition, actor, on=day)
    return set(connection.execute(select(tables.patients.c.id).where(where)).scalars())


def compare(engine, given_records, actor, action, condition, day):
    with engine.connect() as connection:
        if engines.is_sqlite(connection):
            connection.exec_driver_sql("BEGIN")
        by_id = stored(connection, given_records)
        assert policy_sql.facts_of(connection, by_id) == by_id
        assert found(connection, rule_for(actor, action), actor, day) == {
            patient_id for patient_id, record in by_id.items() if may(actor, action, record, on=day)
        }
        assert found(connection, condition, actor, day) == {
            patient_id for patient_id, record in by_id.items() if holds(condition, actor, record, on=day)
        }
        connection.rollback()


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory):
    engine = engines.sqlite_engine(tmp_path_factory.mktemp("policy") / "policy.sqlite")
    engines.migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def postgres(new_postgres_database):
    engine = engines.postgres_engine(new_postgres_database())
    engines.migrate(engine)
    yield engine
    engine.dispose()


@settings(max_examples=200, deadline=None)
@given(facts, actors, st.sampled_from(RECORD_ACTIONS), conditions, st.sampled_from(DAYS))
@example([RecordFacts()], Actor(""), Action.SEE, All(()), DAYS[0])
@example([RecordFacts()], Actor(""), Action.SEE, Any(()), DAYS[0])
@example([RecordFacts()], Actor(""), Action.SEE, ConsentsTo(()), DAYS[0])
@example([RecordFacts(consents=(Consent(Scope.SHARING, ""),))], Actor(""), Action.SEE, SharedWith(), DAYS[0])
def test_sqlite_serves_what_the_rule_allows(sqlite, given_records, actor, action, condition, day):
    compare(sqlite, given_records, actor, action, condition, day)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facts, actors, st.sampled_from(RECORD_ACTIONS), conditions, st.sampled_from(DAYS))
def test_postgresql_serves_what_the_rule_allows(postgres, given_records, actor, action, condition, day):
    compare(postgres, given_records, actor, action, condition, day)


def test_every_rule_is_told_apart_from_every_other_record(sqlite):
    """Each single role and action, over all combinations of what the rules look at."""
    one_consent = [(), *((Consent(scope, "Bonn"),) for scope in Scope), (Consent(Scope.GALLERY, withdrawn_on=DAYS[0]),)]
    every = [
        RecordFacts(owner, site, simulated, given_consents, erased)
        for owner in ("ann", "ben")
        for site in ("Bonn", "")
        for simulated in (True, False)
        for given_consents in one_consent
        for erased in (True, False)
    ]
    with sqlite.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        by_id = stored(connection, every)
        for role, action in RULES:
            if action in WORKSPACE_ACTIONS:
                continue
            actor = Actor("ann", frozenset({role}), "Bonn")
            expected = {i for i, record in by_id.items() if may(actor, action, record, on=DAYS[1])}
            assert found(connection, rule_for(actor, action), actor, DAYS[1]) == expected, (role, action)
        connection.rollback()


def test_what_the_roles_of_one_user_repeat_is_asked_once():
    boss = Actor("ann", frozenset(Role), "Bonn")
    for action in RECORD_ACTIONS:
        short = str(policy_sql.shortened(rule_for(boss, action)))
        assert short.count(str(NotErased())) <= 1, action
        assert short.count(str(IsSimulated())) <= 1, action
    by_consent, own, gone = ConsentsTo((Scope.CARE,)), IsOwner(), NotErased()
    long = Any((All((gone, Any((by_consent, own)))), All((gone, Any((own, Never())))), All((own, gone))))
    assert policy_sql.shortened(long) == All((gone, Any((own, by_consent))))
    assert policy_sql.shortened(All((gone, All((gone, Always()))))) == gone
    assert policy_sql.shortened(Any((All(()), own))) == Always()


@given(conditions, records, actors, st.sampled_from(DAYS))
def test_a_shortened_condition_says_the_same(condition, record, actor, day):
    short = policy_sql.shortened(condition)
    assert holds(short, actor, record, on=day) == holds(condition, actor, record, on=day)
    assert policy_sql.shortened(short) == short


def test_facts_of_nobody_and_of_whom_is_not_stored(sqlite):
    with engines.read(sqlite) as connection:
        assert policy_sql.facts_of(connection, []) == {}
        assert policy_sql.facts_of(connection, ["nobody"]) == {}
