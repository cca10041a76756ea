"""Norms: the LMS method, whom a norm holds for, tables that are refused, and one's own people."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deciface.cases import Sex
from deciface.errors import InputError, TableError
from deciface.faces.measurement_definitions import MEASUREMENTS
from deciface.faces.measurements import Measured
from deciface.faces.norms import LEAST_PEOPLE, Group, Norm, Norms, Person, own_norms, read_norms, table_of, z_score

RATIO = "inner canthal distance / face width"
SLANT = "palpebral fissure slant"
WOMEN = Group(Sex.FEMALE, "Hakka", 18, 40)


def measured(name: str, value: float, se: float = 0.0) -> Measured:
    return Measured(MEASUREMENTS[name], value, se)


def test_the_example_of_the_cdc_growth_charts():
    """9.7 kg of a boy of 9.5 months: z = 0.207 by the charts' own documentation."""
    norm = Norm(RATIO, WOMEN, -0.1600954, 9.476500305, 0.11218624, None, None, "CDC")
    assert norm.z(9.7) == pytest.approx(0.207, abs=5e-4)
    assert norm.z(9.476500305) == 0
    with pytest.raises(InputError, match="norms by l, m, s need a value above 0"):
        norm.z(0.0)


def test_without_skewness_the_method_is_the_logarithm_and_with_1_the_mean():
    assert Norm(RATIO, WOMEN, 0.0, 0.3, 0.1, None, None, "").z(0.33) == pytest.approx(math.log(1.1) / 0.1)
    assert Norm(RATIO, WOMEN, 1.0, 0.3, 0.1, None, None, "").z(0.36) == pytest.approx(2.0)
    assert Norm(SLANT, WOMEN, 1.0, -1.0, 1.0, 2.0, None, "").z(3.0) == 2.0


def test_the_error_of_a_z_score():
    """Of the measurement, through the norm; of a norm from n people, 1/n and z^2 / 2(n-1): checked by drawing."""
    norm = Norm(RATIO, WOMEN, 1.0, 0.28, 1.0, 0.02, None, "")
    score = z_score(measured(RATIO, 0.32, 0.01), norm)
    assert (score.z, score.se) == pytest.approx((2.0, 0.5), rel=1e-4)
    rng, people = np.random.default_rng(5), 30
    drawn = rng.normal(0.28, 0.02, (4000, people))
    scores = (0.32 - drawn.mean(1)) / drawn.std(1, ddof=1)
    few = z_score(measured(RATIO, 0.32), Norm(RATIO, WOMEN, 1.0, 0.28, 1.0, 0.02, people, ""))
    assert few.se == pytest.approx(scores.std(), rel=0.1)


def test_nobody_is_compared_with_another_group():
    norms = Norms((Norm(RATIO, WOMEN, 1.0, 0.28, 0.07, None, 50, "Farkas"),))
    one = [measured(RATIO, 0.3), measured(SLANT, 3.0)]
    (score,) = norms.z_scores(one, sex=Sex.FEMALE, ancestry="hakka", age_years=18)
    assert score.norm.source == "Farkas"
    for sex, ancestry, age in (
        (Sex.MALE, "Hakka", 20.0),
        (Sex.FEMALE, "German", 20.0),
        (Sex.FEMALE, "Hakka", 40.0),
        (Sex.FEMALE, "Hakka", None),
        (Sex.UNKNOWN, "Hakka", 20.0),
    ):
        assert norms.z_scores(one, sex=sex, ancestry=ancestry, age_years=age) == ()


HEADER = "measurement,sex,ancestry,age_from,age_to,people,source"


def test_a_table(tmp_path):
    path = tmp_path / "norms.csv"
    path.write_text(
        f"{HEADER},l,m,s,mean,sd\n{RATIO},female,Hakka,18,40,50,Own 2026,-0.2,0.28,0.07,,\n"
        f"{SLANT},male,Hakka,18,40,,Own 2026,,,,-1.5,2.2\n"
    )
    ratio, slant = read_norms(path).rows
    assert ratio == Norm(RATIO, WOMEN, -0.2, 0.28, 0.07, None, 50, "Own 2026")
    assert (slant.m, slant.sd, slant.people) == (-1.5, 2.2, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "column 'measurement'.*column missing; there are a, b"),
        (f"{HEADER},mean\n{RATIO},female,Hakka,1,2,3,x,4\n", "give l, m and s, or mean and sd"),
        (f"{HEADER},mean,sd\nnose,female,Hakka,1,2,3,x,4,5\n", "row 2, column 'measurement'.*'nose' is not measured"),
        (f"{HEADER},mean,sd\n{RATIO},both,Hakka,1,2,3,x,4,5\n", "'both'; female or male is needed, never both"),
        (f"{HEADER},mean,sd\n{RATIO},unknown,Hakka,1,2,3,x,4,5\n", "one sex and one ancestry; name both"),
        (f"{HEADER},mean,sd\n{RATIO},male,,1,2,3,x,4,5\n", "one sex and one ancestry; name both"),
        (f"{HEADER},mean,sd\n{RATIO},male,Hakka,9,2,3,x,4,5\n", "column 'age_to'.*'2'; a number above 9 is needed"),
        (f"{HEADER},mean,sd\n{RATIO},male,Hakka,1,2,3,x,4,0\n", "column 'sd'.*'0'; a number above 0 is needed"),
        (f"{HEADER},mean,sd\n{RATIO},male,Hakka,1,2,3,x,nan,1\n", "column 'mean'.*'nan'; a number is needed"),
        (
            f"{HEADER},mean,sd\n{RATIO},male,Hakka,1,9,3,x,1,1\n{RATIO},male,hakka,8,20,3,y,1,1\n",
            "row 3.*two norms of inner canthal distance / face width for the same people",
        ),
    ],
)
def test_tables_that_are_refused(tmp_path, text, message):
    path = tmp_path / "norms.csv"
    path.write_text(text)
    with pytest.raises(TableError, match=message):
        read_norms(path)


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_norms(tmp_path / "none.csv")


def test_own_people_by_group_and_never_pooled():
    rng = np.random.default_rng(0)
    people = [
        Person(sex, ancestry, 25.0, (measured(RATIO, float(rng.normal(mean, 0.02))),))
        for sex, ancestry, mean, count in (
            (Sex.FEMALE, "Hakka", 0.30, 40),
            (Sex.FEMALE, "German", 0.26, 40),
            (Sex.MALE, "Hakka", 0.31, LEAST_PEOPLE - 1),
            (Sex.FEMALE, "not recorded", 0.28, 40),
        )
        for _ in range(count)
    ]
    norms = own_norms(people, [(0, 18), (18, 120)], source="Taipei")
    assert {(str(n.group), n.people) for n in norms.rows} == {
        ("female, Hakka, 18 to below 120 years", 40),
        ("female, German, 18 to below 120 years", 40),
    }
    for ancestry, mean in (("Hakka", 0.30), ("German", 0.26)):
        norm = norms.of(RATIO, Sex.FEMALE, ancestry, 30)
        assert norm.m == pytest.approx(mean, abs=0.01)
        assert norm.sd == pytest.approx(0.02, rel=0.3)
    assert norms.of(RATIO, Sex.FEMALE, "Hakka", 10) is None


def test_a_table_is_written_as_it_is_read(tmp_path):
    norms = Norms(
        (
            Norm(RATIO, WOMEN, -0.16, 0.28, 0.11, None, 40, "Lin 2020"),
            Norm(SLANT, Group(Sex.MALE, "white", 40, 60.5), 1.0, -1.25, 1.0, 2.5, None, "own, of 2026"),
        )
    )
    path = tmp_path / "norms.csv"
    path.write_text(table_of(norms), encoding="utf-8")
    assert read_norms(path) == norms
