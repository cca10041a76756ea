"""Two further rules: half nearest image and half centroid, and nearest patients corrected for the size of a group.

**hybrid.** With n the distance of a group's nearest photo and c that of its centroid, means over all groups compared::

    distance = (n / mean n + c / mean c) / 2

so that both count alike whatever their scale, and 1 is an average group. The literature reports a gain from a hybrid of
nearest-image and centroid without giving a formula; this one is ours.

**nearest-patients.** A group of 300 patients has 300 chances that somebody in it happens to be near. Let N patients be
compared, n of them in the group, x the distance of the group's k-th nearest patient (its n-th, when n < k), and r the
number of all N that are at most as far as x. If n patients were drawn from the N at random, without replacement, the
k-th nearest of them would be at most as far as x with probability ::

    P(H >= k),    H hypergeometric: N patients, r near ones, n drawn

which is exact, also with ties. Its common logarithm is the distance: 0 for a group whose k-th nearest patient is as far
as can be, -3 where only one of 1,000 random groups of that size comes as near. Where groups differ in nothing but size
it has the same distribution for all sizes, up to the steps in which so few patients can be ranked. With k = 1 the steps
are coarse: n of N is the best value that a group of n can have, which puts large groups behind; from 2 on they are fine
enough. Everybody compared is among the N, diagnosed or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deciface.space.vectors import DISTANCE_DECIMALS, Floats, Indices

NEAREST_PATIENTS = 3
"""The k of nearest-patients: one patient near by chance or by kinship does not make a disorder, three do."""


def hybrid(nearest_image: Floats, centroid: Floats) -> Floats:
    """Join two distances per group; infinite stands for a group without anybody left.

    Parameters
    ----------
    nearest_image, centroid
        (groups,) each, infinite in the same places.

    Returns
    -------
    (groups,) float64, 0 and up.
    """
    out = np.full(len(nearest_image), np.inf)
    there = np.isfinite(nearest_image)
    if there.any():
        out[there] = (_share_of_mean(nearest_image[there]) + _share_of_mean(centroid[there])) / 2.0
    return out


def _share_of_mean(distances: Floats) -> Floats:
    """Everything 1 when all are 0: nobody is nearer than the average."""
    mean = float(distances.mean())
    return distances / mean if mean > 10.0**-DISTANCE_DECIMALS else np.ones(len(distances))


def size_corrected(members: Sequence[Floats], everybody: Floats, *, k: int) -> Floats:
    """Common logarithm of the share of random groups of the same size that come as near; O(N log N + groups n).

    Parameters
    ----------
    members
        Per group, the distances of its patients, rounded, in any order; a group may be empty.
    everybody
        (N,) distances of all patients compared, rounded.
    k
        Which nearest patient counts; the last one in smaller groups.

    Returns
    -------
    (groups,) float64, at most 0; infinite for an empty group.
    """
    out = np.full(len(members), np.inf)
    there = np.array([g for g, theirs in enumerate(members) if len(theirs)], dtype=np.intp)
    if not len(there):
        return out
    drawn = np.array([len(members[g]) for g in there], dtype=np.intp)
    wanted = np.minimum(k, drawn)
    kth = np.array([np.partition(members[g], w - 1)[w - 1] for g, w in zip(there, wanted.tolist(), strict=True)])
    near = np.searchsorted(np.sort(everybody), kth, side="right").astype(np.intp)
    out[there] = log_at_least(wanted, near=near, drawn=drawn, total=len(everybody)) / np.log(10.0)
    return out


def size_corrected_of_many(distances: Floats, groups: Sequence[Indices], *, k: int) -> Floats:
    """As `size_corrected` for many faces at once; O(q N log N + q groups k).

    Parameters
    ----------
    distances
        (q, N) of all patients from each face, rounded; infinite for who is not compared.
    groups
        Per group, which patients are in it.
    k
        Which nearest patient counts.

    Returns
    -------
    (q, groups) float64, not rounded.
    """
    compared = np.isfinite(distances)
    everybody = np.sort(distances, axis=1)
    drawn = np.column_stack([compared[:, members].sum(axis=1) for members in groups]).astype(np.intp)
    wanted = np.minimum(k, drawn)
    kth = np.full(drawn.shape, np.inf)
    for g, members in enumerate(groups):
        first = np.sort(distances[:, members], axis=1)[:, :k]
        if first.shape[1]:
            kth[:, g] = np.take_along_axis(first, np.maximum(wanted[:, g : g + 1] - 1, 0), axis=1)[:, 0]
    near = np.array([np.searchsorted(row, x, side="right") for row, x in zip(everybody, kth, strict=True)], np.intp)
    out = np.full(drawn.shape, np.inf)
    totals = compared.sum(axis=1)
    for total in np.unique(totals).tolist():
        there = (drawn > 0) & (totals == total)[:, None]
        chance = log_at_least(wanted[there], near=near[there], drawn=drawn[there], total=total)
        out[there] = chance / np.log(10.0)
    return out


def hybrid_of_many(nearest_image: Floats, centroid: Floats) -> Floats:
    """As `hybrid`, row by row of (q, groups)."""
    return np.array([hybrid(n, c) for n, c in zip(nearest_image, centroid, strict=True)]).reshape(nearest_image.shape)


def log_at_least(wanted: Indices, *, near: Indices, drawn: Indices, total: int) -> Floats:
    """Natural logarithm of P(H >= wanted), H the near ones among `drawn` of `total` of which `near` are near.

    Exact to float64 also in the far tail. ``1 <= wanted <= min(near, drawn)``. From the lower sum where that is not
    close to 1; else from the upper one, whose terms fall from the first on.
    """
    w, r, n = (a.astype(np.float64) for a in (wanted, near, drawn))
    lower = np.zeros(len(w))
    for j in range(int(wanted.max(initial=0))):
        lower += np.where(j < wanted, np.exp(_log_mass(np.full(len(w), float(j)), r, n, total)), 0.0)
    out = np.log1p(-np.minimum(lower, 0.9))
    far = np.flatnonzero(lower > 0.9)
    if len(far):
        w, r, n = w[far], r[far], n[far]
        term, terms, at = np.ones(len(far)), np.ones(len(far)), w.copy()
        while bool((term > 1e-17 * terms).any()):
            term *= np.maximum((r - at) * (n - at), 0.0) / ((at + 1) * (total - r - n + at + 1))
            terms += term
            at += 1
        out[far] = np.minimum(_log_mass(w, r, n, total) + np.log(terms), 0.0)
    return out


def _log_mass(j: Floats, r: Floats, n: Floats, total: int) -> Floats:
    """Logarithm of P(H = j); minus infinity where that cannot be."""
    from scipy.special import gammaln

    def log_comb(a: Floats, b: Floats) -> Floats:
        found: Floats = gammaln(a + 1) - gammaln(b + 1) - gammaln(a - b + 1)
        return found

    possible: NDArray[np.bool_] = (j <= np.minimum(r, n)) & (n - j <= total - r)
    at = np.where(possible, j, np.maximum(0.0, n + r - total))
    mass = log_comb(r, at) + log_comb(total - r, n - at) - log_comb(np.full(len(n), float(total)), n)
    return np.where(possible, mass, -np.inf)


def distances_by_group(
    patients: Iterator[tuple[int, float]], groups: int, memberships: Mapping[int, Sequence[int]]
) -> tuple[list[Floats], list[int | None]]:
    """Sort patients' distances, nearest first, into groups; also the nearest patient of each."""
    found: list[list[float]] = [[] for _ in range(groups)]
    first: list[int | None] = [None] * groups
    for patient, distance in patients:
        for g in memberships.get(patient, ()):
            found[g].append(distance)
            if first[g] is None:
                first[g] = patient
    return [np.array(theirs, np.float64) for theirs in found], first
