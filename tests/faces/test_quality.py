import cv2
import numpy as np
import pytest

from deciface.cases import Sex
from deciface.faces import FaceFinder, Verdict, assess
from deciface.simulate import FRONTAL, AppearanceModel, simulate_face
from deciface.simulate.occluders import COVERS_EYES, COVERS_MOUTH, Occluder, occlude

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def seen(model_store):
    """A simulated studio portrait: (finder, pixels, face)."""
    finder = FaceFinder.from_store(model_store)
    face = simulate_face(AppearanceModel.shipped(), 3, sex=Sex.MALE, ancestry="white", nuisance=FRONTAL, size_px=1024)
    return finder, face.pixels, finder.find(face.pixels).choose()


def judged(finder, image):
    return assess(image, finder.find(image).choose())


def test_a_studio_photo_passes(seen):
    finder, image, _ = seen
    quality = judged(finder, image)
    assert quality.verdict is Verdict.PASS
    assert quality.advice == ()


@pytest.mark.parametrize(
    ("name", "worsen"),
    [
        ("sharpness", lambda i: cv2.GaussianBlur(i, (0, 0), 9)),
        ("resolution", lambda i: cv2.resize(i, (150, 150), interpolation=cv2.INTER_AREA)),
        ("exposure", lambda i: (i * 0.15).astype(np.uint8)),
        ("overexposure", lambda i: np.clip(i.astype(np.int16) * 2, 0, 255).astype(np.uint8)),
    ],
)
def test_each_fault_is_named_with_advice(seen, name, worsen):
    finder, image, _ = seen
    check = judged(finder, np.ascontiguousarray(worsen(image))).check(name)
    assert check.verdict is not Verdict.PASS
    assert check.advice


@pytest.mark.parametrize(("keep", "verdict"), [(0.9, Verdict.CARE), (0.75, Verdict.RETAKE)])
def test_a_cut_off_face_is_told(seen, keep, verdict):
    finder, image, face = seen
    x0, _, x1, _ = face.box_px
    cut = np.ascontiguousarray(image[:, : int(x0 + keep * (x1 - x0))])
    assert judged(finder, cut).check("cut off").verdict is verdict


def test_light_from_one_side_is_told(seen):
    finder, image, face = seen
    x0, _, x1, _ = face.box_px
    ramp = np.interp(np.arange(image.shape[1]), [x0, x1], [0.05, 1.1])
    shown = (image * ramp[None, :, None]).clip(0, 255).astype(np.uint8)
    assert judged(finder, shown).check("evenness of light").advice


@pytest.mark.parametrize("what", [*COVERS_EYES, *COVERS_MOUTH])
def test_covered_parts_are_flagged(seen, what):
    finder, image, face = seen
    shown = occlude(image, face.mesh_px, what=what, rng=np.random.default_rng(3))
    part = "eyes" if what in COVERS_EYES else "mouth"
    assert judged(finder, shown).check(f"{part} covered").verdict is Verdict.RETAKE


def test_spectacles_are_not_flagged(seen):
    finder, image, face = seen
    shown = occlude(image, face.mesh_px, what=Occluder.SPECTACLES, rng=np.random.default_rng(3))
    assert judged(finder, shown).check("eyes covered").verdict is Verdict.PASS


def test_occluding_leaves_the_photo_as_it_was(seen):
    _, image, face = seen
    before = image.copy()
    for what in Occluder:
        occlude(image, face.mesh_px, what=what, rng=np.random.default_rng(1))
    assert (image == before).all()
