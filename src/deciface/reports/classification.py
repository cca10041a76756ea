"""The report of a classifier: one disorder against the rest, genes of a disorder, or many disorders."""

from __future__ import annotations

import datetime as dt
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
from deciface.reports.page import Head, render_page
from deciface.stats.proportions import proportion_interval


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
    """

    head: Head
    results: tuple[Classified, ...]
    names: Mapping[str, str] = field(default_factory=dict)


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
    reliability = reliability_chart(main.reliability, name="reliability") if main.reliability else None
    return render_page(
        "classification",
        report.head,
        now=now,
        result=main.result,
        published=main.published,
        source=PUBLISHED_SOURCE,
        reliability=reliability,
        headings=_columns(main.result),
        compared=[(one.name, _cells(one.result)) for one in report.results],
        **shown,
    )


def _named(classes: Sequence[str], names: Mapping[str, str]) -> list[str]:
    return [names.get(c, c) for c in classes]


def _columns(result: Classification) -> list[str]:
    if isinstance(result, BinaryAccuracy):
        return ["accuracy", "sensitivity", "specificity", "AUC"]
    if isinstance(result, SpecialisedAccuracy):
        return ["top-1"]
    return [f"top-{row.k}, {mean}" for row in result.top for mean in ("micro", "macro")]


def _cells(result: Classification) -> list[tuple[str, str, str]]:
    """Value, interval and method of every figure, in the order of `_columns`."""
    if isinstance(result, BinaryAccuracy):
        low, high = result.auc.interval
        area = (f"{result.auc.value:.3f}", f" ({low:.3f}–{high:.3f})", "DeLong")
        return [*map(_share, (result.accuracy, result.sensitivity, result.specificity)), area]
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
