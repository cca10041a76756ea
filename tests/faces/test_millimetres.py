"""Millimetres by the iris: the scale, its error, and when there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from deciface.errors import InputError
from deciface.faces.landmarks import FACE_POINTS, Landmarks
from deciface.faces.millimetres import iris_scale
from deciface.simulate import AppearanceModel


@pytest.fixture
def face():
    return Landmarks.by_hand(AppearanceModel.shipped().mean_shape * 100 + 256)


def test_adults_have_faces_of_ordinary_size(face):
    """An outer-canthal distance near the 90 mm of adults comes out of the London mean face."""
    scale = iris_scale(face, age_years=30)
    mm, se = scale.mm(100.0)
    assert 80 < mm < 105
    assert se / mm == pytest.approx(0.42 / 11.71, rel=1e-9)


def test_unsure_points_make_an_unsure_scale(face):
    rng = np.random.default_rng(0)
    covariance = np.tile(np.eye(2) * 0.04, (len(FACE_POINTS), 1, 1))
    said = iris_scale(replace(face, covariance_px2=covariance), age_years=30).relative_se
    drawn = [
        iris_scale(
            replace(face, points_px=face.points_px + rng.normal(0, 0.2, (len(FACE_POINTS), 2))), age_years=30
        ).mm_per_px
        for _ in range(1500)
    ]
    measured = np.std(drawn) / np.mean(drawn)
    assert said == pytest.approx(np.hypot(measured, 0.42 / 11.71), rel=0.05)


def test_the_error_of_a_length_adds_to_that_of_the_scale(face):
    scale = iris_scale(face, age_years=30)
    _, alone = scale.mm(50)
    _, both = scale.mm(50, 2.0)
    assert both == pytest.approx(np.hypot(alone, 2.0 * scale.mm_per_px))


@pytest.mark.parametrize(("age", "said"), [(None, "an unknown age"), (3.0, "3 years"), (float("nan"), "nan years")])
def test_no_millimetres_for_young_children(face, age, said):
    with pytest.raises(InputError, match=f"no millimetres at {said}: the iris is the scale"):
        iris_scale(face, age_years=age)


def test_irises_that_differ(face):
    points = face.points_px.copy()
    points[8] = points[4] + (1, 0)
    with pytest.raises(InputError, match="they must be alike to be a scale"):
        iris_scale(replace(face, points_px=points), age_years=30)
