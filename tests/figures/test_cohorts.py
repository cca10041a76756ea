import numpy as np
import pytest

from deciface.errors import OptionError
from deciface.figures.chart import BLUE, GREY, ORANGE, PALE
from deciface.figures.cohorts import controls_chart, null_chart, tree_chart
from deciface.space.matrices import average_linkage
from tests.figures.svg import Drawn, inside


def upright(svg, colour):
    """x of the vertical lines of a colour."""
    return {line[0][0] for line in svg.lines(colour) if len(line) == 2 and line[0][0] == line[1][0]}


def test_the_cohort_stands_where_it_is_among_the_random_groups():
    null = np.random.default_rng(1).normal(0.5, 0.1, 2_000)
    svg = Drawn(null_chart(null, name="n", observed=0.3, share=0.02, size=4))
    dark, pale = svg.boxes(BLUE), svg.boxes(PALE)
    (here,) = upright(svg, ORANGE)
    assert here < min(left for left, *_ in dark)
    assert any(left < here for left, *_ in pale)
    area = sum((r - le) * (b - t) for le, t, r, b in dark), sum((r - le) * (b - t) for le, t, r, b in pale)
    assert area[0] / sum(area) == pytest.approx(0.95, abs=0.02)
    assert {"this cohort 0.3000, 2 % as alike", "groups", "0"} <= set(svg.words)  # a y axis of counts
    low, high = np.quantile(null, [0.025, 0.975])
    assert f"95 % of them lie from {low:.4f} to {high:.4f}" in svg.description
    assert "2 % of 2,000 groups are as alike" in svg.description
    assert inside(svg)


@pytest.mark.parametrize("null", [np.full(30, 0.4), np.array([0.4])])
def test_random_groups_that_are_all_the_same_are_drawn(null):
    svg = Drawn(null_chart(null, name="n", observed=0.4, share=1.0, size=2))
    assert len(upright(svg, ORANGE)) == 1


def test_no_random_groups_is_said():
    with pytest.raises(OptionError, match="no random group was drawn"):
        null_chart(np.empty(0), name="n", observed=0.4, share=1.0, size=2)


def test_controls_of_one_and_two_disorders_stand_on_one_scale():
    distances = np.array([0.2, 0.3, 0.3, 0.6, 0.7, 0.8, 0.8])
    different = distances > 0.5
    svg = Drawn(controls_chart(distances, different, name="c", observed=0.35, threshold=0.45, interval=(0.4, 0.5)))
    assert len(upright(svg, ORANGE)) == 1  # at one place in both panels
    alike, apart = ([box for box in svg.boxes(colour) if box[3] > box[1]] for colour in (BLUE, GREY))
    assert max(right for _, _, right, _ in alike) < min(left for left, *_ in apart)
    assert svg.words.count("pairs") == 2  # a y axis of counts each
    assert {"one disorder, 3 pairs", "two disorders, 4 pairs", "threshold 0.4500"} <= set(svg.words)
    assert svg.description == (
        "The two cohorts are 0.3500 apart. 3 pairs of one disorder have a median of 0.3000. 4 pairs of two disorders "
        "have a median of 0.7500. The threshold is 0.4500, 95 % interval 0.4000 to 0.5000."
    )


def test_controls_without_a_threshold_or_with_one_kind_only_are_drawn():
    svg = Drawn(controls_chart(np.array([0.4]), np.array([False]), name="c", observed=0.4))
    assert "two disorders, 0 pairs" in svg.words
    assert "threshold" not in svg.description
    with pytest.raises(OptionError, match="no control pair"):
        controls_chart(np.empty(0), np.empty(0, bool), name="c", observed=0.4)


def test_the_tree_has_its_leaves_in_order_and_the_cut_across():
    where = np.array([0.0, 0.1, 5.0, 5.2, 9.0])
    distances = np.abs(where[:, None] - where[None])
    tree, order = average_linkage(distances)
    names = ["a", "b", "c", "d", "<e>"]
    svg = Drawn(tree_chart(tree, names, name="t", cut=1.0, groups={"a": 1, "b": 1, "c": 2, "d": 2}))
    shown = sorted(("a  [1]", "b  [1]", "c  [2]", "d  [2]", "<e>"), key=lambda word: svg.place(word)[1])
    assert [word.split()[0] for word in shown] == [names[i] for i in order]
    assert len([line for line in svg.lines(BLUE) if len(line) == 4]) == 2
    assert len([line for line in svg.lines(GREY) if len(line) == 4]) == 2
    assert "cut at 1.000" in svg.words
    assert "2 clusters join below the cut at 1.000" in svg.description
    assert inside(svg)


def test_a_large_tree_has_no_names_and_a_wrong_one_is_refused():
    rng = np.random.default_rng(1)
    where = rng.standard_normal((200, 2))
    tree, _ = average_linkage(np.linalg.norm(where[:, None] - where[None], axis=2))
    svg = Drawn(tree_chart(tree, [f"p{i}" for i in range(200)], name="t"))
    assert not any(word.startswith("p") for word in svg.words)
    assert svg.size[1] < 1_500
    with pytest.raises(OptionError, match="3 labels for a tree of 200 leaves"):
        tree_chart(tree, ["a", "b", "c"], name="t")
