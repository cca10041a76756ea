import pytest

from deciface.errors import OptionError
from deciface.evaluation.accuracy import Figure, StratumAccuracy
from deciface.evaluation.protocol import Experiment
from deciface.figures.accuracy import (
    AgeAccuracy,
    Bar,
    PhotoOverYears,
    accuracy_bars,
    accuracy_by_age,
    ages_of_strata,
    bars_of_strata,
    ranks_over_years,
)
from deciface.figures.chart import BLUE, ORANGE
from tests.figures.svg import Drawn, inside


def stratum(by, name, value=None, patients=30):
    figures = {"top-1": Figure(value, (value - 0.1, value + 0.1), "Wilson")} if value is not None else {}
    return StratumAccuracy(Experiment.RARE, by, name, patients, 5, figures)


STRATA = (
    stratum("ancestry", "Hakka", 0.5),
    stratum("ancestry", "原住民", patients=4),
    stratum("age", "6-12 years", 0.25),
    stratum("age", "40+ years", 0.75),
    stratum("age", "0-2 years", 0.5),
    stratum("age", "several", 0.5),
)


def test_bars_are_drawn_to_scale_with_their_number_of_people():
    svg = Drawn(accuracy_bars(bars_of_strata(STRATA), name="b", chance=0.05, overall=0.45))
    dots = svg.markers(BLUE)
    assert len(dots) == 5
    zero, whole = (svg.place(word)[0] for word in ("0", "100 %"))
    assert (dots[0][0] - zero) / (whole - zero) == pytest.approx(0.5)
    assert (dots[1][0] - zero) / (whole - zero) == pytest.approx(0.25)
    assert svg.words.count("n 30") == 5
    assert {"Hakka", "原住民", "too few", "n 4", "ancestry", "age"} <= set(svg.words)
    assert "top-1 (dashed: all people, dotted: chance)" in svg.words
    assert svg.place("Hakka")[1] < svg.place("原住民")[1] < svg.place("age")[1] < svg.place("6-12 years")[1]
    assert "ancestry Hakka: 50 % (40–60 %) of 30 patients" in svg.description
    assert "ancestry 原住民: too few (4 patients)" in svg.description
    assert inside(svg)


def test_ages_are_read_from_strata_in_their_order():
    ages = ages_of_strata(STRATA)
    assert [(a.from_years, a.to_years, a.value, a.label) for a in ages] == [
        (0, 2, 0.5, "0–2"),
        (6, 12, 0.25, "6–12"),
        (40, None, 0.75, "40+"),
    ]


def test_accuracy_by_age_has_a_gap_where_there_are_too_few():
    ages = (
        AgeAccuracy(0, 2, 0.5, (0.4, 0.6), 30),
        AgeAccuracy(2, 6, None, None, 3),
        AgeAccuracy(6, None, 0.25, (0.1, 0.4), 20),
    )
    svg = Drawn(accuracy_by_age(ages, name="a", chance=0.1))
    first, last = svg.markers(BLUE)
    zero, whole = (svg.place(word)[1] for word in ("0", "100 %"))
    assert (first[1] - zero) / (whole - zero) == pytest.approx(0.5, abs=0.03)
    assert last[1] - first[1] == pytest.approx(0.25 * (zero - whole), abs=1e-3)
    assert "too few" in svg.words
    joined = [line for line in svg.lines(BLUE) if line[0][0] != line[-1][0]]
    assert joined == []  # no line across the gap
    assert "2–6 years: too few (3 patients)" in svg.description


def test_ranks_over_the_years_are_one_line_a_patient():
    patients = (
        ("p1", (PhotoOverYears(9, 1), PhotoOverYears(1, 30))),
        ("p2", (PhotoOverYears(2, None), PhotoOverYears(5, 3))),
    )
    svg = Drawn(ranks_over_years(patients, name="y", disorders=100))
    (one,) = (line for line in svg.lines(BLUE) if len(line) == 2)
    assert one[0][0] < one[1][0]  # by age
    assert one[0][1] > one[1][1]  # rank 1 is at the top
    (other,) = (line for line in svg.lines(ORANGE) if len(line) == 2)
    assert other[0][1] > one[0][1]  # what the gallery lacks stands at the foot
    assert {"p1", "p2", "1", "100"} <= set(svg.words)
    assert svg.description == (
        "p1: rank 30 at 1 years, rank 1 at 9 years; p2: not in the gallery at 2 years, rank 3 at 5 years."
    )


def test_nothing_to_draw_is_said():
    for chart, said in (
        (lambda: accuracy_bars((), name="b"), "no accuracy to draw"),
        (lambda: accuracy_by_age((), name="a"), "no age is known"),
        (lambda: ranks_over_years((), name="y", disorders=3), "no patient has photos of several ages"),
    ):
        with pytest.raises(OptionError, match=said):
            chart()


def test_a_bar_without_an_interval_or_a_heading_is_drawn():
    svg = Drawn(accuracy_bars([Bar("all", "", 0.4, None, 9)], name="b"))
    assert len(svg.markers(BLUE)) == 1
    assert svg.description == "all: 40 % of 9 patients."
