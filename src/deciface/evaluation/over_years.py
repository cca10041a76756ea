"""Accuracy by age in the photo, and photos of one patient over the years: some disorders show with age.

**By age**: the unit is the patient. Within an age band a patient's value is the mean over their photos of that age, the
figure is the mean over patients, and its interval draws patients with replacement. Patients of two bands are in both.

**Over the years**: patients with photos at least `LEAST_SPAN_YEARS` apart. Their change is the logarithm to base 2 of
the rank of their own disorder at the oldest age less that at the youngest: -1 is half the rank. Of several photos of
one age it is the geometric mean, so that none is chosen by its rank. Age, not who they are, differs between the two,
and disorders that become harder to see count against those that become easier. The p-value flips the signs of the
patients' changes (exact while all patterns are few), which would be as likely as not if age changed nothing; the
interval is what that test does not reject (`deciface.evaluation.mean_change`). Over the disorders p is adjusted by
Holm's method (Scand J Statist 6:65, 1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.evaluation.accuracy import FEWEST_PATIENTS, TOP, Figure, figures_of, names_of
from deciface.evaluation.mean_change import mean_change
from deciface.evaluation.places import alone
from deciface.evaluation.protocol import Experiment
from deciface.evaluation.ranks import Ranked, RankedRun
from deciface.evaluation.tested import by_experiment, tests_of, values_of
from deciface.space.restriction import AGE_BANDS_YEARS
from deciface.stats.bootstrap import by_cluster
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
    """Photos of one patient, youngest first: different ages in years, and the rank of their own disorder at each.

    Ranks are geometric means: over the photos of that age, of each over the splits in which it was tested, and where
    other disorders are at the same distance over the places of a random order.
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
        Mean doublings of the rank, below 0 where age helps, with its 95 % interval: the means that flipping signs does
        not reject, which leaves out 0 where p is at most .05. None below `FEWEST_OVER_YEARS` patients, as `p`.
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
        Of intervals by age and sampled sign flips.
    """
    ages = np.array([np.nan if age is None else age for age in ages_years], np.float64)
    by_age: list[BandAccuracy] = []
    people: list[tuple[Experiment, PatientOverYears]] = []
    changes: list[ChangeOverYears] = []
    for experiment, runs in by_experiment(ranked).items():
        by_age += _by_age(experiment, runs, ages, owners, top, seed, replicates)
        mine = _patients(runs, ages, owners, patients, ranked.labels)
        people += [(experiment, person) for person in mine]
        changes += _changes(experiment, mine, seed)
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
    tested, best = tests_of(runs, per_patient=False)
    photos, of = np.unique(tested, return_inverse=True)
    sums = by_cluster(np.column_stack([values_of(best, top), np.ones(len(tested))]), of)
    return photos, sums[:, :-1] / sums[:, -1:]


def _patients(
    runs: Sequence[RankedRun], ages: Floats, owners: Indices, patients: Sequence[str], labels: Sequence[str]
) -> list[PatientOverYears]:
    """Patients with photos of different ages, once for each of their disorders that the gallery has."""
    query = np.concatenate([run.by_photo.query for run in runs])
    label = np.concatenate([run.by_photo.label for run in runs])
    rank = np.concatenate([run.by_photo.rank for run in runs])
    tied = np.concatenate([run.by_photo.tied for run in runs])
    known = np.isfinite(rank) & np.isfinite(ages[query])
    doublings = alone(rank[known], tied[known]).expected(lambda place: np.log2(place)[:, None])
    pairs, of = np.unique(np.column_stack([query[known], label[known]]), axis=0, return_inverse=True)
    sums = by_cluster(np.column_stack([doublings, np.ones(len(doublings))]), of.ravel())
    found: dict[tuple[int, int], dict[float, list[float]]] = {}
    for (photo, own), (total, times) in zip(pairs.tolist(), sums.tolist(), strict=True):
        by_age = found.setdefault((int(owners[photo]), own), {})
        by_age.setdefault(float(ages[photo]), []).append(total / times)
    people = []
    for (patient, own), theirs in sorted(found.items()):
        of_age = {age: float(2.0 ** np.mean(theirs[age])) for age in sorted(theirs)}
        person = PatientOverYears(patients[patient], labels[own], tuple(of_age), tuple(of_age.values()))
        if person.span_years >= LEAST_SPAN_YEARS:
            people.append(person)
    return people


def _changes(experiment: Experiment, people: Sequence[PatientOverYears], seed: int) -> list[ChangeOverYears]:
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
    whole = _change(experiment, "", means, spans, seed)
    rows = [
        _change(experiment, name, np.array([p.change for p in own]), [p.span_years for p in own], seed)
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
    experiment: Experiment, disorder: str, changes: Floats, spans: Sequence[float], seed: int
) -> ChangeOverYears:
    span, n = float(np.median(spans)), len(changes)
    if n < FEWEST_OVER_YEARS:
        return ChangeOverYears(experiment, disorder, n, span, None, None, None, None)
    found = mean_change(changes, seed=seed)
    return ChangeOverYears(experiment, disorder, n, span, found.value, found.interval, found.p, None)


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
