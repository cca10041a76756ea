"""Pages of the list of cases: light rows, in order of id, each page found by the last id of the one before."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, or_, select

from deciface.cases import Disorder, Sex
from deciface.store import tables


@dataclass(frozen=True, slots=True)
class ListedCase:
    """A case as a list shows it; `photos` counts them."""

    id: str
    sex: Sex
    disorders: tuple[Disorder, ...]
    photos: int
    simulated: bool


def read_page(
    connection: Connection,
    *,
    after: str | None,
    limit: int,
    where: ColumnElement[bool],
    disorder: str | None = None,
    text: str | None = None,
) -> tuple[ListedCase, ...]:
    """Read a page in three queries, each over an index.

    Parameters
    ----------
    after
        Last id of the page before; None for the first page.
    limit
        Most rows of a page.
    where
        Who may be seen: condition over `tables.patients`.
    disorder
        Only patients with a diagnosis of this disorder id.
    text
        Only patients in whose id, other ids, disorders or genes of variants this stands, in any case.
    """
    people, diagnoses, photos = tables.patients.c, tables.diagnoses.c, tables.photos.c
    query = select(people.id, people.sex, people.simulated).where(where).order_by(people.id).limit(limit)
    if after is not None:
        query = query.where(people.id > after)
    if disorder is not None:
        query = query.where(people.id.in_(select(diagnoses.patient_id).where(diagnoses.disorder_id == disorder)))
    if text:
        query = query.where(_mentions(text))
    rows = connection.execute(query).all()
    ids = [row.id for row in rows]
    disorders: dict[str, list[Disorder]] = defaultdict(list)
    named = select(diagnoses.patient_id, diagnoses.disorder_id, diagnoses.disorder_name)
    for row in connection.execute(
        named.where(diagnoses.patient_id.in_(ids)).order_by(diagnoses.patient_id, diagnoses.position)
    ):
        disorders[row.patient_id].append(Disorder(row.disorder_id, row.disorder_name))
    count = select(photos.patient_id, func.count()).where(photos.patient_id.in_(ids)).group_by(photos.patient_id)
    counts = {patient_id: int(n) for patient_id, n in connection.execute(count)}
    return tuple(
        ListedCase(row.id, Sex(row.sex), tuple(disorders[row.id]), counts.get(row.id, 0), row.simulated) for row in rows
    )


def _mentions(text: str) -> ColumnElement[bool]:
    people = tables.patients.c

    def listed(table_patient: ColumnElement[str], *columns: ColumnElement[str]) -> ColumnElement[bool]:
        found = or_(*(column.icontains(text, autoescape=True) for column in columns))
        return people.id.in_(select(table_patient).where(found))

    diagnoses, others, variants = tables.diagnoses.c, tables.other_ids.c, tables.variants.c
    return or_(
        people.id.icontains(text, autoescape=True),
        listed(diagnoses.patient_id, diagnoses.disorder_name, diagnoses.disorder_id),
        listed(others.patient_id, others.other_id),
        listed(variants.patient_id, variants.gene),
    )
