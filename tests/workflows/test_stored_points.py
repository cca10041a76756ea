"""The points that count: stored before placed, shown, written, noted as made of the patient, measured as stored."""

from __future__ import annotations

import datetime as dt
import json
import shutil

import numpy as np
import pytest

from deciface.errors import ModelError
from deciface.faces.landmark_model import LandmarkModel
from deciface.faces.landmarks import FACE_POINTS, Landmarks, named, row_of
from deciface.faces.measurements import measure
from deciface.faces.norms import NOT_RECORDED
from deciface.formats.landmark_table import read_landmark_table
from deciface.models import ModelStore
from deciface.store import Workspace
from deciface.workflows.landmark_corrections import correct_points
from deciface.workflows.looking import look
from deciface.workflows.photo_galleries import open_photos
from deciface.workflows.stored_points import current_points, placing, write_points, write_points_page
from tests.workflows.photo_with_points import place, with_photo
from tests.workflows.test_measuring import Canonical

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


@pytest.fixture
def workspace(tmp_path):
    with with_photo(tmp_path / "ws") as made:
        yield made


@pytest.fixture
def move_subnasale(tmp_path):
    path = tmp_path / "moves.csv"
    x, y = place(b"", "").point("subnasale")
    path.write_text(f"name,x_px,y_px\nsubnasale,{x + 6:.2f},{y:.2f}\n")
    return path


def test_what_is_stored_comes_before_what_a_model_places(workspace, move_subnasale):
    found = current_points(workspace, "P1-a", place)
    assert (found.version, found.corrected, found.landmarks.source) == (0, (), "made 0123456789ab")
    assert workspace.landmark_versions("P1-a") == ()
    correct_points(workspace, "P1-a", move_subnasale, place=place)
    found = current_points(workspace, "P1-a", None)
    assert (found.version, found.corrected) == (2, (named()["subnasale"].template,))
    assert found.landmarks.source == "made 0123456789ab, 1 of 163 points by hand (version 2)"
    document = json.loads(json.dumps(found.as_document(), allow_nan=False))
    assert (document["version"], document["corrected"]) == (2, [55])
    (subnasale,) = (point for point in document["points"] if point["by_hand"])
    assert (subnasale["template"], subnasale["name"], subnasale["sigma_px"]) == (55, "subnasale", 0.0)
    assert len(document["points"]) == len(FACE_POINTS)
    assert sum(point["name"] is None for point in document["points"]) == len(FACE_POINTS) - len(named())
    lines = found.lines()
    assert len(lines) == len(named())
    x, y = found.landmarks.point("subnasale")
    assert f"    subnasale: {x:.2f}, {y:.2f} px, by hand" in lines
    assert sum(line.endswith("px, +- 0.50") for line in lines) == len(named()) - 1


def test_without_model_and_points_there_is_nothing_to_show(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(ModelStore, "knows", lambda *_: False)
    assert placing(ModelStore(tmp_path)) is None
    with pytest.raises(ModelError, match="photo 'P1-a' has no points and there is no landmark model"):
        current_points(workspace, "P1-a", None)


def test_a_table_that_was_written_goes_with_the_patient(workspace):
    folder = workspace.root / "exports"
    folder.mkdir()
    write_points(workspace, "P1-a", place(b"", ""), folder / "points.csv")
    assert len(read_landmark_table(folder / "points.csv")) == len(FACE_POINTS)
    certificate = workspace.withdraw("photo", "P1-a")
    assert certificate.derived == (("export", "exports/points.csv"),)
    assert not (folder / "points.csv").exists()


@pytest.fixture
def imported(small_workspace, tmp_path):
    """The workspace of simulated people, to be changed."""
    shutil.copytree(small_workspace, tmp_path / "imported")
    with Workspace.open(tmp_path / "imported") as opened:
        yield opened


def corrected_in(workspace: Workspace, photo_id: str, finder, tmp_path) -> Landmarks:
    """Correct the subnasale of a photo; return its points as they are now."""
    seen = look(workspace.image_bytes(photo_id), finder, name=photo_id)
    placed = Canonical().place(seen.pyramid, seen.face)
    x, y = placed.point("subnasale")
    path = tmp_path / "moves.csv"
    path.write_text(f"name,x_px,y_px\nsubnasale,{x:.2f},{y + 9:.2f}\n")
    correct_points(workspace, photo_id, path, place=lambda *_: placed)
    stored = workspace.landmarks(photo_id)
    assert stored.photo_sha256 == seen.photo.pixel_sha256
    return stored.described


@pytest.mark.models
def test_the_model_of_the_store_places_where_nothing_is_stored(imported, finder, model_store, monkeypatch):
    monkeypatch.setattr(ModelStore, "knows", lambda *_: True)
    monkeypatch.setattr(LandmarkModel, "from_store", lambda _: Canonical())
    photo_id = imported.photos()[0].id
    seen = look(imported.image_bytes(photo_id), finder, name=photo_id)
    found = current_points(imported, photo_id, placing(model_store))
    assert np.array_equal(found.landmarks.points_px, Canonical().place(seen.pyramid, seen.face).points_px)
    assert (found.version, found.landmarks.source) == (0, "canonical")


@pytest.mark.models
def test_the_page_measures_the_stored_points_of_the_person_of_the_record(imported, finder, tmp_path):
    photo = next(p for p in imported.photos() if p.patient.ancestry_label != NOT_RECORDED)
    placed = corrected_in(imported, photo.id, finder, tmp_path)
    page = imported.root / "reports" / "points.html"
    page.parent.mkdir(exist_ok=True)
    found = write_points_page(imported, photo.id, placed, page, finder=finder, now=NOW)
    assert [m.value for m in found.measured] == [m.value for m in measure(placed)]
    text = page.read_text(encoding="utf-8")
    assert f"Measurements of {photo.id} (simulated person)" in text
    assert "canonical, 1 of 163 points by hand (version 2)" in text
    assert f"{photo.patient.sex}, {photo.age_years:g} years, {photo.patient.ancestry_label}" in text
    assert ("report", "reports/points.html") in imported.withdraw("photo", photo.id).derived
    assert not page.exists()


@pytest.mark.models
def test_a_gallery_gives_corrected_points_and_a_case_table_none(imported, small_cohort, finder, tmp_path):
    first, other = imported.photos()[:2]
    placed = corrected_in(imported, first.id, finder, tmp_path)
    with open_photos(imported.root) as gallery:
        found = gallery.points(first.id)
        assert np.array_equal(found.points_px, placed.points_px)
        assert found.source == placed.source
        assert found.covariance_px2[row_of("subnasale")].max() == 0
        assert gallery.points(other.id) is None
    with open_photos(small_cohort.cases.parent) as gallery:
        assert gallery.points(gallery.photos[0].id) is None
