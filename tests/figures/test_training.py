from dataclasses import dataclass, field

import pytest

from deciface.errors import OptionError
from deciface.figures.chart import BLUE, INK, ORANGE
from deciface.figures.training import kept_epoch, training_curves
from tests.figures.svg import Drawn, inside


@dataclass(frozen=True)
class Point:
    number: int
    stage: str
    loss: float
    measures: dict = field(default_factory=dict)
    best: bool = False


EPOCHS = [
    Point(1, "last layer", 2.0, {"score": 0.2, "top-1": 0.1}, best=True),
    Point(2, "last layer", 1.0, {"score": 0.6, "top-1": 0.4}, best=True),
    Point(3, "all layers", 0.5, {"score": 0.5, "top-1": 0.5}),
]


def test_loss_and_measures_are_drawn_to_scale():
    svg = Drawn(training_curves(EPOCHS, name="c"))
    (loss,) = [line for line in svg.lines(INK) if len(line) == 3]
    score, _ = [line for line in svg.lines(BLUE) if len(line) == 3]  # the other is in the legend
    assert [x for x, _ in loss] == [x for x, _ in score]
    assert loss[1][0] - loss[0][0] == pytest.approx(loss[2][0] - loss[1][0])
    assert (loss[1][1] - loss[0][1]) / (loss[2][1] - loss[1][1]) == pytest.approx(2.0)
    assert (score[0][1] - score[1][1]) / (score[2][1] - score[1][1]) == pytest.approx(4.0)
    assert svg.lines(ORANGE)
    assert inside(svg)


def test_the_kept_epoch_and_the_stages_are_marked():
    svg = Drawn(training_curves(EPOCHS, name="c"))
    assert kept_epoch(EPOCHS) is EPOCHS[1]
    assert "epoch (dashed: 2, the one that was kept)" in svg.words
    assert {"last layer", "all layers"} <= set(svg.words)
    assert svg.description == (
        "3 epochs in stages last layer, all layers; training loss from 2 to 0.5. "
        "Epoch 2 was kept: score 0.6, top-1 0.4."
    )


def test_a_single_epoch_without_measures_is_drawn():
    svg = Drawn(training_curves([Point(1, "all", 0.3)], name="c"))
    assert "epoch" in svg.words
    assert svg.words.count("1") == 1  # the tick; no fractions of epochs
    assert kept_epoch([Point(1, "all", 0.3)]) is None


def test_the_axis_says_whose_measure_it_is_and_shares_go_from_0_to_1():
    svg = Drawn(training_curves(EPOCHS, name="c", unit="share"))
    assert {"choosing people", "(share)", "training loss", "(per photo)"} <= set(svg.words)
    assert {"0.0", "1.0"} <= set(svg.words)
    assert "held-out people" not in svg.words
    assert "(score)" in Drawn(training_curves(EPOCHS, name="c")).words
    assert inside(svg)


def test_measures_can_be_chosen():
    assert "score" not in Drawn(training_curves(EPOCHS, name="c", measures=["top-1"])).words
    with pytest.raises(OptionError, match="5 measures in one chart; give at most 4"):
        training_curves(EPOCHS, name="c", measures=list("abcde"))
    with pytest.raises(OptionError, match="no epoch was trained"):
        training_curves([], name="c")
