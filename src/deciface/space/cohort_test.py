"""Are these k unrelated patients more alike than chance? A test with a null of the same size, patient by patient.

The hypothesis is that the cohort was picked at random from the cohort and the other patients together, so a group that
chance could have picked instead is one of *all* of these: the cohort's own members can be in it, and the cohort is one
of the groups. Groups of the others alone would not do: they overlap with each other and not with the cohort, and the
fewer others there are, the more they are of one piece (with 60 people and a cohort of 20 false alarms at .05 are .15).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from deciface.errors import OptionError
from deciface.space.gallery import Gallery
from deciface.space.people import (
    PatientRow,
    People,
    mean_within,
    one_a_family,
    people_of,
    refuse_relatives,
)
from deciface.space.restriction import age_band
from deciface.space.vectors import Floats, Indices
from deciface.stats.permutation import Alternative, Null, PermutationP, p_value, subsets

PUBLISHED_GROUP = 10
"""Photos in a random group of the published null, whatever the size of the cohort."""
PUBLISHED_DRAWS = 10_000
PUBLISHED_PERCENTILE = 5.0
ALPHA = 0.05
MANY_PHOTOS = 1.25
"""Times as many photos a patient as the others have, from which on a remark says so."""


class Match(StrEnum):
    """What every random group has in the same numbers as the cohort."""

    SEX = "sex"
    AGE_BAND = "age band"
    ANCESTRY = "ancestry"


@dataclass(frozen=True)
class PublishedProcedure:
    """What the published procedure says: 10,000 groups of 10 random photos, 5th percentile of their mean distance.

    Parameters
    ----------
    mean_distance
        Over all pairs of the cohort's photos, those of one patient too.
    threshold, percentile
        5th percentile of the null, and the share (0 to 1) of its groups that are at least as alike as the cohort.
    alike
        Whether the cohort is below the threshold.
    differs
        Whether the test here, at .05, says otherwise.
    """

    mean_distance: float
    threshold: float
    percentile: float
    alike: bool
    differs: bool


@dataclass(frozen=True)
class CohortTest:
    """The answer for one cohort.

    Parameters
    ----------
    patients, row, matched
        Who, what stands for each patient, and what the random groups share with them.
    mean_distance
        Over all pairs of patients.
    p
        Of the hypothesis that the cohort is a random group of as many patients, of the cohort and the others together.
        Not the probability of a disorder.
    percentile
        Share (0 to 1) of these groups that are at least as alike: 0.01 is "more alike than 99 of 100 groups".
    null_median, null_range
        Of the mean distances of random groups, and the middle 95 % of them.
    reference_patients
        Other patients that groups are drawn from, beside the cohort's: none of its families, one a family, nobody
        unaffected.
    published
        The published procedure on the same gallery; None where it has fewer than 10 other photos.
    remarks
        What a person should know before reading the answer.
    null
        (groups,) mean distances of the groups; the cohort's own is among them when all were looked at.
    """

    patients: tuple[str, ...]
    row: PatientRow
    matched: tuple[Match, ...]
    mean_distance: float
    p: PermutationP
    percentile: float
    null_median: float
    null_range: tuple[float, float]
    reference_patients: int
    published: PublishedProcedure | None
    remarks: tuple[str, ...]
    gallery_digest: str
    simulated: bool
    null: Floats = field(repr=False, compare=False)


def cohort_test(
    gallery: Gallery,
    patients: Collection[str],
    *,
    rng: np.random.Generator,
    row: PatientRow = PatientRow.MEAN,
    match: Iterable[Match] = (),
    draws: int = 9_999,
) -> CohortTest:
    """Compare the mean pairwise distance of k patients with that of groups of k of these and the other patients.

    Patients are drawn, never photos, and nobody twice into one group. All groups are looked at when there are at most
    100,000, the cohort being one of them and p the share that are at least as alike; else `draws` random ones, and p is
    (b + 1) / (m + 1) (Phipson and Smyth, Stat Appl Genet Mol Biol 9:39, 2010). The published procedure differs in four
    things: its null groups have 10 photos whatever the size of the cohort (a mean over fewer pairs scatters more, so
    small cohorts look extreme too often), it draws photos, of which two can show one patient, none of them is of the
    cohort, and it gives no interval. What it would say is given beside the answer. O(m k d) for m groups of k.

    Parameters
    ----------
    gallery
        Cohort and reference together.
    patients
        At least two ids.
    rng
        Source of the random groups.
    row
        What stands for a patient with several photos.
    match
        Draw from people of the same sex, age band or ancestry, in the cohort's numbers.
    draws
        Random groups, when not all are looked at.

    Raises
    ------
    NothingFoundError
        A patient who is not in the gallery.
    OptionError
        Fewer than two patients, two of one family, or nobody else who could be in a group.
    """
    people, wanted = people_of(gallery, row=row), tuple(dict.fromkeys(match))
    cohort = people.find(patients, what="cohort")
    if len(cohort) < 2:
        raise OptionError(f"the cohort has {len(cohort)} patient; at least two are needed to be alike")
    refuse_relatives(people, cohort, what="cohort")
    others = _reference(people, cohort)
    strata = _strata(people, cohort, others, wanted)
    groups = subsets([s.pool for s in strata], [s.size for s in strata], rng=rng, draws=draws)
    values = mean_within(people.vectors, np.concatenate([cohort[None], groups.rows]), views=len(gallery.views))
    observed, null = float(values[0]), values[1:]
    of = Null.ALL if groups.complete else Null.SAMPLED
    p = p_value(observed, null, of=of, alternative=Alternative.LESS)
    low, high = np.quantile(null, [0.025, 0.975]).tolist()
    return CohortTest(
        patients=tuple(people.ids[i] for i in cohort.tolist()),
        row=row,
        matched=wanted,
        mean_distance=observed,
        p=p,
        percentile=p.as_extreme / p.arrangements,
        null_median=float(np.median(null)),
        null_range=(low, high),
        reference_patients=sum(len(s.pool) - s.size for s in strata),
        published=_published(people, cohort, alike=p.p <= ALPHA, rng=rng),
        remarks=tuple(_remarks(people, cohort, strata, p, row=row)),
        gallery_digest=gallery.digest,
        simulated=bool(gallery.simulated_rows.any()),
        null=null,
    )


def _reference(people: People, cohort: Indices) -> Indices:
    """Who else can be drawn: nobody of the cohort or its families, nobody unaffected, one a family."""
    families = {f for i in cohort.tolist() if (f := people.patients[i].family) is not None}
    others = np.setdiff1d(np.flatnonzero(~people.unaffected), cohort)
    return one_a_family(people, others, taken=families)


@dataclass(frozen=True, eq=False)
class _Stratum:
    """People who are alike in what is matched: what that is, who they are, and how many of them every group has."""

    name: tuple[str, ...]
    pool: Indices
    size: int

    def __str__(self) -> str:
        return ", ".join(self.name) or "anybody"


def _strata(people: People, cohort: Indices, others: Indices, match: tuple[Match, ...]) -> list[_Stratum]:
    """Whom to draw from, the cohort among them, and how many of each, so that groups are like it in what is matched."""

    def stratum(i: int) -> tuple[str, ...]:
        age = next((photo.age_years for photo in people.photos[i] if photo.age_years is not None), None)
        patient = people.patients[i]
        known = {
            Match.SEX: str(patient.sex),
            Match.AGE_BAND: "age " + age_band(age),
            Match.ANCESTRY: "ancestry " + patient.ancestry_label,
        }
        return tuple(known[m] for m in match)

    pools: dict[tuple[str, ...], list[int]] = {}
    for i in cohort.tolist():
        pools.setdefault(stratum(i), []).append(i)
    sizes = {s: len(own) for s, own in pools.items()}
    for i in others.tolist():
        if (s := stratum(i)) in pools:
            pools[s].append(i)
    found = [_Stratum(s, np.array(pool, dtype=np.intp), sizes[s]) for s, pool in pools.items()]
    if all(len(s.pool) == s.size for s in found):
        raise OptionError(
            f"beside the {len(cohort)} patients of the cohort there is nobody to draw from "
            f"({' or '.join(map(str, found))}); match on less or widen the gallery"
        )
    return found


def _remarks(
    people: People, cohort: Indices, strata: Sequence[_Stratum], p: PermutationP, *, row: PatientRow
) -> Iterator[str]:
    if p.null is Null.ALL and 1 / p.arrangements > ALPHA:
        yield f"only {p.arrangements} groups can be drawn: p cannot fall to {ALPHA:g} however alike the cohort is"
    if alone := [f"{s} ({s.size})" for s in strata if len(s.pool) == s.size]:
        yield f"nobody else is {'; '.join(alone)}: these patients are in every group"
    low, high = p.interval
    if low <= ALPHA < high and low < high:
        yield f"the interval of p holds {ALPHA:g}: draw more groups before reading it as above or below"
    if row is PatientRow.MEAN:
        others = np.setdiff1d(np.concatenate([s.pool for s in strata]), cohort)
        own, theirs = (float(np.mean([len(people.photos[i]) for i in rows.tolist()])) for rows in (cohort, others))
        if own >= MANY_PHOTOS * theirs:
            yield (
                f"the cohort has {own:.1f} photos a patient and the others {theirs:.1f}: means of more photos are "
                "nearer to each other; ask again with one photo a patient"
            )


def _published(people: People, cohort: Indices, *, alike: bool, rng: np.random.Generator) -> PublishedProcedure | None:
    gallery = people.gallery
    own = np.concatenate([gallery.by_patient.rows(int(people.numbers[i])) for i in cohort.tolist()])
    patients = np.setdiff1d(np.flatnonzero(~people.unaffected), cohort)
    rows = np.concatenate(
        [np.empty(0, np.intp), *(gallery.by_patient.rows(int(people.numbers[i])) for i in patients.tolist())]
    )
    if len(rows) < PUBLISHED_GROUP:
        return None
    groups = subsets([rows], [PUBLISHED_GROUP], rng=rng, draws=PUBLISHED_DRAWS, enumerate_up_to=0).rows
    matrix, views = gallery.vectors.matrix, len(gallery.views)
    null = mean_within(matrix, gallery.rows[groups], views=views)
    mean = float(mean_within(matrix, gallery.rows[own][None], views=views)[0])
    threshold = float(np.percentile(null, PUBLISHED_PERCENTILE))
    below = mean < threshold
    return PublishedProcedure(mean, threshold, float((null <= mean).mean()), below, below != alike)
