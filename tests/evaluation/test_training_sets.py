"""Names as people spell them: what is the same photo, what is not, what cannot be told."""

import numpy as np
import pytest

from deciface.cases import NOT_STATED, Patient, Photo, View
from deciface.evaluation.identity import people_of_rows, photos_of_rows
from deciface.evaluation.training_sets import LearntPhoto, PhotoNames, TrainingSet, recognise
from deciface.space import Gallery


def gallery_of(*photos):
    """Photos as (id, patient) or (id, patient, file name), each with its own face and hash."""
    vectors = np.random.default_rng(0).normal(size=(len(photos), 8)).astype(np.float32)
    made = [
        Photo(id_, Patient(patient), f"{i:064x}", file_name=file[0] if file else "")
        for i, (id_, patient, *file) in enumerate(photos)
    ]
    return Gallery.from_arrays(made, (View("m"),), [vectors], encoder_sha256={"m": "e" * 64}, crop_version={"m": "c/1"})


def meant(gallery, name):
    return [gallery.photos[row].id for row in PhotoNames(gallery, people_of_rows(gallery)).rows(name)]


@pytest.mark.parametrize(
    "name", ["ph0", "PH0", "ph0.jpg", "Ph0.PNG", "ph0_aligned.jpg", "photos/ph0.jpg", "C:\\photos\\ph0.jpg", " ph0 "]
)
def test_names_of_one_photo(name):
    assert meant(gallery_of(("ph0", "p0"), ("ph1", "p1"), ("ph01", "p2")), name) == ["ph0"]


@pytest.mark.parametrize(
    ("id_", "name"),
    [
        ("12_aligned.jpg", "12"),
        ("12_aligned.jpg", "12.jpg"),
        ("12_rot_aligned.jpg", "12_rot.jpg"),
        ("12_rot_aligned.jpg", "12_crop_square.jpg"),
        ("photos/a.jpg", "a.jpg"),
        ("photos/a.jpg", "set/photos/a.png"),
        ("M\u00fcller.jpg", "Mu\u0308ller"),
    ],
)
def test_images_before_and_after_alignment(id_, name):
    assert meant(gallery_of((id_, "p0"), ("13_aligned.jpg", "p1")), name) == [id_]


@pytest.mark.parametrize(
    ("id_", "name"),
    [
        ("IMG_0001", "IMG_0002"),
        ("2020_0001", "2020_0002"),
        ("p1.1", "p1.2"),
        ("one/1.jpg", "two/1.jpg"),
        ("12", "120"),
        ("ph0", "ph0x"),
        ("a", "."),
        ("_a", "_b"),
    ],
)
def test_other_photos_are_others(id_, name):
    assert meant(gallery_of((id_, "p0"), ("z", "p1")), name) == []


def test_the_closest_name_is_meant():
    gallery = gallery_of(("12", "p0"), ("12_aligned.jpg", "p1"), ("x", "p2", "photos/12.jpg"), ("X", "p3"))
    assert meant(gallery, "12") == ["12"]
    assert meant(gallery, "12.jpg") == ["x"]
    assert meant(gallery, "12_aligned.jpg") == ["12_aligned.jpg"]
    assert meant(gallery, "X") == ["X"]
    assert meant(gallery, "x") == ["x"]


def recognised(gallery, *entries):
    training = TrainingSet(source="list", photos=entries)
    return recognise(gallery, training, people=people_of_rows(gallery), photos=photos_of_rows(gallery))


def test_a_name_that_could_be_photos_of_two_people_is_none_of_them():
    gallery = gallery_of(("12_a", "p0"), ("12_b", "p1"), ("13_a", "p2"), ("13_b", "P2"))
    known = recognised(gallery, LearntPhoto("12"), LearntPhoto("13"))
    people = people_of_rows(gallery)
    assert set(known.people) == {people[2]}, "two photos of one patient are that patient in either case"
    assert known.ambiguous == (LearntPhoto("12"),)
    assert known.entries == 1
    told_apart = recognised(gallery, LearntPhoto("12", f"{1:064x}"))
    assert set(told_apart.people) == {people[1]}, "by its hash"


def test_entries_are_counted_once_whatever_they_are_known_by():
    gallery = gallery_of(("a", "p0"), ("b", "p1"), ("c", "p2"))
    known = recognised(
        gallery,
        LearntPhoto("a", f"{0:064X}", "P0"),
        LearntPhoto("elsewhere", "f" * 64, "p1"),
        LearntPhoto("elsewhere", "f" * 64),
    )
    people = people_of_rows(gallery)
    assert known.entries == 2
    assert known.people == {people[0]: 0, people[1]: None}
    assert known.photos == {photos_of_rows(gallery)[0]}


def test_a_hash_that_is_not_stated_is_nobodys():
    photos = [Photo(id_, Patient(id_), NOT_STATED) for id_ in ("a", "b")]
    vectors = np.eye(2, dtype=np.float32)
    gallery = Gallery.from_arrays(
        photos, (View("m"),), [vectors], encoder_sha256={"m": "e" * 64}, crop_version={"m": "c/1"}
    )
    assert recognised(gallery, LearntPhoto("x", NOT_STATED)).entries == 0


def test_an_entry_is_called_by_what_it_states():
    assert [str(LearntPhoto("a", "f")), str(LearntPhoto(sha256="f")), str(LearntPhoto(patient="p"))] == ["a", "f", "p"]
