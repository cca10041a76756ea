from __future__ import annotations

import itertools

import numpy as np
import pytest

from deciface.cases import Sex
from deciface.simulate import FEATURES
from deciface.simulate.features import measures, velocity
from deciface.simulate.nuisance import Nuisance, capture_velocity
from deciface.simulate.template import EyeFrame, anchors_from_template
from deciface.simulate.warp import backward_map, flow, min_jacobian, resample, rms_strain, sham

SIGNED = [(n, s) for n, f in FEATURES.items() for s in ((1, -1) if f.opposite_hpo else (1,))]
LOWER = [
    s for s in SIGNED if s[0] in ("thick_upper_lip", "thick_lower_lip", "long_philtrum", "wide_mouth", "tall_chin")
]


def shapes(model, n):
    rng = np.random.default_rng(17)
    groups = itertools.cycle(itertools.product(model.ancestries, (Sex.FEMALE, Sex.MALE)))
    for _, (ancestry, sex) in zip(range(n), groups, strict=False):
        yield model.landmarks(model.identity(rng, ancestry=ancestry, sex=sex, age_years=30))


@pytest.mark.parametrize(("name", "sign"), SIGNED)
def test_no_feature_folds(model, name, sign):
    anchors = anchors_from_template(model.mean_shape)
    assert min_jacobian(velocity({name: 3 * sign}, anchors)) > 0.1
    assert min_jacobian(velocity({name: 4 * sign}, anchors)) > 0.1


def test_no_combination_of_three_or_four_features_folds(model):
    rng = np.random.default_rng(5)
    for shape in shapes(model, 24):
        chosen = rng.choice(len(SIGNED), size=int(rng.integers(3, 5)), replace=False)
        features = {SIGNED[i][0]: 3.0 * SIGNED[i][1] for i in chosen}
        assert min_jacobian(velocity(features, anchors_from_template(shape)), step=0.02) > 0.1, features


@pytest.mark.slow
def test_the_crowded_lower_face_does_not_fold_at_four_sd(model):
    for shape in [model.mean_shape, *shapes(model, 8)]:
        anchors = anchors_from_template(shape)
        for combination in itertools.combinations(LOWER, 4):
            features = {n: 4.0 * s for n, s in combination}
            if len(features) == 4:
                assert min_jacobian(velocity(features, anchors), step=0.03) > 0.1, features


@pytest.mark.slow
def test_no_random_combination_folds_in_many_people(model):
    rng = np.random.default_rng(6)
    for shape in shapes(model, 200):
        chosen = rng.choice(len(SIGNED), size=int(rng.integers(3, 5)), replace=False)
        features = {SIGNED[i][0]: float(rng.choice([3.0, 4.0])) * SIGNED[i][1] for i in chosen}
        assert min_jacobian(velocity(features, anchors_from_template(shape)), step=0.02) > 0.1, features


def test_expression_and_pose_do_not_fold_either(model):
    anchors = anchors_from_template(model.mean_shape)
    for yaw, pitch, smile, squint in itertools.product((-15, 15), (-15, 15), (0, 1), (-1, 1)):
        v = capture_velocity(Nuisance(yaw_deg=yaw, pitch_deg=pitch, smile=smile, squint=squint), anchors)
        assert min_jacobian(v) > 0.1


def test_backward_flow_undoes_forward_flow(model):
    v = velocity({"tall_chin": -3, "wide_mouth": 3, "hypertelorism": 3}, anchors_from_template(model.mean_shape))
    there = flow(model.mean_shape, v)
    assert np.abs(there - model.mean_shape).max() > 0.05
    assert np.abs(flow(there, v, direction="backward") - model.mean_shape).max() < 1e-4


def test_truth_landmarks_are_where_the_pictures_marks_go(model):
    """A bright dot drawn on a landmark is found, after warping the picture, where the flow sends the landmark."""
    frame = EyeFrame((256.0, 230.0), 130.0, 7.0)
    features = {"hypertelorism": 2.5, "tall_chin": -2.5, "wide_mouth": 2.0, "upslanted_fissures": -3}
    v = velocity(features, anchors_from_template(model.mean_shape))
    source = backward_map(frame, v, width_px=512, height_px=512)
    x, y = np.meshgrid(np.arange(512.0), np.arange(512.0))
    for index in (18, 22, 23, 27, 87, 93, 106, 129, 55, 126, 132):
        at = frame.to_px(model.mean_shape[index])
        dot = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * 2.0**2)).astype(np.float32)
        moved = resample(dot, source).clip(0)
        found = np.array([(moved * x).sum(), (moved * y).sum()]) / moved.sum()
        expected = frame.to_px(flow(model.mean_shape[index], v))
        assert np.hypot(*(found - expected)) < 0.25, index


def test_flow_equals_an_independent_integration(model):
    """Euler with 400 small steps, written out, for one feature."""
    v = velocity({"long_philtrum": 3.0, "wide_nose": -3.0}, anchors_from_template(model.mean_shape))
    p = model.mean_shape.copy()
    for _ in range(400):
        p = p + v(p) / 400
    assert np.abs(flow(model.mean_shape, v) - p).max() < 5e-4


@pytest.mark.parametrize("seed", range(4))
def test_a_sham_strains_as_much_and_plants_nothing_named(model, seed):
    shape = next(shapes(model, 1))
    anchors = anchors_from_template(shape)
    planted = velocity({"hypertelorism": 2, "tall_chin": -2, "thick_lower_lip": -2}, anchors)
    strain = rms_strain(planted, step=0.05)
    v = sham(np.random.default_rng(seed), shape, anchors, strain=strain)
    assert rms_strain(v, step=0.05) == pytest.approx(strain, rel=0.01)
    assert min_jacobian(v) > 0.1
    moved = flow(shape, v)
    assert np.abs(moved - shape).max() > 0.01
    before, after = measures(shape), measures(moved)
    for name in before:
        assert abs(after[name] - before[name]) / FEATURES[name].sd < 0.35, name


def test_a_sham_of_no_strain_moves_nothing(model):
    anchors = anchors_from_template(model.mean_shape)
    v = sham(np.random.default_rng(0), model.mean_shape, anchors, strain=0.0)
    assert np.array_equal(flow(model.mean_shape, v), model.mean_shape)
