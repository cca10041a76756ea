"""Between the types of `cases` and the rows of the tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, Select, Table, insert, select

from deciface.cases import (
    Ancestry,
    AncestrySource,
    Diagnosis,
    DiagnosisStatus,
    Disorder,
    Encoding,
    Patient,
    Phenotype,
    Photo,
    Sex,
    Side,
    TermState,
)
from deciface.errors import InputError, MismatchError
from deciface.store import tables


def _many(connection: Connection, table: Table, values: list[dict[str, Any]]) -> None:
    if values:
        connection.execute(insert(table), values)


def insert_photo(connection: Connection, photo: Photo, file_sha256: str, suffix: str) -> None:
    """Insert a photo with all that belongs to it, and its patient if new."""
    person = photo.patient
    if patient(connection, person.id) is None:
        values = {"id": person.id, "sex": person.sex, "country": person.country, "simulated": person.simulated}
        connection.execute(insert(tables.patients).values(values))
        _many(
            connection,
            tables.ancestries,
            [
                {"patient_id": person.id, "position": i, "term": a.term, "side": a.side, "source": a.source}
                for i, a in enumerate(person.ancestry)
            ],
        )
    connection.execute(
        insert(tables.photos).values(
            id=photo.id,
            patient_id=person.id,
            sha256=photo.sha256,
            file_sha256=file_sha256,
            suffix=suffix,
            age_years=photo.age_years,
            unaffected=photo.unaffected,
        )
    )
    diagnoses = [
        {
            "photo_id": photo.id,
            "position": i,
            "disorder_id": d.disorder.id,
            "disorder_name": d.disorder.name,
            "status": d.status,
        }
        for i, d in enumerate(photo.diagnoses)
    ]
    _many(connection, tables.diagnoses, diagnoses)
    genes = [
        {"photo_id": photo.id, "diagnosis": i, "position": j, "symbol": gene}
        for i, d in enumerate(photo.diagnoses)
        for j, gene in enumerate(d.genes)
    ]
    _many(connection, tables.genes, genes)
    phenotypes = [
        {"photo_id": photo.id, "position": i, "term": p.term, "state": p.state} for i, p in enumerate(photo.phenotypes)
    ]
    _many(connection, tables.phenotypes, phenotypes)


def patient(connection: Connection, patient_id: str) -> Patient | None:
    """Read one patient."""
    found = _patients(connection, [patient_id])
    return found.get(patient_id)


def _patients(connection: Connection, ids: Collection[str] | None) -> dict[str, Patient]:
    people, terms = select(tables.patients), select(tables.ancestries).order_by(*tables.ancestries.primary_key)
    if ids is not None:
        people = people.where(tables.patients.c.id.in_(ids))
        terms = terms.where(tables.ancestries.c.patient_id.in_(ids))
    ancestry: dict[str, list[Ancestry]] = defaultdict(list)
    for row in connection.execute(terms):
        ancestry[row.patient_id].append(Ancestry(row.term, Side(row.side), AncestrySource(row.source)))
    return {
        row.id: Patient(row.id, Sex(row.sex), tuple(ancestry[row.id]), row.country, row.simulated)
        for row in connection.execute(people)
    }


def photos(connection: Connection, ids: Collection[str] | None = None) -> list[Photo]:
    """Read photos with all that belongs to them, sorted by id: all, or a few by id."""

    def grouped(table: Table) -> dict[str, list[Row[Any]]]:
        query: Select[Any] = select(table).order_by(*table.primary_key)
        if ids is not None:
            query = query.where(table.c.photo_id.in_(ids))
        found: dict[str, list[Row[Any]]] = defaultdict(list)
        for row in connection.execute(query):
            found[row.photo_id].append(row)
        return found

    query = select(tables.photos).order_by(tables.photos.c.id)
    if ids is not None:
        query = query.where(tables.photos.c.id.in_(ids))
    found = connection.execute(query).all()
    diagnoses, genes, phenotypes = (grouped(t) for t in (tables.diagnoses, tables.genes, tables.phenotypes))
    people = _patients(connection, None if ids is None else [row.patient_id for row in found])
    return [
        Photo(
            row.id,
            people[row.patient_id],
            row.sha256,
            row.age_years,
            _diagnoses(diagnoses[row.id], genes[row.id]),
            row.unaffected,
            tuple(Phenotype(p.term, TermState(p.state)) for p in phenotypes[row.id]),
        )
        for row in found
    ]


def _diagnoses(found: Sequence[Row[Any]], genes: Sequence[Row[Any]]) -> tuple[Diagnosis, ...]:
    return tuple(
        Diagnosis(
            Disorder(d.disorder_id, d.disorder_name),
            tuple(g.symbol for g in genes if g.diagnosis == d.position),
            DiagnosisStatus(d.status),
        )
        for d in found
    )


SAME_WITHIN = 1e-3
"""Largest 1 - cosine at which two vectors of one photo, view, crop and weights count as one."""


def _same(stored: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether an encoding is the stored one, up to what another processor or a newer runtime rounds differently."""
    if any(stored[name] != given[name] for name in given if name != "vector"):
        return False
    a, b = (np.frombuffer(values["vector"], "<f4").astype(np.float64) for values in (stored, given))
    return len(a) == len(b) and float(1 - a @ b / np.sqrt((a @ a) * (b @ b))) <= SAME_WITHIN


def insert_encodings(connection: Connection, encodings: Sequence[Encoding]) -> int:
    """Insert encodings that are not stored yet; refuse those that contradict what is."""
    columns = tables.photos.c
    ids = {encoding.photo_id for encoding in encodings}
    query = select(columns.id, columns.sha256).where(columns.id.in_(ids))
    pixels = {row.id: row.sha256 for row in connection.execute(query)}
    new: dict[tuple[Any, ...], dict[str, Any]] = {}
    for encoding in encodings:
        values = _encoding_values(encoding, pixels)
        key = tuple(values[column.name] for column in tables.encodings.primary_key)
        where = [column == value for column, value in zip(tables.encodings.primary_key, key, strict=True)]
        row = connection.execute(select(tables.encodings).where(*where)).mappings().one_or_none()
        stored = new.get(key) or (dict(row) if row is not None else None)
        if stored is None:
            new[key] = values
        elif not _same(stored, values):
            raise MismatchError(
                f"photo '{encoding.photo_id}' has another encoding of view {encoding.view} already "
                f"(weights {stored['encoder_sha256'][:12]}, crop {stored['crop_version']}); nothing was stored"
            )
    _many(connection, tables.encodings, list(new.values()))
    return len(new)


def _encoding_values(encoding: Encoding, pixels: dict[str, str]) -> dict[str, Any]:
    if encoding.photo_id not in pixels:
        raise InputError(f"photo '{encoding.photo_id}' is not in the workspace; add the photo before its encodings")
    if encoding.photo_sha256 != pixels[encoding.photo_id]:
        raise MismatchError(
            f"photo '{encoding.photo_id}' is stored with pixels {pixels[encoding.photo_id][:12]} but its encoding was "
            f"made from {encoding.photo_sha256[:12]}; encode the photo again"
        )
    vector = np.asarray(encoding.vector)
    if vector.ndim != 1 or not len(vector) or not np.isfinite(vector).all():
        raise InputError(
            f"photo '{encoding.photo_id}', view {encoding.view}: a vector of shape {vector.shape} with "
            f"{int((~np.isfinite(vector)).sum())} NaN or infinite numbers; (d,) finite ones are needed"
        )
    return {
        "photo_id": encoding.photo_id,
        "model": encoding.view.model,
        "region": encoding.view.region,
        "flip": encoding.view.flip,
        "grey": encoding.view.grey,
        "photo_sha256": encoding.photo_sha256,
        "crop_version": encoding.crop_version,
        "encoder_sha256": encoding.encoder_sha256,
        "vector": vector.astype("<f4").tobytes(),
    }
