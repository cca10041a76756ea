"""Results of `deciface.evaluation.classification` in plain types for programs, and in lines for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from deciface.evaluation.accuracy import Figure
from deciface.evaluation.classification import (
    PUBLISHED_SOURCE,
    BinaryAccuracy,
    Classification,
    PublishedFigure,
    Share,
    SpecialisedAccuracy,
)


def as_document(result: Classification) -> dict[str, Any]:
    """Plain numbers, lists and strings; shares are 0 to 1, intervals are 95 %."""
    about: dict[str, Any] = {"patients": result.patients, "photos": result.photos}
    if isinstance(result, BinaryAccuracy):
        return about | {
            "disorder": result.disorder,
            "with_disorder": result.with_disorder,
            "threshold": result.threshold,
            "accuracy": _share(result.accuracy),
            "sensitivity": _share(result.sensitivity),
            "specificity": _share(result.specificity),
            "larger_group": result.larger_group,
            "auc": {"value": result.auc.value, "interval": list(result.auc.interval), "method": "DeLong"},
            "roc": {
                "thresholds": [None if math.isinf(t) else t for t in result.curve.thresholds.tolist()],
                "sensitivity": result.curve.sensitivity.tolist(),
                "false_positive_rate": result.curve.false_positive_rate.tolist(),
            },
        }
    about |= {"classes": list(result.classes), "confusion": result.confusion.tolist()}
    if isinstance(result, SpecialisedAccuracy):
        return about | {
            "top-1": _share(result.top_1),
            "chance": result.chance,
            "largest_class": result.largest_class,
            "p": result.p,
            "per_class": [_share(share) for share in result.per_class],
        }
    return about | {
        "top": [
            {"k": row.k, "micro": _figure(row.micro), "macro": _figure(row.macro), "chance": row.chance}
            for row in result.top
        ],
        "seed": result.seed,
        "replicates": result.replicates,
    }


def published_document(published: Sequence[PublishedFigure]) -> list[dict[str, Any]]:
    """What others printed, marked as theirs."""
    return [
        {"quantity": one.quantity, "value": one.value, "data": one.data, "published": PUBLISHED_SOURCE}
        for one in published
    ]


def in_lines(result: Classification, published: Sequence[PublishedFigure] = ()) -> list[str]:
    """One figure a line, with its interval and what chance would give."""
    if isinstance(result, BinaryAccuracy):
        low, high = result.auc.interval
        lines = [
            f"accuracy: {result.accuracy}; calling everybody what most are: {100 * result.larger_group:.0f} %",
            f"sensitivity: {result.sensitivity}",
            f"specificity: {result.specificity}",
            f"AUC: {result.auc.value:.2f} ({low:.2f}-{high:.2f}); chance .50",
        ]
    elif isinstance(result, SpecialisedAccuracy):
        base = f"chance {100 * result.chance:.0f} %, always the largest class {100 * result.largest_class:.0f} %"
        lines = [f"top-1: {result.top_1}; {base}; exact p {result.p:.2g}"]
    else:
        lines = [
            f"top-{row.k}: {_text(row.micro)} of patients, {_text(row.macro)} mean over classes; "
            f"chance {100 * row.chance:.0f} %"
            for row in result.top
        ]
    theirs = [f"published elsewhere, on other data: {p.quantity} {100 * p.value:.1f} % ({p.data})" for p in published]
    return [*lines, *theirs]


def _share(share: Share) -> dict[str, Any]:
    return {
        "value": share.value,
        "hits": share.hits,
        "of": share.of,
        "interval": list(share.interval),
        "method": share.method,
    }


def _figure(figure: Figure) -> dict[str, Any]:
    interval = None if figure.interval is None else list(figure.interval)
    return {"value": figure.value, "interval": interval, "method": figure.method}


def _text(figure: Figure) -> str:
    ends = "" if figure.interval is None else " ({:.0f}-{:.0f} %)".format(*(100 * end for end in figure.interval))
    return f"{100 * figure.value:.0f} %{ends}"
