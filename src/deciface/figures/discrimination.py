"""How well scores tell people apart, and whether they mean what they say: ROC, confusion matrix, reliability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deciface.errors import MismatchError, OptionError
from deciface.figures.chart import (
    INK,
    LINE,
    SMALL_PX,
    SOFT,
    STYLES,
    axes_in,
    draw,
    interval_text,
    percent,
    shortened,
    width_of,
)
from deciface.stats.proportions import Interval, proportion_interval
from deciface.stats.roc import Roc

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
_COUNTS_UP_TO, _VECTORS_UP_TO, _NAMES_UP_TO, _MOST_CLASSES = 12, 20, 40, 1_000

_LEAST_SIDE, _LEAST_WIDTH = 216.0, 380.0
"""Of a matrix, in px: the name of its axis fits, and pages enlarge no chart of that width."""


@dataclass(frozen=True, eq=False)
class Band:
    """Pointwise 95 % interval of the sensitivity.

    Parameters
    ----------
    false_positive_rate, low, high
        (m,) each; rates rising.
    """

    false_positive_rate: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class RocLine:
    """One curve to draw.

    Parameters
    ----------
    label
        Whose it is.
    curve, area, interval
        The curve, the area under it and the 95 % interval of the area (None: too few to say).
    band
        Left out when None.
    mark
        A threshold in use: its false-positive rate and sensitivity.
    """

    label: str
    curve: Roc
    area: float
    interval: Interval | None = None
    band: Band | None = None
    mark: tuple[float, float] | None = None


def binomial_band(curve: Roc, *, positives: int) -> Band:
    """95 % interval of the sensitivity at every threshold, Wilson's or Clopper-Pearson's, for independent positives.

    It does not say how far the false-positive rate may be off. Positives that share people need `band_of`.
    """
    ends = np.array([proportion_interval(round(s * positives), positives) for s in curve.sensitivity.tolist()])
    # Thresholds with only positives between them share a rate: the last, with the highest sensitivity, stays.
    last = np.append(np.diff(curve.false_positive_rate) > 0, True)
    return Band(curve.false_positive_rate[last], ends[last, 0], ends[last, 1])


def band_of(curves: Sequence[Roc]) -> Band:
    """Middle 95 % of the sensitivities of resampled curves at each of 201 false-positive rates.

    Raises
    ------
    OptionError
        Fewer than 20 curves.
    """
    if len(curves) < 20:
        raise OptionError(f"{len(curves)} resampled curves; a band needs at least 20")
    rates = np.linspace(0, 1, 201)
    drawn = np.stack([np.interp(rates, c.false_positive_rate, c.sensitivity) for c in curves])
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return Band(rates, low, high)


def roc_chart(lines: Sequence[RocLine], *, name: str, positive: str = "positives", negative: str = "negatives") -> str:
    """Sensitivity against the false-positive rate, with bands, areas in the legend, and chance as a thin diagonal.

    Parameters
    ----------
    lines
        One to four.
    positive, negative
        What is called so, for the names of the axes.

    Raises
    ------
    OptionError
        No curve, or more than can be told apart.
    """
    if not 1 <= len(lines) <= len(STYLES):
        raise OptionError(f"{len(lines)} ROC curves; one chart shows 1 to {len(STYLES)}")
    said = [f"{line.label}: AUC {line.area:.3f}{_ends(line.interval)}" for line in lines]

    def paint(figure: Figure) -> None:
        axes = axes_in(figure, left=62, top=12, width=300, height=300)
        axes.plot([0, 1], [0, 1], color=LINE, linewidth=1)
        for line, text, (colour, dashes, marker) in zip(lines, said, STYLES, strict=False):
            if line.band is not None:
                where, low, high = line.band.false_positive_rate, line.band.low, line.band.high
                axes.fill_between(where, low, high, color=colour, alpha=0.13, linewidth=0)
            x, y = line.curve.false_positive_rate, line.curve.sensitivity
            axes.plot(x, y, color=colour, linestyle=dashes, linewidth=1.9, label=shortened(text, 60))
            if line.mark is not None:
                axes.plot(*([v] for v in line.mark), marker=marker, color=colour, markersize=8, clip_on=False)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set_xlabel(f"false-positive rate, of {negative}")
        axes.set_ylabel(f"sensitivity, of {positive}")
        axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.15), frameon=False, fontsize=SMALL_PX, handlelength=2.6)

    marked = [
        f"{line.label}, threshold in use: sensitivity {percent(line.mark[1])}, false positives {percent(line.mark[0])}"
        for line in lines
        if line.mark is not None
    ]
    description = ". ".join([*said, *marked]) + "."
    return draw(
        paint,
        name=name,
        title="Receiver operating characteristic",
        description=description,
        width_px=400,
        height_px=364 + 18 * len(lines),
    )


def _ends(interval: Interval | None) -> str:
    return "" if interval is None else f" (95 % {interval[0]:.3f}–{interval[1]:.3f})"


def confusion_chart(counts: NDArray[np.intp], classes: Sequence[str], *, name: str, unit: str = "patients") -> str:
    """True classes in rows, first-ranked ones in columns; a cell has its count, its shade and the share of its row.

    Counts are written up to 12 classes, names up to 40; beyond that the shade alone shows where they go.

    Raises
    ------
    MismatchError
        Counts that are not (classes, classes).
    OptionError
        More than 1,000 classes.
    """
    n = len(classes)
    if counts.shape != (n, n):
        raise MismatchError(f"counts {counts.shape} for {n} classes; give (classes, classes)")
    if n > _MOST_CLASSES:
        raise OptionError(f"a matrix of {n} classes cannot be seen; draw at most {_MOST_CLASSES:,}")
    totals = counts.sum(axis=1)
    shares = np.divide(counts, totals[:, None], out=np.zeros(counts.shape), where=totals[:, None] > 0)
    cell = float(max(1.0, min(max(56, _LEAST_SIDE / n), 440 / n)))
    names = [shortened(c, 30) for c in classes] if n <= _NAMES_UP_TO else []
    size = min(SMALL_PX, max(7.0, cell - 2))
    beside = max((width_of(text, size) for text in names), default=0) + 34
    level = max((width_of(text, size) for text in names), default=0) + 12
    side = n * cell

    def paint(figure: Figure) -> None:
        axes = axes_in(figure, left=beside, top=level + 22, width=side, height=side, grid=None, box=True)
        axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1.25, rasterized=n > _VECTORS_UP_TO)
        axes.set(xlim=(0, n), ylim=(n, 0))
        axes.xaxis.set_label_position("top")
        axes.xaxis.tick_top()
        places = [i + 0.5 for i in range(len(names))]
        axes.set_xticks(places, names, rotation=90, fontsize=size)
        axes.set_yticks(places, names, fontsize=size)
        axes.set_xlabel("first in the list", labelpad=6)
        axes.set_ylabel("truth (shade: share of the row)", labelpad=6)
        if n <= _COUNTS_UP_TO:
            for (row, column), count in np.ndenumerate(counts):
                share = shares[row, column]
                ink = "white" if share > 0.8 else (INK if count else LINE)
                at = (column + 0.5, row + (0.38 if count and cell > 36 else 0.5))
                axes.text(*at, f"{count}", ha="center", va="center", color=ink, fontsize=12)
                if count and cell > 36:
                    axes.text(at[0], row + 0.72, percent(share), ha="center", va="center", color=ink, fontsize=9)

    return draw(
        paint,
        name=name,
        title="Confusion matrix",
        description=_confused(counts, classes, unit),
        width_px=max(_LEAST_WIDTH, beside + side + 14),
        height_px=level + 22 + side + 10,
    )


def _confused(counts: NDArray[np.intp], classes: Sequence[str], unit: str) -> str:
    """What stands on the diagonal, and the most frequent mistakes."""
    right, total = int(np.trace(counts)), int(counts.sum())
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:5]
    most = [
        f"{classes[i]} taken for {classes[j]} {wrong[i, j]} times"
        for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[i, j]
    ]
    said = f"{right} of {total} {unit} have their own class first."
    return f"{said} Most frequent mistakes: {'; '.join(most)}." if most else said


@dataclass(frozen=True)
class ReliabilityBin:
    """People with similar scores: their mean score, the share that the score was right for, and its 95 % interval."""

    score: float
    share: float
    interval: Interval
    people: int


def reliability_bins(scores: Floats, right: NDArray[np.bool_], *, bins: int = 10) -> tuple[ReliabilityBin, ...]:
    """Sort people by score into groups of equal size and count; O(n log n).

    Parameters
    ----------
    scores, right
        (n,) each: a probability, and whether what it is the probability of came true; one row a patient.
    bins
        At most so many; fewer where a group would have fewer than 5 people. Equal scores are never divided.

    Raises
    ------
    MismatchError
        Sizes that differ, nobody, or scores outside 0 to 1.
    """
    if scores.shape != right.shape or scores.ndim != 1 or not len(scores):
        raise MismatchError(f"scores {scores.shape}, outcomes {right.shape}; give (n,) of each, one a patient")
    if not (np.isfinite(scores).all() and scores.min() >= 0 and scores.max() <= 1):
        raise MismatchError("a score is no probability; all must lie from 0 to 1")
    order = np.argsort(scores, kind="stable")
    ranked, true = scores[order], right[order]
    groups = max(1, min(bins, len(scores) // 5))
    asked = np.linspace(0, len(scores), groups + 1).round().astype(int)[1:-1]
    cuts = sorted({int(np.searchsorted(ranked, ranked[at], side="left")) for at in asked.tolist()} - {0})
    found = []
    for members in np.split(np.arange(len(scores)), cuts):
        hits, of = int(true[members].sum()), len(members)
        found.append(ReliabilityBin(float(ranked[members].mean()), hits / of, proportion_interval(hits, of), of))
    return tuple(found)


def reliability_chart(bins: Sequence[ReliabilityBin], *, name: str, event: str = "it was right") -> str:
    """Share that came true against the mean score, with intervals; a calibrated score lies on the diagonal.

    Raises
    ------
    OptionError
        No bin.
    """
    if not bins:
        raise OptionError("nobody to draw; give the reliability of at least one group of people")
    most = max(b.people for b in bins)

    def paint(figure: Figure) -> None:
        axes = axes_in(figure, left=62, top=12, width=300, height=300)
        colour = STYLES[0][0]
        axes.plot([0, 1], [0, 1], color=LINE, linewidth=1)
        for b in bins:
            axes.plot([b.score] * 2, b.interval, color=colour, linewidth=1.6)
        axes.plot([b.score for b in bins], [b.share for b in bins], color=colour, linewidth=1, alpha=0.5)
        sizes = [16 + 60 * b.people / most for b in bins]
        axes.scatter([b.score for b in bins], [b.share for b in bins], s=sizes, color=colour, zorder=3, clip_on=False)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set_xlabel("mean score of the group")
        axes.set_ylabel(f"share in which {event}")
        axes.text(0.98, 0.02, "diagonal: calibrated", color=SOFT, fontsize=SMALL_PX, ha="right")

    said = "; ".join(
        f"score {b.score:.2f}: {percent(b.share)}{interval_text(b.interval)} of {b.people} people" for b in bins
    )
    return draw(
        paint,
        name=name,
        title="Reliability of scores",
        description=f"Share in which {event}. {said}.",
        width_px=400,
        height_px=362,
    )
