"""The case table: one row per photo, written by hand or exported from a clinic's list.

Columns (only `photo` and `patient` are needed)::

    photo          path of the image, relative to the table's folder
    patient        pseudonymous id
    disorder       id, e.g. OMIM:117550, ORPHA:821 or a site's own; several separated by ;
    disorder_name  shown name; as many as disorders
    gene           symbols separated by ;  with several disorders: one group per disorder, groups separated by |
    age_years      age in the photo: 4, 4.5, 4y 6m, P4Y6M, 18 months, 3 weeks
    sex            female, male, unknown (f, m, w, u)
    ancestry       terms separated by ;
    country        ISO 3166-1 alpha-2
    unaffected     yes or no
    hpo            HP:0000316;HP:0001249;!HP:0000252   with ! or - for a feature looked for and not seen
    simulated      yes for people made by `deciface simulate`; one yes counts for all photos of a person

Rows count from 1 and include the header line; a row that spans lines has the number of its first line.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deciface.cases import Patient, Sex, TermState
from deciface.errors import TableError
from deciface.formats.case_cells import COLUMNS, REQUIRED, CaseRow, CellReader
from deciface.formats.text import Problem, decode_text, in_one_line
from deciface.whole_files import write_whole

LARGEST_CELL = 100_000
"""Characters; more is a sign of an unclosed quote or a pasted file."""
_TOO_LARGE = f"a cell has more than {LARGEST_CELL} characters; shorten it or close its quote"
LARGEST_FILE_BYTES = 200 * 2**20
MOST_BROKEN_ROWS = 100
"""Rows with unreadable quotes after which a table is given back to be corrected."""


@dataclass(frozen=True)
class CasesTable:
    """What a case table holds.

    Parameters
    ----------
    rows
        Row number and content of every row that could be read.
    problems
        Everything that could not be taken as it stands. Rows that are not in `rows` are here with "row dropped".
    encoding, delimiter
        What the file was found to be written in.
    """

    rows: tuple[tuple[int, CaseRow], ...]
    problems: tuple[Problem, ...]
    encoding: str
    delimiter: str


def read_cases(path: Path) -> CasesTable:
    """Read a case table; never stops at a bad row and never drops one without a problem.

    Delimiter ``,`` ``;`` or tab; UTF-8 (with or without BOM), UTF-16 with BOM, Big5 or Latin-1, found and named. A row
    is dropped when its photo or patient is missing, when the photo stands in the table already, when the patient's sex
    contradicts an earlier row, or when its quotes cannot be read; any other bad cell is left empty and reported. What a
    patient's rows say about sex, ancestry and country is joined, the first statement counting, so that every row of a
    patient has the same `Patient`.

    Parameters
    ----------
    path
        The table. Photo paths are relative to its folder.

    Raises
    ------
    TableError
        The file cannot be read, is empty, is not text, is too large, or has no `photo` and `patient` column.
    """
    try:
        size = path.stat().st_size
        raw = path.read_bytes() if size <= LARGEST_FILE_BYTES else b""
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TableError(f"cannot be read ({reason}); give a CSV file", file=str(path)) from error
    if size > LARGEST_FILE_BYTES:
        raise TableError(f"{size / 2**20:.0f} MiB; at most {LARGEST_FILE_BYTES // 2**20} are read", file=path.name)
    return parse_cases(raw, path)


def parse_cases(raw: bytes, path: Path) -> CasesTable:
    """As `read_cases`, from the bytes of the file `path`."""
    text = decode_text(raw, path.name)
    problems = list(text.problems)
    delimiter = _delimiter(text.content)
    records = _records(text.content, delimiter, path.name, problems)
    _, header = next(records, (1, []))
    names = [cell.strip().casefold() for cell in header]
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        shown = in_one_line(", ".join(name for name in names if name), 200) or "nothing"
        raise TableError(
            f"the header has {shown}; needed are {' and '.join(REQUIRED)}, allowed {', '.join(COLUMNS)}",
            file=path.name,
            row=1,
        )
    for i, name in enumerate(names):
        if name not in COLUMNS:
            shown = in_one_line(name, 80) or f"number {i + 1}"
            problems.append(Problem(path.name, 1, shown, f"column not known, ignored; known are {', '.join(COLUMNS)}"))
        elif names.index(name) != i:
            problems.append(Problem(path.name, 1, name, "column stands twice; the first is used"))
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
    return CasesTable(_one_patient_each(rows), tuple(problems), text.encoding, delimiter)


def _delimiter(content: str) -> str:
    """Find the one of , ; tab that is most frequent in the header line."""
    header = content.lstrip("\r\n").splitlines()[0] if content.strip() else ""
    return max(",;\t", key=header.count)


def _records(content: str, delimiter: str, file: str, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the first line and the cells of every row that is not blank.

    When a row cannot be read, only its first line is given up and reading goes on with the next one.
    """
    lines = io.StringIO(content, newline="").readlines()
    given_up, offset = 0, 0
    while True:
        reader = csv.reader(itertools.islice(lines, offset, None), delimiter=delimiter, strict=True)
        start = offset + 1
        try:
            for cells in reader:
                if max(map(len, cells), default=0) > LARGEST_CELL:
                    problems.append(Problem(file, start, "", f"row dropped: {_TOO_LARGE}"))
                elif any(cell.strip() for cell in cells):
                    yield start, cells
                start = offset + reader.line_num + 1
        except csv.Error as error:
            given_up += 1
            if given_up > MOST_BROKEN_ROWS:
                message = f"more than {MOST_BROKEN_ROWS} rows with broken quotes; correct the quotes"
                raise TableError(message, file=file, row=start) from error
            problems.append(Problem(file, start, "", f"row dropped: {_csv_reason(error)}"))
            offset = start
        else:
            return


def _csv_reason(error: csv.Error) -> str:
    if "unexpected end" in str(error):
        return "a quote is opened and never closed; close it"
    if "field limit" in str(error):
        return _TOO_LARGE
    return f"{error}; correct the quotes"


def _one_patient_each(rows: Sequence[tuple[int, CaseRow]]) -> tuple[tuple[int, CaseRow], ...]:
    """Give all rows of a patient the same sex, ancestry and country: the first one stated."""
    joined: dict[str, Patient] = {}
    for _, row in rows:
        known = joined.setdefault(row.patient.id, row.patient)
        joined[row.patient.id] = replace(
            known,
            sex=known.sex if known.sex is not Sex.UNKNOWN else row.patient.sex,
            ancestry=known.ancestry or row.patient.ancestry,
            country=known.country or row.patient.country,
            simulated=known.simulated or row.patient.simulated,
        )
    return tuple((number, replace(row, patient=joined[row.patient.id])) for number, row in rows)


def write_cases(path: Path, rows: Iterable[CaseRow]) -> None:
    """Write a case table that `read_cases` gives back, in UTF-8 with BOM (spreadsheet programs need it).

    Parameters
    ----------
    path
        Replaced at once when everything is written. Photo paths below its folder are written relative to it.
    rows
        One per photo.

    Raises
    ------
    StorageError
        The file cannot be written.
    TableError
        A value holds a separator (``;``, and ``|`` in genes) or stands for something the table has no column for.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for number, row in enumerate(rows, start=2):
        writer.writerow(_cells(row, path, number))
    write_whole(path, out.getvalue().encode("utf-8-sig"))


def _cells(row: CaseRow, path: Path, number: int) -> list[str]:
    def joined(values: Iterable[str], column: str, forbidden: str = ";") -> str:
        values = list(values)
        for value in values:
            if any(c in value for c in forbidden) or value != value.strip() or not value:
                raise TableError(
                    f"'{in_one_line(value, 40)}' is empty or has a separator ({forbidden}) or outer space; rename it",
                    file=path.name,
                    row=number,
                    column=column,
                )
        return ";".join(values)

    photo = row.photo_path
    if photo.is_relative_to(path.parent):
        photo = photo.relative_to(path.parent)
    groups = [joined(d.genes, "gene", ";|") for d in row.diagnoses]
    genes = groups[0] if len(set(groups)) == 1 else "|".join(groups)
    marks = {TermState.PRESENT: "", TermState.EXCLUDED: "!"}
    return [
        photo.as_posix(),
        row.patient.id,
        joined((d.disorder.id for d in row.diagnoses), "disorder"),
        joined((d.disorder.name for d in row.diagnoses), "disorder_name"),
        genes,
        "" if row.age_years is None else f"{row.age_years:.6f}".rstrip("0").rstrip("."),
        str(row.patient.sex),
        joined((a.term for a in row.patient.ancestry), "ancestry"),
        row.patient.country or "",
        "yes" if row.unaffected else "no",
        joined((marks[p.state] + p.term for p in row.phenotypes if p.state in marks), "hpo"),
        "yes" if row.patient.simulated else "no",
    ]
