"""The tables of a directory of the GestaltMatcher Database (GMDB): names, columns, rows; splits and syndromes.

A directory has ``image_metadata_vX.tsv``, one row an image, and may have ``gmdb_syndromes_vX.tsv`` and the splits of
the published evaluation protocol, ``gmdb_{train,val,test,frequent_gallery,frequent_test,rare_...}_images_vX.csv``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deciface.errors import InputError, TableError
from deciface.formats.text import Problem, decode_text, in_one_line

COLUMNS = (
    "image_id",
    "patient_id",
    "filename",
    "gene_names",
    "gene_entrez_ids",
    "disorder_names",
    "omim_ids",
    "internal_syndrome_id",
    "internal_syndrome_name",
    "gender",
    "age_year",
    "age_month",
    "ethnicity_category",
    "ethnicity_sub_category",
    "present_features",
    "absent_features",
    "hgvs",
    "image_type",
    "pmid",
    "doi",
    "consent",
    "private",
)
"""Of the image metadata, in the order they are written."""
REQUIRED = ("image_id", "patient_id")
SYNDROME_COLUMNS = (
    "syndrome_id",
    "syndrome_name",
    "image_ids",
    "subject_ids",
    "num_of_images",
    "num_of_subjects",
    "train",
    "OMIM",
)
LARGEST_FILE_BYTES = 256 * 2**20
_NUMBERS = frozenset(
    ("image_id", "patient_id", "subject", "label", "split", "syndrome_id", "internal_syndrome_id", "omim_ids")
) | {"gene_entrez_ids", "age_year", "age_month", "pmid"}
_BLANK = frozenset({"", "nan", "none", "null", "na", "n/a", "-"})
_METADATA = re.compile(r"image_metadata_v(.+)\.tsv", re.IGNORECASE)
_SYNDROMES = re.compile(r"gmdb_syndromes_v(.+)\.tsv", re.IGNORECASE)
_SPLIT = re.compile(r"gmdb_(.+)_images_v(.+)\.csv", re.IGNORECASE)


@dataclass(frozen=True)
class GmdbTable:
    """Rows of one table: number of the first line, and cells by column; blank cells and ``nan`` are not there."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class SplitImage:
    """An image in a split: whose it is, its class, and which of the repeated splits (rare disorders only)."""

    image_id: str
    subject: str
    label: str
    fold: int | None = None


@dataclass(frozen=True)
class GmdbSplit:
    """One split of the evaluation protocol, e.g. ``train`` or ``rare_gallery`` of version ``1.1.0``."""

    name: str
    version: str
    images: tuple[SplitImage, ...]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class GmdbSyndrome:
    """A class of the database: its number, name, OMIM ids, images and people."""

    id: str
    name: str
    omim_ids: tuple[str, ...]
    image_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]


def metadata_files(folder: Path) -> list[Path]:
    """Image metadata in a folder, the newest version first.

    Raises
    ------
    InputError
        The folder cannot be read.
    """
    return _named(folder, _METADATA)


def is_metadata_name(name: str) -> bool:
    """Whether a file is called as the image metadata are."""
    return _METADATA.fullmatch(name) is not None


def read_splits(folder: Path) -> tuple[GmdbSplit, ...]:
    """Read all splits in a folder, by name and version.

    Raises
    ------
    InputError
        The folder or a split cannot be read, or a split lacks a column.
    """
    found = []
    for path in _named(folder, _SPLIT):
        match = _SPLIT.fullmatch(path.name)
        table = read_table(path, delimiter=",", required=("image_id", "subject", "label"))
        problems = list(table.problems)
        images = []
        for row, cells in table.rows:
            fold = cells.get("split", "")
            if not all(cells.get(name) for name in ("image_id", "subject", "label")):
                problems.append(Problem(path.name, row, "", "row dropped: it needs image_id, subject and label"))
            elif fold and not fold.isdecimal():
                problems.append(
                    Problem(path.name, row, "split", f"row dropped: '{in_one_line(fold, 40)}' is no number")
                )
            else:
                image = SplitImage(cells["image_id"], cells["subject"], cells["label"], int(fold) if fold else None)
                images.append(image)
        if match:
            found.append(GmdbSplit(match[1].casefold(), match[2], tuple(images), tuple(problems)))
    return tuple(sorted(found, key=lambda split: (split.name, split.version)))


def read_syndromes(folder: Path) -> tuple[GmdbSyndrome, ...]:
    """Read the newest list of syndromes in a folder; none when there is no list.

    Raises
    ------
    InputError
        The folder or the list cannot be read, or the list lacks a column.
    """
    lists = _named(folder, _SYNDROMES)
    if not lists:
        return ()
    table = read_table(lists[0], delimiter="\t", required=("syndrome_id", "syndrome_name"))
    return tuple(
        GmdbSyndrome(
            cells.get("syndrome_id", ""),
            cells.get("syndrome_name", ""),
            _ids(cells.get("OMIM", "")),
            _ids(cells.get("image_ids", "")),
            _ids(cells.get("subject_ids", "")),
        )
        for _, cells in table.rows
    )


def read_table(path: Path, *, delimiter: str, required: Sequence[str]) -> GmdbTable:
    """Read a table; rows with too many or too few cells are dropped with a problem.

    Raises
    ------
    TableError
        It cannot be read, is empty, too large, no text, no table, or lacks a required column.
    """
    try:
        size = path.stat().st_size
        raw = path.read_bytes() if size <= LARGEST_FILE_BYTES else b""
    except OSError as error:
        raise TableError(f"cannot be read ({error.strerror or error}); give a GMDB table", file=path.name) from error
    if size > LARGEST_FILE_BYTES:
        raise TableError(f"{size / 2**20:.0f} MiB; at most {LARGEST_FILE_BYTES // 2**20} are read", file=path.name)
    text = decode_text(raw, path.name)
    problems = list(text.problems)
    records = _records(text.content, delimiter, path.name)
    _, header = next(records, (1, []))
    columns = tuple(cell.strip() for cell in header)
    if missing := [name for name in required if name not in columns]:
        there = in_one_line(", ".join(filter(None, columns)), 120) or "nothing"
        raise TableError(f"the header has {there}; {' and '.join(missing)} missing: add it", file=path.name, row=1)
    rows = []
    for number, cells in records:
        if len(cells) != len(columns):
            what = f"row dropped: {len(cells)} cells, the header has {len(columns)}; is the row cut off?"
            problems.append(Problem(path.name, number, "", what))
            continue
        stated: dict[str, str] = {}
        for name, cell in zip(columns, cells, strict=True):
            value = plain_cell(name, cell)
            if value:
                stated.setdefault(name, value)
        rows.append((number, stated))
    return GmdbTable(columns, tuple(rows), tuple(problems))


def plain_cell(column: str, cell: str) -> str:
    """Give a cell without outer space, ``nan`` and the like as blank, numbers without the ``.0`` that pandas adds.

    >>> plain_cell("patient_id", "12.0"), plain_cell("hgvs", " nan ")
    ('12', '')
    """
    value = cell.strip()
    if value.casefold() in _BLANK:
        return ""
    return value[:-2] if column in _NUMBERS and value.endswith(".0") and value[:-2].isdecimal() else value


def _records(content: str, delimiter: str, file: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    start = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise TableError(f"no table from here on ({error}); correct the quotes", file=file, row=start) from error


def _named(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if pattern.fullmatch(path.name)]
    except OSError as error:
        raise InputError(
            f"'{folder}' cannot be read ({error.strerror or error}); give a folder of GMDB tables"
        ) from error
    return sorted(found, key=lambda path: _natural(path.name), reverse=True)


def _natural(name: str) -> list[tuple[int, str]]:
    """Order 1.10 after 1.9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.findall(r"\d+|\D+", name)]


def _ids(cell: str) -> tuple[str, ...]:
    """Ids of a list in one cell, however it is punctuated.

    >>> _ids("[1, 2]"), _ids("1;2")
    (('1', '2'), ('1', '2'))
    """
    return tuple(re.findall(r"[^\s;,\[\]'\"]+", cell))
