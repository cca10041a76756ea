"""What a training loop is given: a task, and a recipe of stages; and what it tells of each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deciface.errors import OptionError

Rows = NDArray[np.intp]


class Task(Protocol):
    """What is learnt: a network, its data and its loss."""

    @property
    def network(self) -> Any:  # noqa: ANN401 - a torch.nn.Module
        """All that is trained, the classifier included."""
        ...

    def batches(self, rng: np.random.Generator) -> Iterable[Rows]:
        """Rows of the batches of one epoch."""
        ...

    def loss(self, rows: Rows, rng: np.random.Generator) -> Any:  # noqa: ANN401 - a tensor
        """Scalar loss of a batch; the network is in training mode."""
        ...

    def measure(self) -> Mapping[str, float]:
        """Measures on held-out rows; larger is better for ``score``, which stops early and chooses the epoch."""
        ...


class Schedule(StrEnum):
    """How the learning rate falls within a stage."""

    PLATEAU = "plateau"
    COSINE = "cosine"


def every_parameter(name: str) -> bool:
    """Train all."""
    return bool(name)


@dataclass(frozen=True, slots=True)
class Stage:
    """Some epochs in which some parameters are trained.

    Parameters
    ----------
    name
        For people.
    epochs
        At most so many.
    learning_rate
        At its start.
    trains
        Says by name which parameters learn; batch norms of the others keep their statistics.
    schedule
        `PLATEAU` halves after `Recipe.plateau` epochs without a better score, `COSINE` goes to 0 over the stage.
    horizon
        Epochs over which the cosine goes to 0, where the stage ends earlier on purpose; None: over the stage.
    """

    name: str
    epochs: int
    learning_rate: float
    trains: Callable[[str], bool] = every_parameter
    schedule: Schedule = Schedule.PLATEAU
    horizon: int | None = None

    def __post_init__(self) -> None:
        if self.epochs < 1 or not 0 < self.learning_rate < 10:
            raise OptionError(
                f"stage '{self.name}': {self.epochs} epochs at learning rate {self.learning_rate:g}; at least 1 epoch "
                "and a rate above 0 and below 10 are allowed"
            )


@dataclass(frozen=True, slots=True)
class Recipe:
    """How it is learnt.

    Parameters
    ----------
    stages
        One after the other, each from the best weights so far.
    patience
        Epochs without a better score after which a stage ends.
    plateau
        Epochs without a better score after which the rate is halved.
    weight_decay
        Of AdamW (Loshchilov & Hutter 2019), for tensors of two or more dimensions.
    seed
        Of everything.
    threads, device
        For PyTorch.
    mixed
        Matrix products in bfloat16.
    """

    stages: tuple[Stage, ...]
    patience: int = 10
    plateau: int = 5
    weight_decay: float = 0.01
    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    mixed: bool = False

    def __post_init__(self) -> None:
        if not self.stages:
            raise OptionError("a recipe without stages; give at least one")
        for name, given, least in (
            ("patience", self.patience, 1),
            ("plateau", self.plateau, 1),
            ("seed", self.seed, 0),
            ("threads", self.threads, 1),
        ):
            if given < least:
                raise OptionError(f"{name} = {given}; a whole number of at least {least} is allowed")


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch as it went; `number` counts from 1 over all stages, `best` marks the best score so far."""

    number: int
    stage: str
    loss: float
    learning_rate: float
    measures: dict[str, float] = field(default_factory=dict)
    best: bool = False

    @property
    def score(self) -> float:
        """What decides."""
        return self.measures["score"]
