"""How a training went: loss and measures by epoch, with stages and the epoch that was kept."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from deciface.errors import OptionError
from deciface.figures.chart import BLUE, INK, ORANGE, SMALL_PX, SOFT, STYLES, axes_in, draw, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHARE = "share"
_MOST_MEASURES = len(STYLES)
_LEFT, _WIDTH, _HEIGHT = 78.0, 382.0, 118.0
_LEGEND: Any = {
    "loc": "upper center",
    "bbox_to_anchor": (0.5, -0.36),
    "ncols": 2,
    "frameon": False,
    "fontsize": SMALL_PX,
    "handlelength": 2.6,
}


class EpochPoint(Protocol):
    """One epoch (`deciface.training.loop.Epoch`); `number` counts from 1 over all stages."""

    @property
    def number(self) -> int:
        """From 1."""
        ...

    @property
    def stage(self) -> str:
        """Name of its stage."""
        ...

    @property
    def loss(self) -> float:
        """Mean over the training photos."""
        ...

    @property
    def measures(self) -> Mapping[str, float]:
        """On the people who choose the epoch."""
        ...

    @property
    def best(self) -> bool:
        """Whether its score was the best so far."""
        ...


def kept_epoch(epochs: Sequence[EpochPoint]) -> EpochPoint | None:
    """The epoch whose weights were kept: the last that was the best so far; None where none is marked."""
    return next((epoch for epoch in reversed(epochs) if epoch.best), None)


def training_curves(
    epochs: Sequence[EpochPoint], *, name: str, measures: Sequence[str] = (), unit: str = "score"
) -> str:
    """Loss above, measures below, one x axis; stages are shaded in turn and the epoch that was kept is marked.

    Parameters
    ----------
    epochs
        At least one, in order.
    name
        Of the chart, once on a page.
    measures
        Which to draw, at most four; the first four of the last epoch when left out.
    unit
        Of the measures, for the axis: "share". Shares are drawn from 0 to 1.

    Raises
    ------
    OptionError
        No epoch, or more measures than can be told apart.
    """
    if not epochs:
        raise OptionError("no epoch was trained; give the curves of at least one")
    shown = list(measures) or list(epochs[-1].measures)[:_MOST_MEASURES]
    if len(shown) > _MOST_MEASURES:
        raise OptionError(f"{len(shown)} measures in one chart; give at most {_MOST_MEASURES}")
    best = kept_epoch(epochs)

    def paint(figure: Figure) -> None:
        from matplotlib.ticker import MaxNLocator

        above = axes_in(figure, left=_LEFT, top=26, width=_WIDTH, height=_HEIGHT)
        below = axes_in(figure, left=_LEFT, top=26 + _HEIGHT + 22, width=_WIDTH, height=_HEIGHT)
        _shade_stages((above, below), epochs)
        _line(above, [(e.number, e.loss) for e in epochs], style=(INK, "-", "o"))
        for measure, style in zip(shown, STYLES, strict=False):
            points = [(e.number, e.measures[measure]) for e in epochs if measure in e.measures]
            _line(below, points, style=style, label=shortened(measure))
        for axes in (above, below):
            axes.set_xlim(epochs[0].number - 0.5, epochs[-1].number + 0.5)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True, min_n_ticks=1))
            if best is not None:
                axes.axvline(best.number, color=SOFT, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
        above.set_xticklabels([])
        above.set_ylabel("training loss\n(per photo)")
        above.set_ylim(bottom=min(0.0, *(e.loss for e in epochs)))
        below.set_ylabel(f"choosing people\n({unit})")
        if unit == SHARE:
            below.set_ylim(-0.02, 1.02)
        below.set_xlabel("epoch" if best is None else f"epoch (dashed: {best.number}, the one that was kept)")
        if shown:
            below.legend(**_LEGEND)

    height = 26 + 2 * _HEIGHT + 22 + 52 + 19 * ((len(shown) + 1) // 2)
    said = _in_words(epochs, shown, best)
    return draw(paint, name=name, title="Training curves", description=said, height_px=height)


def _line(
    axes: Axes, points: Sequence[tuple[int, float]], *, style: tuple[str, object, str], label: str | None = None
) -> None:
    colour, dashes, marker = style
    axes.plot(
        [x for x, _ in points],
        [y for _, y in points],
        color=colour,
        linestyle=dashes,
        linewidth=1.8,
        marker=marker if len(points) <= 40 else None,
        markersize=3.5,
        label=label,
    )


def _shade_stages(panels: Sequence[Axes], epochs: Sequence[EpochPoint]) -> None:
    """A wash behind every second stage, and the names above."""
    runs = [(stage, [e.number for e in run]) for stage, run in itertools.groupby(epochs, key=lambda e: e.stage)]
    if len(runs) < 2:
        return
    total = epochs[-1].number - epochs[0].number + 1
    for place, (stage, numbers) in enumerate(runs):
        low, high = numbers[0] - 0.5, numbers[-1] + 0.5
        for axes in panels:
            axes.axvspan(low, high, color=BLUE if place % 2 == 0 else ORANGE, alpha=0.06, linewidth=0, zorder=0)
        fits = int((high - low) / total * _WIDTH / (0.6 * SMALL_PX))
        text = shortened(stage, fits) if fits >= 3 else ""
        panels[0].annotate(
            text,
            ((low + high) / 2, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            color=SOFT,
            fontsize=SMALL_PX,
        )


def _in_words(epochs: Sequence[EpochPoint], shown: Sequence[str], best: EpochPoint | None) -> str:
    stages = ", ".join(dict.fromkeys(e.stage for e in epochs))
    said = [
        f"{len(epochs)} epochs in stages {stages}; training loss from {epochs[0].loss:.3g} to {epochs[-1].loss:.3g}."
    ]
    if best is not None:
        values = ", ".join(f"{m} {best.measures[m]:.3g}" for m in shown if m in best.measures)
        said.append(f"Epoch {best.number} was kept{': ' + values if values else ''}.")
    return " ".join(said)
