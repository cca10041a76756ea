"""The landmark network as a part of the face room: frames, mirror, errors carried back to the photo, and refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from deciface.errors import ModelError
from deciface.faces import Face, Pose, Pyramid, alignment
from deciface.faces.landmark_model import SIGMA_FACTORS, LandmarkModel, mirror_rows
from deciface.faces.landmarks import FACE_POINTS
from deciface.models import Colour, ModelStore
from deciface.models.card import Kind
from deciface.simulate import AppearanceModel
from deciface.simulate.template import mirror_order

torch = pytest.importorskip("torch")
POINTS = ",".join(map(str, FACE_POINTS))


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    shipped = ModelStore(tmp_path_factory.mktemp("none")).card("deciface-dysmorphic")
    return replace(
        shipped, id="made", kind=Kind.LANDMARKS, alignment="wide-256", input_px=(256, 256), colour=Colour.RGB, views=()
    )


@pytest.fixture(scope="module")
def content():
    """A network that nobody trained: frames are right or wrong all the same."""
    from deciface.training.landmark_network import build_landmarks
    from deciface.training.landmarks import landmarks_onnx

    torch.manual_seed(3)
    return landmarks_onnx(build_landmarks(len(FACE_POINTS)), {"points": POINTS})


@pytest.fixture(scope="module")
def model(content, card):
    return LandmarkModel(content, card, factors=np.ones(len(FACE_POINTS)))


def face() -> Face:
    """Mesh points where the template of the crop wants them, in a photo turned and twice as large."""
    rng = np.random.default_rng(0)
    mesh = rng.uniform(100, 300, (468, 3)).astype(np.float32)
    return Face((0, 0, 400, 400), mesh, np.zeros((2, 5, 2), np.float32), 20.0, 0.01, Pose(0, 0, 0), "made")


def test_which_point_mirrors_which():
    rows = {point: row for row, point in enumerate(FACE_POINTS)}
    whole = mirror_order(AppearanceModel.shipped().mean_shape)
    assert [FACE_POINTS[k] for k in mirror_rows()] == [whole[i] for i in rows]


def test_points_and_sigmas_are_those_of_the_network(model, content):
    import onnxruntime

    crops = np.random.default_rng(1).integers(0, 256, (2, 256, 256, 3), dtype=np.uint8)
    points, sigmas = model.on_crops(crops)
    values = np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32) / 255
    (said,) = onnxruntime.InferenceSession(content).run(None, {"crops": values})
    np.testing.assert_allclose(points, said[..., :2], atol=1e-3)
    np.testing.assert_allclose(sigmas, np.exp(said[..., 2:]), rtol=1e-3)
    assert points.shape == sigmas.shape == (2, len(FACE_POINTS), 2)


def test_the_file_carries_what_its_sigmas_are_multiplied_by(content, card, model):
    import onnx

    crops = np.zeros((1, 256, 256, 3), np.uint8)
    calibrated = onnx.load_from_string(content)
    factors = ",".join(["3"] * len(FACE_POINTS))
    onnx.helper.set_model_props(calibrated, {"points": POINTS, SIGMA_FACTORS: factors})
    wider = LandmarkModel(calibrated.SerializeToString(), card)
    np.testing.assert_allclose(wider.on_crops(crops)[1], 3 * model.on_crops(crops)[1])
    onnx.helper.set_model_props(calibrated, {"points": POINTS, SIGMA_FACTORS: "3,x"})
    with pytest.raises(ModelError, match="'sigma_factors' are not 163 numbers above 0; train it again"):
        LandmarkModel(calibrated.SerializeToString(), card)


def test_points_and_errors_are_carried_back_to_the_photo(model):
    photo = np.random.default_rng(2).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    found, matrix = model.place(photo, face()), alignment(face(), "wide-256")
    crop = Pyramid.of(photo).cut(matrix, 256)
    (points,), (sigmas,) = model.on_crops(crop[None])
    np.testing.assert_allclose(found.points_px @ matrix[:, :2].T + matrix[:, 2], points, atol=1e-6)
    scale = np.hypot(*matrix[:, 0])
    np.testing.assert_allclose(
        np.trace(found.covariance_px2, axis1=1, axis2=2), (sigmas**2).sum(1) / scale**2, rtol=1e-9
    )
    assert found.source.startswith("made ")


def test_factors_widen_the_errors(content, card, model):
    crops = np.zeros((1, 256, 256, 3), np.uint8)
    twice = LandmarkModel(content, card, factors=np.full(len(FACE_POINTS), 2.0))
    np.testing.assert_allclose(twice.on_crops(crops)[1], 2 * model.on_crops(crops)[1])


def test_files_that_are_something_else(tmp_path, card, content):
    text = tmp_path / "notes.onnx"
    text.write_text("no network")
    with pytest.raises(ModelError, match=r"notes\.onnx is no ONNX network that onnxruntime can run"):
        LandmarkModel(text, card)
    encoder = ModelStore(tmp_path / "none").path("deciface-dysmorphic")
    with pytest.raises(ModelError, match=r"deciface-dysmorphic.onnx takes \[1, 128, 128\] and gives \[16\] for points"):
        LandmarkModel(encoder, card)
    import onnx

    other = onnx.load_from_string(content)
    onnx.helper.set_model_props(other, {"points": "1,2,3"})
    with pytest.raises(ModelError, match=r"for points 1,2,3\.\.\.; landmarks need"):
        LandmarkModel(other.SerializeToString(), card)
