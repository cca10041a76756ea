"""Up to which distance two cohorts are called the same, and from which on different; numbers only.

A verdict asks for two things, each to a level of `SURE`:

* The likelihood ratio of "different" against "same" at the distance has to turn even odds into that probability. It is
  from a logistic regression of the control pairs on their distance, in which every disorder counts once among "same"
  and every two disorders once among "different". n disorders show no ratio above n. Nothing else is fitted: the
  distance is not learnt from the controls, so no score has to be made out of fold.
* Hardly any pair of the other kind may be as extreme, however few there are to tell. For "different": of D disorders
  and the one asked about at most 1 - `SURE` have halves as far apart, each by the share of its splits, the one asked
  about wholly (hierarchical conformal prediction: Lee, Barber and Willett, arXiv 2306.06342, 2023). For "same": of all
  pairs of disorders, and of either cohort with each disorder, at most 1 - `SURE` are as near, counting the pair asked
  about. If the cohorts are of one disorder, or of two, that are like those of the gallery, the wrong verdict is given
  in at most 1 - `SURE` of cases, whatever the regression says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.space.unusual_calibration import logistic
from deciface.space.vectors import Floats, Indices

SURE = 0.95
"""How sure a verdict has to be, "same" and "different" alike; else the answer is "cannot tell"."""
FEWEST_DISORDERS = round(SURE / (1 - SURE))
"""With two patients or more, for a verdict: n show no likelihood ratio above n."""
_STEEPEST = 1e-9


@dataclass(frozen=True)
class Limits:
    """Where verdicts begin.

    Parameters
    ----------
    same_below, different_above
        Distances; None where no distance is small, or large, enough to be called so.
    """

    same_below: float | None
    different_above: float | None


@dataclass(frozen=True)
class Evidence:
    """Likelihood ratio of "different" against "same", as a function of the distance.

    Parameters
    ----------
    constant, slope
        Of its natural logarithm.
    most
        Largest absolute value: the logarithm of the number of disorders.
    """

    constant: float
    slope: float
    most: float

    @classmethod
    def of(cls, distances: Floats, different: NDArray[np.bool_], disorders: Indices) -> Evidence:
        """Fit to control pairs; parameters as in `deciface.space.lumping.Controls`."""
        weights = once_each(disorders)
        for kind in (different, ~different):
            weights[kind] /= weights[kind].sum()
        constant, slope = logistic(distances[:, None], different, weights).tolist()
        return cls(constant, slope, math.log(len(np.unique(disorders[~different, 0]))))

    def log_ratio(self, distance: float) -> float:
        """Natural logarithm of the likelihood ratio."""
        return min(self.most, max(-self.most, self.constant + self.slope * distance))

    def posterior(self, distance: float, prior: float) -> float:
        """Probability of "different" by Bayes' rule."""
        return 1.0 / (1.0 + math.exp(-self.log_ratio(distance) - _log_odds(prior)))

    def limits(self, prior: float) -> Limits:
        """Where a verdict is as probable as `SURE`, at even odds and at the prior alike."""
        if self.slope <= _STEEPEST:
            return Limits(None, None)
        wanted, given = _log_odds(SURE), _log_odds(prior)
        far, near = wanted + max(0.0, -given), wanted + max(0.0, given)
        return Limits(
            (-near - self.constant) / self.slope if near <= self.most else None,
            (far - self.constant) / self.slope if far <= self.most else None,
        )


def once_each(disorders: Indices) -> Floats:
    """(n,) weights with which every disorder, or every two of them, counts once; from their (n, 2) numbers."""
    _, which, times = np.unique(disorders, axis=0, return_inverse=True, return_counts=True)
    weights: Floats = 1.0 / times[which.ravel()]
    return weights


def as_extreme(values: Floats, weights: Floats, *, one_more: float = 1.0) -> float | None:
    """Find the value that at most 1 - `SURE` of a weighted sample are at or above, `one_more` being above them all.

    None where `one_more` alone is more than that share.
    """
    order = np.argsort(-values, kind="stable")
    total = one_more + float(weights.sum())
    above = (one_more + np.cumsum(weights[order])) / total
    inside = int(np.searchsorted(above, 1.0 - SURE, side="right"))
    if one_more / total > 1.0 - SURE:
        return None
    return float(values[order[inside]])


def sterner(one: Limits, other: Limits) -> Limits:
    """What both allow."""
    lows, highs = (one.same_below, other.same_below), (one.different_above, other.different_above)
    low = None if None in lows else min(v for v in lows if v is not None)
    high = None if None in highs else max(v for v in highs if v is not None)
    return Limits(low, high)


def _log_odds(probability: float) -> float:
    return math.log(probability / (1.0 - probability))
