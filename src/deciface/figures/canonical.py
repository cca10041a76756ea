"""Drawings on the canonical face: outlines, and how one shape differs from another.

Every room that says where faces differ draws it here.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from deciface.faces.landmarks import FACE_POINTS, Points, named
from deciface.figures.chart import BLUE, GREY, INK, ORANGE, SMALL_PX, SOFT, svg_element

OUTLINES: tuple[tuple[int, ...], ...] = (
    (2, 3, 4, 5, 6, 7, 8, 9, 2),
    (10, 11, 12, 13, 14, 15, 16, 17, 10),
    (18, 19, 20, 21, 22),
    (23, 24, 25, 26, 27),
    (18, 28, 29, 30, 22),
    (23, 31, 32, 33, 27),
    (50, 51, 52, 53, 54, 55),
    (56, 57, 58, 59, 60, 55),
    (61, 62, 63, 64, 65, 179, 180, 55),
    (66, 67, 68, 69, 70, 182, 181, 55),
    (71, 72, 73, 74, 75, 76),
    (77, 78, 79, 80, 81, 82),
    (71, 83, 84, 76),
    (77, 85, 86, 82),
    (87, 88, 89, 90, 91, 92, 93),
    (87, 94, 95, 96, 97, 98, 93),
    (87, 99, 100, 101, 102, 103, 93),
    (87, 104, 105, 106, 107, 108, 93),
    (109, 115, 116, 117, 118, 119, 111),
    (112, 120, 121, 122, 123, 124, 114),
    (111, 125, 126, 127, 128, 129, 130, 131, 132, 133, 114),
    (170, 171),
    (172, 173),
)
"""Lines between the points of the London template that are drawn."""
_ROW = {index: row for row, index in enumerate(FACE_POINTS)}
_UNIT_PX = 200.0
_MARGIN = 0.08
_LEGEND_PX = 58


def shape_difference(
    one: Points,
    other: Points,
    *,
    name: str,
    names: tuple[str, str],
    magnified: float = 1.0,
    told: NDArray[np.bool_] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """Draw one mean shape, another over it, and where its points have moved.

    Parameters
    ----------
    one, other
        (len(FACE_POINTS), 2) in the eye frame, y down, unit the outer-canthal distance.
    name
        Of the drawing, once on a page.
    names
        What the two shapes are called.
    magnified
        The other shape is drawn so many times as far from the first as it is.
    told
        Points whose difference is more than chance: their arrows are drawn. All when left out.
    notes
        Lines below the legend.

    Returns
    -------
    One ``<svg>`` element.
    """
    drawn = one + magnified * (other - one)
    marked = np.ones(len(one), bool) if told is None else told
    seen = np.concatenate([shape[[_ROW[i] for line in OUTLINES for i in line]] for shape in (one, drawn)])
    (left, top), (right, bottom) = seen.min(0) - _MARGIN, seen.max(0) + _MARGIN
    width, height = round((right - left) * _UNIT_PX), round((bottom - top) * _UNIT_PX)

    def px(points: Points) -> Points:
        return np.asarray((points - (left, top)) * _UNIT_PX)

    parts = [_lines(px(one), GREY, 1.6), _lines(px(drawn), BLUE, 1.3)]
    by_index = {point.template: point.name for point in named().values()}
    for index, a, b, move, shown in zip(FACE_POINTS, px(one), px(drawn), other - one, marked, strict=True):
        if index in by_index and shown:
            size = 100 * float(np.hypot(*move))
            text = f"{by_index[index]}: {size:.1f} % of the outer canthal distance"
            parts.append(f"<g>{_arrow(a, b)}<title>{escape(text)}</title></g>")
    times = f", difference drawn {magnified:g} times as large" if magnified != 1 else ""
    legend = [
        f'<line x1="12" y1="{height + 14}" x2="40" y2="{height + 14}" stroke="{GREY}" stroke-width="2"/>'
        f'<text x="48" y="{height + 18}" fill="{INK}">{escape(names[0])}</text>',
        f'<line x1="12" y1="{height + 32}" x2="40" y2="{height + 32}" stroke="{BLUE}" stroke-width="2"/>'
        f'<text x="48" y="{height + 36}" fill="{INK}">{escape(names[1])}{times}</text>',
        *(
            f'<text x="12" y="{height + 54 + 16 * k}" fill="{SOFT}">{escape(note)}</text>'
            for k, note in enumerate(notes)
        ),
    ]
    whole = height + _LEGEND_PX + 16 * len(notes)
    number = int(sum(marked[_ROW[i]] for i in by_index))
    text = f"{names[1]} over {names[0]}{times}; {number} of {len(by_index)} named points have an arrow."
    return svg_element(
        "".join([*parts, *legend]),
        name=name,
        title=f"{names[0]} and {names[1]}",
        description=text,
        size_px=(width, whole),
        style=f'font-size="{SMALL_PX:g}"',
    )


def _lines(points: Points, colour: str, width: float) -> str:
    paths = []
    for outline in OUTLINES:
        places = [points[_ROW[i]] for i in outline]
        paths.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places))
    return f'<path d="{"".join(paths)}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _arrow(start: Points, end: Points) -> str:
    gap = end - start
    length = float(np.hypot(*gap))
    line = (
        f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" stroke="{ORANGE}" '
        'stroke-width="1.6"/>'
    )
    if length < 3:
        return f'{line}<circle cx="{end[0]:.1f}" cy="{end[1]:.1f}" r="1.6" fill="{ORANGE}"/>'
    along = gap / length
    across = np.array([-along[1], along[0]])
    head = min(6.0, length)
    corners = [end, end - head * along + 0.45 * head * across, end - head * along - 0.45 * head * across]
    return f'{line}<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in corners)}" fill="{ORANGE}"/>'
