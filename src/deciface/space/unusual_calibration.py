"""A likelihood ratio from features of two groups: logistic regression, calibrated out of fold; numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.space.vectors import Floats, Indices

FOLDS = 5
_RIDGE = 1e-3
_STEPS = 25


def kindred(disorders: Sequence[frozenset[str]]) -> Indices:
    """(m,) numbers of groups of patients, those with a disorder in common in one; 0, 1, ..."""
    parent = {disorder: disorder for own in disorders for disorder in own}

    def root(disorder: str) -> str:
        while parent[disorder] != disorder:
            disorder = parent[disorder]
        return disorder

    for own in disorders:
        first, *others = sorted(own)
        for other in others:
            parent[root(other)] = root(first)
    _, numbers = np.unique([root(min(own)) for own in disorders], return_inverse=True)
    return numbers.astype(np.intp)


@dataclass(frozen=True, eq=False)
class People:
    """Rows of the regressions: unaffected people, patients as known, patients as unseen.

    `person` (rows,) numbers people across both groups; `half` (rows,) how much a row counts.
    """

    features: Floats
    patient: NDArray[np.bool_]
    person: Indices
    half: Floats
    fold: Indices

    @classmethod
    def of(cls, usual: Floats, seen: Floats, unseen: Floats, groups: Indices) -> People:
        """From (n, k) and twice (m, k) features, and (m,) patients' groups; `unseen` may be infinite."""
        n, m = len(usual), len(seen)
        there = np.isfinite(np.asarray(unseen)).all(axis=1)
        folds = np.concatenate([np.arange(n), groups]) % FOLDS
        person = np.concatenate([np.arange(n + m), n + np.flatnonzero(there)])
        half = np.ones(len(person))
        half[n : n + m][there] = 0.5
        half[n + m :] = 0.5
        return cls(np.vstack([usual, seen, unseen[there]]), person >= n, person, half, folds[person])

    def out_of_fold(self) -> Floats:
        """(rows,) logit of each row from the other folds."""
        scores = np.empty(len(self.person))
        for fold in np.unique(self.fold):
            mine = self.fold == fold
            coefficients = logistic(self.features[~mine], self.patient[~mine], self.half[~mine])
            scores[mine] = coefficients[0] + self.features[mine] @ coefficients[1:]
        return scores

    def coefficients(self, scores: Floats, counts: Floats) -> tuple[Floats, float]:
        """(4,) coefficients of the log likelihood ratio when person i counts `counts[i]` times; and the slope."""
        weight = self.half * counts[self.person]
        first = logistic(self.features, self.patient, weight)
        offset, slope = logistic(scores[:, None], self.patient, weight)
        slope = max(float(slope), 0.0)  # worse than chance out of fold is nothing learnt, not its opposite
        prior = float(np.log(weight[self.patient].sum() / weight[~self.patient].sum()))
        constant = slope * float(first[0]) + float(offset) - prior if slope else 0.0
        return np.append(constant, slope * first[1:]), slope


def logistic(features: Floats, positive: NDArray[np.bool_], weights: Floats) -> Floats:
    """Fit a weighted logistic regression by Newton's method, with a slight ridge that keeps separated groups finite.

    Parameters
    ----------
    features
        (n, k).
    positive, weights
        (n,) each.

    Returns
    -------
    (1 + k,) float64, the constant first.
    """
    from scipy.special import expit

    middle, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-12)
    rows = np.column_stack([np.ones(len(features)), (features - middle) / spread])
    ridge = np.full(rows.shape[1], _RIDGE * float(weights.sum()))
    ridge[0] = 0.0
    found = np.zeros(rows.shape[1])
    for _ in range(_STEPS):
        chance = expit(rows @ found)
        slope = rows.T @ (weights * (positive - chance)) - ridge * found
        curve = (rows * (weights * chance * (1.0 - chance))[:, None]).T @ rows + np.diag(ridge + 1e-9)
        step = np.linalg.solve(curve, slope)
        found += step
        if float(np.abs(step).max()) < 1e-8:
            break
    scaled = found[1:] / spread
    return np.append(found[0] - float(scaled @ middle), scaled)
