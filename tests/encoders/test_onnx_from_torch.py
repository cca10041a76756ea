"""ONNX written from PyTorch modules gives the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deciface.encoders.onnx_from_torch import onnx_from_torch, weights_in_onnx
from deciface.errors import ModelError

torch = pytest.importorskip("torch")


def network() -> Any:
    nn = torch.nn
    torch.manual_seed(1)

    class Unit(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(6, 10, 3, 2, 1, bias=False)
            self.norm = nn.BatchNorm2d(10)
            self.scale = nn.Parameter(torch.rand(10))

        def forward(self, x: Any) -> Any:
            beside = nn.functional.pad(nn.functional.avg_pool2d(x, 2), (0, 0, 0, 0, 0, 4))
            return torch.relu(self.norm(self.conv(x)) * self.scale.view(1, -1, 1, 1) + beside)

    return nn.Sequential(
        nn.BatchNorm2d(1, affine=False),
        nn.Conv2d(1, 6, 5, 2, 2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        Unit(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(10 * 16, 7),
    )


def trained_a_little(module: Any) -> Any:
    module.train()
    for _ in range(3):
        module(torch.randn(8, 1, 32, 32) * 3 + 1)
    return module.eval()


@pytest.mark.parametrize("count", [1, 5])
def test_equal_to_pytorch(count: int) -> None:
    import onnxruntime

    module = trained_a_little(network())
    content = onnx_from_torch(module, (1, 32, 32), metadata={"about": "a test"})
    session = onnxruntime.InferenceSession(content)
    crops = np.random.default_rng(0).normal(size=(count, 1, 32, 32)).astype(np.float32)
    (found,) = session.run(["vectors"], {"crops": crops})
    with torch.no_grad():
        expected = module(torch.from_numpy(crops)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert session.get_modelmeta().custom_metadata_map == {"about": "a test"}


def test_the_weights_can_be_read_back_by_name() -> None:
    module = trained_a_little(network())
    weights = weights_in_onnx(onnx_from_torch(module, (1, 32, 32)), name="test.onnx")
    for name, value in module.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            np.testing.assert_array_equal(weights[name], value.numpy())


def test_the_same_network_gives_the_same_bytes() -> None:
    assert onnx_from_torch(network(), (1, 32, 32)) == onnx_from_torch(network(), (1, 32, 32))


def test_an_unknown_layer_is_refused_by_name() -> None:
    class Sine(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.sin(x)

    with pytest.raises(ModelError, match=r"a layer 'aten\.sin\.default' cannot be written as ONNX here"):
        onnx_from_torch(Sine(), (3,))


def test_what_is_no_onnx_file_is_refused() -> None:
    with pytest.raises(ModelError, match=r"'x.onnx' is no ONNX file"):
        weights_in_onnx(b"no such thing", name="x.onnx")


@pytest.mark.parametrize(
    "layer",
    [
        lambda nn: nn.MaxPool2d(2, ceil_mode=True),
        lambda nn: nn.AvgPool2d(3, 2, 1),
        lambda nn: nn.Hardtanh(-0.2, 0.2),
        lambda nn: nn.ReflectionPad2d(1),
    ],
    ids=["rounded up", "padding counted", "two ends", "reflected"],
)
def test_an_option_that_is_not_translated_is_refused(layer: Any) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), layer(torch.nn)).eval()
    with pytest.raises(ModelError, match=r"ONNX"):
        onnx_from_torch(module, (1, 9, 9))
