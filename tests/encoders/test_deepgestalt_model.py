"""The one file of a model: read without PyTorch, and refused when it is not what it must be."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest

from deciface.encoders.deepgestalt_model import DeepGestalt
from deciface.errors import MismatchError, ModelError, OptionError
from tests.encoders.deepgestalts import LABELS, REGIONS, model_bytes, some_crops, weights_of


def altered(change):
    proto = onnx.load_model_from_string(model_bytes())
    change(proto)
    return proto.SerializeToString()


def without(key):
    def change(proto):
        kept = {entry.key: entry.value for entry in proto.metadata_props if entry.key != key}
        onnx.helper.set_model_props(proto, kept)

    return change


def saying(key, value):
    def change(proto):
        said = {entry.key: entry.value for entry in proto.metadata_props} | {key: value}
        onnx.helper.set_model_props(proto, said)

    return change


def narrow(proto):
    proto.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 99


def one_photo(proto):
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def in_floats(proto):
    proto.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT


def damaged(proto):
    for tensor in proto.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 4:
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.full(tuple(tensor.dims), np.nan, np.float32), tensor.name))


def no_heat(proto):
    del proto.graph.output[-1]


def elsewhere(proto):
    proto.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL


def test_it_says_what_it_is(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(model_bytes())
    model = DeepGestalt(path)
    assert (model.labels, model.regions, model.description.trained_on) == (LABELS, REGIONS, "nobody")


def test_scores_are_softmax_vectors_whatever_the_batch():
    model, crops = DeepGestalt(model_bytes()), some_crops(20)
    scores = model.scores(crops)
    assert np.allclose(scores.sum(-1), 1, atol=1e-6)
    assert np.allclose(scores[7:9], model.scores(crops[7:9]), atol=1e-6)
    assert model.scores(crops[:0]).shape == (0, 2, 3)
    assert model.maps(crops[:0], "OMIM:1")[0].shape == (0, 2, 50, 50)


def test_it_runs_without_torch(tmp_path):
    (tmp_path / "model.onnx").write_bytes(model_bytes())
    code = (
        "import sys; sys.modules['torch'] = None; import numpy as np; from pathlib import Path\n"
        "from deciface.encoders.deepgestalt_model import DeepGestalt\n"
        f"model = DeepGestalt(Path({str(tmp_path / 'model.onnx')!r}))\n"
        "crops = np.full((1, 2, 100, 100), 90, np.uint8)\n"
        "print(model.scores(crops).shape, model.maps(crops, 'OMIM:2')[4].shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "(1, 2, 3) (1, 2, 7, 7)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("format"), "it does not name its format, 'deciface-deepgestalt/1' is read; give a file written by"),
        (saying("format", "x/2"), "its format is 'x/2', 'deciface-deepgestalt/1' is read"),
        (saying("regions_version", "old"), "was trained on regions 'old', this version cuts 'regions-100/1/"),
        (without("labels"), "'labels' missing or unreadable in its metadata; give a file written by"),
        (saying("labels", "{"), "labels, regions or kind missing or unreadable"),
        (saying("labels", '[["a", "A"], ["a", "B"]]'), "has 2 labels, at least 2 different ones are needed"),
        (saying("labels", '[["a", "A"], ["b", "B"]]'), r"'scores' is \(n, 2, 3\), its labels and regions need"),
        (saying("regions", '["face", "elbow"]'), "labels, regions or kind missing or unreadable"),
        (narrow, r"'crops' is \(n, 2, 100, 99\), its labels and regions need \(n, 2, 100, 100\)"),
        (no_heat, r"'heat5' is \(n, missing\), its labels and regions need \(n, 2, 7, 7\)"),
        (one_photo, "'crops' is for 1 photos alone; give a file written by"),
        (in_floats, "'crops' is of ONNX type 1, 2 is needed; give a file written by"),
        (elsewhere, "keeps its weights in other files"),
    ],
)
def test_other_files_are_refused_in_one_line(change, message):
    with pytest.raises(ModelError, match=message) as error:
        DeepGestalt(altered(change))
    assert "\n" not in str(error.value)


def test_weights_that_are_no_numbers_are_told():
    with pytest.raises(ModelError, match="the model answers with what is no number"):
        DeepGestalt(altered(damaged)).scores(some_crops(2))


def test_what_is_no_network_is_refused(tmp_path):
    with pytest.raises(ModelError, match="the model is no ONNX file; give a file written by `deciface train"):
        DeepGestalt(b"no network")
    with pytest.raises(ModelError, match=r"missing.onnx' cannot be read \(No such file or directory\)"):
        DeepGestalt(tmp_path / "missing.onnx")


def test_other_crops_are_refused():
    model = DeepGestalt(model_bytes())
    with pytest.raises(MismatchError, match=r"takes \(n, 2, 100, 100\) uint8 of the regions face, mouth: cut them"):
        model.scores(np.zeros((1, 1, 100, 100), np.uint8))
    with pytest.raises(MismatchError, match="float32; the model takes"):
        model.scores(np.zeros((1, 2, 100, 100), np.float32))


def test_an_unknown_class_is_refused():
    with pytest.raises(OptionError, match="'OMIM:9' is not a class of the model; it knows OMIM:1, OMIM:2, OMIM:3"):
        DeepGestalt(model_bytes()).maps(some_crops(1), "OMIM:9")


def test_the_fifth_map_adds_up_to_the_logit():
    """Exactness of the class activation map: its mean plus the bias is the logit whose softmax the score is."""
    model, crops = DeepGestalt(model_bytes()), some_crops()
    logits = np.stack([model.maps(crops, label.id)[4].mean((2, 3)) for label in LABELS], -1)
    logits += np.stack([weights_of()[f"{region}.fc.bias"] for region in REGIONS])
    odds = np.exp(logits)
    assert np.abs(odds / odds.sum(-1, keepdims=True) - model.scores(crops)).max() < 1e-5


def test_the_maps_are_those_of_automatic_differentiation():
    torch = pytest.importorskip("torch")
    from deciface.encoders.deepgestalt import as_input
    from tests.encoders.test_deepgestalt import torch_network

    network, crops, model = torch_network(), some_crops(), DeepGestalt(model_bytes())
    found = model.maps(crops, "OMIM:2")
    for number in range(len(REGIONS)):
        maps = list(network.region(number).maps(as_input(crops)[:, number : number + 1]))
        logit = network.region(number).fc(maps[-1].mean((2, 3)))[:, 1].sum()
        for layer, (values, gradient) in enumerate(zip(maps, torch.autograd.grad(logit, maps), strict=True)):
            weight = gradient.sum((2, 3), keepdim=True) if layer == 4 else gradient.mean((2, 3), keepdim=True)
            wanted = (values * weight).sum(1).detach().numpy()
            assert np.abs(found[layer][:, number] - wanted).max() < 1e-4 * np.abs(wanted).max(), layer
