"""The case table as a workbook (XLSX): read without running anything, written with explanations and drop-downs."""

from __future__ import annotations

import datetime as dt
import io
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from xml.etree.ElementTree import ParseError

from deciface.cases import Case
from deciface.cases.table import CASE_TABLE
from deciface.errors import TableError
from deciface.formats.case_cells import CasesTable, read_header, read_rows, table_of
from deciface.formats.cases_csv_out import losses_of, refuse_existing, table_rows
from deciface.formats.exchange import Written
from deciface.formats.text import Problem
from deciface.whole_files import write_whole

SHEET = "cases"
LARGEST_FILE_BYTES = 50 * 2**20
LARGEST_UNPACKED_BYTES = 400 * 2**20
"""Of all parts of the workbook together: more is a damaged file or an attack on the memory."""
MOST_ROWS = 200_000
_WIDEST = 256
_ROWS_BEFORE_HEADER = 20
_TEMPLATE_ROWS = 2000
_OLD_OR_ENCRYPTED = b"\xd0\xcf\x11\xe0"
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    ParseError,
    OSError,
    EOFError,
    KeyError,
    IndexError,
    ValueError,
    TypeError,
    AttributeError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
)
"""What openpyxl and zipfile raise on damaged workbooks."""


class _Cell(Protocol):
    """What is read of a cell of openpyxl."""

    @property
    def value(self) -> object: ...

    @property
    def data_type(self) -> str: ...


class _Sheet(Protocol):
    """What is read of a sheet of openpyxl."""

    def iter_rows(self, *, min_row: int = 1, max_row: int, max_col: int) -> Iterable[Sequence[_Cell]]: ...


def read_workbook(path: Path) -> CasesTable:
    """Read the sheet `cases` of a workbook, or its first one; as `deciface.formats.cases_csv.read_cases`.

    Dates are taken as days, whole numbers without a decimal point (148600, not 148600.0), true and false as yes and no.
    Formulas are not run and their last result is not trusted: such cells are left out and reported.

    Raises
    ------
    TableError
        The file cannot be read, is no XLSX, has macros, is too large, or has no `patient` column.
    """
    try:
        size = path.stat().st_size
        raw = path.read_bytes() if size <= LARGEST_FILE_BYTES else b""
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TableError(f"cannot be read ({reason}); give a CSV or XLSX file", file=str(path)) from error
    if size > LARGEST_FILE_BYTES:
        raise TableError(f"{size / 2**10:.0f} KiB; at most {LARGEST_FILE_BYTES // 2**10} are read", file=path.name)
    return parse_workbook(raw, path)


def parse_workbook(raw: bytes, path: Path) -> CasesTable:
    """As `read_workbook`, from the bytes of the file `path`."""
    _refuse_unsafe(raw, path)
    problems: list[Problem] = []
    with _opened(raw, path) as sheet:
        start, header = _header(sheet)
        names = read_header(header, path, problems)
        records = list(_records(sheet, start, names, path, problems))
    rows = read_rows(names, records, path, problems)
    return table_of(rows, path, problems, encoding="xlsx", delimiter="")


def _refuse_unsafe(raw: bytes, path: Path) -> None:
    if raw.startswith(_OLD_OR_ENCRYPTED):
        message = "an old or password-protected Excel file; save it as XLSX without a password"
        raise TableError(message, file=path.name)
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as container:
            parts = container.infolist()
    except _DAMAGE as error:
        raise TableError("not a workbook, or damaged; save it again as XLSX", file=path.name) from error
    if path.suffix.casefold() == ".xlsm" or any("vba" in part.filename.casefold() for part in parts):
        raise TableError("the workbook has macros; save it as XLSX without macros", file=path.name)
    unpacked = sum(part.file_size for part in parts)
    if unpacked > LARGEST_UNPACKED_BYTES:
        message = f"{unpacked / 2**20:.0f} MiB when unpacked; at most {LARGEST_UNPACKED_BYTES // 2**20} are read"
        raise TableError(message, file=path.name)


@contextmanager
def _opened(raw: bytes, path: Path) -> Iterator[_Sheet]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with warnings.catch_warnings():
            # about styles and drop-downs that are not read, never about cells
            warnings.simplefilter("ignore")
            workbook = load_workbook(io.BytesIO(raw), read_only=True, data_only=False, keep_links=False)
            sheets = workbook.worksheets
            if not sheets:
                raise TableError("the workbook has no sheet; give one with a header row", file=path.name)
            yield next((sheet for sheet in sheets if sheet.title.casefold() == SHEET), sheets[0])
            workbook.close()
    except (*_DAMAGE, InvalidFileException) as error:
        raise TableError("not a workbook, or damaged; save it again as XLSX", file=path.name) from error


def _header(sheet: _Sheet) -> tuple[int, list[str]]:
    """Number of the first row with anything in it, and its cells."""
    for number, row in enumerate(sheet.iter_rows(max_row=_ROWS_BEFORE_HEADER, max_col=_WIDEST), start=1):
        cells = [_text(cell) or "" for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            return number, cells
    return 1, []


def _records(
    sheet: _Sheet, header: int, names: Sequence[str], path: Path, problems: list[Problem]
) -> Iterator[tuple[int, list[str]]]:
    rows = sheet.iter_rows(min_row=header + 1, max_row=MOST_ROWS + 1, max_col=len(names) + 1)
    for number, row in enumerate(rows, start=header + 1):
        if number > MOST_ROWS:
            message = f"more than {MOST_ROWS} rows; the rest is not read, split the workbook"
            problems.append(Problem(path.name, number, "", message))
            return
        cells = []
        for i, cell in enumerate(row):
            text = _text(cell)
            if text is None:
                column = names[i] if i < len(names) else ""
                what = "a formula" if cell.data_type == "f" else "an error value"
                problems.append(Problem(path.name, number, column, f"{what}, left out; type or paste the value itself"))
            cells.append(text or "")
        while cells and not cells[-1]:
            cells.pop()
        if any(cells):
            yield number, cells


def _text(cell: _Cell) -> str | None:
    """A cell as it would stand in a CSV; None for a formula or an error."""
    value = cell.value
    if value is None:
        return ""
    if cell.data_type in ("f", "e"):
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value).strip()


class CaseWorkbookExporter:
    """Writes a case table as a workbook: the sheet `cases`, and a sheet that explains the columns."""

    name = "xlsx"

    def paths(self, target: Path) -> tuple[Path, ...]:
        """The workbook."""
        return (target,)

    def write(self, cases: Sequence[Case], target: Path) -> Written:
        """Write the workbook and read it back: what differs is named in `Written.losses`.

        Raises
        ------
        StorageError
            When the target exists already or cannot be written.
        """
        refuse_existing(target)
        content = _workbook(table_rows(cases))
        losses = losses_of(cases, (case for _, case in parse_workbook(content, target).cases))
        write_whole(target, content)
        return Written((target,), losses)


def write_template(path: Path) -> None:
    """Write an empty case table: header, drop-downs for closed lists, and one line of explanation a column.

    Raises
    ------
    StorageError
        When the file exists already or cannot be written.
    """
    refuse_existing(path)
    write_whole(path, _workbook([[column.name for column in CASE_TABLE]]))


def _workbook(rows: Sequence[Sequence[str]]) -> bytes:
    """A workbook of text cells only: nothing in it is run, and no id becomes a number or a date."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    workbook = Workbook(write_only=True)
    sheet, about = workbook.create_sheet(SHEET), workbook.create_sheet("columns")

    def text_cells(texts: Iterable[str], *, bold: bool = False) -> list[object]:
        cells = []
        for text in texts:
            cell = WriteOnlyCell(sheet, value=text)
            cell.data_type = "s"
            cell.number_format = "@"
            if bold:
                cell.font = Font(bold=True)
            cells.append(cell if text else None)
        return cells

    sheet.freeze_panes = "A2"
    explained = {column.name: column for column in CASE_TABLE}
    for i, name in enumerate(rows[0], start=1):
        letter = get_column_letter(i)
        sheet.column_dimensions[letter].width = max(12, len(name) + 2)
        sheet.column_dimensions[letter].number_format = "@"
        if allowed := explained[name].allowed:
            choice = DataValidation("list", formula1=f'"{",".join(allowed)}"', allow_blank=True, showErrorMessage=True)
            choice.error = f"write one of {', '.join(allowed)}"
            choice.add(f"{letter}2:{letter}{max(_TEMPLATE_ROWS, len(rows))}")
            sheet.data_validations.append(choice)
    for number, row in enumerate(rows):
        sheet.append(text_cells(row, bold=number == 0))
    about.column_dimensions["A"].width, about.column_dimensions["B"].width = 26, 110
    about.append(text_cells(("column", "what it holds", "example"), bold=True))
    for column in CASE_TABLE:
        about.append(text_cells((column.name, column.explanation, column.example)))
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()
