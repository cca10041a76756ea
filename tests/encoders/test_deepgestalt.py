"""The network of the record: its form, its weights as a file, equality with PyTorch, its list."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from deciface.encoders.deepgestalt import (
    CHANNELS,
    Label,
    aggregate,
    as_input,
    build_deepgestalt,
    convolutions,
    sorted_list,
    weights_of,
)
from deciface.encoders.deepgestalt_export import map_sides, onnx_from_deepgestalt
from deciface.encoders.deepgestalt_model import DeepGestalt
from deciface.errors import MismatchError, OptionError
from deciface.faces.region_crops import Region
from tests.encoders import deepgestalts as small
from tests.encoders.deepgestalts import DESCRIPTION, REGIONS, model_bytes, some_crops


def torch_network():
    torch = pytest.importorskip("torch")
    network = build_deepgestalt(REGIONS, 3, channels=small.CHANNELS).eval()
    weights = {name: torch.from_numpy(values.copy()) for name, values in small.weights_of().items()}
    counts = {name: value for name, value in network.state_dict().items() if name.endswith("batches_tracked")}
    network.load_state_dict(weights | counts, strict=True)
    return network


def test_the_form_of_the_record():
    layers = list(convolutions())
    assert [(before, after) for _, before, after, _, _ in layers] == [
        *((1, 32), (32, 64), (64, 64), (64, 128), (128, 96)),
        *((96, 192), (192, 128), (128, 256), (256, 160), (160, 320)),
    ]
    assert [normed for *_, normed, _ in layers] == [True] * 9 + [False]
    assert [name for name, *_, pooled in layers if pooled] == ["conv2", "conv4", "conv6", "conv8", "conv10"]
    assert map_sides() == (50, 25, 13, 7, 7)


def test_the_module_has_the_parts_of_the_record():
    torch = pytest.importorskip("torch")
    network = build_deepgestalt([Region.NOSE], 5)
    kinds = [type(part).__name__ for part in network.modules()]
    assert (kinds.count("Conv2d"), kinds.count("BatchNorm2d"), kinds.count("Linear")) == (10, 9, 1)
    assert network.region(0).dropout.p == 0.5
    assert weights_of(network)["nose.fc.weight"].shape == (5, 320)
    shapes = [tuple(m.shape) for m in network.region(0).maps(torch.zeros(2, 1, 100, 100))]
    assert shapes == [(2, c, s, s) for c, s in zip((64, 128, 192, 256, 320), map_sides(), strict=True)]


def test_the_file_gives_what_torch_gives():
    torch = pytest.importorskip("torch")
    crops = some_crops()
    with torch.inference_mode():
        wanted = torch.softmax(torch_network()(as_input(crops)), -1).numpy()
    found = DeepGestalt(onnx_from_deepgestalt(weights_of(torch_network()), DESCRIPTION)).scores(crops)
    assert found.shape == (3, 2, 3)
    assert np.abs(found - wanted).max() < 1e-5
    assert np.ptp(wanted[:, :, 0]) > 0.01  # photos differ, so that equality says something


def test_the_whole_network_of_the_record_as_a_file():
    torch = pytest.importorskip("torch")
    network = build_deepgestalt([Region.FACE], 3, channels=CHANNELS).eval()
    description = small.Description(small.ModelKind.MULTICLASS, small.LABELS, (Region.FACE,), "nobody")
    crops = some_crops(2, regions=1)
    with torch.inference_mode():
        wanted = torch.softmax(network(as_input(crops)), -1).numpy()
    found = DeepGestalt(onnx_from_deepgestalt(weights_of(network), description)).scores(crops)
    assert np.abs(found - wanted).max() < 1e-5


def test_regions_do_not_mix():
    model, crops = DeepGestalt(model_bytes()), some_crops()
    changed = crops.copy()
    changed[:, 1] = 255 - changed[:, 1]
    before, after = model.scores(crops), model.scores(changed)
    assert np.array_equal(before[:, 0], after[:, 0])
    assert np.abs(before[:, 1] - after[:, 1]).max() > 1e-3


def test_the_graph_is_valid_and_without_norms():
    model = onnx.load_model_from_string(model_bytes())
    onnx.checker.check_model(model, full_check=True)
    kinds = [node.op_type for node in model.graph.node]
    assert "BatchNormalization" not in kinds
    assert kinds.count("Conv") == 2 * 10


def test_the_mean_of_the_regions_is_sorted():
    scores = np.array([[[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]]])
    mean = aggregate(scores)
    assert np.allclose(mean, [[0.4, 0.4, 0.2]])
    listed = sorted_list(np.array([0.25, 0.25, 0.5]), (Label("a", "A"), Label("b", "B"), Label("c", "C")))
    assert [(s.rank, s.label.name, s.score) for s in listed] == [(1, "C", 0.5), (2, "A", 0.25), (3, "B", 0.25)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"regions": []}, "regions none; give at least one, each once"),
        ({"regions": [Region.FACE, Region.FACE]}, "regions face, face; give at least one, each once"),
        ({"classes": 1}, "1 classes; a model tells at least 2 apart"),
        ({"channels": (4,) * 9}, "the network has 10 convolutions of at least 1 channel"),
        ({"dropout": 1.0}, "dropout = 1.0; a share from 0 to below 1"),
    ],
)
def test_impossible_networks_are_refused(change, message):
    given = {"regions": [Region.FACE], "classes": 2, **change}
    with pytest.raises(OptionError, match=message):
        build_deepgestalt(given.pop("regions"), given.pop("classes"), **given)


def test_weights_and_labels_of_different_models_are_refused():
    other = small.Description(small.ModelKind.MULTICLASS, small.LABELS[:2], REGIONS, "nobody")
    with pytest.raises(MismatchError, match=r"weight 'face.fc.bias' has shape \(3,\), needed is \(2,\) for 2 labels"):
        onnx_from_deepgestalt(small.weights_of(), other)
    other = small.Description(small.ModelKind.MULTICLASS, small.LABELS, (Region.NOSE,), "nobody")
    with pytest.raises(MismatchError, match=r"the weights have no 'nose\.conv1\.weight'; give those of nose"):
        onnx_from_deepgestalt(small.weights_of(), other)
