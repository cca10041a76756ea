"""Exact and Monte-Carlo p-values over subsets and sign flips.

A p-value is never 0: the observed arrangement counts as one of those that could have been. Where all m are looked at it
is one of them, and with b of these as extreme p is b / m; with b of m random ones p is (b + 1) / (m + 1) (Phipson and
Smyth, Stat Appl Genet Mol Biol 9:39, 2010). The m have to be all that could have been: for a group out of a population,
the groups of the whole population, not those of the others alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from deciface.errors import OptionError
from deciface.stats.proportions import clopper_pearson

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

ENUMERATE_UP_TO = 100_000
"""Up to this many arrangements all are looked at; above, a sample."""
_SAME = 1e-9
"""Statistics closer than this, relative to the largest of them, are equal: sums in another order differ by less."""


class Alternative(StrEnum):
    """Which statistics count as at least as extreme as the observed one."""

    LESS = "less"
    GREATER = "greater"
    DOUBLED = "two-sided, twice the smaller tail"
    ABSOLUTE = "two-sided, by absolute value"
    """For a statistic that is centred on 0 when nothing is there."""


class Null(StrEnum):
    """What the null statistics are of."""

    ALL = "every arrangement, the observed one among them"
    SAMPLED = "a random sample of arrangements"


@dataclass(frozen=True)
class PermutationP:
    """A p-value and what it was counted from.

    Parameters
    ----------
    p
        (b + 1) / (m + 1), or b / m when the observed arrangement is among the m.
    interval
        Clopper-Pearson interval of the p that all arrangements would give; both ends are p when all were looked at.
    as_extreme, arrangements
        b and m; under `Alternative.DOUBLED` b is that of the smaller tail.
    null
        What the m are.
    """

    p: float
    interval: tuple[float, float]
    as_extreme: int
    arrangements: int
    null: Null


@dataclass(frozen=True, eq=False)
class Arrangements:
    """(m, k) numbers of the members of each subset, or (m, n) signs; and whether these are all there are."""

    rows: Indices
    complete: bool


def p_value(observed: float, null: Floats, *, of: Null, alternative: Alternative, level: float = 0.95) -> PermutationP:
    """Compare an observed statistic with those of other arrangements.

    Parameters
    ----------
    observed, null
        The statistic, and (m,) those of the arrangements `of` says.
    level
        Of the interval of a sampled p.

    Raises
    ------
    OptionError
        No null statistics, one that is not finite, or a level outside 0 to 1.
    """
    if not len(null) or not (math.isfinite(observed) and bool(np.isfinite(null).all())):
        raise OptionError(
            f"statistic {observed:g} against {len(null)} null statistics; all must be finite and there must be some"
        )
    if not 0 < level < 1:
        raise OptionError(f"level {level:g}; give one between 0 and 1, such as 0.95")
    if alternative is Alternative.ABSOLUTE:
        observed, null = abs(observed), np.abs(null)
    margin = _SAME * max(1.0, abs(observed), float(np.abs(null).max()))
    below, above = int((null <= observed + margin).sum()), int((null >= observed - margin).sum())
    tails = {Alternative.LESS: below, Alternative.GREATER: above, Alternative.ABSOLUTE: above}
    b, m, times = tails.get(alternative, min(below, above)), len(null), 1 + (alternative is Alternative.DOUBLED)
    p = min(1.0, times * (b / m if of is Null.ALL else (b + 1) / (m + 1)))
    if of is not Null.SAMPLED:
        return PermutationP(p, (p, p), b, m, of)
    low, high = clopper_pearson(b, m, level=level)
    return PermutationP(p, (min(1.0, times * low), min(1.0, times * high)), b, m, of)


def count_subsets(sizes: Sequence[int], wanted: Sequence[int]) -> int:
    """How many ways there are to take `wanted` from pools of these sizes, pool by pool."""
    return math.prod(math.comb(n, k) for n, k in zip(sizes, wanted, strict=True))


def subsets(
    pools: Sequence[Indices],
    wanted: Sequence[int],
    *,
    rng: np.random.Generator,
    draws: int = 9_999,
    enumerate_up_to: int = ENUMERATE_UP_TO,
) -> Arrangements:
    """Subsets with so many members of every pool: all of them when they are few, else random ones.

    Parameters
    ----------
    pools
        Disjoint sets of numbers.
    wanted
        How many of each pool, without replacement.
    draws
        How many random subsets; the same one can come twice.

    Raises
    ------
    OptionError
        A pool that is too small, or fewer than one draw.
    """
    for pool, k in zip(pools, wanted, strict=True):
        if k > len(pool):
            raise OptionError(f"{k} are to be drawn and the pool has {len(pool)}; draw fewer or widen the pool")
    if draws < 1:
        raise OptionError(f"{draws} draws; at least 1 is needed")
    if count_subsets([len(p) for p in pools], wanted) <= enumerate_up_to:
        per_pool = [list(itertools.combinations(pool.tolist(), k)) for pool, k in zip(pools, wanted, strict=True)]
        rows = [tuple(itertools.chain(*parts)) for parts in itertools.product(*per_pool)]
        return Arrangements(np.array(rows, np.intp).reshape(len(rows), sum(wanted)), complete=True)
    parts = [pool[_draws(len(pool), k, draws, rng)] for pool, k in zip(pools, wanted, strict=True)]
    return Arrangements(np.concatenate(parts, axis=1), complete=False)


def sign_flips(
    n: int, *, rng: np.random.Generator, draws: int = 9_999, enumerate_up_to: int = ENUMERATE_UP_TO
) -> Arrangements:
    """All 2^n patterns of n signs, (m, n) of +1 and -1, the unchanged one among them; when too many, random ones."""
    if n < 1 or draws < 1:
        raise OptionError(f"{n} signs, {draws} draws; at least 1 of each is needed")
    if n < 63 and 2**n <= enumerate_up_to:
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return Arrangements((1 - 2 * bits).astype(np.intp), complete=True)
    return Arrangements(rng.choice(np.array([-1, 1], np.intp), (draws, n)), complete=False)


def _draws(n: int, k: int, draws: int, rng: np.random.Generator) -> Indices:
    """(draws, k) numbers below n, none twice in a row, every subset equally likely; O(draws k) where k is small."""
    if k == 0 or n <= 4 * k:
        order: Indices = np.argsort(rng.random((draws, n)), axis=1)[:, :k]
        return order
    drawn = rng.integers(0, n, (draws, k), dtype=np.intp)
    while True:
        ordered = np.sort(drawn, axis=1)
        again = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
        if not len(again):
            return drawn
        drawn[again] = rng.integers(0, n, (len(again), k), dtype=np.intp)
