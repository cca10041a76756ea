"""The page of one measured photo: points with their confidence on the face, measurements, questions, quality."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.faces.landmarks import Landmarks
from deciface.faces.measured_face import MeasuredFace
from deciface.faces.measurement_definitions import Unit, outer_canthal
from deciface.faces.quality import Quality
from deciface.figures.landmarks import SIGMAS, UNSURE, points_on_face
from deciface.figures.measurements import z_scores
from deciface.reports.page import Head, render_page
from deciface.reports.pictures import data_uri

LIMITS = (
    "Points were learnt on simulated faces and on warped photos of healthy adults. How well they are placed on "
    "patients and on children is not known: look at them before a number is used.",
    "A z-score holds against the people whom its norm names, photographed and measured the same way, and nobody else.",
    "Several of a face's measurements are unusual by chance: of 20 independent ones, one lies beyond 2 SD.",
    "A question is no finding. Whether a feature is present is for the clinician to say, by eye and by ruler.",
    "A photo has no depth: a nose, a lip or an ear that points to the camera is measured short.",
)
_SIDE_PX = 760
_MARGIN = 0.35
"""Of the face's larger side, left around it."""


@dataclass(frozen=True, eq=False)
class MeasuredReport:
    """Everything on the page.

    Parameters
    ----------
    head
        Title, notices, provenance.
    pixels
        (h, w, 3) uint8 sRGB of the photo.
    found
        What was measured, in its px.
    quality
        Of the photo.
    """

    head: Head
    pixels: NDArray[np.uint8]
    found: MeasuredFace
    quality: Quality


def render(report: MeasuredReport, *, now: dt.datetime) -> str:
    """Render the page as one self-contained HTML document; `now` is printed as the time of the report."""
    score = {s.measured.measurement.name: s for s in report.found.scores}
    rows = []
    for one in report.found.measured:
        digits = one.measurement.unit.decimals
        beside = score.get(one.measurement.name)
        rows.append(
            {
                "name": one.measurement.name,
                "definition": one.measurement.definition,
                "value": f"{one.value:.{digits}f}",
                "se": f"{one.se:.{digits}f}",
                "unit": "°" if one.measurement.unit is Unit.DEGREES else "",
                "z": f"{beside.z:+.1f} ± {beside.se:.1f}" if beside else "",
            }
        )
    references = dict.fromkeys(
        f"{s.norm.group}; {s.norm.source}" + (f"; {s.norm.people:,} people" if s.norm.people else "")
        for s in report.found.scores
    )
    picture, landmarks = _around(report.pixels, report.found.landmarks)
    return render_page(
        "measured_photo",
        report.head,
        now=now,
        drawing=points_on_face(data_uri(picture), picture.shape[1::-1], landmarks, name="points"),
        sigmas=f"{SIGMAS:g}",
        unsure=f"{100 * UNSURE:g}",
        refused=report.found.refused,
        rows=rows,
        references=list(references),
        chart=z_scores(report.found.scores, name="z") if report.found.scores else "",
        questions=[
            {
                "term": str(q.term),
                "scores": [f"{s.measured.measurement.name}: z = {s.z:.1f} ± {s.se:.1f}" for s in q.scores],
            }
            for q in report.found.questions
        ],
        normed=bool(report.found.scores),
        scale=_scale(report.found),
        checks=report.quality.checks,
        limits=LIMITS,
    )


def _scale(found: MeasuredFace) -> str:
    if found.scale is None:
        return f"No millimetres: {found.no_scale}."
    width = float(outer_canthal(found.landmarks.points_px))
    value, se = found.scale.mm(width)
    return (
        f"By the width of the irises (11.71 mm in adults, SD 0.42) the outer canthi lie {value:.0f} ± {se:.0f} mm "
        f"apart; every length has an error of {100 * found.scale.relative_se:.1f} % from this scale alone; ratios "
        "have none."
    )


def _around(pixels: NDArray[np.uint8], landmarks: Landmarks) -> tuple[NDArray[np.uint8], Landmarks]:
    """The face with a margin, at a size that a page shows, and the points there."""
    import cv2

    low, high = landmarks.points_px.min(0), landmarks.points_px.max(0)
    side = float((high - low).max())
    h, w = pixels.shape[:2]
    x0, y0 = np.clip(np.floor(low - _MARGIN * side), 0, (w - 2, h - 2)).astype(int).tolist()
    x1, y1 = np.clip(np.ceil(high + _MARGIN * side), (x0 + 2, y0 + 2), (w, h)).astype(int).tolist()
    cut = pixels[y0:y1, x0:x1]
    scale = _SIDE_PX / max(cut.shape[:2])
    size = (max(1, round(cut.shape[1] * scale)), max(1, round(cut.shape[0] * scale)))
    picture = cv2.resize(cut, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    moved = (landmarks.points_px - [x0, y0] + 0.5) * scale - 0.5
    return np.asarray(picture, np.uint8), Landmarks(moved, landmarks.covariance_px2 * scale**2, landmarks.source)
