"""Interval of a mean of values between 0 and 1, one per patient, that holds for few patients and skewed values.

A mean reciprocal rank rests on the few patients whose disorder comes first, and ten patients may hold none of them: a
bootstrap that draws among the patients seen cannot know. Here the patients seen get random shares (those of a Dirichlet
distribution, as in the Bayesian bootstrap), and one patient more gets a share too, whose value is the worst possible:
0 for the lower end, 1 for the upper. Of values that are all 0 or 1 it is the Clopper-Pearson interval. Gaffke, Math
Methods Stat 14:451, 2005; with Learned-Miller and Thomas (arXiv 1905.06208, 2019) the coverage is conjectured, and here
it is measured (docs/evaluation.md). With unequal weights the patient more weighs as much as any: in a mean over
disorders, they may be the only one of theirs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deciface.errors import InputError

Floats = NDArray[np.float64]

_HELD = 4_000_000
"""Shares held at a time."""


def bounded_mean_ends(
    totals: Floats, weights: Floats, *, seed: int, replicates: int = 2000, level: float = 0.95
) -> Floats:
    """(k, 2) low and high ends of weighted means; O(replicates x patients x k), in matrix products.

    Parameters
    ----------
    totals
        (n, k) value times weight of every patient, from 0 to the weight.
    weights
        (n,) above 0.
    seed, replicates, level
        The same seed gives the same ends.

    Raises
    ------
    InputError
        Nobody, or a total outside of 0 to the weight.
    """
    n = len(weights)
    slack = 1e-9 * weights[:, None]
    if not n or bool((weights <= 0).any() or (totals < -slack).any() or (totals > weights[:, None] + slack).any()):
        raise InputError(f"{n} patients; give at least one, weights above 0 and values between 0 and 1")
    rng = np.random.default_rng(seed)
    rows = np.column_stack([totals, weights])
    lows, highs = [], []
    at_a_time = max(1, _HELD // (n + 1))
    for start in range(0, replicates, at_a_time):
        # shares of a Dirichlet distribution before division by their sum, which the ratio does for all
        shares = rng.standard_exponential((min(at_a_time, replicates - start), n + 1))
        sums, more = shares[:, :n] @ rows, shares[:, n:] * weights.max()
        whole = sums[:, -1:] + more
        lows.append(sums[:, :-1] / whole)
        highs.append((sums[:, :-1] + more) / whole)
    ends: Floats = np.column_stack(
        [
            np.quantile(np.concatenate(lows), (1 - level) / 2, axis=0),
            np.quantile(np.concatenate(highs), (1 + level) / 2, axis=0),
        ]
    )
    return ends
