"""Tiny ONNX networks and cards, made in memory."""

from __future__ import annotations

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

CARD = {
    "id": "tiny",
    "name": "A tiny network",
    "kind": "face-encoder",
    "runtime": "onnx",
    "input_px": [112, 112],
    "channels": 3,
    "colour": "rgb",
    "layout": "nchw",
    "mean": [127.5, 127.5, 127.5],
    "std": [127.5, 127.5, 127.5],
    "alignment": "arcface-112",
    "dimensions": 3,
    "views": [{"flip": False, "grey": False}],
    "licence": "CC0-1.0",
    "trained_on": "nothing",
    "citation": "none",
    "intended_use": "tests",
}


def mean_network(shape=("n", 3, 112, 112), *, kind=TensorProto.FLOAT, outputs=1, divide_by_zero=False):
    """The mean colour of a picture as its vector; returns the ONNX bytes."""
    axes = numpy_helper.from_array(np.arange(2, len(shape), dtype=np.int64), "axes")
    inputs = [helper.make_tensor_value_info("x", kind, shape)]
    nodes = [helper.make_node("ReduceMean", ["x", "axes"], ["v0"], keepdims=0)]
    if divide_by_zero:
        nodes = [
            helper.make_node("ReduceMean", ["x", "axes"], ["m"], keepdims=0),
            helper.make_node("Div", ["m", "m"], ["v0"]),
        ]
    nodes += [helper.make_node("Identity", ["v0"], [f"v{n}"]) for n in range(1, outputs)]
    made = [helper.make_tensor_value_info(f"v{n}", kind, None) for n in range(outputs)]
    graph = helper.make_graph(nodes, "mean", inputs, made, [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return model.SerializeToString()


def external_network():
    """A network whose weights are said to lie in another file."""
    model = onnx.load_model_from_string(mean_network())
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    return model.SerializeToString()


def write_card(folder, **changes):
    """The card with changes (None takes a field away) as a YAML file."""
    fields = {key: value for key, value in {**CARD, **changes}.items() if value is not None}
    path = folder / "card.yaml"
    path.write_text(yaml.safe_dump(fields))
    return path
