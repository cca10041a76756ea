"""Accuracy by age in the photo, and photos of one patient over the years: some disorders show with age.

**By age**: the unit is the patient. Within an age band a patient's value is the mean over their photos of that age, the
figure is the mean over patients, and its interval draws patients with replacement. Patients of two bands are in both.

**Over the years**: patients with photos at least `LEAST_SPAN_YEARS` apart. Their change is the logarithm to base 2 of
the rank of their own disorder in the oldest photo less that in the youngest: -1 is half the rank. Age, not who they
are, differs between the two, and disorders that become harder to see count against those that become easier. The
p-value flips the signs of the patients' changes (exact while all patterns are few), which would be as likely as not if
age changed nothing; over the disorders it is adjusted by Holm's method (Scand J Statist 6:65, 1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.evaluation.accuracy import (
    FEWEST_PATIENTS,
    TOP,
    Figure,
    by_experiment,
    figures_of,
    names_of,
    values_of,
)
from deciface.evaluation.protocol import Experiment
from deciface.evaluation.ranks import Ranked, RankedRun
from deciface.space.restriction import AGE_BANDS_YEARS
from deciface.stats.bootstrap import bootstrap, by_cluster
from deciface.stats.permutation import Alternative, Null, p_value, sign_flips
from deciface.stats.proportions import Interval

LEAST_SPAN_YEARS = 1.0
FEWEST_OVER_YEARS = 6
"""Below this many patients no change is given: with five, no pattern of signs has a p below .06."""

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class BandAccuracy:
    """Accuracy in the photos of one age band.

    Parameters
    ----------
    experiment
        Test / gallery.
    from_years, to_years
        Lowest age, and that below which the others lie; None: no end.
    median_years, photos, patients
        Of the photos.
    figures
        By name: ``top-1`` .. and ``MRR``; empty below `FEWEST_PATIENTS` patients.
    """

    experiment: Experiment
    from_years: float
    to_years: float | None
    median_years: float
    photos: int
    patients: int
    figures: Mapping[str, Figure]

    @property
    def band(self) -> str:
        """E.g. ``2-6`` or ``40+``."""
        return f"{self.from_years:g}+" if self.to_years is None else f"{self.from_years:g}-{self.to_years:g}"


@dataclass(frozen=True, slots=True)
class PatientOverYears:
    """Photos of one patient, youngest first: ages in years, and the rank of their own disorder in each.

    Ranks are geometric means over the splits in which the photo was tested.
    """

    patient: str
    disorder: str
    ages_years: tuple[float, ...]
    ranks: tuple[float, ...]

    @property
    def span_years(self) -> float:
        """From the youngest photo to the oldest."""
        return self.ages_years[-1] - self.ages_years[0]

    @property
    def change(self) -> float:
        """Doublings of the rank from the youngest photo to the oldest; below 0 where it becomes better."""
        return float(np.log2(self.ranks[-1] / self.ranks[0]))


@dataclass(frozen=True, slots=True)
class ChangeOverYears:
    """Mean change over patients with photos of different ages.

    Parameters
    ----------
    experiment, disorder
        Which; an empty disorder: all of them.
    patients, median_span_years
        How many, and how far apart their photos are.
    change, interval
        Mean doublings of the rank, below 0 where age helps, with its 95 % interval (patients drawn with replacement,
        BCa); None below `FEWEST_OVER_YEARS` patients, as `p`.
    p, adjusted_p
        Of no change, and the same adjusted for the number of disorders asked about; that of all disorders is not.
    """

    experiment: Experiment
    disorder: str
    patients: int
    median_span_years: float
    change: float | None
    interval: Interval | None
    p: float | None
    adjusted_p: float | None


@dataclass(frozen=True, slots=True)
class OverYears:
    """Everything about age: curve by band, patients with several ages, their changes, by experiment."""

    by_age: tuple[BandAccuracy, ...]
    patients: tuple[tuple[Experiment, PatientOverYears], ...]
    changes: tuple[ChangeOverYears, ...]


def over_years(
    ranked: Ranked,
    ages_years: Sequence[float | None],
    owners: Indices,
    patients: Sequence[str],
    *,
    seed: int,
    replicates: int = 2000,
    top: Sequence[int] = TOP,
) -> OverYears:
    """Tables of accuracy by age, for every experiment; photos without an age are in none.

    Parameters
    ----------
    ranked
        From `deciface.evaluation.ranks.rank_all`.
    ages_years
        (n,) age in every photo.
    owners, patients
        (n,) `Gallery.patient_of_row`, and the patients' ids by these numbers.
    seed, replicates
        Of bootstrap and sampled sign flips.
    """
    ages = np.array([np.nan if age is None else age for age in ages_years], np.float64)
    by_age: list[BandAccuracy] = []
    people: list[tuple[Experiment, PatientOverYears]] = []
    changes: list[ChangeOverYears] = []
    for experiment, runs in by_experiment(ranked).items():
        by_age += _by_age(experiment, runs, ages, owners, top, seed, replicates)
        mine = _patients(runs, ages, owners, patients, ranked.labels)
        people += [(experiment, person) for person in mine]
        changes += _changes(experiment, mine, seed, replicates)
    return OverYears(tuple(by_age), tuple(people), tuple(changes))


def _by_age(
    experiment: Experiment,
    runs: Sequence[RankedRun],
    ages: Floats,
    owners: Indices,
    top: Sequence[int],
    seed: int,
    replicates: int,
) -> list[BandAccuracy]:
    photos, values = _values_of_photos(runs, top)
    rows = []
    for low, high in zip(AGE_BANDS_YEARS, [*AGE_BANDS_YEARS[1:], None], strict=True):
        mine = (ages[photos] >= low) & (ages[photos] < (np.inf if high is None else high))
        if not mine.any():
            continue
        numbers, of = np.unique(owners[photos[mine]], return_inverse=True)
        figures: dict[str, Figure] = {}
        if len(numbers) >= FEWEST_PATIENTS:
            weights = 1.0 / np.bincount(of)[of]
            figures = dict(zip(names_of(top), figures_of(values[mine], weights, of, seed, replicates), strict=True))
        median = float(np.median(ages[photos[mine]]))
        rows.append(BandAccuracy(experiment, low, high, median, int(mine.sum()), len(numbers), figures))
    return rows


def _values_of_photos(runs: Sequence[RankedRun], top: Sequence[int]) -> tuple[Indices, Floats]:
    """(p,) tested photos and (p, columns) values of the best own label of each, means over the runs."""
    query = np.concatenate([run.by_photo.query for run in runs])
    number = np.repeat(np.arange(len(runs)), [len(run.by_photo.query) for run in runs])
    tested, first = np.unique(np.column_stack([query, number]), axis=0, return_inverse=True)
    best = np.full(len(tested), np.inf)
    np.minimum.at(best, first.ravel(), np.concatenate([run.by_photo.rank for run in runs]))
    photos, of = np.unique(tested[:, 0], return_inverse=True)
    sums = by_cluster(np.column_stack([values_of(best, top), np.ones(len(best))]), of)
    return photos, sums[:, :-1] / sums[:, -1:]


def _patients(
    runs: Sequence[RankedRun], ages: Floats, owners: Indices, patients: Sequence[str], labels: Sequence[str]
) -> list[PatientOverYears]:
    """Patients with photos of different ages, once for each of their disorders that the gallery has."""
    query = np.concatenate([run.by_photo.query for run in runs])
    label = np.concatenate([run.by_photo.label for run in runs])
    rank = np.concatenate([run.by_photo.rank for run in runs])
    known = np.isfinite(rank) & np.isfinite(ages[query])
    pairs, of = np.unique(np.column_stack([query[known], label[known]]), axis=0, return_inverse=True)
    sums = by_cluster(np.column_stack([np.log2(rank[known]), np.ones(int(known.sum()))]), of.ravel())
    found: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for (photo, own), (total, times) in zip(pairs.tolist(), sums.tolist(), strict=True):
        found.setdefault((int(owners[photo]), own), []).append((float(ages[photo]), float(2.0 ** (total / times))))
    people = []
    for (patient, own), theirs in sorted(found.items()):
        in_order = sorted(theirs)
        person = PatientOverYears(
            patients[patient], labels[own], tuple(age for age, _ in in_order), tuple(rank for _, rank in in_order)
        )
        if person.span_years >= LEAST_SPAN_YEARS:
            people.append(person)
    return people


def _changes(
    experiment: Experiment, people: Sequence[PatientOverYears], seed: int, replicates: int
) -> list[ChangeOverYears]:
    """Of all, a patient with two disorders with the mean of both; and of every disorder, p adjusted over these."""
    if not people:
        return []
    everybody: dict[str, list[PatientOverYears]] = {}
    disorders: dict[str, list[PatientOverYears]] = {}
    for person in people:
        everybody.setdefault(person.patient, []).append(person)
        disorders.setdefault(person.disorder, []).append(person)
    means = np.array([np.mean([one.change for one in own]) for own in everybody.values()])
    spans = [own[0].span_years for own in everybody.values()]
    whole = _change(experiment, "", means, spans, seed, replicates)
    rows = [
        _change(experiment, name, np.array([p.change for p in own]), [p.span_years for p in own], seed, replicates)
        for name, own in sorted(disorders.items())
    ]
    adjusted = holm([row.p for row in rows if row.p is not None])
    by_row = iter(adjusted)
    return [
        whole,
        *(
            ChangeOverYears(
                row.experiment,
                row.disorder,
                row.patients,
                row.median_span_years,
                row.change,
                row.interval,
                row.p,
                None if row.p is None else next(by_row),
            )
            for row in rows
        ),
    ]


def _change(
    experiment: Experiment, disorder: str, changes: Floats, spans: Sequence[float], seed: int, replicates: int
) -> ChangeOverYears:
    span, n = float(np.median(spans)), len(changes)
    if n < FEWEST_OVER_YEARS:
        return ChangeOverYears(experiment, disorder, n, span, None, None, None, None)
    signs = sign_flips(n, rng=np.random.default_rng(seed))
    p = p_value(
        float(changes.mean()),
        signs.rows @ changes / n,
        of=Null.ALL if signs.complete else Null.SAMPLED,
        alternative=Alternative.ABSOLUTE,
    ).p
    ends = bootstrap(np.column_stack([changes, np.ones(n)]), seed=seed, replicates=replicates).bca[0]
    return ChangeOverYears(
        experiment, disorder, n, span, float(changes.mean()), (float(ends[0]), float(ends[1])), p, None
    )


def holm(ps: Sequence[float]) -> list[float]:
    """Adjust p-values so that the chance of any false one stays at the level.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(ps, kind="stable")
    raised = np.maximum.accumulate([min(1.0, (len(ps) - i) * ps[j]) for i, j in enumerate(order.tolist())])
    out = np.empty(len(ps))
    out[order] = raised
    return [float(p) for p in out]
