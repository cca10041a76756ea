"""Same or different: controls by hand, decisions on planted worlds, honest figures beside the best fold."""

import math

import numpy as np
import pytest

from deciface.errors import NothingFoundError, OptionError
from deciface.space.lumping import (
    PUBLISHED_THRESHOLD,
    Decision,
    Threshold,
    _decide,
    _posterior,
    compare_cohorts,
    controls,
)
from deciface.space.people import people_of
from tests.space.cohorts import apart, face_of, gallery_of_people


def rng(seed=1):
    return np.random.default_rng(seed)


def world(*, pull, disorders=30, patients=6, seed=2):
    """Disorder 0 has twice as many patients, for two cohorts of one disorder."""
    sizes = [2 * patients, *([patients] * (disorders - 1))]
    people = [{"disorder": d, "pull": pull, "photos": 1 + i % 2} for d, n in enumerate(sizes) for i in range(n)]
    return gallery_of_people(people, seed=seed)


def patients(gallery, disorder):
    return sorted({p.patient.id for p in gallery.photos if p.diagnoses[0].disorder.id == f"D{disorder}"})


def test_one_disorder_is_called_same_and_two_are_called_different():
    gallery = world(pull=1.0)
    own = patients(gallery, 0)
    same = compare_cohorts(gallery, own[:6], own[6:], rng=rng())
    different = compare_cohorts(gallery, own[:6], patients(gallery, 1), rng=rng())
    assert (same.decision, same.reason) == (Decision.SAME, "")
    assert (different.decision, different.reason) == (Decision.DIFFERENT, "")
    assert same.distance < same.threshold.interval[0] <= same.threshold.value <= same.threshold.interval[1]
    assert same.posterior < 0.2 < 0.8 < different.posterior
    assert same.threshold.disorders == 29
    assert same.threshold.sensitivity > 0.8
    assert different.published is (Decision.DIFFERENT if different.distance > PUBLISHED_THRESHOLD else Decision.SAME)


def test_the_distance_is_the_mean_across_patients():
    gallery = world(pull=1.0)
    one, other = patients(gallery, 3)[:2], patients(gallery, 4)[:3]

    def face(who):
        return face_of(gallery, [p.id for p in gallery.photos if p.patient.id == who])

    truth = [apart(face(a), face(b)) for a in one for b in other]
    found = compare_cohorts(gallery, one, other, rng=rng())
    assert found.distance == pytest.approx(sum(truth) / 6, abs=1e-6)


def test_without_a_signal_nothing_is_decided():
    gallery = world(pull=0.0)
    own = patients(gallery, 0)
    found = compare_cohorts(gallery, own[:6], own[6:], rng=rng())
    assert found.decision is Decision.CANNOT_TELL
    assert "do not tell" in found.reason or "inside the interval" in found.reason
    assert found.threshold.sensitivity + found.threshold.specificity < 1.2


def test_controls_are_of_free_patients_of_the_right_sizes_and_disorders():
    gallery = world(pull=1.0, disorders=12, patients=4)
    people = people_of(gallery)
    taken = people.find(patients(gallery, 0), what="cohort")
    found = controls(people, taken, sizes=(2, 2), rng=rng())
    assert found.names == tuple(sorted(f"D{d}" for d in range(1, 12)))
    assert found.whole == 1.0
    assert (~found.different).sum() == 11 * 10
    assert found.different.sum() == 11 * 10 / 2 * 5
    assert ((found.disorders[:, 0] == found.disorders[:, 1]) == ~found.different).all()
    smaller = controls(people, taken, sizes=(5, 5), rng=rng())
    assert smaller.whole == 0.0
    nobody = controls(people, np.arange(len(people)), sizes=(2, 2), rng=rng())
    assert nobody is None


def test_too_few_disorders_make_no_threshold():
    gallery = world(pull=1.0, disorders=10)
    found = compare_cohorts(gallery, patients(gallery, 0)[:2], patients(gallery, 1), rng=rng())
    assert (found.decision, found.threshold, found.posterior) == (Decision.CANNOT_TELL, None, None)
    assert found.reason == "9 other disorders have two or more unrelated patients and 10 are needed"


def threshold(**changes):
    values = {
        "value": 0.9,
        "interval": (0.88, 0.93),
        "auc": 0.9,
        "auc_interval": (0.85, 0.95),
        "sensitivity": 0.8,
        "specificity": 0.7,
        "disorders": 20,
        "same_controls": 200,
        "different_controls": 900,
        "best_fold": 0.9,
    }
    return Threshold(**(values | changes))


def test_decisions_and_posteriors():
    assert _decide(0.87, threshold(), 20) == (Decision.SAME, "")
    assert _decide(0.94, threshold(), 20) == (Decision.DIFFERENT, "")
    assert _decide(0.90, threshold(), 20)[0] is Decision.CANNOT_TELL
    assert "do not tell" in _decide(0.94, threshold(auc_interval=(0.45, 0.7)), 20)[1]
    sensitivity, specificity = 16.5 / 21, 14.5 / 21
    expected = 0.2 * sensitivity / (0.2 * sensitivity + 0.8 * (1 - specificity))
    assert _posterior(0.94, threshold(), 0.2) == pytest.approx(expected)
    assert _posterior(0.5, threshold(sensitivity=1.0, specificity=1.0), 0.5) > 0  # never certain


def test_false_decisions_are_rare_on_unseen_disorders():
    """Two halves of one disorder in 40 worlds: called different seldom."""
    wrong = 0
    for seed in range(40):
        gallery = world(pull=0.9, disorders=16, patients=4, seed=100 + seed)
        own = patients(gallery, 0)
        wrong += compare_cohorts(gallery, own[:4], own[4:], rng=rng(seed), resamples=100).decision is Decision.DIFFERENT
    assert wrong <= 6


def test_refuses_what_cannot_be_compared():
    gallery = world(pull=1.0, disorders=3)
    own = patients(gallery, 0)
    with pytest.raises(OptionError, match="the second cohort has 1 patient"):
        compare_cohorts(gallery, own[:2], own[2:3], rng=rng())
    with pytest.raises(OptionError, match=f"patient '{own[1]}' is in both cohorts"):
        compare_cohorts(gallery, own[:2], own[1:3], rng=rng())
    with pytest.raises(OptionError, match="between 0 and 1"):
        compare_cohorts(gallery, own[:2], own[2:4], rng=rng(), prior=1.0)
    with pytest.raises(OptionError, match="at least 100"):
        compare_cohorts(gallery, own[:2], own[2:4], rng=rng(), resamples=10)
    with pytest.raises(NothingFoundError, match="first cohort: patient 'x'"):
        compare_cohorts(gallery, ["x", own[0]], own[2:4], rng=rng())
    assert math.isfinite(compare_cohorts(gallery, own[:2], own[2:4], rng=rng()).distance)
