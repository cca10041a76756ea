"""Between a case without its photos and the rows of its lists.

Every list of a case is one table with `patient_id` and `position`; ``LISTS`` says how an item becomes a row and back.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import JSON, ColumnElement, Connection, Row, Select, String, Table, cast, insert, select

from deciface.cases import (
    Ancestry,
    AncestrySource,
    Case,
    Consent,
    Diagnosis,
    DiagnosisStatus,
    Disorder,
    Participant,
    Patient,
    Phenotype,
    Scope,
    Sex,
    Side,
    Signer,
    TermState,
    Variant,
    VitalStatus,
    Zygosity,
)
from deciface.store import tables

_FEW = 10_000
"""How many ids go into one query; both engines take this many."""


@dataclass(frozen=True)
class ListOfCase:
    """One list: its table, where a case has it, an item as values and a row (JSON as text) as an item."""

    table: Table
    items: Callable[[Case], Iterable[Any]]
    values: Callable[[Any], dict[str, Any]]
    item: Callable[[Row[Any]], Any]


def _plain(field: str, column: str) -> tuple[Callable[[Case], Iterable[Any]], Any, Any]:
    """A list of nothing but text."""
    return lambda case: getattr(case, field), lambda text: {column: text}, lambda row: getattr(row, column)


LISTS: Mapping[str, ListOfCase] = {
    "ancestry": ListOfCase(
        tables.ancestries,
        lambda case: case.patient.ancestry,
        lambda a: {"term": a.term, "side": a.side.value, "source": a.source.value, "code": a.code},
        lambda row: Ancestry(row.term, Side(row.side), AncestrySource(row.source), row.code),
    ),
    "consents": ListOfCase(
        tables.consents,
        lambda case: case.consents,
        lambda c: {
            "scope": c.scope.value,
            "site": c.site,
            "text_version": c.text_version,
            "language": c.language,
            "signer": c.signer.value,
            "signed_on": c.signed_on,
            "withdrawn_on": c.withdrawn_on,
            "evidence": c.evidence,
        },
        lambda row: Consent(
            Scope(row.scope),
            row.site,
            row.text_version,
            row.language,
            Signer(row.signer),
            row.signed_on,
            row.withdrawn_on,
            row.evidence,
        ),
    ),
    "diagnoses": ListOfCase(
        tables.diagnoses,
        lambda case: case.diagnoses,
        lambda d: {
            "disorder_id": d.disorder.id,
            "disorder_name": d.disorder.name,
            "genes": list(d.genes),
            "status": d.status.value,
            "date": d.date,
            "onset": d.onset,
        },
        lambda row: Diagnosis(
            Disorder(row.disorder_id, row.disorder_name),
            _tuple(row.genes),
            DiagnosisStatus(row.status),
            row.date,
            row.onset,
        ),
    ),
    "phenotypes": ListOfCase(
        tables.phenotypes,
        lambda case: case.phenotypes,
        lambda p: {
            "term": p.term,
            "state": p.state.value,
            "onset": p.onset,
            "severity": p.severity,
            "modifiers": list(p.modifiers),
            "label": p.label,
        },
        lambda row: Phenotype(
            row.term, TermState(row.state), row.onset, row.severity, _tuple(row.modifiers), row.label
        ),
    ),
    "variants": ListOfCase(
        tables.variants,
        lambda case: case.variants,
        lambda v: {
            "gene": v.gene,
            "gene_id": v.gene_id,
            "hgvs": list(v.hgvs),
            "assembly": v.assembly,
            "chromosome": v.chromosome,
            "locus": v.position,
            "ref": v.ref,
            "alt": v.alt,
            "zygosity": v.zygosity.value,
            "acmg": v.acmg,
            "structural_type": v.structural_type,
            "label": v.label,
        },
        lambda row: Variant(
            row.gene,
            row.gene_id,
            _tuple(row.hgvs),
            row.assembly,
            row.chromosome,
            row.locus,
            row.ref,
            row.alt,
            Zygosity(row.zygosity),
            row.acmg,
            row.structural_type,
            row.label,
        ),
    ),
    "references": ListOfCase(tables.references, *_plain("references", "reference")),
    "other_ids": ListOfCase(tables.other_ids, *_plain("other_ids", "other_id")),
    "as_written": ListOfCase(
        tables.as_written,
        lambda case: case.as_written,
        lambda pair: {"field": pair[0], "written": pair[1]},
        lambda row: (row.field, row.written),
    ),
}


def _tuple(written: str) -> tuple[str, ...]:
    return tuple(json.loads(written))


def _readable(table: Table) -> list[ColumnElement[Any]]:
    """Columns of a list with JSON as it is written, so that rows can be compared before they are taken apart."""
    return [cast(column, String).label(column.name) if isinstance(column.type, JSON) else column for column in table.c]


def in_chunks(ids: Collection[str]) -> Iterator[list[str]]:
    """Cut ids into as many as one query takes."""
    left = iter(ids)
    while chunk := list(islice(left, _FEW)):
        yield chunk


def insert_lists(connection: Connection, cases: Sequence[Case]) -> None:
    """Insert the lists and the participation of cases: one statement a table, however many cases."""
    for kind in LISTS.values():
        rows = [
            {"patient_id": case.id, "position": i, **kind.values(item)}
            for case in cases
            for i, item in enumerate(kind.items(case))
        ]
        if rows:
            connection.execute(insert(kind.table), rows)
    taking_part = [
        {
            "patient_id": case.id,
            "site": case.participant.site,
            "abnormal_appearance": case.participant.abnormal_appearance,
            "suspected_genetic_disease": case.participant.suspected_genetic_disease,
            "unable_to_cooperate": case.participant.unable_to_cooperate,
            "enrolled_on": case.participant.enrolled_on,
        }
        for case in cases
        if case.participant is not None
    ]
    if taking_part:
        connection.execute(insert(tables.participants), taking_part)


def read_facts(
    connection: Connection,
    ids: Collection[str] | None = None,
    *,
    where: ColumnElement[bool] | None = None,
    lists: Collection[str] = tuple(LISTS),
) -> dict[str, Case]:
    """Read cases without their photos, by id in order: ten queries for each ten thousand.

    Parameters
    ----------
    connection
        Within `engines.read` or `engines.write`.
    ids
        Which; None: all.
    where
        Condition over `tables.patients`.
    lists
        Which of ``LISTS`` to read; the others stay empty, and so does the participation unless all are read.
    """
    if ids is None:
        return _facts(connection, None, where, lists)
    found: dict[str, Case] = {}
    for chunk in in_chunks(sorted(set(ids))):
        found |= _facts(connection, chunk, where, lists)
    return found


def _facts(
    connection: Connection, ids: list[str] | None, where: ColumnElement[bool] | None, wanted: Collection[str]
) -> dict[str, Case]:
    people = tables.patients.c

    def chosen(query: Select[Any], patient_id: ColumnElement[str]) -> Select[Any]:
        if ids is not None:
            query = query.where(patient_id.in_(ids))
        if where is not None:
            here = patient_id is people.id
            query = query.where(where if here else patient_id.in_(select(people.id).where(where)))
        return query

    patients = connection.execute(chosen(select(tables.patients).order_by(people.id), people.id)).all()
    if not patients:
        return {}
    lists: dict[str, dict[str, list[Any]]] = {}
    for name in wanted:
        kind, lists[name] = LISTS[name], (of := defaultdict(list))
        order = (kind.table.c.patient_id, kind.table.c.position)
        known: dict[tuple[Any, ...], Any] = {}  # many patients have the same disorder and terms: each is made once
        for row in connection.execute(chosen(select(*_readable(kind.table)).order_by(*order), kind.table.c.patient_id)):
            what = row[2:]
            if what not in known:
                known[what] = kind.item(row)
            of[row[0]].append(known[what])
    taking_part = {}
    if set(wanted) == set(LISTS):
        for row in connection.execute(chosen(select(tables.participants), tables.participants.c.patient_id)):
            taking_part[row.patient_id] = _participant(row)
    return {
        row.id: _case(row, {name: tuple(of[row.id]) for name, of in lists.items() if row.id in of}, taking_part)
        for row in patients
    }


def _participant(row: Row[Any]) -> Participant:
    return Participant(
        row.site, row.abnormal_appearance, row.suspected_genetic_disease, row.unable_to_cooperate, row.enrolled_on
    )


def _case(row: Row[Any], lists: dict[str, tuple[Any, ...]], taking_part: Mapping[str, Participant]) -> Case:
    ancestry = lists.pop("ancestry", ())
    patient = Patient(row.id, Sex(row.sex), ancestry, row.country, row.simulated, row.country_of_birth, row.family)
    return Case(
        patient=patient,
        unaffected=row.unaffected,
        participant=taking_part.get(row.id),
        last_seen_age=row.last_seen_age,
        vital_status=VitalStatus(row.vital_status),
        site=row.case_site,
        **lists,
    )
