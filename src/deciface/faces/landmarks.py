"""Points of a face by the names that anthropometry gives them, each with how sure it is.

The points are those of the 189-point London template (WebMorph; DeBruine & Jones 2017) that lie on the face; the
clinical ones among them have a name, an abbreviation (Farkas, Anthropometry of the Head and Face, 1994) and a
definition, in ``data/landmarks.csv``. Right and left are the person's own.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from deciface.errors import OptionError

TEMPLATE_SIZE = 189
_NOT_ON_THE_FACE = frozenset({*range(134, 158), 183, 184})
"""Hairline, outline of the head, neck."""
FACE_POINTS: tuple[int, ...] = tuple(i for i in range(TEMPLATE_SIZE) if i not in _NOT_ON_THE_FACE)
"""Points of the template that are placed, in their order; everything here counts in it."""

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NamedPoint:
    """A clinical point.

    Parameters
    ----------
    name
        Ends in `` right`` or `` left`` (the person's own) unless in the midline.
    abbreviation
        As Farkas writes it; empty where he has none.
    template
        Its number in the 189-point template.
    definition
        Where it lies.
    """

    name: str
    abbreviation: str
    template: int
    definition: str

    @property
    def row(self) -> int:
        """Its place among `FACE_POINTS`."""
        return FACE_POINTS.index(self.template)


@cache
def named() -> Mapping[str, NamedPoint]:
    """All clinical points by name."""
    text = (files("deciface.faces") / "data" / "landmarks.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    points = (NamedPoint(r["name"], r["abbreviation"], int(r["template"]), r["definition"]) for r in rows)
    return MappingProxyType({point.name: point for point in points})


@cache
def row_of(name: str) -> int:
    """Place of a clinical point among `FACE_POINTS`.

    Raises
    ------
    OptionError
        There is none of that name.
    """
    if name not in named():
        raise OptionError(f"point '{name}' is not known; there are {', '.join(named())}")
    return named()[name].row


@dataclass(frozen=True, eq=False)
class Landmarks:
    """The points of one face.

    Parameters
    ----------
    points_px
        (len(FACE_POINTS), 2) float64, photo_px.
    covariance_px2
        (len(FACE_POINTS), 2, 2) of each point's error; zeros for points placed by hand.
    source
        Who placed them: a model's id and hash, or a person.
    """

    points_px: Points
    covariance_px2: Points
    source: str

    def __post_init__(self) -> None:
        count = len(FACE_POINTS)
        if self.points_px.shape != (count, 2) or self.covariance_px2.shape != (count, 2, 2):
            raise OptionError(
                f"points {self.points_px.shape} and covariances {self.covariance_px2.shape}; there must be "
                f"({count}, 2) and ({count}, 2, 2)"
            )

    @classmethod
    def by_hand(cls, template_px: Points, source: str = "by hand") -> Landmarks:
        """From all 189 points of a template, placed by hand."""
        rows = np.asarray(template_px, np.float64)[list(FACE_POINTS)]
        return cls(rows, np.zeros((len(rows), 2, 2)), source)

    def point(self, name: str) -> Points:
        """A clinical point, (2,) photo_px."""
        return np.asarray(self.points_px[row_of(name)])

    def sigma_px(self, name: str) -> float:
        """How sure a clinical point is: root mean square of its error over both axes."""
        return float(np.sqrt(np.trace(self.covariance_px2[row_of(name)]) / 2))
