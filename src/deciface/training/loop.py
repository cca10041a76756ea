"""The training loop: stages, learning rates, early stopping, checkpoints; knows no face and no network.

Everything random in an epoch follows from the seed and the number of the epoch, and what the learning rate does follows
from the epochs before: a run that was interrupted and goes on gives the model of one that was not.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deciface.encoders.iresnet import import_torch
from deciface.encoders.torch_encoder import check_device
from deciface.errors import MismatchError, ModelError, OptionError
from deciface.training.recipe import Epoch, Recipe, Rows, Schedule, Stage, Task
from deciface.whole_files import write_whole

LOWEST_RATE = 1e-5
"""Below this no learning rate is halved (GestaltMatcher-Arc's floor)."""


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
        with _damage_told(checkpoint):
            network.load_state_dict(held["best"])
            network.load_state_dict(held["network"])
            state.history = [Epoch(**line) for line in held["history"]]
            if any(epoch.number != k or not math.isfinite(epoch.score) for k, epoch in enumerate(state.history, 1)):
                raise ValueError("epochs out of order")
            if not isinstance(held["stage"], int):
                raise TypeError("a stage that is no number")
            state.best, state.moments, state.trained_stage = held["best"], held["optimizer"], held["stage"]
            state.stage()  # the optimizer takes its moments up
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


def need_checkpoint(path: Path) -> None:
    """Refuse a file that cannot be gone on from, before anything costly is done; one that is not there is fine.

    Raises
    ------
    ModelError
        It is damaged, or no checkpoint.
    """
    if path.exists():
        _read(path)


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Turn whatever a checkpoint of wrong content leads to into one line."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ModelError(
            f"'{path}' is no checkpoint of this program, or is damaged; remove it to start afresh"
        ) from error


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
            rate = _cosine_rate(stage, (done + k / len(batches)) / (stage.horizon or stage.epochs))
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        value = _step(torch, task, recipe, state.optimizer, rows, rng)
        total, rows_seen = total + value * len(rows), rows_seen + len(rows)
    task.network.eval()
    with memory_told(recipe.device), torch.no_grad():
        measures = {name: float(value) for name, value in task.measure().items()}
    if not math.isfinite(measures["score"]):
        raise ModelError(f"epoch {number}: the score is {measures['score']}; lower the learning rate")
    return Epoch(number, stage.name, total / max(rows_seen, 1), rate, measures)


def _step(torch: Any, task: Task, recipe: Recipe, optimizer: Any, rows: Rows, rng: np.random.Generator) -> float:  # noqa: ANN401
    kind = recipe.device.split(":")[0]
    with memory_told(recipe.device, batch=len(rows)):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(kind, torch.bfloat16, enabled=recipe.mixed):
            loss = task.loss(rows, rng)
        loss.backward()
        optimizer.step()
    value = float(loss.detach())
    if not math.isfinite(value):
        raise ModelError(f"the loss became {value}; lower the learning rate or check the photos")
    return value


@contextmanager
def memory_told(device: str, *, batch: int | None = None) -> Iterator[None]:
    """Say in one line that memory ran out.

    Raises
    ------
    ModelError
        In its stead.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "memory" in str(error):
            size = "" if batch is None else f" with a batch of {batch}"
            raise ModelError(f"out of memory on {device}{size}; give a smaller --batch") from error
        raise


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
