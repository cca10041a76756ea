"""Explaining a simulated patient's photo: from a folder and from a workspace; who is compared with; what is refused."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest

from deciface.errors import NoGalleryError, OptionError
from deciface.workflows.diagnosing import PatientFacts
from deciface.workflows.encoding import PhotoEncoder
from deciface.workflows.explaining import encode_with, explain
from deciface.workflows.explanation_reports import write_explanation
from deciface.workflows.photo_galleries import open_photos

pytestmark = pytest.mark.models

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def encoder(model_store):
    return PhotoEncoder(model_store, ensemble="dlib-resnet:straight,flip")


@pytest.fixture(scope="module")
def first_photo(small_cohort):
    return min((small_cohort.cases.parent / "photos").glob("*"))


@pytest.fixture(scope="module")
def answer(small_cohort, first_photo, encoder):
    steps = []
    with open_photos(small_cohort.cases.parent) as gallery:
        found = explain(
            first_photo,
            "sim-01 (SIMULATED)",
            gallery,
            encoder=encoder,
            rng=np.random.default_rng(0),
            facts=PatientFacts(id="SIM-P0001", sex="female"),
            advance=lambda n, total: steps.append((n, total)),
        )
    assert steps == [(1, 4)] * 4
    return found


def test_the_own_patient_is_left_out_and_the_rest_is_named(answer):
    assert answer.disorder.id == "SIM-01"
    assert {p.patient.id for p in answer.patients} == {"SIM-P0002", "SIM-P0003"}
    assert len(answer.controls) == 2
    assert all(p.unaffected for p in answer.controls)
    assert answer.remarks[0].startswith("2 controls ")
    assert "not stated" not in answer.remarks[0], "age, sex and ancestry are those of the table"
    assert "SIM-P0001: the patient's own, not compared with" in answer.remarks
    assert answer.simulated
    assert len(answer.views) == 2


def test_an_id_that_nobody_has_is_told(small_cohort, first_photo, encoder):
    with open_photos(small_cohort.cases.parent) as gallery:
        found = explain(
            first_photo,
            "SIM-01",
            gallery,
            encoder=encoder,
            rng=np.random.default_rng(0),
            facts=PatientFacts(id="SIM-P9999"),
        )
    assert "patient 'SIM-P9999' is not in the gallery: nobody was left out by that id" in found.remarks
    assert "SIM-P0001: the patient's own, not compared with" in found.remarks  # known by its pixels


def test_two_patients_cannot_tell_anything(answer):
    document = json.loads(json.dumps(answer.as_document(), allow_nan=False))
    assert document["speaks_for"] == document["speaks_against"] == []
    assert len(document["regions"]) == 10
    assert all("cannot tell" in r["words"] for r in document["regions"])
    assert np.array(document["occlusion_map"]["heat"]).shape == (150, 150)
    assert document["compared_with"]["patients"]["people"] == 2
    assert document["gallery_notice"]


def test_the_report_is_written_whole(answer, tmp_path):
    path = tmp_path / "new" / "page.html"
    write_explanation(answer, path, workspace=None, now=NOW)
    assert "What speaks for SIM-01 (simulated)" in path.read_text(encoding="utf-8")
    with pytest.raises(OptionError, match=r"is a folder; name the report's file, e\.g\. .*explanation\.html"):
        write_explanation(answer, tmp_path, workspace=None, now=NOW)


def test_a_workspace_knows_the_photo_and_notes_the_report(small_workspace, first_photo, encoder, tmp_path):
    with open_photos(small_workspace) as gallery:
        found = explain(first_photo, "SIM-01", gallery, encoder=encoder, rng=np.random.default_rng(0))
        write_explanation(found, tmp_path / "page.html", workspace=gallery.workspace, now=NOW)
    assert found.own_patients == ("SIM-P0001",)
    assert "not stated" not in found.remarks[0], "age, sex and ancestry are those of the gallery"
    assert {p.patient.id for p in found.patients} == {"SIM-P0002", "SIM-P0003"}
    assert (tmp_path / "page.html").exists()


def test_the_same_pixels_are_nobody_else(small_cohort, first_photo, encoder):
    """A case table states no hash of pixels: the photo is recognised once its pixels are seen."""
    with open_photos(None, cases=small_cohort.cases) as gallery:
        found = explain(first_photo, "SIM-01", gallery, encoder=encoder, rng=np.random.default_rng(0))
    assert found.own_patients == ("SIM-P0001",)
    assert {p.patient.id for p in found.patients} == {"SIM-P0002", "SIM-P0003"}


def test_joined_views_have_the_mean_of_their_cosines(encoder):
    crops = np.random.default_rng(0).integers(0, 255, (2, 150, 150, 3), dtype=np.uint8)
    joined = encode_with(encoder.ensemble, "dlib-150")(crops)
    single = encoder.ensemble.members[0].encoder.encode
    parts = [single(crops), single(np.ascontiguousarray(crops[:, :, ::-1]))]
    assert joined[0] @ joined[1] == pytest.approx(np.mean([p[0] @ p[1] for p in parts]), abs=1e-5)
    assert np.linalg.norm(joined, axis=1) == pytest.approx(1, abs=1e-5)


def test_refusals(small_cohort, first_photo, encoder, model_store, tmp_path):
    with open_photos(small_cohort.cases.parent) as gallery:
        with pytest.raises(
            NoGalleryError, match=r"^nobody else in the gallery has 'SIM-99'; there are SIM-01, SIM-05: "
        ):
            explain(first_photo, "SIM-99", gallery, encoder=encoder, rng=np.random.default_rng(0))
        several = PhotoEncoder(model_store, ensemble="dlib-resnet+geometry")
        with pytest.raises(
            OptionError, match=r"^the ensemble takes crops of dlib-150, mesh-256; parts of a face can be"
        ):
            explain(first_photo, "SIM-01", gallery, encoder=several, rng=np.random.default_rng(0))
    vectors = tmp_path / "enc.npz"
    vectors.write_bytes(b"PK")
    with (
        pytest.raises(OptionError, match=r"^the gallery's photos are needed, given 'enc\.npz', which holds vectors"),
        open_photos(vectors),
    ):
        pass
    table = tmp_path / "cases.csv"
    table.write_text(small_cohort.cases.read_text(encoding="utf-8"), encoding="utf-8")
    with (
        pytest.raises(NoGalleryError, match=r"^no photo of 'cases\.csv' is there; name image files"),
        open_photos(tmp_path),
    ):
        pass
