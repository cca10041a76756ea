"""A whole DeepGestalt-type model as one ONNX file: the networks of all regions, their heatmaps, their labels.

Batch norms are folded into the convolutions before them: the same sums in another order. Beside the scores the file
holds the way back from a class to the activations (the gradient of its logit, written out layer by layer), so that
heatmaps need neither PyTorch nor automatic differentiation; it is run only when heatmaps are asked for.

Maps of the first four poolings are gradient-weighted activations (Grad-CAM; Selvaraju et al. 2017, ICCV): pooled
activations, each channel weighted by the mean of its gradient. The fifth is the class activation map before the average
pooling (Zhou et al. 2016, CVPR), which is exact: its mean over the map plus the bias is the logit. All are signed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.cases import RESEARCH_USE_ONLY
from deciface.encoders.deepgestalt import (
    FINAL_SIDE_PX,
    LAYERS,
    POOLINGS,
    Description,
    Weights,
    convolutions,
)
from deciface.encoders.dlib_format import named_weight
from deciface.encoders.iresnet import EPSILON
from deciface.errors import MismatchError
from deciface.faces.region_crops import REGION_PX, REGIONS_VERSION

FORMAT = "deciface-deepgestalt/1"
SCORES, TOWARD, CROPS = "scores", "toward", "crops"
HEAT = tuple(f"heat{number}" for number in range(1, POOLINGS + 1))


def onnx_from_deepgestalt(weights: Weights, description: Description) -> bytes:
    """Write a model of `deciface.encoders.deepgestalt` as ONNX.

    Parameters
    ----------
    weights
        As `deciface.encoders.deepgestalt.weights_of` gives them.
    description
        Kept in the file's metadata.

    Returns
    -------
    bytes
        Inputs ``crops`` (n, regions, 100, 100) uint8 and ``toward`` (n, classes) float32: by how much each logit counts
        for the heatmaps. Outputs ``scores`` (n, regions, classes), a softmax per region, and ``heat1`` .. ``heat5``
        (n, regions, s, s) with s = 50, 25, 13, 7, 7.

    Raises
    ------
    MismatchError
        When the weights are not those of the regions and labels.
    """
    from onnx import TensorProto, helper

    regions, classes = description.regions, len(description.labels)
    _check(weights, description)
    graph = _Graph()
    parts = [f"pixels/{region}" for region in regions]
    graph.nodes.append(helper.make_node("Split", [CROPS], parts, axis=1))
    networks = [_Region(graph, weights, str(region), pixels) for region, pixels in zip(regions, parts, strict=True)]
    graph.node("Concat", [network.scores() for network in networks], SCORES, axis=1)
    heat = [network.heat() for network in networks]
    for number, name in enumerate(HEAT):
        graph.node("Concat", [maps[number] for maps in heat], name, axis=1)
    value = helper.make_tensor_value_info
    outputs = [value(SCORES, TensorProto.FLOAT, ["n", len(regions), classes])]
    for name, side in zip(HEAT, map_sides(), strict=True):
        outputs.append(value(name, TensorProto.FLOAT, ["n", len(regions), side, side]))
    inputs = [
        value(CROPS, TensorProto.UINT8, ["n", len(regions), REGION_PX, REGION_PX]),
        value(TOWARD, TensorProto.FLOAT, ["n", classes]),
    ]
    made = helper.make_graph(graph.nodes, "deepgestalt", inputs, outputs, graph.weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata_of(description))
    return bytes(model.SerializeToString())


def metadata_of(description: Description) -> dict[str, str]:
    """Return what is written into the file beside the network."""
    return {
        "format": FORMAT,
        "kind": str(description.kind),
        "labels": json.dumps([[label.id, label.name] for label in description.labels], ensure_ascii=False),
        "regions": json.dumps([str(region) for region in description.regions]),
        "regions_version": REGIONS_VERSION,
        "trained_on": description.trained_on,
        "notice": RESEARCH_USE_ONLY,
    }


def map_sides() -> tuple[int, ...]:
    """Sides of the five maps in px: behind each maximum pooling, and before the average pooling."""
    sides, side = [], REGION_PX
    for _ in range(POOLINGS - 1):
        side = (side + 1) // 2
        sides.append(side)
    return (*sides, FINAL_SIDE_PX)


def channels_of(weights: Weights, region: str) -> tuple[int, ...]:
    """Output channels of a region's ten convolutions; KeyError where one is missing."""
    return tuple(int(weights[f"{region}.conv{i}.weight"].shape[0]) for i in range(1, LAYERS + 1))


def _check(weights: Weights, description: Description) -> None:
    expected: dict[str, tuple[int, ...]] = {}
    for region in description.regions:
        try:
            channels = channels_of(weights, str(region))
        except KeyError as error:
            raise MismatchError(
                f"the weights have no {error}; give those of {', '.join(description.regions)}"
            ) from None
        for name, before, after, normed, _ in convolutions(channels):
            expected[f"{region}.{name}.weight"] = (after, before, 3, 3)
            parts = ("weight", "bias", "running_mean", "running_var")
            names = [f"{name.replace('conv', 'norm')}.{part}" for part in parts] if normed else [f"{name}.bias"]
            expected.update({f"{region}.{part}": (after,) for part in names})
        expected[f"{region}.fc.weight"] = (len(description.labels), channels[-1])
        expected[f"{region}.fc.bias"] = (len(description.labels),)
    found = {name: values.shape for name, values in weights.items()}
    if found != expected:
        odd = min(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        raise MismatchError(
            f"weight '{odd}' has shape {found.get(odd, 'none')}, needed is {expected.get(odd, 'none')} for "
            f"{len(description.labels)} labels and these regions: give weights and labels of one model"
        )


class _Graph:
    """Nodes and weights so far."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def weight(self, values: NDArray[Any], name: str) -> str:
        self.weights.append(named_weight(values, name))
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:  # noqa: ANN401
        from onnx import helper

        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output


class _Region:
    """One region's network, forward as it is made, and back when heatmaps are asked for."""

    def __init__(self, graph: _Graph, weights: Weights, region: str, pixels: str) -> None:
        self.graph, self.weights, self.at = graph, weights, region
        self.channels = channels_of(weights, region)
        self.activations: list[str] = []  # behind each convolution and its ReLU
        self.pooled: list[str] = []
        x = graph.node("Cast", [pixels], f"{region}/float", to=1)
        x = graph.node("Mul", [x, self._constant(2 / 255, "scale")], f"{region}/scaled")
        x = graph.node("Sub", [x, self._constant(1.0, "one")], f"{region}/input")
        for name, _, _, normed, pool in convolutions(self.channels):
            x = self._convolution(x, name, normed=normed)
            self.activations.append(x)
            if pool and normed:
                x = self._maximum(x, f"pool{len(self.pooled) + 1}")
                self.pooled.append(x)

    def _constant(self, value: float, name: str) -> str:
        return self.graph.weight(np.array([value], np.float32), f"{self.at}/{name}")

    def _get(self, name: str) -> NDArray[np.float64]:
        return self.weights[f"{self.at}.{name}"].astype(np.float64)

    def _convolution(self, x: str, name: str, *, normed: bool) -> str:
        kernel = self._get(f"{name}.weight")
        if normed:
            norm = name.replace("conv", "norm")
            scale = self._get(f"{norm}.weight") / np.sqrt(self._get(f"{norm}.running_var") + EPSILON)
            bias = self._get(f"{norm}.bias") - self._get(f"{norm}.running_mean") * scale
            kernel = kernel * scale[:, None, None, None]
        else:
            bias = self._get(f"{name}.bias")
        at = f"{self.at}/{name}"
        inputs = [
            x,
            self.graph.weight(kernel.astype(np.float32), f"{at}.weight"),
            self.graph.weight(bias.astype(np.float32), f"{at}.bias"),
        ]
        x = self.graph.node("Conv", inputs, at, kernel_shape=[3, 3], pads=[1] * 4)
        return self.graph.node("Relu", [x], f"{at}.relu") if normed else x

    def _maximum(self, x: str, name: str) -> str:
        from onnx import helper

        at = f"{self.at}/{name}"
        pool = helper.make_node(
            "MaxPool", [x], [at, f"{at}.places"], name=at, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1
        )
        self.graph.nodes.append(pool)
        return at

    def scores(self) -> str:
        """Softmax (n, 1, classes)."""
        at, graph = self.at, self.graph
        x = graph.node("GlobalAveragePool", [self.activations[-1]], f"{at}/average")
        x = graph.node("Flatten", [x], f"{at}/flat")
        matrix = graph.weight(self._get("fc.weight").astype(np.float32), f"{at}/fc.weight")
        bias = graph.weight(self._get("fc.bias").astype(np.float32), f"{at}/fc.bias")
        x = graph.node("Gemm", [x, matrix, bias], f"{at}/logits", transB=1)
        x = graph.node("Softmax", [x], f"{at}/softmax", axis=1)
        return graph.node("Unsqueeze", [x, self._axes(1)], f"{at}/scores")

    def heat(self) -> list[str]:
        """The five maps, each (n, 1, s, s)."""
        at, graph = self.at, self.graph
        toward = graph.node("MatMul", [TOWARD, f"{at}/fc.weight"], f"{at}/back.fc")
        weight = graph.node("Unsqueeze", [toward, self._axes(2, 3)], f"{at}/back.average")
        maps = [self._weighted(self.activations[-1], weight, POOLINGS)]
        spread = graph.weight(np.full((1, 1, *[FINAL_SIDE_PX] * 2), 1 / FINAL_SIDE_PX**2, np.float32), f"{at}/spread")
        x = graph.node("Mul", [weight, spread], f"{at}/back.conv{LAYERS}")
        for number in range(LAYERS, 2, -1):
            x = self._back_through(x, number)
            if number % 2:  # the input of this convolution is a pooled map
                pool = number // 2
                weight = graph.node("ReduceMean", [x], f"{at}/weight{pool}", axes=[2, 3], keepdims=1)
                maps.append(self._weighted(self.pooled[pool - 1], weight, pool))
                x = self._unpooled(x, pool) if pool > 1 else x
        return maps[::-1]

    def _back_through(self, x: str, number: int) -> str:
        """Gradient before convolution `number` from the one behind it; through its ReLU first, where it has one."""
        at = f"{self.at}/back.conv{number}"
        if number < LAYERS:
            lit = self.graph.node("Sign", [self.activations[number - 1]], f"{at}.lit")  # 0 or 1 behind a ReLU
            x = self.graph.node("Mul", [x, lit], f"{at}.gated")
        kernel = f"{self.at}/conv{number}.weight"
        return self.graph.node("ConvTranspose", [x, kernel], f"{at}.input", kernel_shape=[3, 3], pads=[1] * 4)

    def _unpooled(self, x: str, pool: int) -> str:
        """Gradient before a maximum pooling: each value goes back to the place of its maximum."""
        at = f"{self.at}/back.pool{pool}"
        odd = (REGION_PX, *map_sides())[pool - 1] % 2  # the last row and column stood alone in their windows
        places, shape = f"{self.at}/pool{pool}.places", {"kernel_shape": [2, 2], "strides": [2, 2]}
        return self.graph.node("MaxUnpool", [x, places], at, pads=[0, 0, odd, odd], **shape)

    def _weighted(self, activations: str, weight: str, number: int) -> str:
        """Sum of the channels of a map, each times its weight."""
        x = self.graph.node("Mul", [activations, weight], f"{self.at}/weighted{number}")
        return self.graph.node("ReduceSum", [x, self._axes(1)], f"{self.at}/heat{number}", keepdims=1)

    def _axes(self, *axes: int) -> str:
        name = f"{self.at}/axes{''.join(map(str, axes))}"
        if not any(weight.name == name for weight in self.graph.weights):
            self.graph.weight(np.array(axes, np.int64), name)
        return name
