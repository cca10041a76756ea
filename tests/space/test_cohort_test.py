"""The cohort test: against counting by hand, under the null, and on a planted likeness."""

import itertools

import numpy as np
import pytest

from deciface.cases import Sex
from deciface.errors import NothingFoundError, OptionError
from deciface.space.cohort_test import Match, cohort_test
from deciface.space.people import PatientRow
from deciface.stats.permutation import Null
from deciface.stats.proportions import clopper_pearson
from tests.space.cohorts import apart, face_of, gallery_of_people, mean_distance


def rng(seed=1):
    return np.random.default_rng(seed)


def test_few_groups_are_all_counted():
    gallery = gallery_of_people([{"photos": 1 + i % 3} for i in range(12)], seed=2)
    cohort, others = ["p003", "p004", "p009"], [f"p{i:03d}" for i in range(12) if i not in {3, 4, 9}]
    found = cohort_test(gallery, cohort, rng=rng())
    observed = mean_distance(gallery, cohort)
    null = [mean_distance(gallery, group) for group in itertools.combinations(others, 3)]
    b = sum(d <= observed for d in null)
    assert found.mean_distance == pytest.approx(observed, abs=1e-6)
    assert (found.p.as_extreme, found.p.arrangements, found.p.null) == (b, 84, Null.ALL_OTHERS)
    assert found.p.p == pytest.approx((b + 1) / 85)
    assert found.p.interval == (found.p.p, found.p.p)
    assert found.percentile == pytest.approx(b / 84)
    assert found.null_median == pytest.approx(np.median(null), abs=1e-6)
    assert found.reference_patients == 9


def test_one_photo_can_stand_for_a_patient():
    gallery = gallery_of_people([{"photos": 3}] * 8, seed=4)
    first = [face_of(gallery, [f"p{i:03d}-0"]) for i in (0, 1)]
    found = cohort_test(gallery, ["p000", "p001"], rng=rng(), row=PatientRow.FIRST_PHOTO)
    assert found.mean_distance == pytest.approx(apart(*first), abs=1e-6)


def test_many_groups_are_sampled_with_an_interval():
    gallery = gallery_of_people([{}] * 60, seed=5)
    found = cohort_test(gallery, [f"p{i:03d}" for i in range(6)], rng=rng(), draws=999)
    assert (found.p.null, found.p.arrangements) == (Null.SAMPLED, 999)
    assert found.p.p == (found.p.as_extreme + 1) / 1000
    assert found.p.interval == clopper_pearson(found.p.as_extreme, 999)
    again = cohort_test(gallery, [f"p{i:03d}" for i in range(6)], rng=rng(), draws=999)
    assert again == found


def test_a_planted_likeness_is_found_and_the_published_procedure_agrees():
    people = [{"disorder": 1, "pull": 1.0} for _ in range(5)] + [{"photos": 2, "disorder": 2 + i} for i in range(60)]
    found = cohort_test(gallery_of_people(people, seed=6), [f"p{i:03d}" for i in range(5)], rng=rng())
    assert found.p.p < 0.001
    assert found.percentile < 0.001
    assert found.published is not None
    assert (found.published.alike, found.published.differs) == (True, False)


def false_alarms(runs, seed, *, k=3):
    """Rates at .05 of the test here and of the published one; up to four photos a patient, nothing planted."""
    source = rng(seed)
    here = published = 0
    people = [{"photos": int(n)} for n in source.integers(1, 5, 60)]
    for run in range(runs):
        gallery = gallery_of_people(people, seed=10_000 * seed + run, dimensions=8)
        cohort = source.choice(60, k, replace=False)
        found = cohort_test(gallery, [f"p{i:03d}" for i in cohort], rng=source, draws=399)
        here += found.p.p <= 0.05
        published += found.published.alike
    return here / runs, published / runs


def test_false_alarms_stay_near_their_rate_and_the_published_null_of_ten_photos_does_not():
    here, published = false_alarms(200, 7)
    assert 0.01 <= here <= 0.10
    assert published > 0.15


@pytest.mark.slow
def test_false_alarms_in_2000_runs():
    here, _ = false_alarms(2000, 8)
    assert clopper_pearson(round(2000 * here), 2000, level=0.98)[1] <= 0.07


def test_says_where_the_published_procedure_would_decide_otherwise():
    people = [{"photos": 1 + 3 * (i % 2)} for i in range(60)]
    for seed in range(40):
        found = cohort_test(gallery_of_people(people, seed=seed, dimensions=8), ["p001", "p003"], rng=rng())
        assert found.published.differs == (found.published.alike != (found.p.p <= 0.05))
        if found.published.differs:
            return
    pytest.fail("the two never differed")


def test_matching_draws_the_cohorts_sexes_ages_and_ancestries():
    people = [
        {
            "sex": Sex.FEMALE if i % 2 else Sex.MALE,
            "age_years": 1.0 + 4 * (i % 3),
            "ancestry": "Hakka" if i < 24 else "German",
        }
        for i in range(48)
    ]
    gallery = gallery_of_people(people, seed=9)
    cohort = ["p000", "p001", "p006"]  # two boys and a girl, ages 1, 5 and 1, Hakka
    groups = cohort_test(gallery, cohort, rng=rng(), match=list(Match))
    # of 24 Hakka people there are 4 of each sex and age; 2 boys of 1 year and 1 girl of 5 belong to the cohort
    assert groups.p.arrangements == 1 * 3
    assert groups.reference_patients == 2 + 3
    assert "only 3 groups can be drawn: p cannot fall to 0.05" in groups.remarks[0]
    assert cohort_test(gallery, cohort, rng=rng(), match=[Match.SEX]).reference_patients == 45
    with pytest.raises(
        OptionError, match=r"3 patients \(male, age 0-2, ancestry Hakka\) and the rest of the gallery 1"
    ):
        cohort_test(gallery, ["p000", "p006", "p012"], rng=rng(), match=list(Match))


def test_relatives_are_neither_in_the_cohort_nor_twice_in_a_group():
    people = [
        {"family": "f"},
        {"family": "f"},
        {},
        *({"family": f"g{i // 2}"} for i in range(12)),
        {"unaffected": True},
    ]
    gallery = gallery_of_people(people, seed=10)
    with pytest.raises(OptionError, match="patients 'p000' and 'p001' are of family 'f' and relatives look alike"):
        cohort_test(gallery, ["p000", "p001"], rng=rng())
    found = cohort_test(gallery, ["p000", "p002"], rng=rng())
    assert found.reference_patients == 6  # one of each other family, nobody unaffected
    assert found.p.arrangements == 15


def test_refuses_what_is_no_cohort():
    gallery = gallery_of_people([{}] * 4, seed=11)
    with pytest.raises(OptionError, match="at least two are needed to be alike"):
        cohort_test(gallery, ["p000", "p000"], rng=rng())
    with pytest.raises(NothingFoundError, match="patient 'x' is not in the gallery"):
        cohort_test(gallery, ["p000", "x"], rng=rng())
    with pytest.raises(OptionError, match=r"3 patients \(anybody\) and the rest of the gallery 1 to draw from"):
        cohort_test(gallery, ["p000", "p001", "p002"], rng=rng())
    assert cohort_test(gallery, ["p000", "p001"], rng=rng()).published is None
