"""The encoder of planted amounts: it learns them on people it never saw, and its file says the same as PyTorch."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from deciface.errors import InputError, MismatchError, OptionError
from deciface.simulate import AppearanceModel
from deciface.training.crop_changes import CropChanges
from deciface.training.dysmorphic import (
    UNREMARKABLE_SD,
    AmountTask,
    correlations,
    dysmorphic_recipe,
    encoder_onnx,
)
from deciface.training.loop import run
from deciface.training.planted_crops import FEATURE_NAMES, MARGIN_PX, WIDE_GREY, Shots

SIDE_PX = WIDE_GREY.side_px
torch = pytest.importorskip("torch")


def shots(count: int, *, seed: int = 0) -> Shots:
    """Crops with a bright bar as long as the first amount, dark faces otherwise; landmarks at its two ends."""
    rng = np.random.default_rng(seed)
    crops = rng.integers(20, 60, (count, SIDE_PX, SIDE_PX)).astype(np.uint8)
    amounts = np.zeros((count, len(FEATURE_NAMES)), np.float32)
    amounts[:, 0] = rng.uniform(-3, 3, count)
    points = np.full((count, 189, 2), SIDE_PX / 2, np.float32)
    for i, amount in enumerate(amounts[:, 0]):
        half = round(20 + 5 * float(amount))
        middle = SIDE_PX // 2
        crops[i, middle - 3 : middle + 3, middle - half : middle + half] = 220
        points[i, 0] = (middle - half, middle)
        points[i, 1] = (middle + half, middle)
    return Shots(crops, amounts, points)


def task(count: int = 480, **options) -> AmountTask:
    torch.manual_seed(0)
    made = shots(count)
    rows = np.arange(count)
    shape = AppearanceModel.shipped().mean_shape
    return AmountTask(made, learn=rows[: count - 96], choose=rows[count - 96 :], mean_shape=shape, batch=32, **options)


def test_amounts_are_learnt_and_the_file_says_the_same(tmp_path):
    import onnxruntime

    learnt = task(changes=CropChanges(blur=0, noise=0))
    epochs = run(learnt, dysmorphic_recipe(epochs=3, threads=2))
    assert epochs[-1].score * len(FEATURE_NAMES) > 0.9, "the only feature that varies is read"
    content = encoder_onnx(learnt.network, {"trained_on": "a bar"})
    session = onnxruntime.InferenceSession(content)
    crops = learnt.shots.crops[:5, MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX, None].transpose(0, 3, 1, 2)
    values = np.ascontiguousarray(crops, np.float32) / 255
    (vectors,) = session.run(["vectors"], {"crops": values})
    with torch.no_grad():
        amounts = learnt.network(torch.from_numpy(values)).numpy()
    np.testing.assert_allclose(vectors[:, :-1], amounts, atol=1e-4)
    np.testing.assert_allclose(vectors[:, -1], UNREMARKABLE_SD, atol=1e-6)
    assert len(content) < 10_000_000, "small enough to ship"


def test_moving_a_crop_moves_its_landmarks_along():
    """A mark painted at a landmark is still there after turning, mirroring and shifting."""
    made = shots(8)
    made.crops[:] = 0
    for i in range(8):
        made.landmarks_px[i, 0] = (60 + 3 * i, 80 - 2 * i)
        x, y = made.landmarks_px[i, 0].astype(int)
        made.crops[i, y - 1 : y + 2, x - 1 : x + 2] = 255
    shape = AppearanceModel.shipped().mean_shape
    still = CropChanges(gamma=0, gain=0, light=0, blur=0, noise=0, turn_deg=4, scale=0.05, shift_px=3)
    few = AmountTask(made, learn=np.arange(7), choose=np.arange(7, 8), mean_shape=shape, batch=4, changes=still)
    crops, points = few._changed(np.arange(8), np.random.default_rng(3))
    mirror = few._mirror.numpy()
    sides = set()
    for crop, own in zip(crops[:, 0].numpy(), points.numpy(), strict=True):
        y, x = np.unravel_index(crop.argmax(), crop.shape)
        gaps = [np.hypot(*(own[k] - (x, y))) for k in (0, int(np.flatnonzero(mirror == 0)[0]))]
        assert min(gaps) < 1.6
        sides.add(int(np.argmin(gaps)))
    assert sides == {0, 1}, "some were mirrored, and their landmarks with them"


def test_correlations_are_numpys():
    rng = np.random.default_rng(1)
    read, planted = rng.normal(size=(50, 3)), rng.normal(size=(50, 3))
    planted[:, 2] = 1.0
    found = correlations(read, planted)
    expected = [np.corrcoef(read[:, k], planted[:, k])[0, 1] for k in (0, 1)]
    np.testing.assert_allclose(found, [*expected, 0.0], atol=1e-12)


def test_too_little_to_learn_from_is_refused():
    made, shape = shots(10), AppearanceModel.shipped().mean_shape
    with pytest.raises(InputError, match="3 crops to learn from in batches of 8, 2 to choose on"):
        AmountTask(made, learn=np.arange(3), choose=np.arange(2), mean_shape=shape, batch=8)
    with pytest.raises(OptionError, match="batch = 1"):
        AmountTask(made, learn=np.arange(3), choose=np.arange(2), mean_shape=shape, batch=1)


@pytest.mark.slow
def test_a_run_is_cut_and_goes_on_to_the_same_encoder(shared_data, tmp_path):
    import datetime as dt

    from deciface.simulate.training_set import TrainingSet, read_training_set
    from deciface.workflows.cross_fitted import REPORT_FILE, Plan, parts_of
    from deciface.workflows.training_dysmorphic import MODEL_FILE, train_dysmorphic

    faces = shared_data / "faces"
    training = read_training_set(faces / "london", faces / "london_info.csv")
    plan = Plan(folds=2, people=24, shots=4, photo_shots=0, epochs=2, rate=2e-3, batch=16)
    parts = parts_of(training, plan.folds)
    held_out = [i for part in parts[1:] for i in part.held_out]
    assert sorted(held_out) == list(range(len(training.photos))), "everybody is held out once"
    assert all(not set(part.kept) & set(part.held_out) for part in parts)

    class PowerCutError(Exception):
        pass

    def until_first_epoch(text: str) -> None:
        if "epoch 1" in text:
            raise PowerCutError

    options = {"plan": plan, "source": "test", "threads": 1, "now": lambda: dt.datetime(2026, 1, 2, tzinfo=dt.UTC)}
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    with pytest.raises(PowerCutError):
        train_dysmorphic(training, cut, only=["fold-1"], say=until_first_epoch, **options)
    (again,) = train_dysmorphic(training, cut, only=["fold-1"], resume=True, **options)
    (one_go,) = train_dysmorphic(training, whole, only=["fold-1"], **options)
    assert again.read_bytes() == one_go.read_bytes()
    assert {p.name for p in again.parent.iterdir()} == {
        MODEL_FILE,
        "appearance.npz",
        "card.yaml",
        "curves.csv",
        "run.json",
    }
    manifest = json.loads((cut / "run.json").read_text())
    assert manifest["parts"]["fold-1"]["held_out"]
    page = (cut / REPORT_FILE).read_text()
    assert "by the part that never saw them" in page
    assert "part &#39;all&#39; is not finished" in page
    with pytest.raises(OptionError, match="holds a run already; go on with it by --resume"):
        train_dysmorphic(training, cut, **options)
    other = options | {"plan": replace(plan, folds=3)}
    with pytest.raises(MismatchError, match=r"was begun with another plan \(folds = 3\); go on with the photos and"):
        train_dysmorphic(training, cut, resume=True, **other)
    fewer = TrainingSet(training.photos[:-1], training.templates[:-1], training.groups[:-1])
    with pytest.raises(MismatchError, match="was begun with another set of photos"):
        train_dysmorphic(fewer, cut, resume=True, **options)
    assert json.loads((cut / "run.json").read_text()) == manifest, "nothing was rewritten"
    (cut / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"run.json' cannot be read; name a new folder"):
        train_dysmorphic(training, cut, resume=True, **options)
    with pytest.raises(OptionError, match="part 'fold-9'; there are all, fold-1, fold-2"):
        train_dysmorphic(training, tmp_path / "x", only=["fold-9"], **options)
