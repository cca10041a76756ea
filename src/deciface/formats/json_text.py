"""JSON from anywhere, read safely: one value, an array of records, or one record a line; plain or gzip.

What a hostile or damaged file can do is bounded: bytes on disk, bytes after decompression, nesting, and unreadable
lines all have a limit, and each failure is one line.
"""

from __future__ import annotations

import codecs
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from deciface.errors import TableError
from deciface.formats.text import Problem, in_one_line

LARGEST_FILE_BYTES = 256 * 2**20
"""Bytes that are read, after decompression."""
DEEPEST = 64
"""Levels of objects and arrays within each other in one record."""
MOST_BROKEN_LINES = 100
"""Unreadable lines after which a file is given back to be corrected."""
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class JsonRecord:
    """One record and where it stands: its line in a line-delimited file, else its number, from 1."""

    file: str
    row: int
    value: Any


@dataclass(frozen=True)
class JsonRecords:
    """The records of one file, and the lines that could not be read ("dropped")."""

    records: tuple[JsonRecord, ...]
    problems: tuple[Problem, ...]


def read_json(path: Path, *, file: str = "", largest_bytes: int = LARGEST_FILE_BYTES) -> JsonRecords:
    """Read a JSON file: an array gives its items, lines give one record each, anything else is one record.

    Whether the content is line-delimited or compressed is found in the content, not in the name.

    Parameters
    ----------
    path
        The file.
    file
        What problems call it; its name when empty.
    largest_bytes
        Limit on its size, before and after decompression.

    Raises
    ------
    TableError
        It cannot be read, is empty, too large, breaks off, is no UTF-8 (or UTF-16 with BOM) text, is no JSON, nests too
        deeply, or has too many unreadable lines.
    """
    name = file or path.name
    return parse_json(_read_bytes(path, name, largest_bytes), name, lines_expected=".jsonl" in path.name.casefold())


def parse_json(raw: bytes, file: str, *, lines_expected: bool = False) -> JsonRecords:
    """As `read_json`, from decompressed bytes."""
    raw = _as_utf8(raw, file)
    if not raw.strip():
        raise TableError("the file is empty; a JSON record is needed", file=file)
    lines = [(number, line) for number, line in enumerate(raw.split(b"\n"), start=1) if line.strip()]
    if len(lines) > 1 and _parses(lines[0][1]):
        return _lines(lines, file)
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if lines_expected and len(lines) > 1:
            return _lines(lines, file)
        raise TableError(_reason(error), file=file, row=error.lineno) from error
    records = tuple(JsonRecord(file, n, v) for n, v in enumerate(value if isinstance(value, list) else [value], 1))
    for record in records:
        if is_deeper_than(record.value, DEEPEST):
            raise TableError(_too_deep(), file=file, row=record.row)
    return JsonRecords(records, ())


def first_bytes(path: Path, count: int = 65536) -> bytes:
    """The first bytes of a file, decompressed; nothing when it cannot be read. For telling formats apart."""
    try:
        with path.open("rb") as file:
            head = file.read(count)
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, count) if head.startswith(_GZIP) else head
    except (OSError, ValueError, zlib.error):
        return b""


def is_deeper_than(value: object, limit: int) -> bool:
    """Whether objects and arrays lie within each other more than `limit` levels deep; no recursion.

    >>> is_deeper_than([[1]], 2), is_deeper_than([[{}]], 2)
    (False, True)
    """
    level = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _lines(lines: list[tuple[int, bytes]], file: str) -> JsonRecords:
    records: list[JsonRecord] = []
    problems: list[Problem] = []
    for number, line in lines:
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            problems.append(Problem(file, number, "", f"dropped: {_reason(error)}"))
        else:
            if is_deeper_than(value, DEEPEST):
                problems.append(Problem(file, number, "", f"dropped: {_too_deep()}"))
            else:
                records.append(JsonRecord(file, number, value))
        if len(problems) > MOST_BROKEN_LINES:
            raise TableError(
                f"more than {MOST_BROKEN_LINES} lines are no JSON; one record a line is needed: check the file",
                file=file,
                row=number,
            )
    return JsonRecords(tuple(records), tuple(problems))


def _parses(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _reason(error: orjson.JSONDecodeError) -> str:
    what = in_one_line(error.msg, 80)
    if "depth" in what or "recursion" in what:
        return _too_deep()
    if "UTF-8" in what:
        return "not UTF-8 text; save it as JSON in UTF-8"
    if error.pos >= len(error.doc.rstrip()):
        return "JSON that breaks off; is the file cut off? Fetch or export it again"
    return f"no JSON at column {error.colno} ({what}); export it again as JSON in UTF-8"


def _too_deep() -> str:
    return f"nested more than {DEEPEST} levels deep; no record of a patient is, check where the file comes from"


def _as_utf8(raw: bytes, file: str) -> bytes:
    """Take off byte order marks and turn UTF-16 into UTF-8; other encodings are told apart per record."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return raw.decode("utf-16").encode()
        except UnicodeError as error:
            raise TableError("UTF-16 text that breaks off; save it as JSON in UTF-8", file=file) from error
    return raw.removeprefix(codecs.BOM_UTF8)


def _read_bytes(path: Path, file: str, largest: int) -> bytes:
    try:
        if (size := path.stat().st_size) > largest:
            raise TableError(f"{size / 2**20:.0f} MiB; at most {largest / 2**20:g} MiB are read: split it", file=file)
        raw = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TableError(f"cannot be read ({reason}); give a JSON file", file=file) from error
    return _decompressed(raw, file, largest) if raw.startswith(_GZIP) else raw


def _decompressed(raw: bytes, file: str, largest: int) -> bytes:
    """Unpack gzip, several members too, never producing more than one byte above the limit."""
    parts: list[bytes] = []
    left = largest + 1
    while raw:
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            part = member.decompress(raw, left)
        except zlib.error as error:
            raise TableError(f"damaged gzip ({error}); fetch or export it again", file=file) from error
        parts.append(part)
        left -= len(part)
        if left <= 0:
            raise TableError(
                f"unpacks to more than {largest / 2**20:g} MiB, which are not read; split it or check where it is from",
                file=file,
            )
        if not member.eof:
            raise TableError("gzip that breaks off; fetch or export it again", file=file)
        raw = member.unused_data.lstrip(b"\0")
    return b"".join(parts)
