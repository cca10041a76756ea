"""The rows of a case table, from CSV or a workbook: which columns there are, rows as cases, one case a patient."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from deciface.cases import Case, Consent, Diagnosis, Patient, Phenotype, Scope, Sex, VitalStatus
from deciface.cases.table import ALL_CASE_TABLE_COLUMNS
from deciface.errors import TableError
from deciface.formats.case_row import RowReader
from deciface.formats.case_values import unguard
from deciface.formats.exchange import PhotoFile
from deciface.formats.text import Problem, in_one_line

COLUMNS = ALL_CASE_TABLE_COLUMNS
REQUIRED = ("patient",)
_IDS = ("patient", "photo", "photo_id")
_FOREIGN_DELIMITERS = "|:/^~#"

Value = TypeVar("Value")


@dataclass(frozen=True)
class CaseRow:
    """One photo of one patient, as the table states it; the image has not been opened."""

    patient: Patient
    photo_path: Path
    age_years: float | None = None
    diagnoses: tuple[Diagnosis, ...] = ()
    unaffected: bool = False
    phenotypes: tuple[Phenotype, ...] = ()


@dataclass(frozen=True)
class RowCase:
    """What one row says: a case with no or one photo, the image of that photo, and consents that are in doubt."""

    case: Case
    photo_path: Path | None = None
    doubtful: frozenset[tuple[Scope, str | None]] = frozenset()


class CellReader:
    """Turns the cells of rows into cases; remembers which photos, and of whom which facts, earlier rows named."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        self._path = path
        self._problems = problems
        self._photos: dict[str, int] = {}
        self._sexes: dict[str, tuple[Sex, int]] = {}
        self._simulated: dict[str, tuple[bool, int]] = {}

    def row(self, number: int, cells: Mapping[str, str]) -> RowCase | None:
        """Make a case of one row's cells by column, or None and a problem when the row has to be dropped."""
        reader = RowReader(self._path.name, number, {name: unguard(cell) for name, cell in cells.items()})
        drop = self._reason_to_drop(reader)
        if not drop:
            case = reader.case()
            drop = self._contradiction(case, reader)
        if drop:
            column, message = drop
            self._problems.append(Problem(self._path.name, number, column, f"row dropped: {message}"))
            return None
        self._problems.extend(reader.problems)
        photo = reader.cells.get("photo", "")
        return RowCase(case, self._path.parent / photo if photo else None, frozenset(reader.doubtful))

    def _reason_to_drop(self, reader: RowReader) -> tuple[str, str] | None:
        cells = reader.cells
        if not cells.get("patient"):
            return "patient", "the cell is empty; fill it in"
        for name in _IDS:
            if any(ord(c) < 32 or ord(c) == 127 for c in cells.get(name, "")):
                return name, "the cell has control characters; remove them"
        if not any(cell for name, cell in cells.items() if name in COLUMNS and name != "patient"):
            return "photo", "neither a photo nor any other fact about the patient; fill in one of them"
        photo_id = cells.get("photo_id") or cells.get("photo", "")
        if photo_id and photo_id in self._photos:
            column = "photo_id" if cells.get("photo_id") else "photo"
            return column, f"'{in_one_line(photo_id, 80)}' stands in row {self._photos[photo_id]} already; keep one"
        return None

    def _contradiction(self, case: Case, reader: RowReader) -> tuple[str, str] | None:
        """Why a row cannot be about the person of an earlier row; else its statements are remembered.

        Blank is no statement, nor is what cannot be read.
        """
        who, number = in_one_line(case.id, 40), reader.number
        sex = case.patient.sex
        earlier, where = self._sexes.get(case.id, (sex, number))
        if Sex.UNKNOWN not in (sex, earlier) and earlier is not sex:
            return "sex", f"patient '{who}' is {sex} here and {earlier} in row {where}; correct one"
        unread = any(problem.column == "simulated" for problem in reader.problems)
        if reader.cells.get("simulated") and not unread:
            kinds = {True: "simulated", False: "a real person"}
            here = case.patient.simulated
            there, where = self._simulated.setdefault(case.id, (here, number))
            if there is not here:
                return (
                    "simulated",
                    f"patient '{who}' is {kinds[here]} here and {kinds[there]} in row {where}; correct one",
                )
        if sex is not Sex.UNKNOWN:
            self._sexes.setdefault(case.id, (sex, number))
        if photo_id := reader.cells.get("photo_id") or reader.cells.get("photo", ""):
            self._photos[photo_id] = number
        return None


@dataclass(frozen=True)
class CasesTable:
    """What a case table holds.

    Parameters
    ----------
    rows
        Row number and content of every row that names an image and could be read.
    problems
        Everything that could not be taken as it stands. Rows that are not in `rows` or `cases` are here with "row
        dropped".
    encoding, delimiter
        What the file was found to be written in; of a workbook ``xlsx`` and nothing.
    cases
        Every patient once, with the number of the row that named them first.
    photo_files
        Image by photo id, of the rows that name one.
    """

    rows: tuple[tuple[int, CaseRow], ...]
    problems: tuple[Problem, ...]
    encoding: str
    delimiter: str
    cases: tuple[tuple[int, Case], ...] = ()
    photo_files: Mapping[str, PhotoFile] = field(default_factory=dict)


def read_header(header: Sequence[str], path: Path, problems: list[Problem]) -> list[str]:
    """Names of the columns, lower case; unknown and double ones are reported.

    Raises
    ------
    TableError
        When there is no `patient` column.
    """
    names = [unguard(cell.strip()).casefold() for cell in header]
    if any(name not in names for name in REQUIRED):
        shown = in_one_line(", ".join(name for name in names if name), 200) or "nothing"
        for mark in _FOREIGN_DELIMITERS:
            if len(names) == 1 and "patient" in (part.strip() for part in names[0].split(mark)):
                message = f"the cells seem to be separated by '{mark}'; use comma, semicolon or tab"
                raise TableError(message, file=path.name, row=1)
        message = f"the header has {shown}; needed is {' and '.join(REQUIRED)}, allowed {', '.join(COLUMNS)}"
        raise TableError(message, file=path.name, row=1)
    for i, name in enumerate(names):
        if name not in COLUMNS:
            shown = in_one_line(name, 80) or f"number {i + 1}"
            near = difflib.get_close_matches(name.replace(" ", "_"), COLUMNS, n=1, cutoff=0.75)
            advice = f"did you mean '{near[0]}'?" if near else "docs/cases.md lists the columns"
            problems.append(Problem(path.name, 1, shown, f"column not known, ignored; {advice}"))
        elif names.index(name) != i:
            problems.append(Problem(path.name, 1, name, "column stands twice; the first is used"))
    return names


def read_rows(
    names: Sequence[str], records: Iterable[tuple[int, Sequence[str]]], path: Path, problems: list[Problem]
) -> list[tuple[int, RowCase]]:
    """Every row that can be read, by number; problems are added to the list."""
    reader = CellReader(path, problems)
    rows = []
    for number, cells in records:
        if len(cells) > len(names):
            extra = len(cells) - len(names)
            problems.append(Problem(path.name, number, "", f"{extra} more cells than the header; they are ignored"))
        found: dict[str, str] = {}
        for name, cell in zip(names, cells, strict=False):
            found.setdefault(name, cell.strip())
        row = reader.row(number, found)
        if row is not None:
            rows.append((number, row))
    if not rows and not any(problem.row > 1 for problem in problems):
        problems.append(Problem(path.name, 1, "", "the table has a header and no rows"))
    return rows


def table_of(
    rows: Sequence[tuple[int, RowCase]], path: Path, problems: list[Problem], *, encoding: str, delimiter: str
) -> CasesTable:
    """Join the rows of every patient, the first statement counting, and name what differs."""
    joined: dict[str, tuple[int, Case]] = {}
    said: dict[tuple[str, str], int] = {}
    for number, row in rows:
        first, known = joined.setdefault(row.case.id, (number, replace(row.case, photos=())))
        case = _Join(path.name, number, said, problems).join(known, row.case)
        joined[case.id] = first, replace(case, photos=known.photos + row.case.photos)
    _drop_doubtful_consents(joined, rows)
    cases = {who: (number, case.with_photos(case.photos)) for who, (number, case) in joined.items()}
    photo_rows = []
    files: dict[str, PhotoFile] = {}
    for number, row in rows:
        if row.photo_path is not None:
            case, (photo,) = cases[row.case.id][1], row.case.photos
            photo_rows.append(
                (
                    number,
                    CaseRow(
                        case.patient,
                        row.photo_path,
                        photo.age_years,
                        case.diagnoses,
                        case.unaffected,
                        case.phenotypes,
                    ),
                )
            )
            files[photo.id] = row.photo_path
    ordered = tuple(sorted(problems, key=lambda problem: problem.row))
    return CasesTable(tuple(photo_rows), ordered, encoding, delimiter, tuple(cases.values()), files)


def _drop_doubtful_consents(joined: dict[str, tuple[int, Case]], rows: Sequence[tuple[int, RowCase]]) -> None:
    """Take away consents whose withdrawal in any row could not be read, whatever the other rows say."""
    for _, row in rows:
        if row.doubtful:
            number, case = joined[row.case.id]
            kept = tuple(consent for consent in case.consents if (consent.scope, consent.site) not in row.doubtful)
            joined[case.id] = number, replace(case, consents=kept)


class _Join:
    """Adds what one more row says about a patient to what is known."""

    def __init__(self, file: str, number: int, said: dict[tuple[str, str], int], problems: list[Problem]) -> None:
        self._file, self._number, self._said, self._problems = file, number, said, problems
        self._who = ""

    def join(self, known: Case, more: Case) -> Case:
        self._who = known.id
        a, b = known.patient, more.patient
        patient = replace(
            a,
            sex=a.sex if a.sex is not Sex.UNKNOWN else b.sex,
            ancestry=self._first("ancestry", a.ancestry, b.ancestry),
            country=self._first("country", a.country, b.country),
            country_of_birth=self._first("country_of_birth", a.country_of_birth, b.country_of_birth),
            family=self._first("family", a.family, b.family),
            simulated=a.simulated or b.simulated,
        )
        diagnoses = self._first("disorder", known.diagnoses, more.diagnoses)
        unaffected = known.unaffected or more.unaffected
        if unaffected and diagnoses:
            self._tell("unaffected", "yes beside a disorder in another row of the patient, taken as no; correct one")
        return replace(
            known,
            patient=patient,
            diagnoses=diagnoses,
            unaffected=unaffected and not diagnoses,
            phenotypes=self._features(known.phenotypes, more.phenotypes),
            variants=tuple(dict.fromkeys(known.variants + more.variants)),
            consents=self._consents(known.consents, more.consents),
            participant=self._first("enrolled", known.participant, more.participant),
            last_seen_age=self._first("last_seen_age", known.last_seen_age, more.last_seen_age),
            vital_status=self._first("vital_status", known.vital_status, more.vital_status),
            references=tuple(dict.fromkeys(known.references + more.references)),
            other_ids=tuple(dict.fromkeys(known.other_ids + more.other_ids)),
            site=self._first("site", known.site, more.site),
            as_written=tuple(dict.fromkeys(known.as_written + more.as_written)),
        )

    def _tell(self, column: str, message: str) -> None:
        self._problems.append(Problem(self._file, self._number, column, message))

    def _first(self, column: str, known: Value, more: Value) -> Value:
        if not more or more == VitalStatus.UNKNOWN:
            return known
        where = self._said.setdefault((self._who, column), self._number)
        if where == self._number:
            return more
        if more != known:
            self._tell(column, f"differs from row {where} of the same patient, taken as there; correct one")
        return known

    def _consents(self, known: tuple[Consent, ...], more: tuple[Consent, ...]) -> tuple[Consent, ...]:
        """The first statement, with the withdrawals of all."""
        first = self._first("consent", known, more)
        ends = {(c.scope, c.site): c.withdrawn_on for c in more if c.withdrawn_on}
        found = ((c, ends.get((c.scope, c.site))) for c in first)
        return tuple(
            replace(c, withdrawn_on=min(end, c.withdrawn_on) if c.withdrawn_on else end) if end else c
            for c, end in found
        )

    def _features(self, known: tuple[Phenotype, ...], more: tuple[Phenotype, ...]) -> tuple[Phenotype, ...]:
        found = {phenotype.term: phenotype for phenotype in known}
        for phenotype in more:
            earlier = found.setdefault(phenotype.term, phenotype)
            if earlier.state is not phenotype.state:
                self._tell(
                    "hpo",
                    f"{phenotype.term} is {phenotype.state} here and {earlier.state} in an earlier row, taken as there",
                )
        return tuple(found.values())
