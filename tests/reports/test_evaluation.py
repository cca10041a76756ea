"""The page: every number of the tables, what must be said beside them, nothing from outside, nothing unescaped."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from deciface.cases import RESEARCH_USE_ONLY
from deciface.evaluation.accuracy import MRR, TOP, Figure, PatientAccuracy, PublishedAccuracy, StratumAccuracy
from deciface.evaluation.leakage import Leak, Leakage, LeakedPhoto
from deciface.evaluation.over_years import BandAccuracy, ChangeOverYears, OverYears, PatientOverYears
from deciface.evaluation.protocol import Experiment
from deciface.reports.evaluation import EvaluationReport, ReportedRule, render
from deciface.space import Composition

NOW = dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)


def figures(value):
    return {
        name: Figure(value, (value - 0.1, value + 0.1), "bounded mean, Gaffke")
        for name in (*(f"top-{k}" for k in TOP), MRR)
    }


@pytest.fixture
def report():
    tables = ReportedRule(
        "nearest-image",
        (
            PublishedAccuracy(
                Experiment.RARE,
                gallery_photos=922.6,
                test_photos=386.4,
                gallery_patients=701.5,
                test_patients=246,
                disorders=246,
                gallery_disorders=247,
                splits=10,
                top=dict(zip(TOP, (0.3261, 0.4722, 0.5461, 0.6857), strict=True)),
                spread=dict.fromkeys(TOP, 0.0123),
            ),
        ),
        (PatientAccuracy(Experiment.RARE, 120, 17, 0.95, 0.034, 0.009, figures(0.45), figures(0.37)),),
        (
            StratumAccuracy(Experiment.RARE, "ancestry", "Hakka <b>", 40, 9, figures(0.52)),
            StratumAccuracy(Experiment.RARE, "ancestry", "Amis", 3, 2, {}),
        ),
    )
    return EvaluationReport(
        title="Accuracy of <site>",
        target="disorder",
        notices=(),
        remarks=("2 patients are alone",),
        results=(tables,),
        leakage=Leakage((), ((Leak.TRAINED_ON, "no training manifest was given"),)),
        composition=Composition(120, 200, {}, {}, {}, {"D": 3}, 0, 0, 0),
        splits="made here, seed 1234",
        seed=7,
        replicates=2000,
        provenance=(("gallery digest", "d" * 64),),
    )


def test_every_number_is_on_the_page(report):
    page = render(report, now=NOW)
    for text in (
        "922.6",
        "701.5",
        "247",
        "± 1.23",
        "386.4",
        "32.61",
        "47.22",
        "54.61",
        "68.57",
        "45.0",
        "(35–55)",
        "37.0",
        "(27–47)",
        "95.0",
        "3.4",
    ):
        assert text in page
    for text in (
        RESEARCH_USE_ONLY,
        "2026-01-02 03:04 UTC",
        "2,000 replicates, seed 7",
        "d" * 64,
        "2 patients are alone.",
    ):
        assert text in page
    assert "the right disorder came first for 45 % (35–55 %) of 120 patients" in page
    assert page.count("none found") == 3
    assert "not checked: no training manifest was given" in page


def test_a_check_that_could_not_see_everything_is_not_called_passed(report):
    half = Leakage((), (), limits=((Leak.TRAINED_ON, "the manifest names no pixels"),))
    page = render(replace(report, leakage=half), now=NOW)
    assert '<td class="care">none found; not wholly checked: the manifest names no pixels</td>' in page


def test_text_is_escaped_and_few_are_too_few(report):
    page = render(report, now=NOW)
    assert "Accuracy of &lt;site&gt;" in page
    assert "Hakka &lt;b&gt;" in page
    assert "<b>" + "Hakka" not in page
    assert '<td class="num">3</td><td class="num">2</td><td colspan="2" class="small">too few</td>' in page


def test_nothing_comes_from_outside(report):
    page = render(report, now=NOW)
    assert "http" not in page
    assert "<script" not in page
    assert "src=" not in page


def test_notices_stand_at_every_table_and_leaks_are_listed(report):
    leaks = tuple(LeakedPhoto(Leak.NEAR_DUPLICATE, f"a{i}", "p1", "b", "p2", 0.1) for i in range(42))
    leaky = replace(report, notices=("LEAKAGE, let through on request",), leakage=Leakage(leaks, ()))
    page = render(leaky, now=NOW)
    assert page.count("▲ LEAKAGE, let through on request") == 3
    assert "42 found" in page
    assert "photo &#39;a0&#39; of p1 and photo &#39;b&#39; of p2 (distance 0.100)" in page
    assert "and 2 more." in page


def test_the_chart_is_drawn_to_scale(report):
    page = render(report, now=NOW)
    top, height = 10, 230 - 10 - 26
    assert f'cy="{round(top + height * (1 - 0.45), 1)}"' in page
    assert f'y1="{round(top + height * (1 - 0.35), 1)}" y2="{round(top + height * (1 - 0.55), 1)}"' in page
    assert "stroke-dasharray" in page  # 5 % are not covered


def with_ages(report):
    (tables,) = report.results
    bands = (
        BandAccuracy(Experiment.RARE, 2.0, 6.0, 3.5, 44, 40, figures(0.31)),
        BandAccuracy(Experiment.RARE, 40.0, None, 51.0, 4, 3, {}),
    )
    people = ((Experiment.RARE, PatientOverYears("secret-id", "D", (3.0, 21.0), (8.0, 1.0))),)
    changes = (
        ChangeOverYears(Experiment.RARE, "", 12, 17.5, -1.25, (-2.0, -0.5), 0.004, None),
        ChangeOverYears(Experiment.RARE, "D <i>", 3, 15.0, None, None, None, None),
    )
    return replace(report, results=(replace(tables, ages=OverYears(bands, people, changes)),))


def test_age_has_a_curve_lines_and_a_table_and_names_nobody(report):
    page = render(with_ages(report), now=NOW)
    assert page.count("</svg>") == 3
    assert "top-1 accuracy by age" in page
    assert "40+" in page
    assert "patient 1: rank 8 at 3 years, rank 1 at 21 years" in page
    assert "secret-id" not in page
    assert '-1.25<span class="ends">(-2.00 to -0.50)</span></td><td class="num">0.004</td>' in page
    assert "D &lt;i&gt;" in page
    assert "below 0 it is easier to see with age" in page
    assert "Age, rule" not in render(report, now=NOW)
