"""Rankings as GestaltMatcher's service gives them, to compare with: photos that look too similar are dropped.

The service leaves out gallery photos nearer than 0.4 (later 0.3), to suppress other photos of the same person, and does
not say so. The cut also hides a true near-match, such as another patient with the same rare disorder. Here it is made
on request only, and what it dropped is counted and named. `deciface.space.rank` drops nobody for looking similar.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deciface.errors import NoGalleryError, OptionError
from deciface.space.answer import Ranking, Reason, Rule
from deciface.space.gallery import Gallery
from deciface.space.query import Query, join
from deciface.space.ranking import own_rows, ranking_without
from deciface.space.restriction import Restriction
from deciface.space.vectors import DISTANCE_DECIMALS

SELF_MATCH_CUTS = (0.3, 0.4)
"""The lowest and the highest cut that the service has used."""


@dataclass(frozen=True)
class CompatibleRanking:
    """A nearest-image ranking with the self-match cut.

    Parameters
    ----------
    ranking
        `Ranking.left_out` names who was dropped, with the reason.
    cut
        Photos nearer than this were dropped.
    dropped_photos, dropped_patients
        How many for looking similar alone: neither the query's own patient by id nor its very pixels.
    """

    ranking: Ranking
    cut: float
    dropped_photos: int
    dropped_patients: int


def rank_as_published(
    gallery: Gallery,
    query: Query,
    *,
    cut: float = SELF_MATCH_CUTS[0],
    top: int = 30,
    subset: Restriction | None = None,
) -> CompatibleRanking:
    """Rank by nearest image without the photos nearer than `cut`, and say how many these are.

    Raises
    ------
    OptionError
        A cut outside `SELF_MATCH_CUTS`, or `top` below 1.
    NoGalleryError
        Nobody is left.
    MismatchError
        As `deciface.space.rank`.
    """
    low, high = SELF_MATCH_CUTS
    if not low <= cut <= high:
        raise OptionError(f"self-match cut {cut:g}; published ones are {low:g} to {high:g}: give one of these")
    if top < 1:
        raise OptionError(f"top is {top}; ask for at least 1 hit")
    joined = join(gallery, query)
    searched = gallery.restricted(subset) if subset is not None else gallery
    left_out = own_rows(searched, query)
    distances = np.round(searched.vectors.exact(joined.vector, joined.used, searched.rows), DISTANCE_DECIMALS)
    too_near = [row for row in np.flatnonzero(distances < cut).tolist() if row not in left_out]
    left_out |= dict.fromkeys(too_near, Reason.SELF_MATCH_CUT)
    if len(left_out) == len(searched):
        raise NoGalleryError(
            f"all {len(searched)} photos of the gallery ({searched.restriction}) are of the query's own patient or "
            f"nearer than {cut:g}; rank without the self-match cut"
        )
    return CompatibleRanking(
        ranking_without(searched, joined, left_out, query=query, rule=Rule.NEAREST_IMAGE, top=top),
        cut,
        len(too_near),
        len({searched.photos[row].patient.id for row in too_near}),
    )
