"""The report of an explanation: the face with its heat, every region in words and figures, who was compared with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.explain import OcclusionMap, RegionSimilarity, Standing, Verdict
from deciface.figures.heat import overlay
from deciface.reports.page import Head, png_uri, render_page
from deciface.reports.pictures import data_uri

LIMITS = (
    "It explains what the encoder sees, not what the patient has. An encoder trained to tell people apart is blind to "
    "some features and takes others, such as ancestry, for a likeness.",
    "A region that speaks for the disorder is unlike those of unaffected people: of people like the controls at most 1 "
    "in 20 is told so of any region; of people with another disorder it can be more. One that speaks against is unlike "
    "the patients: at most 1 in 20 people like them is told so of any region.",
    "A region that cannot tell is not a region without features: the encoder, or the number of people compared with, "
    "may be too weak to say.",
    "The same face asked about another disorder can be told something of the same region. Ask about those on the list "
    "too, before a region is taken as pointing to this one.",
    "The heat shows where the likeness comes from, also where there is little of it: read the figures of its legend.",
    "None of this is the probability of a disorder.",
)


@dataclass(frozen=True, eq=False)
class ExplanationReport:
    """Everything the page shows.

    Parameters
    ----------
    head
        Title, notices, provenance.
    disorder
        Its name.
    crop
        (h, w, 3) uint8, the aligned face.
    occlusion, regions
        The map and the judgements.
    matched
        How the controls were chosen, in a sentence.
    groups
        Who was compared with: what they are called, how many, counts by ancestry and by sex.
    """

    head: Head
    disorder: str
    crop: NDArray[np.uint8]
    occlusion: OcclusionMap
    regions: tuple[RegionSimilarity, ...]
    matched: str
    groups: tuple[tuple[str, int, Mapping[str, int], Mapping[str, int]], ...]


def render(report: ExplanationReport, *, now: dt.datetime) -> str:
    """Render the page as one self-contained HTML document; `now` is printed as the time of the report."""
    heat = overlay(report.crop, report.occlusion.heat, title=f"Contrast lost when covered: {report.disorder}")
    return render_page(
        "explanation",
        report.head,
        now=now,
        disorder=report.disorder,
        crop=data_uri(report.crop, quality=95),
        heat=png_uri(heat),
        patches=report.occlusion.patches,
        said=[
            (verdict, [r.region for r in report.regions if r.verdict is verdict])
            for verdict in (Verdict.FOR, Verdict.AGAINST, Verdict.CANNOT_TELL)
        ],
        rows=[_row(r, report.occlusion.regions[r.region]) for r in report.regions],
        matched=report.matched,
        groups=report.groups,
        limits=LIMITS,
    )


def _row(region: RegionSimilarity, lost: float) -> dict[str, Any]:
    tone = {Verdict.FOR: "ok", Verdict.AGAINST: "bad", Verdict.CANNOT_TELL: "small"}[region.verdict]
    return {
        "name": region.region,
        "verdict": str(region.verdict),
        "tone": tone,
        "words": region.words.removeprefix(f"{region.region}: "),
        "score": f"{1000 * region.score:+.1f}",
        "ends": "({:+.1f} to {:+.1f})".format(*(1000 * end for end in region.interval)) if region.interval else "",
        "lost": f"{1000 * lost:+.1f}",
        "sides": [_side(region.among_controls), _side(region.among_patients)],
    }


def _side(standing: Standing | None) -> dict[str, str] | None:
    """Where the score stands in a group, as text; cosines in thousandths."""
    if standing is None:
        return None
    return {
        "difference": f"{1000 * standing.difference:+.1f}",
        "p": f"{standing.p_regions:.3f}".removeprefix("0"),
        "rank": f"{standing.below} of {standing.of}",
    }
