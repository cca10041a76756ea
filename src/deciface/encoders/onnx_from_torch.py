"""Networks trained here as ONNX: the layers that `torch.export` lists, translated one by one.

Names of the weights stay those of the network's state dict, so that a file can be trained further
(`weights_in_onnx`). Only layers our own networks use are known; another one is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.dlib_format import named_weight
from deciface.encoders.iresnet import import_torch
from deciface.errors import ModelError

OPSET = 17
LARGEST_DIFFERENCE = 1e-3
"""Of an answer as ONNX from that of PyTorch, as a share of the largest value."""


def onnx_from_torch(
    network: Any,  # noqa: ANN401 - a torch.nn.Module
    shape: tuple[int, ...],
    *,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """Write a network as ONNX.

    Parameters
    ----------
    network
        One tensor in, one out; exported as in evaluation.
    shape
        Of one input, without the batch: (channels, height, width).
    metadata
        Kept in the file as text.

    Returns
    -------
    bytes
        Input ``crops`` (n, *shape), output ``vectors`` (n, ...), both float32.

    Raises
    ------
    ModelError
        The network has a layer that is not known here, answers otherwise as ONNX, or PyTorch is missing.
    """
    from onnx import TensorProto, helper

    torch = import_torch()
    network = network.cpu().eval()
    example = torch.zeros(2, *shape)
    exported = torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("n")},))
    writer = _Writer(exported)
    output = writer.translate()
    sizes = tuple(network(example).shape[1:])
    graph = helper.make_graph(
        writer.nodes,
        "network",
        [helper.make_tensor_value_info("crops", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", *sizes])],
        list(writer.weights.values()),
    )
    writer.nodes.append(helper.make_node("Identity", [output], ["vectors"]))
    graph.node.append(writer.nodes[-1])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    content = bytes(model.SerializeToString(deterministic=True))
    _need_same_answer(network, content, shape)
    return content


def _need_same_answer(network: Any, content: bytes, shape: tuple[int, ...]) -> None:  # noqa: ANN401
    """Ask both about the same noise: an option of a layer that was not translated would show."""
    import onnxruntime

    from deciface.models.sessions import session_options

    torch = import_torch()
    crops = np.random.default_rng(0).uniform(-1, 1, (3, *shape)).astype(np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(crops)).float().numpy()
    try:
        found = onnxruntime.InferenceSession(content, session_options(1)).run(["vectors"], {"crops": crops})[0]
    except Exception as error:  # onnxruntime's own classes are not exported
        raise ModelError(f"written as ONNX the network cannot be run: {' '.join(str(error).split())}") from error
    away = float(np.abs(found - wanted).max() / max(1e-6, np.abs(wanted).max())) if found.shape == wanted.shape else 1.0
    if not away < LARGEST_DIFFERENCE:
        raise ModelError(
            f"written as ONNX the network answers differently (by {away:.1g} of its largest value; "
            f"{LARGEST_DIFFERENCE:g} is allowed): one of its layers has an option that is not translated here, or its "
            "weights are not numbers"
        )


def weights_in_onnx(content: bytes, *, name: str) -> dict[str, NDArray[np.float32]]:
    """Weights of an ONNX file by name, as a state dict has them.

    Raises
    ------
    ModelError
        The bytes are no ONNX file.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_from_string(content)
    except DecodeError as error:
        raise ModelError(f"'{name}' is no ONNX file; give one that was trained here") from error
    return {w.name: np.array(onnx.numpy_helper.to_array(w), np.float32) for w in model.graph.initializer}


class _Writer:
    """Nodes and weights of the graph so far."""

    def __init__(self, exported: Any) -> None:  # noqa: ANN401 - torch.export.ExportedProgram
        self.graph = exported.graph_module.graph
        signature = exported.graph_signature
        self.state_names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        self.state = exported.state_dict
        self.given = set(signature.user_inputs)
        self.nodes: list[Any] = []
        self.weights: dict[str, Any] = {}
        self.names: dict[Any, str] = {}

    def translate(self) -> str:
        """Translate every layer; return the name of the output."""
        for node in self.graph.nodes:
            if node.op == "placeholder":
                self.names[node] = "crops" if node.name in self.given else self.state_names[node.name]
            elif node.op == "call_function":
                kind = str(node.target)
                if kind in _NOTHING:
                    self.names[node] = self.names.get(node.args[0], "")
                    continue
                if kind not in _LAYERS:
                    raise ModelError(f"a layer '{kind}' cannot be written as ONNX here; known are {', '.join(_LAYERS)}")
                self.names[node] = _LAYERS[kind](self, node)
            else:
                return self.names[node.args[0][0]]
        raise ModelError("the network has no output")

    def values(self, node: Any) -> NDArray[np.float32]:  # noqa: ANN401 - torch.fx.Node
        """Values of a weight."""
        return np.array(self.state[self.state_names[node.name]].detach().numpy(), np.float32)

    def is_weight(self, node: Any) -> bool:  # noqa: ANN401
        """Whether a node is a weight itself."""
        return getattr(node, "op", "") == "placeholder" and node.name not in self.given

    def weight(self, name: str, values: NDArray[Any]) -> str:
        """Add an initialiser."""
        self.weights.setdefault(name, named_weight(values, name))
        return name

    def input(self, node: Any) -> str:  # noqa: ANN401
        """Name of an input of a layer; a weight is added."""
        return self.weight(self.names[node], self.values(node)) if self.is_weight(node) else self.names[node]

    def layer(self, kind: str, inputs: Sequence[str], node: Any, *, suffix: str = "", **attributes: Any) -> str:  # noqa: ANN401
        """Add an ONNX node with one output, named as torch names it, with a suffix where one layer becomes several."""
        from onnx import helper

        name = f"{node.name}{suffix}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name


def _argument(node: Any, position: int, default: Any) -> Any:  # noqa: ANN401
    return node.args[position] if len(node.args) > position else default


def _pair(value: Any) -> list[int]:  # noqa: ANN401
    numbers = [value] if isinstance(value, int) else list(value)
    return numbers * 2 if len(numbers) == 1 else numbers


def _convolution(writer: _Writer, node: Any) -> str:  # noqa: ANN401
    x, weight, bias = node.args[0], node.args[1], _argument(node, 2, None)
    inputs = [writer.input(x), writer.input(weight), *([writer.input(bias)] if bias is not None else [])]
    pads = _pair(_argument(node, 4, 0))
    return writer.layer(
        "Conv",
        inputs,
        node,
        kernel_shape=list(writer.values(weight).shape[2:]),
        strides=_pair(_argument(node, 3, 1)),
        pads=pads * 2,
        dilations=_pair(_argument(node, 5, 1)),
        group=_argument(node, 6, 1),
    )


def _batch_norm(writer: _Writer, node: Any) -> str:  # noqa: ANN401
    x, weight, bias, mean, variance = node.args[:5]
    channels = writer.values(mean).shape
    scale = (
        writer.input(weight) if weight is not None else writer.weight(f"{node.name}.one", np.ones(channels, np.float32))
    )
    shift = (
        writer.input(bias) if bias is not None else writer.weight(f"{node.name}.zero", np.zeros(channels, np.float32))
    )
    inputs = [writer.input(x), scale, shift, writer.input(mean), writer.input(variance)]
    return writer.layer("BatchNormalization", inputs, node, epsilon=float(_argument(node, 7, 1e-5)))


def _linear(writer: _Writer, node: Any) -> str:  # noqa: ANN401
    bias = _argument(node, 2, None)
    if len(node.meta["val"].shape) > 2:  # ONNX's Gemm takes matrices alone
        turned = writer.weight(f"{node.name}.turned", writer.values(node.args[1]).T.copy())
        product = writer.layer("MatMul", [writer.input(node.args[0]), turned], node)
        if bias is None:
            return product
        return writer.layer("Add", [product, writer.input(bias)], node, suffix=".shifted")
    inputs = [writer.input(node.args[0]), writer.input(node.args[1])]
    return writer.layer("Gemm", inputs + ([writer.input(bias)] if bias is not None else []), node, transB=1)


def _pool(kind: str) -> Callable[[_Writer, Any], str]:
    def translated(writer: _Writer, node: Any) -> str:  # noqa: ANN401
        side = _pair(node.args[1])
        stride = _pair(_argument(node, 2, None) or side)
        return writer.layer(
            kind,
            [writer.input(node.args[0])],
            node,
            kernel_shape=side,
            strides=stride,
            pads=_pair(_argument(node, 3, 0)) * 2,
        )

    return translated


def _plain(kind: str) -> Callable[[_Writer, Any], str]:
    """Element by element; a number among the inputs becomes a weight."""

    def translated(writer: _Writer, node: Any) -> str:  # noqa: ANN401
        inputs = []
        for place, given in enumerate(node.args):
            number = isinstance(given, int | float)
            value = np.array(given, np.float32) if number else None
            inputs.append(writer.weight(f"{node.name}.{place}", value) if value is not None else writer.input(given))
        return writer.layer(kind, inputs, node)

    return translated


def _concatenated(writer: _Writer, node: Any) -> str:  # noqa: ANN401
    return writer.layer("Concat", [writer.input(a) for a in node.args[0]], node, axis=int(_argument(node, 1, 0)))


def _flatten(writer: _Writer, node: Any) -> str:  # noqa: ANN401
    axis = int(_argument(node, 1, 1))
    if axis == 1:
        return writer.layer("Flatten", [writer.input(node.args[0])], node, axis=1)
    shape = writer.weight(f"{node.name}.shape", np.array([0] * axis + [-1], np.int64))  # 0: as it is
    return writer.layer("Reshape", [writer.input(node.args[0]), shape], node)


def _softmax(writer: _Writer, node: Any) -> str:  # noqa: ANN401
    return writer.layer("Softmax", [writer.input(node.args[0])], node, axis=int(node.args[1]))


def _sum(writer: _Writer, node: Any) -> str:  # noqa: ANN401
    axes = writer.weight(f"{node.name}.axes", np.array(node.args[1], np.int64))
    keep = int(bool(_argument(node, 2, False)))  # noqa: FBT003 - torch's own default
    return writer.layer("ReduceSum", [writer.input(node.args[0]), axes], node, keepdims=keep)


def _clamp(writer: _Writer, node: Any) -> str:  # noqa: ANN401
    """A lower bound alone."""
    least = writer.weight(f"{node.name}.least", np.array(node.args[1], np.float32))
    return writer.layer("Max", [writer.input(node.args[0]), least], node)


def _grow(writer: _Writer, node: Any) -> str:  # noqa: ANN401
    """Repeat pixels by whole numbers."""
    scales = writer.weight(f"{node.name}.scales", np.array([1, 1, *node.args[2]], np.float32))
    return writer.layer(
        "Resize",
        [writer.input(node.args[0]), "", scales],
        node,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def _mean(writer: _Writer, node: Any) -> str:  # noqa: ANN401
    keep = int(bool(_argument(node, 2, False)))  # noqa: FBT003 - torch's own default
    return writer.layer("ReduceMean", [writer.input(node.args[0])], node, axes=list(node.args[1]), keepdims=keep)


def _pad(writer: _Writer, node: Any) -> str:  # noqa: ANN401
    """Torch counts from the last axis, ONNX from the first; all starts before all ends."""
    amounts, rank = list(node.args[1]), len(node.meta["val"].shape)
    starts, ends = [0] * rank, [0] * rank
    for k in range(len(amounts) // 2):
        starts[rank - 1 - k], ends[rank - 1 - k] = amounts[2 * k], amounts[2 * k + 1]
    sizes = writer.weight(f"{node.name}.sizes", np.array(starts + ends, np.int64))
    return writer.layer("Pad", [writer.input(node.args[0]), sizes], node)


def _view(writer: _Writer, node: Any) -> str:  # noqa: ANN401
    """A weight in another shape: kept as it is, its new shape beside it."""
    shape = writer.weight(f"{node.name}.shape", np.array(node.args[1], np.int64))
    return writer.layer("Reshape", [writer.input(node.args[0]), shape], node)


def _grid_sample(writer: _Writer, node: Any) -> str:  # noqa: ANN401
    """Values of a picture at given places; other modes than these would show in the comparison."""
    modes, paddings = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
    return writer.layer(
        "GridSample",
        [writer.input(node.args[0]), writer.input(node.args[1])],
        node,
        mode=modes[node.args[2]],
        padding_mode=paddings[node.args[3]],
        align_corners=int(bool(node.args[4])),
    )


def _permute(writer: _Writer, node: Any) -> str:  # noqa: ANN401
    return writer.layer("Transpose", [writer.input(node.args[0])], node, perm=list(node.args[1]))


_NOTHING = frozenset(
    {
        "aten.dropout.default",
        "aten._assert_tensor_metadata.default",
        "aten.to.dtype",
        "aten.contiguous.default",
        "aten.detach.default",
        "aten.detach_.default",
    }
)
"""Layers that do nothing in evaluation, in float32."""

_LAYERS: dict[str, Callable[[_Writer, Any], str]] = {
    "aten.conv2d.default": _convolution,
    "aten.batch_norm.default": _batch_norm,
    "aten.linear.default": _linear,
    "aten.relu.default": _plain("Relu"),
    "aten.add.Tensor": _plain("Add"),
    "aten.mul.Tensor": _plain("Mul"),
    "aten.max_pool2d.default": _pool("MaxPool"),
    "aten.avg_pool2d.default": _pool("AveragePool"),
    "aten.cat.default": _concatenated,
    "aten.flatten.using_ints": _flatten,
    "aten.mean.dim": _mean,
    "aten.pad.default": _pad,
    "aten.view.default": _view,
    "aten.sub.Tensor": _plain("Sub"),
    "aten.log.default": _plain("Log"),
    "aten.softmax.int": _softmax,
    "aten.sum.dim_IntList": _sum,
    "aten.clamp.default": _clamp,
    "aten.upsample_nearest2d.vec": _grow,
    "aten.grid_sampler.default": _grid_sample,
    "aten.permute.default": _permute,
    "aten.matmul.default": _plain("MatMul"),
}
