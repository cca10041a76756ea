"""How often an explanation points at what was planted, beside answers that do not look at the face or the question.

Three ways of being right by luck are counted for every method:

* the best fixed place (or region): the one that holds the features of most *members*, who are nobody of those tested.
  Features crowd: five of the ten lie round the eyes, so that one place is right far more often than a random one.
* other features asked of the same face: a map may point at what is odd in a face whatever it is asked.
* the same feature asked of other faces, that have another: a map may point where the feature usually is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.benchmarks.result import Row
from deciface.stats.proportions import clopper_pearson

Hits = NDArray[np.bool_]
ALPHA = 0.05


@dataclass(frozen=True, eq=False)
class Pointing:
    """Of every tested face, whether an answer is right.

    Parameters
    ----------
    own, blind
        (n,) of the method, asked about the feature that is there, and of the best fixed answer.
    others
        (n, k - 1) asked about the other features; None where that was not done.
    elsewhere
        (n,) share of faces with another feature for which the answer about this one would be right here; or None.
    """

    own: Hits
    blind: Hits
    others: Hits | None = None
    elsewhere: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, right: Hits, asked: Sequence[int], *, blind: Hits) -> Pointing:
        """Sort the answers by face and question.

        Parameters
        ----------
        right
            (n, n, k) whether it would be right for face i what was answered for face j about feature f.
        asked
            Of each face, which of the k features it has.
        blind
            (n,) of the best fixed answer.
        """
        has = np.array(asked)
        each = np.arange(len(has))
        here = right[each, each]
        other_questions = np.arange(right.shape[2])[None] != has[:, None]
        elsewhere = [right[i, has != has[i], has[i]].mean() for i in each]
        return cls(here[each, has], blind, here[other_questions].reshape(len(has), -1), np.array(elsewhere))

    @property
    def against_blind(self) -> float:
        """Two-sided p of McNemar's exact test on the same faces (Psychometrika 12:153, 1947)."""
        from scipy.stats import binomtest

        better, worse = int((self.own & ~self.blind).sum()), int((~self.own & self.blind).sum())
        return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0

    @property
    def against_others(self) -> float | None:
        """One-sided exact p of the hypothesis that it does not matter which of the k features a face is asked about.

        Then any of a face's k answers is as likely to be the one about its own feature; over faces the number of right
        ones is a sum of independent draws.
        """
        if self.others is None:
            return None
        shares = (self.others.sum(axis=1) + self.own) / (self.others.shape[1] + 1)
        chances = np.ones(1)
        for share in shares:
            chances = np.convolve(chances, [1 - share, share])
        return min(1.0, float(chances[int(self.own.sum()) :].sum()))

    @property
    def holds(self) -> bool:
        """Whether it is above both the best fixed answer and other features asked of the same face."""
        others = self.against_others
        beats_blind = self.own.mean() > self.blind.mean() and self.against_blind <= ALPHA
        return bool(beats_blind and others is not None and others <= ALPHA)


def best_place(truths: Hits) -> tuple[int, int]:
    """The place (row, column) that lies in most of (m, s, s) truths: in the middle of them, where several do."""
    from deciface.explain.regions import feathered

    often = truths.mean(axis=0)
    best = feathered((often >= often.max()).astype(np.float64), 2.0) * (often >= often.max())
    row, column = np.unravel_index(int(np.argmax(best)), best.shape)
    return int(row), int(column)


def pointing_rows(about: str, method: str, found: Pointing, *, blind: str, promised: bool) -> Iterator[Row]:
    """Print a method beside its peers; `about` names faces and encoder, `blind` the best fixed answer."""
    low, high = clopper_pearson(int(found.own.sum()), len(found.own))
    ps = [f"against {blind} p = {found.against_blind:.2g}"]
    if found.against_others is not None:
        ps.append(f"against other features p = {found.against_others:.2g}")
    share, peer = 100 * float(found.own.mean()), 100 * float(found.blind.mean())
    yield Row(
        f"{about}, {method}: points at the feature",
        share,
        f"% of {len(found.own)} (95 % interval {100 * low:.0f}-{100 * high:.0f}; {', '.join(ps)})",
        f"above {blind} and above other features asked of the same face, p <= {ALPHA:g} each" if promised else None,
        found.holds if promised else None,
        f"{blind}, %",
        peer,
        share / peer if peer else None,
    )
    if found.others is not None and found.elsewhere is not None:
        yield Row(f"{about}, {method}: another feature asked of the same face", 100 * float(found.others.mean()), "%")
        yield Row(f"{about}, {method}: the same feature asked of other faces", 100 * float(found.elsewhere.mean()), "%")
