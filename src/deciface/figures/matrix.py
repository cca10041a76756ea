"""Pairwise matrices beside their tree: similar rows side by side, dark is near."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deciface.errors import OptionError
from deciface.space.matrices import ITSELF, PairMatrices

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

    Font = FreeTypeFont | ImageFont

Floats = NDArray[np.float64]

# One hue, falling in lightness from far to near, so that it reads in grey and with any colour vision.
_NEAR_TO_FAR = ((8, 48, 107), (33, 113, 181), (107, 174, 214), (198, 219, 239), (247, 251, 255))
_DIAGONAL = (217, 217, 217)
_INK, _FAINT = (40, 40, 40), (120, 120, 120)
_MARGIN, _GAP, _TREE = 24, 48, 110
_NUMBERS_FROM_PX, _LABELS_FROM_PX = 30, 9
_BAR = 12


@dataclass(frozen=True, eq=False)
class Panel:
    """One matrix to draw.

    Parameters
    ----------
    title
        Above it.
    shade
        (n, n) 0 nearest to 1 farthest; NaN is drawn grey.
    texts
        (n, n) what stands in a cell where there is room.
    ends
        What 0 and 1 of the shade are called in the legend.
    """

    title: str
    shade: Floats
    texts: Sequence[Sequence[str]]
    ends: tuple[str, str]


def draw_pairs(pairs: PairMatrices, *, title: str, note: str = "") -> bytes:
    """PNG of a cohort's distances and ranks in the order of their tree, both with the same rows.

    Distances are shaded from the smallest to the largest off the diagonal, ranks by their logarithm: 0, 10 and 100 of
    10,000 are worlds apart, 5,000 and 6,000 are not.
    """
    panels = (distance_panel(pairs.distances), rank_panel(pairs))
    return draw_matrices(panels, tree=pairs.tree, order=pairs.order, labels=photo_labels(pairs), title=title, note=note)


def photo_labels(pairs: PairMatrices) -> list[str]:
    """Ids of the photos, with the patient's where somebody has several and the id does not say whose it is."""
    whose = {p: pairs.patient_ids.count(p) for p in pairs.patient_ids}
    return [
        i if whose[p] == 1 or i.startswith(p) else f"{i} ({p})"
        for i, p in zip(pairs.photo_ids, pairs.patient_ids, strict=True)
    ]


def rank_panel(pairs: PairMatrices) -> Panel:
    """Shade (n, n) ranks by their logarithm, from the nearest to the last of all photos compared."""
    ranks = np.where(pairs.ranks == ITSELF, np.nan, pairs.ranks)
    top = max(1, pairs.compared - 1)
    return Panel(
        f"rank of the column's photo among {pairs.compared} others, seen from the row's",
        np.log1p(ranks) / np.log1p(top),
        [[str(r) if r != ITSELF else "" for r in row] for row in pairs.ranks.tolist()],
        ("nearest", f"rank {top}"),
    )


def distance_panel(distances: Floats) -> Panel:
    """Shade (n, n) distances from the smallest to the largest off the diagonal."""
    off = ~np.eye(len(distances), dtype=bool)
    low, high = float(distances[off].min()), float(distances[off].max())
    shade = np.where(off, (distances - low) / (high - low) if high > low else 0.5, np.nan)
    return Panel(
        "distance (mean of 1 - cosine)",
        shade,
        [
            [f"{d:.2f}".removeprefix("0") if i != j else "" for j, d in enumerate(row)]
            for i, row in enumerate(distances)
        ],
        (f"{low:.3f}", f"{high:.3f}"),
    )


def draw_matrices(
    panels: Sequence[Panel],
    *,
    tree: Floats,
    order: NDArray[np.intp],
    labels: Sequence[str],
    title: str,
    note: str = "",
) -> bytes:
    """PNG of panels side by side, rows and columns in the order of a tree, which stands above each.

    Parameters
    ----------
    panels
        At least one; all (n, n).
    tree, order
        (n - 1, 4) and (n,) as in `deciface.space.matrices.PairMatrices`.
    labels
        (n,) of the rows, in the order of the panels.
    title, note
        Above and below; no room is left for an empty one.

    Raises
    ------
    OptionError
        More than 2,000 rows: nobody could see one.
    """
    from PIL import Image, ImageDraw, ImageFont

    n = len(order)
    if n > 2_000:
        raise OptionError(f"a matrix of {n} rows cannot be seen; draw at most 2,000")
    cell = max(1, min(38, 620 // n))
    font = ImageFont.load_default(size=min(14, max(9, cell - 2)))
    plain, large = ImageFont.load_default(size=13), ImageFont.load_default(size=17)
    shown = list(labels) if cell >= _LABELS_FROM_PX else []
    beside = max((round(font.getlength(label)) for label in shown), default=0) + 10
    side = n * cell
    wide = max(side, max(round(plain.getlength(p.title)) for p in panels))
    width = 2 * _MARGIN + beside + len(panels) * wide + (len(panels) - 1) * _GAP
    width = max(width, 2 * _MARGIN + round(large.getlength(title)), 2 * _MARGIN + round(plain.getlength(note)))
    head, foot = (34 if title else 0), (30 if note else 0)
    above = _MARGIN + head + 24 + _TREE
    image = Image.new("RGB", (width, above + side + 36 + foot + _MARGIN), "white")
    draw = ImageDraw.Draw(image)
    draw.text((_MARGIN, _MARGIN), title, fill=_INK, font=large)
    for row, i in enumerate(order.tolist()):
        if shown:
            place = (_MARGIN + beside - 6, above + row * cell + cell // 2)
            draw.text(place, shown[i], fill=_INK, font=font, anchor="rm")
    for number, panel in enumerate(panels):
        left = _MARGIN + beside + number * (wide + _GAP)
        draw.text((left, _MARGIN + head), panel.title, fill=_INK, font=plain)
        _tree(draw, tree, left=left, bottom=above - 4, cell=cell)
        image.paste(_cells(panel.shade[np.ix_(order, order)], cell), (left, above))
        if cell >= _NUMBERS_FROM_PX:
            _numbers(draw, panel, order, left=left, top=above, cell=cell)
        _legend(draw, panel.ends, left=left, top=above + side + 14, font=plain)
    draw.text((_MARGIN, above + side + 44), note, fill=_FAINT, font=plain)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _colours(shade: Floats) -> NDArray[np.uint8]:
    """(...) shades -> (..., 3)."""
    stops = np.linspace(0, 1, len(_NEAR_TO_FAR))
    known = np.nan_to_num(shade, nan=0.0)
    rgb = np.stack([np.interp(known, stops, [c[channel] for c in _NEAR_TO_FAR]) for channel in range(3)], axis=-1)
    rgb[np.isnan(shade)] = _DIAGONAL
    return np.round(rgb).astype(np.uint8)


def _cells(shade: Floats, cell: int) -> Image:
    from PIL.Image import fromarray

    return fromarray(np.repeat(np.repeat(_colours(shade), cell, axis=0), cell, axis=1))


def _tree(draw: ImageDraw, tree: Floats, *, left: int, bottom: int, cell: int) -> None:
    """Branches above the columns; their height is the distance at which they join."""
    from scipy.cluster.hierarchy import dendrogram

    drawn = dendrogram(tree, no_plot=True)
    highest = max(float(tree[:, 2].max()), 1e-12)
    for xs, ys in zip(drawn["icoord"], drawn["dcoord"], strict=True):
        points = [
            (left + round(x / 10.0 * cell), bottom - round(y / highest * (_TREE - 14)))
            for x, y in zip(xs, ys, strict=True)
        ]
        draw.line(points, fill=_FAINT, width=2 if cell > 6 else 1, joint="curve")


def _numbers(draw: ImageDraw, panel: Panel, order: NDArray[np.intp], *, left: int, top: int, cell: int) -> None:
    from PIL import ImageFont

    for row, i in enumerate(order.tolist()):
        for column, j in enumerate(order.tolist()):
            text = panel.texts[i][j]
            font = ImageFont.load_default(size=11 if len(text) < 5 else 9)
            ink = (255, 255, 255) if panel.shade[i, j] < 0.4 else _INK
            place = (left + column * cell + cell // 2, top + row * cell + cell // 2)
            draw.text(place, text, fill=ink, font=font, anchor="mm")


def _legend(draw: ImageDraw, ends: tuple[str, str], *, left: int, top: int, font: Font) -> None:
    """A bar from near to far, with what its ends mean."""
    draw.text((left, top), ends[0], fill=_INK, font=font)
    start = left + round(font.getlength(ends[0])) + 8
    for x, colour in enumerate(_colours(np.linspace(0, 1, 120)).tolist()):
        draw.line([(start + x, top + 2), (start + x, top + 2 + _BAR)], fill=tuple(colour))
    draw.text((start + 128, top), ends[1], fill=_INK, font=font)
