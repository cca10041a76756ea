"""Cases as rows: insert, replace, read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, update

from deciface.cases import Case
from deciface.store import photo_rows, tables
from deciface.store.case_rows import LISTS, insert_lists, read_facts


def insert_cases(connection: Connection, cases: Sequence[Case], *, owner: str, origin: str, site: str, at: str) -> None:
    """Insert cases that are not stored yet, without their photos: one statement a table.

    Parameters
    ----------
    owner, site
        What the policy asks for: who added them, which site they belong to.
    origin
        The format they came in.
    at
        Time, as `versions.stamp` writes it.
    """
    if not cases:
        return
    common = {"owner": owner, "origin": origin, "site": site, "erased": False, "created_at": at, "changed_at": at}
    connection.execute(insert(tables.patients), [{"id": case.id, **_values(case), **common} for case in cases])
    insert_lists(connection, cases)


def _values(case: Case) -> dict[str, Any]:
    patient = case.patient
    return {
        "sex": patient.sex.value,
        "country": patient.country,
        "country_of_birth": patient.country_of_birth,
        "family": patient.family,
        "simulated": patient.simulated,
        "unaffected": case.unaffected,
        "last_seen_age": case.last_seen_age,
        "vital_status": case.vital_status.value,
        "case_site": case.site,
    }


def replace_case(connection: Connection, case: Case, *, at: str) -> None:
    """Replace every fact of a stored case; its photos, owner and site stay."""
    for table in (*(kind.table for kind in LISTS.values()), tables.participants):
        connection.execute(delete(table).where(table.c.patient_id == case.id))
    mine = tables.patients.c.id == case.id
    connection.execute(update(tables.patients).where(mine).values(**_values(case), changed_at=at))
    insert_lists(connection, [case])


def read_cases(
    connection: Connection, ids: Collection[str] | None = None, *, where: ColumnElement[bool] | None = None
) -> list[Case]:
    """Read cases with their photos, sorted by id: a fixed number of queries for each ten thousand.

    Parameters
    ----------
    connection
        Within `engines.read` or `engines.write`.
    ids
        Which; None: all.
    where
        Condition over `tables.patients`, usually `policy_sql.allowed`.
    """
    facts = read_facts(connection, ids, where=where)
    photos = photo_rows.photos_of(connection, facts, everybody=ids is None and where is None)
    return [replace(case, photos=tuple(photos[case.id])) if case.id in photos else case for case in facts.values()]
