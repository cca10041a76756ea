"""Accuracy with intervals: by who the people are, by age in the photo, and of one patient over the years."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deciface.errors import OptionError
from deciface.evaluation.accuracy import StratumAccuracy
from deciface.figures.chart import (
    BLUE,
    INK,
    ORANGE,
    SMALL_PX,
    SOFT,
    WIDTH_PX,
    axes_in,
    draw,
    interval_text,
    percent,
    shortened,
    width_of,
)
from deciface.stats.proportions import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_AGE = re.compile(r"(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?)|\+)")
_ROW, _HEADING = 22.0, 24.0
_PATIENTS_NAMED, _PATIENTS_TOLD = 6, 20


@dataclass(frozen=True, slots=True)
class Bar:
    """One accuracy to draw.

    Parameters
    ----------
    label, group
        Who these people are, and the heading under which they stand (ancestry, sex ..).
    value, interval
        0 to 1; None where there are too few people for a figure.
    patients
        How many.
    """

    label: str
    group: str
    value: float | None
    interval: Interval | None
    patients: int


def bars_of_strata(rows: Sequence[StratumAccuracy], *, figure: str = "top-1") -> tuple[Bar, ...]:
    """Strata of one experiment as bars; those with too few people have no value."""
    return tuple(
        Bar(
            row.stratum,
            row.by,
            row.figures[figure].value if figure in row.figures else None,
            row.figures[figure].interval if figure in row.figures else None,
            row.patients,
        )
        for row in rows
    )


def accuracy_bars(
    bars: Sequence[Bar], *, name: str, measure: str = "top-1", chance: float | None = None, overall: float | None = None
) -> str:
    """One line per group of people: a bar from 0, a dot, a whisker for the 95 % interval, and how many they are.

    Parameters
    ----------
    bars
        Drawn in their order; those of one group stand together.
    measure
        What the values are.
    chance, overall
        Drawn as a dotted and a dashed line where known.

    Raises
    ------
    OptionError
        No bar.
    """
    if not bars:
        raise OptionError("no accuracy to draw; give at least one group of people")
    grouped = [(group, list(theirs)) for group, theirs in itertools.groupby(bars, key=lambda b: b.group)]
    labels = [shortened(b.label, 30) for b in bars]
    beside = min(230.0, max(width_of(text) for text in labels) + 14)
    right = 92.0
    height = len(bars) * _ROW + sum(_HEADING for group, _ in grouped if group)

    def paint(figure: Figure) -> None:
        axes = axes_in(figure, left=beside, top=10, width=WIDTH_PX - beside - right, height=height, grid="x")
        axes.spines["left"].set_visible(False)
        for value, dashes in ((chance, (0, (1.5, 1.5))), (overall, (0, (4, 3)))):
            if value is not None:
                axes.axvline(value, color=SOFT, linewidth=1.1, linestyle=dashes, zorder=1)
        y, places = 0.0, []
        for group, theirs in grouped:
            if group:
                axes.text(0, y + _HEADING - 8, group, color=SOFT, fontsize=SMALL_PX, fontweight="bold", va="center")
                y += _HEADING
            for bar in theirs:
                places.append(y + _ROW / 2)
                _one_bar(axes, bar, y + _ROW / 2)
                y += _ROW
        axes.set(xlim=(0, 1), ylim=(height, 0))
        axes.set_yticks(places, labels)
        axes.tick_params(axis="y", labelcolor=INK)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
        axes.set_xlabel(_axis_name(measure, chance, overall))

    values = "; ".join(f"{b.group + ' ' if b.group else ''}{b.label}: {_value(b)}" for b in bars)
    return draw(
        paint,
        name=name,
        title=f"{measure} accuracy by group of people",
        description=f"{values}.",
        height_px=height + 62,
    )


def _axis_name(measure: str, chance: float | None, overall: float | None) -> str:
    lines = [text for text, value in (("dashed: all people", overall), ("dotted: chance", chance)) if value is not None]
    return f"{measure}{' (' + ', '.join(lines) + ')' if lines else ''}"


def _one_bar(axes: Axes, bar: Bar, y: float) -> None:
    axes.text(1.03, y, f"n {bar.patients}", color=SOFT, fontsize=SMALL_PX, va="center", clip_on=False)
    if bar.value is None:
        axes.text(0.01, y, "too few", color=SOFT, fontsize=SMALL_PX, va="center", fontstyle="italic")
        return
    axes.barh([y], [bar.value], height=12, color=BLUE, alpha=0.22, linewidth=0)
    if bar.interval is not None:
        axes.plot(bar.interval, [y, y], color=BLUE, linewidth=1.8, solid_capstyle="butt")
    axes.plot([bar.value], [y], marker="o", color=BLUE, markersize=6.5, clip_on=False)


def _value(bar: Bar) -> str:
    if bar.value is None:
        return f"too few ({bar.patients} patients)"
    return f"{percent(bar.value)}{interval_text(bar.interval)} of {bar.patients} patients"


@dataclass(frozen=True, slots=True)
class AgeAccuracy:
    """Accuracy on photos from one age up to, but not including, another; `to_years` is None for an open end."""

    from_years: float
    to_years: float | None
    value: float | None
    interval: Interval | None
    patients: int

    @property
    def label(self) -> str:
        """E.g. ``2-6``."""
        return f"{self.from_years:g}+" if self.to_years is None else f"{self.from_years:g}–{self.to_years:g}"


def ages_of_strata(
    rows: Sequence[StratumAccuracy], *, by: str = "age", figure: str = "top-1"
) -> tuple[AgeAccuracy, ...]:
    """Strata by age of one experiment, youngest first; those without an age are left out."""
    found = []
    for row in rows:
        if row.by == by and (band := _AGE.match(row.stratum)) is not None:
            of = row.figures.get(figure)
            low, high = float(band[1]), float(band[2]) if band[2] else None
            found.append(AgeAccuracy(low, high, of.value if of else None, of.interval if of else None, row.patients))
    return tuple(sorted(found, key=lambda a: a.from_years))


def accuracy_by_age(
    ages: Sequence[AgeAccuracy], *, name: str, measure: str = "top-1", chance: float | None = None
) -> str:
    """Accuracy by age in the photo with its 95 % interval; a gap where there are too few people.

    Raises
    ------
    OptionError
        No age band.
    """
    if not ages:
        raise OptionError("no age is known; accuracy by age needs photos with an age")

    def paint(figure: Figure) -> None:
        axes = axes_in(figure, left=58, top=12, width=406, height=196)
        places = list(range(len(ages)))
        if chance is not None:
            axes.axhline(chance, color=SOFT, linewidth=1.1, linestyle=(0, (1.5, 1.5)))
        for known, run in itertools.groupby(places, key=lambda i: ages[i].value is not None):
            theirs = list(run)
            if known:
                lows, highs = zip(*(ages[i].interval or (ages[i].value,) * 2 for i in theirs), strict=True)
                axes.fill_between(theirs, lows, highs, color=BLUE, alpha=0.13, linewidth=0)
                axes.plot(theirs, [ages[i].value for i in theirs], color=BLUE, linewidth=1.8, marker="o")  # type: ignore[arg-type]
                axes.vlines(theirs, lows, highs, color=BLUE, linewidth=1.4)
            else:
                for i in theirs:
                    axes.text(i, 0.03, "too few", color=SOFT, fontsize=10, ha="center", fontstyle="italic")
        axes.set(xlim=(-0.5, len(ages) - 0.5), ylim=(0, 1))
        axes.set_xticks(places, [f"{a.label}\nn {a.patients}" for a in ages])
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
        axes.set_xlabel(f"age in the photo, years{'' if chance is None else ' (dotted: chance)'}")
        axes.set_ylabel(measure)

    values = "; ".join(f"{a.label} years: {_value(Bar(a.label, '', a.value, a.interval, a.patients))}" for a in ages)
    return draw(paint, name=name, title=f"{measure} accuracy by age", description=f"{values}.", height_px=272)


@dataclass(frozen=True, slots=True)
class PhotoOverYears:
    """One photo of a patient: age in it, and the rank of their own disorder (None: the gallery does not have it)."""

    age_years: float
    rank: int | None


def ranks_over_years(patients: Sequence[tuple[str, Sequence[PhotoOverYears]]], *, name: str, disorders: int) -> str:
    """Rank of the own disorder against age, one line a patient: some disorders show with age.

    Parameters
    ----------
    patients
        Id and photos of each; named in the chart up to six patients.
    disorders
        How many are ranked: the foot of the axis, where also disorders stand that the gallery lacks.

    Raises
    ------
    OptionError
        Nobody.
    """
    if not patients:
        raise OptionError("no patient has photos of several ages; give at least one")
    series = [(who, sorted(photos, key=lambda p: p.age_years)) for who, photos in patients]
    named = len(series) <= _PATIENTS_NAMED

    def paint(figure: Figure) -> None:
        axes = axes_in(figure, left=58, top=12, width=320 if named else 406, height=220)
        for place, (who, photos) in enumerate(series):
            colour = (BLUE, ORANGE)[place % 2] if named else BLUE
            _one_patient(axes, shortened(who, 14) if named else "", photos, foot=disorders, colour=colour)
        axes.set_yscale("log")
        axes.set_ylim(max(disorders, 2) * 1.15, 0.88)
        ticks = [t for t in (1, 3, 10, 30, 100, 300, 1000) if t <= disorders / 1.5] + [disorders]
        axes.set_yticks(ticks, [f"{t}" for t in ticks])
        axes.minorticks_off()
        axes.set_xlabel("age in the photo, years (open: not in the gallery)")
        axes.set_ylabel("rank of the own disorder")

    said = "; ".join(f"{who}: {', '.join(map(_in_words, photos))}" for who, photos in series[:_PATIENTS_TOLD])
    title = "Rank of the own disorder over the years"
    return draw(paint, name=name, title=title, description=f"{said}.", height_px=286)


def _one_patient(axes: Axes, who: str, photos: Sequence[PhotoOverYears], *, foot: int, colour: str) -> None:
    ages, ranks = [p.age_years for p in photos], [foot if p.rank is None else p.rank for p in photos]
    axes.plot(ages, ranks, color=colour, linewidth=1.4, alpha=1 if who else 0.4)
    inner = ["white" if p.rank is None else colour for p in photos]
    axes.scatter(ages, ranks, s=26, color=inner, edgecolors=colour, zorder=3)
    beside = {"xytext": (7, 0), "textcoords": "offset points", "va": "center", "fontsize": SMALL_PX}
    axes.annotate(who, (ages[-1], ranks[-1]), **beside)  # type: ignore[arg-type]


def _in_words(photo: PhotoOverYears) -> str:
    rank = "not in the gallery" if photo.rank is None else f"rank {photo.rank}"
    return f"{rank} at {photo.age_years:g} years"
