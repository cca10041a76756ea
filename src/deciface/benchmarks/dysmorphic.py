"""`deciface bench dysmorphic`: the encoder of dysmorphic features on photos of people it never saw.

Every person of the London set is encoded by the network of the fold that held them out: neither its photos nor the
appearance model behind its simulated people knew them. Features are planted in their photos, by the warp the networks
learnt from and by a second, independent one; a sham warp of equal strain plants nothing. Each person is ranked against
everybody else; beside it dlib's network on the same photos. The networks of the folds are those of a run of
``deciface train dysmorphic``, found in the folder that ``DECIFACE_DYSMORPHIC_RUN`` names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.benchmarks.cross_fit import parts_that_never_saw
from deciface.benchmarks.planted import (
    TEN,
    amounts,
    assignments,
    own_first,
    photographed,
    work_photo,
)
from deciface.benchmarks.reference import Person, london
from deciface.benchmarks.result import Bench, Row, machine
from deciface.benchmarks.second_warp import warp_by_points
from deciface.cases import Encoding, View
from deciface.encoders import OnnxEncoder, available_cores, open_encoder
from deciface.faces import FaceFinder, align
from deciface.models import ModelStore
from deciface.models.card import read_card
from deciface.processes import in_processes
from deciface.simulate import PhotoAnchors, warp_photo
from deciface.space import Rule
from deciface.stats.bootstrap import bootstrap
from deciface.stats.proportions import wilson
from deciface.training.manifest import CARD_FILE
from deciface.training.planted_crops import WIDE_GREY
from deciface.workflows.training_dysmorphic import MODEL_FILE, MODEL_ID

RUN_VARIABLE = "DECIFACE_DYSMORPHIC_RUN"
PEER = "dlib-resnet"
RULES = (Rule.DISORDER_CENTROID, Rule.DISCRIMINANT)
GAIN_POINTS = 15.0


class Doing(StrEnum):
    """What is done to a photo before it is photographed again."""

    NOTHING = "as they are"
    PLANT = "planted"
    SECOND = "planted by the second warp"
    SHAM = "sham warp of equal strain"


@dataclass(frozen=True, slots=True)
class Condition:
    """What is done, and how much of it."""

    doing: Doing
    dose_sd: float = 0.0

    def __str__(self) -> str:
        return f"{self.doing}, {self.dose_sd:g} SD" if self.dose_sd else str(self.doing)


CONDITIONS = (
    Condition(Doing.NOTHING),
    Condition(Doing.SHAM, 2.0),
    Condition(Doing.PLANT, 1.0),
    Condition(Doing.PLANT, 2.0),
    Condition(Doing.PLANT, 3.0),
    Condition(Doing.SECOND, 2.0),
)


@dataclass(frozen=True, slots=True)
class _Task:
    person: Person
    number: int
    disorder: int
    condition: Condition


def made_photo(task: _Task) -> NDArray[np.uint8]:
    """The photo of a task, (512, 512, 3) uint8."""
    rng = np.random.default_rng([17, task.number, task.disorder, int(10 * task.condition.dose_sd)])
    features = amounts(task.disorder, task.condition.dose_sd, rng)
    image, points = work_photo(task.person)
    if task.condition.doing is Doing.SECOND:
        image = warp_by_points(image, points, features)
    elif features:
        mode: Any = "sham" if task.condition.doing is Doing.SHAM else "plant"
        seed = 1000 * task.number + task.disorder
        image, _ = warp_photo(image, PhotoAnchors.from_template(points), features=features, mode=mode, seed=seed)
    return photographed(image, rng)


_finder: FaceFinder | None = None


def _start(root: Path) -> None:
    import cv2

    global _finder
    cv2.setNumThreads(1)
    _finder = FaceFinder.from_store(ModelStore(root))


def _crops(task: _Task) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Crops for both encoders."""
    if _finder is None:
        raise RuntimeError("the worker was not started")
    photo = made_photo(task)
    face = _finder.find(photo).choose()
    return align(photo, face, WIDE_GREY.alignment), align(photo, face, "dlib-150")


def run() -> Bench:
    """Measure.

    Raises
    ------
    NothingFoundError
        The London photos or the run are not here.
    MismatchError
        A network of the run did not hold out whom the run says.
    """
    people = london()
    folds = _folds(people)
    tasks = [
        _Task(person, number, disorder, condition)
        for condition in CONDITIONS
        for number, person in enumerate(people)
        for disorder in (range(10) if condition.dose_sd else range(1))
    ]
    crops = list(in_processes(_crops, tasks, processes=available_cores(), start=_start, given=(ModelStore().root,)))
    peer = open_encoder(ModelStore(), PEER, threads=available_cores())
    made = {
        MODEL_ID: _cross_fitted(tasks, np.stack([own for own, _ in crops]), folds),
        PEER: [
            _encodings(task, peer.encode(np.stack([crop, crop[:, ::-1]])), PEER)
            for task, (_, crop) in zip(tasks, crops, strict=True)
        ],
    }
    rows = _accuracy(tasks, made, people=len(people))
    rows += _strangers(tasks, made, people)
    rows.append(_telling(tasks, made[MODEL_ID]))
    return Bench("dysmorphic", machine(), tuple(rows))


def _folds(people: Sequence[Person]) -> Mapping[str, OnnxEncoder]:
    """The network that never saw a person, by their id."""
    of = parts_that_never_saw(
        people,
        variable=RUN_VARIABLE,
        default="dysmorphic-run",
        model_file=MODEL_FILE,
        command="deciface train dysmorphic",
    )
    opened = {
        part: OnnxEncoder(part / MODEL_FILE, read_card(part / CARD_FILE), threads=available_cores())
        for part in set(of.values())
    }
    return {who: opened[part] for who, part in of.items()}


def _cross_fitted(
    tasks: Sequence[_Task], crops: NDArray[np.uint8], folds: Mapping[str, OnnxEncoder]
) -> list[list[Encoding]]:
    """Encodings of every task by the network that never saw its person."""
    done: list[list[Encoding]] = [[] for _ in tasks]
    for encoder in dict.fromkeys(folds.values()):
        own = [i for i, task in enumerate(tasks) if folds[task.person.id] is encoder]
        straight, mirrored = encoder.encode(crops[own]), encoder.encode(crops[own][:, :, ::-1])
        for i, pair in zip(own, np.stack([straight, mirrored], 1), strict=True):
            done[i] = _encodings(tasks[i], pair, MODEL_ID)
    return done


def _encodings(task: _Task, pair: NDArray[np.float32], model: str) -> list[Encoding]:
    """Straight and mirrored view of a task, as of one model: the folds read the same named amounts."""
    sha256 = hashlib.sha256(f"{task.person.id} {task.disorder} {task.condition}".encode()).hexdigest()
    weights = hashlib.sha256(model.encode()).hexdigest()
    return [
        Encoding(task.person.id, sha256, WIDE_GREY.alignment, weights, View(model, flip=flip), vector)
        for flip, vector in zip((False, True), pair, strict=True)
    ]


def _accuracy(tasks: Sequence[_Task], made: Mapping[str, list[list[Encoding]]], *, people: int) -> list[Row]:
    """Top-1 of ten by condition and rule."""
    rows = []
    for condition in CONDITIONS:
        at = {(t.number, t.disorder): i for i, t in enumerate(tasks) if t.condition == condition}
        for rule in RULES:
            sums = np.zeros((people, 2))
            asked = np.zeros(people)
            for given in assignments(people):
                used = np.flatnonzero(given >= 0)
                rows_of = [at[int(n), int(given[n]) if condition.dose_sd else 0] for n in used]
                for column, model in enumerate((MODEL_ID, PEER)):
                    own = [made[model][i] for i in rows_of]
                    sums[used, column] += own_first(own, given[used].tolist(), rule=rule)
                asked[used] += 1
            rows.append(_accuracy_row(condition, rule, sums, asked))
    return rows


def _accuracy_row(condition: Condition, rule: Rule, hits: NDArray[np.float64], asked: NDArray[np.float64]) -> Row:
    """One row from every person's hits, (people, ours and the peer's), and how often they were asked.

    A target holds when the whole interval over people is on its right side; chance, when the share is within 4 points.
    """
    who = asked > 0
    counted = np.column_stack([hits, hits[:, 0] - hits[:, 1]])[who]
    found = bootstrap(np.column_stack([counted, *[asked[who]] * 3]), seed=7)
    own, peer, gain = 100 * found.estimate
    (low, high), _, (least, most) = 100 * found.percentile
    name = f"{condition}, {rule}: top-1 of ten (95 % {low:.1f}-{high:.1f})"
    unit = f"% of {who.sum()} people, {asked.sum():.0f} queries"
    row = Row(name, own, unit, None, None, PEER, peer, own / max(peer, 1e-9))
    if condition.doing in (Doing.NOTHING, Doing.SHAM):
        return replace(row, target="chance: 10 +- 4", holds=bool(abs(own - 10) <= 4))
    if condition.dose_sd == 2:
        target = f">= {PEER} + {GAIN_POINTS:g}; gain {gain:.1f}, 95 % {least:.1f}-{most:.1f}"
        return replace(row, target=target, holds=bool(least >= GAIN_POINTS))
    return row


def _strangers(tasks: Sequence[_Task], made: Mapping[str, list[list[Encoding]]], people: Sequence[Person]) -> list[Row]:
    """How often the nearest stranger is of the same ancestry, by ancestry, beside the base rate among strangers."""
    plain = [i for i, t in enumerate(tasks) if t.condition.doing is Doing.NOTHING]
    ancestry = np.array([people[tasks[i].number].ancestry for i in plain])
    rows = []
    nearest = {}
    for model, encodings in made.items():
        vectors = np.stack([np.concatenate([e.vector for e in encodings[i]]) for i in plain])
        likeness = vectors @ vectors.T
        np.fill_diagonal(likeness, -np.inf)
        nearest[model] = ancestry[likeness.argmax(1)]
    groups = [None, *(a for a in np.unique(ancestry) if (ancestry == a).sum() >= 5)]
    for group in groups:
        of = np.ones(len(plain), bool) if group is None else ancestry == group
        base = 100 * float(np.mean([((ancestry == a).sum() - 1) / (len(plain) - 1) for a in ancestry[of]]))
        own, peer = (100 * float((nearest[m][of] == ancestry[of]).mean()) for m in (MODEL_ID, PEER))
        low, high = (100 * end for end in wilson(int((nearest[MODEL_ID][of] == ancestry[of]).sum()), int(of.sum())))
        name = (
            f"nearest stranger of the same ancestry, {group or 'all'} ({of.sum()} people; base rate {base:.1f} %; "
            f"95 % {low:.1f}-{high:.1f})"
        )
        row = Row(name, own, "%", None, None, PEER, peer, own / max(peer, 1e-9))
        if group is None:
            row = replace(row, target=f"near {base:.1f} +- 10", holds=abs(own - base) <= 10)
        rows.append(row)
    return rows


def _telling(tasks: Sequence[_Task], encodings: Sequence[Sequence[Encoding]]) -> Row:
    """How well the last value alone tells planted (2 SD) from sham-warped faces; one photo a person of each.

    The interval draws people, with both of their photos.
    """
    chosen = {
        doing: np.array(
            [
                float(np.mean([-e.vector[-1] for e in encodings[i]]))
                for i, t in enumerate(tasks)
                if t.condition == Condition(doing, 2.0) and t.disorder == t.number % len(TEN)
            ]
        )
        for doing in (Doing.PLANT, Doing.SHAM)
    }
    planted, sham = chosen[Doing.PLANT], chosen[Doing.SHAM]

    def area(of: NDArray[np.intp]) -> float:
        gap = planted[of][:, None] - sham[of][None]
        return float((gap > 0).mean() + (gap == 0).mean() / 2)

    rng, count = np.random.default_rng(7), len(planted)
    low, high = np.quantile([area(rng.integers(0, count, count)) for _ in range(2000)], [0.025, 0.975])
    name = f"planted 2 SD against sham: area under the ROC curve by the last value (95 % {low:.3f}-{high:.3f})"
    return Row(name, area(np.arange(count)), "")
