"""The bootstrap over clusters, such as patients with several photos each.

A statistic is a function of column sums over clusters. Drawing clusters with replacement is then drawing how often each
one counts, and the sums of all replicates are one product of counts and contributions: no loop over replicates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deciface.errors import InputError

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""(b, columns) sums -> (b, k) statistics, row by row."""

_CHUNK = 4_000_000
"""Counts held at a time."""


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """A statistic with its bootstrap intervals.

    Parameters
    ----------
    estimate
        (k,) of the clusters as they are.
    percentile, bca
        (k, 2) low and high ends. BCa: bias-corrected and accelerated.
    clusters, replicates, seed, level
        What they were computed from.
    """

    estimate: Floats
    percentile: Floats
    bca: Floats
    clusters: int
    replicates: int
    seed: int
    level: float


def ratio(sums: Floats) -> Floats:
    """Divide the first half of the columns by the second: weighted means, from weighted values and weights.

    >>> ratio(np.array([[3.0, 1.0, 4.0, 4.0]])).tolist()
    [[0.75, 0.25]]
    """
    k = sums.shape[1] // 2
    means: Floats = sums[:, :k] / sums[:, k:]
    return means


def by_cluster(values: ArrayLike, clusters: ArrayLike) -> Floats:
    """Sum rows of the same cluster.

    Parameters
    ----------
    values
        (n, columns).
    clusters
        (n,) anything that can be sorted.

    Returns
    -------
    (clusters, columns) float64, in sorted order of the clusters.

    >>> by_cluster([[1, 1], [0, 1], [1, 1]], ["p", "q", "p"]).tolist()
    [[2.0, 2.0], [0.0, 1.0]]
    """
    rows = np.asarray(values, np.float64)
    _, of = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.zeros((int(of.max(initial=-1)) + 1, rows.shape[1]))
    np.add.at(sums, of, rows)
    return sums


def bootstrap(
    contributions: ArrayLike,
    statistic: Statistic = ratio,
    *,
    seed: int,
    replicates: int = 2000,
    level: float = 0.95,
) -> Bootstrap:
    """Draw clusters with replacement; O(replicates x clusters x columns), in matrix products.

    Percentile interval: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13. BCa interval: Efron,
    J Am Stat Assoc 82:171, 1987, with the acceleration from the jackknife over clusters; of replicates equal to the
    estimate half count as below it.

    Parameters
    ----------
    contributions
        (n, columns) finite, one row per cluster.
    statistic
        Of column sums; by default `ratio`.
    seed
        The same seed and contributions give the same intervals.
    replicates, level
        At least 100; between 0 and 1.

    Raises
    ------
    InputError
        Fewer than two clusters, numbers that are not finite, or options that are not allowed.
    """
    rows = np.ascontiguousarray(contributions, np.float64)
    if rows.ndim != 2 or len(rows) < 2 or not np.isfinite(rows).all():
        raise InputError(f"contributions of shape {rows.shape}; give finite (n, columns) of at least two clusters")
    if replicates < 100 or not 0 < level < 1:
        raise InputError(f"{replicates} replicates, level {level:g}; give at least 100 and a level between 0 and 1")
    rng = np.random.default_rng(seed)
    whole = rows.sum(axis=0, keepdims=True)
    estimate = statistic(whole)[0]
    drawn = statistic(np.concatenate(list(_sums(rows, rng, replicates))))
    if not (np.isfinite(drawn).all() and np.isfinite(estimate).all()):
        raise InputError("the statistic is not finite in every replicate; use one that is defined for any draw")
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    left_out = statistic(whole - rows)
    corrected = np.stack([_bca_tails(drawn[:, j], estimate[j], left_out[:, j], tails) for j in range(len(estimate))])
    bca = np.stack([np.quantile(drawn[:, j], corrected[j]) for j in range(len(estimate))])
    percentile: Floats = np.quantile(drawn, tails, axis=0).T
    return Bootstrap(estimate, percentile, bca, len(rows), replicates, seed, level)


def _sums(rows: Floats, rng: np.random.Generator, replicates: int) -> list[Floats]:
    """Column sums of every replicate, some replicates at a time."""
    n = len(rows)
    at_a_time = max(1, _CHUNK // n)
    sums = []
    for start in range(0, replicates, at_a_time):
        b = min(at_a_time, replicates - start)
        draws = rng.integers(0, n, (b, n)) + n * np.arange(b)[:, None]
        counts = np.bincount(draws.ravel(), minlength=b * n).reshape(b, n)
        sums.append(counts.astype(np.float64) @ rows)
    return sums


def _bca_tails(drawn: Floats, estimate: float, left_out: Floats, tails: Floats) -> Floats:
    """Which quantiles of the replicates are the ends of the BCa interval."""
    from scipy.special import ndtr, ndtri

    slack = 1e-12 * max(1.0, abs(estimate))  # sums in another order must not make two equal numbers unequal
    less, equal = np.sum(drawn < estimate - slack), np.sum(np.abs(drawn - estimate) <= slack)
    below = np.clip((less + equal / 2) / len(drawn), 0.5 / len(drawn), 1 - 0.5 / len(drawn))
    bias = float(ndtri(below))
    away = np.where(np.isfinite(left_out), left_out, estimate)
    away = away.mean() - away
    spread = float(np.sum(away**2))
    acceleration = float(np.sum(away**3)) / (6 * spread**1.5) if spread > slack**2 else 0.0
    z = bias + ndtri(tails)
    corrected: Floats = ndtr(bias + z / (1 - acceleration * z))
    return corrected
