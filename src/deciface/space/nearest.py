"""Exactly the rows that can appear in an answer: nearest rows, and the nearest row of the nearest groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.space.groups import Groups
from deciface.space.vectors import DISTANCE_DECIMALS, Floats, Indices, Look, Vectors, one_thread

_TIE = 2.0 * 10.0**-DISTANCE_DECIMALS
"""Two distances further apart than this are never a tie after rounding."""
_LOOK_FIRST = 10
"""How many times `top` rows are looked at first to find limits."""
_SAMPLE = 2048
"""How many evenly spaced rows tell roughly where the nearest few begin."""
_MANY = 0.05
"""Above this share of rows left over by the int8 look, a closer look at all rows is cheaper than gathering them."""


@dataclass(frozen=True, eq=False)
class Table:
    """Rows to search and how they are grouped.

    Parameters
    ----------
    vectors
        Where the rows are.
    rows
        The rows of `vectors` that belong here; row i of the table is ``vectors.matrix[rows[i]]``.
    groups
        Groupings of table rows whose nearest members are wanted too.
    """

    vectors: Vectors
    rows: Indices
    groups: tuple[Groups, ...] = ()


@dataclass(frozen=True, eq=False)
class Found:
    """Table rows that can appear in the answer, sorted by rounded distance, then by row.

    Parameters
    ----------
    rows
        (k,) table rows.
    distances
        (k,) float64, rounded to `DISTANCE_DECIMALS`.
    """

    rows: Indices
    distances: Floats


def nearest(table: Table, query: Floats, *, used: Sequence[int], top: int, excluded: Indices) -> Found:
    """All rows among the `top` nearest, and all nearest members of the `top` nearest groups of every grouping.

    Exact: see `deciface.space.vectors`. O(n d) once over int8, then O(k d) over the k rows that are left.

    Parameters
    ----------
    table
        Rows and groupings.
    query, used
        As in `Vectors.exact`.
    top
        How many rows and groups are wanted; ties at the end are included.
    excluded
        Table rows that are left out.
    """
    with one_thread():
        if top >= len(table.rows):
            rows = np.setdiff1d(np.arange(len(table.rows)), excluded)
            return _sorted(rows, table.vectors.exact(query, used, table.rows[rows]))
        look = table.vectors.look(query, used)
        left = _candidates(table, look, top=top, excluded=excluded)
        if look.by != "float32" and len(left) > max(_MANY * len(table.rows), 4 * top):
            look = table.vectors.look_closer(query, used, look)
            left = _candidates(table, look, top=top, excluded=excluded)
        exact = table.vectors.exact(query, used, table.rows[left])
        if look.by != "float32" and not _inside(look, table.rows[left], exact):
            table.vectors.distrust_screen()
            return nearest(table, query, used=used, top=top, excluded=excluded)
        return _sorted(left, exact)


def _inside(look: Look, rows: Indices, exact: Floats) -> bool:
    """Whether the distances lie in their intervals, as they do unless an int8 kernel computed wrongly."""
    return bool(np.all(np.abs(exact - look.estimate[rows]) <= look.error[rows]))


def _sorted(rows: Indices, exact: Floats) -> Found:
    rounded = np.round(exact, DISTANCE_DECIMALS) + 0.0
    order = np.lexsort((rows, rounded))
    return Found(rows[order], rounded[order])


def _candidates(table: Table, look: Look, *, top: int, excluded: Indices) -> Indices:
    """Table rows whose interval reaches the `top` nearest rows or groups.

    A limit found on some rows only is never below the true one, so looking first at the few nearest rows is safe.
    """
    estimate, error = look.estimate, look.error
    if len(table.rows) != len(estimate):
        estimate, error = estimate[table.rows], error[table.rows]
    upper = estimate + error
    upper[excluded] = np.inf
    near = _nearest_few(upper, _LOOK_FIRST * top)
    limit = _kth_smallest(upper[near], top)
    group_limits = []
    for groups in table.groups:
        best = _best_of_groups(groups, near, upper)
        if len(best) < min(top, len(groups)):
            best = np.minimum.reduceat(upper[groups.order], groups.starts[:-1])
        group_limits.append(_kth_smallest(best, top) if len(best) else -np.inf)
    lower = estimate - error
    lower[excluded] = np.inf
    reachable = np.flatnonzero(lower <= max([limit, *group_limits]) + _TIE)
    wanted = lower[reachable] <= limit + _TIE
    for groups, group_limit in zip(table.groups, group_limits, strict=True):
        position, group = groups.entries(reachable)
        rows = reachable[position]
        ceiling = np.full(len(groups), group_limit)
        np.minimum.at(ceiling, group, upper[rows])
        wanted[position[lower[rows] <= ceiling[group] + _TIE]] = True
    wanted &= np.isfinite(lower[reachable])
    return reachable[wanted]


def _best_of_groups(groups: Groups, rows: Indices, upper: Floats) -> Floats:
    """Smallest `upper` of every group that has one of these rows."""
    position, group = groups.entries(rows)
    best: Floats = np.full(len(groups), np.inf)
    np.minimum.at(best, group, upper[rows[position]])
    finite: Floats = best[np.isfinite(best)]
    return finite


def _nearest_few(upper: Floats, wanted: int) -> Indices:
    """At least `wanted` of the smallest, or all: those below a limit read off an evenly spaced sample."""
    stride = max(1, len(upper) // _SAMPLE)
    sample = np.sort(upper[::stride])
    place = 2 * wanted // stride + 4
    if place >= len(sample):
        return np.arange(len(upper))
    few = np.flatnonzero(upper <= sample[place])
    return few if len(few) >= wanted else np.arange(len(upper))


def _kth_smallest(values: NDArray[np.float64], k: int) -> float:
    return float(np.partition(values, k - 1)[k - 1]) if k < len(values) else float(values.max(initial=-np.inf))
