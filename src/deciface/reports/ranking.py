"""The report of one patient under several ranking rules side by side."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from deciface.reports.page import Head, render_page
from deciface.space import Ranking, Rule
from deciface.space.compatibility import CompatibleRanking


@dataclass(frozen=True, eq=False)
class RankingReport:
    """Everything on the page.

    Parameters
    ----------
    head
        What stands around the answer.
    rankings
        One a rule, at least one.
    refused
        Rules that the gallery does not allow, each with the reason.
    published
        With the published self-match cut, when that was asked for.
    """

    head: Head
    rankings: tuple[Ranking, ...]
    refused: tuple[tuple[Rule, str], ...]
    published: CompatibleRanking | None


def render(report: RankingReport, *, now: dt.datetime) -> str:
    """Render the page as one self-contained HTML document."""
    return render_page(
        "ranking",
        report.head,
        now=now,
        rankings=report.rankings,
        first=report.rankings[0],
        refused=report.refused,
        published=report.published,
        rows=_side_by_side(report.rankings),
    )


def _side_by_side(rankings: tuple[Ranking, ...]) -> list[dict[str, Any]]:
    """Every disorder that some rule lists, best rank first, with its rank under each rule (None: not listed there)."""
    found: dict[str, dict[str, Any]] = {}
    for place, ranking in enumerate(rankings):
        for hit in ranking.disorders:
            row = found.setdefault(hit.disorder.id, {"hit": hit, "ranks": [None] * len(rankings)})
            row["ranks"][place] = hit.rank
    return sorted(
        found.values(),
        key=lambda row: (
            min(r for r in row["ranks"] if r is not None),
            sum(ranking.top + 1 if r is None else r for r, ranking in zip(row["ranks"], rankings, strict=True)),
            row["hit"].disorder.id,
        ),
    )
