"""Places in a ranking under ties: what is expected when labels at the same distance stand in random order.

A network that tells nobody apart puts all labels at one distance. Were the own label given the best of the tied places
it would always come first; in random order it is where chance puts it. With `nearer` labels strictly nearer and `tied`
others at the same distance, each of the places nearer + 1 .. nearer + tied + 1 is as likely.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Places:
    """Where the best of the own labels of each of m queries can stand.

    Parameters
    ----------
    rank
        (m,) 1 + the labels strictly nearer; infinite where none of the own labels is in the gallery.
    tied
        (m,) labels at the same distance besides it.
    own
        (m,) own labels at that distance, itself among them: the first of them counts.
    """

    rank: Floats
    tied: Counts
    own: Counts

    def expected(self, worth: Callable[[Floats], Floats]) -> Floats:
        """(m, columns) mean of the `worth` of a place, (t,) -> (t, columns), over the orders of the tied; absent: 0.

        O(different ranks and ties, times the tied).
        """
        known = np.isfinite(self.rank)
        width = worth(np.ones(1)).shape[1]
        out = np.zeros((len(self.rank), width))
        if not known.any():
            return out
        cases = np.column_stack([self.rank[known].astype(np.intp), self.tied[known], self.own[known]])
        different, of = np.unique(cases, axis=0, return_inverse=True)
        means = np.empty((len(different), width))
        for i, (rank, tied, own) in enumerate(different.tolist()):
            means[i] = _chances(tied + 1, own) @ worth(np.arange(rank, rank + tied + 1, dtype=np.float64))
        out[known] = means[of.ravel()]
        return out


def alone(rank: Floats, tied: Counts) -> Places:
    """Places of single own labels.

    >>> alone(np.array([3.0]), np.array([1])).expected(lambda place: (place <= 3)[:, None]).tolist()
    [[0.5]]
    """
    return Places(rank, tied, np.ones(len(rank), np.intp))


def best_of(rank: Floats, tied: Counts, queries: NDArray[np.intp]) -> Places:
    """Best own label of every query, of the `queries` (m,) numbered from 0; the ranks are of labels of one ranking."""
    best = np.full(int(queries.max(initial=-1)) + 1, np.inf)
    np.minimum.at(best, queries, rank)
    among = np.isfinite(rank) & (rank == best[queries])
    own = np.bincount(queries[among], minlength=len(best))
    together = np.zeros(len(best), np.intp)
    together[queries[among]] = tied[among]  # labels of one rank have one distance, and so the same number tied
    return Places(best, together, own)


def _chances(places: int, own: int) -> Floats:
    """(places,) chance that the first of `own` labels, in random order among so many places, is at each."""
    if own == 1:
        return np.full(places, 1.0 / places)
    # all own labels are after place j with chance C(places - j, own) / C(places, own)
    j = np.arange(1, places + 1, dtype=np.float64)[:, None]
    taken = np.arange(own, dtype=np.float64)
    after = np.prod(np.maximum(places - j - taken, 0.0) / (places - taken), axis=1)
    chances: Floats = -np.diff(after, prepend=1.0)
    return chances
