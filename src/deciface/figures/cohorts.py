"""Distances of cohorts: against random groups of the same size, against pairs of known cohorts, and as a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deciface.errors import OptionError
from deciface.figures.chart import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PALE,
    SMALL_PX,
    SOFT,
    WIDTH_PX,
    axes_in,
    draw,
    shortened,
    width_of,
)
from deciface.stats.proportions import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
_LEFT, _WIDTH = 60.0, 406.0
_MOST_LEAVES, _NAMES_UP_TO, _WORDS_UP_TO = 2_000, 150, 60
_UNSURE = "#e9d9b8"


def null_chart(null: Floats, *, name: str, observed: float, share: float, size: int) -> str:
    """Mean distances of random groups, the middle 95 % of them in a darker shade, and where the cohort is.

    Parameters
    ----------
    null
        (m,) mean distance of every random group.
    observed, share
        That of the cohort, and the share (0 to 1) of groups that are at least as alike.
    size
        Patients in a group.

    Raises
    ------
    OptionError
        No random groups.
    """
    if not len(null):
        raise OptionError("no random group was drawn; give the distances of at least one")
    low, high = np.quantile(null, [0.025, 0.975]).tolist()
    ends = min(float(null.min()), observed), max(float(null.max()), observed)
    room = 0.04 * (ends[1] - ends[0]) or 0.05

    def paint(figure: Figure) -> None:
        axes = axes_in(figure, left=_LEFT, top=32, width=_WIDTH, height=180, grid="y")
        counts, edges = np.histogram(null, bins=_bins(len(null)))
        middle = (edges[:-1] + edges[1:]) / 2
        colours = np.where((middle >= low) & (middle <= high), BLUE, PALE).tolist()
        axes.bar(middle, counts, width=0.94 * (edges[1] - edges[0]), color=colours)
        axes.axvline(observed, color=ORANGE, linewidth=2.4)
        axes.set(xlim=(ends[0] - room, ends[1] + room), ylim=(0, counts.max() * 1.06))
        _counted(axes, "groups")
        axes.set_xlabel(f"mean pairwise distance of {size} patients")
        _flag(axes, observed, f"this cohort {observed:.4f}, {_share(share)} as alike", ORANGE, rise=9)

    said = (
        f"Random groups of {size} patients have a median of {np.median(null):.4f} and 95 % of them lie from {low:.4f} "
        f"to {high:.4f}. The cohort is at {observed:.4f}; {_share(share)} of {len(null):,} groups are as alike."
    )
    return draw(paint, name=name, title="The cohort among random groups", description=said, height_px=262)


def _counted(axes: Axes, what: str) -> None:
    """A y axis of whole numbers."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True, min_n_ticks=2))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_ylabel(what)


def _bins(groups: int) -> int:
    return int(min(60, max(6, round(2 * groups ** (1 / 3)))))


def _share(share: float) -> str:
    return f"{100 * share:.3g} %"


def _flag(axes: Axes, x: float, text: str, colour: str, *, rise: float) -> None:
    """A word above a vertical line, on the side where there is room."""
    left, right = axes.get_xlim()
    side = "left" if (x - left) / (right - left) < 0.6 else "right"
    axes.annotate(
        text,
        (x, 1),
        xycoords=("data", "axes fraction"),
        xytext=(4 if side == "left" else -4, rise),
        textcoords="offset points",
        ha=side,
        va="center",
        color=colour,
        fontsize=SMALL_PX,
        fontweight="bold" if colour == ORANGE else "normal",
    )
    axes.annotate(
        "",
        (x, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, rise + 6),
        textcoords="offset points",
        arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 1, "shrinkA": 0, "shrinkB": 0},
    )


def controls_chart(
    distances: Floats,
    different: NDArray[np.bool_],
    *,
    name: str,
    observed: float,
    threshold: float | None = None,
    interval: Interval | None = None,
) -> str:
    """Distances of pairs of cohorts of one disorder (above) and of two (below), and the pair that is asked about.

    Parameters
    ----------
    distances, different
        (n,) each, of the control pairs.
    observed
        Distance across the two cohorts in question.
    threshold, interval
        Distance that parts one disorder from two best, and its 95 % interval, which is shaded. They describe the
        gallery; the verdict does not come from them (`deciface.space.lumping`).

    Raises
    ------
    OptionError
        No control pairs.
    """
    if not len(distances):
        raise OptionError("no control pair; two cohorts are compared with at least one pair of known ones")
    low, high = min(float(distances.min()), observed), max(float(distances.max()), observed)
    room = 0.04 * (high - low) or 0.05
    edges = np.linspace(float(distances.min()), float(distances.max()) + 1e-9, 41).tolist()
    kinds = ((distances[~different], "one disorder", BLUE), (distances[different], "two disorders", GREY))

    def paint(figure: Figure) -> None:
        for place, (theirs, text, colour) in enumerate(kinds):
            axes = axes_in(figure, left=_LEFT, top=44 + place * 92, width=_WIDTH, height=84, grid="y")
            if interval is not None:
                axes.axvspan(*interval, color=_UNSURE, alpha=0.6, linewidth=0)
            if threshold is not None:
                axes.axvline(threshold, color=SOFT, linewidth=1.3, linestyle=(0, (4, 3)))
            axes.hist(theirs, bins=edges, color=colour, rwidth=0.94)
            axes.axvline(observed, color=ORANGE, linewidth=2.4)
            axes.set(xlim=(low - room, high + room), ylim=(0, axes.get_ylim()[1] * 1.35))  # room for the words
            _counted(axes, "pairs")
            said = f"{text}, {len(theirs):,} pairs"
            axes.text(0.99, 0.95, said, transform=axes.transAxes, ha="right", va="top", fontsize=SMALL_PX, color=INK)
        above, below = figure.axes
        above.set_xticklabels([])
        below.set_xlabel("mean distance across two cohorts")
        _flag(above, observed, f"these two cohorts {observed:.4f}", ORANGE, rise=20)
        if threshold is not None:
            _flag(above, threshold, f"threshold {threshold:.4f}", SOFT, rise=5)

    words = [f"The two cohorts are {observed:.4f} apart."]
    words += [f"{len(d)} pairs of {text} have a median of {np.median(d):.4f}." for d, text, _ in kinds if len(d)]
    if threshold is not None and interval is not None:
        words.append(f"The threshold is {threshold:.4f}, 95 % interval {interval[0]:.4f} to {interval[1]:.4f}.")
    return draw(
        paint, name=name, title="Two cohorts among pairs of known ones", description=" ".join(words), height_px=266
    )


def tree_chart(
    tree: Floats,
    labels: Sequence[str],
    *,
    name: str,
    cut: float | None = None,
    groups: Mapping[str, int] | None = None,
) -> str:
    """Dendrogram lying on its side, one row a leaf; branches that join below the cut are coloured.

    Parameters
    ----------
    tree
        (n - 1, 4) as scipy writes it.
    labels
        (n,) names of the leaves.
    cut
        Distance at which the tree was cut.
    groups
        Numbers of the clusters by label, written behind their names.

    Raises
    ------
    OptionError
        More than 2,000 leaves, or labels that are not one a leaf.
    """
    from scipy.cluster.hierarchy import dendrogram

    n = len(labels)
    if n != len(tree) + 1 or n > _MOST_LEAVES:
        raise OptionError(f"{n} labels for a tree of {len(tree) + 1} leaves; give one a leaf, at most {_MOST_LEAVES:,}")
    drawn = dendrogram(tree, no_plot=True)
    leaves = [labels[i] for i in drawn["leaves"] or []]
    known = groups or {}
    texts = [f"{shortened(leaf, 24)}{f'  [{known[leaf]}]' if leaf in known else ''}" for leaf in leaves]
    named = n <= _NAMES_UP_TO
    side = n * (18.0 if named else max(1.0, 1_400 / n))
    beside = max(map(width_of, texts)) + 12 if named else 12.0
    highest = float(tree[:, 2].max()) or 1.0

    def paint(figure: Figure) -> None:
        axes = axes_in(figure, left=16, top=24, width=WIDTH_PX - beside - 16, height=side, grid="x")
        axes.spines["left"].set_visible(False)
        for across, joined in zip(drawn["icoord"], drawn["dcoord"], strict=True):
            below = cut is not None and max(joined) <= cut
            # scipy puts leaf i at 10 i + 5.
            axes.plot(
                joined, [x / 10.0 for x in across], color=BLUE if below else GREY, linewidth=2.0 if below else 1.2
            )
        if cut is not None:
            axes.axvline(cut, color=ORANGE, linewidth=1.6, linestyle=(0, (4, 3)))
        axes.set(xlim=(max(highest, cut or 0) * 1.04, 0), ylim=(n, 0))
        axes.yaxis.tick_right()
        axes.set_yticks([i + 0.5 for i in range(n)] if named else [], texts if named else [])
        axes.tick_params(axis="y", labelcolor=INK)
        axes.set_xlabel("distance at which branches join")
        if cut is not None:
            _flag(axes, cut, f"cut at {cut:.3f}", ORANGE, rise=10)

    words = [f"Average-linkage tree of {n}; the last branches join at {highest:.3f}."]
    if cut is not None:
        words.append(f"{len(set(known.values()))} clusters join below the cut at {cut:.3f}.")
    if n <= _WORDS_UP_TO:
        words.append(f"Order of the leaves: {', '.join(leaves)}.")
    return draw(paint, name=name, title="Tree of distances", description=" ".join(words), height_px=side + 66)
