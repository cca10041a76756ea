"""Who among the unsolved patients look alike: mutual nearest pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deciface.errors import NothingFoundError
from deciface.space.gallery import Gallery
from deciface.space.people import people_of


@dataclass(frozen=True)
class Match:
    """Two unsolved patients, each the nearest unsolved one of the other.

    Parameters
    ----------
    patient_ids
        Sorted.
    distance
        Of their means, mean over views of 1 - cosine.
    percentile
        Share (0 to 1) of all pairs of unsolved patients that are at most as far apart. A pair is looked for among many,
        so a small share is expected of the nearest one: it is a place in a list, not a p-value.
    relatives
        Whether both are of one family, which explains a likeness.
    """

    patient_ids: tuple[str, str]
    distance: float
    percentile: float
    relatives: bool


@dataclass(frozen=True)
class Matches:
    """All mutual nearest pairs, nearest first; `unsolved` patients make `pairs` pairs."""

    matches: tuple[Match, ...]
    unsolved: int
    pairs: int


def find_matches(gallery: Gallery) -> Matches:
    """Search among patients without a diagnosis who were not found unaffected; O(u^2 d).

    Equally near ones all count as nearest.

    Raises
    ------
    NothingFoundError
        Fewer than two such patients.
    """
    people = people_of(gallery)
    unsolved = people.unsolved
    refuse_too_few(len(unsolved), gallery)
    distances = people.distances(unsolved)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.min(axis=1)
    mutual = (distances <= nearest[:, None]) & (distances <= nearest[None, :])
    first, second = np.nonzero(np.triu(mutual, 1))
    every = np.sort(distances[np.triu_indices(len(unsolved), 1)])
    found = []
    for i, j in zip(first.tolist(), second.tolist(), strict=True):
        a, b = int(unsolved[i]), int(unsolved[j])
        family = people.patients[a].family
        found.append(
            Match(
                (people.ids[a], people.ids[b]),
                float(distances[i, j]),
                float(np.searchsorted(every, distances[i, j], side="right") / len(every)),
                family is not None and family == people.patients[b].family,
            )
        )
    found.sort(key=lambda m: (m.distance, m.patient_ids))
    return Matches(tuple(found), len(unsolved), len(every))


def refuse_too_few(unsolved: int, gallery: Gallery) -> None:
    """Raise a NothingFoundError when there are no two unsolved patients."""
    if unsolved < 2:
        raise NothingFoundError(
            f"{unsolved} unsolved patients in the gallery ({gallery.restriction}); at least two people without a "
            "diagnosis, not marked unaffected, are needed"
        )
