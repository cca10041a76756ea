"""Patients as rows: means, distances, and mean distances of sets by two ways of counting."""

import numpy as np
import pytest

from deciface.errors import NothingFoundError
from deciface.space import people as people_module
from deciface.space.people import PatientRow, mean_across, mean_within, one_a_family, people_of
from tests.space.cohorts import VIEWS, apart, face_of, gallery_of_people, mean_distance


@pytest.fixture(scope="module")
def gallery():
    people = [{"photos": 1 + i % 3} for i in range(8)]
    return gallery_of_people([*people, {"disorder": 1, "family": "f"}, {"unaffected": True, "family": "f"}], seed=3)


@pytest.mark.parametrize("row", PatientRow)
def test_distances_equal_plain_loops(gallery, row):
    people = people_of(gallery, row=row)
    photos = {
        who: [p.id for p in gallery.photos if p.patient.id == who][: None if row is PatientRow.MEAN else 1]
        for who in people.ids
    }
    faces = [face_of(gallery, photos[who]) for who in people.ids]
    found = people.distances(np.arange(len(people)))
    for i, one in enumerate(faces):
        for j, other in enumerate(faces):
            assert found[i, j] == (0.0 if i == j else pytest.approx(apart(one, other), abs=1e-6))
    assert people_of(gallery, row=row) is people


@pytest.mark.parametrize("cheap", [0, 10**6])
def test_both_ways_of_counting_sets_equal_plain_loops(gallery, cheap, monkeypatch):
    monkeypatch.setattr(people_module, "_PAIRS_ARE_CHEAP", cheap)
    people = people_of(gallery)
    sets = np.array([[0, 1, 2], [5, 3, 7], [2, 1, 0]])
    found = mean_within(people.vectors, sets, views=len(VIEWS))
    truth = [mean_distance(gallery, [people.ids[i] for i in s]) for s in sets.tolist()]
    assert found == pytest.approx(truth, abs=1e-6)
    assert found[0] == pytest.approx(found[2], abs=1e-12)


def test_the_mean_across_two_sets_is_that_of_all_pairs(gallery):
    people = people_of(gallery)
    one, other = np.array([0, 4]), np.array([1, 2, 3])
    truth = people.distances(one, other).mean()
    assert mean_across(people.vectors, one, other, views=len(VIEWS)) == pytest.approx(truth, abs=1e-6)


def test_who_is_unsolved_unaffected_and_related(gallery):
    people = people_of(gallery)
    assert people.unsolved.tolist() == list(range(8))
    assert np.flatnonzero(people.unaffected).tolist() == [9]
    assert people.disorders[8] == {"D1"}
    assert one_a_family(people, np.arange(10)).tolist() == list(range(9))
    assert one_a_family(people, np.arange(10), taken={"f"}).tolist() == list(range(8))


def test_people_are_found_by_id(gallery):
    people = people_of(gallery)
    assert people.find(["p003", "p001", "p003"], what="cohort").tolist() == [1, 3]
    with pytest.raises(NothingFoundError, match="cohort: patient 'x' is not in the gallery"):
        people.find(["x"], what="cohort")
