"""The page: every region in words and figures, who was compared with, nothing from outside, nothing unescaped."""

from __future__ import annotations

import datetime as dt
import re

import numpy as np
import pytest

from deciface.cases import RESEARCH_USE_ONLY, SIMULATED
from deciface.explain import OcclusionMap, RegionSimilarity, Standing, Verdict
from deciface.reports.explanation import LIMITS, ExplanationReport, render
from deciface.reports.page import Head

NOW = dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def page():
    above = Standing(0.0123, 3.5, 1 / 31, 1 / 31, 30, 30)
    among = Standing(-0.001, -0.2, 0.9, 1.0, 4, 9)
    regions = (
        RegionSimilarity(
            "eyes", 0.0311, (0.01, 0.05), above, among, Verdict.FOR, "eyes: speaks for the disorder: more <than> 30"
        ),
        RegionSimilarity("nose", -0.002, None, None, among, Verdict.CANNOT_TELL, "nose: cannot tell: nothing"),
    )
    occlusion = OcclusionMap(np.linspace(-1, 1, 100).reshape(10, 10), {"eyes": 0.0201, "nose": -0.004}, 0.03, 121)
    groups = (("patients with the disorder", 9, {"Hakka": 5, "Amis": 4}, {"female": 9}), ("controls", 30, {}, {}))
    head = Head("What speaks for <X>", (("photo", "p.png"),), (f"The gallery holds {SIMULATED}.",), (("encoder", "e"),))
    crop = np.full((10, 10, 3), 90, np.uint8)
    return render(
        ExplanationReport(head, "<X>", crop, occlusion, regions, "30 controls matched on sex", groups), now=NOW
    )


def test_everything_is_said(page):
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)))
    for said in (
        RESEARCH_USE_ONLY,
        SIMULATED,
        "Speaks for : eyes",
        "Speaks against : no region",
        "Cannot tell : nose",
        "30 controls matched on sex.",
        "+31.1 (+10.0 to +50.0) +12.3 30 of 30 .032 -1.0 4 of 9 1.000 +20.1",
        "nose cannot tell: nothing -2.0 nothing to tell -1.0 4 of 9 1.000 -4.0",
        "Hakka 5, Amis 4",
        "each of 121 patches",
        "2026-01-02 03:04 UTC",
        *LIMITS,
    ):
        assert said in text, said


def test_names_are_escaped_and_nothing_is_loaded(page):
    assert "<X>" not in page
    assert "<than>" not in page
    assert "&lt;than&gt;" in page
    assert not re.search(r"(?:src|href)=\"(?!data:image/)", page)
    assert page.count("data:image/png;base64,") == 1
    assert page.count("data:image/jpeg;base64,") == 1
