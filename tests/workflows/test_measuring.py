"""A photo measured: the document, the lines, the page; own norms from a cohort; what is refused."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace

import numpy as np
import pytest

from deciface.cases import Sex
from deciface.errors import NothingFoundError, OptionError
from deciface.faces import Pose
from deciface.faces.canonical import canonical_points
from deciface.faces.face import Face
from deciface.faces.landmarks import Landmarks
from deciface.faces.measurement_definitions import MEASUREMENTS
from deciface.faces.norms import Group, Norm, Norms
from deciface.workflows.looking import look
from deciface.workflows.measuring import Described, lines_of, measure_face, place_and_measure, write_measured
from deciface.workflows.own_norms import norms_of_gallery
from deciface.workflows.photo_galleries import open_photos

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
INNER, PUPILS = "inner canthal distance / face width", "interpupillary distance / face width"
STRAIGHT = Pose(yaw_deg=0.0, pitch_deg=0.0, roll_deg=0.0)


class Canonical:
    """Puts the canonical face where the outer canthi of the mesh are, and a person's own noise on it."""

    source = "canonical"

    def __init__(self) -> None:
        self.calls = 0

    def place(self, image: object, face: Face) -> Landmarks:
        self.calls += 1
        right, left = face.mesh_px[[33, 263], :2].astype(np.float64)
        points = canonical_points()
        ends = points[[FACE_ROWS["exocanthion right"], FACE_ROWS["exocanthion left"]]]
        scale = np.hypot(*(left - right)) / np.hypot(*(ends[1] - ends[0]))
        noise = np.random.default_rng(self.calls).normal(0, 0.003, points.shape)
        placed = (points + noise - ends.mean(0)) * scale + (left + right) / 2
        return Landmarks(placed, np.broadcast_to(np.eye(2) * 0.5, (len(points), 2, 2)).copy(), self.source)


def _rows() -> dict[str, int]:
    from deciface.faces.landmarks import row_of

    return {name: row_of(name) for name in ("exocanthion right", "exocanthion left")}


FACE_ROWS = _rows()


def landmarks(**moved: tuple[float, float]) -> Landmarks:
    points = 100 * canonical_points()
    return Landmarks(points, np.broadcast_to(np.eye(2) * 0.25, (len(points), 2, 2)).copy(), "made")


def norms(z_inner: float, found) -> Norms:
    """Against which the inner canthi lie `z_inner` SD far apart, and the pupils where they should be."""
    group = Group(Sex.FEMALE, "white", 18, 60)
    value = {m.measurement.name: m.value for m in found.measured}
    return Norms(
        (
            Norm(INNER, group, 1.0, value[INNER] - z_inner * 0.02, 1.0, 0.02, 60, "Own 2026"),
            Norm(PUPILS, group, 1.0, value[PUPILS], 1.0, 0.02, 60, "Own 2026"),
        )
    )


def test_the_document_names_points_measurements_and_their_errors():
    found = measure_face(landmarks(), pose=STRAIGHT)
    document = json.loads(json.dumps(found.as_document(), allow_nan=False))
    assert len(document["landmarks"]["points"]) == 163
    assert document["landmarks"]["names"]["subnasale"] == 55
    assert document["landmarks"]["points"][0]["sigma_px"] == 0.5
    assert [m["name"] for m in document["measurements"]] == list(MEASUREMENTS)
    assert all(m["se"] > 0 for m in document["measurements"])
    assert document["questions"] == []
    assert document["no_mm"].startswith("no millimetres at an unknown age")
    assert "z" not in document["measurements"][0]


def test_a_question_is_asked_against_the_norm_of_the_persons_own_group():
    plain = measure_face(landmarks(), pose=STRAIGHT)
    who = Described(Sex.FEMALE, 30, "white")
    found = measure_face(landmarks(), pose=STRAIGHT, norms=norms(3.0, plain), who=who)
    (question,) = found.as_document()["questions"]
    assert question["hpo"] == "HP:0000506"
    assert question["z"] == pytest.approx(3.0, abs=0.01)
    assert lines_of(found)[-1].startswith("question to the clinician: Telecanthus, HP:0000506?")
    for other in (Described(Sex.MALE, 30, "white"), Described(Sex.FEMALE, 17, "white"), Described(Sex.FEMALE, 30)):
        assert measure_face(landmarks(), pose=STRAIGHT, norms=norms(3.0, plain), who=other).scores == ()


def test_a_turned_head_is_told_and_not_measured():
    found = measure_face(landmarks(), pose=Pose(yaw_deg=25.0, pitch_deg=0.0, roll_deg=0.0))
    assert found.measured == ()
    assert lines_of(found) == [f"not measured: {found.refused}"]
    assert "the head is turned by 25 and tilted by 0 degrees" in found.refused
    assert found.as_document()["measurements_refused"] == found.refused


@pytest.mark.models
def test_the_page(small_cohort, finder, tmp_path):
    photo = min((small_cohort.cases.parent / "photos").glob("*"))
    seen = look(photo, finder, name="<b>.jpg")
    who = Described(Sex.FEMALE, 30, "white")
    plain = place_and_measure(seen, Canonical(), who=who)
    found = measure_face(plain.landmarks, pose=seen.face.pose, norms=norms(3.0, plain), who=who)
    write_measured(seen, found, tmp_path / "page.html", norms_source="norms.csv", who=who, now=NOW)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Measurements of &lt;b&gt;.jpg" in page
    assert "Telecanthus, HP:0000506?" in page
    assert "inner canthal distance / face width: z = 3.0 ± " in page
    assert page.count("<ellipse") == 88
    assert "subnasale: sigma" in page
    assert "the outer canthi lie" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    write_measured(seen, plain, tmp_path / "plain.html", norms_source="norms.csv", who=Described(), now=NOW)
    plain_page = (tmp_path / "plain.html").read_text(encoding="utf-8")
    assert "No z-scores: sex and age and ancestry of the person not stated." in plain_page
    assert "None: nothing was compared." in plain_page


@pytest.mark.models
def test_norms_of_ones_own_people(small_cohort, finder, monkeypatch):
    from deciface.faces import norms as room

    monkeypatch.setattr(room, "LEAST_PEOPLE", 3)
    told = []
    with open_photos(small_cohort.cases.parent) as gallery:
        (one, *_) = (photo for photo in gallery.photos if photo.unaffected)
        alike = {"sex": Sex.FEMALE, "ancestry": one.patient.ancestry}
        healthy = [
            replace(p, patient=replace(p.patient, **alike), diagnoses=(), unaffected=True) for p in gallery.photos
        ]
        people = replace(gallery, photos=tuple(healthy), diagnosed=frozenset({healthy[0].patient.id}))
        found = norms_of_gallery(people, finder, Canonical(), ages=[(18, 61)], advance=told.append)
    assert found.people == found.unaffected == 7, "nobody who has a diagnosis in any photo"
    assert told == [7] * 7
    assert found.groups == {f"female, {one.patient.ancestry_label}, 18 to below 61 years": 7}
    assert found.simulated
    assert {norm.measurement for norm in found.norms.rows} == set(MEASUREMENTS)
    assert "own unaffected people of cases.csv, canonical" in found.norms.rows[0].source


@pytest.mark.models
def test_norms_of_too_few_or_of_no_ages_are_refused(small_cohort, finder):
    with open_photos(small_cohort.cases.parent) as gallery:
        with pytest.raises(NothingFoundError, match="2 of 2 unaffected people could be measured, and no group of one"):
            norms_of_gallery(gallery, finder, Canonical())
        with pytest.raises(OptionError, match="ages 18-30, 25-40 overlap; somebody would be in two groups"):
            norms_of_gallery(gallery, finder, Canonical(), ages=[(18, 30), (25, 40)])
        with pytest.raises(OptionError, match="ages 30-18; each must be FROM-TO with FROM below TO"):
            norms_of_gallery(gallery, finder, Canonical(), ages=[(30, 18)])
