"""Improved residual networks as ONNX, written from their weights without PyTorch.

Every batch norm behind a convolution is folded into it, and the two norms around the linear layer into that layer: the
same sums in another order. The norm before each unit's first convolution stays: that convolution is padded with zeros
behind the norm, so that folding it would change the rim of the picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.dlib_format import named_weight
from deciface.encoders.iresnet import (
    DIMENSIONS,
    EPSILON,
    FINAL_SIDE_PX,
    INPUT_PX,
    Weights,
    units_of,
)
from deciface.encoders.iresnet_weights import FittedWeights, fit_weights
from deciface.encoders.state_dict import read_state_dict
from deciface.errors import ModelError
from deciface.models.card import Colour, Layout, ModelCard

Array = NDArray[np.float64]


def scale_and_shift(weights: Weights, norm: str) -> tuple[Array, Array]:
    """Write a batch norm with fixed statistics as ``x * scale + shift``; both (channels,) float64."""
    mean, variance = (weights[f"{norm}.{part}"].astype(np.float64) for part in ("running_mean", "running_var"))
    scale = weights[f"{norm}.weight"] / np.sqrt(variance + EPSILON)
    return scale, weights[f"{norm}.bias"] - mean * scale


class _GraphWriter:
    """Nodes and weights of the graph so far."""

    def __init__(self, weights: Weights) -> None:
        self.source = weights
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def weight(self, values: NDArray[Any], name: str) -> str:
        self.weights.append(named_weight(np.asarray(values, np.float32), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:  # noqa: ANN401 - as make_node
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def convolution(self, x: str, name: str, norm: str, *, stride: int = 1) -> str:
        """Convolution with the norm behind it."""
        scale, shift = scale_and_shift(self.source, norm)
        kernel = self.source[f"{name}.weight"] * scale[:, None, None, None]
        side = kernel.shape[-1]
        inputs = [x, self.weight(kernel, f"{name}.weight"), self.weight(shift, f"{name}.bias")]
        shape = {"kernel_shape": [side] * 2, "strides": [stride] * 2, "pads": [side // 2] * 4}
        return self.node("Conv", inputs, name, **shape)

    def prelu(self, x: str, name: str) -> str:
        slope = self.weight(self.source[f"{name}.weight"][:, None, None], f"{name}.weight")
        return self.node("PRelu", [x, slope], name)

    def norm(self, x: str, name: str) -> str:
        parts = ("weight", "bias", "running_mean", "running_var")
        inputs = [x, *(self.weight(self.source[f"{name}.{part}"], f"{name}.{part}") for part in parts)]
        return self.node("BatchNormalization", inputs, name, epsilon=EPSILON)

    def unit(self, x: str, at: str, *, first: bool) -> str:
        """One residual unit."""
        stride = 2 if first else 1
        inside = self.convolution(self.norm(x, f"{at}.bn1"), f"{at}.conv1", f"{at}.bn2")
        inside = self.convolution(self.prelu(inside, f"{at}.prelu"), f"{at}.conv2", f"{at}.bn3", stride=stride)
        if first:
            x = self.convolution(x, f"{at}.downsample.0", f"{at}.downsample.1", stride=stride)
        return self.node("Add", [inside, x], at)

    def head(self, x: str) -> str:
        """Linear layer with the norms before and behind it."""
        w = self.source
        (before, shift), (behind, last) = scale_and_shift(w, "bn2"), scale_and_shift(w, "features")
        matrix = w["fc.weight"].reshape(DIMENSIONS, -1, FINAL_SIDE_PX**2).astype(np.float64)
        bias = (matrix.sum(2) @ shift + w["fc.bias"]) * behind + last
        matrix = matrix * before[None, :, None] * behind[:, None, None]
        flat = self.node("Flatten", [x], "flat")
        inputs = [flat, self.weight(matrix.reshape(DIMENSIONS, -1), "fc.weight"), self.weight(bias, "fc.bias")]
        return self.node("Gemm", inputs, "vectors", transB=1)


def onnx_from_iresnet(weights: Weights, architecture: str) -> bytes:
    """Write an improved residual network as ONNX.

    Parameters
    ----------
    weights
        As `deciface.encoders.iresnet.fit_weights` gives them.
    architecture
        One of `deciface.encoders.iresnet.ARCHITECTURES`.

    Returns
    -------
    bytes
        Input ``crops`` (n, 3, 112, 112) float32 = (RGB / 255 - 0.5) / 0.5, output ``vectors`` (n, 512) float32, not of
        unit length. Equal to PyTorch's own to about 1e-6 of its largest value.

    Raises
    ------
    OptionError
        When there is no such architecture.
    """
    from onnx import TensorProto, helper

    writer = _GraphWriter(weights)
    x = writer.prelu(writer.convolution("crops", "conv1", "bn1"), "prelu")
    for stage, units in enumerate(units_of(architecture), 1):
        for unit in range(units):
            x = writer.unit(x, f"layer{stage}.{unit}", first=unit == 0)
    writer.head(x)
    graph = helper.make_graph(
        writer.nodes,
        architecture,
        [helper.make_tensor_value_info("crops", TensorProto.FLOAT, ["n", 3, INPUT_PX, INPUT_PX])],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", DIMENSIONS])],
        writer.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def weights_of_card(content: bytes, card: ModelCard, *, name: str) -> FittedWeights:
    """Read the weights that a card with runtime ``torch`` describes.

    Raises
    ------
    ModelError
        When the file cannot be read safely or holds another network, or the card declares another input or output than
        its architecture has.
    """
    if card.architecture is None:
        raise ModelError(f"card '{card.id}' names no architecture; runtime torch needs one")
    found = ((card.channels, *card.input_px), card.dimensions, card.layout, card.colour is Colour.GREY)
    if found != ((3, INPUT_PX, INPUT_PX), DIMENSIONS, Layout.NCHW, False):
        raise ModelError(
            f"card '{card.id}': {card.architecture} takes colour crops of {INPUT_PX} x {INPUT_PX} in layout nchw and "
            f"gives {DIMENSIONS} dimensions; correct input_px, channels, colour, layout or dimensions"
        )
    return fit_weights(read_state_dict(content, name=name), card.architecture, name=name)


def onnx_from_weights(content: bytes, card: ModelCard, /, *, name: str) -> tuple[bytes, tuple[str, ...]]:
    """Turn a state dict into the ONNX network that its card describes.

    Returns
    -------
    tuple
        The network (`onnx_from_iresnet`), and the names of what the file holds besides, such as a classifier.

    Raises
    ------
    ModelError
        See `weights_of_card`.
    """
    fitted = weights_of_card(content, card, name=name)
    return onnx_from_iresnet(fitted.weights, fitted.architecture), fitted.left_out
