"""Crops with planted features: the truth beside them is the truth, and nothing depends on the number of processes."""

from __future__ import annotations

import numpy as np
import pytest

from deciface.simulate import AppearanceModel
from deciface.simulate.features import FEATURES
from deciface.training import planted_crops
from deciface.training.planted_crops import (
    FEATURE_NAMES,
    LEAST_SD,
    MARGIN_PX,
    WIDE_GREY,
    Sitting,
    all_shots,
    draw_amounts,
    joined,
    shoot,
    shots_of,
    simulated_subject,
)

SIDE_PX = WIDE_GREY.side_px


@pytest.fixture(scope="module")
def model():
    return AppearanceModel.shipped()


@pytest.fixture(scope="module")
def shots(model):
    return shots_of(model, Sitting(5, 40))


def test_shapes_and_truth(shots):
    assert shots.crops.shape == (40, SIDE_PX, SIDE_PX)
    assert shots.crops.dtype == np.uint8
    assert shots.amounts_sd.shape == (40, len(FEATURE_NAMES))
    assert shots.landmarks_px.shape == (40, 189, 2)
    planted = (shots.amounts_sd != 0).sum(1)
    assert planted.max() <= planted_crops.MOST_FEATURES
    assert 0 < (planted == 0).sum() < 30, "some faces stay as they are"
    eyes = shots.landmarks_px[:, [18, 27]].mean(1) - MARGIN_PX
    assert np.abs(eyes - [64, 42]).max() < 8, "the eyes are where the template has them"


def test_the_landmarks_are_where_the_face_is(shots):
    """The pupils are darker than the skin between the eyes, in every shot."""
    for crop, points in zip(shots.crops, shots.landmarks_px, strict=True):
        bridge = points[[22, 23]].mean(0)

        def mean(at, crop=crop):
            x, y = np.round(at).astype(int)
            return crop[y - 1 : y + 2, x - 1 : x + 2].mean()

        assert mean(points[0]) < mean(bridge)
        assert mean(points[1]) < mean(bridge)


def test_planted_hypertelorism_moves_the_eyes_apart(model, monkeypatch):
    subject = simulated_subject(model, 3, ocd_px=60)

    def spread(amount):
        monkeypatch.setattr(planted_crops, "draw_amounts", lambda rng, most: {"hypertelorism": amount})
        monkeypatch.setattr(planted_crops, "AS_THEY_ARE", 0.0)
        monkeypatch.setattr(planted_crops, "SHAM", 0.0)
        found = []
        for seed in range(6):
            _, amounts, points = shoot(subject, np.random.default_rng(seed))
            assert amounts[FEATURE_NAMES.index("hypertelorism")] == np.float32(amount)
            found.append(np.linalg.norm(points[23] - points[22]) / np.linalg.norm(points[129] - points[55]))
        return np.mean(found)

    assert spread(-3.0) < spread(0.5) < spread(3.0)


def test_amounts_have_the_directions_that_exist():
    rng = np.random.default_rng(0)
    drawn = [draw_amounts(rng, 3.6) for _ in range(400)]
    assert {len(d) for d in drawn} == {1, 2, 3, 4, 5}
    for name, feature in FEATURES.items():
        own = [d[name] for d in drawn if name in d]
        assert all(LEAST_SD <= abs(a) <= 3.6 for a in own)
        assert (min(own) < 0) is bool(feature.opposite_hpo)


def test_the_same_whatever_the_number_of_processes(model):
    sittings = [Sitting(k, 2) for k in range(4)]
    one, two = (all_shots(model, sittings, workers=n) for n in (1, 2))
    alone = joined([shots_of(model, sitting) for sitting in sittings])
    for other in (two, alone):
        np.testing.assert_array_equal(one.crops, other.crops)
        np.testing.assert_array_equal(one.amounts_sd, other.amounts_sd)
        np.testing.assert_array_equal(one.landmarks_px, other.landmarks_px)


def test_nobody_gives_nothing():
    assert joined([]).crops.shape == (0, SIDE_PX, SIDE_PX)


def test_a_photographed_subject(shared_data, model):
    photo = shared_data / "faces" / "london" / "001_03.jpg"
    shots = shots_of(model, Sitting(1, 3, photo, photo.with_suffix(".tem")))
    eyes = shots.landmarks_px[:, [18, 27]].mean(1) - MARGIN_PX
    assert np.abs(eyes - [64, 42]).max() < 8
    assert shots.crops.std() > 20
