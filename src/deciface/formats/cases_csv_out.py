"""Writing cases as a case table: the rows, a CSV of them, and what the table could not hold."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal
from pathlib import Path

from deciface.cases import CASE_TABLE_COLUMNS, Case, Photo, VitalStatus
from deciface.cases.table import ALL_CASE_TABLE_COLUMNS
from deciface.errors import StorageError
from deciface.formats import case_values as value
from deciface.formats.cases_csv import parse_cases
from deciface.formats.exchange import Written
from deciface.whole_files import write_whole

_OF_THE_CASE = ("patient", "diagnoses", "unaffected", "phenotypes")
"""What photos repeat from their case, so that it is compared once."""


class CaseTableExporter:
    """Writes a case table as CSV, UTF-8 with BOM (spreadsheet programs need it), one row a photo.

    The table names image files, it does not copy them: the `photo` column is `Photo.file_name`.
    """

    name = "csv"

    def paths(self, target: Path) -> tuple[Path, ...]:
        """The table."""
        return (target,)

    def write(self, cases: Sequence[Case], target: Path) -> Written:
        """Write the table and read it back: what differs is named in `Written.losses`.

        Raises
        ------
        StorageError
            When the target exists already or cannot be written.
        """
        refuse_existing(target)
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\r\n").writerows(table_rows(cases))
        content = out.getvalue().encode("utf-8-sig")
        losses = losses_of(cases, (case for _, case in parse_cases(content, target).cases))
        write_whole(target, content)
        return Written((target,), losses)


def refuse_existing(target: Path) -> None:
    """Raise a StorageError when there is something at the target already."""
    if target.exists():
        raise StorageError(f"'{target}' exists already; name a new file")


def table_rows(cases: Iterable[Case]) -> list[list[str]]:
    """The header and one row a photo, or one for a patient without photos.

    Columns beyond the usual ones are there when a row has something in them. Cells that a spreadsheet program would run
    have an apostrophe before them, which the reader takes away.
    """
    rows = [_cells(case, photo) for case in cases for photo in (case.photos or (None,))]
    filled = {name for row in rows for name, cell in row.items() if cell}
    columns = [name for name in ALL_CASE_TABLE_COLUMNS if name in CASE_TABLE_COLUMNS or name in filled]
    return [columns, *([value.guard(_printable(row[name])) for name in columns] for row in rows)]


def _printable(cell: str) -> str:
    return "".join(c for c in cell if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))


def _cells(case: Case, photo: Photo | None) -> dict[str, str]:
    cells = dict.fromkeys(ALL_CASE_TABLE_COLUMNS, "")
    patient, vital = case.patient, case.vital_status
    cells |= {
        "patient": patient.id,
        "sex": str(patient.sex),
        "ancestry": value.join(value.write_ancestry(ancestry) for ancestry in patient.ancestry),
        "country": patient.country or "",
        "unaffected": _yes_no(said=case.unaffected),
        "hpo": value.join(value.write_feature(phenotype) for phenotype in case.phenotypes),
        "simulated": _yes_no(said=patient.simulated),
        "country_of_birth": patient.country_of_birth or "",
        "family": patient.family or "",
        "site": case.site,
        "variants": value.join(value.write_variant(variant) for variant in case.variants),
        "reference": value.join(case.references),
        "last_seen_age": case.last_seen_age or "",
        "vital_status": "" if vital is VitalStatus.UNKNOWN else str(vital),
        "other_ids": value.join(case.other_ids),
        "as_written": value.join(f"{field}: {text}" for field, text in case.as_written),
    }
    return cells | _diagnosis_cells(case) | _consent_cells(case) | _study_cells(case) | _photo_cells(photo)


def _yes_no(*, said: bool | None) -> str:
    return "" if said is None else "yes" if said else "no"


def _diagnosis_cells(case: Case) -> dict[str, str]:
    diagnoses = case.diagnoses
    genes = [value.join(diagnosis.genes) for diagnosis in diagnoses]
    cells = {
        "disorder": value.join(d.disorder.id for d in diagnoses),
        "disorder_name": value.join(d.disorder.name for d in diagnoses),
        "gene": genes[0] if len(set(genes)) == 1 else "|".join(genes),
        "diagnosis_date": value.join_one_or_each(d.date.isoformat() if d.date else "" for d in diagnoses),
    }
    if any(d.status is not d.status.CLINICAL for d in diagnoses):
        cells["diagnosis_status"] = value.join_one_or_each(str(d.status) for d in diagnoses)
    return cells


def _consent_cells(case: Case) -> dict[str, str]:
    consents = case.consents
    details = {
        "version": [c.text_version for c in consents],
        "language": [c.language for c in consents],
        "signer": ["" if c.signer is c.signer.UNKNOWN else str(c.signer) for c in consents],
        "date": [c.signed_on.isoformat() if c.signed_on else "" for c in consents],
        "withdrawn": [c.withdrawn_on.isoformat() if c.withdrawn_on else "" for c in consents],
        "evidence": [c.evidence for c in consents],
    }
    scopes = value.join(value.write_scope(c.scope, c.site) for c in consents)
    return {"consent": scopes} | {f"consent_{name}": value.join_one_or_each(said) for name, said in details.items()}


def _study_cells(case: Case) -> dict[str, str]:
    study = case.participant
    if study is None:
        return {}
    return {
        "abnormal_appearance": _yes_no(said=study.abnormal_appearance),
        "suspected_genetic_disease": _yes_no(said=study.suspected_genetic_disease),
        "unable_to_cooperate": _yes_no(said=study.unable_to_cooperate),
        "enrolled": study.enrolled_on.isoformat() if study.enrolled_on else "",
    }


def _photo_cells(photo: Photo | None) -> dict[str, str]:
    if photo is None:
        return {}
    return {
        "photo": photo.file_name,
        "photo_id": "" if photo.id == value.photo_id_of(photo.patient.id, photo.file_name) else photo.id,
        # without an exponent, and so that it reads as the same number
        "age_years": "" if photo.age_years is None else f"{Decimal(repr(float(photo.age_years))):f}".removesuffix(".0"),
        "view": "" if photo.view is photo.view.UNKNOWN else str(photo.view),
        "source": "" if photo.source is photo.source.UNKNOWN else str(photo.source),
        "occlusions": value.join(photo.occlusions),
        "replaces": photo.replaces or "",
    }


def losses_of(given: Iterable[Case], read_back: Iterable[Case]) -> tuple[str, ...]:
    """Name what differs between the cases that were written and those read back, one line for each kind of fact."""
    back: Mapping[str, Case] = {case.id: case for case in read_back}
    found: dict[str, list[str]] = {}
    for case in given:
        for what in dict.fromkeys(_different(case, back.get(case.id), "")):
            found.setdefault(what, []).append(case.id)
    return tuple(
        f"the table cannot hold {what or 'the record'} of {len(who)} patient{'s'[: len(who) > 1]} (first: '{who[0]}')"
        for what, who in found.items()
    )


def _different(given: object, back: object, what: str) -> Iterator[str]:
    if given == back:
        return
    if is_dataclass(given) and type(given) is type(back):
        for field in fields(given):
            if not (isinstance(given, Photo) and field.name in _OF_THE_CASE):
                yield from _different(
                    getattr(given, field.name), getattr(back, field.name), f"{what} {field.name}".strip()
                )
    elif isinstance(given, tuple) and isinstance(back, tuple) and len(given) == len(back) and is_dataclass(given[0]):
        for one, other in zip(given, back, strict=True):
            yield from _different(one, other, what)
    else:
        yield what
