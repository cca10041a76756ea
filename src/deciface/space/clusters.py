"""Groups of unsolved patients who look alike, and how firmly each group holds together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deciface.errors import OptionError
from deciface.space.gallery import Gallery
from deciface.space.matching import refuse_too_few
from deciface.space.matrices import average_linkage
from deciface.space.people import People, people_of
from deciface.space.vectors import Floats, Indices

CUT_PERCENTILE = 5.0
"""Patients of different disorders are nearer than the cut in this many of 100 pairs."""
FEWEST_REFERENCE_PAIRS = 100
_REFERENCE_PATIENTS = 2_000
_KEPT = 0.8


@dataclass(frozen=True)
class Cluster:
    """Unsolved patients on one branch below the cut.

    Parameters
    ----------
    patient_ids
        At least two, sorted.
    mean_distance
        Over their pairs.
    stability
        Mean over resamples of the best Jaccard overlap with a cluster found there, 0 to 1 (Hennig, Comput Stat Data
        Anal 52:258, 2007, with subsets of the patients): below 0.5 it dissolves, from 0.75 on it is stable. A pair
        holds together whenever nobody else is near; the figure says something from three patients on.
    one_family
        Whether all are of one family, which explains a likeness.
    """

    patient_ids: tuple[str, ...]
    mean_distance: float
    stability: float
    one_family: bool


@dataclass(frozen=True, eq=False)
class Clusters:
    """What was found among `patient_ids`.

    Parameters
    ----------
    clusters
        Largest first, then the most stable.
    alone
        Patients in no cluster.
    cut, percentile
        Distance at which the tree was cut, and which percentile of the reference distances that is.
    reference, reference_pairs
        Whose distances these are, and of how many pairs.
    patient_ids, distances, tree, order
        Of all unsolved patients, for a drawing: (u, u) distances, average linkage, order of the leaves.
    simulated
        Whether anybody in the gallery is simulated.
    """

    clusters: tuple[Cluster, ...]
    alone: tuple[str, ...]
    cut: float
    percentile: float
    reference: str
    reference_pairs: int
    patient_ids: tuple[str, ...]
    distances: Floats
    tree: Floats
    order: Indices
    simulated: bool


def find_clusters(
    gallery: Gallery, *, rng: np.random.Generator, percentile: float = CUT_PERCENTILE, resamples: int = 100
) -> Clusters:
    """Cut the average-linkage tree of unsolved patients at a percentile of the distances of different patients.

    The reference are pairs of diagnosed patients who share no disorder (of at most 2,000 patients, drawn at random);
    where there are fewer than 100 such pairs, all pairs of unsolved patients.

    Parameters
    ----------
    rng
        Source of the resamples: 80 % of the unsolved patients each, without repeats.
    percentile
        Above 0, below 100.
    resamples
        At least 1.

    Raises
    ------
    NothingFoundError
        Fewer than two unsolved patients.
    OptionError
        A percentile or number of resamples out of range.
    """
    if not 0 < percentile < 100:
        raise OptionError(f"percentile {percentile:g}; give one between 0 and 100, such as {CUT_PERCENTILE:g}")
    if resamples < 1:
        raise OptionError(f"{resamples} resamples; at least 1 is needed")
    people = people_of(gallery)
    unsolved = people.unsolved
    refuse_too_few(len(unsolved), gallery)
    distances = people.distances(unsolved)
    reference, whose = _reference(people, rng)
    if len(reference) < FEWEST_REFERENCE_PAIRS:
        reference, whose = distances[np.triu_indices(len(unsolved), 1)], "pairs of unsolved patients"
    cut = float(np.percentile(reference, percentile))
    tree, order = average_linkage(distances)
    groups, alone = _cut(distances, cut)
    stability = _stability(distances, groups, cut, rng=rng, resamples=resamples)
    ids = [people.ids[i] for i in unsolved.tolist()]
    families = [people.patients[i].family for i in unsolved.tolist()]
    found = [
        Cluster(
            tuple(ids[i] for i in members),
            float(distances[np.ix_(members, members)].sum() / (len(members) * (len(members) - 1))),
            firm,
            families[members[0]] is not None and len({families[i] for i in members}) == 1,
        )
        for members, firm in zip(groups, stability, strict=True)
    ]
    found.sort(key=lambda c: (-len(c.patient_ids), -c.stability, c.patient_ids))
    return Clusters(
        clusters=tuple(found),
        alone=tuple(ids[i] for i in alone),
        cut=cut,
        percentile=percentile,
        reference=whose,
        reference_pairs=len(reference),
        patient_ids=tuple(ids),
        distances=distances,
        tree=tree,
        order=order,
        simulated=bool(gallery.simulated_rows.any()),
    )


def _reference(people: People, rng: np.random.Generator) -> tuple[Floats, str]:
    """Distances of diagnosed patients who share no disorder."""
    diagnosed = np.array([i for i, d in enumerate(people.disorders) if d], dtype=np.intp)
    if len(diagnosed) > _REFERENCE_PATIENTS:
        diagnosed = np.sort(rng.choice(diagnosed, _REFERENCE_PATIENTS, replace=False))
    number: dict[str, int] = {}
    member = np.zeros((len(diagnosed), len({d for i in diagnosed.tolist() for d in people.disorders[i]})), np.float32)
    for row, i in enumerate(diagnosed.tolist()):
        for d in people.disorders[i]:
            member[row, number.setdefault(d, len(number))] = 1.0
    apart = np.triu(member @ member.T == 0, 1)
    return people.distances(diagnosed)[apart], "pairs of diagnosed patients who share no disorder"


def _cut(distances: Floats, cut: float) -> tuple[list[list[int]], list[int]]:
    """Members of every cluster of two or more, and who is alone."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(distances) < 2:
        return [], list(range(len(distances)))
    labels = fcluster(linkage(squareform(distances, checks=False), method="average"), t=cut, criterion="distance")
    groups = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    return [g for g in groups if len(g) > 1], sorted(g[0] for g in groups if len(g) == 1)


def _stability(
    distances: Floats, groups: list[list[int]], cut: float, *, rng: np.random.Generator, resamples: int
) -> list[float]:
    """Mean best overlap of every cluster with those of random 80 % of the patients, where two of it are among them."""
    n = len(distances)
    overlaps: list[list[float]] = [[] for _ in groups]
    for _ in range(resamples):
        kept = np.sort(rng.choice(n, max(2, round(_KEPT * n)), replace=False))
        found = [set(kept[members].tolist()) for members in _cut(distances[np.ix_(kept, kept)], cut)[0]]
        there = set(kept.tolist())
        for g, members in enumerate(groups):
            left = set(members) & there
            if len(left) > 1:
                overlaps[g].append(max((len(left & f) / len(left | f) for f in found), default=0.0))
    return [float(np.mean(o)) if o else 0.0 for o in overlaps]
