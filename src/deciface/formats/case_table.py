"""Case tables of either kind, CSV and XLSX, as cases."""

from __future__ import annotations

import codecs
from pathlib import Path

from deciface.errors import TableError
from deciface.formats.case_cells import REQUIRED, CasesTable
from deciface.formats.cases_csv import delimiter_of, read_cases
from deciface.formats.cases_xlsx import read_workbook
from deciface.formats.exchange import ReadCases
from deciface.formats.text import decode_text

_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0"
_SNIFFED_BYTES = 64 * 1024


def read_table(path: Path) -> CasesTable:
    """Read a case table, CSV or XLSX by its content.

    Raises
    ------
    TableError
        When it cannot be read at all.
    """
    return read_workbook(path) if _is_workbook(path) else read_cases(path)


def read(path: Path) -> ReadCases:
    """Read a case table as cases: the rows of a patient joined, images named by photo id.

    Raises
    ------
    TableError
        When it cannot be read at all.
    """
    table = read_table(path)
    return ReadCases(table.cases, table.problems, table.photo_files)


class CaseTableImporter:
    """Reads the case table as CSV."""

    name = "csv"

    def sniff(self, path: Path) -> bool:
        """Whether it is a text table with a `patient` column."""
        try:
            with path.open("rb") as file:
                head = file.read(_SNIFFED_BYTES)
            if head.startswith((_ZIP, _OLE)):
                return False
            if len(head) == _SNIFFED_BYTES and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                # no cut within a character of UTF-8 or Big5
                head = head[: head.rfind(b"\n") + 1] or head
            content = decode_text(head, path.name).content
        except (OSError, ValueError, TableError):
            return False
        header = next(iter(content.lstrip().splitlines()), "")
        names = {name.strip().strip('"').casefold() for name in header.split(delimiter_of(content))}
        return names.issuperset(REQUIRED)

    def read(self, path: Path) -> ReadCases:
        """Read it.

        Raises
        ------
        TableError
            When it cannot be read at all.
        """
        return read(path)


class CaseWorkbookImporter:
    """Reads the case table as a workbook."""

    name = "xlsx"

    def sniff(self, path: Path) -> bool:
        """Whether it is named as a workbook and is one."""
        return path.suffix.casefold() in (".xlsx", ".xlsm") and _is_workbook(path)

    def read(self, path: Path) -> ReadCases:
        """Read it.

        Raises
        ------
        TableError
            When it cannot be read at all.
        """
        return read(path)


def _is_workbook(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) in (_ZIP, _OLE)
    except (OSError, ValueError):
        return False
