import numpy as np
import pytest

from deciface.benchmarks.conditions import CONDITIONS
from deciface.benchmarks.faces import WRONG, mesh_error
from deciface.cases import Sex
from deciface.errors import NoFaceError, OptionError
from deciface.faces import Verdict, assess
from deciface.faces.find import Finding
from deciface.simulate import FRONTAL, AppearanceModel, simulate_face
from tests.faces.drawing import cartoon, smiley

pytestmark = pytest.mark.models


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_tenth_london_face_is_found_and_never_wrong(condition, finder, people):
    errors = []
    for person in people[::10]:
        image, points = CONDITIONS[condition](person.pixels(), person.points_px)
        finding = finder.find(image)
        assert finding.faces, person.id
        errors.append(mesh_error(finding.faces[0], points))
    assert max(errors) < WRONG / 2
    assert np.mean(errors) < 0.022  # on eleven people; the benchmark has all


@pytest.mark.parametrize("condition", [c for c in CONDITIONS if c != "tight crop"])
def test_simulated_faces_of_every_group_are_found_and_never_wrong(condition, finder):
    model = AppearanceModel.shipped()
    for number, ancestry in enumerate(model.ancestries):
        sex = (Sex.FEMALE, Sex.MALE)[number % 2]
        face = simulate_face(model, number, sex=sex, ancestry=ancestry, nuisance=FRONTAL)
        image, points = CONDITIONS[condition](face.pixels, face.landmarks_px)
        found = finder.find(image).faces
        assert found, ancestry
        assert mesh_error(found[0], points) < 0.06, ancestry


def test_no_face_in_noise_flat_colour_or_a_smiley(finder):
    rng = np.random.default_rng(0)
    for image in (
        rng.integers(0, 255, (480, 640, 3)).astype(np.uint8),
        np.full((300, 300, 3), 127, np.uint8),
        smiley(),
    ):
        with pytest.raises(NoFaceError, match="no face found"):
            finder.find(image).choose()


def test_a_drawing_is_never_called_a_good_photo(finder):
    finding = finder.find(cartoon())
    if finding.faces:
        check = assess(cartoon(), finding.faces[0]).check("flat areas")
        assert check.verdict is Verdict.RETAKE
        assert "drawing" in check.advice


def simulated(seed, size_px=512):
    model = AppearanceModel.shipped()
    return simulate_face(model, seed, sex=Sex.FEMALE, ancestry=model.ancestries[seed % 4], size_px=size_px)


def test_several_faces_come_by_size_and_by_number(finder):
    both = np.full((640, 1200, 3), 200, np.uint8)
    both[:640, :640] = simulated(1, 640).pixels
    both[200:520, 760:1080] = simulated(2, 320).pixels
    finding = finder.find(both)
    assert len(finding.faces) == 2
    assert finding.choose().area_px > finding.choose(2).area_px
    assert finding.choose(2).mesh_px[1, 0] > 760
    with pytest.raises(OptionError, match="--face 3: the photo has 2 face"):
        finding.choose(3)


def test_an_upside_down_photo_gives_an_upside_down_mesh(finder):
    """The trap: detectors and mesh both answer on such photos, upright and wrong."""
    for seed in range(6):
        face = simulated(seed)
        image = np.ascontiguousarray(face.pixels[::-1, ::-1])
        h, w = image.shape[:2]
        found = finder.find(image).choose()
        assert mesh_error(found, [w - 1, h - 1] - face.landmarks_px) < 0.06
        assert abs(abs(found.pose.roll_deg) - 180) < 12


def test_choosing_from_nothing_says_how_many_were_refused():
    with pytest.raises(NoFaceError, match="2 face-like place"):
        Finding((), 2).choose()
