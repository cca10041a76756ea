"""P-values against counting by hand, and their rate under the null."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.errors import OptionError
from deciface.stats.permutation import (
    Alternative,
    Null,
    count_subsets,
    p_value,
    sign_flips,
    subsets,
)
from deciface.stats.proportions import clopper_pearson


def rng(seed=1):
    return np.random.default_rng(seed)


@settings(deadline=None)
@given(st.integers(-3, 3), st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.sampled_from(Alternative))
def test_p_values_equal_counting_with_ties(observed, null, alternative):
    below, above = sum(x <= observed for x in null), sum(x >= observed for x in null)
    m = len(null)
    expected = {
        Alternative.LESS: (below + 1) / (m + 1),
        Alternative.GREATER: (above + 1) / (m + 1),
        Alternative.DOUBLED: min(1.0, 2 * (min(below, above) + 1) / (m + 1)),
        Alternative.ABSOLUTE: (sum(abs(x) >= abs(observed) for x in null) + 1) / (m + 1),
    }[alternative]
    got = p_value(float(observed), np.array(null, float), of=Null.SAMPLED, alternative=alternative)
    assert got.p == pytest.approx(expected)
    assert 0 < got.p <= 1
    assert got.interval[0] <= got.interval[1]
    with_itself = p_value(float(observed), np.array([*null, observed], float), of=Null.ALL, alternative=alternative)
    assert with_itself.p == pytest.approx(expected)
    assert with_itself.interval == (with_itself.p, with_itself.p)


def test_a_sum_in_another_order_is_still_as_extreme():
    got = p_value(0.1 + 0.2, np.array([0.3, 5.0]), of=Null.ALL, alternative=Alternative.LESS)
    assert got.p == 0.5


def test_the_interval_of_a_sampled_p_is_that_of_clopper_and_pearson():
    null = np.arange(100.0)
    assert p_value(4.0, null, of=Null.SAMPLED, alternative=Alternative.LESS).interval == clopper_pearson(5, 100)


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=3), st.data())
def test_few_subsets_are_all_looked_at_and_once(sizes, data):
    wanted = [data.draw(st.integers(0, n)) for n in sizes]
    starts = np.cumsum([0, *sizes])
    pools = [np.arange(a, b) for a, b in itertools.pairwise(starts)]
    found = subsets(pools, wanted, rng=rng())
    assert found.complete
    rows = {tuple(sorted(row)) for row in found.rows.tolist()}
    assert len(rows) == len(found.rows) == count_subsets(sizes, wanted)
    for row in rows:
        assert [sum(member in pool for member in row) for pool in pools] == wanted


@pytest.mark.parametrize("n", [8, 60])  # by sorting and by drawing again
def test_random_subsets_are_even_and_without_repeats(n):
    found = subsets([np.arange(n)], [4], rng=rng(), draws=20_000, enumerate_up_to=1)
    assert not found.complete
    assert found.rows.shape == (20_000, 4)
    assert all(len(set(row)) == 4 for row in found.rows.tolist())
    count = np.bincount(found.rows.ravel(), minlength=n)
    expected = 20_000 * 4 / n
    assert np.abs(count - expected).max() < 5 * np.sqrt(expected)


def test_sign_flips():
    assert sorted(map(tuple, sign_flips(2, rng=rng()).rows.tolist())) == [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    many = sign_flips(70, rng=rng(), draws=500)
    assert not many.complete
    assert many.rows.shape == (500, 70)
    assert set(np.unique(many.rows)) == {-1, 1}
    with pytest.raises(OptionError, match="0 signs"):
        sign_flips(0, rng=rng())


def rejections(runs, seed):
    """Rate at .05 of a two-sample test of means, by 199 random splits of 20 numbers, when nothing is there."""
    source = rng(seed)
    rejected = 0
    for _ in range(runs):
        values = source.standard_normal(20)
        splits = subsets([np.arange(20)], [10], rng=source, draws=199, enumerate_up_to=1).rows
        null = values[splits].mean(axis=1)
        got = p_value(float(values[:10].mean()), null, of=Null.SAMPLED, alternative=Alternative.DOUBLED)
        rejected += got.p <= 0.05
    return rejected / runs


def test_the_rate_of_false_alarms():
    assert 0.01 <= rejections(200, 3) <= 0.10


@pytest.mark.slow
def test_the_rate_of_false_alarms_in_2000_runs():
    assert clopper_pearson(round(2000 * rejections(2000, 4)), 2000, level=0.98)[1] <= 0.07


def test_refuses_what_cannot_be_compared():
    with pytest.raises(OptionError, match="all must be finite"):
        p_value(float("nan"), np.ones(3), of=Null.ALL, alternative=Alternative.LESS)
    with pytest.raises(OptionError, match="0 null statistics"):
        p_value(1.0, np.empty(0), of=Null.ALL, alternative=Alternative.LESS)
    with pytest.raises(OptionError, match="between 0 and 1"):
        p_value(1.0, np.ones(3), of=Null.ALL, alternative=Alternative.LESS, level=95)
    with pytest.raises(OptionError, match="3 are to be drawn and the pool has 2"):
        subsets([np.arange(2)], [3], rng=rng())
    with pytest.raises(OptionError, match="at least 1 is needed"):
        subsets([np.arange(2)], [1], rng=rng(), draws=0)
