"""What is on both sides is found, named and counted; what is not, is not."""

import numpy as np
import pytest

from deciface.cases import NOT_STATED, Diagnosis, Disorder, Encoding, Patient, Photo, View
from deciface.errors import MismatchError, OptionError
from deciface.evaluation.leakage import NEAR_DUPLICATE, Leak, find_leakage
from deciface.evaluation.protocol import Experiment, Protocol, Run
from deciface.space import Gallery

ARCFACE = View("glint360k-r100")


def gallery_of(people, *, view=ARCFACE):
    """`people`: (photo, patient, pixels, angle in radians)."""
    photos, encodings = [], []
    for photo, patient, pixels, angle in people:
        photos.append(Photo(photo, Patient(patient), pixels, diagnoses=(Diagnosis(Disorder("D", "D")),)))
        vector = np.array([np.cos(angle), np.sin(angle)], np.float32)
        encodings.append(Encoding(photo, pixels, "c", "e" * 64, view, vector))
    return Gallery.build(photos, encodings)


def protocol(gallery, test, inside, *, own=False):
    run = Run(Experiment.FREQUENT, None, np.array(test), np.array(inside), own_left_out=own)
    return Protocol((run, run), (("D",),) * len(gallery), (), (), "test", None)


APART = [("a", "p1", "aa", 0.0), ("b", "p2", "bb", 1.0), ("c", "p3", "cc", 2.0)]


def test_nothing_is_found_where_nothing_is():
    gallery = gallery_of(APART)
    found = find_leakage(gallery, protocol(gallery, [0], [1, 2]), trained_on=frozenset({"b"}))
    assert found.found == ()
    assert found.not_checked == ()
    found.refuse()


def test_a_patient_on_both_sides():
    gallery = gallery_of([*APART[:2], ("c", "p1", "cc", 2.0)])
    found = find_leakage(gallery, protocol(gallery, [0], [1, 2]))
    assert [(one.leak, one.test_photo, one.gallery_photo) for one in found.found] == [(Leak.SAME_PATIENT, "a", "c")]
    with pytest.raises(
        MismatchError,
        match=r"leakage: same patient in test and gallery: 1 case\(s\), first photo 'a' of p1 and photo 'c' of p1\. "
        r"Correct the ids or leave these photos out; --allow-leakage evaluates",
    ):
        found.refuse()
    assert find_leakage(gallery, protocol(gallery, [0], [0, 1, 2], own=True)).found == ()


def test_the_same_pixels_under_two_names():
    gallery = gallery_of([*APART[:2], ("c", "p3", "aa", 2.0)])
    for own in (False, True):
        found = find_leakage(gallery, protocol(gallery, [0], [1, 2], own=own))
        assert [(o.leak, o.gallery_photo, o.gallery_patient) for o in found.found] == [(Leak.SAME_PIXELS, "c", "p3")]
    assert find_leakage(gallery, protocol(gallery, [0], [1])).found == ()


def test_pixels_that_are_not_stated_are_not_alike():
    gallery = gallery_of([(photo, patient, NOT_STATED, angle) for photo, patient, _, angle in APART])
    found = find_leakage(gallery, protocol(gallery, [0], [1, 2]))
    assert found.found == ()
    assert dict(found.not_checked)[Leak.SAME_PIXELS].startswith("the encodings do not say")


@pytest.mark.parametrize("known", ["a", "aa"])
def test_photos_that_were_trained_on_by_id_or_by_pixels(known):
    gallery = gallery_of(APART)
    found = find_leakage(gallery, protocol(gallery, [0, 1], [2]), trained_on=[known])
    assert [str(one) for one in found.found] == ["photo 'a' of p1"]
    assert found.found[0].leak is Leak.TRAINED_ON


def angle_of(distance):
    return float(np.arccos(1 - distance))


def test_near_duplicate_people_at_the_published_distance():
    near, far = angle_of(NEAR_DUPLICATE - 0.001), angle_of(NEAR_DUPLICATE + 0.001)
    gallery = gallery_of(
        [("a", "p1", "aa", 0.0), ("b", "p2", "bb", near), ("c", "p3", "cc", -far), ("d", "p1", "dd", 0)]
    )
    found = find_leakage(gallery, protocol(gallery, [0, 3], [1, 2]))
    assert [(one.leak, one.test_photo, one.gallery_photo) for one in found.found] == [
        (Leak.NEAR_DUPLICATE, "a", "b"),
        (Leak.NEAR_DUPLICATE, "d", "b"),
    ]
    assert found.found[0].distance == pytest.approx(0.209, abs=1e-5)
    assert str(found.found[0]) == "photo 'a' of p1 and photo 'b' of p2 (distance 0.209)"
    assert find_leakage(gallery, protocol(gallery, [0, 3], [2])).found == ()


def test_the_published_distance_belongs_to_arcface():
    gallery = gallery_of([("a", "p1", "aa", 0.0), ("b", "p2", "bb", 0.1)], view=View("dlib-resnet"))
    found = find_leakage(gallery, protocol(gallery, [0], [1]))
    assert found.found == ()
    assert dict(found.not_checked)[Leak.NEAR_DUPLICATE] == "no ArcFace model of identities is among the encodings"
    assert len(find_leakage(gallery, protocol(gallery, [0], [1]), identity_model="dlib-resnet").found) == 1
    with pytest.raises(OptionError, match="--identity-model arc: the encodings are of dlib-resnet; name one of them"):
        find_leakage(gallery, protocol(gallery, [0], [1]), identity_model="arc")


def test_many_cases_are_counted_and_the_first_are_named():
    gallery = gallery_of([(f"t{i}", f"t{i}", f"pixels {i}", 0.0) for i in range(6)] + [("z", "z", "zz", 2.0)])
    found = find_leakage(gallery, protocol(gallery, range(6), [6]), trained_on=[f"t{i}" for i in range(5)])
    assert found.in_words() == (
        "test photo that the encoder was trained on: 5 case(s), first photo 't0' of t0; photo 't1' of t1; "
        "photo 't2' of t2",
    )
