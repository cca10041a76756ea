"""Same or different: controls by hand, decisions on planted worlds, honest figures beside the best fold."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from deciface.errors import NothingFoundError, OptionError
from deciface.space.lumping import (
    PUBLISHED_THRESHOLD,
    Decision,
    _decide,
    compare_cohorts,
    controls,
)
from deciface.space.lumping_limits import SURE, Limits
from deciface.space.lumping_threshold import Threshold
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
    assert same.distance < same.limits.same_below < same.threshold.value
    assert different.threshold.value < different.limits.different_above < different.distance
    assert same.threshold.interval[0] <= same.threshold.value <= same.threshold.interval[1]
    assert same.posterior < 1 - SURE < SURE < different.posterior
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
    assert "do not tell" in found.reason or found.reason.startswith("neither 'same' (")
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
    assert (found.decision, found.threshold, found.limits, found.posterior) == (Decision.CANNOT_TELL, None, None, None)
    assert found.reason == (
        "9 other disorders have two or more unrelated patients and 19 are needed to be right with 95 %"
    )


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


def test_decisions_and_their_reasons():
    limits = Limits(0.88, 0.93)
    assert _decide(0.87, threshold(), limits, 20) == (Decision.SAME, "")
    assert _decide(0.94, threshold(), limits, 20) == (Decision.DIFFERENT, "")
    assert _decide(0.90, threshold(), limits, 20) == (
        Decision.CANNOT_TELL,
        "neither 'same' (below 0.8800) nor 'different' (above 0.9300) would be right with 95 % here",
    )
    decision, reason = _decide(0.94, threshold(), Limits(None, None), 20)
    assert decision is Decision.CANNOT_TELL
    assert "'same' (at no distance) nor 'different' (at no distance)" in reason
    assert "do not tell" in _decide(0.94, threshold(auc_interval=(0.45, 0.7)), limits, 20)[1]


def test_with_few_disorders_nothing_is_called_different_however_far():
    """Of 18 disorders and one more even a single one is more than 5 %."""
    gallery = world(pull=2.0, disorders=20)
    found = compare_cohorts(gallery, patients(gallery, 0), patients(gallery, 1), rng=rng())
    assert (found.threshold.disorders, found.limits.different_above) == (18, None)
    assert found.decision is Decision.CANNOT_TELL
    assert found.reason.startswith("18 other disorders have two or more unrelated patients and 19 are needed")
    more = world(pull=2.0, disorders=21)
    assert compare_cohorts(more, patients(more, 0), patients(more, 1), rng=rng()).decision is Decision.DIFFERENT


def test_a_prior_moves_the_posterior_and_can_only_take_verdicts_away():
    gallery = world(pull=1.0)
    own = patients(gallery, 0)

    def ask(prior):
        return compare_cohorts(gallery, own[:6], own[6:], rng=rng(), prior=prior, resamples=100)

    even, likely, unlikely = ask(0.5), ask(0.9), ask(0.1)
    assert unlikely.posterior < even.posterior < likely.posterior
    assert likely.posterior / (1 - likely.posterior) == pytest.approx(9 * even.posterior / (1 - even.posterior))
    assert unlikely.limits.same_below == even.limits.same_below
    assert likely.limits.same_below is None  # 29 disorders show no ratio above 29, and 171 are asked for
    assert likely.limits.different_above == even.limits.different_above


def verdicts(runs, *, same, pull, disorders, seed):
    """Answers for two cohorts of four that are of one disorder, or of two."""
    said = []
    for run in range(runs):
        people = [{"disorder": d, "pull": pull} for d in range(disorders) for _ in range(6)]
        people += [{"disorder": "asked" if same or i < 4 else "other", "pull": pull} for i in range(8)]
        gallery, n = gallery_of_people(people, seed=1000 * seed + run), 6 * disorders
        one, other = ([f"p{i:03d}" for i in range(n + start, n + start + 4)] for start in (0, 4))
        said.append(compare_cohorts(gallery, one, other, rng=rng(run), resamples=100).decision)
    return said


@pytest.mark.parametrize(("pull", "seed", "answered"), [(0.25, 1, 0.0), (0.5, 2, 0.4), (1.0, 3, 0.75)])
def test_wrong_verdicts_are_rare_on_disorders_that_the_gallery_does_not_have(pull, seed, answered):
    for same, right in ((True, Decision.SAME), (False, Decision.DIFFERENT)):
        said = verdicts(30, same=same, pull=pull, disorders=20, seed=seed + 10 * same)
        wrong = sum(d not in {right, Decision.CANNOT_TELL} for d in said)
        assert wrong <= 4  # of 30 at .05: more than 4 once in a hundred times
        assert said.count(right) / 30 >= answered


@pytest.mark.slow
@pytest.mark.parametrize("disorders", [20, 80])
@pytest.mark.parametrize("pull", [0.25, 0.5, 1.0])
def test_wrong_verdicts_in_many_runs(disorders, pull):
    runs = 4_000 // disorders
    for same, right in ((True, Decision.SAME), (False, Decision.DIFFERENT)):
        said = verdicts(runs, same=same, pull=pull, disorders=disorders, seed=50 + disorders)
        wrong = sum(d not in {right, Decision.CANNOT_TELL} for d in said)
        assert binomtest(wrong, runs, 1 - SURE, alternative="greater").pvalue > 0.01


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
