"""Millimetres from the width of the iris, where it may be had.

The visible iris of adults is 11.71 mm wide, SD 0.42 (Rufer, Schroder & Erb 2005, Cornea 24:259): a scale with an error
of 3.6 % before anything is measured. Young children's is smaller, so that nothing is given in millimetres for them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deciface.errors import InputError
from deciface.faces.landmarks import FACE_POINTS, Landmarks

IRIS_MM, IRIS_SD_MM = 11.71, 0.42
LEAST_AGE_YEARS = 7.0
_EDGES = ((4, 8), (12, 16))
"""Template points at the two sides of each iris."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Millimetres a photo px, and the standard error of that as a share of it."""

    mm_per_px: float
    relative_se: float

    def mm(self, length_px: float, se_px: float = 0.0) -> tuple[float, float]:
        """A length and its standard error, both in mm."""
        value = length_px * self.mm_per_px
        return value, float(np.hypot(value * self.relative_se, se_px * self.mm_per_px))


def iris_scale(landmarks: Landmarks, *, age_years: float | None) -> Scale:
    """Scale of a photo by both irises.

    Raises
    ------
    InputError
        Age below `LEAST_AGE_YEARS` or not known, or irises that differ in width by more than a fifth.
    """
    if age_years is None or not age_years >= LEAST_AGE_YEARS:
        given = "an unknown age" if age_years is None else f"{age_years:g} years"
        raise InputError(
            f"no millimetres at {given}: the iris is the scale, and is of adult width from {LEAST_AGE_YEARS:g} years "
            "on; use the ratios"
        )
    rows = [[FACE_POINTS.index(i) for i in pair] for pair in _EDGES]
    gaps = np.array([landmarks.points_px[b] - landmarks.points_px[a] for a, b in rows])
    widths = np.hypot(*gaps.T)
    if widths.min() <= 0 or widths.max() / widths.min() > 1.2:
        raise InputError(
            f"the irises are {widths[0]:.1f} and {widths[1]:.1f} px wide; they must be alike to be a scale: "
            "take a photo from the front, or correct the points"
        )
    variance = 0.0
    for (a, b), gap, width in zip(rows, gaps, widths, strict=True):
        along = gap / width
        both = landmarks.covariance_px2[a] + landmarks.covariance_px2[b]
        variance += float(along @ both @ along) / 4
    mean = float(widths.mean())
    return Scale(IRIS_MM / mean, float(np.hypot(IRIS_SD_MM / IRIS_MM, np.sqrt(variance) / mean)))
