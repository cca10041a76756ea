"""Regions: where they lie, that size is kept and place is followed, one resampling."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from deciface.encoders.shape import shipped_reference
from deciface.errors import OptionError
from deciface.faces import Face, Pose, align, alignment
from deciface.faces.mesh import invert
from deciface.faces.region_crops import FACE_FRAME, REGIONS, Region, parse_regions, region_crops, region_in_frame

INSIDE = {
    Region.FACE: (10, 152, 33, 263, 61, 291, 1, 234, 454),
    Region.UPPER_HALF: (10, 33, 263, 105, 334, 1),
    Region.MIDDLE: (33, 263, 133, 362, 1, 2, 129, 358),
    Region.LOWER_HALF: (2, 0, 17, 61, 291, 152),
    Region.EAR_TO_EAR: (33, 263, 1, 2, 0, 234, 454),
    Region.PERIORBITAL: (33, 133, 362, 263, 105, 334, 159, 145, 386, 374),
    Region.NOSE: (168, 1, 2, 129, 358),
    Region.MOUTH: (0, 17, 61, 291, 2),
}
OUTSIDE = {
    Region.UPPER_HALF: (17, 152),
    Region.MIDDLE: (10, 152, 17),
    Region.LOWER_HALF: (33, 263, 10),
    Region.EAR_TO_EAR: (10, 152),
    Region.PERIORBITAL: (2, 61, 10),
    Region.NOSE: (17, 33, 263, 105),
    Region.MOUTH: (133, 362, 168, 152),
}


def drawn_face(scale=300.0, centre=(256.0, 256.0), turn_deg=0.0, moved=None):
    """The mean mesh of many people, somewhere in a photo; `moved` shifts points by index, in units of the mean."""
    points = shipped_reference().mean.copy() * 10
    for index, shift in (moved or {}).items():
        points[index] += shift
    turn = np.exp(1j * np.radians(turn_deg)) * scale / 10
    z = (points @ [1, 1j]) * turn
    mesh = np.column_stack([z.real + centre[0], z.imag + centre[1], np.zeros(468)]).astype(np.float32)
    return Face((0, 0, 1, 1), mesh, np.zeros((2, 5, 2), np.float32), 9.0, 0.0, Pose(0, 0, 0), "drawn")


def blobs(face, side=512):
    """A smooth picture that is fixed to the face's mesh: a patch of light at some of its points."""
    rows, columns = np.indices((side, side))
    width = face.outer_canthal_px / 8
    image = np.full((side, side), 40.0)
    for index in (33, 263, 1, 61, 152, 10, 234, 334):
        x, y = face.mesh_px[index, :2]
        image += 150 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2))
    return np.repeat(np.clip(image, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def in_crop(face, region, indices):
    onto, crop = alignment(face, FACE_FRAME), region_in_frame(face, region)
    framed = face.mesh_px[list(indices), :2] @ onto[:, :2].T + onto[:, 2]
    return framed @ crop[:, :2].T + crop[:, 2]


@pytest.mark.parametrize("region", list(Region))
def test_each_region_holds_what_it_is_named_after(region):
    face = drawn_face()
    inside = in_crop(face, region, INSIDE[region])
    assert (inside > 0).all(), region
    assert (inside < 99).all(), region
    for point in in_crop(face, region, OUTSIDE.get(region, ())):
        assert (point < -0.5).any() or (point > 99.5).any(), region


@pytest.mark.parametrize("change", [{"scale": 450.0}, {"turn_deg": 12.0}, {"centre": (230.0, 275.0)}])
def test_size_place_and_turn_in_the_photo_do_not_matter(change):
    plain, changed = drawn_face(scale=400.0), drawn_face(**{"scale": 400.0, **change})
    a, b = (region_crops(blobs(face), face).crops.astype(float) for face in (plain, changed))
    assert a.shape == (8, 100, 100)
    assert np.abs(a - b).max() < 6
    assert np.ptp(a) > 100


def test_a_wide_mouth_stays_wide_in_its_crop():
    """Were regions stretched to each person's own points, this is what would be lost."""

    def width(face):
        left, right = in_crop(face, Region.MOUTH, (61, 291))
        return float(right[0] - left[0])

    wide = drawn_face(moved={61: (-0.1, 0), 291: (0.1, 0)})
    assert width(wide) / width(drawn_face()) > 1.1


def test_the_crop_follows_a_mouth_that_lies_lower():
    lower = drawn_face(moved=dict.fromkeys((0, 17), (0, 0.2)))
    middle = in_crop(lower, Region.MOUTH, (0, 17, 61, 291)).mean(0)
    assert np.allclose(middle, 49.5, atol=1e-3)


def test_crops_lie_in_the_aligned_face_where_they_say():
    face = drawn_face()
    image = blobs(face)
    found, frame = region_crops(image, face), align(image, face, FACE_FRAME)[..., 0].astype(float)
    for region, crop, matrix in zip(found.regions, found.crops, found.to_frame, strict=True):
        for point in np.random.default_rng(0).uniform(5, 95, (20, 2)):
            x, y = np.clip(np.rint(matrix[:, :2] @ point + matrix[:, 2]).astype(int), 0, 255)
            assert abs(frame[y, x] - float(crop[int(point[1]), int(point[0])])) < 14, region


def test_a_region_is_cut_once_from_the_photo():
    """Stripes too fine for the aligned face of 256 px are still seen in the mouth's own crop."""
    face = drawn_face(scale=1600.0, centre=(512.0, 512.0))
    per_frame_px = 1 / np.sqrt(np.linalg.det(alignment(face, FACE_FRAME)[:, :2]))
    period_px = 2.1 * per_frame_px
    wave = np.sin(np.arange(1024) * 2 * np.pi / period_px)
    image = np.repeat(np.repeat((127 + 100 * wave).astype(np.uint8)[:, None, None], 1024, 1), 3, axis=2)
    found = region_crops(image, face, (Region.MOUTH,))
    to_photo = invert(alignment(face, FACE_FRAME))
    column = np.column_stack([np.full(100, 50), np.arange(100)]) @ found.to_frame[0, :, :2].T + found.to_frame[0, :, 2]
    wanted = np.sin((column @ to_photo[1, :2] + to_photo[1, 2]) * 2 * np.pi / period_px)
    twice = cv2.warpAffine(align(image, face, FACE_FRAME), invert(found.to_frame[0]), (100, 100))[..., 0]
    straight, through_frame = (np.corrcoef(crop[:, 50], wanted)[0, 1] for crop in (found.crops[0], twice))
    assert straight > 0.97
    assert through_frame < 0.9


def test_places_are_one_table():
    assert set(REGIONS) == set(Region)
    assert all(place.width_px / place.height_px < 2.2 for place in REGIONS.values())


def test_regions_are_read_by_name():
    assert parse_regions([]) == tuple(Region)
    with pytest.raises(OptionError, match="region 'chin'; allowed are face, upper-half, middle, lower-half"):
        parse_regions(["face", "chin"])
