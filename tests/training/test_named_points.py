"""Learning the shifts: what is common is learnt, sides mirror each other, people are held out."""

from __future__ import annotations

import numpy as np
import pytest

from deciface.cases import Sex
from deciface.errors import InputError
from deciface.faces.named_points import MESH_INDEX
from deciface.photos import write_photo
from deciface.simulate import FRONTAL, AppearanceModel, simulate_face
from deciface.training.named_points import LearntShifts, save, shifts_of, train_named_points
from deciface.training.worsening import photographed

SIDES = {name: number for number, name in enumerate(MESH_INDEX)}


def test_a_planted_shift_is_found_and_mirrored():
    rng = np.random.default_rng(0)
    truth = np.zeros(13, complex)
    truth[SIDES["cheilion left"]] = 0.02 - 0.01j
    truth[SIDES["cheilion right"]] = -0.02 - 0.01j
    gaps = truth + 0.03 * (rng.normal(size=(4000, 13)) + 1j * rng.normal(size=(4000, 13)))
    found = shifts_of(gaps)
    assert np.abs(found - truth).max() < 0.003
    for left, right in (("inner canthus left", "inner canthus right"), ("upper lid left", "upper lid right")):
        assert found[SIDES[left]] == pytest.approx(-found[SIDES[right]].conjugate())
    assert found[SIDES["subnasale"]].real == pytest.approx(0)


def test_a_worse_photo_carries_its_points_along():
    image = np.zeros((300, 400, 3), np.uint8)
    image[100:104, 150:154] = 255
    for seed in range(12):
        worse, matrix = photographed(image, 100.0, np.random.default_rng(seed))
        bright = worse[..., 0].astype(float) * (worse[..., 0] > worse.max() * 0.3)
        if bright.sum() == 0:
            continue
        y, x = np.indices(bright.shape)
        seen = np.array([(x * bright).sum(), (y * bright).sum()]) / bright.sum()
        assert seen == pytest.approx(matrix[:, :2] @ [151.5, 101.5] + matrix[:, 2], abs=1.0), seed


@pytest.mark.models
def test_twenty_people_are_needed(finder):
    with pytest.raises(InputError, match="at least 20, one per person"):
        train_named_points([], finder=finder)


@pytest.mark.models
@pytest.mark.slow
def test_held_out_people_gain(finder, tmp_path):
    model = AppearanceModel.shipped()
    for seed in range(20):
        ancestry = model.ancestries[seed % 4]
        face = simulate_face(model, 900 + seed, sex=Sex.FEMALE, ancestry=ancestry, nuisance=FRONTAL)
        write_photo(face.pixels, tmp_path / f"p{seed:02d}.png")
        points = "\n".join(f"{x:.3f}\t{y:.3f}" for x, y in face.landmarks_px)
        (tmp_path / f"p{seed:02d}.tem").write_text(f"189\n{points}\n0\n")
    learnt = train_named_points(sorted(tmp_path.glob("*.png")), finder=finder, repeats=2)
    assert learnt.people == 20
    for kind in ("as it is", "made worse"):
        assert learnt.error[kind] < learnt.error_before[kind] < 0.04


def test_what_is_saved_is_what_is_shipped(tmp_path):
    learnt = LearntShifts(np.arange(26.0).reshape(13, 2) / 1000, {}, {}, 102)
    save(learnt, tmp_path / "points.csv")
    lines = (tmp_path / "points.csv").read_text().splitlines()
    assert lines[:2] == ["point,dx,dy", "inner canthus left,0.00000,0.00100"]
    assert len(lines) == 14
