"""Mean of signed changes of few patients: p by flipping signs, and the interval of all means that p does not reject.

If nothing changes, a patient's change is as likely to have the other sign. Flipping the signs of some patients compares
the mean of all with what it would then be. Against a supposed mean below the observed one, that is as extreme just
where the mean of those flipped, or that of the others, is at most the supposed one: the ends of the interval are means
of subsets of patients, and interval and p agree exactly (Hartigan, J Am Stat Assoc 64:1303, 1969).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.stats.permutation import Alternative, Null, p_value, sign_flips
from deciface.stats.proportions import Interval

Floats = NDArray[np.float64]

_SAME = 1e-9
"""Ends nearer to 0 than this, relative to the largest change, are 0: sums in another order differ by less."""


@dataclass(frozen=True, slots=True)
class MeanChange:
    """The mean, its interval, and p of no change."""

    value: float
    interval: Interval
    p: float


def mean_change(changes: Floats, *, seed: int, level: float = 0.95) -> MeanChange:
    """Test and bound a mean; exact up to 16 patients, then from 9,999 random patterns of signs.

    Parameters
    ----------
    changes
        (n,) one per patient. Below six no p is at most .05, and an end may be infinite.
    seed
        Of the random patterns.
    level
        Of the interval: 0 is outside just where p is at most 1 - level.
    """
    n, mean = len(changes), float(changes.mean())
    signs = sign_flips(n, rng=np.random.default_rng(seed))
    sums = signs.rows @ changes
    of = Null.ALL if signs.complete else Null.SAMPLED
    p = p_value(mean, sums / n, of=of, alternative=Alternative.ABSOLUTE).p
    size, total = (n - signs.rows.sum(axis=1)) / 2, (changes.sum() - sums) / 2
    with np.errstate(invalid="ignore", divide="ignore"):  # nobody flipped, or everybody: as extreme for any mean
        means = np.stack([total / size, (changes.sum() - total) / (n - size)])
    nobody = (size == 0) | (size == n)
    lows = np.sort(np.where(nobody, -np.inf, means.min(axis=0)))
    highs = np.sort(np.where(nobody, np.inf, means.max(axis=0)))[::-1]
    # as extreme must be more than (1 - level) of all; of a sample, which p counts with the observed one added
    patterns = len(size) + (0 if signs.complete else 1)
    enough = math.floor((1 - level) * patterns + _SAME) + (1 if signs.complete else 0)
    near = _SAME * max(1.0, float(np.abs(changes).max()))
    ends = [0.0 if abs(end) <= near else float(end) for end in (lows[enough - 1], highs[enough - 1])]
    return MeanChange(mean, (ends[0], ends[1]), p)
