"""Databases with photos, for tests of what is stored beside them."""

from contextlib import contextmanager

from sqlalchemy import insert

from deciface.cases import Case
from deciface.store import engines, people, photo_rows, tables, versions

AT = "2026-01-02T03:04:05.000000+00:00"


@contextmanager
def empty_database(path, database=None, *, workspace="w"):
    """All tables and nobody in them: in a SQLite file, or in the PostgreSQL database of that address."""
    engine = engines.sqlite_engine(path) if database is None else engines.postgres_engine(database)
    engines.migrate(engine)
    with engines.write(engine) as connection:
        connection.execute(insert(tables.meta).values(key="workspace", value=workspace))
        versions.count_up(connection)
    try:
        yield engine
    finally:
        engine.dispose()


def add_photos(connection, photos):
    """Store photos with what they say about their patients, who are new or stored."""
    stored = {case.id for case in people.read_cases(connection, {photo.patient.id for photo in photos})}
    for photo in photos:
        if photo.patient.id not in stored:
            case = Case(photo.patient, photo.diagnoses, photo.phenotypes, unaffected=photo.unaffected)
            people.insert_cases(connection, [case], owner="o", origin="test", site="", at=AT)
            stored.add(photo.patient.id)
    photo_rows.insert_photos(connection, photos, {}, at=AT)
