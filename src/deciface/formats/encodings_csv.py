"""Encodings as CSV with the columns of GestaltMatcher-Arc.

``img_name;model;flip;gray;class_conf;representations``, one row per photo and view: `img_name` is the photo's id,
`flip` and `gray` are 0 or 1, `class_conf` is a classifier's output, which DeciFace does not have: it is written as
``[]`` and not read. `representations` is a JSON list with enough digits for float32. A region other than the
whole face is written into `model` after an ``@``: ``dlib-resnet@eyes``.

Beside ``x.csv`` lies ``x.csv.meta.json``::

    {"format": "deciface-encodings", "version": 1, "csv_sha256": "...",
     "models": {"dlib-resnet": {"crop_version": "...", "encoder_sha256": "..."}},
     "photos": {"photo id": "sha256 of its pixels"}}

A CSV without it is read too (that is GestaltMatcher-Arc's own); what it does not say is ``unknown``.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from deciface.cases import NOT_STATED, Encoding, View
from deciface.errors import MismatchError, TableError
from deciface.formats.encodings_checks import ReadRows

COLUMNS = ("img_name", "model", "flip", "gray", "class_conf", "representations")
_FORMAT, _VERSION = "deciface-encodings", 1
_TRUTH = {"0": False, "1": True, "false": False, "true": True}
_LONGEST_CELL = 1 << 26


def sidecar_path(path: Path) -> Path:
    """``x.csv.meta.json`` for ``x.csv``."""
    return path.with_name(path.name + ".meta.json")


def _model_cell(view: View) -> str:
    if "@" in view.model or "@" in view.region:
        raise MismatchError(f"view {view}: '@' separates model and region in CSV; rename it or write .parquet")
    return view.model if view.region == "face" else f"{view.model}@{view.region}"


def csv_and_sidecar(encodings: Sequence[Encoding]) -> tuple[bytes, bytes]:
    """Make the content of ``x.csv`` and ``x.csv.meta.json`` from checked encodings.

    Raises
    ------
    MismatchError
        When one model has two encoder hashes or crop versions, or ``@`` in its name.
    """
    import polars as pl

    models: dict[str, dict[str, str]] = {}
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\n")
    writer.writerow(COLUMNS)
    for e in encodings:
        cell = _model_cell(e.view)
        made = {"crop_version": e.crop_version, "encoder_sha256": e.encoder_sha256}
        if models.setdefault(cell, made) != made:
            raise MismatchError(
                f"'{cell}' was made with two encoders or crop versions ({models[cell]}, {made}); a CSV holds one of "
                "each per model: encode again, or write .parquet"
            )
        # polars prints the shortest decimal that reads back as the same float32
        numbers = ",".join(pl.Series(e.vector).cast(pl.String).to_list())
        writer.writerow((e.photo_id, cell, int(e.view.flip), int(e.view.grey), "[]", f"[{numbers}]"))
    table = text.getvalue().encode()
    meta = {
        "format": _FORMAT,
        "version": _VERSION,
        "csv_sha256": hashlib.sha256(table).hexdigest(),
        "models": models,
        "photos": {e.photo_id: e.photo_sha256 for e in encodings},
    }
    return table, (json.dumps(meta, indent=1, ensure_ascii=False) + "\n").encode()


def _read_sidecar(path: Path) -> dict[str, Any]:
    """Return ``models`` and ``photos``, both empty where there is no sidecar."""
    sidecar = sidecar_path(path)
    if not sidecar.exists():
        return {"models": {}, "photos": {}}
    advice = f"delete {sidecar.name} to read the table as one of unknown origin"
    try:
        meta = json.loads(sidecar.read_bytes())
        version, digest = (meta["format"], meta["version"]), meta["csv_sha256"]
        texts = [meta["photos"], *meta["models"].values()]
        whole = all(isinstance(v, str) for part in texts for v in part.values())
        keys = all(set(part) == {"crop_version", "encoder_sha256"} for part in texts[1:])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TableError(f"is no description of encodings ({error!r}); {advice}", file=sidecar.name) from error
    if version != (_FORMAT, _VERSION) or not whole or not keys:
        raise TableError(f"has format and version {version}, or fields missing; {advice}", file=sidecar.name)
    with path.open("rb") as table:
        found = hashlib.file_digest(table, "sha256").hexdigest()
    if digest != found:
        raise TableError(
            f"describes another version of {path.name}: the table was changed since; {advice}", file=sidecar.name
        )
    return {"models": meta["models"], "photos": meta["photos"]}


def _numbers(cell: str, rows: ReadRows, row: int) -> NDArray[np.float64]:
    """Read a JSON list of finite numbers."""
    name = COLUMNS[-1]

    def refuse(constant: str) -> float:
        raise rows.wrong(f"{constant} in the list; finite numbers are needed: encode the photo again", row, name)

    try:
        values = orjson.loads(cell)
    except ValueError:  # Python's own reader is slow, and says what is wrong
        try:
            values = json.loads(cell, parse_constant=refuse)
        except (ValueError, RecursionError) as error:
            message = "is no JSON; a list such as [0.1, -0.2] is needed: is the file cut off?"
            raise rows.wrong(message, row, name) from error
    if not isinstance(values, list) or not set(map(type, values)) <= {int, float}:
        raise rows.wrong("is no flat list of numbers; write it like [0.1, -0.2]", row, name)
    try:
        numbers = np.array(values, np.float64)
    except OverflowError as error:
        raise rows.wrong("holds a number beyond float32; encode the photo again", row, name) from error
    if numbers.size and not np.abs(numbers).max() <= np.finfo(np.float32).max:
        raise rows.wrong("holds a number beyond float32; encode the photo again", row, name)
    return numbers


def _header(cells: list[str], rows: ReadRows) -> dict[str, int]:
    missing = [name for name in COLUMNS if name not in cells]
    if missing:
        raise rows.wrong(
            f"missing: {', '.join(missing)}; the first line must name {';'.join(COLUMNS)} (separator ';')",
            1,
            missing[0],
        )
    doubled = [name for name in COLUMNS if cells.count(name) > 1]
    if doubled:
        raise rows.wrong("the column stands there twice; delete one", 1, doubled[0])
    return {name: cells.index(name) for name in COLUMNS}


def _truth(cell: str, column: str, rows: ReadRows, row: int) -> bool:
    value = _TRUTH.get(cell.strip().lower())
    if value is None:
        raise rows.wrong(f"'{cell[:40]}'; allowed are 0 and 1: correct the cell", row, column)
    return value


def iter_csv(path: Path, *, image_names: Literal["whole", "until-underscore"] = "whole") -> Iterator[Encoding]:
    """Read a CSV row by row, so that a file of any size needs the memory of one row and of the names seen.

    Raises
    ------
    TableError
        See `deciface.formats.encodings.read_encodings`. Columns may stand in any order; others are passed over.
    """
    rows = ReadRows(path.name)
    meta = _read_sidecar(path)
    csv.field_size_limit(_LONGEST_CELL)
    number = 0
    with path.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=";", strict=True)
        try:
            for number, cells in enumerate(reader, start=1):
                if number == 1:
                    place, width = _header(cells, rows), len(cells)
                elif cells:
                    if len(cells) != width:
                        raise rows.wrong(f"{len(cells)} cells; the header has {width}: is the file cut off?", number)
                    named = {name: cells[at] for name, at in place.items()}
                    yield _encoding(rows, number, named, meta, image_names)
        except csv.Error as error:
            raise rows.wrong(f"is no table ({error}); save it as CSV with ';' between cells", number + 1) from error
        except UnicodeDecodeError as error:
            raise rows.wrong("is not UTF-8 text; save the table as CSV in UTF-8", _first_bad_line(path)) from error
    if number == 0:
        raise rows.wrong(f"is empty; the first line must name {';'.join(COLUMNS)}", 1)


def _first_bad_line(path: Path) -> int:
    """Number of the first line that is not UTF-8."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


def _encoding(rows: ReadRows, row: int, cells: dict[str, str], meta: dict[str, Any], image_names: str) -> Encoding:
    name, cell = cells["img_name"], cells["model"]
    photo_id = name.split("_", 1)[0] if image_names == "until-underscore" else name
    model, _, region = cell.partition("@")
    made = meta["models"].get(cell, {})
    return rows.encoding(
        row,
        _numbers(cells["representations"], rows, row),
        photo_id=photo_id,
        photo_sha256=meta["photos"].get(name, NOT_STATED),
        crop_version=made.get("crop_version", NOT_STATED),
        encoder_sha256=made.get("encoder_sha256", NOT_STATED),
        view=View(
            model=model,
            region=region if "@" in cell else "face",
            flip=_truth(cells["flip"], "flip", rows, row),
            grey=_truth(cells["gray"], "gray", rows, row),
        ),
        column="representations",
    )
