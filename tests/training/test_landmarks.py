"""The landmark network: it finds marks on people it never saw, knows how sure it is, and its file says the same."""

from __future__ import annotations

import numpy as np
import pytest

from deciface.errors import InputError, OptionError
from deciface.simulate import AppearanceModel
from deciface.training.crop_changes import CropChanges
from deciface.training.landmarks import LandmarkTask, landmark_recipe, landmarks_onnx
from deciface.training.loop import run
from deciface.training.planted_crops import FEATURE_NAMES, MARGIN_PX, WIDE_COLOUR, Shots

torch = pytest.importorskip("torch")
SIDE = WIDE_COLOUR.side_px
POINTS = np.array([0, 1, 18])
STILL = CropChanges(turn_deg=0, scale=0, shift_px=0, gamma=0, gain=0, light=0, blur=0, noise=0)


def shots(count: int) -> Shots:
    """Dark crops with a red disc at one point; another point is anywhere and cannot be known."""
    rng = np.random.default_rng(2)
    crops = rng.integers(20, 60, (count, SIDE, SIDE, 3)).astype(np.uint8)
    points = np.full((count, 189, 2), SIDE / 2, np.float32)
    y, x = np.mgrid[:SIDE, :SIDE]
    for i in range(count):
        for point, colour in ((0, 0), (1, 2)):  # mirror images of one another: red and blue
            where = rng.uniform(50, SIDE - 50, 2)
            points[i, point] = where
            crops[i, np.hypot(x - where[0], y - where[1]) < 11, colour] = 230
        points[i, 18] = rng.uniform(60, SIDE - 60, 2)
    return Shots(crops, np.zeros((count, len(FEATURE_NAMES)), np.float32), points)


def task(count: int = 192, *, changes: CropChanges = STILL) -> LandmarkTask:
    torch.manual_seed(0)
    rows, shape = np.arange(count), AppearanceModel.shipped().mean_shape
    made = LandmarkTask(
        shots(count), POINTS, learn=rows[:-48], choose=rows[-48:], mean_shape=shape, batch=8, changes=changes
    )
    made._mirror = torch.arange(189)  # the discs have colours: a mirrored disc is the same disc
    return made


@pytest.fixture(scope="module")
def learnt():
    made = task()
    epochs = run(made, landmark_recipe(epochs=5, rate=4e-3, threads=2, mixed=False))
    return made, epochs


def test_marks_are_found_where_nobody_showed_them(learnt):
    made, _ = learnt
    inner = slice(MARGIN_PX, -MARGIN_PX)
    crops = made.shots.crops[made.choose][:, inner, inner].transpose(0, 3, 1, 2)
    with torch.no_grad():
        found = made.network(torch.from_numpy(np.ascontiguousarray(crops)).float() / 255).numpy()
    gap = found[..., :2] - (made.shots.landmarks_px[made.choose][:, POINTS] - MARGIN_PX)
    error = np.hypot(*np.moveaxis(gap, -1, 0)).mean(0)
    assert error[:2].max() < 4
    assert error[2] > 15
    sigma = np.exp(found[..., 2:]).mean((0, 2))
    assert sigma[2] > 3 * sigma[:2].max(), "what cannot be known is said to be unsure"


def test_measures_are_those_of_the_chosen_people(learnt):
    _, epochs = learnt
    assert epochs[-1].measures["landmark error px"] < epochs[0].measures["landmark error px"]
    assert epochs[-1].score == -epochs[-1].measures["landmark error px"]
    assert 0.4 < epochs[-1].measures["share within one sigma"] < 0.95


def test_the_file_says_the_same(learnt):
    import onnxruntime

    made, _ = learnt
    content = landmarks_onnx(made.network, {"points": "0,1,18"})
    assert len(content) < 10_000_000, "small enough to ship"
    session = onnxruntime.InferenceSession(content)
    assert session.get_modelmeta().custom_metadata_map == {"points": "0,1,18"}
    values = np.random.default_rng(0).random((3, 3, 256, 256), np.float32)
    (said,) = session.run(None, {"crops": values})
    with torch.no_grad():
        expected = made.network(torch.from_numpy(values)).numpy()
    assert said.shape == (3, 3, 4)
    np.testing.assert_allclose(said, expected, atol=2e-4)


def test_points_far_outside_teach_nothing():
    made = task(64)
    made.shots.landmarks_px[:, 18] = -500.0
    rows = np.arange(16)
    with torch.no_grad():
        made.network.train()
        assert float(made.loss(rows, np.random.default_rng(0))) < 250, "the other points are 60 px off"


def test_too_little_to_learn_from_is_refused():
    shape = AppearanceModel.shipped().mean_shape
    with pytest.raises(InputError, match="3 crops to learn from in batches of 8, 2 to choose on"):
        LandmarkTask(shots(5), POINTS, learn=np.arange(3), choose=np.arange(3, 5), mean_shape=shape, batch=8)
    with pytest.raises(OptionError, match="batch = 1"):
        LandmarkTask(shots(5), POINTS, learn=np.arange(3), choose=np.arange(3, 5), mean_shape=shape, batch=1)
