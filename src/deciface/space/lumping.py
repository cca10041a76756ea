"""Two cohorts: the same disorder or different ones? A distance, held against pairs of cohorts of which this is known.

Published as: mean distance across the cohorts; controls that are two halves of one disorder ("same") or parts of two
("different"); a threshold by Youden's index in five-fold cross-validation, of which the best fold's value is kept
(c = 0.8963 for GMDB 1.1.0 and that encoder). Here patients are drawn instead of photos, the threshold comes from all
controls, its sensitivity and specificity from disorders that it was not fitted on, and its interval from a bootstrap
over disorders; a distance inside the interval is "cannot tell".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from deciface.errors import OptionError
from deciface.space.gallery import Gallery
from deciface.space.people import People, mean_across, one_a_family, people_of, refuse_relatives
from deciface.space.vectors import Floats, Indices
from deciface.stats.roc import roc, youden

PUBLISHED_THRESHOLD = 0.8963266
"""Of GMDB 1.1.0 and the published ensemble; reported beside ours, never used."""
FEWEST_DISORDERS = 10
"""With at least two patients each; fewer make no threshold."""
FOLDS = 5
SPLITS_PER_DISORDER = 10
DRAWS_PER_PAIR = 5
MOST_PAIRS = 2_000


class Decision(StrEnum):
    """What can be said."""

    SAME = "same"
    DIFFERENT = "different"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, eq=False)
class Controls:
    """Pairs of cohorts of which it is known whether they have one disorder.

    Parameters
    ----------
    distances
        (n,) mean distance across each pair.
    different
        (n,) whether they are of two disorders.
    disorders
        (n, 2) numbers of the disorders; equal for "same".
    names
        Disorder ids by number.
    whole
        Share of the controls that are as large as the cohorts asked about; the others come from smaller disorders.
    """

    distances: Floats
    different: NDArray[np.bool_]
    disorders: Indices
    names: tuple[str, ...]
    whole: float


@dataclass(frozen=True)
class Threshold:
    """Where "different" begins.

    Parameters
    ----------
    value, interval
        Youden's threshold on all controls, and its 95 % percentile interval over bootstrap samples of disorders.
    auc, auc_interval
        Of the controls, with the interval of the same bootstrap.
    sensitivity, specificity
        Share of different pairs called different, and of same pairs called same, each by a threshold that was fitted
        without the disorders in question.
    disorders, same_controls, different_controls
        What they rest on.
    best_fold
        The threshold that keeping the best of five folds would give.
    """

    value: float
    interval: tuple[float, float]
    auc: float
    auc_interval: tuple[float, float]
    sensitivity: float
    specificity: float
    disorders: int
    same_controls: int
    different_controls: int
    best_fold: float


@dataclass(frozen=True)
class CohortComparison:
    """The answer for two cohorts.

    Parameters
    ----------
    first, second
        Patients.
    distance
        Mean over all pairs across the cohorts.
    decision, reason
        The reason is empty unless the decision is "cannot tell".
    threshold
        None where there are too few disorders for one.
    prior, posterior
        Assumed probability of "different", and that probability given the side of the threshold on which the distance
        lies, from `Threshold.sensitivity` and `specificity`, counted as if half a disorder more had gone wrong.
    published
        What the published constant would say; it belongs to another encoder and gallery.
    gallery_digest, simulated
        As in `deciface.space.cohort_test`.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    distance: float
    decision: Decision
    reason: str
    threshold: Threshold | None
    prior: float
    posterior: float | None
    published: Decision
    gallery_digest: str
    simulated: bool


def compare_cohorts(
    gallery: Gallery,
    first: Collection[str],
    second: Collection[str],
    *,
    rng: np.random.Generator,
    prior: float = 0.5,
    resamples: int = 500,
) -> CohortComparison:
    """Say whether two cohorts look like one disorder, like two, or neither for sure.

    Patients are the mean of their photos. Neither cohort's patients are among the controls. O(n k d) for n controls of
    k patients, and `resamples` curves.

    Raises
    ------
    NothingFoundError
        A patient who is not in the gallery.
    OptionError
        Fewer than two patients in a cohort, a patient in both, relatives, a prior outside 0 to 1.
    """
    if not 0 < prior < 1:
        raise OptionError(f"prior {prior:g}; give the probability of 'different' beforehand, between 0 and 1")
    if resamples < 100:
        raise OptionError(f"{resamples} resamples; an interval needs at least 100")
    people = people_of(gallery)
    one, other = people.find(first, what="first cohort"), people.find(second, what="second cohort")
    _refuse(people, one, other)
    distance = float(people.distances(one, other).mean())
    found = controls(people, np.concatenate([one, other]), sizes=(len(one), len(other)), rng=rng)
    usable = len(set(found.disorders[~found.different, 0].tolist())) if found else 0
    threshold = (
        _calibrated(found, rng=rng, resamples=resamples) if found is not None and usable >= FEWEST_DISORDERS else None
    )
    decision, reason = _decide(distance, threshold, usable)
    return CohortComparison(
        first=tuple(people.ids[i] for i in one.tolist()),
        second=tuple(people.ids[i] for i in other.tolist()),
        distance=distance,
        decision=decision,
        reason=reason,
        threshold=threshold,
        prior=prior,
        posterior=None if threshold is None else _posterior(distance, threshold, prior),
        published=Decision.DIFFERENT if distance > PUBLISHED_THRESHOLD else Decision.SAME,
        gallery_digest=gallery.digest,
        simulated=bool(gallery.simulated_rows.any()),
    )


def _refuse(people: People, one: Indices, other: Indices) -> None:
    for name, cohort in (("first", one), ("second", other)):
        if len(cohort) < 2:
            raise OptionError(f"the {name} cohort has {len(cohort)} patient; at least two are needed in each")
    if both := set(one.tolist()) & set(other.tolist()):
        raise OptionError(f"patient '{people.ids[min(both)]}' is in both cohorts; put each patient into one")
    refuse_relatives(people, np.concatenate([one, other]), what="cohorts")


def controls(people: People, taken: Indices, *, sizes: tuple[int, int], rng: np.random.Generator) -> Controls | None:
    """Draw pairs of cohorts from the diagnosed patients who are not taken, one a family; None without any "same".

    Same: up to 10 random splits of every disorder with two patients. Different: 5 random pairs of cohorts from every
    two disorders (of at most 2,000, drawn at random), without patients who have both. Cohorts are of the sizes asked
    for, or smaller where the disorder is.
    """
    families = {f for i in taken.tolist() if (f := people.patients[i].family) is not None}
    free = one_a_family(people, np.setdiff1d(np.arange(len(people)), taken), taken=families)
    members: dict[str, list[int]] = {}
    for i in free.tolist():
        for d in people.disorders[i]:
            members.setdefault(d, []).append(i)
    names = tuple(sorted(members))
    groups = [np.array(members[name], dtype=np.intp) for name in names]
    if not any(len(g) > 1 for g in groups):
        return None
    views = len(people.gallery.views)
    a, b = sizes
    drawn: list[tuple[float, int, int, bool]] = []
    for g, theirs in enumerate(groups):
        here = min(a, len(theirs) // 2)
        there = min(b, len(theirs) - here)
        splits = range(SPLITS_PER_DISORDER if len(theirs) > 2 else len(theirs) // 2)
        for mixed in (rng.permutation(theirs) for _ in splits):
            across = mean_across(people.vectors, mixed[:here], mixed[here : here + there], views=views)
            drawn.append((across, g, g, (here, there) == sizes))
    for g, h in _pairs(len(names), rng):
        mine, other = np.setdiff1d(groups[g], groups[h]), np.setdiff1d(groups[h], groups[g])
        if not len(mine) or not len(other):
            continue
        here, there = min(a, len(mine)), min(b, len(other))
        for _ in range(DRAWS_PER_PAIR if here < len(mine) or there < len(other) else 1):
            left, right = rng.permutation(mine)[:here], rng.permutation(other)[:there]
            drawn.append((mean_across(people.vectors, left, right, views=views), g, h, (here, there) == sizes))
    at = np.array([(g, h) for _, g, h, _ in drawn], dtype=np.intp)
    return Controls(
        np.array([d for d, *_ in drawn]), at[:, 0] != at[:, 1], at, names, float(np.mean([w for *_, w in drawn]))
    )


def _pairs(n: int, rng: np.random.Generator) -> Sequence[tuple[int, int]]:
    first, second = np.triu_indices(n, 1)
    if len(first) > MOST_PAIRS:
        some = np.sort(rng.choice(len(first), MOST_PAIRS, replace=False))
        first, second = first[some], second[some]
    return list(zip(first.tolist(), second.tolist(), strict=True))


def _calibrated(found: Controls, *, rng: np.random.Generator, resamples: int) -> Threshold:
    """Threshold, its interval, and how it does on disorders that it has not seen."""
    sensitivity, specificity, best_fold = _cross_validated(found, rng)
    thresholds: list[float] = []
    areas: list[float] = []
    n = len(found.names)
    while len(thresholds) < resamples:
        times = np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64)
        weights = times[found.disorders[:, 0]] * np.where(found.different, times[found.disorders[:, 1]], 1.0)
        if weights[found.different].any() and weights[~found.different].any():
            thresholds.append(youden(found.distances, found.different, weights=weights).threshold)
            areas.append(roc(found.distances, found.different, weights=weights).area)
    low, high = np.quantile(thresholds, [0.025, 0.975]).tolist()
    least, most = np.quantile(areas, [0.025, 0.975]).tolist()
    return Threshold(
        value=youden(found.distances, found.different).threshold,
        interval=(low, high),
        auc=roc(found.distances, found.different).area,
        auc_interval=(least, most),
        sensitivity=sensitivity,
        specificity=specificity,
        disorders=len(set(found.disorders[~found.different, 0].tolist())),
        same_controls=int((~found.different).sum()),
        different_controls=int(found.different.sum()),
        best_fold=best_fold,
    )


def _cross_validated(found: Controls, rng: np.random.Generator) -> tuple[float, float, float]:
    """Sensitivity and specificity on unseen disorders, and the threshold of the best of five folds.

    Disorders are dealt to folds. A pair from folds f and g is judged by the threshold of the controls that touch
    neither, so that no disorder helps to judge itself.
    """
    solvable = np.unique(found.disorders[~found.different, 0])
    rest = np.setdiff1d(np.arange(len(found.names)), solvable)
    fold = np.empty(len(found.names), np.intp)
    fold[rng.permutation(solvable)] = np.arange(len(solvable)) % FOLDS
    fold[rng.permutation(rest)] = np.arange(len(rest)) % FOLDS
    of = np.sort(fold[found.disorders], axis=1)
    right = np.zeros(len(found.distances), dtype=bool)
    best, best_index = 0.0, -np.inf
    for f in range(FOLDS):
        for g in range(f, FOLDS):
            training = ~np.isin(of, (f, g)).any(axis=1)
            tested = (of == (f, g)).all(axis=1)
            cut = youden(found.distances[training], found.different[training]).threshold
            right[tested] = (found.distances[tested] >= cut) == found.different[tested]
            if f == g and found.different[tested].any():
                index = right[tested & found.different].mean() + right[tested & ~found.different].mean()
                if index > best_index:
                    best, best_index = cut, float(index)
    return float(right[found.different].mean()), float(right[~found.different].mean()), best


def _decide(distance: float, threshold: Threshold | None, usable: int) -> tuple[Decision, str]:
    if threshold is None:
        return Decision.CANNOT_TELL, (
            f"{usable} other disorders have two or more unrelated patients and {FEWEST_DISORDERS} are needed"
        )
    if threshold.auc_interval[0] <= 0.5:
        return Decision.CANNOT_TELL, "in this gallery distances do not tell cohorts of one disorder from those of two"
    low, high = threshold.interval
    if low <= distance <= high:
        return Decision.CANNOT_TELL, f"the distance lies inside the interval of the threshold, {low:.4f} to {high:.4f}"
    return (Decision.SAME if distance < low else Decision.DIFFERENT), ""


def _posterior(distance: float, threshold: Threshold, prior: float) -> float:
    """Probability of "different" by Bayes' rule."""
    n = threshold.disorders
    sensitivity, specificity = ((rate * n + 0.5) / (n + 1) for rate in (threshold.sensitivity, threshold.specificity))
    different, same = (sensitivity, 1 - specificity) if distance >= threshold.value else (1 - sensitivity, specificity)
    return prior * different / (prior * different + (1 - prior) * same)
