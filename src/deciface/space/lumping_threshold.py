"""Where "different" begins: Youden's threshold on pairs of cohorts, and how it does on unseen disorders; numbers only.

It describes how well distances tell the two kinds of pairs apart. Verdicts are from `deciface.space.lumping_limits`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.space.vectors import Floats, Indices
from deciface.stats.roc import roc, youden

FOLDS = 5


@dataclass(frozen=True)
class Threshold:
    """Where "different" begins.

    Parameters
    ----------
    value, interval
        Youden's threshold on all controls, and its 95 % percentile interval over bootstrap samples of disorders.
    auc, auc_interval
        Of the controls, with the interval of the same bootstrap.
    sensitivity, specificity
        Share of different pairs called different, and of same pairs called same, each by a threshold that was fitted
        without the disorders in question.
    disorders, same_controls, different_controls
        What they rest on.
    best_fold
        The threshold that keeping the best of five folds would give.
    """

    value: float
    interval: tuple[float, float]
    auc: float
    auc_interval: tuple[float, float]
    sensitivity: float
    specificity: float
    disorders: int
    same_controls: int
    different_controls: int
    best_fold: float


def threshold_of(
    distances: Floats, different: NDArray[np.bool_], disorders: Indices, *, rng: np.random.Generator, resamples: int
) -> Threshold:
    """Threshold, its interval, and how it does on disorders that it has not seen.

    Parameters
    ----------
    distances, different, disorders
        As in `deciface.space.lumping.Controls`.
    rng, resamples
        Source and number of the bootstrap samples of disorders.
    """
    sensitivity, specificity, best_fold = _cross_validated(distances, different, disorders, rng)
    thresholds: list[float] = []
    areas: list[float] = []
    n = int(disorders.max()) + 1
    while len(thresholds) < resamples:
        times = np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64)
        weights = times[disorders[:, 0]] * np.where(different, times[disorders[:, 1]], 1.0)
        if weights[different].any() and weights[~different].any():
            thresholds.append(youden(distances, different, weights=weights).threshold)
            areas.append(roc(distances, different, weights=weights).area)
    low, high = np.quantile(thresholds, [0.025, 0.975]).tolist()
    least, most = np.quantile(areas, [0.025, 0.975]).tolist()
    return Threshold(
        value=youden(distances, different).threshold,
        interval=(low, high),
        auc=roc(distances, different).area,
        auc_interval=(least, most),
        sensitivity=sensitivity,
        specificity=specificity,
        disorders=len(set(disorders[~different, 0].tolist())),
        same_controls=int((~different).sum()),
        different_controls=int(different.sum()),
        best_fold=best_fold,
    )


def _cross_validated(
    distances: Floats, different: NDArray[np.bool_], disorders: Indices, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Sensitivity and specificity on unseen disorders, and the threshold of the best of five folds.

    Disorders are dealt to folds. A pair from folds f and g is judged by the threshold of the controls that touch
    neither, so that no disorder helps to judge itself.
    """
    solvable = np.unique(disorders[~different, 0])
    n = int(disorders.max()) + 1
    rest = np.setdiff1d(np.arange(n), solvable)
    fold = np.empty(n, np.intp)
    fold[rng.permutation(solvable)] = np.arange(len(solvable)) % FOLDS
    fold[rng.permutation(rest)] = np.arange(len(rest)) % FOLDS
    of = np.sort(fold[disorders], axis=1)
    right = np.zeros(len(distances), dtype=bool)
    best, best_index = 0.0, -np.inf
    for f in range(FOLDS):
        for g in range(f, FOLDS):
            training = ~np.isin(of, (f, g)).any(axis=1)
            tested = (of == (f, g)).all(axis=1)
            cut = youden(distances[training], different[training]).threshold
            right[tested] = (distances[tested] >= cut) == different[tested]
            if f == g and different[tested].any():
                index = right[tested & different].mean() + right[tested & ~different].mean()
                if index > best_index:
                    best, best_index = cut, float(index)
    return float(right[different].mean()), float(right[~different].mean()), best
