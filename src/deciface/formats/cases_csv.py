"""The case table as CSV: written by hand or exported from a clinic's list.

The columns are those of `deciface.cases.table.CASE_TABLE`; only `patient` is needed. Rows count from 1 and include the
header line; a row that spans lines has the number of its first line.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from pathlib import Path

from deciface.errors import TableError
from deciface.formats.case_cells import CasesTable, read_header, read_rows, table_of
from deciface.formats.text import Problem, decode_text

LARGEST_CELL = 100_000
"""Characters; more is a sign of an unclosed quote or a pasted file."""
_TOO_LARGE = f"a cell has more than {LARGEST_CELL} characters; shorten it or close its quote"
LARGEST_FILE_BYTES = 200 * 2**20
MOST_BROKEN_ROWS = 100
"""Rows with unreadable quotes after which a table is given back to be corrected."""


def read_cases(path: Path) -> CasesTable:
    """Read a case table; never stops at a bad row and never drops one without a problem.

    Delimiter ``,`` ``;`` or tab; UTF-8 (with or without BOM), UTF-16 with BOM, Big5 or Latin-1, found and named. A row
    is dropped when its patient is missing, when it says nothing about them, when its photo stands in the table already,
    when the patient's sex contradicts an earlier row, or when its quotes cannot be read; any other bad cell is left
    empty, reported and kept in `Case.as_written`. What a patient's rows say is joined, the first statement counting, so
    that every row of a patient has the same `Patient`, diagnoses and features.

    Parameters
    ----------
    path
        The table. Photo paths are relative to its folder.

    Raises
    ------
    TableError
        The file cannot be read, is empty, is not text, is too large, or has no `patient` column.
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
    delimiter = delimiter_of(text.content)
    records = _records(text.content, delimiter, path.name, problems)
    _, header = next(records, (1, []))
    names = read_header(header, path, problems)
    rows = read_rows(names, records, path, problems)
    return table_of(rows, path, problems, encoding=text.encoding, delimiter=delimiter)


def delimiter_of(content: str) -> str:
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
