"""Figures of landmarks, from points whose errors are known."""

from __future__ import annotations

import numpy as np
import pytest

from deciface.benchmarks.landmark_points import mesh_points
from deciface.benchmarks.landmark_rows import MEASURED, Looked, rows_of
from deciface.faces import Face, Pose
from deciface.faces.landmarks import FACE_POINTS, row_of
from deciface.simulate import AppearanceModel
from deciface.simulate.features import velocity
from deciface.simulate.template import anchors_from_template

PX = 100.0
"""Outer-canthal distance in the photos of these tests."""


@pytest.fixture(scope="module")
def shapes():
    """Forty people's (189, 2) templates in the eye frame."""
    model, rng = AppearanceModel.shipped(), np.random.default_rng(0)
    mean = np.asarray(model.mean_shape, np.float64)
    return mean + 0.012 * rng.standard_normal((40, 189, 2))


def looked(shapes, ours, *, sigma=1.0):
    """Everybody as they are, in small, and with every feature; `ours` makes our points from the true ones."""
    found = []
    for person, shape in enumerate(shapes):

        def one(doing, feature, amount, template, person=person):
            true = PX * template[list(FACE_POINTS)]
            placed = ours(true, PX * shapes[person][list(FACE_POINTS)])
            part, group = f"fold-{person % 2 + 1}", "a" if person < 10 else "b"
            sigmas = np.full_like(true, sigma)
            mesh = PX * shapes[0][list(FACE_POINTS)]
            mesh[row_of("alare right")] = np.nan
            return Looked(person, group, "f", part, doing, feature, amount, true, placed, sigmas, {"mesh": mesh})

        found += [one("as it is", "", 0.0, shape), one("as it is, small", "", 0.0, shape)]
        anchors = anchors_from_template(shape)
        for feature in MEASURED:
            moved = shape + velocity({feature: 2.0}, anchors)(shape)
            found.append(one("planted", feature, 2.0, moved))
    return found


def by_name(rows):
    return {row.name: row for row in rows}


def starting(rows, text):
    return [row for row in rows if row.name.startswith(text)]


def test_exact_points_follow_everything(shapes):
    rng = np.random.default_rng(1)
    rows = rows_of(looked(shapes, lambda true, _: true + np.array([3.0, -2.0]) + rng.normal(0, 1e-4, true.shape)))
    found = by_name(rows)
    assert found["error of 13 points, mean offset removed"].value < 0.1  # of people of unlike size
    assert found["error of 13 points, mean offset removed"].holds
    assert 3.5 < found["the same, as they come"].value < 3.7, "the shift of (3, 2) px of about 100"
    for measurement in MEASURED.values():
        assert found[f"{measurement}: r with the manual points"].value == pytest.approx(1, abs=1e-3)
        assert found[f"{measurement}: slope on the manual points"].value == pytest.approx(1, abs=1e-3)
        (planted,) = starting(rows, f"{measurement}, planted")
        assert planted.value == pytest.approx(1, abs=1e-3)
        assert (planted.peer is None) == ("nasal" in measurement), "the mesh has no point there"
        assert planted.peer is None or planted.peer_value == pytest.approx(0, abs=1e-6)


def test_points_that_stay_where_they_were_miss_every_promise(shapes):
    mean = PX * np.asarray(AppearanceModel.shipped().mean_shape)[list(FACE_POINTS)]
    rows = rows_of(looked(shapes, lambda _, __: mean + np.random.default_rng(3).normal(0, 0.2, mean.shape)))
    planted = [row for row in rows if "slope of change" in row.name and row.target]
    assert len(planted) == 8
    assert not any(row.holds for row in planted)
    assert all(abs(row.value) < 0.05 for row in planted)
    assert not any(row.holds for row in rows if "with the manual points" in row.name and row.target)


def test_telecanthus_and_hypertelorism_are_told_apart_where_the_points_follow(shapes):
    rng = np.random.default_rng(4)
    rows = rows_of(looked(shapes, lambda true, _: true + rng.normal(0, 0.2, true.shape)))
    for feature in ("telecanthus", "hypertelorism"):
        (row,) = starting(rows, f"{feature} of 2 SD, measured by")
        assert row.value == pytest.approx(2, abs=0.1)
        assert row.holds
    (row,) = starting(rows, "the two told apart")
    assert row.value > 95


def test_half_of_a_change_is_a_slope_of_a_half(shapes):
    rng = np.random.default_rng(2)
    rows = rows_of(looked(shapes, lambda true, before: (true + before) / 2 + rng.normal(0, 0.05, true.shape)))
    (row,) = starting(rows, "nasal width / outer canthal distance, planted")
    assert row.value == pytest.approx(0.5, abs=0.03)
    assert starting(rows, "telecanthus of 2 SD")[0].holds is False
    assert not row.holds


def test_sigmas_are_judged_with_the_factors_of_other_people(shapes):
    rng = np.random.default_rng(5)
    rows = rows_of(looked(shapes, lambda true, _: true + rng.normal(0, 2.0, true.shape), sigma=0.3))
    (row,) = starting(rows, "errors within one sigma, as it is")
    assert 65 < row.value < 71
    assert row.holds


def test_a_group_that_is_worse_is_told(shapes):
    rng = np.random.default_rng(6)
    numbers = {float(PX * s[0, 0]): k for k, s in enumerate(shapes)}

    def ours(true, before):
        worse = 3.0 if numbers[float(before[row_of("pupil right"), 0])] < 10 else 1.0
        return true + worse * rng.normal(0, 1.0, true.shape)

    rows = rows_of(looked(shapes, ours))
    (row,) = starting(rows, "error of a (10) over that of the others (30;")
    assert 2.5 < row.value < 3.5
    assert row.holds is False
    (other,) = starting(rows, "error of b (30) over that of the others (10;")
    assert other.holds


def test_the_mesh_has_the_points_that_it_has():
    mesh = np.random.default_rng(0).uniform(100, 300, (468, 3)).astype(np.float32)
    face = Face((0, 0, 400, 400), mesh, np.zeros((2, 5, 2), np.float32), 20.0, 0.01, Pose(0, 0, 0), "made")
    points = mesh_points(face)
    np.testing.assert_allclose(points[row_of("alare right")], mesh[129, :2])
    np.testing.assert_allclose(points[row_of("pupil left")], mesh[[263, 362, 386, 374], :2].mean(0), rtol=1e-6)
    assert np.isnan(points[row_of("postaurale left")]).all()
