"""Who is a test and who is the gallery: the published protocol of the GestaltMatcher Database, made here or given.

A disorder with more than six patients is *frequent*, one with two to six *rare*. Of every frequent disorder a tenth of
its patients, at least one, is the test (F) and all others are the gallery (F). Of every rare disorder one patient is
the test (R) and the others the gallery (R), in ten random splits. Four experiments name test / gallery: F/F, R/R,
F/F+R, R/F+R (Hsieh et al., Nature Genetics 54, 2022; tables of the GestaltMatcher repositories). A fifth, ours, leaves
out one patient at a time and compares them with everybody else.

The published random stream is not known: our draw has the published shape and a seed of its own, and the sites' split
files give theirs. Two choices the publication leaves open: a tenth is rounded down, and a patient with several
disorders is frequent when one of them is, else rare when one of them is, and is a patient of those alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from deciface.errors import InputError, NothingFoundError

Indices = NDArray[np.intp]

FREQUENT_ABOVE = 6
"""A disorder with more patients is frequent."""
RARE_FROM = 2
TEST_SHARE = 0.1
RARE_SPLITS = 10
SEED = 1234


class Experiment(StrEnum):
    """Test set / gallery."""

    FREQUENT = "F/F"
    RARE = "R/R"
    FREQUENT_AMONG_ALL = "F/F+R"
    RARE_AMONG_ALL = "R/F+R"
    ONE_OUT = "one-out"
    """Every diagnosed patient against everybody else; not part of the published protocol."""


PUBLISHED = (Experiment.FREQUENT, Experiment.RARE, Experiment.FREQUENT_AMONG_ALL, Experiment.RARE_AMONG_ALL)


@dataclass(frozen=True, eq=False)
class Run:
    """One test set against one gallery.

    Parameters
    ----------
    experiment, split
        Which one; the number of the rare split, None where there is only one.
    test, gallery
        Photo numbers, sorted.
    own_left_out
        Whether each test patient's own photos are taken out of the gallery for them alone.
    """

    experiment: Experiment
    split: int | None
    test: Indices
    gallery: Indices
    own_left_out: bool = False


@dataclass(frozen=True, eq=False)
class Protocol:
    """All runs, and what is tested for.

    Parameters
    ----------
    runs
        In the order of `Experiment`.
    labels
        Per photo the disorders (or genes) it is a photo of, in the runs.
    frequent, rare
        Labels of either kind.
    source
        ``made here, seed 1234`` or the split files, for people.
    seed
        None when the splits were given.
    remarks
        Sentences about what could not be done, and who is in no test.
    """

    runs: tuple[Run, ...]
    labels: tuple[tuple[str, ...], ...]
    frequent: tuple[str, ...]
    rare: tuple[str, ...]
    source: str
    seed: int | None
    remarks: tuple[str, ...] = ()

    @property
    def experiments(self) -> tuple[Experiment, ...]:
        """Those with at least one run."""
        return tuple(dict.fromkeys(run.experiment for run in self.runs))


def make_protocol(
    patients: Sequence[str],
    labels: Sequence[Iterable[str]],
    *,
    experiments: Iterable[Experiment] = tuple(Experiment),
    seed: int = SEED,
) -> Protocol:
    """Split a gallery by the published rules; independent of the order of the photos of a patient.

    Parameters
    ----------
    patients, labels
        Per photo: whose, and of which disorders (or genes); photos without labels are in no run.
    experiments
        Which runs to make.
    seed
        Of the draws.

    Raises
    ------
    InputError
        Unequal lengths.
    NothingFoundError
        No experiment can be made.
    """
    if len(patients) != len(labels):
        raise InputError(f"{len(patients)} patients and {len(labels)} lists of labels; give one of each per photo")
    mine = _labels_of_patients(patients, labels)
    frequent = _of_size(mine, above=FREQUENT_ABOVE)
    frequent_people = {p for p, own in mine.items() if own & frequent.keys()}
    rest = {p: own for p, own in mine.items() if p not in frequent_people}
    rare = {k: v for k, v in _of_size(rest, above=RARE_FROM - 1).items() if len(v) <= FREQUENT_ABOVE}
    rare_people = {p for people in rare.values() for p in people}
    rng = np.random.default_rng(seed)
    frequent_test = _draw(frequent, rng, share=TEST_SHARE)
    rare_tests = [_draw(rare, rng, share=0.0) for _ in range(RARE_SPLITS)]

    def rows(people: set[str]) -> Indices:
        return np.array([i for i, p in enumerate(patients) if p in people], dtype=np.intp)

    f_gallery = rows(frequent_people - frequent_test)
    splits = [
        (split, rows(test), rows(rare_people - test)) for split, test in enumerate(rare_tests) if len(rare_people)
    ]
    wanted = set(experiments)
    runs = _runs(rows(frequent_test), f_gallery, splits, wanted)
    kept = {
        p: own & (frequent.keys() if p in frequent_people else rare.keys() if p in rare_people else own)
        for p, own in mine.items()
    }
    if Experiment.ONE_OUT in wanted and len(mine) > 1:
        everybody = rows(set(mine))
        runs.append(Run(Experiment.ONE_OUT, None, everybody, everybody, own_left_out=True))
    alone = len(mine) - len(frequent_people) - len(rare_people)
    return _protocol(
        runs,
        tuple(tuple(sorted(set(own) & kept.get(p, set()))) for p, own in zip(patients, labels, strict=True)),
        (tuple(sorted(frequent)), tuple(sorted(rare))),
        wanted,
        source=f"made here, seed {seed}",
        seed=seed,
        remarks=[f"{alone} patient(s) alone with their disorder are in no published test or gallery"] if alone else [],
    )


def given_protocol(
    patients: Sequence[str],
    labels: Sequence[Iterable[str]],
    *,
    frequent: tuple[Mapping[int, str], Mapping[int, str]],
    rare: Mapping[int, tuple[Mapping[int, str], Mapping[int, str]]],
    source: str,
    experiments: Iterable[Experiment] = tuple(Experiment),
    remarks: Iterable[str] = (),
) -> Protocol:
    """Take splits that somebody else made.

    Parameters
    ----------
    patients, labels
        Per photo, as in `make_protocol`; the labels serve the experiment one-out of photos that the splits do not name.
    frequent, rare
        Test and gallery, each the label by photo number; the rare ones by number of the split.
    source, experiments
        Where the splits come from; which runs to make.
    remarks
        What to say beside the protocol's own remarks.

    Raises
    ------
    NothingFoundError
        No experiment can be made.
    """
    wanted = set(experiments)
    named: dict[int, str] = {}
    for sides in (frequent, *rare.values()):
        for side in sides:
            named |= side

    def rows(side: Mapping[int, str]) -> Indices:
        return np.array(sorted(side), dtype=np.intp)

    splits = [(split, rows(test), rows(gallery)) for split, (test, gallery) in sorted(rare.items())]
    runs = _runs(rows(frequent[0]), rows(frequent[1]), splits, wanted)
    own = tuple((named[i],) if i in named else tuple(sorted(set(labels_of))) for i, labels_of in enumerate(labels))
    everybody = np.array([i for i, some in enumerate(own) if some], dtype=np.intp)
    if Experiment.ONE_OUT in wanted and len({patients[i] for i in everybody}) > 1:
        runs.append(Run(Experiment.ONE_OUT, None, everybody, everybody, own_left_out=True))
    return _protocol(
        runs,
        own,
        (
            tuple(sorted({k for side in frequent for k in side.values()})),
            tuple(sorted({k for sides in rare.values() for side in sides for k in side.values()})),
        ),
        wanted,
        source=source,
        seed=None,
        remarks=list(remarks),
    )


def _runs(
    test: Indices, gallery: Indices, splits: Sequence[tuple[int, Indices, Indices]], wanted: set[Experiment]
) -> list[Run]:
    """Make the runs of the four published experiments that have both a test and a gallery."""
    runs = [Run(Experiment.FREQUENT, None, test, gallery)]
    runs += [Run(Experiment.RARE, split, r_test, r_gallery) for split, r_test, r_gallery in splits]
    if len(gallery):  # without frequent disorders F+R is R, and would say the same under another name
        both = [(split, r_test, np.union1d(gallery, r_gallery)) for split, r_test, r_gallery in splits]
        runs += [Run(Experiment.FREQUENT_AMONG_ALL, split, test, whole) for split, _, whole in both]
        runs += [Run(Experiment.RARE_AMONG_ALL, split, r_test, whole) for split, r_test, whole in both]
    return [run for run in runs if run.experiment in wanted and len(run.test) and len(run.gallery)]


def _protocol(
    runs: Sequence[Run],
    labels: tuple[tuple[str, ...], ...],
    kinds: tuple[tuple[str, ...], tuple[str, ...]],
    wanted: set[Experiment],
    *,
    source: str,
    seed: int | None,
    remarks: list[str],
) -> Protocol:
    frequent, rare = kinds
    missing = [e for e in Experiment if e in wanted and all(run.experiment is not e for run in runs)]
    why = (
        f"{len(frequent)} disorders have more than {FREQUENT_ABOVE} patients, "
        f"{len(rare)} have {RARE_FROM} to {FREQUENT_ABOVE}"
    )
    if not runs:
        raise NothingFoundError(
            f"nothing to evaluate: no experiment of {', '.join(missing)} has a test and a gallery ({why}); "
            "add patients, or choose other --experiments"
        )
    if missing:
        remarks = [f"no test or no gallery for {', '.join(missing)}: {why}", *remarks]
    return Protocol(tuple(runs), labels, frequent, rare, source, seed, tuple(remarks))


def _labels_of_patients(patients: Sequence[str], labels: Sequence[Iterable[str]]) -> dict[str, set[str]]:
    """All labels of every patient who has any."""
    mine: dict[str, set[str]] = {}
    for patient, own in zip(patients, labels, strict=True):
        if some := set(own):
            mine.setdefault(patient, set()).update(some)
    return mine


def _of_size(mine: Mapping[str, set[str]], *, above: int) -> dict[str, list[str]]:
    """Labels with more patients than `above`, and these patients, both sorted."""
    people: dict[str, list[str]] = {}
    for patient in sorted(mine):
        for label in mine[patient]:
            people.setdefault(label, []).append(patient)
    return {label: people[label] for label in sorted(people) if len(people[label]) > above}


def _draw(people: Mapping[str, Sequence[str]], rng: np.random.Generator, *, share: float) -> set[str]:
    """Draw this share of every label's patients, at least one; somebody drawn before for another label counts.

    Nobody is drawn who is the last of a label: of patients with two disorders, one may then have fewer tests.
    """
    left = {label: set(own) for label, own in people.items()}
    labels: dict[str, list[str]] = {}
    for label, own in people.items():
        for patient in own:
            labels.setdefault(patient, []).append(label)
    drawn: set[str] = set()
    for label, own in people.items():
        wanted = max(1, math.floor(share * len(own)))
        for i in rng.permutation(len(own)).tolist():
            if len(own) - len(left[label]) >= wanted:
                break
            patient = own[i]
            if patient not in drawn and all(len(left[other]) > 1 for other in labels[patient]):
                drawn.add(patient)
                for other in labels[patient]:
                    left[other].discard(patient)
    return drawn
