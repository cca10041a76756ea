"""Measurements beside their norms: z-scores with their error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deciface.faces.norms import ZScore
from deciface.faces.questions import UNUSUAL_Z
from deciface.figures.chart import BLUE, GREY, GRID, ORANGE, axes_in, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW, _LEFT, _TOP, _BELOW, _WIDTH = 22, 290, 10, 46, 640
_REACH = 5.0


def z_scores(scores: Sequence[ZScore], *, name: str) -> str:
    """One line a measurement: z and its 95 % interval, the span of ordinary faces shaded.

    Raises
    ------
    ValueError
        Without scores.
    """
    if not scores:
        raise ValueError("no z-scores to draw")
    height = _TOP + _ROW * len(scores) + _BELOW

    def paint(figure: Figure) -> None:
        axes = axes_in(figure, left=_LEFT, top=_TOP, width=_WIDTH - _LEFT - 16, height=_ROW * len(scores), grid=None)
        axes.axvspan(-UNUSUAL_Z, UNUSUAL_Z, color=GRID, linewidth=0)
        axes.axvline(0, color=GREY, linewidth=1)
        for row, score in enumerate(scores):
            z = min(_REACH, max(-_REACH, score.z))
            colour = ORANGE if abs(score.z) >= UNUSUAL_Z else BLUE
            low, high = (min(_REACH, max(-_REACH, score.z + k * 1.96 * score.se)) for k in (-1, 1))
            axes.plot([low, high], [row, row], color=colour, linewidth=1.6)
            axes.plot([z], [row], "o", color=colour, markersize=5.5)
        axes.set_yticks(range(len(scores)), [s.measured.measurement.name for s in scores])
        axes.set_ylim(len(scores) - 0.5, -0.5)
        axes.set_xlim(-_REACH - 0.2, _REACH + 0.2)
        axes.set_xlabel(f"z (shaded: within {UNUSUAL_Z:g}; beyond {_REACH:g} at the edge)")

    return draw(
        paint,
        name=name,
        title="Measurements beside their norms",
        description="; ".join(f"{s.measured.measurement.name}: z {s.z:.1f} +- {s.se:.1f}" for s in scores),
        width_px=_WIDTH,
        height_px=height,
    )
