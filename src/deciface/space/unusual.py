"""How unusual a face is among unaffected faces: a percentile with its interval, or "cannot tell"."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from deciface.space.answer import LeftOut, Reason
from deciface.space.gallery import Gallery
from deciface.space.query import JoinedQuery, Query, join
from deciface.space.restriction import Restriction
from deciface.space.vectors import DISTANCE_DECIMALS, Floats, Indices, one_thread

NEIGHBOURS = 5
"""How many of the nearest unaffected people a face is compared with."""
FEWEST_PATIENTS = 40
"""Below this many unaffected people the answer is "cannot tell".

With n people the smallest possible p is 1 / (n + 1): from 39 on it is at most .025, so that the .05 line lies
at least two people inside the scale, and the 95 % interval of an extreme percentile is no wider than 9 points (with 40
of 40 less unusual: 91 to 100).
"""
ALPHA = 0.05


class Verdict(StrEnum):
    """What can be said."""

    UNUSUAL = "more unusual than at least 95 % of unaffected faces"
    WITHIN = "within the range of unaffected faces"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Unusualness:
    """Where a face stands among unaffected faces.

    Parameters
    ----------
    verdict, reason
        What can be said; the reason is empty unless the verdict is "cannot tell".
    mean_distance
        To the `NEIGHBOURS` nearest unaffected people; None when there are fewer.
    percentile, interval
        Share (0 to 1) of unaffected people who are less unusual, with the exact 95 % Clopper-Pearson interval. None
        together with `mean_distance`.
    p
        Of the hypothesis that the face comes from the same population as the unaffected ones, (k + 1) / (n + 1), k of n
        being at least as unusual. Not the probability of a disorder.
    people
        n, the unaffected people compared with.
    left_out, restriction, gallery_digest
        As in a `Ranking`.
    """

    verdict: Verdict
    reason: str
    mean_distance: float | None
    percentile: float | None
    interval: tuple[float, float] | None
    p: float | None
    people: int
    left_out: tuple[LeftOut, ...]
    restriction: Restriction
    gallery_digest: str


def unusualness(gallery: Gallery, query: Query, *, subset: Restriction | None = None) -> Unusualness:
    """Say how far a face is from unaffected faces, compared with how far these are from each other.

    The statistic is the mean distance to the nearest `NEIGHBOURS` people. It is computed for the query and for every
    unaffected person in the same way, each against all others *including the query*, so that under the null hypothesis
    all n + 1 values are exchangeable and p is exact for every n (Vovk, Gammerman and Shafer, Algorithmic Learning in a
    Random World, 2005, chapter 2). The person is the unit: everybody enters with one photo, the first by id. With
    several query photos their mean distance is used and p is approximate.

    Age, sex and ancestry differ between people and move faces too: restrict the gallery to people like the patient, or
    the answer says how unusual a child is among adults.

    O(n d) per query and O(n^2 d) once per gallery and set of views.

    Parameters
    ----------
    gallery
        Its photos with `unaffected` set are the reference; the others are not looked at.
    query
        Whose face. The person's own photos and identical pixels are left out.
    subset
        Compare only with these.

    Raises
    ------
    MismatchError
        Other weights or crops than the gallery's, or no view in common.
    """
    joined = join(gallery, query)
    searched = gallery.restricted(subset) if subset is not None else gallery
    key = ("unusualness", joined.used)
    reference: _Reference = searched.kept.get(key) or searched.kept.setdefault(key, _reference(searched, joined))
    left_out = {
        i: Reason.SAME_PIXELS if searched.photos[row].patient.id != query.patient_id else Reason.SAME_PATIENT
        for i, row in enumerate(reference.rows.tolist())
        if searched.photos[row].patient.id == query.patient_id or searched.photos[row].sha256 in query.pixel_sha256
    }
    kept = np.setdiff1d(np.arange(len(reference.rows)), list(left_out))
    measured = _measure(searched, joined, reference, kept) if len(kept) >= NEIGHBOURS else None
    reason = (
        ""
        if len(kept) >= FEWEST_PATIENTS
        else f"{len(kept)} unaffected people to compare with ({searched.restriction}); {FEWEST_PATIENTS} are needed"
    )
    verdict = Verdict.CANNOT_TELL
    if measured is not None and not reason:
        verdict = Verdict.UNUSUAL if measured.p <= ALPHA else Verdict.WITHIN
    rows = [(searched.photos[int(reference.rows[i])], why) for i, why in sorted(left_out.items())]
    return Unusualness(
        verdict=verdict,
        reason=reason,
        mean_distance=measured.statistic if measured else None,
        percentile=measured.percentile if measured else None,
        interval=measured.interval if measured else None,
        p=measured.p if measured else None,
        people=len(kept),
        left_out=tuple(LeftOut(photo.id, photo.patient.id, why) for photo, why in rows),
        restriction=searched.restriction,
        gallery_digest=searched.digest,
    )


@dataclass(frozen=True, eq=False)
class _Reference:
    """One photo of every unaffected person, and the distances to the nearest few others.

    `near` (n, w) float64 ascending, `who` (n, w) the number of the person at that distance.
    """

    rows: Indices
    near: Floats
    who: Indices


@dataclass(frozen=True)
class _Measured:
    statistic: float
    percentile: float
    interval: tuple[float, float]
    p: float


_SPARE = 3
"""How many left-out people the stored neighbour lists can do without."""


def _reference(gallery: Gallery, joined: JoinedQuery) -> _Reference:
    diagnosed = {photo.patient.id for photo in gallery.photos if photo.diagnoses}
    first: dict[str, int] = {}
    for row, photo in enumerate(gallery.photos):
        if photo.unaffected and photo.patient.id not in diagnosed:
            first.setdefault(photo.patient.id, row)
    rows = np.array(sorted(first.values()), dtype=np.intp)
    return _neighbours(gallery, joined, rows)


def _neighbours(gallery: Gallery, joined: JoinedQuery, rows: Indices) -> _Reference:
    """Distances of these people to their nearest few among each other."""
    n, width = len(rows), min(len(rows), NEIGHBOURS + _SPARE + 1)
    near, who = np.empty((n, width)), np.empty((n, width), np.intp)
    blocks = [gallery.vectors.blocks[i] for i in joined.used]
    columns = np.concatenate([np.arange(b.start, b.stop) for b in blocks])
    matrix = gallery.vectors.matrix[gallery.rows[rows]][:, columns]
    with one_thread():
        for start in range(0, n, 1024):
            part = slice(start, min(start + 1024, n))
            distances: NDArray[np.float64] = 1.0 - (matrix[part] @ matrix.T).astype(np.float64) / len(joined.used)
            distances[np.arange(part.stop - start), np.arange(start, part.stop)] = np.inf
            nearest = np.argpartition(distances, width - 1, axis=1)[:, :width]
            values = np.take_along_axis(distances, nearest, axis=1)
            order = np.argsort(values, axis=1)
            near[part] = np.take_along_axis(values, order, axis=1)
            who[part] = np.take_along_axis(nearest, order, axis=1)
    return _Reference(rows, near, who)


def _measure(gallery: Gallery, joined: JoinedQuery, reference: _Reference, kept: Indices) -> _Measured:
    """Statistic of the query among the kept people, everybody measured against all others and the query."""
    from scipy.stats import binomtest

    if len(reference.rows) - len(kept) > _SPARE:
        reference = _neighbours(gallery, joined, reference.rows[kept])
        kept = np.arange(len(reference.rows))
    to_query = gallery.vectors.exact(joined.vector, joined.used, gallery.rows[reference.rows[kept]])
    near = np.where(np.isin(reference.who[kept], kept), reference.near[kept], np.inf)
    theirs = np.sort(np.column_stack([near, to_query]), axis=1)[:, :NEIGHBOURS].mean(axis=1)
    mine = float(np.sort(to_query)[:NEIGHBOURS].mean())
    less = int((np.round(theirs, DISTANCE_DECIMALS) < np.round(mine, DISTANCE_DECIMALS)).sum())
    n = len(kept)
    interval = binomtest(less, n).proportion_ci(confidence_level=0.95, method="exact")
    return _Measured(
        statistic=round(mine, DISTANCE_DECIMALS),
        percentile=less / n,
        interval=(float(interval.low), float(interval.high)),
        p=(n - less + 1) / (n + 1),
    )
