"""The mean change: its interval is what flipped signs do not reject, exactly, and keeps its level on few patients."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from deciface.evaluation.mean_change import mean_change


def p_of(changes, mean):
    """Share of all patterns of signs whose mean is as far from the supposed one, in plain loops."""
    away = [c - mean for c in changes]
    patterns = list(itertools.product((1, -1), repeat=len(away)))
    sums = [abs(sum(s * a for s, a in zip(signs, away, strict=True))) for signs in patterns]
    return sum(s >= abs(sum(away)) - 1e-9 for s in sums) / len(sums)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-6, 6).map(lambda x: x / 2), min_size=6, max_size=8), st.sampled_from([0.95, 0.8]))
def test_the_interval_is_what_the_test_does_not_reject(changes, level):
    found = mean_change(np.array(changes), seed=1, level=level)
    low, high = found.interval
    assert found.value == pytest.approx(np.mean(changes))
    assert found.p == pytest.approx(p_of(changes, 0.0))
    assert low <= found.value + 1e-9
    assert high >= found.value - 1e-9
    for inside in (low, high, (low + high) / 2):
        assert p_of(changes, inside) > 1 - level
    for outside in (low - 0.01, high + 0.01):
        assert p_of(changes, outside) <= 1 - level


@pytest.mark.parametrize("n", [6, 11, 16, 17, 40])
def test_0_is_outside_just_where_p_is_at_most_5_percent(n):
    rng = np.random.default_rng(n)
    small = []
    for shift in np.linspace(0, 4 / np.sqrt(n), 60):
        found = mean_change(np.round(rng.standard_normal(n) + shift, 1), seed=3)
        assert (found.p <= 0.05) == (found.interval[0] > 0 or found.interval[1] < 0)
        small.append(found.p <= 0.05)
    assert 5 < sum(small) < 55


@pytest.mark.parametrize("n", [6, 12, 20])
def test_of_skewed_changes_without_a_mean_the_interval_holds_0_at_its_level(n):
    """Differences of two logarithms of ranks. More misses than this bound are seen once in 10,000 times."""
    rng = np.random.default_rng(9)
    missed = 0
    for seed in range(300):
        changes = np.diff(np.log2(rng.integers(1, 31, (n, 2))), axis=1).ravel()
        low, high = mean_change(changes, seed=seed).interval
        missed += low > 0 or high < 0
    assert missed <= binom.ppf(0.9999, 300, 0.05)


def test_five_patients_bound_no_mean():
    assert mean_change(np.arange(1.0, 6.0), seed=1).interval == (-np.inf, np.inf)
    assert mean_change(np.arange(1.0, 7.0), seed=1).interval == (1.0, 6.0)
