"""The bootstrap over clusters: against scipy, against loops, and its coverage on clustered data."""

import numpy as np
import pytest
import scipy.stats

from deciface.errors import InputError
from deciface.stats.bootstrap import bootstrap, by_cluster, ratio


def one_each(values):
    return np.column_stack([values, np.ones(len(values))])


def test_the_estimate_is_the_statistic_itself():
    values = np.array([1.0, 0, 0, 1, 1])
    found = bootstrap(one_each(values), seed=1)
    assert found.estimate == pytest.approx([0.6])
    assert (found.clusters, found.replicates, found.seed, found.level) == (5, 2000, 1, 0.95)


def test_equal_to_scipy_up_to_chance_on_a_skewed_mean():
    values = np.random.default_rng(3).exponential(size=40) ** 2
    ours = bootstrap(one_each(values), seed=5, replicates=40_000)
    for mine, method in ((ours.percentile[0], "percentile"), (ours.bca[0], "BCa")):
        theirs = scipy.stats.bootstrap(
            (values,), np.mean, n_resamples=40_000, method=method, rng=np.random.default_rng(8)
        )
        interval = theirs.confidence_interval
        assert mine == pytest.approx([interval.low, interval.high], rel=0.015)
    assert ours.bca[0, 1] > ours.percentile[0, 1] + 0.1  # the correction does something here


def test_the_replicates_are_those_of_plain_loops():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(7, 2)) + 5
    draws = np.random.default_rng(11).integers(0, 7, (300, 7))
    means = [rows[draw, 0].sum() / rows[draw, 1].sum() for draw in draws]
    found = bootstrap(rows, seed=11, replicates=300)
    assert found.percentile[0] == pytest.approx(np.quantile(means, [0.025, 0.975]))


def test_the_same_seed_gives_the_same_interval_and_another_one_does_not():
    rows = one_each(np.random.default_rng(2).normal(size=30))
    first = bootstrap(rows, seed=4)
    assert np.array_equal(first.bca, bootstrap(rows, seed=4).bca)
    assert not np.array_equal(first.bca, bootstrap(rows, seed=5).bca)


def test_many_clusters_in_several_chunks(monkeypatch):
    rows = one_each(np.random.default_rng(2).normal(size=50))
    whole = bootstrap(rows, seed=4, replicates=500)
    monkeypatch.setattr("deciface.stats.bootstrap._CHUNK", 1050)
    assert bootstrap(rows, seed=4, replicates=500).bca == pytest.approx(whole.bca)


def test_units_that_all_agree_have_an_interval_without_width():
    found = bootstrap(one_each(np.ones(12)), seed=0)
    assert found.bca.tolist() == found.percentile.tolist() == [[1.0, 1.0]]


def test_several_statistics_share_the_draws():
    values = np.random.default_rng(1).normal(size=(25, 2))
    both = bootstrap(np.column_stack([values, np.ones((25, 2))]), seed=9)
    assert both.bca[1] == pytest.approx(bootstrap(one_each(values[:, 1]), seed=9).bca[0])


def clustered(rng, *, patients, share):
    """Photos of patients who are hits or misses as a whole, most of the time; the true mean is `share`."""
    photos = rng.integers(1, 5, patients)
    of = np.repeat(np.arange(patients), photos)
    shares = rng.beta(2 * share, 2 * (1 - share), patients)
    return np.column_stack([rng.random(len(of)) < shares[of], np.ones(len(of))]).astype(float), of


@pytest.mark.parametrize("interval", ["percentile", "bca"])
def test_the_interval_of_a_clustered_mean_covers_the_truth(interval):
    rng = np.random.default_rng(20_261)
    covered = naive = 0
    for seed in range(200):
        values, of = clustered(rng, patients=60, share=0.4)
        low, high = getattr(bootstrap(by_cluster(values, of), seed=seed, replicates=1000), interval)[0]
        covered += low <= 0.4 <= high
        low, high = getattr(bootstrap(values, seed=seed, replicates=1000), interval)[0]
        naive += low <= 0.4 <= high
    assert 0.90 <= covered / 200 <= 0.99
    assert naive < covered - 10  # photos taken as independent: too narrow


@pytest.mark.parametrize("interval", ["percentile", "bca"])
def test_the_interval_of_a_weighted_mean_covers_the_truth(interval):
    """Macro by disorder: weights 1 / patients of the disorder; disorders differ, patients within them too."""
    rng = np.random.default_rng(77)
    covered = 0
    for seed in range(200):
        sizes = rng.integers(1, 6, 40)
        of = np.repeat(np.arange(40), sizes)
        shares = rng.beta(2, 3, 40)
        hits = rng.random(len(of)) < shares[of]
        weights = 1.0 / sizes[of]
        low, high = getattr(
            bootstrap(np.column_stack([hits * weights, weights]), seed=seed, replicates=1000), interval
        )[0]
        covered += low <= 0.4 <= high
    assert 0.90 <= covered / 200 <= 0.99


def test_ratio_divides_halves():
    assert ratio(np.array([[1.0, 2.0, 2.0, 8.0]])).tolist() == [[0.5, 0.25]]


@pytest.mark.parametrize("rows", [np.ones((1, 2)), np.array([[1.0, np.nan], [1.0, 1.0]]), np.ones(4)])
def test_too_few_or_not_finite_is_refused(rows):
    with pytest.raises(InputError, match=r"give finite \(n, columns\) of at least two clusters"):
        bootstrap(rows, seed=0)


def test_options_are_checked():
    with pytest.raises(InputError, match=r"10 replicates, level 0\.95; give at least 100"):
        bootstrap(np.ones((3, 2)), seed=0, replicates=10)
    with pytest.raises(InputError, match="level 95"):
        bootstrap(np.ones((3, 2)), seed=0, level=95)


def test_a_statistic_that_is_not_defined_for_every_draw_is_refused():
    with pytest.raises(InputError, match="not finite in every replicate"), np.errstate(all="ignore"):
        bootstrap(np.array([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]), seed=0)
