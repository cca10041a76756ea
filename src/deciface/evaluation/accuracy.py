"""Accuracy from ranks: the published figures, and beside them the same per patient, with intervals.

Published: the unit is the photo; accuracy inside each disorder, then the mean over disorders (macro), then the mean
over the splits. Per patient: the unit is the patient, all their test photos one query; micro is the share of patients,
macro the mean over disorders of the share of their patients. A patient tested in several splits counts once, with the
mean over these splits. A disorder that the gallery does not have is a miss. A patient with several disorders is found
when the best of them is (micro), and counts in each of them (macro).

A label at the same distance as others counts as much as it would be found in a random order of these
(`deciface.evaluation.places`).

Intervals are over patients: binomial where every patient is found or not and weighs the same; for means of fractions
and reciprocal ranks that of `deciface.evaluation.bounded_means`. For macro every patient carries the weight
1 / (tested patients of the disorder), so that the shares vary within disorders and between them. Where all patients are
found, or none, the Clopper-Pearson interval stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.evaluation.bounded_means import bounded_mean_ends
from deciface.evaluation.places import alone
from deciface.evaluation.protocol import Experiment, Protocol
from deciface.evaluation.ranks import Ranked, RankedRun, Ranks
from deciface.evaluation.tested import by_experiment, tested_patients, values_of
from deciface.stats.bootstrap import by_cluster
from deciface.stats.proportions import FEWEST_FOR_WILSON, Interval, clopper_pearson, proportion_interval

Floats = NDArray[np.float64]

TOP = (1, 5, 10, 30)
MRR = "MRR"
FEWEST_PATIENTS = 10
"""Below this many patients a stratum is not given a figure."""
TIES_WORTH_SAYING = 0.01
"""A larger share of tied tests is said beside the figures: the network tells too few faces apart."""
SEVERAL = "several"


@dataclass(frozen=True, slots=True)
class Figure:
    """A share or mean reciprocal rank, 0 to 1, with its 95 % interval (None: too few to say)."""

    value: float
    interval: Interval | None = None
    method: str = ""


@dataclass(frozen=True, slots=True)
class PublishedAccuracy:
    """One row of the published table.

    Parameters
    ----------
    experiment
        Test / gallery.
    gallery_photos, test_photos, gallery_patients, test_patients
        Means over the splits.
    disorders, gallery_disorders
        Mean number of disorders tested, and in the gallery.
    splits
        How many runs the means are over.
    top
        Macro accuracy by k of top-k.
    spread
        Its standard deviation over the splits; None where there is one.
    """

    experiment: Experiment
    gallery_photos: float
    test_photos: float
    gallery_patients: float
    test_patients: float
    disorders: float
    gallery_disorders: float
    splits: int
    top: Mapping[int, float]
    spread: Mapping[int, float] | None = None


@dataclass(frozen=True, slots=True)
class PatientAccuracy:
    """One row of the table per patient.

    Parameters
    ----------
    experiment, patients, disorders
        Which, and how many were tested.
    covered
        Share of patients (a mean over splits) with a disorder of theirs in the gallery: no better can be had.
    chance
        Expected top-1, micro, of a ranking in random order.
    tied
        Share of tests, a patient in a split, whose best own label is at the same distance as labels not their own.
    micro, macro
        By name: ``top-1`` .. and ``MRR``.
    """

    experiment: Experiment
    patients: int
    disorders: int
    covered: float
    chance: float
    tied: float
    micro: Mapping[str, Figure]
    macro: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class StratumAccuracy:
    """Micro accuracy of some patients of one experiment; `figures` is empty below `FEWEST_PATIENTS`."""

    experiment: Experiment
    by: str
    stratum: str
    patients: int
    disorders: int
    figures: Mapping[str, Figure]


def published(
    ranked: Ranked, protocol: Protocol, owners: NDArray[np.intp], *, top: Sequence[int] = TOP
) -> tuple[PublishedAccuracy, ...]:
    """Macro by disorder, per photo, averaged over the splits of each experiment; ours is not among them.

    `owners` (n,) is `Gallery.patient_of_row`.
    """

    def mean(counts: Iterable[int]) -> float:
        return float(np.mean(list(counts)))

    rows = []
    for experiment, runs in by_experiment(ranked).items():
        if experiment is Experiment.ONE_OUT:
            continue
        macro = np.array([_macro(run.by_photo, top) for run in runs])
        spread = None if len(runs) == 1 else dict(zip(top, macro.std(axis=0, ddof=1).tolist(), strict=True))
        rows.append(
            PublishedAccuracy(
                experiment,
                gallery_photos=mean(len(run.run.gallery) for run in runs),
                test_photos=mean(len(run.run.test) for run in runs),
                gallery_patients=mean(len(np.unique(owners[run.run.gallery])) for run in runs),
                test_patients=mean(len(np.unique(owners[run.run.test])) for run in runs),
                disorders=mean(len(np.unique(run.by_photo.label)) for run in runs),
                gallery_disorders=mean(len(_labels_in(run, protocol)) for run in runs),
                splits=len(runs),
                top=dict(zip(top, macro.mean(axis=0).tolist(), strict=True)),
                spread=spread,
            )
        )
    return tuple(rows)


def per_patient(
    ranked: Ranked, protocol: Protocol, *, seed: int, replicates: int = 2000, top: Sequence[int] = TOP
) -> tuple[PatientAccuracy, ...]:
    """Micro and macro with intervals over patients, coverage and mean reciprocal rank, for every experiment."""
    rows = []
    for experiment, runs in by_experiment(ranked).items():
        people = tested_patients(runs, top)
        weights = 1.0 / np.bincount(people.labels)[people.labels]
        names = names_of(top)
        micro = figures_of(people.best, np.ones(len(people.best)), np.arange(len(people.best)), seed, replicates)
        macro = figures_of(people.values, weights, people.of, seed, replicates)
        rows.append(
            PatientAccuracy(
                experiment,
                len(people.numbers),
                len(np.unique(people.labels)),
                float(people.found.mean()),
                float(np.mean([_chance(run, protocol) for run in runs])),
                float(people.tied.mean()),
                dict(zip(names, micro, strict=True)),
                dict(zip(names, macro, strict=True)),
            )
        )
    return tuple(rows)


def by_stratum(
    ranked: Ranked,
    strata: Mapping[str, Sequence[str]],
    owners: NDArray[np.intp],
    *,
    seed: int,
    replicates: int = 2000,
    top: Sequence[int] = TOP,
) -> tuple[StratumAccuracy, ...]:
    """Micro accuracy by what is known about the test photos.

    Parameters
    ----------
    ranked
        From `deciface.evaluation.ranks.rank_all`.
    strata
        By name of the division (``ancestry``), the stratum of every photo. A patient whose test photos lie in more than
        one is in `SEVERAL`.
    owners
        (n,) `Gallery.patient_of_row`.
    """
    rows = []
    for experiment, runs in by_experiment(ranked).items():
        people = tested_patients(runs, top)
        photos = np.unique(np.concatenate([run.run.test for run in runs]))
        for by, of_photo in strata.items():
            stratum = _stratum_of(people.numbers, photos, owners, of_photo)
            for name in _in_order(stratum, of_photo):
                mine = np.flatnonzero(np.array(stratum) == name)
                entries = np.isin(people.of, mine)
                figures: dict[str, Figure] = {}
                if len(mine) >= FEWEST_PATIENTS:
                    values = people.best[mine]
                    found = figures_of(values, np.ones(len(mine)), np.arange(len(mine)), seed, replicates)
                    figures = dict(zip(names_of(top), found, strict=True))
                disorders = len(np.unique(people.labels[entries]))
                rows.append(StratumAccuracy(experiment, by, name, len(mine), disorders, figures))
    return tuple(rows)


def names_of(top: Sequence[int]) -> list[str]:
    """``top-1`` .. and ``MRR``."""
    return [*(f"top-{k}" for k in top), MRR]


def _macro(ranks: Ranks, top: Sequence[int]) -> Floats:
    _, of = np.unique(ranks.label, return_inverse=True)
    values = values_of(alone(ranks.rank, ranks.tied), top)[:, :-1]
    hits = by_cluster(np.column_stack([values, np.ones(len(of))]), of)
    macro: Floats = (hits[:, :-1] / hits[:, -1:]).mean(axis=0)
    return macro


def figures_of(values: Floats, weights: Floats, patients: NDArray[np.intp], seed: int, replicates: int) -> list[Figure]:
    """Weighted means of (m, columns) values with an interval over patients; of counts of patients the binomial one."""
    sums = by_cluster(np.column_stack([values * weights[:, None], weights]), patients)
    totals, weight = sums[:, :-1], sums[:, -1]
    n, alike = len(sums), bool(np.allclose(weight, weight[0]))
    each = totals / weight[:, None]
    counts = np.all(np.isclose(each, np.round(each), rtol=0, atol=1e-9), axis=0)
    ends = bounded_mean_ends(totals, weight, seed=seed, replicates=replicates) if n > 1 else None
    figures = []
    for j, mean in enumerate((totals.sum(axis=0) / weight.sum()).tolist()):
        if abs(mean - round(mean)) < 1e-12:
            figures.append(Figure(float(round(mean)), clopper_pearson(round(mean) * n, n), "Clopper-Pearson"))
        elif counts[j] and alike:
            method = "Wilson" if n >= FEWEST_FOR_WILSON else "Clopper-Pearson"
            figures.append(Figure(mean, proportion_interval(round(mean * n), n), method))
        elif ends is None:
            figures.append(Figure(mean))
        else:
            figures.append(Figure(mean, (float(ends[j, 0]), float(ends[j, 1])), "bounded mean, Gaffke"))
    return figures


def _labels_in(run: RankedRun, protocol: Protocol) -> set[str]:
    """Return the labels that the gallery of a run has."""
    return {label for row in run.run.gallery.tolist() for label in protocol.labels[row]}


def _chance(run: RankedRun, protocol: Protocol) -> float:
    """Mean share of own labels among those of the gallery."""
    inside = _labels_in(run, protocol)
    ranks = run.by_patient
    _, of = np.unique(ranks.query, return_inverse=True)
    own = np.bincount(of, weights=np.isfinite(ranks.rank))
    return float(np.mean(own) / max(1, len(inside)))


def _stratum_of(
    numbers: NDArray[np.intp], photos: NDArray[np.intp], owners: NDArray[np.intp], of_photo: Sequence[str]
) -> list[str]:
    """Stratum of every patient, from all photos they are tested with."""
    found: dict[int, set[str]] = {}
    for row in photos.tolist():
        found.setdefault(int(owners[row]), set()).add(of_photo[row])
    return [next(iter(found[n])) if len(found[n]) == 1 else SEVERAL for n in numbers.tolist()]


def _in_order(stratum: Sequence[str], of_photo: Sequence[str]) -> list[str]:
    """Names that begin with a number (ages) by it, then the largest first; `SEVERAL` last."""
    counts = {name: stratum.count(name) for name in dict.fromkeys([*of_photo, SEVERAL])}

    def place(name: str) -> tuple[bool, float, int, str]:
        number = re.match(r"\d+(\.\d+)?", name)
        return name == SEVERAL, float(number[0]) if number else np.inf, -counts[name], name

    return sorted((name for name, count in counts.items() if count), key=place)
