"""Points of a face as a table, out and in; and WebMorph's templates, in.

The table is UTF-8 CSV with the columns ``template, name, x_px, y_px, sigma_px``: the number in the 189-point London
template, the clinical name where the point has one, its place in photo_px to 0.01, and how sure it is. A table that is
read may name some points only, each by its number or by its name; `sigma_px` and other columns are passed over. A
``.tem`` file (WebMorph; DeBruine & Jones 2017) places all points; those that do not lie on the face are passed over.
"""

from __future__ import annotations

import csv
import difflib
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deciface.errors import InputError, TableError
from deciface.faces.landmarks import FACE_POINTS, TEMPLATE_SIZE, Landmarks, Points, named

COLUMNS = ("template", "name", "x_px", "y_px", "sigma_px")
SUFFIXES = (".csv", ".tem")
_EDGE_PX = 0.5
"""A photo reaches from -0.5 to its size - 0.5: whole numbers are the middles of pixels."""


@dataclass(frozen=True, slots=True)
class PlacedPoint:
    """A point as a table places it: template number, photo_px, and in which row it stands."""

    template: int
    x_px: float
    y_px: float
    row: int

    def is_at(self, place_px: Points) -> bool:
        """Whether `landmark_table` writes a place, (2,) photo_px, as this one: then nobody has moved the point."""
        return all(
            math.isclose(value, float(_written(old)), abs_tol=1e-9)
            for value, old in zip((self.x_px, self.y_px), place_px, strict=True)
        )


def landmark_table(landmarks: Landmarks) -> str:
    """Write all points of a face, in the order of the template, as CSV."""
    names = {point.template: name for name, point in named().items()}
    sigmas = np.sqrt(np.trace(landmarks.covariance_px2, axis1=1, axis2=2) / 2)
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    for template, (x, y), sigma in zip(FACE_POINTS, landmarks.points_px, sigmas, strict=True):
        rows.writerow([template, names.get(template, ""), _written(x), _written(y), f"{sigma:.3f}"])
    return out.getvalue()


def _written(px: float) -> str:
    return f"{px:.2f}"


def read_landmark_table(path: Path) -> tuple[PlacedPoint, ...]:
    """Read a table of points, or a template, in the order of the file.

    Raises
    ------
    InputError
        The file cannot be read, or is neither ``.csv`` nor ``.tem``.
    TableError
        A column is missing, a point is not known, stands there twice or has no number for its place.
    """
    if path.suffix.casefold() not in SUFFIXES:
        raise InputError(f"'{path.name}': points are read from {' and '.join(SUFFIXES)} files; name the file so")
    if path.suffix.casefold() == ".tem":
        from deciface.simulate.template import read_template

        whole = read_template(path)
        return tuple(PlacedPoint(i, float(whole[i, 0]), float(whole[i, 1]), i + 2) for i in FACE_POINTS)
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"'{path}' cannot be read ({reason}); give a UTF-8 CSV of points") from error
    return _read_csv(content, path.name)


def refuse_outside(points: Iterable[PlacedPoint], *, width_px: int, height_px: int, file: str) -> None:
    """Raise `TableError` for the first point that lies outside the photo."""
    for point in points:
        for column, value, size in (("x_px", point.x_px, width_px), ("y_px", point.y_px, height_px)):
            if not -_EDGE_PX <= value <= size - _EDGE_PX:
                raise TableError(
                    f"{_written(value)} lies outside the photo of {width_px} x {height_px} px; place the point on the "
                    "face, or leave it out",
                    file=file,
                    row=point.row,
                    column=column,
                )


def _read_csv(content: str, file: str) -> tuple[PlacedPoint, ...]:
    try:
        reader = csv.reader(io.StringIO(content, newline=""), strict=True)
        numbered = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise TableError(f"is no table ({error}); save it as CSV with ',' between cells", file=file) from error
    header = [cell.strip().casefold() for cell in numbered[0][1]] if numbered else []
    missing = [column for column in ("x_px", "y_px") if column not in header]
    if missing or not {"template", "name"} & set(header):
        raise TableError(
            f"missing; the first line must name {', '.join(COLUMNS)} (template or name is enough, ',' between them)",
            file=file,
            row=1,
            column=missing[0] if missing else "template",
        )
    found: dict[int, PlacedPoint] = {}
    for row, cells in numbered[1:]:
        named_cells = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        point = _point(named_cells, file, row)
        if (before := found.setdefault(point.template, point)) is not point:
            raise TableError(
                f"point {point.template} stands in row {before.row} already; keep one of them",
                file=file,
                row=row,
                column=_column_of(named_cells),
            )
    if not found:
        raise TableError("names no point; give one row for every point that is to be moved", file=file)
    return tuple(found.values())


def _column_of(cells: Mapping[str, str]) -> str:
    return "template" if cells.get("template") else "name"


def _point(cells: Mapping[str, str], file: str, row: int) -> PlacedPoint:
    def place(column: str) -> float:
        try:
            value = float(cells.get(column, ""))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise TableError(
                f"'{cells.get(column, '')[:40]}'; a number of px is needed, such as 512.25",
                file=file,
                row=row,
                column=column,
            )
        return value

    return PlacedPoint(_template(cells, file, row), place("x_px"), place("y_px"), row)


def _template(cells: Mapping[str, str], file: str, row: int) -> int:
    number, name = cells.get("template", ""), cells.get("name", "").casefold()
    if not number and not name:
        raise TableError("the row names no point; give its template number or its name", file=file, row=row)
    if name and name not in named():
        near = difflib.get_close_matches(name, named(), 1)
        meant = f"did you mean '{near[0]}'?" if near else "give its template number"
        raise TableError(f"point '{name[:40]}' is not known; {meant}", file=file, row=row, column="name")
    if not number:
        return named()[name].template
    if not number.isdecimal() or int(number) not in FACE_POINTS:
        raise TableError(
            f"'{number[:40]}'; a number from 0 to {TEMPLATE_SIZE - 1} of a point on the face is needed",
            file=file,
            row=row,
            column="template",
        )
    if name and named()[name].template != int(number):
        raise TableError(
            f"'{name}' is point {named()[name].template}, not {number}; correct one of them",
            file=file,
            row=row,
            column="name",
        )
    return int(number)
