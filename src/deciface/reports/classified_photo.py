"""The report of one photo that a DeepGestalt-type model classified: the sorted list, its regions, its heatmaps."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from deciface.encoders.deepgestalt import Suggestion
from deciface.reports.page import Head, png_uri, render_page

LISTED = 30
LIMITS = (
    "Scores are mean softmax values and share out 1 among the classes that were learnt. None is the probability of a "
    "disorder.",
    "Somebody with another disorder, or with none, gets a first class too.",
    "A heatmap shows what the networks reacted to. It does not show what a disorder looks like, and says nothing where "
    "the list is wrong.",
    "How often such lists are right is on the page of the training run (report.html beside the model), for people like "
    "those it was tested on.",
)


@dataclass(frozen=True, slots=True)
class HeatPicture:
    """One heatmap: the name of its file, what it shows in words, and its PNG."""

    name: str
    title: str
    png: bytes


@dataclass(frozen=True, eq=False)
class ClassifiedReport:
    """Everything on the page.

    Parameters
    ----------
    head
        Title, notices, provenance.
    suggestions
        All classes, best first.
    by_region
        Of each region, its own first class.
    label
        The class whose heatmaps are shown.
    on_face, on_regions
        Heatmaps of all regions together, one a pooling layer, and of each region at the last layer.
    """

    head: Head
    suggestions: tuple[Suggestion, ...]
    by_region: tuple[tuple[str, Suggestion], ...]
    label: str
    on_face: Sequence[HeatPicture]
    on_regions: Sequence[HeatPicture]


def render(report: ClassifiedReport, *, now: dt.datetime) -> str:
    """Render the page as one self-contained HTML document; `now` is printed as the time of the report."""
    return render_page(
        "classified_photo",
        report.head,
        now=now,
        listed=report.suggestions[:LISTED],
        unlisted=max(0, len(report.suggestions) - LISTED),
        chance=1 / len(report.suggestions),
        by_region=report.by_region,
        label=report.label,
        groups=(
            ("All regions together, behind each pooling layer", [(p.title, png_uri(p.png)) for p in report.on_face]),
            ("Each region, at the last layer", [(p.title, png_uri(p.png)) for p in report.on_regions]),
        ),
        limits=LIMITS,
    )
