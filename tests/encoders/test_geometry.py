from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.encoders import NOT_CLINICAL, PROPORTIONS, Geometry, geometry_card, open_encoder
from deciface.encoders.geometry import DIMENSIONS
from deciface.encoders.make_reference import main, reference_from_photos
from deciface.encoders.shape import (
    POINTS,
    fit_reference,
    procrustes,
    reference_bytes,
    shipped_reference,
)
from deciface.errors import MismatchError, ModelError, NoFaceError
from deciface.models import Kind, shipped_cards
from tests.encoders.drawing import drawn_faces

MESH_CARD = next(c for c in shipped_cards() if c.id == "mediapipe-mesh")
CARD = geometry_card(MESH_CARD)
CROPS = np.zeros((3, 256, 256, 3), np.uint8)
CROPS[:, 0, 0, 0] = (0, 1, 2)


def person(seed: int, *, strength: float = 0.02) -> np.ndarray:
    """A mesh near the reference shape, in px of a 256 px crop."""
    rng = np.random.default_rng(seed)
    base = shipped_reference().mean
    shape = base + rng.normal(scale=strength * np.abs(base).max(), size=base.shape)
    return np.column_stack([shape * 900 + 128, np.zeros(POINTS)]).astype(np.float32)


def by_first_pixel(crop: np.ndarray) -> np.ndarray:
    return person(int(crop[0, 0, 0]))


@given(
    seed=st.integers(0, 1000),
    scale=st.floats(0.2, 5),
    turn_deg=st.floats(-179, 179),
    shift=st.floats(-500, 500),
)
@settings(max_examples=40, deadline=None)
def test_position_size_and_rotation_do_not_count(seed, scale, turn_deg, shift):
    points = person(seed).astype(np.float64)
    c, s = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    moved = scale * points[:, :2] @ np.array([[c, s], [-s, c]]) + [shift, -shift]
    onto = shipped_reference().mean
    np.testing.assert_allclose(procrustes(moved, onto), procrustes(points, onto), atol=1e-9)


def test_a_mirrored_face_is_not_turned_back():
    points = person(1)
    mirrored = points * [-1, 1, 1]
    onto = shipped_reference().mean
    assert np.linalg.norm(procrustes(mirrored, onto) - procrustes(points, onto)) > 0.1


def test_alignment_is_the_best_rotation():
    onto, shape = shipped_reference().mean, procrustes(person(2, strength=0.2), shipped_reference().mean)
    best = ((shape - onto) ** 2).sum()
    for degrees in (-1.0, -0.1, 0.1, 1.0):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        assert ((shape @ np.array([[c, s], [-s, c]]) - onto) ** 2).sum() > best


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((68, 2)), r"a mesh of shape \(68, 2\); \(468, 3\) finite points are needed"),
        (np.full((468, 3), np.nan), r"finite points are needed"),
        (np.ones((468, 3)), "a mesh whose 468 points all lie in one place"),
    ],
)
def test_meshes_that_are_none_are_refused(points, message):
    with pytest.raises(MismatchError, match=message):
        procrustes(points, shipped_reference().mean)


def test_proportions_by_hand():
    values = {p.name: p for p in PROPORTIONS}
    shape = np.zeros((POINTS, 2))
    shape[[33, 133, 362, 263]] = [[0, 9], [30, 10], [60, 10], [90, 5]]
    shape[[61, 291]] = [[20, 80], [70, 80]]
    shape[[168, 2, 152, 0]] = [[45, 10], [45, 50], [45, 110], [45, 65]]
    ex_ex = np.hypot(90, 4)
    assert values["intercanthal_index"].of(shape) == pytest.approx(30 / ex_ex)
    assert values["mouth_width"].of(shape) == pytest.approx(50 / ex_ex)
    assert values["lower_face_height"].of(shape) == pytest.approx(60 / 100)
    assert values["philtrum_length"].of(shape) == pytest.approx(15 / 100)
    lengths = (np.hypot(30, 1) + np.hypot(30, 5)) / 2
    assert values["palpebral_slant"].of(shape) == pytest.approx(((10 - 9) + (10 - 5)) / 2 / lengths)
    assert values["palpebral_slant"].of(shape) > 0, "outer corners higher: upslanted, positive"


def test_names_and_definitions_are_complete():
    assert len({p.name for p in PROPORTIONS}) == len(PROPORTIONS)
    assert all("/" in p.definition for p in PROPORTIONS)
    assert "not a clinical measurement" in NOT_CLINICAL
    assert NOT_CLINICAL in CARD.intended_use


def test_encodings_are_unit_rows_and_say_who_differs_how():
    found = Geometry(CARD, by_first_pixel).encode(CROPS)
    assert found.shape == (3, DIMENSIONS) == (3, CARD.dimensions)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert (found @ found.T)[~np.eye(3, dtype=bool)].max() < 0.9
    again = Geometry(CARD, lambda crop: by_first_pixel(crop) * 1.7 + 9).encode(CROPS)
    np.testing.assert_allclose(again, found, atol=1e-3)


def test_a_wider_mouth_is_found_by_name():
    wide = person(0, strength=0.0)
    wide[[61, 291], 0] += [-6, 6]
    mean, found = (
        Geometry(CARD, lambda _, points=points: points).measurements(CROPS[0])
        for points in (person(0, strength=0.0), wide)
    )
    assert found["mouth_width"] > mean["mouth_width"] * 1.05
    assert found["intercanthal_index"] == pytest.approx(mean["intercanthal_index"], rel=1e-3)
    assert list(found) == [p.name for p in PROPORTIONS]


def test_no_face_is_said_with_the_crop():
    encoder = Geometry(CARD, lambda crop: None if crop[0, 0, 0] == 1 else by_first_pixel(crop))
    with pytest.raises(NoFaceError, match="geometry: no face on crop 1 of 3; give crops of the template 'mesh-256'"):
        encoder.encode(CROPS)
    with pytest.raises(NoFaceError, match="geometry: no face on the crop"):
        encoder.measurements(CROPS[1])


def test_wrong_crops_are_refused():
    with pytest.raises(MismatchError, match=r"geometry takes \(n, 256, 256, 3\)"):
        Geometry(CARD, by_first_pixel).encode(CROPS[:, :150])
    assert Geometry(CARD, by_first_pixel).encode(CROPS[:0]).shape == (0, DIMENSIONS)


def test_the_card_covers_mesh_and_reference():
    assert CARD.kind is Kind.FACE_ENCODER
    assert CARD.sha256 not in {MESH_CARD.sha256, shipped_reference().sha256}
    other = fit_reference(np.stack([person(i) for i in range(6)]))
    assert geometry_card(MESH_CARD, reference=other).sha256 != CARD.sha256


def test_the_reference_is_a_mean_of_many_people_and_nobody_in_particular():
    reference = shipped_reference()
    assert reference.people == 102
    assert reference.mean.shape == (POINTS, 2)
    assert np.linalg.norm(reference.mean) == pytest.approx(1, abs=1e-5)
    assert reference.mean[263, 1] == pytest.approx(reference.mean[33, 1], abs=1e-6), "eyes are level"
    assert len(reference_bytes(reference)) < 10_000
    with pytest.raises(MismatchError, match="4 people; a mean shape needs 5 or more"):
        fit_reference(np.stack([person(i) for i in range(4)]))


def test_the_mean_of_a_population_is_found_again():
    rng = np.random.default_rng(0)
    turned = []
    for seed in range(40):
        c, s = np.cos(seed), np.sin(seed)
        turned.append(person(seed, strength=0.05)[:, :2] @ np.array([[c, s], [-s, c]]) * rng.uniform(0.5, 2))
    found = fit_reference(np.stack(turned))
    assert np.linalg.norm(found.mean - shipped_reference().mean) < 0.05
    assert found.people == 40


@pytest.mark.models
def test_the_mesh_sees_drawn_faces_and_no_face_in_noise(model_store):
    encoder = open_encoder(model_store, "geometry")
    assert encoder.encode(drawn_faces(256)).shape == (2, DIMENSIONS)
    noise = np.random.default_rng(1).integers(0, 256, (1, 256, 256, 3), dtype=np.uint8)
    with pytest.raises(NoFaceError, match="geometry: no face on crop 0 of 1"):
        encoder.encode(noise)


@pytest.mark.models
def test_only_face_encoders_are_opened(model_store):
    choices = "choose one of deciface-dysmorphic, dlib-resnet, geometry"
    with pytest.raises(ModelError, match=f"'mediapipe-mesh' is a mesh, no face encoder; {choices}"):
        open_encoder(model_store, "mediapipe-mesh")
    with pytest.raises(ModelError, match="'arcface' is no face encoder known here; choose one of "):
        open_encoder(model_store, "arcface")


@pytest.mark.models
@pytest.mark.slow
def test_the_shipped_reference_is_that_of_the_london_set(model_store, shared_data):
    photos = (shared_data / "faces" / "london").glob("*_03.jpg")
    found, shipped = reference_from_photos(photos, model_store), shipped_reference()
    assert found.people == shipped.people
    assert np.abs(found.mean - shipped.mean).max() < 1e-3
    np.testing.assert_allclose(found.proportion_mean, shipped.proportion_mean, rtol=0.02, atol=0.005)


def test_making_a_reference_needs_a_folder(capsys):
    assert main([]) == 2
    assert capsys.readouterr().err == "give a folder of photos and the file to write: make_reference PHOTOS OUT.npz\n"
