"""Whether faster arithmetic gives the same ranking: encode one's own photos both ways and compare.

bfloat16 keeps 8 significant bits. Whether that matters depends on the weights and on how close people are to each
other, so it is measured on the user's photos before it is used, never assumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.views import Ensemble, encode_views
from deciface.errors import MismatchError, OptionError

TOP = 10
MIN_PHOTOS = 10
MIN_TOP_OVERLAP = 0.95
MIN_COSINE = 0.99
_TIE = 1e-3
"""Distances that differ by less than this are not told apart by any use of them."""

Vectors = Sequence[NDArray[np.float32]]


class Precision(StrEnum):
    """Arithmetic of a network."""

    FP32 = "fp32"
    BF16 = "bf16"


@dataclass(frozen=True, slots=True)
class RankingComparison:
    """How the rankings of reduced precision compare with those of full precision; all shares 0 to 1.

    Parameters
    ----------
    queries
        Whose precision the queries and the gallery had, in words.
    same_first
        Share of queries whose nearest photo is the same.
    top_overlap
        Mean share of the nearest `top` that are the same photos.
    decided_swaps
        Share of queries with two photos among their nearest `top` in the other order although full precision tells them
        apart by more than `tie`.
    """

    queries: str
    same_first: float
    top_overlap: float
    decided_swaps: float

    @property
    def stays(self) -> bool:
        """Whether nothing changed that full precision tells apart."""
        return self.decided_swaps == 0 and self.top_overlap >= MIN_TOP_OVERLAP


@dataclass(frozen=True, slots=True)
class PrecisionReport:
    """What reduced precision changes on a sample of photos.

    Parameters
    ----------
    photos, views
        Size of the sample and vectors per photo.
    top
        How many of the nearest were compared.
    tie
        Differences of distance below this count as ties.
    cosine_min, cosine_median
        Between the two vectors of one photo in one view.
    distance_error
        Largest change of any distance between two photos, mean over the views.
    rankings
        Both sides reduced; and reduced queries against a gallery in full precision, because galleries outlive settings.
    """

    photos: int
    views: int
    top: int
    tie: float
    cosine_min: float
    cosine_median: float
    distance_error: float
    rankings: tuple[RankingComparison, ...]

    @property
    def keeps_ranking(self) -> bool:
        """Whether the ranking stays when queries and gallery are both encoded in reduced precision.

        No two of the nearest swapped that full precision tells apart, at least `MIN_TOP_OVERLAP` of the nearest the
        same, and no vector further than `MIN_COSINE`.
        """
        return self.cosine_min >= MIN_COSINE and self.rankings[0].stays

    @property
    def keeps_mixed_ranking(self) -> bool:
        """Whether it also stays when the gallery was encoded in full precision."""
        return self.keeps_ranking and self.rankings[1].stays

    def as_text(self) -> str:
        """Say the result in one line."""
        verdict = "changes the ranking: use fp32"
        if self.keeps_ranking:
            verdict = "keeps the ranking" + ("" if self.keeps_mixed_ranking else " if the gallery is encoded in it too")
        parts = "; ".join(
            f"{r.queries}: same first {100 * r.same_first:.1f} %, top-{self.top} overlap {100 * r.top_overlap:.1f} %, "
            f"swaps beyond {self.tie:g} in {100 * r.decided_swaps:.1f} %"
            for r in self.rankings
        )
        return (
            f"reduced precision {verdict} on {self.photos} photos x {self.views} views (cosine at least "
            f"{self.cosine_min:.5f}, distances within {self.distance_error:.1e}; {parts})"
        )


def compare_precisions(full: Vectors, reduced: Vectors, *, top: int = TOP, tie: float = _TIE) -> PrecisionReport:
    """Compare the vectors of the same photos in full and in reduced precision.

    Every photo in turn is the query and all others are the gallery; the distance is the mean of 1 - cosine over the
    views. O(photos^2 x views x d).

    Parameters
    ----------
    full, reduced
        Per view (photos, d) float32 unit rows; the same photos and views in the same order.
    top
        How many of the nearest are compared.
    tie
        Differences of distance that do not count.

    Raises
    ------
    MismatchError
        When photos, views or dimensions differ.
    OptionError
        With fewer than `MIN_PHOTOS` photos, or not 1 <= top < photos.
    """
    shapes, others = [m.shape for m in full], [m.shape for m in reduced]
    if shapes != others or not shapes or any(len(s) != 2 or s[0] != shapes[0][0] for s in shapes):
        raise MismatchError(
            f"vectors {shapes} and {others} of two precisions; encode the same photos in the same views"
        )
    photos = shapes[0][0]
    if photos < MIN_PHOTOS or not 1 <= top < photos:
        raise OptionError(f"{photos} photos and top {top}; {MIN_PHOTOS} or more photos and fewer top: give more photos")
    exact = _distances(full, full)
    cosines = np.concatenate(
        [np.einsum("nd,nd->n", a, b, dtype=np.float64) for a, b in zip(full, reduced, strict=True)]
    )
    both, mixed = _distances(reduced, reduced), _distances(reduced, full)
    apart = ~np.eye(photos, dtype=bool)
    return PrecisionReport(
        photos=photos,
        views=len(full),
        top=top,
        tie=tie,
        cosine_min=float(cosines.min()),
        cosine_median=float(np.median(cosines)),
        distance_error=float(max(np.abs(d[apart] - exact[apart]).max() for d in (both, mixed))),
        rankings=(
            _compare(exact, both, top, tie, "queries and gallery reduced"),
            _compare(exact, mixed, top, tie, "queries reduced, gallery full"),
        ),
    )


def check_precision(crops: Mapping[str, NDArray[np.uint8]], *, full: Ensemble, reduced: Ensemble) -> PrecisionReport:
    """Encode a sample of one's own photos in both precisions and compare the rankings.

    Parameters
    ----------
    crops
        Per alignment template (photos, h, w, 3) uint8, `MIN_PHOTOS` photos or more, as few of one person as possible.
    full, reduced
        The same networks and views.

    Raises
    ------
    MismatchError
        When the ensembles differ in more than precision.
    OptionError
        With too few photos.
    """
    if full.views != reduced.views:
        raise MismatchError(
            f"ensembles of {len(full.views)} and {len(reduced.views)} views that are not the same; "
            "open the same models with the same views in both precisions"
        )
    exact, faster = ([matrix for _, matrix in encode_views(crops, ensemble)] for ensemble in (full, reduced))
    return compare_precisions(exact, faster)


def choose_precision(
    crops: Mapping[str, NDArray[np.uint8]], *, full: Ensemble, reduced: Ensemble
) -> tuple[Ensemble, PrecisionReport]:
    """Take reduced precision if it keeps the ranking of these photos, else full precision; with the report.

    It must also keep the ranking against a gallery in full precision: encodings do not say in which they were made.

    Parameters and errors are those of `check_precision`.
    """
    report = check_precision(crops, full=full, reduced=reduced)
    return (reduced if report.keeps_mixed_ranking else full), report


def _distances(queries: Vectors, gallery: Vectors) -> NDArray[np.float64]:
    """Mean distance over the views, (photos, photos); a photo is infinitely far from itself."""
    total = sum((1 - a.astype(np.float64) @ b.astype(np.float64).T for a, b in zip(queries, gallery, strict=True)))
    mean = np.asarray(total, np.float64) / len(queries)
    np.fill_diagonal(mean, np.inf)
    return mean


def _compare(
    exact: NDArray[np.float64], other: NDArray[np.float64], top: int, tie: float, queries: str
) -> RankingComparison:
    first, second = (np.argsort(d, axis=1, kind="stable")[:, :top] for d in (exact, other))
    overlap = [len(set(a) & set(b)) / top for a, b in zip(first.tolist(), second.tolist(), strict=True)]
    # In the other order, full-precision distances must not fall by more than a tie.
    reordered = np.take_along_axis(exact, second, axis=1)
    falls = (np.maximum.accumulate(reordered, axis=1) - reordered).max(axis=1)
    # And nobody may be pushed out of the nearest by somebody who is clearly further.
    pushed = reordered.max(axis=1) - np.take_along_axis(exact, first, axis=1)[:, -1]
    return RankingComparison(
        queries=queries,
        same_first=float((first[:, 0] == second[:, 0]).mean()),
        top_overlap=float(np.mean(overlap)),
        decided_swaps=float(((falls > tie) | (pushed > tie)).mean()),
    )
