"""Two cohorts: the same disorder or different ones? A distance, held against pairs of cohorts of which this is known.

Published as: mean distance across the cohorts; controls that are two halves of one disorder ("same") or parts of two
("different"); a threshold by Youden's index in five-fold cross-validation, of which the best fold's value is kept
(c = 0.8963 for GMDB 1.1.0 and that encoder). Here patients are drawn instead of photos, the threshold comes from all
controls, its sensitivity and specificity from disorders that it was not fitted on, and its interval from a bootstrap
over disorders. The threshold describes the gallery; it decides nothing, as most errors lie beside it, and the more
disorders there are the narrower its interval and the larger the share of errors outside. A verdict is given where it is
right with a stated probability (`deciface.space.lumping_limits`), and else "cannot tell".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from deciface.errors import OptionError
from deciface.space.gallery import Gallery
from deciface.space.lumping_limits import FEWEST_DISORDERS, SURE, Evidence, Limits, as_extreme, once_each, sterner
from deciface.space.lumping_threshold import Threshold, threshold_of
from deciface.space.people import People, mean_across, one_a_family, people_of, refuse_relatives
from deciface.space.vectors import Floats, Indices

PUBLISHED_THRESHOLD = 0.8963266
"""Of GMDB 1.1.0 and the published ensemble; reported beside ours, never used."""
FEWEST_FOR_THRESHOLD = 10
"""Disorders with at least two patients each; fewer make no threshold."""
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
    members
        Disorder ids in the order of their numbers, with the rows of the patients.
    whole
        Share of the controls that are as large as the cohorts asked about; the others come from smaller disorders.
    """

    distances: Floats
    different: NDArray[np.bool_]
    disorders: Indices
    members: dict[str, Indices]
    whole: float

    @property
    def names(self) -> tuple[str, ...]:
        """Disorder ids by number."""
        return tuple(self.members)


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
    limits
        Between which distances nothing can be said; None with `threshold`.
    prior, posterior
        Assumed probability of "different", and that probability given the distance.
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
    limits: Limits | None
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

    Parameters
    ----------
    first, second
        Ids, two or more each.
    rng
        Source of the control pairs, and of the bootstrap.
    prior
        Probability of "different" beforehand. It moves the posterior, and can only make the verdict more careful: that
        needs `SURE` at even odds as well.
    resamples
        Bootstrap samples of disorders for the intervals of `Threshold`.

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
    threshold = evidence = limits = None
    if found is not None and usable >= FEWEST_FOR_THRESHOLD:
        pairs = found.distances, found.different, found.disorders
        threshold = threshold_of(*pairs, rng=rng, resamples=resamples)
        evidence = Evidence.of(*pairs)
        limits = sterner(evidence.limits(prior), _limits_of_pairs(people, (one, other), found, rng=rng))
    posterior = None if evidence is None else evidence.posterior(distance, prior)
    decision, reason = _decide(distance, threshold, limits, usable)
    return CohortComparison(
        first=tuple(people.ids[i] for i in one.tolist()),
        second=tuple(people.ids[i] for i in other.tolist()),
        distance=distance,
        decision=decision,
        reason=reason,
        threshold=threshold,
        limits=limits,
        prior=prior,
        posterior=posterior,
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
        whole = len(mine) >= a and len(other) >= b
        drawn += [(across, g, h, whole) for across in _across(people, mine, other, sizes=sizes, rng=rng)]
    at = np.array([(g, h) for _, g, h, _ in drawn], dtype=np.intp)
    return Controls(
        np.array([d for d, *_ in drawn]),
        at[:, 0] != at[:, 1],
        at,
        dict(zip(names, groups, strict=True)),
        float(np.mean([w for *_, w in drawn])),
    )


def _across(
    people: People, one: Indices, other: Indices, *, sizes: tuple[int, int], rng: np.random.Generator
) -> list[float]:
    """Mean distances across random cohorts of two groups: 5 pairs, 1 where everybody is needed."""
    a, b = min(sizes[0], len(one)), min(sizes[1], len(other))
    if not a or not b:
        return []
    views = len(people.gallery.views)
    draws = range(DRAWS_PER_PAIR if a < len(one) or b < len(other) else 1)
    picked = ((rng.permutation(one)[:a], rng.permutation(other)[:b]) for _ in draws)
    return [mean_across(people.vectors, left, right, views=views) for left, right in picked]


def _pairs(n: int, rng: np.random.Generator) -> Sequence[tuple[int, int]]:
    first, second = np.triu_indices(n, 1)
    if len(first) > MOST_PAIRS:
        some = np.sort(rng.choice(len(first), MOST_PAIRS, replace=False))
        first, second = first[some], second[some]
    return list(zip(first.tolist(), second.tolist(), strict=True))


def _limits_of_pairs(
    people: People, cohorts: tuple[Indices, Indices], found: Controls, *, rng: np.random.Generator
) -> Limits:
    """Beyond which distances few enough pairs of the other kind are; see `deciface.space.lumping_limits`."""
    same, different = ~found.different, found.different
    far = as_extreme(found.distances[same], once_each(found.disorders[same]))
    beside, n = _beside(people, cohorts, found, rng=rng), len(found.names)
    share = min(1.0, MOST_PAIRS / (n * (n - 1) / 2))  # as few of these pairs as there are of the controls
    near = as_extreme(
        -np.concatenate([found.distances[different], *beside]),
        np.concatenate([once_each(found.disorders[different]), *(np.full(len(d), share / len(d)) for d in beside)]),
    )
    return Limits(None if near is None else -near, far)


def _beside(
    people: People, cohorts: tuple[Indices, Indices], found: Controls, *, rng: np.random.Generator
) -> list[Floats]:
    """Distances of each cohort from every control disorder that nobody of it has."""
    sizes = len(cohorts[0]), len(cohorts[1])
    distances = []
    for cohort, others in zip(cohorts, (sizes, sizes[::-1]), strict=True):
        known = frozenset[str]().union(*(people.disorders[i] for i in cohort.tolist()))
        for name, members in found.members.items():
            if name not in known:
                distances.append(np.array(_across(people, cohort, members, sizes=others, rng=rng)))
    return [d for d in distances if len(d)]


def _decide(distance: float, threshold: Threshold | None, limits: Limits | None, usable: int) -> tuple[Decision, str]:
    if threshold is None or limits is None or usable < FEWEST_DISORDERS:
        return Decision.CANNOT_TELL, (
            f"{usable} other disorders have two or more unrelated patients and {FEWEST_DISORDERS} are needed to be "
            f"right with {100 * SURE:g} %"
        )
    if threshold.auc_interval[0] <= 0.5:
        return Decision.CANNOT_TELL, "in this gallery distances do not tell cohorts of one disorder from those of two"
    low, high = limits.same_below, limits.different_above
    if low is not None and distance < low:
        return Decision.SAME, ""
    if high is not None and distance > high:
        return Decision.DIFFERENT, ""
    same = "'same' (at no distance)" if low is None else f"'same' (below {low:.4f})"
    different = "'different' (at no distance)" if high is None else f"'different' (above {high:.4f})"
    return Decision.CANNOT_TELL, f"neither {same} nor {different} would be right with {100 * SURE:g} % here"
