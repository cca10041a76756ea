"""The truth that maps are measured against lies where the feature was planted; rows say what was promised."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest

from deciface.benchmarks.explain_pointing import Pointing, best_place, pointing_rows
from deciface.benchmarks.explain_rates import rate_rows
from deciface.benchmarks.planted_regions import (
    SINGLE_FEATURES,
    PlantedCrop,
    changed_part,
    simulated_crop,
    split,
    warped_crop,
)
from deciface.explain.regions import canonical_to_crop, regions_of
from deciface.faces import template
from deciface.simulate import FEATURES, AppearanceModel
from deciface.simulate.features import check_features

LIES_IN = {
    "hypertelorism": "eyes",
    "upslanted_fissures": "eyes",
    "narrow_fissures": "eyes",
    "epicanthus": "eyes",
    "wide_nose": "nose",
    "wide_nasal_bridge": "nasal bridge",
    "long_philtrum": "mouth",
    "thick_lower_lip": "mouth",
    "wide_mouth": "mouth",
    "tall_chin": "chin and jaw",
}


def assert_truth_lies_where_it_should(planted: PlantedCrop, feature: str) -> None:
    truth = planted.truth
    assert 0.003 < truth.sum() / planted.face.sum() < 0.12, feature
    assert not (truth & ~planted.face).any()
    regions = regions_of("dlib-150")
    held = np.einsum("hw,rhw->r", truth, regions.masks)
    assert regions.names[int(np.argmax(held))] == LIES_IN[feature], feature


def test_ten_features_are_planted():
    assert set(LIES_IN) == set(SINGLE_FEATURES) <= set(FEATURES)
    assert len(SINGLE_FEATURES) == 10
    for name, amount in SINGLE_FEATURES.items():
        assert check_features({name: amount}) == {name: amount}
        assert abs(amount) == 3


@pytest.mark.models
@pytest.mark.parametrize("feature", list(SINGLE_FEATURES))
def test_truth_of_simulated_faces(finder, feature):
    features = {feature: SINGLE_FEATURES[feature]}
    made = simulated_crop(AppearanceModel.shipped(), finder, "dlib-150", number=3, features=features)
    assert_truth_lies_where_it_should(made, feature)


@pytest.mark.models
def test_truth_of_warped_photos(people, finder):
    made = warped_crop(people[0], finder, "dlib-150", features={"wide_nose": 3.0})
    assert_truth_lies_where_it_should(made, "wide_nose")


@pytest.mark.models
def test_who_has_no_feature_has_no_truth_and_a_face(finder):
    made = simulated_crop(AppearanceModel.shipped(), finder, "dlib-150", number=3, features={})
    assert not made.truth.any()
    to_crop = canonical_to_crop(template("dlib-150"))
    for place, inside in (((0, 0.4), True), ((0.36, 0), True), ((0, 0.75), True), ((-0.9, -0.6), False)):
        x, y = np.rint(to_crop[:, :2] @ place + to_crop[:, 2]).astype(int)
        assert made.face[y, x] == inside, place


def test_the_truth_is_the_smallest_part_that_holds_half_of_the_change():
    face = np.ones((60, 60), bool)
    face[:, 50:] = False
    plain = np.full((60, 60, 3), 90.0)
    planted = plain.copy()
    planted[10:20, 10:20] += 40  # a strong change
    planted[30:50, 10:40] -= 3  # a weak one that is spread out
    planted[:, 55:] += 200  # of the background
    truth = changed_part(planted, plain, face=face, blur_px=0.8)
    assert truth[12:18, 12:18].mean() > 0.9
    assert truth[25:].sum() == truth[:, 50:].sum() == 0
    change = np.abs(planted - plain).mean(axis=2) * face
    assert 0.35 < (change * truth).sum() / change.sum() < 0.65
    assert not changed_part(plain, plain, face=face, blur_px=0.8).any()


def test_nobody_is_two_of_tested_member_and_control():
    tested, members, controls = split(list(range(50)), tests=10, members=15)
    assert (len(tested), len(members), len(controls)) == (10, 15, 25)
    assert len({*tested, *members, *controls}) == 50


def test_the_best_fixed_place():
    """The best fixed place lies in most truths, in the middle of what they share."""
    truths = np.zeros((5, 30, 30), bool)
    truths[:4, 5:14, 10:19] = True
    truths[3, 20:29, 20:29] = truths[4, 20:29, 20:29] = True
    assert best_place(truths) == (9, 14)


def answered(own, elsewhere=0.0):
    """Faces that are right about their own feature; `others` of ten at random."""
    rng = np.random.default_rng(4)
    asked = [i % 10 for i in range(len(own))]
    right = rng.random((len(own), len(own), 10)) < elsewhere
    right[np.arange(len(own)), np.arange(len(own)), asked] = own
    return right, asked


def test_answers_are_sorted_by_face_and_question():
    right = np.zeros((3, 3, 2), bool)
    asked = [0, 1, 0]
    right[0, 0] = True, False
    right[1, 1] = True, False
    right[2, 2] = True, True
    right[0, 1, 0] = right[2, 1, 1] = True
    found = Pointing.of(right, asked, blind=np.array([True, False, False]))
    assert found.own.tolist() == [True, False, True]
    assert found.others.tolist() == [[False], [True], [True]]
    assert found.elsewhere.tolist() == [1.0, 0.0, 0.0], "of faces that have another feature"


def test_p_values_equal_plain_counting():
    right, asked = answered([True, True, False, True], elsewhere=0.3)
    blind = np.array([False, True, True, False])
    found = Pointing.of(right, asked, blind=blind)
    assert found.against_blind == binomtest(2, 3).pvalue
    here = right[np.arange(4), np.arange(4)]
    as_many = [sum(row[k] for row, k in zip(here, chosen, strict=True)) >= 3 for chosen in product(range(10), repeat=4)]
    assert found.against_others == pytest.approx(np.mean(as_many))
    assert not found.holds
    assert Pointing(blind, blind).against_blind == 1
    assert Pointing(blind, blind).against_others is None


@pytest.mark.parametrize(
    ("own", "blind", "others", "holds"),
    [
        ([True] * 30 + [False] * 10, [True] * 8 + [False] * 32, 0.1, True),
        ([True] * 18 + [False] * 22, [False] * 24 + [True] * 16, 0.1, False),  # no better than a fixed place
        ([True] * 30 + [False] * 10, [True] * 8 + [False] * 32, 0.9, False),  # whatever is asked
    ],
)
def test_rows_hold_only_above_the_fixed_place_and_other_features(own, blind, others, holds):
    right, asked = answered(own, elsewhere=others)
    found = Pointing.of(right, asked, blind=np.array(blind))
    row, other, _ = pointing_rows("x", "occlusion map", found, blind="the best fixed place", promised=True)
    assert row.holds is holds
    assert (row.value, row.peer_value) == (100 * np.mean(own), 100 * np.mean(blind))
    assert row.target == "above the best fixed place and above other features asked of the same face, p <= 0.05 each"
    assert other.value == pytest.approx(100 * others, abs=8)
    (peer,) = pointing_rows("x", "g", Pointing(found.own, found.blind), blind="the best fixed place", promised=False)
    assert (peer.holds, peer.target) == (None, None)
    assert "against other features" not in peer.unit


def test_rates_of_what_is_said():
    rng = np.random.default_rng(8)
    names = ("eyes", "nose", "mouth")
    made = rng.normal(size=(3, 70, 12)) * 0.05 + np.eye(12)[0]
    kinds = {"wide_nose": 1, "wide_mouth": 2}
    people = dict(zip(["", *kinds], np.split(made, [30, 50], axis=1), strict=True))
    for feature, region in kinds.items():
        people[feature][region] += 0.5 * np.eye(12)[region]
    people = {who: rows / np.linalg.norm(rows, axis=2, keepdims=True) for who, rows in people.items()}
    tested = [(f, people[f][:, i], names[r]) for f, r in kinds.items() for i in range(5)]
    members = {f: people[f][:, 5:] for f in kinds}
    rows = {row.name: row for row in rate_rows("x", names, controls=people[""], members=members, tested=tested)}
    assert len(rows) == 7
    assert rows["x, a patient: some region speaks for"].value == 100
    assert rows["x, a patient: some region speaks for"].unit == "% of 10 (95 % interval 69-100)"
    assert rows["x, a patient: regions that speak for and hold most of the feature"].value > 80
    healthy = rows["x, an unaffected person: some region speaks for"]
    assert (healthy.target, healthy.holds) == ("<= 5", True)
    assert healthy.unit == "% of 60 answers about 30 people"
    assert rows["x, a patient: some region speaks against"].target == "<= 5"
    assert rows["x, a person with another feature: some region speaks for"].target is None


def test_a_broken_promise_is_a_row_that_does_not_hold():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(1, 50, 12)) * 0.05 + np.eye(12)[0]
    rows[:, 20:40] += np.eye(12)[1]
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    healthy = [("wide_nose", rows[:, 40 + i], "nose") for i in range(10)]  # controls who are called patients
    said = rate_rows("x", ["nose"], controls=rows[:, :20], members={"wide_nose": rows[:, 20:40]}, tested=healthy)
    row = next(row for row in said if row.name == "x, a patient: some region speaks against")
    assert row.value > 50
    assert row.holds is False
