"""Text files from anywhere: which encoding they are in, and what was wrong with them."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from deciface.errors import TableError


@dataclass(frozen=True, order=True)
class Problem:
    """What could not be taken as it stands, and where.

    Rows count from 1 and include the header line; `column` is empty when the whole row is meant.
    """

    file: str
    row: int
    column: str
    message: str

    def __str__(self) -> str:
        """E.g. ``cases.csv, row 3, column 'sex': ...``."""
        column = f", column '{self.column}'" if self.column else ""
        return f"{self.file}, row {self.row}{column}: {self.message}"


@dataclass(frozen=True)
class Text:
    """Decoded content, the encoding it was found to have, and what was wrong with it."""

    content: str
    encoding: str
    problems: tuple[Problem, ...]


def decode_text(raw: bytes, file: str) -> Text:
    """Decode a table: UTF-8 with or without BOM, UTF-16 with BOM, Big5, else Latin-1.

    Bytes that are valid UTF-8 are UTF-8. Otherwise bytes that are valid Big5 with at least half of the characters
    beyond ASCII being Chinese ideographs are Big5; otherwise they are Latin-1, which any bytes are, so that is reported
    as a guess. NUL characters are removed and reported.

    Raises
    ------
    TableError
        Empty, or not text: UTF-16 that breaks off, or more than one byte in twenty being a control character.
    """
    if not raw.strip():
        raise TableError("the file is empty; a header line and one row per photo are needed", file=file)
    problems: list[Problem] = []
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            content, encoding = raw.decode("utf-16"), "utf-16"
        except UnicodeDecodeError as error:
            raise TableError("UTF-16 text that breaks off; save it again as CSV UTF-8", file=file) from error
    else:
        content, encoding = _decode_bytes(raw)
        if encoding == "latin-1":
            problems.append(
                Problem(
                    file, 1, "", "neither UTF-8 nor Big5; read as Latin-1, check names with accents or save as UTF-8"
                )
            )
    controls = sum(c < " " and c not in "\r\n\t" for c in content)
    if controls > max(4, len(content) // 20):
        raise TableError("not a text file; save the table as CSV UTF-8", file=file)
    if "\0" in content:
        row = content[: content.index("\0")].count("\n") + 1
        problems.append(Problem(file, row, "", f"{content.count(chr(0))} NUL characters removed; check the row"))
        content = content.replace("\0", "")
    if not content.strip():
        raise TableError("the file is empty; a header line and one row per photo are needed", file=file)
    return Text(content, encoding, tuple(problems))


def _decode_bytes(raw: bytes) -> tuple[str, str]:
    try:
        return raw.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        pass
    try:
        content = raw.decode("big5")
    except UnicodeDecodeError:
        return raw.decode("latin-1"), "latin-1"
    beyond = [c for c in content if ord(c) > 127]
    ideographs = sum("\u4e00" <= c <= "\u9fff" for c in beyond)
    return (content, "big5") if 2 * ideographs >= len(beyond) else (raw.decode("latin-1"), "latin-1")


def in_one_line(text: str, longest: int) -> str:
    r"""Give text as it may stand in a message: control characters and line ends as spaces, cut to `longest`.

    >>> in_one_line("two\nlines and more", 9)
    'two lines...'
    """
    shown = "".join(c if c.isprintable() else " " for c in text[: longest + 1])
    return f"{shown[:longest]}..." if len(shown) > longest else shown
