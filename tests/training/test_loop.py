"""The loop on a line through points: what a run leaves, and that an interruption leaves no trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deciface.errors import MismatchError, ModelError, OptionError
from deciface.training.loop import Epoch, Recipe, Schedule, Stage, run

torch = pytest.importorskip("torch")


class Line:
    """Learn y = x . w with dropout, so that an epoch depends on PyTorch's own random numbers too."""

    def __init__(self, *, worse_from: int | None = None) -> None:
        torch.manual_seed(0)
        self.network = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1)
        )
        x = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
        self.x, self.y = torch.from_numpy(x), torch.from_numpy(x @ np.array([1, -2, 0.5, 3], np.float32))
        self.worse_from, self.measured = worse_from, 0

    def batches(self, rng: np.random.Generator) -> Iterable[Any]:
        return np.array_split(rng.permutation(len(self.x)), 4)

    def loss(self, rows: Any, rng: np.random.Generator) -> Any:
        noise = torch.from_numpy(rng.normal(0, 0.01, len(rows)).astype(np.float32))
        return ((self.network(self.x[rows])[:, 0] + noise - self.y[rows]) ** 2).mean()

    def measure(self) -> Mapping[str, float]:
        self.measured += 1
        error = float(((self.network(self.x)[:, 0] - self.y) ** 2).mean())
        if self.worse_from is not None:
            return {"score": -abs(self.measured - self.worse_from), "error": error}
        return {"score": -error, "error": error}


RECIPE = Recipe(
    (
        Stage("head", 2, 0.05, lambda name: name.startswith("3.")),
        Stage("all", 4, 0.05, schedule=Schedule.COSINE),
    ),
    seed=3,
)


class PowerCutError(Exception):
    """Stands for the power cut."""


def weights(task: Line) -> list[Any]:
    return [value.numpy().copy() for value in task.network.state_dict().values()]


def test_learns_and_leaves_the_best_epoch() -> None:
    task = Line()
    epochs = run(task, RECIPE)
    assert [e.number for e in epochs] == [1, 2, 3, 4, 5, 6]
    assert epochs[-1].measures["error"] < epochs[0].measures["error"] / 3
    best = max(epochs, key=lambda e: e.score)
    with torch.no_grad():
        left = task.measure()["error"]
    assert left == pytest.approx(best.measures["error"], rel=1e-6)
    assert not task.network.training


@pytest.mark.parametrize("after", [1, 2, 3, 5])
def test_an_interrupted_run_gives_the_same_model(tmp_path: Path, after: int) -> None:
    whole = Line()
    expected = run(whole, RECIPE, checkpoint=tmp_path / "whole.pt", identity="a")

    def stop(epoch: Epoch) -> None:
        if epoch.number == after:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        run(Line(), RECIPE, checkpoint=tmp_path / "cut.pt", identity="a", advance=stop)
    again = Line()
    seen: list[int] = []
    found = run(again, RECIPE, checkpoint=tmp_path / "cut.pt", identity="a", advance=lambda e: seen.append(e.number))
    assert seen == list(range(after + 1, 7))
    assert found == expected
    for a, b in zip(weights(whole), weights(again), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_stage_trains_only_what_it_names() -> None:
    task = Line()
    before = weights(task)
    run(task, Recipe((Stage("head", 1, 0.05, lambda name: name.startswith("3.")),), seed=1))
    names = list(task.network.state_dict())
    changed = {n for n, a, b in zip(names, before, weights(task), strict=True) if not np.array_equal(a, b)}
    assert changed == {"3.weight", "3.bias"}, "the frozen batch norm kept its statistics, too"


def test_stops_when_nothing_gets_better_and_halves_the_rate() -> None:
    epochs = run(Line(worse_from=2), Recipe((Stage("all", 50, 0.08),), patience=5, plateau=2, seed=1))
    assert len(epochs) == 7, "best at 2, five more"
    assert [e.best for e in epochs] == [True, True, False, False, False, False, False]
    assert [e.learning_rate for e in epochs] == [0.08, 0.08, 0.08, 0.08, 0.04, 0.04, 0.02]


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    run(Line(), RECIPE, checkpoint=path, identity="a")
    with pytest.raises(MismatchError, match="belongs to a run with other data or settings"):
        run(Line(), RECIPE, checkpoint=path, identity="b")


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 torn"], ids=["empty", "text", "torn"])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.pt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is no checkpoint of this program, or is damaged"):
        run(Line(), RECIPE, checkpoint=path)


def test_a_checkpoint_with_code_is_not_run(tmp_path: Path) -> None:
    path, marker = tmp_path / "c.pt", tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (marker,))

    torch.save({"identity": Evil()}, path)
    with pytest.raises(ModelError, match="is no checkpoint"):
        run(Line(), RECIPE, checkpoint=path)
    assert not marker.exists()


def test_a_loss_that_is_no_number_stops_the_run() -> None:
    task = Line()
    task.y[3] = float("nan")
    with pytest.raises(ModelError, match="the loss became nan; lower the learning rate"):
        run(task, RECIPE)


def test_out_of_memory_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Line()

    def full(rows: Any, rng: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes")

    monkeypatch.setattr(task, "loss", full)
    with pytest.raises(ModelError, match="out of memory on cpu with a batch of 16; give a smaller --batch"):
        run(task, RECIPE)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Stage("x", 0, 0.1), "stage 'x': 0 epochs at learning rate 0.1"),
        (lambda: Stage("x", 1, 0.0), "1 epochs at learning rate 0"),
        (lambda: Recipe(()), "a recipe without stages"),
    ],
    ids=["no epochs", "no rate", "no stages"],
)
def test_impossible_recipes(make: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make()


def test_a_stage_without_parameters() -> None:
    with pytest.raises(OptionError, match="stage 'none' trains no parameter"):
        run(Line(), Recipe((Stage("none", 1, 0.1, lambda name: name == "?"),)))
