from __future__ import annotations

import json

import numpy as np
import pytest

from deciface.cases import SIMULATED, Sex
from deciface.errors import OptionError
from deciface.simulate import FRONTAL, Nuisance, simulate_face, simulate_person
from deciface.simulate.warp import rms_strain

GROUP = {"sex": Sex.FEMALE, "ancestry": "east_asian"}


def test_same_seed_same_photo_and_another_seed_another(model):
    first = simulate_face(model, 4, **GROUP, size_px=256)
    again = simulate_face(model, 4, **GROUP, size_px=256)
    other = simulate_face(model, 5, **GROUP, size_px=256)
    assert first.pixels.shape == (256, 256, 3)
    assert first.pixels.dtype == np.uint8
    assert np.array_equal(first.pixels, again.pixels)
    assert first.truth.as_json() == again.truth.as_json()
    assert not np.array_equal(first.pixels, other.pixels)


def test_a_person_is_the_same_in_two_photos(model):
    first = simulate_face(model, 4, **GROUP, person_seed=9, size_px=256)
    second = simulate_face(model, 5, **GROUP, person_seed=9, size_px=256)
    assert first.truth.person == second.truth.person
    assert np.array_equal(first.truth.landmarks_before, second.truth.landmarks_before)
    assert first.truth.nuisance != second.truth.nuisance


def test_zero_sd_is_the_negative_control(model):
    plain = simulate_face(model, 4, **GROUP, size_px=256)
    zero = simulate_face(model, 4, **GROUP, features={"hypertelorism": 0.0, "epicanthus": 0.0}, size_px=256)
    assert np.array_equal(plain.pixels, zero.pixels)
    assert np.array_equal(zero.truth.landmarks_before, zero.truth.landmarks_after)
    assert zero.truth.hpo == ()
    assert zero.truth.strain == 0


def test_nuisance_does_not_depend_on_what_is_planted(model):
    plain = simulate_face(model, 4, **GROUP, size_px=256)
    planted = simulate_face(model, 4, **GROUP, features={"hypertelorism": 3.0}, size_px=256)
    warped = simulate_face(model, 4, **GROUP, sham_strain=0.06, size_px=256)
    assert plain.truth.nuisance == planted.truth.nuisance == warped.truth.nuisance
    assert plain.truth.setting == planted.truth.setting == warped.truth.setting
    assert plain.truth.person == planted.truth.person == warped.truth.person
    assert not np.array_equal(plain.pixels, planted.pixels)


def test_truth_record_is_json_with_everything_in_it(model):
    face = simulate_face(model, 4, **GROUP, features={"tall_chin": -2.0, "hypertelorism": 1.0}, size_px=256)
    record = json.loads(json.dumps(face.truth.as_json()))
    assert record["notice"] == SIMULATED
    assert record["features_sd"] == {"hypertelorism": 1.0, "tall_chin": -2.0}
    assert record["hpo"] == ["HP:0000316", "HP:0000347"]
    assert record["model_sha256"] == model.sha256
    assert record["strain"] > 0.02
    assert np.shape(record["landmarks_px"]) == np.shape(record["landmarks_before"]) == (189, 2)
    assert record["nuisance"]["jpeg_quality"] >= 72
    assert record["person"]["identity"]["ancestry"] == "east_asian"


def test_frontal_photo_has_its_landmarks_where_the_frame_puts_them(model):
    face = simulate_face(model, 4, **GROUP, nuisance=FRONTAL)
    canthi = face.landmarks_px[[18, 27]]
    assert np.allclose(canthi, [[256 - 67.5, 230.4], [256 + 67.5, 230.4]], atol=0.01)


def test_eyes_are_drawn_where_the_landmarks_say(model):
    """Pupils are far darker than the cheek, on turned and shifted photos too."""
    for seed, ancestry in enumerate(model.ancestries):
        nuisance = Nuisance(roll_deg=15 * (seed - 1), scale=0.95, shift_x=0.03, yaw_deg=6)
        face = simulate_face(model, seed, sex=Sex.MALE, ancestry=ancestry, nuisance=nuisance)
        grey = face.pixels.mean(axis=2)

        def around(point, grey=grey):
            x, y = np.round(point).astype(int)
            return grey[y - 2 : y + 3, x - 2 : x + 3]

        cheek = around(face.landmarks_px[[165, 62]].mean(axis=0))
        assert max(around(face.landmarks_px[i]).min() for i in (0, 1)) < 0.6 * cheek.min()


def test_a_sham_photo_is_strained_as_asked(model):
    face = simulate_face(model, 4, **GROUP, sham_strain=0.06, size_px=128)
    assert face.truth.sham_strain == 0.06
    assert face.truth.hpo == ()
    assert np.abs(face.truth.landmarks_after - face.truth.landmarks_before).max() > 0.01


def test_age_changes_the_skin_but_not_the_person(model):
    young = simulate_person(model, 4, **GROUP, age_years=20)
    old = simulate_person(model, 4, **GROUP, age_years=55)
    assert young.identity.shape == old.identity.shape
    difference = np.abs(model.texture(young.identity)[0] - model.texture(old.identity)[0])
    assert difference.mean() > 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ancestry": "martian"}, "ancestry 'martian'; this appearance model knows black, east_asian"),
        ({"age_years": 7.0}, "age 7.0 years; simulated people are adults"),
        ({"size_px": 4000}, "photo of 4000 px; 128 to 1024 px are allowed"),
        ({"features": {"epicanthus": 1.0}, "sham_strain": 0.1}, "features and a sham warp together"),
    ],
)
def test_what_cannot_be_simulated_is_refused(model, change, message):
    with pytest.raises(OptionError, match=message):
        simulate_face(model, 1, **(GROUP | change))


def test_nuisance_out_of_range_is_refused():
    with pytest.raises(OptionError, match=r"yaw_deg 40; between -15 and 15 is allowed"):
        Nuisance(yaw_deg=40)


def test_strain_of_the_truth_is_that_of_the_flow(model):
    from deciface.simulate.features import velocity
    from deciface.simulate.template import anchors_from_template

    face = simulate_face(model, 4, **GROUP, features={"wide_mouth": 2.0}, size_px=128)
    v = velocity({"wide_mouth": 2.0}, anchors_from_template(face.truth.landmarks_before))
    assert face.truth.strain == pytest.approx(rms_strain(v, step=0.05), abs=1e-5)
