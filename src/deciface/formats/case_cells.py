"""The cells of a case table: ages, disorders, features, and what earlier rows said about the same patient."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deciface.cases import CASE_TABLE_COLUMNS, Ancestry, Diagnosis, Disorder, Patient, Phenotype, Sex, TermState
from deciface.formats.text import Problem, in_one_line

COLUMNS = CASE_TABLE_COLUMNS
REQUIRED = ("photo", "patient")
OLDEST_YEARS = 120.0

_AGE_UNITS_YEARS = {"y": 1.0, "m": 1 / 12, "w": 7 / 365.25, "d": 1 / 365.25}
_AGE_PART = re.compile(
    r"(\d+(?:[.,]\d+)?)\s*(years?|yrs?|y|months?|mos?|m|weeks?|wks?|w|days?|d)(?![a-z])\.?", re.IGNORECASE
)
_AGE_ISO = re.compile("P" + "".join(rf"(?:(\d+(?:\.\d+)?){unit})?" for unit in "YMWD"), re.IGNORECASE)
_HPO = re.compile(r"([!-]?)\s*(HP:\d{7})")
_SEX = {
    "f": Sex.FEMALE,
    "female": Sex.FEMALE,
    "w": Sex.FEMALE,
    "m": Sex.MALE,
    "male": Sex.MALE,
    "u": Sex.UNKNOWN,
    "unknown": Sex.UNKNOWN,
    "": Sex.UNKNOWN,
}
_YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False, "": False}


@dataclass(frozen=True)
class CaseRow:
    """One photo of one patient, as the table states it; the image has not been opened."""

    patient: Patient
    photo_path: Path
    age_years: float | None = None
    diagnoses: tuple[Diagnosis, ...] = ()
    unaffected: bool = False
    phenotypes: tuple[Phenotype, ...] = ()


class CellReader:
    """Turns cells into cases and remembers what earlier rows said."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        self._path = path
        self._problems = problems
        self._photos: dict[str, int] = {}
        self._sexes: dict[str, tuple[Sex, int]] = {}
        self._said: dict[tuple[str, str], tuple[object, int]] = {}

    def _tell(self, row: int, column: str, message: str) -> None:
        self._problems.append(Problem(self._path.name, row, column, message))

    def row(self, number: int, cells: dict[str, str]) -> CaseRow | None:
        """Make a case of one row's cells by column, or None and a problem when the row has to be dropped."""
        for name in REQUIRED:
            if not cells.get(name):
                self._tell(number, name, "row dropped: the cell is empty; fill it in")
                return None
        for name in REQUIRED:
            if any(ord(c) < 32 or ord(c) == 127 for c in cells[name]):
                self._tell(number, name, "row dropped: the cell has control characters; remove them")
                return None
        photo, patient = cells["photo"], cells["patient"]
        if photo in self._photos:
            self._tell(
                number,
                "photo",
                f"row dropped: '{in_one_line(photo, 80)}' stands in row {self._photos[photo]} already; keep one",
            )
            return None
        sex = self._sex(number, cells.get("sex", ""))
        if sex is not Sex.UNKNOWN:
            earlier, where = self._sexes.setdefault(patient, (sex, number))
            if earlier is not sex:
                self._tell(
                    number,
                    "sex",
                    f"row dropped: patient '{in_one_line(patient, 40)}' is {sex} here and {earlier} in row {where}; "
                    "correct one",
                )
                return None
        self._photos[photo] = number
        ancestry = tuple(Ancestry(term) for term in _split(cells.get("ancestry", "")))
        country = self._country(number, cells.get("country", ""))
        for column, value in (("ancestry", ancestry), ("country", country)):
            earlier_value, where = self._said.setdefault((patient, column), (value, number)) if value else (value, 0)
            if value != earlier_value:
                self._tell(number, column, f"differs from row {where} of the same patient, taken as there; correct one")
        diagnoses = self._diagnoses(number, cells)
        return CaseRow(
            patient=Patient(
                patient,
                sex,
                ancestry,
                country,
                simulated=self._yes(number, "simulated", cells.get("simulated", "")),
            ),
            photo_path=self._path.parent / photo,
            age_years=self._age(number, cells.get("age_years", "")),
            diagnoses=diagnoses,
            unaffected=self._unaffected(number, cells.get("unaffected", ""), diagnoses),
            phenotypes=self._phenotypes(number, cells.get("hpo", "")),
        )

    def _sex(self, row: int, cell: str) -> Sex:
        if cell.casefold() not in _SEX:
            self._tell(
                row, "sex", f"'{in_one_line(cell, 40)}' is not known, taken as unknown; write female, male or unknown"
            )
        return _SEX.get(cell.casefold(), Sex.UNKNOWN)

    def _country(self, row: int, cell: str) -> str | None:
        if not cell:
            return None
        if not re.fullmatch(r"[A-Za-z]{2}", cell):
            self._tell(
                row, "country", f"'{in_one_line(cell, 40)}' is left out; write two letters of ISO 3166, e.g. TW or DE"
            )
            return None
        return cell.upper()

    def _age(self, row: int, cell: str) -> float | None:
        if not cell:
            return None
        age = parse_age_years(cell)
        if age is None:
            self._tell(
                row, "age_years", f"'{in_one_line(cell, 40)}' is left out; write e.g. 4.5, 4y 6m, P4Y6M or 18 months"
            )
        elif not 0 <= age <= OLDEST_YEARS:
            self._tell(row, "age_years", f"'{in_one_line(cell, 40)}' is left out; ages are 0 to {OLDEST_YEARS:g} years")
            age = None
        return age

    def _diagnoses(self, row: int, cells: dict[str, str]) -> tuple[Diagnosis, ...]:
        ids, names = _split(cells.get("disorder", "")), _split(cells.get("disorder_name", ""))
        genes = cells.get("gene", "")
        if not ids:
            for column in ("disorder_name", "gene"):
                if cells.get(column):
                    self._tell(row, column, "left out because the disorder column is empty; give a disorder id")
            return ()
        if names and len(names) != len(ids):
            self._tell(
                row, "disorder_name", f"{len(names)} names for {len(ids)} disorders, left out; give one for each"
            )
            names = ()
        groups = [_split(group) for group in genes.split("|")] if "|" in genes else [_split(genes)] * len(ids)
        if len(groups) != len(ids):
            self._tell(row, "gene", f"{len(groups)} groups for {len(ids)} disorders, left out; separate them by |")
            groups = [()] * len(ids)
        labels = names or ids
        return tuple(Diagnosis(Disorder(i, n), g) for i, n, g in zip(ids, labels, groups, strict=True))

    def _yes(self, row: int, column: str, cell: str) -> bool:
        if cell.casefold() not in _YES_NO:
            self._tell(row, column, f"'{in_one_line(cell, 40)}' is taken as no; write yes or no")
        return _YES_NO.get(cell.casefold(), False)

    def _unaffected(self, row: int, cell: str, diagnoses: Sequence[Diagnosis]) -> bool:
        unaffected = self._yes(row, "unaffected", cell)
        if unaffected and diagnoses:
            self._tell(row, "unaffected", "yes beside a disorder, taken as no; remove one of them")
            return False
        return unaffected

    def _phenotypes(self, row: int, cell: str) -> tuple[Phenotype, ...]:
        found: dict[str, TermState] = {}
        for part in _split(cell):
            match = _HPO.fullmatch(part)
            if not match:
                self._tell(row, "hpo", f"'{in_one_line(part, 40)}' is left out; write e.g. HP:0000316 or !HP:0000316")
                continue
            state = TermState.EXCLUDED if match[1] else TermState.PRESENT
            if found.setdefault(match[2], state) is not state:
                self._tell(row, "hpo", f"{match[2]} is both present and excluded, taken as {found[match[2]]}")
        return tuple(Phenotype(term, state) for term, state in found.items())


def _split(cell: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in cell.split(";") if part.strip()))


def parse_age_years(cell: str) -> float | None:
    """Age in years from ``4``, ``4,5``, ``1y 6m``, ``P1Y6M`` or ``18 months``; None when it is none of these.

    >>> [parse_age_years(age) for age in ("4", "1y 6m", "P1Y6M", "18 months", "four")]
    [4.0, 1.5, 1.5, 1.5, None]
    """
    text = cell.strip()
    if re.fullmatch(r"[+-]?(\d{1,9}([.,]\d*)?|[.,]\d+)", text, re.ASCII):
        age = float(text.replace(",", "."))
        return age if math.isfinite(age) else None
    if (iso := _AGE_ISO.fullmatch(text)) and any(iso.groups()):
        return sum(float(n) * unit for n, unit in zip(iso.groups(), _AGE_UNITS_YEARS.values(), strict=True) if n)
    if re.sub(r"[\s,]|and", "", _AGE_PART.sub("", text)) or not (parts := _AGE_PART.findall(text)):
        return None
    return sum(float(n.replace(",", ".")) * _AGE_UNITS_YEARS[unit[0].casefold()] for n, unit in parts)
