"""Points on a face: where each lies, how sure that is, and the distances that are measured."""

from __future__ import annotations

from xml.sax.saxutils import escape

import numpy as np

from deciface.faces.landmarks import FACE_POINTS, Landmarks, Points, named
from deciface.faces.measurement_definitions import outer_canthal
from deciface.figures.chart import BLUE, ORANGE, SMALL_PX, svg_element

UNSURE = 0.02
"""A point whose sigma is more than this share of the outer-canthal distance is drawn as unsure."""
SIGMAS = 2.0
"""Ellipses hold 86 % of the errors of a normal distribution in the plane."""
SPANS = (
    ("exocanthion right", "exocanthion left"),
    ("endocanthion right", "endocanthion left"),
    ("alare right", "alare left"),
    ("subnasale", "labiale superius"),
    ("cheilion right", "cheilion left"),
    ("otobasion superius right", "otobasion superius left"),
    ("gonion right", "gonion left"),
    ("labiale inferius", "gnathion"),
)
"""Distances that are drawn."""


def points_on_face(picture: str, size_px: tuple[int, int], landmarks: Landmarks, *, name: str) -> str:
    """Draw points and their ellipses over a picture.

    Parameters
    ----------
    picture
        Data URI.
    size_px
        Width and height of the picture.
    landmarks
        In px of the picture.
    name
        Of the drawing, once on a page.

    Returns
    -------
    One ``<svg>`` element. Each named point tells its name and sigma when it is pointed at.
    """
    width, height = size_px
    points, covariance = landmarks.points_px, landmarks.covariance_px2
    unit = float(outer_canthal(points))
    by_index = {point.template: point for point in named().values()}
    parts = [f'<image href="{picture}" x="0" y="0" width="{width}" height="{height}"/>']
    for a, b in SPANS:
        (x1, y1), (x2, y2) = landmarks.point(a), landmarks.point(b)
        parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ffffff" stroke-width="1" '
            'stroke-opacity=".75" stroke-dasharray="3 3"/>'
        )
    unsure = 0
    for index, place, spread in zip(FACE_POINTS, points, covariance, strict=True):
        point = by_index.get(index)
        x, y = place
        if point is None:
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r=".9" fill="#ffffff" fill-opacity=".7"/>')
            continue
        sigma = float(np.sqrt(np.trace(spread) / 2)) / unit
        colour = ORANGE if sigma > UNSURE else BLUE
        unsure += sigma > UNSURE
        parts.append(
            f"<g>{_ellipse(place, spread, colour)}"
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.7" fill="{colour}" stroke="#ffffff" stroke-width=".7"/>'
            f"<title>{escape(point.name)}: sigma {100 * sigma:.1f} % of the outer canthal distance</title></g>"
        )
    text = (
        f"{len(by_index)} named points on the face, each with an ellipse of {SIGMAS:g} sigma; {unsure} are unsure, "
        f"with a sigma above {100 * UNSURE:g} % of the outer canthal distance."
    )
    return svg_element(
        "".join(parts),
        name=name,
        title="Points of the face",
        description=text,
        size_px=size_px,
        style=f'font-size="{SMALL_PX:g}"',
    )


def _ellipse(place: Points, spread: Points, colour: str) -> str:
    if not spread.any():
        return ""
    values, vectors = np.linalg.eigh(spread)
    (small, large), angle = SIGMAS * np.sqrt(values), np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
    return (
        f'<ellipse cx="{place[0]:.1f}" cy="{place[1]:.1f}" rx="{large:.2f}" ry="{small:.2f}" '
        f'transform="rotate({angle:.1f} {place[0]:.1f} {place[1]:.1f})" fill="{colour}" fill-opacity=".28" '
        f'stroke="{colour}" stroke-opacity=".8" stroke-width=".6"/>'
    )
