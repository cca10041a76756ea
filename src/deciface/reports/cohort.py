"""Reports of cohorts: are they more alike than chance, are two of them the same, how far is who from whom."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.figures.cohorts import controls_chart, null_chart, tree_chart
from deciface.figures.discrimination import Band, RocLine, roc_chart
from deciface.figures.matrix import Panel, distance_panel, draw_matrices, photo_labels, rank_panel
from deciface.reports.page import Head, png_uri, render_page
from deciface.space.cohort_test import ALPHA, PUBLISHED_DRAWS, PUBLISHED_GROUP, CohortTest
from deciface.space.lumping import PUBLISHED_THRESHOLD, CohortComparison, Controls, Decision
from deciface.space.lumping_limits import SURE
from deciface.space.matrices import ITSELF, PairMatrices
from deciface.stats.permutation import Null
from deciface.stats.roc import roc

Floats = NDArray[np.float64]
TABLE_UP_TO = 30
"""Up to this many photos the matrix is also given as a table of numbers."""


@dataclass(frozen=True, slots=True)
class Member:
    """One patient of a cohort, as far as is recorded: photos, sex, ages in them, ancestry, diagnoses."""

    patient: str
    photos: int
    sex: str
    ages: str
    ancestry: str
    diagnoses: str


@dataclass(frozen=True, eq=False)
class CohortTestReport:
    """Everything on the page of a cohort test.

    Parameters
    ----------
    head, members
        What stands around the answer, and who the cohort is.
    found
        The answer.
    """

    head: Head
    members: tuple[Member, ...]
    found: CohortTest


@dataclass(frozen=True, eq=False)
class ComparisonReport:
    """Everything on the page of two cohorts.

    Parameters
    ----------
    head, first, second
        What stands around the answer, and who the cohorts are.
    found
        The answer.
    controls, band
        Pairs of cohorts of which it is known whether they have one disorder, and the band of their curve; None where
        the gallery has none.
    """

    head: Head
    first: tuple[Member, ...]
    second: tuple[Member, ...]
    found: CohortComparison
    controls: Controls | None
    band: Band | None


@dataclass(frozen=True, eq=False)
class MatrixReport:
    """Everything on the page of a cohort's matrices."""

    head: Head
    members: tuple[Member, ...]
    pairs: PairMatrices


def render_test(report: CohortTestReport, *, now: dt.datetime) -> str:
    """Render the page of a cohort test as one self-contained HTML document."""
    found, known = report.found, report.found.published
    chart = null_chart(
        found.null, name="null", observed=found.mean_distance, share=found.percentile, size=len(found.patients)
    )
    photos = sum(m.photos for m in report.members)
    return render_page(
        "cohort_test",
        report.head,
        now=now,
        found=found,
        members=report.members,
        null_svg=chart,
        exact=found.p.null is not Null.SAMPLED,
        percentile=f"{100 * found.percentile:.3g}",
        level=ALPHA,
        alike=found.p.p <= ALPHA,
        known=known,
        photos=photos,
        photo_pairs=photos * (photos - 1) // 2,
        same_person=sum(m.photos * (m.photos - 1) // 2 for m in report.members),
        group=PUBLISHED_GROUP,
        draws=PUBLISHED_DRAWS,
    )


def render_comparison(report: ComparisonReport, *, now: dt.datetime) -> str:
    """Render the page of two cohorts as one self-contained HTML document."""
    found, controls, threshold = report.found, report.controls, report.found.threshold
    charts = []
    if controls is not None:
        charts.append(
            controls_chart(
                controls.distances,
                controls.different,
                name="controls",
                observed=found.distance,
                threshold=threshold.value if threshold else None,
                interval=threshold.interval if threshold else None,
            )
        )
    if controls is not None and threshold is not None:
        line = RocLine(
            "all control pairs",
            roc(controls.distances, controls.different),
            threshold.auc,
            threshold.auc_interval,
            report.band,
            (1 - threshold.specificity, threshold.sensitivity),
        )
        charts.append(roc_chart([line], name="roc", positive="pairs of two disorders", negative="pairs of one"))
    return render_page(
        "comparison",
        report.head,
        now=now,
        found=found,
        t=threshold,
        l=found.limits,
        sure=round(100 * SURE),
        cohorts=(("First cohort", report.first), ("Second cohort", report.second)),
        charts=charts,
        cannot_tell=found.decision is Decision.CANNOT_TELL,
        whole=controls.whole if controls is not None else None,
        published_constant=f"{PUBLISHED_THRESHOLD:.4f}",
    )


def render_matrix(report: MatrixReport, *, now: dt.datetime) -> str:
    """Render the page of a cohort's matrices as one self-contained HTML document."""
    pairs = report.pairs
    labels = photo_labels(pairs)
    words = f"{len(labels)} photos in the order of their tree; the numbers are in the table below and in the TSV files"
    return render_page(
        "matrix",
        report.head,
        now=now,
        members=report.members,
        pictures=[
            (_picture(panel, pairs, labels), f"{panel.title}: {words}")
            for panel in (distance_panel(pairs.distances), rank_panel(pairs))
        ],
        tree=tree_chart(pairs.tree, labels, name="tree"),
        nearest=_nearest(pairs, labels),
        summary=_summary(pairs),
        table=_table(pairs) if len(labels) <= TABLE_UP_TO else None,
        compared=pairs.compared,
    )


def _picture(panel: Panel, pairs: PairMatrices, labels: Sequence[str]) -> str:
    return png_uri(draw_matrices([panel], tree=pairs.tree, order=pairs.order, labels=labels, title=""))


def _nearest(pairs: PairMatrices, labels: Sequence[str]) -> list[dict[str, Any]]:
    """For every photo the nearest one of another patient of the cohort, in the order of the tree."""
    rows = []
    for i in pairs.order.tolist():
        others = [j for j, who in enumerate(pairs.patient_ids) if who != pairs.patient_ids[i]]
        if not others:
            continue
        j = min(others, key=lambda j: (pairs.distances[i, j], pairs.photo_ids[j]))
        rows.append(
            {
                "photo": labels[i],
                "nearest": labels[j],
                "distance": f"{pairs.distances[i, j]:.4f}",
                "rank": int(pairs.ranks[i, j]),
            }
        )
    return rows


def _summary(pairs: PairMatrices) -> list[tuple[str, int, str, str]]:
    """Pairs of photos of one and of two patients: how many, median distance, median rank."""
    who = np.array(pairs.patient_ids)
    same = who[:, None] == who[None]
    off = pairs.ranks != ITSELF
    rows = []
    for name, cells in (("of two patients", ~same), ("of one patient", same & off)):
        if cells.any():
            distance, rank = np.median(pairs.distances[cells]), np.median(pairs.ranks[cells])
            rows.append((name, int(cells.sum()) // 2, f"{distance:.4f}", f"{rank:g}"))
    return rows


def _table(pairs: PairMatrices) -> dict[str, Any]:
    order = pairs.order.tolist()
    return {
        "photos": [pairs.photo_ids[i] for i in order],
        "rows": [
            (
                pairs.photo_ids[i],
                ["" if i == j else f"{pairs.distances[i, j]:.3f} / {pairs.ranks[i, j]}" for j in order],
            )
            for i in order
        ],
    }
