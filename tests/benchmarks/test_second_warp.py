"""The second warp carries landmarks where the features put them, and agrees with the first one where it should."""

from __future__ import annotations

import numpy as np
import pytest

from deciface.benchmarks.second_warp import moving_least_squares, warp_by_points
from deciface.cases import Sex
from deciface.errors import OptionError
from deciface.simulate import AppearanceModel, PhotoAnchors, simulate_face, warp_photo
from deciface.simulate.features import velocity
from deciface.simulate.nuisance import FRONTAL
from deciface.simulate.template import EyeFrame, anchors_from_template


@pytest.fixture(scope="module")
def face():
    return simulate_face(AppearanceModel.shipped(), 5, sex=Sex.FEMALE, ancestry="east_asian", nuisance=FRONTAL)


def test_a_similarity_is_carried_as_it_is():
    rng = np.random.default_rng(0)
    here, points = rng.normal(size=(12, 2)), rng.normal(size=(30, 2))

    def similar(p):
        z = (p @ [1, 1j]) * (1.3 * np.exp(0.4j)) + (0.2 - 0.7j)
        return np.stack([z.real, z.imag], -1)

    np.testing.assert_allclose(moving_least_squares(points, here, similar(here)), similar(points), atol=1e-9)


def test_every_landmark_goes_where_it_is_sent():
    rng = np.random.default_rng(1)
    here, there = rng.normal(size=(12, 2)), rng.normal(size=(12, 2))
    np.testing.assert_allclose(moving_least_squares(here + 1e-7, here, there), there, atol=1e-3)


def test_a_dot_on_a_landmark_moves_with_it(face):
    amounts = {"wide_mouth": 3.0, "hypertelorism": 2.0}
    frame = EyeFrame.from_template(face.landmarks_px)
    landmarks = frame.from_px(face.landmarks_px)
    moved = frame.to_px(landmarks + velocity(amounts, anchors_from_template(landmarks))(landmarks))
    for k in (22, 23, 87, 93):
        dotted = np.zeros_like(face.pixels)
        x, y = np.round(face.landmarks_px[k]).astype(int)
        dotted[y - 2 : y + 3, x - 2 : x + 3] = 255
        out = warp_by_points(dotted, face.landmarks_px, amounts)[..., 0].astype(float)
        rows, columns = np.indices(out.shape)
        found = np.array([(columns * out).sum(), (rows * out).sum()]) / out.sum()
        assert np.linalg.norm(found - moved[k]) < 0.8
        assert np.linalg.norm(moved[k] - face.landmarks_px[k]) > 2.0, "it had somewhere to go"


def test_the_two_warps_agree_more_than_either_with_the_face_as_it_was(face):
    amounts = {"long_philtrum": 2.0, "wide_nose": 2.0, "tall_chin": -2.0}
    first, _ = warp_photo(face.pixels, PhotoAnchors.from_template(face.landmarks_px), features=amounts)
    second = warp_by_points(face.pixels, face.landmarks_px, amounts)
    window = (slice(180, 420), slice(150, 362))

    def apart(a, b):
        return float(np.abs(a[window].astype(float) - b[window]).mean())

    assert apart(first, second) < 0.5 * apart(first, face.pixels)


def test_nothing_planted_changes_nothing_and_unknown_features_are_refused(face):
    np.testing.assert_array_equal(warp_by_points(face.pixels, face.landmarks_px, {}), face.pixels)
    with pytest.raises(OptionError, match="feature 'horns'"):
        warp_by_points(face.pixels, face.landmarks_px, {"horns": 1.0})
