"""Points by their names: where the vertices lie off is taken off, at any size and turn."""

from __future__ import annotations

import numpy as np
import pytest

from deciface.benchmarks.reference import OUTER_CANTHI_TEM
from deciface.faces.named_points import MESH_INDEX, named_points, shifts
from deciface.training.named_points import TEMPLATE_INDEX


@pytest.fixture
def mesh():
    points = np.random.default_rng(0).uniform(0, 200, (468, 3)).astype(np.float32)
    points[[33, 263], :2] = [[50, 100], [150, 100]]
    return points


def test_the_shift_is_taken_off_in_outer_canthal_distances(mesh):
    found = named_points(mesh)
    assert found.shape == (13, 2)
    assert found == pytest.approx(mesh[list(MESH_INDEX.values()), :2] - 100 * shifts(), abs=1e-4)


def test_points_turn_and_grow_with_the_face(mesh):
    c, s = 3 * np.cos(0.7), 3 * np.sin(0.7)
    turn = np.array([[c, -s], [s, c]])
    turned = mesh.copy()
    turned[:, :2] = mesh[:, :2] @ turn.T + [10, -20]
    assert named_points(turned) == pytest.approx(named_points(mesh) @ turn.T + [10, -20], abs=1e-3)


def test_both_sides_are_shifted_alike():
    by_name = dict(zip(MESH_INDEX, shifts(), strict=True))
    for name, (dx, dy) in by_name.items():
        if name.endswith("left"):
            assert by_name[name.replace("left", "right")] == pytest.approx((-dx, dy))
    assert by_name["subnasale"][0] == 0
    assert np.abs(shifts()).max() < 0.03, "a shift is small beside the face"


@pytest.mark.models
def test_named_points_are_nearer_to_the_manual_ones_than_vertices(people, finder):
    nearer = []
    for person in people[::10]:
        mesh = finder.find(person.pixels()).choose().mesh_px
        truth = person.points_px[list(TEMPLATE_INDEX)]
        unit = np.hypot(*np.diff(person.points_px[list(OUTER_CANTHI_TEM)], axis=0)[0])
        vertices = np.hypot(*(mesh[list(MESH_INDEX.values()), :2] - truth).T).mean() / unit
        points = np.hypot(*(named_points(mesh) - truth).T).mean() / unit
        assert points < 0.03
        nearer.append(vertices - points)
    assert np.mean(nearer) > 0.002
