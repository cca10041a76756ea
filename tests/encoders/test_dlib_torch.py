"""dlib's network in PyTorch against our run of it by onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

from deciface.encoders import open_encoder
from deciface.encoders.dlib_torch import UNITS, build_dlib_resnet
from deciface.errors import ModelError
from tests.encoders.drawing import drawn_faces

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture(scope="module")
def content(model_store) -> bytes:
    return model_store.path("dlib-resnet").read_bytes()


@pytest.fixture(scope="module")
def network(content):
    return build_dlib_resnet(content)


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    noise = np.random.default_rng(3).integers(0, 256, (2, 150, 150, 3), dtype=np.uint8)
    return np.concatenate([drawn_faces(150), noise, np.full((1, 150, 150, 3), 255, np.uint8)])


def fed(crops: np.ndarray, card):
    values = (crops - np.array(card.mean)) / np.array(card.std)
    return torch.from_numpy(values.astype(np.float32)).permute(0, 3, 1, 2)


@pytest.mark.models
def test_equals_the_encoder(model_store, network, crops):
    encoder = open_encoder(model_store, "dlib-resnet")
    with torch.inference_mode():
        raw = network(fed(crops, encoder.card)).numpy()
    length = np.linalg.norm(raw, axis=1, keepdims=True)
    assert np.abs(raw / length - encoder.encode(crops)).max() < 1e-4
    assert length.min() > 1.01, "not of unit length"


@pytest.mark.models
def test_names_tell_the_layer_and_every_weight_can_be_trained(model_store, network, crops):
    found = {name: tuple(values.shape) for name, values in network.named_parameters()}
    wanted = {"stem.conv.weight": (32, 3, 7, 7), "stem.affine.scale": (32,), "stem.affine.shift": (32,)}
    for number, (before, channels, _) in enumerate(UNITS, 1):
        for half, enters in ((1, before), (2, channels)):
            wanted[f"unit{number:02d}.conv{half}.weight"] = (channels, enters, 3, 3)
            wanted |= {f"unit{number:02d}.affine{half}.{part}": (channels,) for part in ("scale", "shift")}
    assert found == wanted | {"fc.weight": (128, 256)}
    network(fed(crops[:2], model_store.card("dlib-resnet"))).square().sum().backward()
    moved = [float(values.grad.abs().sum()) > 0 for values in network.parameters()]
    network.zero_grad()
    assert all(moved)


@pytest.mark.models
def test_a_cut_off_file_is_refused(content):
    for length in (100, 5_000, 1_000_000, len(content) - 200_000):
        with pytest.raises(ModelError, match=r"byte \d+: .* should stand here, found .*the file is damaged"):
            build_dlib_resnet(content[:length])


def test_other_bytes_are_refused():
    with pytest.raises(ModelError, match=r"^dlib_face_recognition_resnet_model_v1\.dat: byte 1: an integer should"):
        build_dlib_resnet(b"\x89PNG and so on")
