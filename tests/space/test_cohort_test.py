"""The cohort test: against counting by hand, under the null, and on a planted likeness."""

import itertools

import numpy as np
import pytest
from scipy.stats import binomtest

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
    cohort, everybody = ["p003", "p004", "p009"], [f"p{i:03d}" for i in range(12)]
    found = cohort_test(gallery, cohort, rng=rng())
    observed = mean_distance(gallery, cohort)
    null = [mean_distance(gallery, group) for group in itertools.combinations(everybody, 3)]
    b = sum(d <= observed + 1e-9 for d in null)  # the cohort itself is among them
    assert b > 1
    assert found.mean_distance == pytest.approx(observed, abs=1e-6)
    assert (found.p.as_extreme, found.p.arrangements, found.p.null) == (b, 220, Null.ALL)
    assert found.p.p == pytest.approx(b / 220)
    assert found.p.interval == (found.p.p, found.p.p)
    assert found.percentile == pytest.approx(b / 220)
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


def false_alarms(runs, seed, *, n=60, k=3, photos=1, match=(), family=1):
    """How often nothing is called alike at .05, here and by the published procedure; dimensions are few.

    Every patient has 1 to `photos` photos, and `family` of them in a row are of one family.
    """
    source = rng(seed)
    here = published = 0
    people = [
        {
            "photos": int(some),
            "sex": (Sex.FEMALE, Sex.MALE)[i % 2],
            "ancestry": ("Hakka", "German")[i // 2 % 2],
            "family": f"f{i // family}",
        }
        for i, some in enumerate(source.integers(1, photos + 1, n))
    ]
    for run in range(runs):
        gallery = gallery_of_people(people, seed=10_000 * seed + run, dimensions=8)
        cohort = family * source.choice(n // family, k, replace=False) + source.integers(0, family, k)
        found = cohort_test(gallery, [f"p{i:03d}" for i in cohort], rng=source, match=match, draws=199)
        here += found.p.p <= 0.05
        published += found.published is not None and found.published.alike
    return here, published


@pytest.fixture
def without_the_published_procedure(monkeypatch):
    """It costs most of the time and is not what these look at."""
    monkeypatch.setattr("deciface.space.cohort_test._published", lambda *_, **__: None)


def not_too_many(alarms, runs):
    """Whether a rate of .05 makes so many at least once in a hundred times."""
    return bool(binomtest(alarms, runs, 0.05, alternative="greater").pvalue > 0.01)


@pytest.mark.parametrize(
    ("seed", "gallery"),
    [
        (1, {"n": 12, "k": 3}),
        (2, {"n": 12, "k": 5}),
        (3, {"n": 15, "k": 5}),
        (4, {"n": 20, "k": 10}),
        (5, {"n": 30, "k": 10}),
        (6, {"n": 60, "k": 20}),
        (7, {"n": 60, "k": 30}),
        (8, {"n": 30, "k": 5, "photos": 4}),
        (9, {"n": 24, "k": 4, "match": (Match.SEX, Match.ANCESTRY)}),
        (10, {"n": 40, "k": 5, "family": 2}),
    ],
)
@pytest.mark.usefixtures("without_the_published_procedure")
def test_false_alarms_stay_at_their_rate_however_few_the_others_are(seed, gallery):
    alarms, _ = false_alarms(120, seed, **gallery)
    assert not_too_many(alarms, 120)
    assert alarms > 0  # a test that never calls anything alike would not be one


def test_the_published_null_of_ten_photos_makes_many_false_alarms():
    here, published = false_alarms(60, 7, photos=4)
    assert not_too_many(here, 60)
    assert published > 0.5 * 60


@pytest.mark.slow
@pytest.mark.parametrize(("n", "k"), [(12, 5), (60, 3), (60, 20), (200, 40)])
@pytest.mark.usefixtures("without_the_published_procedure")
def test_false_alarms_in_2000_runs(n, k):
    alarms, _ = false_alarms(2000, 8, n=n, k=k, photos=2)
    assert not_too_many(alarms, 2000)


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
    assert (groups.p.arrangements, groups.p.null) == (6 * 4, Null.ALL)
    assert groups.reference_patients == 2 + 3
    assert groups.remarks == ()
    assert cohort_test(gallery, cohort, rng=rng(), match=[Match.SEX]).reference_patients == 45
    three = cohort_test(gallery, ["p000", "p006", "p012"], rng=rng(), match=list(Match))
    assert three.p.arrangements == 4
    assert "only 4 groups can be drawn: p cannot fall to 0.05" in three.remarks[0]
    boys = ["p000", "p006", "p012", "p018"]
    with pytest.raises(
        OptionError, match=r"4 patients of the cohort there is nobody .*\(male, age 0-2, ancestry Hakka\)"
    ):
        cohort_test(gallery, boys, rng=rng(), match=list(Match))
    mixed = cohort_test(gallery, [*boys, "p001"], rng=rng(), match=list(Match))
    assert mixed.p.arrangements == 4
    assert "nobody else is male, age 0-2, ancestry Hakka (4): these patients are in every group" in mixed.remarks


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
    assert found.p.arrangements == 28  # two of these and the cohort's own two, whose relatives are out


def test_says_when_the_cohort_has_more_photos_than_the_others():
    """Means of more photos are nearer to each other, for which the number of photos alone is to blame."""
    people = [{"photos": 3 if i < 4 else 1, "disorder": 0, "pull": 1.0} for i in range(30)]
    gallery, cohort = gallery_of_people(people, seed=12), [f"p{i:03d}" for i in range(4)]
    said = "the cohort has 3.0 photos a patient and the others 1.0: means of more photos are nearer to each other"
    assert said in cohort_test(gallery, cohort, rng=rng()).remarks[-1]
    assert cohort_test(gallery, cohort, rng=rng(), row=PatientRow.FIRST_PHOTO).remarks == ()
    assert not any("photos" in r for r in cohort_test(gallery, ["p010", "p011"], rng=rng()).remarks)


def test_refuses_what_is_no_cohort():
    gallery = gallery_of_people([{}] * 4, seed=11)
    with pytest.raises(OptionError, match="at least two are needed to be alike"):
        cohort_test(gallery, ["p000", "p000"], rng=rng())
    with pytest.raises(NothingFoundError, match="patient 'x' is not in the gallery"):
        cohort_test(gallery, ["p000", "x"], rng=rng())
    with pytest.raises(OptionError, match=r"4 patients of the cohort there is nobody to draw from \(anybody\)"):
        cohort_test(gallery, ["p000", "p001", "p002", "p003"], rng=rng())
    assert cohort_test(gallery, ["p000", "p001"], rng=rng()).published is None
