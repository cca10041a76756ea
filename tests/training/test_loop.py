"""The loop on a line through points: what a run leaves, and that an interruption leaves no trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deciface.errors import MismatchError, ModelError, OptionError
from deciface.training.loop import need_checkpoint, run
from deciface.training.recipe import Epoch, Recipe, Schedule, Stage

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


def test_a_checkpoint_is_judged_before_anything_is_done(tmp_path: Path) -> None:
    need_checkpoint(tmp_path / "none.pt")
    run(Line(), RECIPE, checkpoint=tmp_path / "c.pt")
    need_checkpoint(tmp_path / "c.pt")
    (tmp_path / "torn.pt").write_bytes((tmp_path / "c.pt").read_bytes()[:99])
    with pytest.raises(ModelError, match=r"torn\.pt' is no checkpoint of this program, or is damaged; remove it"):
        need_checkpoint(tmp_path / "torn.pt")


def test_a_checkpoint_with_code_is_not_run(tmp_path: Path) -> None:
    path, marker = tmp_path / "c.pt", tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (marker,))

    torch.save({"identity": Evil()}, path)
    with pytest.raises(ModelError, match="is no checkpoint"):
        run(Line(), RECIPE, checkpoint=path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"history": [{"number": 1}]},
        {"history": "epochs"},
        {"network": {}},
        {"best": {"1.weight": torch.zeros(1)}},
        {"optimizer": {"state": {}, "param_groups": []}},
        {"stage": "first"},
    ],
    ids=["fields", "no list", "network", "best", "optimizer", "stage"],
)
def test_a_checkpoint_of_the_right_run_with_wrong_content_is_one_line(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "c.pt"

    def stop(epoch: Epoch) -> None:
        raise PowerCutError

    with pytest.raises(PowerCutError):
        run(Line(), RECIPE, checkpoint=path, identity="a", advance=stop)
    torch.save(torch.load(path, weights_only=True) | change, path)
    with pytest.raises(ModelError, match=r"c\.pt' is no checkpoint of this program, or is damaged; remove it"):
        run(Line(), RECIPE, checkpoint=path, identity="a")


def test_memory_that_runs_out_while_measuring_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Line()

    def full() -> Any:
        raise MemoryError

    monkeypatch.setattr(task, "measure", full)
    with pytest.raises(ModelError, match="out of memory on cpu; give a smaller --batch"):
        run(task, RECIPE)


def test_a_cosine_can_fall_over_more_epochs_than_are_learnt() -> None:
    def rates(**horizon: int) -> list[float]:
        stage = Stage("all", 2, 0.05, schedule=Schedule.COSINE, **horizon)
        return [epoch.learning_rate for epoch in run(Line(), Recipe((stage,), seed=1))]

    whole = [e.learning_rate for e in run(Line(), Recipe((Stage("all", 6, 0.05, schedule=Schedule.COSINE),), seed=1))]
    assert rates(horizon=6) == whole[:2]
    assert rates()[1] < whole[1] / 4


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
        (lambda: Stage("x", -3, 0.1), "-3 epochs at learning rate 0.1"),
        (lambda: Stage("x", 1, float("nan")), "1 epochs at learning rate nan"),
        (lambda: Recipe(()), "a recipe without stages"),
        (lambda: replace(RECIPE, patience=0), "patience = 0; a whole number of at least 1 is allowed"),
        (lambda: replace(RECIPE, plateau=0), "plateau = 0; a whole number of at least 1"),
        (lambda: replace(RECIPE, seed=-4), "seed = -4; a whole number of at least 0 is allowed"),
        (lambda: replace(RECIPE, threads=0), "threads = 0; a whole number of at least 1"),
    ],
    ids=["no epochs", "no rate", "fewer than no", "no number", "no stages", "patience", "plateau", "seed", "threads"],
)
def test_impossible_recipes(make: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make()


def test_a_stage_without_parameters() -> None:
    with pytest.raises(OptionError, match="stage 'none' trains no parameter"):
        run(Line(), Recipe((Stage("none", 1, 0.1, lambda name: name == "?"),)))
