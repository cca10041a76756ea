"""The training loop: stages, learning rates, early stopping, checkpoints; knows no face and no network.

Everything random in an epoch follows from the seed and the number of the epoch, and what the learning rate does follows
from the epochs before: a run that was interrupted and goes on gives the model of one that was not.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.iresnet import import_torch
from deciface.encoders.torch_encoder import check_device
from deciface.errors import MismatchError, ModelError, OptionError
from deciface.whole_files import write_whole

Rows = NDArray[np.intp]

LOWEST_RATE = 1e-5
"""Below this no learning rate is halved (GestaltMatcher-Arc's floor)."""


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
    """

    name: str
    epochs: int
    learning_rate: float
    trains: Callable[[str], bool] = every_parameter
    schedule: Schedule = Schedule.PLATEAU

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


def run(
    task: Task,
    recipe: Recipe,
    *,
    checkpoint: Path | None = None,
    identity: str = "",
    advance: Callable[[Epoch], None] = lambda _: None,
) -> tuple[Epoch, ...]:
    """Train, and leave the weights of the best epoch in `task.network`.

    Parameters
    ----------
    task, recipe
        What and how.
    checkpoint
        Written whole after every epoch; where it exists the run goes on from it.
    identity
        Stands for data and recipe (a digest): a checkpoint of another one is refused.
    advance
        Called after every epoch.

    Raises
    ------
    MismatchError
        The checkpoint belongs to another run.
    ModelError
        PyTorch is missing, memory ran out, the loss is no number, or the checkpoint cannot be read.
    """
    torch = import_torch()
    check_device(recipe.device)
    with _threads(recipe.threads):
        state = _State.begin(task.network, recipe, checkpoint, identity)
        while (stage := state.stage()) is not None:
            epoch = _one_epoch(torch, task, recipe, state, stage)
            state.keep(task.network, epoch)
            if checkpoint is not None:
                state.save(checkpoint, identity)
            advance(state.history[-1])
        task.network.load_state_dict(state.best)
        task.network.eval()
    return tuple(state.history)


@dataclass
class _State:
    """Where a run is: all that a checkpoint holds."""

    recipe: Recipe
    network: Any
    history: list[Epoch]
    best: dict[str, Any]
    optimizer: Any = None
    moments: dict[str, Any] | None = None
    trained_stage: int = -1

    @classmethod
    def begin(cls, network: Any, recipe: Recipe, checkpoint: Path | None, identity: str) -> _State:  # noqa: ANN401
        network.to(recipe.device)
        state = cls(recipe, network, [], _copy(network))
        if checkpoint is None or not checkpoint.exists():
            return state
        held = _read(checkpoint)
        if held["identity"] != identity:
            raise MismatchError(
                f"'{checkpoint}' belongs to a run with other data or settings; give the same ones, or another folder"
            )
        network.load_state_dict(held["network"])
        state.history = [Epoch(**line) for line in held["history"]]
        state.best, state.moments, state.trained_stage = held["best"], held["optimizer"], held["stage"]
        return state

    def position(self) -> tuple[int, int]:
        """Number of the stage and epochs done in it; the number of stages when all is done."""
        number = 0
        for k, stage in enumerate(self.recipe.stages):
            done = [e for e in self.history if e.stage == stage.name]
            number = k
            if len(done) < stage.epochs and _since_best(done) < self.recipe.patience:
                return k, len(done)
        return number + 1, 0

    def stage(self) -> Stage | None:
        """Return the stage to go on with, its optimizer ready; None at the end."""
        number, done = self.position()
        if number == len(self.recipe.stages):
            return None
        stage = self.recipe.stages[number]
        if self.trained_stage != number or self.optimizer is None:
            if done == 0:
                self.network.load_state_dict(self.best)
                self.moments = None
            self.optimizer = _optimizer(self.network, stage, self.recipe)
            if self.moments is not None:
                self.optimizer.load_state_dict(self.moments)
            self.trained_stage = number
        return stage

    def keep(self, network: Any, epoch: Epoch) -> None:  # noqa: ANN401
        """Take an epoch in."""
        better = not self.history or epoch.score > max(e.score for e in self.history)
        self.history.append(replace(epoch, best=better))
        if better:
            self.best = _copy(network)

    def save(self, path: Path, identity: str) -> None:
        """Write the checkpoint, whole or not at all."""
        torch, buffer = import_torch(), io.BytesIO()
        lines = [{slot: getattr(e, slot) for slot in Epoch.__slots__} for e in self.history]
        held = {
            "identity": identity,
            "network": self.network.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "stage": self.trained_stage,
            "history": lines,
        }
        torch.save(held, buffer)
        write_whole(path, buffer.getvalue())


def _since_best(done: list[Epoch]) -> int:
    """Epochs of a stage since the last that was the best of all so far."""
    marked = [i for i, e in enumerate(done) if e.best]
    return len(done) - 1 - marked[-1] if marked else len(done)


def _copy(network: Any) -> dict[str, Any]:  # noqa: ANN401
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _read(path: Path) -> dict[str, Any]:
    """Read a checkpoint; tensors and plain values only, nothing that could execute code."""
    torch = import_torch()
    wanted = {"identity", "network", "best", "optimizer", "stage", "history"}
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(
            f"'{path}' is no checkpoint of this program, or is damaged; remove it to start afresh"
        ) from error
    if not isinstance(held, dict) or set(held) != wanted:
        raise ModelError(f"'{path}' is no checkpoint of this program; remove it to start afresh")
    return held


def _optimizer(network: Any, stage: Stage, recipe: Recipe) -> Any:  # noqa: ANN401
    torch = import_torch()
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(stage.trains(name))
    trained = [p for p in network.parameters() if p.requires_grad]
    if not trained:
        raise OptionError(f"stage '{stage.name}' trains no parameter; name some that the network has")
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=stage.learning_rate)


def _training_mode(network: Any) -> None:  # noqa: ANN401
    """Training mode, but for batch norms whose parameters are frozen: they keep their statistics."""
    network.train()
    for part in network.modules():
        own = list(part.parameters(recurse=False))
        if hasattr(part, "running_mean") and own and not any(p.requires_grad for p in own):
            part.eval()


def _one_epoch(torch: Any, task: Task, recipe: Recipe, state: _State, stage: Stage) -> Epoch:  # noqa: ANN401
    number = len(state.history) + 1
    rng = np.random.default_rng([recipe.seed, number])
    torch.manual_seed(int(rng.integers(2**31)))
    _training_mode(task.network)
    batches = list(task.batches(rng))
    done = state.position()[1]
    start = _plateau_rate(state, stage)
    total, rows_seen, rate = 0.0, 0, start
    for k, rows in enumerate(batches):
        if stage.schedule is Schedule.COSINE:
            rate = _cosine_rate(stage, (done + k / len(batches)) / stage.epochs)
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        value = _step(torch, task, recipe, state.optimizer, rows, rng)
        total, rows_seen = total + value * len(rows), rows_seen + len(rows)
    task.network.eval()
    with torch.no_grad():
        measures = {name: float(value) for name, value in task.measure().items()}
    if not math.isfinite(measures["score"]):
        raise ModelError(f"epoch {number}: the score is {measures['score']}; lower the learning rate")
    return Epoch(number, stage.name, total / max(rows_seen, 1), rate, measures)


def _step(torch: Any, task: Task, recipe: Recipe, optimizer: Any, rows: Rows, rng: np.random.Generator) -> float:  # noqa: ANN401
    kind = recipe.device.split(":")[0]
    try:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(kind, torch.bfloat16, enabled=recipe.mixed):
            loss = task.loss(rows, rng)
        loss.backward()
        optimizer.step()
    except (MemoryError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        if isinstance(error, MemoryError) or "memory" in reason:
            raise ModelError(
                f"out of memory on {recipe.device} with a batch of {len(rows)}; give a smaller --batch"
            ) from error
        raise
    value = float(loss.detach())
    if not math.isfinite(value):
        raise ModelError(f"the loss became {value}; lower the learning rate or check the photos")
    return value


def _plateau_rate(state: _State, stage: Stage) -> float:
    """Rate of the next epoch: halved after each `plateau` epochs of the stage without a better score."""
    done = [e for e in state.history if e.stage == stage.name]
    rate, waited = stage.learning_rate, 0
    for epoch in done:
        waited = 0 if epoch.best else waited + 1
        if waited == state.recipe.plateau:
            rate, waited = max(rate / 2, min(LOWEST_RATE, stage.learning_rate)), 0
    return rate


def _cosine_rate(stage: Stage, share: float) -> float:
    """Rate after a share of the stage: up over its first 2 %, then down as half a cosine."""
    up = min(1.0, (share + 1e-3) / 0.02)
    return stage.learning_rate * up * 0.5 * (1 + math.cos(math.pi * min(share, 1.0))) + 1e-8


@contextmanager
def _threads(count: int) -> Iterator[None]:
    torch = import_torch()
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
