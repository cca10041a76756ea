"""The page of an average face: the mean of a cohort, of another, and where their shapes differ."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.faces.landmarks import Points, named
from deciface.figures.canonical import shape_difference
from deciface.reports.page import Head, render_page
from deciface.reports.pictures import data_uri

LIMITS = (
    "A mean hides how people differ from it: nobody need look like it, nor a patient like the mean of their disorder.",
    "Cohorts that differ in age, sex, ancestry, expression or camera differ in their means for these reasons too.",
    "The picture shows everybody in one shape; how the shapes differ is in the drawing below it, not in the picture.",
    "Points were learnt on simulated faces and on warped photos of healthy adults; their error on patients and on "
    "children is not known.",
)


@dataclass(frozen=True, eq=False)
class Cohort:
    """A cohort: name, people, mean shape in the eye frame, mean picture, and who was left out and why."""

    name: str
    people: int
    mean: Points
    picture: NDArray[np.uint8]
    left_out: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class AverageReport:
    """Everything on the page.

    Parameters
    ----------
    head
        Title, notices, provenance.
    cohorts
        The cohort, and whom it is compared with.
    moved, p, draws
        Of two: (points, 2) the first mean minus the second, (points,) corrected p, and from how many draws.
    magnified, level
        How the difference is drawn, and up to which p it is told.
    """

    head: Head
    cohorts: tuple[Cohort, ...]
    moved: Points | None
    p: NDArray[np.float64] | None
    draws: int
    magnified: float
    level: float


def render(report: AverageReport, *, now: dt.datetime) -> str:
    """Render the page as one self-contained HTML document; `now` is printed as the time of the report."""
    drawing, rows, told = "", [], 0
    if report.moved is not None and report.p is not None:
        one, other = report.cohorts
        marked = report.p <= report.level
        drawing = shape_difference(
            other.mean,
            one.mean,
            name="difference",
            names=(f"{other.name} ({other.people} people)", f"{one.name} ({one.people} people)"),
            magnified=report.magnified,
            told=marked,
        )
        told = sum(bool(marked[point.row]) for point in named().values())
        for name, point in named().items():
            x, y = 100 * report.moved[point.row]
            rows.append((float(report.p[point.row]), -float(np.hypot(x, y)), name, x, y))
    return render_page(
        "average_face",
        report.head,
        now=now,
        cohorts=[
            {
                "name": c.name,
                "people": c.people,
                "uri": data_uri(_larger(c.picture), quality=92),
                "left_out": c.left_out[:10],
                "more": max(0, len(c.left_out) - 10),
            }
            for c in report.cohorts
        ],
        drawing=drawing,
        told=told,
        points=len(named()),
        draws=report.draws,
        level=report.level,
        rows=[
            {"name": name, "x": f"{x:+.1f}", "y": f"{y:+.1f}", "size": f"{-size:.1f}", "p": _p(p)}
            for p, size, name, x, y in sorted(rows)
        ],
        limits=LIMITS,
    )


def _p(p: float) -> str:
    return f"{p:.4f}".lstrip("0") if p < 1 else "1"


def _larger(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    return np.asarray(cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)
