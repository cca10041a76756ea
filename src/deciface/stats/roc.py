"""Receiver operating characteristic: curve, area with DeLong's variance, Youden's threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.errors import OptionError

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Roc:
    """A curve from (0, 0) to (1, 1).

    Parameters
    ----------
    thresholds
        (m,) falling; the first is infinite: nobody is called positive. Positive is called whoever is at or above.
    sensitivity, false_positive_rate
        (m,) at each threshold.
    """

    thresholds: Floats
    sensitivity: Floats
    false_positive_rate: Floats

    @property
    def area(self) -> float:
        """By trapezoids, which is the Mann-Whitney estimate with ties counted half."""
        return float(np.trapezoid(self.sensitivity, self.false_positive_rate))


@dataclass(frozen=True)
class Auc:
    """Area under the curve: how often a positive scores above a negative, ties counted half."""

    value: float
    variance: float
    interval: tuple[float, float]
    positives: int
    negatives: int


@dataclass(frozen=True)
class Youden:
    """The threshold with the largest sensitivity + specificity - 1 (Youden, Cancer 3:32, 1950).

    `threshold` lies half-way between the two scores it separates; of several best ones the highest is taken.
    """

    threshold: float
    sensitivity: float
    specificity: float

    @property
    def index(self) -> float:
        """Sensitivity + specificity - 1."""
        return self.sensitivity + self.specificity - 1


def roc(scores: Floats, positive: Booleans, *, weights: Floats | None = None) -> Roc:
    """Sort scores (large speaks for positive) into a curve; O(n log n).

    Parameters
    ----------
    scores, positive
        (n,) each.
    weights
        (n,) how often each counts, 0 and up; once when left out.

    Raises
    ------
    OptionError
        No positives or no negatives, or a score that is not finite.
    """
    weight = np.ones(len(scores)) if weights is None else weights
    _refuse(scores, positive, weight)
    order = np.argsort(-scores, kind="stable")
    ranked, mine = scores[order], positive[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    hits = np.cumsum(np.where(mine, weight[order], 0.0))[last]
    false = np.cumsum(np.where(mine, 0.0, weight[order]))[last]
    return Roc(
        np.concatenate([[np.inf], ranked[last]]),
        np.concatenate([[0.0], hits / hits[-1]]),
        np.concatenate([[0.0], false / false[-1]]),
    )


def auc(scores: Floats, positive: Booleans, *, level: float = 0.95) -> Auc:
    """Area with the variance of DeLong, DeLong and Clarke-Pearson (Biometrics 44:837, 1988); O(n log n).

    Computed from midranks (Sun and Xu, IEEE Signal Process Lett 21:1389, 2014). The interval is the normal one on the
    logit scale, which stays inside 0 to 1; where the variance is 0 (perfect separation) or one of the groups is a
    single case, it is 0 to 1: nothing can be said.

    Raises
    ------
    OptionError
        As `roc`.
    """
    from scipy.stats import norm, rankdata

    _refuse(scores, positive, np.ones(len(scores)))
    x, y = scores[positive], scores[~positive]
    m, n = len(x), len(y)
    both = rankdata(np.concatenate([x, y]))
    of_x = (both[:m] - rankdata(x)) / n
    of_y = 1.0 - (both[m:] - rankdata(y)) / m
    value = float(of_x.mean())
    if min(m, n) < 2:
        return Auc(value, math.nan, (0.0, 1.0), m, n)
    variance = float(of_x.var(ddof=1) / m + of_y.var(ddof=1) / n)
    if variance <= 0 or not 0 < value < 1:
        return Auc(value, variance, (0.0, 1.0), m, n)
    centre = math.log(value / (1 - value))
    half = float(norm.ppf((1 + level) / 2)) * math.sqrt(variance) / (value * (1 - value))
    low, high = (1 / (1 + math.exp(-(centre + side * half))) for side in (-1, 1))
    return Auc(value, variance, (low, high), m, n)


def youden(scores: Floats, positive: Booleans, *, weights: Floats | None = None) -> Youden:
    """Find the best threshold; parameters and errors as `roc`."""
    curve = roc(scores, positive, weights=weights)
    best = int(np.argmax(curve.sensitivity - curve.false_positive_rate))
    at = curve.thresholds[best]
    below = curve.thresholds[best + 1] if best + 1 < len(curve.thresholds) else at
    threshold = float(below) if math.isinf(at) else float((at + below) / 2)
    if math.isinf(at):
        threshold = math.nextafter(threshold, math.inf)
    return Youden(threshold, float(curve.sensitivity[best]), 1.0 - float(curve.false_positive_rate[best]))


def _refuse(scores: Floats, positive: Booleans, weights: Floats) -> None:
    if scores.shape != positive.shape or scores.ndim != 1 or scores.shape != weights.shape:
        raise OptionError(f"scores {scores.shape}, labels {positive.shape}, weights {weights.shape}; give (n,) of each")
    if not np.isfinite(scores).all():
        raise OptionError("a score is NaN or infinite; leave that case out and say how many were left out")
    mine, other = float(weights[positive].sum()), float(weights[~positive].sum())
    if mine <= 0 or other <= 0:
        raise OptionError(f"{mine:g} positives and {other:g} negatives; a curve needs at least one of each")
