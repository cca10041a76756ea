"""Our own detectors and encoders pass the suites, and the suites fail what they must fail."""

from __future__ import annotations

import numpy as np
import pytest

from deciface.cases import Sex
from deciface.encoders import open_encoder
from deciface.errors import ModelError
from deciface.faces import FaceFinder, align
from deciface.faces.detect import BlazeFace, YuNet
from deciface.plugins import plugins
from deciface.simulate import AppearanceModel, simulate_face
from deciface.testing import check_detector, check_encoder

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def faces():
    model = AppearanceModel.shipped()
    return [simulate_face(model, s, sex=Sex.FEMALE, ancestry=model.ancestries[s]) for s in range(4)]


@pytest.fixture(scope="module")
def crops(faces, model_store):
    finder = FaceFinder.from_store(model_store)

    def of(template):
        return np.stack([align(f.pixels, finder.find(f.pixels).choose(), template) for f in faces])

    return of


@pytest.mark.parametrize("name", ["dlib-resnet", "geometry"])
def test_our_encoders_conform(name, model_store, crops):
    encoder = open_encoder(model_store, name)
    check_encoder(encoder, crops(encoder.card.alignment), tolerance=2e-3 if name == "geometry" else 1e-4)


@pytest.mark.parametrize("reach", ["short", "full"])
def test_our_detectors_conform(reach, model_store, faces):
    face = faces[0]
    check_detector(
        BlazeFace(model_store.path(f"mediapipe-face-{reach}"), reach), face.pixels, eyes_px=face.landmarks_px[:2]
    )


def test_yunet_conforms_where_the_file_is(shared_data, faces):
    face = faces[1]
    yunet = YuNet(shared_data / "models" / "yunet_n_dynamic.onnx")
    check_detector(yunet, face.pixels, eyes_px=face.landmarks_px[:2])


class Broken:
    """A right encoder with one fault."""

    def __init__(self, good, fault):
        self.good, self.fault, self.card = good, fault, good.card

    def encode(self, crops):
        if self.fault == "takes anything" and crops.shape[1:] != (150, 150, 3):
            return np.zeros((len(crops), 128), np.float32)
        vectors = self.good.encode(crops)
        return {
            "takes anything": vectors,
            "float64": vectors.astype(np.float64),
            "not unit": vectors * 1.01,
            "batch": vectors if len(crops) < 2 else np.roll(vectors, 1, 0),
            "constant": np.repeat(vectors[:1], len(vectors), 0) if len(crops) > 1 else vectors,
        }[self.fault]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("takes anything", "a MismatchError is needed"),
        ("float64", "float32 is needed"),
        ("not unit", "not 1"),
        ("batch", "alone and in a batch differ"),
        ("constant", "alone and in a batch differ"),
    ],
)
def test_a_faulty_encoder_is_told_its_fault(fault, said, model_store, crops):
    with pytest.raises(AssertionError, match=said):
        check_encoder(Broken(open_encoder(model_store, "dlib-resnet"), fault), crops("dlib-150"))


def test_a_detector_with_swapped_eyes_is_told(model_store, faces):
    face = faces[0]
    detector = BlazeFace(model_store.path("mediapipe-face-short"), "short")
    with pytest.raises(AssertionError, match="are left and right swapped"):
        check_detector(detector, face.pixels, eyes_px=face.landmarks_px[[1, 0]])


class Point:
    def __init__(self, name, made):
        self.name, self.value, self._made = name, "package:thing", made

    def load(self):
        if self._made is None:
            raise ImportError("no module named package")
        return self._made


@pytest.fixture
def installed(monkeypatch):
    def install(*points):
        plugins.cache_clear()
        monkeypatch.setattr("deciface.plugins.entry_points", lambda group: points)

    yield install
    plugins.cache_clear()


def test_an_encoder_plugin_is_opened_by_name(installed, model_store):
    given = open_encoder(model_store, "dlib-resnet")
    installed(Point("mine", lambda: given))
    assert open_encoder(model_store, "mine") is given


def test_a_broken_or_doubled_plugin_is_named(installed):
    installed(Point("mine", None))
    with pytest.raises(ModelError, match=r"plug-in 'mine' \(package:thing\) cannot be loaded"):
        plugins("deciface.encoders")
    installed(Point("mine", dict), Point("mine", dict))
    with pytest.raises(ModelError, match="two packages offer 'mine'"):
        plugins("deciface.encoders")
