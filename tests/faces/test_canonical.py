"""The canonical face: there and back, pictures in its shape and maps on a photo, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from deciface.errors import InputError
from deciface.faces.canonical import (
    FIELD,
    MAP_ROWS,
    SIDE_PX,
    CanonicalMap,
    average_face,
    canonical_grid,
    canonical_points,
    corners,
    round_trip_px,
    triangles,
    warp_to_canonical,
    warp_to_photo,
)
from deciface.faces.landmarks import Landmarks
from deciface.simulate import AppearanceModel
from deciface.simulate.features import velocity
from deciface.simulate.template import anchors_from_template
from deciface.simulate.warp import flow


@pytest.fixture(scope="module")
def face():
    """A face with wide eyes and a long chin, turned and off the middle of a photo of 300 x 320."""
    shape = AppearanceModel.shipped().mean_shape
    shape = flow(shape, velocity({"hypertelorism": 2.0, "tall_chin": 2.0}, anchors_from_template(shape)))
    c, s = np.cos(0.2), np.sin(0.2)
    return Landmarks.by_hand(shape @ np.array([[c, s], [-s, c]]) * 100 + (150, 120))


@pytest.fixture(scope="module")
def carried(face):
    return CanonicalMap.of(face)


def test_the_canonical_face_is_symmetric_and_its_own_image():
    points = canonical_points()
    assert points[[18 - 0, 27]].tolist() == [[-0.5, 0.0], [0.5, 0.0]]
    own = CanonicalMap.of(Landmarks(points * 100, np.zeros((len(points), 2, 2)), "itself"))
    places = np.random.default_rng(0).uniform(-0.4, 0.4, (200, 2))
    np.testing.assert_allclose(own.to_photo(places), places * 100, atol=1e-9)
    assert own.overturned == 0


def test_named_points_are_where_they_are_named(face, carried):
    np.testing.assert_allclose(carried.to_photo(corners()[: len(MAP_ROWS)]), face.points_px[list(MAP_ROWS)], atol=1e-9)


def test_there_and_back(carried):
    places = np.random.default_rng(1).uniform(-0.6, 0.6, (300, 2)) + np.array([0, 0.4])
    np.testing.assert_allclose(carried.to_canonical(carried.to_photo(places)), places, atol=1e-9)
    assert round_trip_px(carried) < 1e-9
    assert carried.overturned == 0


def test_outside_the_frame_is_nowhere(carried):
    assert np.isnan(carried.to_photo(np.array([[9.0, 9.0]]))).all()
    assert np.isnan(carried.to_canonical(np.array([[9000.0, 9.0]]))).all()


def test_a_triangle_turned_over_is_counted(face):
    points = face.points_px.copy()
    row = MAP_ROWS.index(55)  # subnasale, pulled above the eyes
    points[55] = points[51] - (0, 60)
    assert row >= 0
    assert CanonicalMap.of(replace(face, points_px=points)).overturned > 0


def test_a_picture_in_the_canonical_shape(face, carried):
    """Dots painted at the face's points appear at the canonical ones."""
    import cv2

    photo = np.zeros((300, 320, 3), np.uint8)
    painted = [MAP_ROWS.index(i) for i in (18, 27, 55, 87, 93, 129) if i in MAP_ROWS]
    for row in painted:
        x, y = carried.corners_px[row]
        cv2.circle(photo, (round(x), round(y)), 3, (255, 255, 255), -1)
    shown = warp_to_canonical(photo, carried)
    assert shown.shape == (SIDE_PX, SIDE_PX, 3)
    grid = canonical_grid()
    for row in painted:
        near = np.hypot(*np.moveaxis(grid - corners()[row], -1, 0)) < 0.015
        assert shown[near].mean() > 150
    assert shown.mean() < 10


def test_a_map_on_a_photo(carried):
    """A spot on the canonical chin lies on the chin of the photo, and nothing is painted off the face."""
    grid = canonical_grid()
    chin = corners()[MAP_ROWS.index(129)] - (0, 0.1)
    spot = np.exp(-((grid - chin) ** 2).sum(-1) / (2 * 0.05**2)).astype(np.float32)
    shown = warp_to_photo(spot, carried, (300, 320))
    assert shown.shape == (300, 320)
    assert np.isfinite(shown).all()
    y, x = np.unravel_index(shown.argmax(), shown.shape)
    (where,) = carried.to_photo(chin[None])
    assert np.hypot(x - where[0], y - where[1]) < 1.5
    whole = warp_to_photo(np.ones((SIDE_PX, SIDE_PX), np.float32), carried, (300, 320))
    assert whole[0].max() == whole[:, -1].max() == 0
    assert whole.max() == 1
    two = warp_to_photo(np.stack([spot, spot], -1), carried, (300, 320))
    np.testing.assert_allclose(two[..., 1], shown, atol=5e-3)


def test_a_face_partly_beyond_the_photo(carried):
    shown = warp_to_photo(np.ones((SIDE_PX, SIDE_PX), np.float32), carried, (110, 320))
    assert shown.shape == (110, 320)
    assert shown.max() == 1


def test_an_average(carried):
    light, dark = np.full((SIDE_PX, SIDE_PX, 3), 200, np.uint8), np.full((SIDE_PX, SIDE_PX, 3), 101, np.uint8)
    assert (average_face([light, dark]) == 150).all()
    with pytest.raises(InputError, match="nobody to average"):
        average_face([])
    with pytest.raises(InputError, match=r"a picture of \(2, 2, 3\); canonical pictures are"):
        average_face([light[:2, :2]])


def test_points_that_are_none(face):
    broken = face.points_px.copy()
    broken[0] = np.nan
    with pytest.raises(InputError, match="not finite or lie on one another"):
        CanonicalMap.of(replace(face, points_px=broken))


def test_triangles_are_those_of_the_corners():
    assert triangles().max() == len(corners()) - 1
    left, top, right, bottom = FIELD
    assert (corners()[: len(MAP_ROWS)] > (left, top)).all()
    assert (corners()[: len(MAP_ROWS)] < (right, bottom)).all()


def test_london_people_have_hardly_a_triangle_turned_over(shared_data):
    from deciface.simulate.template import read_template

    templates = sorted((shared_data / "faces" / "london").glob("*_03.tem"))
    maps = [CanonicalMap.of(Landmarks.by_hand(read_template(t))) for t in templates]
    turned = np.array([m.overturned for m in maps])
    assert (turned == 0).sum() == 87
    assert turned.max() == 3
    assert max(map(round_trip_px, maps)) < 1e-6
