from dataclasses import replace

import numpy as np
import pytest

from deciface.figures.discrimination import Band
from deciface.reports.cohort import (
    CohortTestReport,
    ComparisonReport,
    MatrixReport,
    Member,
    render_comparison,
    render_matrix,
    render_test,
)
from deciface.space.cohort_test import CohortTest, Match, PublishedProcedure
from deciface.space.lumping import CohortComparison, Controls, Decision
from deciface.space.lumping_limits import Limits
from deciface.space.lumping_threshold import Threshold
from deciface.space.matrices import pair_matrices
from deciface.space.people import PatientRow
from deciface.stats.permutation import Null, PermutationP
from tests.reports.pages import HEAD, NOW, check_page
from tests.space.cohorts import gallery_of_people

MEMBERS = (
    Member("p1 <a>", 3, "female", "2, 9", "Hakka", "D1"),
    Member("p2", 1, "male", "not recorded", "Amis", "undiagnosed"),
    Member("p3", 1, "male", "4", "Amis", "D1"),
)


@pytest.fixture
def tested():
    found = CohortTest(
        patients=("p1", "p2", "p3"),
        row=PatientRow.MEAN,
        matched=(Match.SEX,),
        mean_distance=0.4321,
        p=PermutationP(0.0123, (0.0101, 0.0145), 122, 9_999, Null.SAMPLED),
        percentile=122 / 9_999,
        null_median=0.7,
        null_range=(0.45, 0.95),
        reference_patients=1_234,
        published=PublishedProcedure(0.6543, 0.6, 0.0777, alike=False, differs=True),
        remarks=("only few groups can be drawn",),
        gallery_digest="d" * 64,
        simulated=True,
        null=np.random.default_rng(1).normal(0.7, 0.12, 9_999),
    )
    return CohortTestReport(HEAD, MEMBERS, found)


def test_a_cohort_test_says_every_number_and_what_it_is_not(tested):
    text = check_page(render_test(tested, now=NOW))
    for said in (
        "122 of 9,999 random groups of 3 patients are at least as alike as this cohort (1.22 %)",
        "p = 0.0123 , 95 % interval 0.0101 to 0.0145, from a random sample of groups",
        "not the probability that they share a disorder",
        "mean pairwise distance of the cohort 0.4321",
        "0.4500 – 0.9500",
        "patients they are drawn from the cohort and 1,234 others",
        "in the same numbers sex",
        "only few groups can be drawn.",
        "this cohort 0.4321, 1.22 % as alike",
        "p1 &lt;a&gt; 3 female 2, 9 Hakka D1",
        "Only sex was matched",
    ):
        assert said in text.replace("p = 0.0123,", "p = 0.0123 ,")


def test_it_says_what_the_published_procedure_would_decide_and_why(tested):
    text = check_page(render_test(tested, now=NOW))
    assert "It would decide otherwise: published procedure not alike , here at 0.05 alike" in text
    assert "mean over pairs of photos: 0.6543" in text
    assert "5th percentile of 10,000 groups: 0.6000" in text
    assert "This cohort has 3 pairs of patients." in text
    assert "Of the 10 pairs of this cohort's 5 photos 3 show one person twice." in text
    agreeing = replace(tested.found.published, alike=True, differs=False)
    one_each = tuple(replace(m, photos=1) for m in MEMBERS)
    text = check_page(
        render_test(replace(tested, members=one_each, found=replace(tested.found, published=agreeing)), now=NOW)
    )
    assert "It agrees: published procedure alike , here at 0.05 alike" in text
    assert "one photo a patient, so this does not apply to it" in text


def test_an_exact_test_says_so_and_a_small_gallery_has_no_published_answer(tested):
    exact = replace(
        tested.found, p=PermutationP(0.1, (0.1, 0.1), 3, 30, Null.ALL), published=None, matched=(), remarks=()
    )
    text = check_page(render_test(replace(tested, found=replace(exact, null=exact.null[:30])), now=NOW))
    assert "3 of 30 groups of 3 patients are at least as alike as this cohort, itself counted (1.22 %)" in text
    assert "exact: every group was looked at" in text
    assert "interval" not in text.split("What the published")[0]
    assert "groups of 10 photos, and the gallery has fewer others" in text
    assert "Nothing was matched here" in text


@pytest.fixture
def compared():
    threshold = Threshold(0.61, (0.58, 0.64), 0.912, (0.85, 0.97), 0.84, 0.79, 14, 140, 455, 0.5)
    found = CohortComparison(
        ("p1", "p2"),
        ("p3",),
        0.55,
        Decision.SAME,
        "",
        threshold,
        Limits(0.57, None),
        0.3,
        0.0812,
        Decision.SAME,
        "d" * 64,
        True,
    )
    rng = np.random.default_rng(2)
    pairs = Controls(
        np.concatenate([rng.normal(0.5, 0.08, 140), rng.normal(0.7, 0.08, 455)]),
        np.arange(595) >= 140,
        np.zeros((595, 2), np.intp),
        {"a": np.arange(2)},
        0.75,
    )
    rates = np.linspace(0, 1, 11)
    band = Band(rates, rates, np.ones(11))
    return ComparisonReport(HEAD, MEMBERS[:2], MEMBERS[2:], found, pairs, band)


def test_a_comparison_says_threshold_curve_and_decision(compared):
    text = check_page(render_comparison(compared, now=NOW))
    for said in (
        "Same : the two cohorts are as near as two halves of one disorder.",
        "mean distance across the 2 and 1 patients is 0.5500",
        "probability of 0.3 for “different” assumed beforehand it is 0.081 now",
        "“same” below 0.5700 such a verdict has to be right with 95 % at even odds",
        "“different” at no distance",
        "0.6100 95 % interval 0.5800 – 0.6400, bootstrap over disorders",
        "0.912 0.850 – 0.970",
        "84.0 %",
        "79.0 %",
        "140 / 455 of one / of two disorders, from 14 disorders",
        "75 % of the pairs are as large",
        "best of five folds, here 0.5000, which would say different",
        "constant, 0.8963, would say same",
        "AUC 0.912 (95 % 0.850–0.970)",
        "these two cohorts 0.5500",
        "First cohort: 2 patients",
    ):
        assert said in text


def test_cannot_tell_is_an_answer_with_its_reason(compared):
    found = replace(
        compared.found,
        decision=Decision.CANNOT_TELL,
        reason="3 other disorders are there",
        threshold=None,
        limits=None,
        posterior=None,
    )
    text = check_page(render_comparison(replace(compared, found=found, band=None), now=NOW))
    assert "Cannot tell : 3 other disorders are there." in text
    assert "The threshold" not in text
    assert "shaded" not in text
    assert "No threshold is drawn: none could be found." in text
    assert "best of five" not in text
    text = check_page(render_comparison(replace(compared, found=found, controls=None, band=None), now=NOW))
    assert "<svg" not in render_comparison(replace(compared, found=found, controls=None, band=None), now=NOW)
    assert "Different" not in text
    assert "Where verdicts begin" not in text


@pytest.fixture
def pairs():
    gallery = gallery_of_people([{"photos": 2}, {"photos": 1}, {"photos": 1}, {}, {}], seed=3)
    return pair_matrices(gallery, ["p000", "p001", "p002"])


def test_matrices_are_pictures_and_numbers(pairs):
    page = render_matrix(MatrixReport(HEAD, MEMBERS, pairs), now=NOW)
    text = check_page(page)
    assert page.count("data:image/png;base64,") == 2
    order = pairs.order.tolist()
    for i in order:
        for j in order:
            if i != j:
                assert f"{pairs.distances[i, j]:.3f} / {pairs.ranks[i, j]}" in text
    apart = [pairs.distances[i, j] for i in range(4) for j in range(i) if pairs.patient_ids[i] != pairs.patient_ids[j]]
    same = pairs.distances[0, 1]
    assert f"of two patients 5 {np.median(apart):.4f}" in text
    assert f"of one patient 1 {same:.4f}" in text
    i = pairs.photo_ids.index("p001-0")
    others = {j: pairs.distances[i, j] for j in range(4) if j != i}
    nearest = min(others, key=others.get)
    assert f"p001-0 {pairs.photo_ids[nearest]} {others[nearest]:.4f} {pairs.ranks[i, nearest]}" in text


def test_photos_of_one_patient_have_no_other_patient():
    pairs = pair_matrices(gallery_of_people([{"photos": 3}, {}], seed=3), ["p000"])
    text = check_page(render_matrix(MatrixReport(HEAD, MEMBERS[:1], pairs), now=NOW))
    assert "All photos are of one patient." in text
    assert "of two patients" not in text


def test_a_large_cohort_has_no_table_of_numbers():
    pairs = pair_matrices(gallery_of_people([{}] * 31, seed=3), [f"p{i:03d}" for i in range(31)])
    text = check_page(render_matrix(MatrixReport(HEAD, MEMBERS, pairs), now=NOW))
    assert "The numbers" not in text
