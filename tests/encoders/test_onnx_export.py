"""Weights written as ONNX give what PyTorch gives; no PyTorch is needed to run them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest

from deciface.encoders import OnnxEncoder
from deciface.encoders.iresnet import build_iresnet, load_weights
from deciface.encoders.onnx_export import onnx_from_iresnet, onnx_from_weights, weights_of_card
from deciface.errors import ModelError
from deciface.models import Colour, Layout
from tests.encoders.drawing import drawn_faces
from tests.encoders.iresnets import as_safetensors, iresnet_card, weights_of


@pytest.mark.parametrize("architecture", ["iresnet18", "iresnet50", pytest.param("iresnet100", marks=pytest.mark.slow)])
def test_equal_to_torch(architecture):
    torch = pytest.importorskip("torch")
    import onnxruntime

    weights = weights_of(architecture)
    network = build_iresnet(architecture).eval()
    load_weights(network, weights)
    session = onnxruntime.InferenceSession(onnx_from_iresnet(weights, architecture), providers=["CPUExecutionProvider"])
    for count in (1, 3):
        crops = np.random.default_rng(count).standard_normal((count, 3, 112, 112), np.float32)
        with torch.inference_mode():
            wanted = network(torch.from_numpy(crops)).numpy()
        (found,) = session.run(None, {"crops": crops})
        assert found.shape == (count, 512)
        assert np.abs(found - wanted).max() / np.abs(wanted).max() < 1e-5


def test_the_graph_is_valid_and_norms_are_folded():
    model = onnx.load_model_from_string(onnx_from_iresnet(weights_of(), "iresnet18"))
    onnx.checker.check_model(model, full_check=True)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("BatchNormalization") == 8  # one before each unit: its convolution pads with zeros
    assert kinds.count("Conv") == 1 + 2 * 8 + 4


GOLDEN = [
    [0.014510, 0.011010, -0.052847, -0.014699],
    [0.003025, -0.002592, -0.064165, -0.013141],
]


def encoder(**changes):
    card = iresnet_card(**changes)
    return OnnxEncoder(onnx_from_iresnet(weights_of(), "iresnet18"), card, threads=2)


def test_golden_vectors():
    """Fixed weights, drawn faces: a mistake in colour order or normalisation changes these and no identity test."""
    found = encoder().encode(drawn_faces(112))
    np.testing.assert_allclose(found[:, :4], GOLDEN, atol=2e-5)


@pytest.mark.parametrize("mistake", [{"colour": Colour.BGR}, {"mean": (0.0,) * 3}, {"std": (128.0,) * 3}])
def test_golden_vectors_find_the_mistake(mistake):
    found = encoder(**mistake).encode(drawn_faces(112))
    assert np.abs(found[:, :4] - GOLDEN).max() > 6e-5


def test_a_file_becomes_a_network():
    extra = {"head.weight": np.ones((3, 512), np.float32)}
    content = as_safetensors({f"module.{key}": values for key, values in weights_of().items()} | extra)
    network, left_out = onnx_from_weights(content, iresnet_card(), name="w.safetensors")
    assert left_out == ("head.weight",)
    assert network == onnx_from_iresnet(weights_of(), "iresnet18")


@pytest.mark.parametrize(
    "changes",
    [
        {"input_px": (160, 160)},
        {"dimensions": 128},
        {"layout": Layout.NHWC},
        {"colour": Colour.GREY, "channels": 1},
    ],
)
def test_a_card_that_contradicts_its_architecture(changes):
    with pytest.raises(
        ModelError, match=r"card 'own': iresnet18 takes colour crops of 112 x 112 in layout nchw and gives"
    ):
        weights_of_card(b"", iresnet_card(**changes), name="w.pth")


def test_a_card_without_architecture():
    with pytest.raises(ModelError, match="card 'own' names no architecture; runtime torch needs one"):
        weights_of_card(b"", iresnet_card(architecture=None), name="w.pth")


def test_torch_is_not_needed():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from deciface.encoders import OnnxEncoder\n"
        "from deciface.encoders.onnx_export import onnx_from_weights\n"
        "from tests.encoders.iresnets import *\n"
        "from tests.encoders.drawing import drawn_faces\n"
        "net, _ = onnx_from_weights(as_safetensors(weights_of()), iresnet_card(), name='w')\n"
        "print(OnnxEncoder(net, iresnet_card()).encode(drawn_faces(112)).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(2, 512)"
