"""Cross-validation of a DeepGestalt-type model by patient, and the model that is kept.

Each fold of patients is tested once, by networks that learnt from the other folds but one; that one chooses the epoch.
No photo of a tested patient takes part in anything that led to their scores. The model that is kept learns from
everybody, for the median of the chosen numbers of epochs: nobody is left to test it, its figures are the folds'.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.deepgestalt import CHANNELS, build_deepgestalt
from deciface.encoders.iresnet import import_torch
from deciface.errors import InputError, OptionError
from deciface.faces.region_crops import Region
from deciface.training.deepgestalt import RegionTask, predict
from deciface.training.folds import patient_folds
from deciface.training.loop import run
from deciface.training.recipe import Epoch, Recipe, Schedule, Stage

FEWEST_FOLDS = 3
EVERYBODY = "everybody"
"""Name of the last training, from which the kept model comes."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How it is learnt.

    Parameters
    ----------
    regions
        In the order of the crops.
    folds
        Of patients, at least 3.
    epochs, patience
        At most so many a fold; fewer where so many in a row brought nothing.
    learning_rate, batch, weight_decay
        At the start; it falls as a cosine. Photos at a time; of AdamW.
    seed, threads, device
        Of everything; for PyTorch.
    channels
        Of the ten convolutions.
    balance_ancestry
        Learn from every ancestry as often as from any other.
    """

    regions: tuple[Region, ...]
    folds: int = 5
    epochs: int = 20
    patience: int = 15
    learning_rate: float = 1e-3
    batch: int = 16
    weight_decay: float = 0.01
    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    channels: tuple[int, ...] = CHANNELS
    balance_ancestry: bool = False

    def __post_init__(self) -> None:
        if self.folds < FEWEST_FOLDS:
            raise OptionError(
                f"{self.folds} folds; at least {FEWEST_FOLDS} are needed, to learn from, to stop by and to test on"
            )
        if self.batch < 2 or self.patience < 1:
            raise OptionError(f"batch {self.batch}, patience {self.patience}; at least 2 photos and 1 epoch are needed")


@dataclass(frozen=True, eq=False)
class TrainingMaterial:
    """Photos that have a class.

    Parameters
    ----------
    crops
        (n, regions, 100, 100) uint8.
    class_of
        (n,) 0 to classes - 1, each there.
    patients
        Whom each photo shows.
    digest
        Of what the crops were made from; goes into the checkpoints.
    ancestries
        Of each photo; needed only where they are to be balanced.
    units
        Who is divided as one, of each photo: families. Empty: patients.
    """

    crops: NDArray[np.uint8]
    class_of: NDArray[np.intp]
    patients: tuple[str, ...]
    digest: str = ""
    ancestries: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    @property
    def classes(self) -> int:
        """How many there are."""
        return int(self.class_of.max()) + 1


@dataclass(frozen=True, eq=False)
class CrossValidated:
    """Scores of everybody by networks that never saw them.

    Parameters
    ----------
    scores
        (n, regions, classes) softmax values.
    fold_of
        (n,) fold in which each photo was tested.
    histories
        Epochs of every fold.
    """

    scores: NDArray[np.float32]
    fold_of: NDArray[np.intp]
    histories: tuple[tuple[Epoch, ...], ...]

    @property
    def chosen_epochs(self) -> tuple[int, ...]:
        """The epoch that was best on the people held out, of every fold."""
        return tuple(max(epoch.number for epoch in history if epoch.best) for history in self.histories)


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """The network that is kept, and how it was learnt."""

    network: Any
    history: tuple[Epoch, ...]


def recipe_of(plan: TrainingPlan, name: str, epochs: int) -> Recipe:
    """One stage in which everything learns, in mixed precision where there is a GPU.

    The rate falls as in the folds also where fewer epochs are learnt, so that the figures hold for the kept model.
    """
    return Recipe(
        (Stage(name, epochs, plan.learning_rate, schedule=Schedule.COSINE, horizon=max(epochs, plan.epochs)),),
        patience=plan.patience,
        weight_decay=plan.weight_decay,
        seed=plan.seed,
        threads=plan.threads,
        device=plan.device,
        mixed=plan.device.startswith("cuda"),
    )


def divide(material: TrainingMaterial, plan: TrainingPlan) -> NDArray[np.intp]:
    """Fold of each photo (n,): a patient is in one, and every class is learnt from whichever fold is tested.

    Raises
    ------
    InputError
        When a fold or a class to learn from would be empty.
    """
    fold_of = patient_folds(material.units or material.patients, material.class_of, folds=plan.folds, seed=plan.seed)
    for fold in range(plan.folds):
        _, learning, held_out = parts_of(fold_of, fold, plan.folds)
        missing = set(range(material.classes)) - set(material.class_of[learning].tolist())
        if missing or not len(held_out):
            what = f"class {min(missing)} would have nobody to learn from" if missing else "nobody to stop by"
            raise InputError(f"fold {fold + 1} of {plan.folds}: {what}; give fewer folds, or more patients a class")
    return fold_of


def parts_of(
    fold_of: NDArray[np.intp], tested: int, folds: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Rows that are tested, rows to learn from, and rows to stop by: those of the next fold."""
    stop = (tested + 1) % folds
    learning = np.flatnonzero((fold_of != tested) & (fold_of != stop))
    return np.flatnonzero(fold_of == tested), learning, np.flatnonzero(fold_of == stop)


def cross_validate(
    material: TrainingMaterial,
    plan: TrainingPlan,
    *,
    folder: Path | None = None,
    advance: Callable[[str, Epoch], None] = lambda _, __: None,
) -> CrossValidated:
    """Test every fold by networks that were learnt without it.

    Parameters
    ----------
    material, plan
        What and how.
    folder
        Where the checkpoints go, from which an interrupted run goes on.
    advance
        Called after every epoch, with the name of the fold.

    Raises
    ------
    InputError
        When a fold or a class to learn from would be empty.
    MismatchError, ModelError
        As `deciface.training.loop.run`.
    """
    fold_of = divide(material, plan)
    scores = np.zeros((len(fold_of), len(plan.regions), material.classes), np.float32)
    histories = []
    for fold in range(plan.folds):
        tested, learning, held_out = parts_of(fold_of, fold, plan.folds)
        name = f"fold {fold + 1}"
        network, history = _learn(material, plan, name, learning, held_out, plan.epochs, folder, advance)
        scores[tested] = predict(network, material.crops[tested], device=plan.device)
        histories.append(history)
    return CrossValidated(scores, fold_of, tuple(histories))


def train_on_everybody(
    material: TrainingMaterial,
    plan: TrainingPlan,
    *,
    epochs: int,
    folder: Path | None = None,
    advance: Callable[[str, Epoch], None] = lambda _, __: None,
) -> TrainedModel:
    """Learn the model that is kept, for a given number of epochs; parameters and errors as `cross_validate`."""
    everybody, nobody = np.arange(len(material.class_of)), np.zeros(0, np.intp)
    return TrainedModel(*_learn(material, plan, EVERYBODY, everybody, nobody, epochs, folder, advance))


def usual_epochs(validated: CrossValidated) -> int:
    """Median of the chosen epochs, rounded up."""
    return int(np.ceil(median(validated.chosen_epochs)))


def _learn(
    material: TrainingMaterial,
    plan: TrainingPlan,
    name: str,
    learning: NDArray[np.intp],
    held_out: NDArray[np.intp],
    epochs: int,
    folder: Path | None,
    advance: Callable[[str, Epoch], None],
) -> tuple[Any, tuple[Epoch, ...]]:
    torch = import_torch()
    torch.manual_seed(plan.seed)
    network = build_deepgestalt(plan.regions, material.classes, channels=plan.channels).to(plan.device)
    groups = material.ancestries if plan.balance_ancestry else ()
    task = RegionTask(network, material.crops, material.class_of, learning, held_out, plan.batch, plan.device, groups)
    recipe = recipe_of(plan, name, epochs)
    checkpoint = None if folder is None else folder / f"checkpoint-{name.replace(' ', '-')}.pt"
    told = (material.digest, replace(plan, threads=1), name, epochs, learning.tolist(), held_out.tolist())
    identity = hashlib.sha256(repr(told).encode()).hexdigest()
    history = run(task, recipe, checkpoint=checkpoint, identity=identity, advance=lambda epoch: advance(name, epoch))
    return network, history
