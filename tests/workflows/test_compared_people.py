"""One photo of each person, drawn at random; nobody who is the patient, and no control who was diagnosed elsewhere."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deciface.cases import NOT_STATED, Patient, Photo
from deciface.workflows.compared_people import MOST_PEOPLE, Looked, drawn
from deciface.workflows.encoding import PhotoEncoder
from deciface.workflows.explaining import explain
from deciface.workflows.photo_galleries import open_photos


def photos(people, each):
    return [Photo(f"p{i:03d}-{k}", Patient(f"p{i:03d}"), NOT_STATED) for i in range(people) for k in range(each)]


def test_people_are_drawn_and_not_photos():
    some = drawn(photos(MOST_PEOPLE + 30, 2), np.random.default_rng(0))
    ids = [own[0].patient.id for own in some]
    assert len(ids) == len(set(ids)) == MOST_PEOPLE
    assert ids == sorted(ids)
    assert all({p.id for p in own} == {f"{own[0].patient.id}-{k}" for k in (0, 1)} for own in some)


def test_which_photo_comes_first_is_chance():
    rng = np.random.default_rng(1)
    first = [own[0].id[-1] for own in drawn(photos(MOST_PEOPLE, 3), rng)]
    assert {first.count(k) for k in "012"} <= set(range(8, 33))


@pytest.fixture(scope="module")
def encoder(model_store):
    return PhotoEncoder(model_store, ensemble="dlib-resnet")


@pytest.fixture(scope="module")
def folder(small_cohort):
    return small_cohort.cases.parent


@pytest.fixture
def gallery(folder):
    with open_photos(folder) as opened:
        yield opened


def with_photo(gallery, photo, image):
    """The gallery and one photo more."""
    known = gallery.image
    return replace(
        gallery,
        photos=(*gallery.photos, photo),
        image=lambda photo_id: image if photo_id == photo.id else known(photo_id),
    )


def ask(gallery, folder, encoder):
    steps = []
    found = explain(
        folder / "photos" / "SIM-P0001-1.jpg",
        "SIM-01",
        gallery,
        encoder=encoder,
        rng=np.random.default_rng(0),
        advance=lambda n, total: steps.append((n, total)),
    )
    return found, steps


@pytest.mark.models
def test_a_patient_with_two_photos_enters_with_one(gallery, folder, encoder):
    second = next(p for p in gallery.photos if p.patient.id == "SIM-P0002")
    more = with_photo(gallery, replace(second, id="SIM-P0002-2"), gallery.image(second.id))
    found, steps = ask(more, folder, encoder)
    assert sorted(p.patient.id for p in found.patients) == ["SIM-P0002", "SIM-P0003"]
    assert len(steps) == steps[0][1] == 4, "people; the patient, known by the file, is not among them"


@pytest.mark.models
def test_another_photo_is_taken_where_one_cannot_be_used(gallery, encoder):
    own = next(p for p in gallery.photos if p.patient.id == "SIM-P0002")
    looked = Looked(with_photo(gallery, replace(own, id="broken"), b"no photo"), encoder, "dlib-150", "", lambda: None)
    ((photo, crop),) = looked.at([[replace(own, id="broken"), own]])
    assert photo == own
    assert crop.shape == (150, 150, 3)
    assert len(looked.problems) == 1
    assert looked.problems[0].startswith("broken ")


@pytest.mark.models
def test_the_patient_is_recognised_in_a_photo_that_was_not_drawn(gallery, folder, encoder):
    """Whichever of the two comes first."""
    own = next(p for p in gallery.photos if p.patient.id == "SIM-P0002")
    same = replace(own, id="SIM-P0002-2")
    more = with_photo(gallery, same, folder / "photos" / "SIM-P0001-1.jpg")
    sha256 = ask(gallery, folder, encoder)[0].seen.photo.pixel_sha256
    for order in ([own, same], [same, own]):
        looked = Looked(more, encoder, "dlib-150", sha256, lambda: None)
        assert looked.without_own(looked.at([order])) == []
        assert looked.same_pixels == {"SIM-P0002"}
    stated = replace(same, sha256=sha256)
    looked = Looked(with_photo(gallery, stated, b"never read"), encoder, "dlib-150", sha256, lambda: None)
    looked.at([[own, stated]])
    assert looked.same_pixels == {"SIM-P0002"}


@pytest.mark.models
def test_who_was_diagnosed_in_any_photo_is_no_control(gallery, folder, encoder):
    healthy = next(p for p in gallery.photos if p.unaffected)
    ill = next(p for p in gallery.photos if p.diagnoses)
    assert healthy.patient.id not in gallery.diagnosed
    assert ill.patient.id in gallery.diagnosed
    found, _ = ask(gallery, folder, encoder)
    assert healthy.patient.id in {p.patient.id for p in found.controls}
    found, _ = ask(replace(gallery, diagnosed=gallery.diagnosed | {healthy.patient.id}), folder, encoder)
    assert len(found.controls) == 1
    assert healthy.patient.id not in {p.patient.id for p in found.controls}


@pytest.mark.models
def test_a_diagnosis_counts_where_the_image_is_missing(folder, tmp_path):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    for image in (copy / "photos").glob("SIM-P0002-*"):
        image.unlink()
    with open_photos(copy) as opened:
        assert "SIM-P0002" not in {p.patient.id for p in opened.photos}
        assert "SIM-P0002" in opened.diagnosed
