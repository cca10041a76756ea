"""Where one face stands in a group, region by region: ranks, and their correction for looking at many regions.

If the face is one like the others, any of the n + 1 is as likely to be the most extreme: the rank p is exact whatever
the distribution (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005, chapter 2). For the regions
together every face's largest deviation to the side that is asked about is ranked (single-step max-T: Westfall and
Young, Resampling-Based Multiple Testing, 1993): the chance that any region of a face like the others reaches `ALPHA` is
at most `ALPHA`. Holm's correction of rank p-values would need 199 people before anything could be said of ten regions;
this needs 19. Nothing is promised of a face that is of another kind than the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from deciface.explain.composites import Floats

ALPHA = 0.05
FEWEST = 19
"""With fewer people no rank reaches `ALPHA`: p is at least 1 / (n + 1)."""
_NO_SPREAD = 1e-6
"""A standard deviation of cosines at or below this is rounding."""
_SAME = 1e-9


class Tail(Enum):
    """Which side is asked about, chosen before looking."""

    HIGH = 1
    LOW = -1


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a face stands among others in one region.

    Parameters
    ----------
    difference
        Its score minus the mean of theirs.
    sds
        The difference in standard deviations of all, itself included.
    p
        Share of all, itself included, that deviate from the mean at least as far to the side asked about.
    p_regions
        The same for everybody's largest deviation in any region: what counts when many regions are looked at.
    below, of
        How many of them have a smaller score.
    """

    difference: float
    sds: float
    p: float
    p_regions: float
    below: int
    of: int

    @property
    def stands_out(self) -> bool:
        """Whether it lies farther to the side asked about than can be put down to chance."""
        return self.p_regions <= ALPHA


def standings(scores: Floats, tail: Tail) -> tuple[Standing | None, ...]:
    """Compare the first of (r, 1 + n) scores with the others; None where all are alike to rounding, or alone."""
    count = scores.shape[1] - 1
    centred = scores - scores.mean(axis=1, keepdims=True)
    sd = centred.std(axis=1, ddof=1) if count else np.zeros(len(scores))
    told = sd > _NO_SPREAD
    deviations = tail.value * centred / np.where(told, sd, 1.0)[:, None]
    deviations[~told] = -np.inf
    largest = deviations.max(axis=0)

    def one(r: int) -> Standing:
        limit = deviations[r, 0] - _SAME
        difference = float(scores[r, 0] - scores[r, 1:].mean())
        return Standing(
            difference,
            float(difference / sd[r]),
            float(np.mean(deviations[r] >= limit)),
            float(np.mean(largest >= limit)),
            int((scores[r, 1:] < scores[r, 0]).sum()),
            count,
        )

    return tuple(one(r) if told[r] else None for r in range(len(scores)))
