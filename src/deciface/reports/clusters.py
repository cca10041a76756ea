"""The report of unsolved patients: who look alike, and how firmly."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from deciface.figures.cohorts import tree_chart
from deciface.figures.matrix import distance_panel, draw_matrices
from deciface.reports.cohort import Member
from deciface.reports.page import Head, png_uri, render_page
from deciface.space.clusters import Clusters
from deciface.space.matching import Matches

DISSOLVES_BELOW, STABLE_FROM = 0.5, 0.75
"""Hennig's reading of the stability (`deciface.space.clusters.Cluster`)."""
TREE_UP_TO = 400


@dataclass(frozen=True, eq=False)
class ClustersReport:
    """Everything on the page; `resamples` is how often the stability was looked at, `members` are all in `found`."""

    head: Head
    found: Clusters
    matches: Matches
    resamples: int
    members: tuple[Member, ...]


def stability_word(stability: float, patients: int) -> str:
    """Say what a stability means; a pair's says nothing."""
    if patients < 3:
        return "a pair: says little"
    if stability < DISSOLVES_BELOW:
        return "dissolves"
    return "stable" if stability >= STABLE_FROM else "unsure"


def render(report: ClustersReport, *, now: dt.datetime) -> str:
    """Render the page as one self-contained HTML document."""
    found = report.found
    number = {p: n for n, cluster in enumerate(found.clusters, start=1) for p in cluster.patient_ids}
    labels = [f"{p} [{number[p]}]" if p in number else p for p in found.patient_ids]
    picture = draw_matrices(
        [distance_panel(found.distances)], tree=found.tree, order=found.order, labels=labels, title=""
    )
    drawable = len(found.patient_ids) <= TREE_UP_TO
    recorded = {member.patient: member for member in report.members}
    cohorts = [(f"Cluster {n}", [recorded[p] for p in c.patient_ids]) for n, c in enumerate(found.clusters, start=1)]
    if found.alone:
        cohorts.append(("In no cluster", [recorded[p] for p in found.alone]))
    return render_page(
        "clusters",
        report.head,
        now=now,
        found=found,
        matches=report.matches,
        resamples=report.resamples,
        cohorts=cohorts,
        tree=tree_chart(found.tree, found.patient_ids, name="tree", cut=found.cut, groups=number) if drawable else None,
        picture_uri=png_uri(picture),
        words=[stability_word(c.stability, len(c.patient_ids)) for c in found.clusters],
    )
