"""Who was tested: every photo or patient with what is expected of their own label, means over the runs of a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.evaluation.places import Places, alone, best_of
from deciface.evaluation.protocol import Experiment
from deciface.evaluation.ranks import Ranked, RankedRun
from deciface.stats.bootstrap import by_cluster

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PatientsTested:
    """Every tested patient once.

    Parameters
    ----------
    numbers
        (p,) patient numbers, sorted.
    best
        (p, columns) values of the best own label, means over runs; columns are top-k.. and MRR.
    found, tied
        (p,) share of runs in which the gallery had one of their labels, and in which it was tied with one not theirs.
    of, labels
        (m,) place in `numbers` and (m,) label, of every patient and own label.
    values
        (m, columns).
    """

    numbers: NDArray[np.intp]
    best: Floats
    found: Floats
    tied: Floats
    of: NDArray[np.intp]
    labels: NDArray[np.intp]
    values: Floats


def by_experiment(ranked: Ranked) -> dict[Experiment, list[RankedRun]]:
    """Runs of each experiment."""
    found: dict[Experiment, list[RankedRun]] = {}
    for run in ranked.runs:
        found.setdefault(run.run.experiment, []).append(run)
    return found


def values_of(places: Places, top: Sequence[int]) -> Floats:
    """(m, columns): the chance to be within top-k, and the expected reciprocal rank; 0 for what is absent."""
    return places.expected(lambda place: np.column_stack([*(place <= k for k in top), 1.0 / place]).astype(np.float64))


def tests_of(runs: Sequence[RankedRun], *, per_patient: bool) -> tuple[NDArray[np.intp], Places]:
    """(p,) tested photos or patients, once for each run, and the places of the best own label of each."""
    found = [run.by_patient if per_patient else run.by_photo for run in runs]
    query = np.concatenate([ranks.query for ranks in found])
    number = np.repeat(np.arange(len(runs)), [len(ranks.query) for ranks in found])
    tested, of = np.unique(np.column_stack([query, number]), axis=0, return_inverse=True)
    rank, tied = np.concatenate([ranks.rank for ranks in found]), np.concatenate([ranks.tied for ranks in found])
    return tested[:, 0], best_of(rank, tied, of.ravel())


def tested_patients(runs: Sequence[RankedRun], top: Sequence[int]) -> PatientsTested:
    """Means over the runs in which each patient was tested."""
    tested, best = tests_of(runs, per_patient=True)
    numbers, of_test = np.unique(tested, return_inverse=True)
    facts = [values_of(best, top), np.isfinite(best.rank), best.tied >= best.own, np.ones(len(tested))]
    sums = by_cluster(np.column_stack(facts), of_test)
    query, label, rank, tied = (
        np.concatenate([getattr(run.by_patient, name) for run in runs]) for name in ("query", "label", "rank", "tied")
    )
    pairs, of_pair = np.unique(np.column_stack([query, label]), axis=0, return_inverse=True)
    each = by_cluster(np.column_stack([values_of(alone(rank, tied), top), np.ones(len(rank))]), of_pair.ravel())
    means = sums[:, :-1] / sums[:, -1:]
    return PatientsTested(
        numbers,
        means[:, :-2],
        means[:, -2],
        means[:, -1],
        np.searchsorted(numbers, pairs[:, 0]),
        pairs[:, 1],
        each[:, :-1] / each[:, -1:],
    )
