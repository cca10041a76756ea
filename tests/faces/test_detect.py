import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deciface.errors import ModelError
from deciface.faces.detect import BlazeFace, _anchors, _letterbox, merge
from deciface.faces.face import Detection
from deciface.faces.pyramid import Pyramid, halve


def detection(x, y, size, score=0.9, name="a"):
    return Detection((x, y, x + size, y + size), np.zeros((6, 2), np.float32), score, name)


def test_anchors_have_the_networks_numbers():
    assert len(_anchors(128, ((8, 2), (16, 6)))) == 896
    assert len(_anchors(192, ((4, 1),))) == 2304


def test_halving_averages_blocks():
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    expected = image.reshape(2, 2, 3, 2, 3).mean(axis=(1, 3))
    assert np.abs(halve(image).astype(float) - expected).max() <= 0.5


@given(st.integers(40, 900), st.integers(40, 900))
def test_letterbox_keeps_places(width, height):
    image = np.zeros((height, width, 3), np.uint8)
    y, x = height // 2, width // 3
    image[max(0, y - 12) : y + 12, max(0, x - 12) : x + 12] = 255
    square, scale, offset = _letterbox(Pyramid(image), 192)
    assert square.shape == (192, 192, 3)
    rows, columns = np.nonzero(square[..., 0] > 127)
    if rows.size:
        centre = (np.array([columns.mean(), rows.mean()]) - offset) / scale
        true = np.array([(max(0, x - 12) + min(width, x + 12)) / 2, (max(0, y - 12) + min(height, y + 12)) / 2])
        assert np.abs(centre - true).max() < 2.5 / scale + 2


def test_merge_keeps_one_detection_a_face_and_all_faces():
    kept = merge([detection(0, 0, 100, 0.7, "a"), detection(5, 5, 100, 0.9, "b"), detection(300, 0, 80, 0.6, "a")])
    assert [(k.detector, k.score) for k in kept] == [("b", 0.9), ("a", 0.6)]


def test_a_file_that_is_no_network_is_refused(tmp_path):
    file = tmp_path / "x.tflite"
    file.write_bytes(b"not a network" * 100)
    with pytest.raises(ModelError, match=r"x\.tflite is no LiteRT network"):
        BlazeFace(file, "short")


@pytest.mark.models
def test_another_models_file_is_refused(model_store):
    with pytest.raises(ModelError, match="are needed: is it another model's file"):
        BlazeFace(model_store.path("mediapipe-mesh"), "short")
