from __future__ import annotations

import pytest

from deciface.cases import Ancestry, Patient, Photo, Sex
from deciface.errors import NoGalleryError
from deciface.explain import match_controls


def people(count, *, start=0, sex=Sex.FEMALE, ancestry="Hakka", age=30.0):
    made = [Patient(f"c{start + i:03d}", sex=sex, ancestry=(Ancestry(ancestry),)) for i in range(count)]
    return [Photo(f"{p.id}-1", p, "x", age_years=age, unaffected=True) for p in made]


ASKED = {"age_years": 25.0, "sex": Sex.FEMALE, "ancestry": ("hakka",)}


def test_all_conditions_hold_where_there_are_enough():
    others = people(30, start=100, sex=Sex.MALE) + people(30, start=200, ancestry="Amis") + people(9, start=300, age=3)
    found = match_controls(others + people(22), **ASKED)
    assert {p.patient.id for p in found.photos} == {f"c{i:03d}" for i in range(22)}
    assert str(found) == "22 controls matched on sex, age band and ancestry"


@pytest.mark.parametrize(
    ("more", "relaxed", "said"),
    [
        (people(8, start=50, sex=Sex.MALE), ("sex",), "27 controls matched on age band and ancestry; sex relaxed"),
        (people(8, start=50, age=50), ("age band",), "27 controls matched on sex and ancestry; age band"),
        (people(8, start=50, age=50, sex=Sex.MALE), ("sex", "age band"), "27 controls matched on ancestry; sex and"),
        (people(8, start=50, ancestry="Amis"), ("ancestry",), "27 controls matched on sex and age band; ancestry"),
    ],
)  # fmt: skip
def test_what_is_given_up(more, relaxed, said):
    found = match_controls(people(19) + more, **ASKED)
    assert found.relaxed == relaxed
    assert str(found).startswith(said)


def test_ancestry_is_given_up_last():
    found = match_controls(
        people(19) + people(40, start=50, ancestry="Amis") + people(1, start=99, age=50, sex=Sex.MALE), **ASKED
    )
    assert found.matched_on == ("ancestry",)
    assert found.people == 20


def test_too_few_at_all_are_taken_as_they_are():
    found = match_controls(people(2, ancestry="Amis", sex=Sex.MALE, age=50), **ASKED)
    assert str(found) == "2 controls not matched on anything; sex, age band and ancestry relaxed to have 20"


def test_what_was_not_said_cannot_be_matched():
    found = match_controls(people(30), age_years=None, sex=Sex.UNKNOWN, ancestry=("Hakka",))
    assert str(found) == "30 controls matched on ancestry; sex and age band of the patient not stated"
    with pytest.raises(NoGalleryError, match=r"^no unaffected people to compare with; choose a gallery"):
        match_controls([], **ASKED)
