"""Intervals of one proportion of independent units."""

from __future__ import annotations

import math

from deciface.errors import InputError

Interval = tuple[float, float]
"""Low and high end."""

FEWEST_FOR_WILSON = 20
"""Below this many units the Clopper-Pearson interval is used: Wilson's can cover too little near 0 and 1."""


def wilson(hits: int, of: int, *, level: float = 0.95) -> Interval:
    """Score interval (Wilson, J Am Stat Assoc 22:209, 1927), without continuity correction.

    Parameters
    ----------
    hits, of
        Successes among independent units; 0 <= hits <= of, of >= 1.
    level
        Confidence, between 0 and 1.

    Raises
    ------
    InputError
        Counts or a level that are not allowed.

    >>> [round(end, 4) for end in wilson(81, 263)]
    [0.2553, 0.3662]
    """
    _check(hits, of, level)
    from scipy.special import ndtri

    z = float(ndtri(0.5 + level / 2))
    share, width = hits / of, z * z / of
    centre = share + width / 2
    half = z * math.sqrt(share * (1 - share) / of + width / (4 * of))
    low = 0.0 if hits == 0 else (centre - half) / (1 + width)
    high = 1.0 if hits == of else (centre + half) / (1 + width)
    return low, high


def clopper_pearson(hits: int, of: int, *, level: float = 0.95) -> Interval:
    """Exact interval: covers at least `level` whatever the true proportion (Clopper & Pearson, Biometrika 26, 1934).

    Parameters and errors as in `wilson`.

    >>> [round(end, 4) for end in clopper_pearson(81, 263)]
    [0.2527, 0.3676]
    """
    _check(hits, of, level)
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else float(betaincinv(hits, of - hits + 1, tail))
    high = 1.0 if hits == of else float(betaincinv(hits + 1, of - hits, 1 - tail))
    return low, high


def proportion_interval(hits: int, of: int, *, level: float = 0.95) -> Interval:
    """Clopper-Pearson below `FEWEST_FOR_WILSON` units, Wilson from there on.

    >>> proportion_interval(5, 10) == clopper_pearson(5, 10), proportion_interval(50, 100) == wilson(50, 100)
    (True, True)
    """
    return (clopper_pearson if of < FEWEST_FOR_WILSON else wilson)(hits, of, level=level)


def _check(hits: int, of: int, level: float) -> None:
    if not 0 <= hits <= of or of < 1:
        raise InputError(f"{hits} hits of {of}; give at least one unit and between 0 and that many hits")
    if not 0 < level < 1:
        raise InputError(f"level {level:g}; give a confidence between 0 and 1, such as 0.95")
