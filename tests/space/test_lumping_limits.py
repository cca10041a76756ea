"""Limits of verdicts: the share that is as extreme by counting, and the likelihood ratio on a planted truth."""

import math

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import binomtest

from deciface.space.lumping_limits import SURE, Evidence, Limits, as_extreme, once_each, sterner


def counted(values, weights, limit, one_more=1.0):
    """Share that is above a limit, one more being above it anyhow."""
    return (one_more + sum(w for v, w in zip(values, weights, strict=True) if v > limit)) / (one_more + sum(weights))


@pytest.mark.parametrize("seed", range(5))
def test_at_most_one_in_twenty_is_above_the_limit_and_a_lower_one_would_not_do(seed):
    rng = np.random.default_rng(seed)
    values, weights = np.round(rng.standard_normal(60), 1), rng.uniform(0.1, 2.0, 60)  # with ties
    limit = as_extreme(values, weights)
    assert limit in values
    assert counted(values, weights, limit) <= 1 - SURE + 1e-9
    assert counted(values, weights, np.nextafter(limit, -math.inf)) > 1 - SURE


@pytest.mark.parametrize(("n", "limit"), [(10, None), (18, None), (19, 18.0), (38, 37.0), (39, 37.0)])
def test_few_values_have_no_limit(n, limit):
    assert as_extreme(np.arange(n, dtype=float), np.ones(n)) == limit


def test_every_disorder_and_every_two_disorders_count_once():
    disorders = np.array([(0, 0), (0, 0), (1, 1), (0, 1), (0, 1), (0, 1), (0, 1), (0, 2)])
    assert once_each(disorders).tolist() == [0.5, 0.5, 1.0, 0.25, 0.25, 0.25, 0.25, 1.0]


def test_one_of_a_population_is_above_the_limit_of_the_others_in_one_of_twenty_cases():
    """Disorders differ, and each has several splits, which hang together."""
    rng, above = np.random.default_rng(3), 0
    for _ in range(1000):
        splits = rng.standard_normal((30, 1)) + 0.5 * rng.standard_normal((30, 10))
        limit = as_extreme(splits[1:].ravel(), np.full(290, 0.1))
        above += splits[0, 0] > limit
    assert binomtest(above, 1000, 0.05, alternative="greater").pvalue > 0.01
    assert above > 20


def planted(n=400, seed=1):
    """Distances of same pairs around 0, of different ones around 2, spread 1: the true log ratio is 2 d - 2."""
    rng = np.random.default_rng(seed)
    different = np.arange(2 * n) >= n
    numbers = np.concatenate([np.arange(n), np.arange(n)])
    disorders = np.column_stack([numbers, np.where(different, (numbers + 1) % n, numbers)])
    return rng.standard_normal(2 * n) + 2.0 * different, different, disorders


def test_the_ratio_is_that_of_the_truth():
    evidence = Evidence.of(*planted())
    assert evidence.slope == pytest.approx(2.0, abs=0.3)
    assert evidence.log_ratio(1.0) == pytest.approx(0.0, abs=0.3)
    assert evidence.log_ratio(50.0) == evidence.most == pytest.approx(math.log(400))
    assert evidence.posterior(-50.0, 0.5) == pytest.approx(1 / 401)
    odds = evidence.posterior(1.5, 0.2) / (1 - evidence.posterior(1.5, 0.2))
    assert odds == pytest.approx(math.exp(evidence.log_ratio(1.5)) * 0.25)


def test_verdicts_begin_where_the_ratio_makes_them_sure_at_even_odds_and_at_the_prior():
    evidence = Evidence.of(*planted())
    even = evidence.limits(0.5)
    assert evidence.posterior(even.different_above, 0.5) == pytest.approx(SURE)
    assert evidence.posterior(even.same_below, 0.5) == pytest.approx(1 - SURE)
    rare = evidence.limits(0.1)
    assert evidence.posterior(rare.different_above, 0.1) == pytest.approx(SURE)
    assert rare.same_below == even.same_below
    assert evidence.log_ratio(evidence.limits(0.9).same_below) == pytest.approx(-logit(SURE) - logit(0.9))
    assert evidence.limits(1e-9) == Limits(even.same_below, None)
    assert Evidence(0.0, -1.0, 9.0).limits(0.5) == Limits(None, None)
    assert Evidence(0.0, 1.0, math.log(18)).limits(0.5) == Limits(None, None)


def test_of_two_limits_the_sterner_one_holds():
    assert sterner(Limits(0.2, 0.8), Limits(0.3, 0.9)) == Limits(0.2, 0.9)
    assert sterner(Limits(None, 0.8), Limits(0.3, None)) == Limits(None, None)
