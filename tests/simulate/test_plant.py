from __future__ import annotations

import json

import numpy as np
import pytest

from deciface.cases import Sex
from deciface.errors import InputError, OptionError
from deciface.faces.named_points import MESH_INDEX
from deciface.simulate import FRONTAL, PhotoAnchors, read_template, simulate_face, warp_photo
from deciface.simulate.features import measures
from deciface.simulate.plant import _MESH, _NAMED


@pytest.fixture(scope="module")
def face(model):
    return simulate_face(model, 8, sex=Sex.MALE, ancestry="white", nuisance=FRONTAL, size_px=320)


def mesh_of(points_px):
    """A mesh that has only the points used as anchors, at the places of the template."""
    mesh = np.zeros((468, 3))
    template = {
        "inner_canthus_left": 22,
        "outer_canthus_left": 18,
        "inner_canthus_right": 23,
        "outer_canthus_right": 27,
        "ala_left": 62,
        "ala_right": 67,
        "subnasale": 55,
        "lip_top": 90,
        "stomion": 97,
        "lip_bottom": 106,
        "mouth_corner_left": 87,
        "mouth_corner_right": 93,
        "chin": 129,
    }
    vertices = _MESH | {name: MESH_INDEX[point] for name, point in _NAMED.items()}
    for name, index in vertices.items():
        mesh[index, :2] = points_px[template[name]]
    mesh[[93, 234, 127], :2] = points_px[109]
    mesh[[323, 454, 356], :2] = points_px[112]
    return mesh


def test_planted_photo_has_the_amount_in_its_truth(face):
    pixels, truth = warp_photo(
        face.pixels, PhotoAnchors.from_template(face.landmarks_px), features={"hypertelorism": 2.0, "wide_mouth": -1.5}
    )
    assert pixels.shape == face.pixels.shape
    assert pixels.dtype == np.uint8
    assert truth.hpo == ("HP:0000316", "HP:0000160")
    assert truth.min_jacobian > 0.1
    frame = PhotoAnchors.from_template(face.landmarks_px).frame
    before = measures(frame.from_px(truth.landmarks_before_px))
    after = measures(frame.from_px(truth.landmarks_after_px))
    assert (after["hypertelorism"] - before["hypertelorism"]) / 0.022 == pytest.approx(2.0, abs=0.2)
    assert (after["wide_mouth"] - before["wide_mouth"]) / 0.027 == pytest.approx(-1.5, abs=0.2)
    assert json.loads(json.dumps(truth.as_json()))["layout"] == "template"


def test_far_pixels_are_untouched_and_zero_changes_nothing(face):
    anchors = PhotoAnchors.from_template(face.landmarks_px)
    pixels, _ = warp_photo(face.pixels, anchors, features={"hypertelorism": 3.0})
    assert np.array_equal(pixels[:40], face.pixels[:40])
    assert np.array_equal(pixels[-60:], face.pixels[-60:])
    assert not np.array_equal(pixels, face.pixels)
    same, truth = warp_photo(face.pixels, anchors, features={"hypertelorism": 0.0})
    assert np.array_equal(same, face.pixels)
    assert truth.strain == 0


def test_mesh_anchors_plant_as_the_template_does(face):
    by_template, _ = warp_photo(
        face.pixels, PhotoAnchors.from_template(face.landmarks_px), features={"tall_chin": -2.0}
    )
    by_mesh, truth = warp_photo(
        face.pixels, PhotoAnchors.from_mesh(mesh_of(face.landmarks_px)), features={"tall_chin": -2.0}
    )
    assert truth.layout == "mesh"
    assert np.abs(by_template.astype(int) - by_mesh).mean() < 1.0


def test_a_sham_is_as_strong_and_has_no_terms(face):
    anchors = PhotoAnchors.from_template(face.landmarks_px)
    features = {"wide_nose": 2.0, "long_philtrum": 2.0}
    planted, truth = warp_photo(face.pixels, anchors, features=features)
    warped, sham = warp_photo(face.pixels, anchors, features=features, mode="sham", seed=4)
    assert sham.strain == pytest.approx(truth.strain, rel=0.03)
    assert sham.hpo == ()
    assert sham.min_jacobian > 0.1
    assert not np.array_equal(warped, planted)


@pytest.mark.parametrize("feature", ["epicanthus", "depressed_nasal_bridge"])
def test_relief_changes_only_the_place_it_belongs_to(face, feature):
    anchors = PhotoAnchors.from_template(face.landmarks_px)
    pixels, _ = warp_photo(face.pixels, anchors, features={feature: 2.0})
    change = np.abs(pixels.astype(int) - face.pixels).sum(axis=2)
    frame = anchors.frame
    x, y = np.meshgrid(np.arange(320.0), np.arange(320.0))
    p = frame.from_px(np.stack([x, y], axis=-1))
    near = (np.abs(p[..., 0]) < 0.45) & (np.abs(p[..., 1] - 0.05) < 0.5)
    assert change[near].max() > 20
    assert change[~near].max() <= 3


def test_relief_at_the_edge_of_a_photo_does_not_fail(face):
    left = int(face.landmarks_px[23, 0])
    points = face.landmarks_px - [left, 0]
    pixels, _ = warp_photo(
        np.ascontiguousarray(face.pixels[:, left:]),
        PhotoAnchors.from_template(points),
        features={"epicanthus": 2.0, "depressed_nasal_bridge": 2.0},
    )
    assert pixels.shape[1] == 320 - left


@pytest.mark.parametrize("shape", [(467, 3), (468,), (468, 4)])
def test_what_is_no_mesh_is_refused(shape):
    with pytest.raises(InputError, match=r"\(468, 3\) px is needed"):
        PhotoAnchors.from_mesh(np.zeros(shape))


def test_what_is_no_photo_and_no_feature_is_refused(face):
    anchors = PhotoAnchors.from_template(face.landmarks_px)
    with pytest.raises(InputError, match="uint8 RGB is needed"):
        warp_photo(face.pixels[..., 0], anchors, features={"wide_nose": 1.0})
    with pytest.raises(OptionError, match="feature 'nose'"):
        warp_photo(face.pixels, anchors, features={"nose": 1.0})


def test_london_photos_take_plants_without_folding(shared_data):
    for name in ("001_03", "025_03", "034_03"):
        points = read_template(shared_data / "faces" / "london" / f"{name}.tem")
        _, truth = warp_photo(
            np.zeros((1350, 1350, 3), np.uint8),
            PhotoAnchors.from_template(points),
            features={"tall_chin": -3.0, "thick_lower_lip": -3.0, "hypertelorism": 3.0},
        )
        assert truth.min_jacobian > 0.1
