"""Golden vectors of drawn faces: a mistake in size, colour order, mean or deviation changes them.

The same vectors would still tell strangers apart, so no test on identities finds such a mistake.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from deciface.encoders import OnnxEncoder, open_encoder
from deciface.encoders.dlib_resnet import open_dlib_resnet
from deciface.errors import MismatchError
from deciface.models import Colour, Layout
from tests.encoders.drawing import card, drawn_faces

pytestmark = pytest.mark.models
GOLDEN: dict[str, list[list[float]]] = {
    "dlib-resnet": [
        [-0.05317, 0.064525, 0.003978, -0.005034, -0.097428, -0.001326, -0.026516, -0.079615],
        [-0.055282, 0.077036, 0.038364, 0.014672, -0.081664, 0.015745, 0.021047, -0.049174],
    ],
    "mobilefacenet": [
        [0.09251, -0.052143, 0.065685, 0.094539, 0.05686, 0.131769, -0.019154, 0.084464],
        [0.015552, 0.019512, 0.036594, 0.07073, 0.072456, 0.099015, 0.043521, 0.082685],
    ],
    "geometry": [
        [-0.005958, -0.002715, -0.018348, -0.02752, -0.010676, -0.023135, -0.016675, -0.010111],
        [-0.00212, 0.010029, -0.003783, -0.000415, -0.002498, -0.003775, -0.007106, 0.013267],
        [0.330289, -0.110915, -0.212282, 0.099703, -0.086859, -0.172409, 0.224039, -0.211453],
        [0.309054, -0.227031, -0.292235, -0.034077, -0.052937, -0.251545, 0.087103, 0.013227],
    ],
}
"""First 8 values for each of the two faces; for geometry followed by the last 8."""
TOLERANCE = 2e-5
MOBILEFACENET = replace(
    card(),
    id="mobilefacenet",
    input_px=(112, 112),
    layout=Layout.NCHW,
    colour=Colour.RGB,
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
    dimensions=128,
)


def test_dlib_resnet(model_store):
    found = open_encoder(model_store, "dlib-resnet").encode(drawn_faces(150))
    np.testing.assert_allclose(found[:, :8], GOLDEN["dlib-resnet"], atol=TOLERANCE)


@pytest.mark.parametrize(
    "mistake",
    [
        {"colour": Colour.BGR},
        {"mean": (104.298, 117.001, 122.782)},
        {"mean": (127.5, 127.5, 127.5)},
        {"std": (255.0, 255.0, 255.0)},
        {"std": (128.0, 128.0, 128.0)},
    ],
)
def test_dlib_resnet_golden_vectors_find_the_mistake(model_store, mistake):
    wrong = replace(model_store.card("dlib-resnet"), **mistake)
    found = open_dlib_resnet(model_store.path("dlib-resnet"), wrong).encode(drawn_faces(150))
    assert np.abs(found[:, :8] - GOLDEN["dlib-resnet"]).max() > 3 * TOLERANCE


def test_dlib_resnet_takes_no_other_size(model_store):
    with pytest.raises(
        MismatchError, match=r"dlib-resnet takes \(n, 150, 150, 3\) uint8 RGB crops of the template 'dlib-150'"
    ):
        open_encoder(model_store, "dlib-resnet").encode(drawn_faces(112))


def test_mobilefacenet_through_the_generic_encoder(shared_data):
    path = shared_data / "models" / "mobilefacenet_foamliu.onnx"
    found = OnnxEncoder(path, MOBILEFACENET).encode(drawn_faces(112))
    np.testing.assert_allclose(found[:, :8], GOLDEN["mobilefacenet"], atol=TOLERANCE)


@pytest.mark.parametrize("mistake", [{"colour": Colour.BGR}, {"mean": (127.5,) * 3}, {"std": (57.0,) * 3}])
def test_mobilefacenet_golden_vectors_find_the_mistake(shared_data, mistake):
    path = shared_data / "models" / "mobilefacenet_foamliu.onnx"
    found = OnnxEncoder(path, replace(MOBILEFACENET, **mistake)).encode(drawn_faces(112))
    assert np.abs(found[:, :8] - GOLDEN["mobilefacenet"]).max() > 3 * TOLERANCE


def test_geometry(model_store):
    found = open_encoder(model_store, "geometry").encode(drawn_faces(256))
    np.testing.assert_allclose(found[:, :8], GOLDEN["geometry"][:2], atol=2e-3)
    np.testing.assert_allclose(found[:, -8:], GOLDEN["geometry"][2:], atol=2e-3)
