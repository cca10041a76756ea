"""Our run of dlib's network against dlib's own."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from deciface.encoders import open_encoder
from deciface.encoders.dlib_resnet import onnx_from_dlib, open_dlib_resnet
from deciface.errors import ModelError
from tests.encoders.drawing import drawn_faces

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def peer(model_store):
    dlib = pytest.importorskip("dlib", reason="dlib-bin is not installed")
    return dlib.face_recognition_model_v1(str(model_store.path("dlib-resnet")))


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def assert_equals_dlib(model_store, peer, crops: np.ndarray) -> None:
    raw = np.array([peer.compute_face_descriptor(np.ascontiguousarray(crop)) for crop in crops])
    found = open_encoder(model_store, "dlib-resnet").encode(crops)
    assert np.abs(found - unit(raw)).max() < 1e-5
    assert np.linalg.norm(raw, axis=1).min() > 1.01, "dlib's own vectors are not of unit length"


def test_equals_dlib_on_drawn_faces_and_noise(model_store, peer):
    noise = np.random.default_rng(3).integers(0, 256, (3, 150, 150, 3), dtype=np.uint8)
    flat = np.stack([np.zeros((150, 150, 3), np.uint8), np.full((150, 150, 3), 255, np.uint8)])
    assert_equals_dlib(model_store, peer, np.concatenate([drawn_faces(150), noise, flat]))


def test_equals_dlib_on_photos(model_store, peer, shared_data):
    photos = sorted((shared_data / "faces" / "london").glob("*_03.jpg"))[:8]
    boxes = [(325, 275, 1025, 975), (275, 325, 1075, 1125)]
    crops = [np.asarray(Image.open(p).crop(boxes[i % 2]).resize((150, 150))) for i, p in enumerate(photos)]
    assert_equals_dlib(model_store, peer, np.stack(crops))


def test_a_cut_off_file_is_refused(model_store, tmp_path):
    content = model_store.path("dlib-resnet").read_bytes()
    path = tmp_path / "net.dat"
    for length in (100, 5_000, 1_000_000, len(content) - 200_000):
        path.write_bytes(content[:length])
        with pytest.raises(ModelError, match=r"net\.dat: byte \d+: .* should stand here, found"):
            onnx_from_dlib(path)


def test_a_card_that_declares_something_else_is_refused(model_store):
    from dataclasses import replace

    card = replace(model_store.card("dlib-resnet"), dimensions=64)
    with pytest.raises(ModelError, match=r"gives \('n', 128\); the card 'dlib-resnet' declares one output \(n, 64\)"):
        open_dlib_resnet(model_store.path("dlib-resnet"), card)
