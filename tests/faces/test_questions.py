"""What measurements ask the clinician, and what stays unasked."""

from __future__ import annotations

from deciface.cases import Sex
from deciface.faces.measurement_definitions import MEASUREMENTS
from deciface.faces.measurements import Measured
from deciface.faces.norms import Group, Norm, ZScore
from deciface.faces.questions import questions

GROUP = Group(Sex.FEMALE, "Hakka", 18, 40)
INNER, PUPILS = "inner canthal distance / face width", "interpupillary distance / face width"


def scored(name: str, z: float, se: float = 0.5) -> ZScore:
    norm = Norm(name, GROUP, 1.0, 0.3, 0.1, None, 50, "Own 2026")
    return ZScore(Measured(MEASUREMENTS[name], 0.3, 0.01), norm, z, se)


def labels(*scores: ZScore) -> list[str]:
    return [q.term.label for q in questions(scores)]


def test_telecanthus_is_asked_where_the_pupils_are_where_they_should_be():
    (question,) = questions([scored(INNER, 2.44), scored(PUPILS, 0.3)])
    assert str(question) == (
        "Telecanthus, HP:0000506? inner canthal distance / face width: z = 2.4 +- 0.5 "
        "against female, Hakka, 18 to below 40 years, Own 2026"
    )


def test_eyes_far_apart_are_hypertelorism_and_not_telecanthus():
    assert labels(scored(INNER, 2.8), scored(PUPILS, 2.1)) == ["Hypertelorism"]
    assert labels(scored(INNER, 2.8)) == [], "the pupils are not known"
    assert labels(scored(PUPILS, -2.0)) == ["Hypotelorism"]


def test_both_directions_and_the_most_unusual_first():
    nose, lip = "nasal width / face width", "upper lip vermilion / outer canthal distance"
    assert labels(scored(nose, 2.1), scored(lip, -3.0)) == ["Thin upper lip vermilion", "Wide nose"]
    assert labels(scored(nose, 1.99), scored(lip, -1.99)) == []
    other = "nasal width / outer canthal distance"
    (question,) = questions([scored(nose, 0.4), scored(other, 2.5)])
    assert [s.z for s in question.scores] == [2.5, 0.4], "what speaks against it is shown too"


def test_the_error_of_measuring_asks_nothing():
    nose = "nasal width / face width"
    assert labels(scored(nose, 2.4, se=1.6)) == []
    assert labels(scored(nose, 2.4, se=1.4)) == ["Wide nose"]
    assert labels(scored(INNER, 3.0), scored(PUPILS, 2.1, se=2.0)) == [], "the pupils may lie far apart, too"


def test_a_measurement_without_a_term_asks_nothing():
    assert labels(scored("difference of slants", 5.0)) == []
