"""The interval of a bounded mean: binomial where values are, as wide as it must be, and its cover."""

import numpy as np
import pytest

from deciface.errors import InputError
from deciface.evaluation.bounded_means import bounded_mean_ends
from deciface.stats.proportions import clopper_pearson


@pytest.mark.parametrize(("hits", "of"), [(0, 10), (1, 10), (9, 10), (15, 40), (12, 12)])
def test_of_hits_and_misses_it_is_the_exact_binomial_interval(hits, of):
    values = np.repeat([1.0, 0.0], [hits, of - hits])[:, None]
    (ends,) = bounded_mean_ends(values, np.ones(of), seed=1, replicates=100_000)
    assert ends == pytest.approx(clopper_pearson(hits, of), abs=0.004)


def test_of_alike_values_it_is_as_wide_as_one_more_patient_could_make_it():
    """Ten patients of value .3: the share of an eleventh is Beta(1, 10)."""
    (ends,) = bounded_mean_ends(np.full((10, 1), 0.3), np.ones(10), seed=1, replicates=100_000)
    share = 1 - 0.025 ** (1 / 10)
    assert ends == pytest.approx((0.3 * (1 - share), 0.3 + 0.7 * share), abs=0.003)


def test_columns_and_portions_do_not_change_the_ends(monkeypatch):
    rng = np.random.default_rng(2)
    weights = rng.uniform(0.2, 1, 25)
    totals = rng.uniform(0, 1, (25, 3)) * weights[:, None]
    whole = bounded_mean_ends(totals, weights, seed=3, replicates=500)
    monkeypatch.setattr("deciface.evaluation.bounded_means._HELD", 26 * 7)
    assert bounded_mean_ends(totals, weights, seed=3, replicates=500) == pytest.approx(whole)
    assert bounded_mean_ends(totals[:, 1:2], weights, seed=3, replicates=500) == pytest.approx(whole[1:2])
    assert bounded_mean_ends(totals * 2, weights * 2, seed=3, replicates=500) == pytest.approx(whole)
    means = totals.sum(axis=0) / weights.sum()
    assert ((whole[:, 0] < means) & (means < whole[:, 1])).all()


POPULATIONS = {
    "any rank to 300": lambda rng, n: 1 / rng.integers(1, 301, n),
    "near, geometric": lambda rng, n: 1 / rng.geometric(0.5, n),
    "a twentieth first, the rest far": lambda rng, n: np.where(rng.random(n) < 0.05, 1, 1 / rng.integers(10, 201, n)),
    "a fifth absent": lambda rng, n: np.where(rng.random(n) < 0.2, 0, 1 / rng.geometric(0.2, n)),
    "nearly all first": lambda rng, n: np.where(rng.random(n) < 0.95, 1, 1 / rng.integers(2, 6, n)),
}


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("n", [10, 25])
def test_the_mean_of_skewed_populations_is_covered(population, n):
    """At 95 % of the times or more: fewer than 275 of 300 would be seen once in a hundred such populations."""
    draw = POPULATIONS[population]
    truth = draw(np.random.default_rng(0), 1_000_000).mean()
    rng = np.random.default_rng(n)
    covered = 0
    for seed in range(300):
        (ends,) = bounded_mean_ends(draw(rng, n)[:, None], np.ones(n), seed=seed, replicates=300)
        covered += ends[0] <= truth <= ends[1]
    assert covered >= 275


def test_a_mean_over_disorders_is_covered_where_a_patient_may_be_the_only_one_of_theirs():
    """Disorders of 1 to 8 patients whose chance to be found varies; the truth is the mean of the chances."""
    rng = np.random.default_rng(5)
    covered = 0
    for seed in range(300):
        disorder = np.repeat(np.arange(6), rng.integers(1, 9, 6))
        hits = rng.random(len(disorder)) < rng.beta(3, 3, 6)[disorder]
        weights = 1 / np.bincount(disorder)[disorder]
        (ends,) = bounded_mean_ends((hits * weights)[:, None], weights, seed=seed, replicates=300)
        covered += ends[0] <= 0.5 <= ends[1]
    assert covered >= 275


@pytest.mark.parametrize(("totals", "weights"), [([[1.2]], [1.0]), ([[-0.1]], [1.0]), ([[0.0]], [0.0]), ([], [])])
def test_values_outside_of_0_to_1_are_refused_in_one_line(totals, weights):
    with pytest.raises(InputError, match=r"patients; give at least one, weights above 0 and values between 0 and 1"):
        bounded_mean_ends(np.array(totals, float).reshape(-1, 1), np.array(weights), seed=1)
