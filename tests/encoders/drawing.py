"""Drawn faces and tiny networks: nobody real, no weights of anybody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from deciface.models import CardView, Colour, Kind, Layout, ModelCard, Runtime

CARD = ModelCard(
    id="tiny",
    name="tiny network",
    file="tiny.onnx",
    sha256="0" * 64,
    bytes=1,
    kind=Kind.FACE_ENCODER,
    runtime=Runtime.ONNX,
    input_px=(8, 8),
    channels=3,
    colour=Colour.RGB,
    layout=Layout.NCHW,
    mean=(127.5, 120.0, 110.0),
    std=(127.5, 128.0, 64.0),
    alignment="arcface-112",
    dimensions=5,
    views=(CardView(),),
    licence="none needed",
    trained_on="nothing",
    citation="none",
    intended_use="tests",
)


def card(**changes: Any) -> ModelCard:
    return replace(CARD, **changes)


def tiny_matrix(inputs: int, dimensions: int) -> np.ndarray:
    """Fixed weights without a pattern that a swap of axes or colours would leave alone."""
    return (
        np.sin(np.arange(inputs * dimensions, dtype=np.float64) ** 1.3).reshape(inputs, dimensions).astype(np.float32)
    )


def tiny_onnx(
    shape: tuple[int | str, ...] = ("n", 3, 8, 8),
    dimensions: int = 5,
    *,
    dtype: str = "FLOAT",
    outputs: int = 1,
    weights: np.ndarray | None = None,
) -> bytes:
    """A network that flattens its input and multiplies it by a fixed matrix."""
    from onnx import TensorProto, helper, numpy_helper

    inputs = int(np.prod([s for s in shape[1:] if isinstance(s, int)]))
    kind = getattr(TensorProto, dtype)
    matrix = tiny_matrix(inputs, dimensions) if weights is None else weights
    nodes = [helper.make_node("Flatten", ["x"], ["flat"])]
    last = "flat"
    if dtype == "UINT8":
        nodes.append(helper.make_node("Cast", ["flat"], ["cast"], to=TensorProto.FLOAT))
        last, kind_out = "cast", TensorProto.FLOAT
    else:
        kind_out = kind
    w = matrix.astype(np.float16 if dtype == "FLOAT16" else np.float32)
    nodes += [helper.make_node("MatMul", [last, "w"], [f"y{i}"]) for i in range(outputs)]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", kind, list(shape))],
        [helper.make_tensor_value_info(f"y{i}", kind_out, [shape[0], dimensions]) for i in range(outputs)],
        [numpy_helper.from_array(w, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def drawn_faces(side: int) -> np.ndarray:
    """Two drawn faces, (2, side, side, 3) uint8: ellipses only, unlike in their two halves and in their colours."""
    y, x = np.mgrid[0:side, 0:side] / side

    def ellipse(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
        return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1

    faces = []
    for skin, eye_gap, mouth in (((205, 160, 130), 0.17, 0.11), ((120, 84, 66), 0.20, 0.15)):
        face = np.empty((side, side, 3))
        face[...] = np.stack([60 + 90 * x, 70 + 60 * y, 150 - 80 * x], axis=-1)
        face[ellipse(0.5, 0.42, 0.36, 0.44)] = (70, 50, 35)
        shade = (1.05 - 0.35 * x)[..., None]
        head = ellipse(0.5, 0.52, 0.30, 0.40)
        face[head] = (np.array(skin) * shade)[head]
        for sign in (-1, 1):
            cx = 0.5 + sign * eye_gap * 0.75
            face[ellipse(cx, 0.36, 0.075, 0.014)] = (50, 35, 25)
            face[ellipse(cx, 0.42, 0.062, 0.028)] = (235, 232, 228)
            face[ellipse(cx, 0.42, 0.026, 0.026)] = (60, 90, 120)
            face[ellipse(cx, 0.42, 0.011, 0.011)] = (10, 10, 10)
            face[ellipse(0.5 + sign * 0.035, 0.585, 0.016, 0.010)] = np.array(skin) * 0.45
        face[ellipse(0.5, 0.50, 0.022, 0.085)] = np.array(skin) * 1.12
        face[ellipse(0.505, 0.70, mouth, 0.030)] = (170, 70, 75)
        face[ellipse(0.505, 0.698, mouth * 0.9, 0.006)] = (90, 30, 35)
        faces.append(np.clip(np.floor(face), 0, 255).astype(np.uint8))
    return np.stack(faces)
