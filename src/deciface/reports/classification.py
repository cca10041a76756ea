"""The report of a classifier: one disorder against the rest, genes of a disorder, or many disorders."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.errors import OptionError
from deciface.evaluation.classification import (
    PUBLISHED_SOURCE,
    BinaryAccuracy,
    Classification,
    MulticlassAccuracy,
    PublishedFigure,
    Share,
    SpecialisedAccuracy,
)
from deciface.figures.accuracy import Bar, accuracy_bars
from deciface.figures.chart import STYLES, interval_text, percent
from deciface.figures.discrimination import (
    ReliabilityBin,
    RocLine,
    binomial_band,
    confusion_chart,
    reliability_chart,
    roc_chart,
)
from deciface.reports.page import Head, Pairs, render_page
from deciface.reports.training import Curves, TrainingData, learning
from deciface.stats.proportions import proportion_interval

_WAYS_FOR_95_PERCENT = 40
"""One way in 40 is the outer 2.5 % of one side."""


@dataclass(frozen=True, eq=False)
class Classified:
    """One classifier on held-out people.

    Parameters
    ----------
    name
        E.g. ``all regions``, ``mouth``.
    result
        What was measured.
    published
        What others printed for the same quantities on their own data.
    reliability
        Of its scores; empty where they were not looked at.
    """

    name: str
    result: Classification
    published: tuple[PublishedFigure, ...] = ()
    reliability: tuple[ReliabilityBin, ...] = ()


@dataclass(frozen=True, eq=False)
class Learnt:
    """How the classifier was learnt and from whom; `recipe` has labels and values."""

    data: TrainingData
    curves: tuple[Curves, ...]
    recipe: Pairs


@dataclass(frozen=True, eq=False)
class ClassificationReport:
    """Everything on the page.

    Parameters
    ----------
    head
        What stands around the results.
    results
        The main classifier first; others (regions) are compared with it. All of one kind.
    names
        What classes are called, by id; an id stands for itself where it is missing.
    learnt
        None where the page is of a classifier that was learnt elsewhere.
    """

    head: Head
    results: tuple[Classified, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    learnt: Learnt | None = None


def render(report: ClassificationReport, *, now: dt.datetime) -> str:
    """Render the page as one self-contained HTML document.

    Raises
    ------
    OptionError
        No result, or results of several kinds.
    """
    kinds = {type(one.result) for one in report.results}
    if len(kinds) != 1:
        raise OptionError(
            f"results of {len(kinds)} kinds of classifier; one page shows one kind: binary, specialised or multi-class"
        )
    main = report.results[0]
    shown: dict[str, Any] = {}
    if isinstance(main.result, BinaryAccuracy):
        shown = _binary(report)
    elif isinstance(main.result, SpecialisedAccuracy):
        shown = _specialised(main.result, _named(main.result.classes, report.names))
    else:
        shown = _multiclass(main.result, _named(main.result.classes, report.names))
    if report.learnt is not None:
        shown |= learning(report.learnt.data, report.learnt.curves)
    reliability = reliability_chart(main.reliability, name="reliability") if main.reliability else None
    return render_page(
        "classification",
        report.head,
        now=now,
        learnt=report.learnt,
        nothing_learnt=said if (said := nothing_learnt(main.result)) not in report.head.notices else "",
        result=main.result,
        published=main.published,
        source=PUBLISHED_SOURCE,
        reliability=reliability,
        headings=_columns(main.result),
        compared=[(one.name, _cells(one.result)) for one in report.results],
        **shown,
    )


def nothing_learnt(result: Classification) -> str:
    """Say that a classifier cannot be told from one that knows nothing; empty where it can.

    It cannot where the 95 % interval of the AUC, or of top-1, reaches down to chance (of genes: to always naming the
    most frequent one, where that is right more often). Of a perfect AUC DeLong's interval says nothing; its chance is
    one in the number of ways to choose the people with the disorder.
    """
    if isinstance(result, BinaryAccuracy) and result.auc.value == 1:
        if math.comb(result.patients, result.with_disorder) >= _WAYS_FOR_95_PERCENT:
            return ""
        return f"Nothing was learnt that can be told from chance: {result.patients} patients are too few to say."
    if isinstance(result, BinaryAccuracy):
        (low, high), what, least, value = result.auc.interval, "AUC", 0.5, result.auc.value
        told, by_chance = f"{value:.2f} ({low:.2f} to {high:.2f})", "0.50"
    else:
        if isinstance(result, SpecialisedAccuracy):
            found, interval, least = result.top_1.value, result.top_1.interval, max(result.chance, result.largest_class)
        else:
            first = result.top[0]
            found, interval, least = first.micro.value, first.micro.interval or (0.0, 1.0), first.chance
        (low, high), what = interval, "top-1"
        told, by_chance = f"{100 * found:.0f} % ({100 * low:.0f} to {100 * high:.0f} %)", f"{100 * least:.0f} %"
    if low > least:
        return ""
    return (
        f"Nothing was learnt that can be told from chance: {what} {told}, where knowing nothing gives {by_chance}. "
        "Do not use this model."
    )


def _named(classes: Sequence[str], names: Mapping[str, str]) -> list[str]:
    return [names.get(c, c) for c in classes]


def _columns(result: Classification) -> list[str]:
    if isinstance(result, BinaryAccuracy):
        return ["sensitivity", "specificity", "AUC", "accuracy", "accuracy of always 'no'"]
    if isinstance(result, SpecialisedAccuracy):
        return ["top-1"]
    return [f"top-{row.k}, {mean}" for row in result.top for mean in ("micro", "macro")]


def _cells(result: Classification) -> list[tuple[str, str, str]]:
    """Value, interval and method of every figure, in the order of `_columns`."""
    if isinstance(result, BinaryAccuracy):
        low, high = result.auc.interval
        area = (f"{result.auc.value:.3f}", f" ({low:.3f}–{high:.3f})", "DeLong")
        others = result.specificity.of
        always = (f"{100 * others / result.patients:.1f} % ({others} of {result.patients})", "", "")
        shares = [_share(share) for share in (result.sensitivity, result.specificity, result.accuracy)]
        return [*shares[:2], area, shares[2], always]
    if isinstance(result, SpecialisedAccuracy):
        return [_share(result.top_1)]
    figures = [figure for row in result.top for figure in (row.micro, row.macro)]
    return [(f"{100 * f.value:.1f} %", interval_text(f.interval), f.method) for f in figures]


def _share(share: Share) -> tuple[str, str, str]:
    text = f"{100 * share.value:.1f} % ({share.hits} of {share.of})"
    return text, interval_text(share.interval), share.method


def _binary(report: ClassificationReport) -> dict[str, Any]:
    results = [(one.name, one.result) for one in report.results if isinstance(one.result, BinaryAccuracy)]
    lines = []
    for place, (name, result) in enumerate(results[: len(STYLES)]):
        band = binomial_band(result.curve, positives=result.with_disorder) if place == 0 else None
        mark = (1 - result.specificity.value, result.sensitivity.value) if place == 0 else None
        lines.append(RocLine(name, result.curve, result.auc.value, result.auc.interval, band, mark))
    first = results[0][1]
    name = report.names.get(first.disorder, first.disorder)
    return {
        "kind": "binary",
        "disorder": name,
        "chart_svg": roc_chart(lines, name="roc", positive="patients with the disorder", negative="other patients"),
        "bars_svg": None,
        "unshown": max(0, len(results) - len(STYLES)),
    }


def _specialised(result: SpecialisedAccuracy, names: list[str]) -> dict[str, Any]:
    bars = [
        Bar(name, "", share.value, share.interval, share.of)
        for name, share in zip(names, result.per_class, strict=True)
    ]
    return {
        "kind": "specialised",
        "chart_svg": confusion_chart(result.confusion, names, name="confusion"),
        "bars_svg": accuracy_bars(
            bars, name="classes", measure="found first", chance=result.chance, overall=result.top_1.value
        ),
        "larger": percent(max(result.chance, result.largest_class)),
    }


def _multiclass(result: MulticlassAccuracy, names: list[str]) -> dict[str, Any]:
    return {
        "kind": "multiclass",
        "chart_svg": confusion_chart(result.confusion, names, name="confusion"),
        "bars_svg": _of_classes(result.confusion, names, chance=1 / len(names)),
        "mistakes": _mistakes(result.confusion, names),
    }


def _of_classes(confusion: NDArray[np.intp], names: Sequence[str], *, chance: float) -> str | None:
    """How often each class comes first for its own patients, lowest first; None where there are too many to read."""
    if len(names) > 60:
        return None
    totals = confusion.sum(axis=1).tolist()
    rows = [(hits, of, name) for hits, of, name in zip(np.diag(confusion).tolist(), totals, names, strict=True) if of]
    rows.sort(key=lambda row: (row[0] / row[1], row[2]))
    bars = [Bar(name, "", hits / of, proportion_interval(hits, of), of) for hits, of, name in rows]
    return accuracy_bars(bars, name="classes", measure="found first", chance=chance)


def _mistakes(confusion: NDArray[np.intp], names: Sequence[str], most: int = 12) -> list[tuple[str, str, int, int]]:
    """True class, first-ranked class, how often, of how many; the most frequent first."""
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = zip(*(side.tolist() for side in np.unravel_index(order, wrong.shape)), strict=True)
    return [(names[i], names[j], int(wrong[i, j]), int(confusion[i].sum())) for i, j in pairs if wrong[i, j]]
