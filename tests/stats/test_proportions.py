"""Intervals of a proportion against published digits and against what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from deciface.errors import InputError
from deciface.stats.proportions import clopper_pearson, proportion_interval, wilson

# Newcombe, Statistics in Medicine 17:857 (1998), table I, methods 3 and 5
NEWCOMBE = [
    (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
    (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
    (0, 20, (0.0000, 0.1611), (0.0000, 0.1684)),
    (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
]


@pytest.mark.parametrize(("hits", "of", "score", "exact"), NEWCOMBE)
def test_the_published_digits(hits, of, score, exact):
    assert wilson(hits, of) == pytest.approx(score, abs=5.1e-5)
    assert clopper_pearson(hits, of) == pytest.approx(exact, abs=5.1e-5)


@given(st.integers(1, 400), st.data())
def test_equal_to_scipy(of, data):
    hits = data.draw(st.integers(0, of))
    level = data.draw(st.sampled_from([0.8, 0.95, 0.99]))
    test = binomtest(hits, of)
    for ours, method in ((wilson, "wilson"), (clopper_pearson, "exact")):
        theirs = test.proportion_ci(level, method=method)
        assert ours(hits, of, level=level) == pytest.approx((theirs.low, theirs.high), abs=1e-10)


@pytest.mark.parametrize("of", [5, 19, 40])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9])
def test_the_exact_interval_never_covers_less_than_it_says(of, share):
    covered = [clopper_pearson(hits, of)[0] <= share <= clopper_pearson(hits, of)[1] for hits in range(of + 1)]
    assert binom.pmf(np.arange(of + 1), of, share)[covered].sum() >= 0.95


def test_small_numbers_get_the_exact_interval():
    assert proportion_interval(3, 19) == clopper_pearson(3, 19)
    assert proportion_interval(3, 20) == wilson(3, 20)


@pytest.mark.parametrize(("hits", "of"), [(-1, 3), (4, 3), (0, 0)])
def test_impossible_counts_are_refused(hits, of):
    with pytest.raises(InputError, match="give at least one unit and between 0 and that many hits"):
        wilson(hits, of)


def test_an_impossible_level_is_refused():
    with pytest.raises(InputError, match=r"level 95; give a confidence between 0 and 1"):
        clopper_pearson(1, 2, level=95)
