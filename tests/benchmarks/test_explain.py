"""The truth that maps are measured against lies where the feature was planted; rows say what was promised."""

from __future__ import annotations

import numpy as np
import pytest

from deciface.benchmarks.explain import _rows
from deciface.benchmarks.planted_regions import SINGLE_FEATURES, PlantedCrop, simulated_crop, split, warped_crop
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


def share_of_region(truth: np.ndarray, name: str) -> float:
    regions = regions_of("dlib-150")
    mask = regions.masks[regions.names.index(name)]
    return float((mask * truth).sum() / mask.sum())


@pytest.fixture(scope="module")
def planted(finder) -> PlantedCrop:
    return simulated_crop(AppearanceModel.shipped(), finder, "dlib-150", number=3, features={})


def assert_truth_lies_where_it_should(planted: PlantedCrop) -> None:
    face = planted.face()
    for name, region in LIES_IN.items():
        truth = planted.truth(name)
        assert 0.01 < truth.sum() / face.sum() < 0.25, name
        assert not (truth & ~face).any()
        inside = share_of_region(truth, region)
        assert inside > 0.2, name
        assert inside > 2 * share_of_region(truth, "forehead"), name


def test_ten_features_are_planted():
    assert set(LIES_IN) == set(SINGLE_FEATURES) <= set(FEATURES)
    assert len(SINGLE_FEATURES) == 10
    for name, amount in SINGLE_FEATURES.items():
        assert check_features({name: amount}) == {name: amount}
        assert abs(amount) == 3


@pytest.mark.models
def test_truth_of_simulated_faces(planted):
    assert_truth_lies_where_it_should(planted)


@pytest.mark.models
def test_truth_of_warped_photos(people, finder):
    assert_truth_lies_where_it_should(warped_crop(people[0], finder, "dlib-150", features={"wide_nose": 3.0}))


@pytest.mark.models
def test_pixels_change_where_the_truth_is(finder):
    model = AppearanceModel.shipped()
    crops = []
    for features in ({}, {"wide_mouth": 3.0}):
        made = simulated_crop(model, finder, "dlib-150", number=4, features=features)
        crops.append(made)
    to_crop = [np.linalg.inv(np.vstack([c.to_eye_frame, [0, 0, 1]])) for c in crops]
    corners = [m[:2, :2] @ [0.3, 0.72] + m[:2, 2] for m in to_crop]
    assert np.abs(corners[0] - corners[1]).max() < 4, "the same place of the same person in both crops"
    plain, planted = (c.truth("wide_mouth") for c in crops)
    assert (plain & planted).sum() / (plain | planted).sum() > 0.8


@pytest.mark.models
def test_the_frame_of_the_face_is_that_of_the_canonical_one(planted):
    to_eye = np.vstack([planted.to_eye_frame, [0, 0, 1]])
    from_canonical = np.vstack([canonical_to_crop(template("dlib-150")), [0, 0, 1]])
    corners = np.array([[-0.5, 0, 1], [0.5, 0, 1], [0, 0.487, 1]])
    found = (to_eye @ from_canonical @ corners.T).T[:, :2]
    assert np.abs(found - corners[:, :2]).max() < 0.12


def test_nobody_is_two_of_tested_member_and_control():
    tested, members, controls = split(list(range(50)), tests=10, members=15)
    assert (len(tested), len(members), len(controls)) == (10, 15, 25)
    assert len({*tested, *members, *controls}) == 50


def test_rows_hold_only_above_chance():
    hits = {
        "occlusion map": [1.0] * 20 + [0.0] * 20,
        "regional similarity": [1.0] * 5 + [0.0] * 35,
        "integrated gradients": [1.0] * 20 + [0.0] * 20,
        "chance": [0.1] * 40,
    }
    rows = {row.name: row for row in _rows("dlib-resnet", "simulated faces", hits)}
    above, not_above, peer = (rows[f"simulated faces, dlib-resnet, {kind}: pointing hits"] for kind in list(hits)[:3])
    assert (above.value, above.unit, above.holds) == (50.0, "% of 40 (95 % interval 34-66)", True)
    assert (not_above.holds, not_above.target) == (False, "interval above chance")
    assert (peer.holds, peer.peer, peer.peer_value, peer.ratio) == (None, "chance by area, %", 10.0, 5.0)
