"""Consents of a stored patient: one more, the end of one, or all anew."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, or_, select, update

from deciface.cases import Consent, Scope
from deciface.store import tables
from deciface.store.case_rows import LISTS


def add_consent(connection: Connection, patient_id: str, consent: Consent) -> bool:
    """Add a consent behind the others; return False when the very same is recorded already."""
    c = tables.consents.c
    stored = connection.execute(select(tables.consents).where(c.patient_id == patient_id)).all()
    if any(LISTS["consents"].item(row) == consent for row in stored):
        return False
    position = max((row.position for row in stored), default=-1) + 1
    values = LISTS["consents"].values(consent)
    connection.execute(insert(tables.consents).values(patient_id=patient_id, position=position, **values))
    return True


def end_consents(connection: Connection, patient_id: str, scope: Scope, *, site: str | None, on: dt.date) -> int:
    """Set the day of withdrawal of every consent to a scope that would hold on that day or later; return how many."""
    c = tables.consents.c
    query = update(tables.consents).where(
        c.patient_id == patient_id, c.scope == scope.value, or_(c.withdrawn_on.is_(None), c.withdrawn_on > on)
    )
    if site is not None:
        query = query.where(c.site == site)
    return connection.execute(query.values(withdrawn_on=on)).rowcount


def replace_consents(connection: Connection, patient_id: str, consents: Sequence[Consent]) -> None:
    """Record these consents of a patient in place of those that are recorded."""
    table = tables.consents
    connection.execute(delete(table).where(table.c.patient_id == patient_id))
    rows = [
        {"patient_id": patient_id, "position": i, **LISTS["consents"].values(consent)}
        for i, consent in enumerate(consents)
    ]
    if rows:
        connection.execute(insert(table), rows)


def touch(connection: Connection, patient_id: str, *, at: str) -> None:
    """Note when a patient's record was changed."""
    connection.execute(update(tables.patients).where(tables.patients.c.id == patient_id).values(changed_at=at))
