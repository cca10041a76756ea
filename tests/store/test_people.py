"""Cases and photos as rows: nothing is lost, and reading many takes as few queries as reading one."""

import dataclasses
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select

from deciface.cases import (
    Ancestry,
    Case,
    Consent,
    Diagnosis,
    Disorder,
    Participant,
    Patient,
    Phenotype,
    Photo,
    Variant,
)
from deciface.store import case_rows, engines, people, photo_rows, tables
from deciface.store.photo_files import StoredFile

COMMON = {"owner": "ann", "origin": "gmdb", "site": "Taipei", "at": "2026"}
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
some = st.lists(words, max_size=2).map(tuple)
maybe = st.none() | words
whole = st.none() | st.integers(1, 2**31 - 1)


def few(strategy):
    return st.lists(strategy, max_size=2).map(tuple)


diagnoses = st.builds(Diagnosis, st.builds(Disorder, words, words), genes=some, onset=maybe)
phenotypes = st.builds(Phenotype, words, onset=maybe, severity=maybe, modifiers=some, label=words)
variants = st.builds(Variant, words, words, some, words, words, whole, words, words, acmg=words, label=words)
ancestry = few(st.builds(Ancestry, words, code=maybe))
patients = st.builds(
    Patient, st.just("x"), ancestry=ancestry, country=maybe, simulated=st.booleans(), country_of_birth=maybe
)
any_case = st.builds(
    Case,
    patients,
    few(diagnoses),
    few(phenotypes),
    few(variants),
    unaffected=st.booleans(),
    consents=few(st.builds(Consent, site=maybe, evidence=words)),
    participant=st.none() | st.builds(Participant, words),
    last_seen_age=maybe,
    references=some,
    other_ids=some,
    site=words,
    as_written=few(st.tuples(words, words)),
)


@pytest.fixture
def engine(workspace):
    return workspace.engine


def count(engine, table):
    with engines.read(engine) as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(any_case, any_case)
def test_any_case_comes_out_as_it_went_in_and_is_replaced_as_a_whole(engine, first, second):
    with engine.connect() as connection:
        if engines.is_sqlite(connection):
            connection.exec_driver_sql("BEGIN")
        people.insert_cases(connection, [first], **COMMON)
        assert people.read_cases(connection) == [first]
        people.replace_case(connection, second, at="2027")
        assert people.read_cases(connection) == [second]
        row = connection.execute(select(tables.patients)).one()
        assert (row.owner, row.origin, row.site, row.created_at, row.changed_at) == (
            *list(COMMON.values())[:3],
            "2026",
            "2027",
        )
        connection.rollback()


def test_every_field_of_a_case_is_stored(engine, full_case):
    blank = {field.name for field in dataclasses.fields(Case) if getattr(full_case, field.name) == field.default}
    assert blank == {"unaffected"}, "the sample case has to fill every field that goes with a diagnosis"
    with engines.write(engine) as connection:
        people.insert_cases(connection, [full_case], **COMMON)
        photo_rows.insert_photos(connection, full_case.photos, {"full 1": StoredFile("f" * 64, "png")}, at="2026")
    with engines.read(engine) as connection:
        assert people.read_cases(connection) == [full_case]
        assert photo_rows.read_photos(connection) == list(full_case.photos)
        assert photo_rows.file_of(connection, "full 1") == StoredFile("f" * 64, "png")
        assert photo_rows.file_of(connection, "full 2") is None


def some_people(n):
    made = []
    for i in range(n):
        case = Case(Patient(f"p{i:03d}"), (Diagnosis(Disorder("D", "d")),) * (i % 3), other_ids=("x",) * (i % 2))
        made.append(case.with_photos([case.photo(f"p{i:03d}/{k}") for k in range(i % 3)]))
    return made


def test_reading_many_takes_as_many_queries_as_reading_one(engine):
    given_cases = some_people(60)
    with engines.write(engine) as connection:
        people.insert_cases(connection, given_cases, **COMMON)
        photo_rows.insert_photos(connection, [p for case in given_cases for p in case.photos], {}, at="2026")
    queries = []
    event.listen(engine, "before_cursor_execute", lambda *args: queries.append(args[2]))

    def counted(read):
        queries.clear()
        with engine.connect() as connection:
            return read(connection), len(queries)

    everybody, number = counted(people.read_cases)
    assert everybody == given_cases
    one, of_one = counted(lambda connection: people.read_cases(connection, ["p004"]))
    assert one == [given_cases[4]]
    assert of_one == number == len(case_rows.LISTS) + 3  # and patients, participants, photos
    site = tables.patients.c.id >= "p030"
    assert counted(lambda connection: people.read_cases(connection, where=site)) == (given_cases[30:], number)
    assert counted(lambda connection: people.read_cases(connection, ["p031", "p001"], where=site))[0] == [
        given_cases[31]
    ]
    photos = sorted((p for case in given_cases for p in case.photos), key=lambda photo: photo.id)
    assert counted(photo_rows.read_photos) == (photos, 5)
    some_ids = [photos[7].id, photos[3].id, "none"]
    assert counted(lambda connection: photo_rows.read_photos(connection, some_ids)) == ([photos[3], photos[7]], 5)
    assert counted(lambda connection: people.read_cases(connection, [])) == ([], 0)


def test_more_ids_than_a_query_takes(engine, monkeypatch):
    monkeypatch.setattr(case_rows, "_FEW", 7)
    given_cases = some_people(30)
    with engines.write(engine) as connection:
        people.insert_cases(connection, given_cases, **COMMON)
        photo_rows.insert_photos(connection, [p for case in given_cases for p in case.photos], {}, at="2026")
        assert people.read_cases(connection, [case.id for case in given_cases]) == given_cases
        assert len(photo_rows.read_photos(connection, [p.id for case in given_cases for p in case.photos])) == 30


def test_what_belongs_to_a_patient_goes_with_them(engine, full_case):
    with engines.write(engine) as connection:
        people.insert_cases(connection, [full_case], **COMMON)
        photo_rows.insert_photos(connection, full_case.photos, {}, at="2026")
    of_patient = [table for table in tables.metadata.sorted_tables if "patient_id" in table.c and table.foreign_keys]
    filled = {table.name for table in of_patient if count(engine, table)}
    assert filled == {table.name for table in of_patient} - {"job_patients", "derived_patients"}
    with engines.write(engine) as connection:
        connection.execute(tables.patients.delete())
    assert {table.name for table in of_patient if count(engine, table)} == set()


def test_a_completed_photo_keeps_its_pixels_where_none_are_stated(engine):
    case = Case(Patient("x", simulated=True))
    photo = case.photo("x1")
    stated: Photo = replace(photo, sha256="b" * 64)
    with engines.write(engine) as connection:
        people.insert_cases(connection, [case], **COMMON)
        photo_rows.insert_photos(connection, [stated], {}, at="2026")
        photo_rows.complete_photos(connection, [photo], {"x1": StoredFile("f" * 64, "jpg")})
        assert photo_rows.read_photos(connection) == [stated]
        assert photo_rows.file_of(connection, "x1") == StoredFile("f" * 64, "jpg")
