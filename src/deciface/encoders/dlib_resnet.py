"""The default encoder: dlib's face recognition ResNet, read from its own file and run by onnxruntime.

The weights ``dlib_face_recognition_resnet_model_v1.dat`` (Davis King, public domain) are read as they are and written
into an ONNX graph in memory. The network is the one of dlib's ``dnn_face_recognition_ex.cpp``: 29 convolutions in
residual blocks, 128 values (after He et al. 2016, arXiv:1512.03385). Its output equals dlib's own to about 3e-7 and
takes a fifteenth of the time (`deciface bench encode`).

dlib compares the raw vectors by Euclidean distance; their length is about 1.4 to 1.6, not 1, and is divided out here,
because everything in DeciFace compares unit vectors by cosine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.dlib_format import DlibReader, named_weight
from deciface.encoders.dlib_layers import (
    DIMENSIONS,
    INPUT_PX,
    read_convolution,
    read_head,
    read_opening,
    read_pool,
    read_without_weights,
)
from deciface.encoders.onnx_encoder import OnnxEncoder
from deciface.errors import ModelError
from deciface.models.card import ModelCard

_STAGES = ((32, False, 3), (64, True, 3), (128, True, 2), (256, True, 2), (256, True, 0))
"""Channels, whether the stage begins with a halving block, and how many plain blocks follow."""


class _GraphWriter:
    """Reads the layers in the order in which they are applied and writes each as ONNX nodes."""

    def __init__(self, reader: DlibReader) -> None:
        self.reader = reader
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self._count = 0

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"

    def weight(self, array: NDArray[Any]) -> str:
        """Add an initialiser."""
        name = self._name("weight")
        self.weights.append(named_weight(array, name))
        return name

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:  # noqa: ANN401 - as make_node
        """Add a node with one output."""
        from onnx import helper

        name = self._name(kind)
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def convolution(self, x: str, shape: tuple[int, int, int], *, stride: int, innermost: bool = False) -> str:
        """Convolution with its affine layer folded in; shape is (filters, channels, kernel side)."""
        read = read_convolution(self.reader, shape, stride=stride, innermost=innermost)
        inputs = [x, self.weight(read.kernel * read.scale[:, None, None, None]), self.weight(read.shift)]
        side = shape[2]
        pads = [read.padding] * 4
        return self.node("Conv", inputs, kernel_shape=[side] * 2, strides=[stride] * 2, pads=pads)

    def rectify(self, x: str) -> str:
        """max(x, 0)."""
        read_without_weights(self.reader, "relu_")
        return self.node("Relu", [x])

    def pool(self, x: str, kind: str, *, side: int) -> str:
        """Max or average over `side` px with stride 2; side 0 is the average over everything."""
        stride = read_pool(self.reader, "max_pool_2" if kind == "MaxPool" else "avg_pool_2", side=side)
        if not side:
            return self.node("GlobalAveragePool", [x])
        return self.node(kind, [x], kernel_shape=[side] * 2, strides=[stride] * 2)

    def add(self, x: str, y: str) -> str:
        """Sum and rectification that end a residual block."""
        read_without_weights(self.reader, "add_prev_")
        return self.rectify(self.node("Add", [x, y]))

    def grow(self, x: str, *, channels: int, pixels: int) -> str:
        """Append zero channels, and zero rows and columns below and on the right: how dlib adds unequal tensors."""
        if not channels and not pixels:
            return x
        return self.node("Pad", [x, self.weight(np.array([0, 0, 0, 0, 0, channels, pixels, pixels], np.int64))])

    def block(self, x: str, channels: int, filters: int, *, stride: int) -> str:
        """Two 3x3 convolutions."""
        x = self.rectify(self.convolution(x, (filters, channels, 3), stride=stride))
        return self.convolution(x, (filters, filters, 3), stride=1)


def _write_layers(writer: _GraphWriter) -> str:
    """Read and write the whole network; return the name of the (n, 128) output."""
    x = writer.node("Transpose", ["crops"], perm=[0, 3, 1, 2])
    x = writer.rectify(writer.convolution(x, (32, 3, 7), stride=2, innermost=True))
    x = writer.pool(x, "MaxPool", side=3)
    channels, side = 32, 35
    for filters, halves, plain in _STAGES:
        if halves:
            inside, beside = (side - 3) // 2 + 1, side // 2
            path = writer.block(x, channels, filters, stride=2)
            skip = writer.pool(x, "AveragePool", side=2)
            side = max(inside, beside)
            path = writer.grow(path, channels=0, pixels=side - inside)
            x = writer.add(path, writer.grow(skip, channels=filters - channels, pixels=side - beside))
            channels = filters
        for _ in range(plain):
            x = writer.add(writer.block(x, filters, filters, stride=1), x)
    x = writer.node("Flatten", [writer.pool(x, "AveragePool", side=0)])
    return writer.node("MatMul", [x, writer.weight(read_head(writer.reader, channels))])


def onnx_from_dlib(path: Path) -> bytes:
    """Write the network of dlib's file as ONNX.

    Parameters
    ----------
    path
        ``dlib_face_recognition_resnet_model_v1.dat``.

    Returns
    -------
    bytes
        ONNX, input ``crops`` (n, 150, 150, 3) float32 = (RGB - mean) / 256, output ``vectors`` (n, 128) float32 as
        dlib gives them, not of unit length.

    Raises
    ------
    ModelError
        When the file is missing, damaged or another network.
    """
    from onnx import TensorProto, helper

    try:
        reader = DlibReader(path.read_bytes(), path.name)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}; run `deciface models fetch`") from error
    read_opening(reader)
    writer = _GraphWriter(reader)
    last = _write_layers(writer)
    writer.nodes.append(helper.make_node("Identity", [last], ["vectors"]))
    graph = helper.make_graph(
        writer.nodes,
        "dlib_face_recognition_resnet_model_v1",
        [helper.make_tensor_value_info("crops", TensorProto.FLOAT, ["n", INPUT_PX, INPUT_PX, 3])],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", DIMENSIONS])],
        writer.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def open_dlib_resnet(path: Path, card: ModelCard, *, threads: int = 1) -> OnnxEncoder:
    """Open dlib's ResNet as an encoder of 150 px crops (alignment ``dlib-150``).

    The graph is made anew each time (about 0.2 s): a second file beside the weights could go stale.

    Raises
    ------
    ModelError
        When the file is missing, damaged or another network, or the card declares something else.
    """
    return OnnxEncoder(onnx_from_dlib(path), card, threads=threads)
