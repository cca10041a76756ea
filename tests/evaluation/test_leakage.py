"""What is on both sides is found, named and counted; what is not, is not."""

import numpy as np
import pytest

from deciface.cases import NOT_STATED, Diagnosis, Disorder, Encoding, Patient, Photo, View
from deciface.errors import MismatchError, OptionError
from deciface.evaluation.leakage import NEAR_DUPLICATE, Leak, find_leakage
from deciface.evaluation.protocol import Experiment, Protocol, Run
from deciface.evaluation.training_sets import LearntPhoto, TrainingSet
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


def learnt(*photos, **more):
    return [TrainingSet(source="manifest 'run.json'", photos=tuple(photos), **more)]


APART = [("a", "p1", "aa", 0.0), ("b", "p2", "bb", 1.0), ("c", "p3", "cc", 2.0)]


def test_nothing_is_found_where_nothing_is():
    gallery = gallery_of(APART)
    found = find_leakage(gallery, protocol(gallery, [0], [1, 2]), trained_on=learnt(LearntPhoto("b")))
    assert found.found == ()
    assert found.not_checked == ()
    assert found.limits == ()
    assert found.compared == ("manifest 'run.json': 1 of 1 listed are in the gallery",)
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


@pytest.mark.parametrize("other", ["P1", "p1 ", " P1\t"])
def test_a_patient_on_both_sides_under_two_spellings(other):
    gallery = gallery_of([*APART[:2], ("c", other, "cc", 2.0)])
    leak = (Leak.SAME_PATIENT, "a", "p1", "c", other)
    for run in (protocol(gallery, [0], [1, 2]), protocol(gallery, [0], [0, 1, 2], own=True)):
        found = find_leakage(gallery, run).found
        assert [(o.leak, o.test_photo, o.test_patient, o.gallery_photo, o.gallery_patient) for o in found] == [leak]
    assert find_leakage(gallery, protocol(gallery, [1], [0, 2])).found == ()


def test_accents_may_be_encoded_in_two_ways():
    gallery = gallery_of(
        [("a", "M\u00fcller", "aa", 0.0), ("b", "Mu\u0308ller", "bb", 1.0), ("c", "Muller", "cc", 2.0)]
    )
    found = find_leakage(gallery, protocol(gallery, [0], [1, 2])).found
    assert [(o.leak, o.gallery_photo) for o in found] == [(Leak.SAME_PATIENT, "b")]


def test_a_patient_left_out_under_the_own_id_only_is_found_in_the_other_spelling():
    """One patient out: photos of the own id are left out, also where they come first."""
    people = [("a", "p1", "aa", 0.0), ("b", "p1", "bb", 1.0), ("c", "P1", "cc", 2.0), ("d", "p2", "dd", 3.0)]
    gallery = gallery_of(people)
    found = find_leakage(gallery, protocol(gallery, [0, 1, 2, 3], [0, 1, 2, 3], own=True)).found
    assert [(o.test_photo, o.gallery_photo) for o in found] == [("a", "c"), ("b", "c"), ("c", "a")]


def test_pixels_that_are_not_stated_are_not_alike():
    gallery = gallery_of([(photo, patient, NOT_STATED, angle) for photo, patient, _, angle in APART])
    found = find_leakage(gallery, protocol(gallery, [0], [1, 2]))
    assert found.found == ()
    assert dict(found.limits)[Leak.SAME_PIXELS] == (
        "3 of 3 photos do not say which pixels they were made from; among them only equal vectors are found"
    )


def test_equal_vectors_are_the_same_pixels_where_hashes_are_missing():
    people = [("a", "p1", NOT_STATED, 1.0), ("b", "p01", "bb", 1.0), ("c", "p3", NOT_STATED, 2.0), ("d", "p4", "dd", 3)]
    gallery = gallery_of(people, view=View("own"))
    found = find_leakage(gallery, protocol(gallery, [0, 2], [1, 3]))
    assert [(o.leak, o.test_photo, o.gallery_photo) for o in found.found] == [(Leak.SAME_PIXELS, "a", "b")]
    assert dict(found.limits)[Leak.SAME_PIXELS].startswith("2 of 4 photos do not say")
    assert Leak.SAME_PIXELS not in dict(found.not_checked)


def test_a_hash_may_be_written_in_capitals():
    gallery = gallery_of([("a", "p1", "AB", 0.0), ("b", "p2", "ab", 1.0), ("c", "p3", "cc", 2.0)])
    found = find_leakage(gallery, protocol(gallery, [0], [1, 2])).found
    assert [(o.leak, o.gallery_photo) for o in found] == [(Leak.SAME_PIXELS, "b")]


@pytest.mark.parametrize(
    "known", [LearntPhoto("a"), LearntPhoto("A.JPG"), LearntPhoto(sha256="AA"), LearntPhoto("x", "aa", "nobody")]
)
def test_photos_that_were_trained_on_by_id_or_by_pixels(known):
    gallery = gallery_of(APART)
    found = find_leakage(gallery, protocol(gallery, [0, 1], [2]), trained_on=learnt(known))
    assert [(one.leak, str(one)) for one in found.found] == [(Leak.TRAINED_ON, "photo 'a' of p1")]
    with pytest.raises(
        MismatchError, match=r"leakage: test patient that the encoder was trained on: 1 case\(s\), first"
    ):
        found.refuse()


def test_a_copy_of_a_photo_that_was_trained_on():
    """It need be neither in the test nor in the gallery: what was trained on is the picture."""
    gallery = gallery_of([*APART, ("copy", "p4", "aa", 3.0)])
    found = find_leakage(gallery, protocol(gallery, [0], [1, 2]), trained_on=learnt(LearntPhoto("copy")))
    assert [(o.leak, o.test_photo) for o in found.found] == [(Leak.TRAINED_ON, "a")]


@pytest.mark.parametrize("owner", ["p1", "P1 "])
def test_a_test_patient_is_trained_on_when_any_photo_of_theirs_is(owner):
    gallery = gallery_of([*APART, ("d", owner, "dd", 3.0)])
    found = find_leakage(gallery, protocol(gallery, [0, 1], [2]), trained_on=learnt(LearntPhoto("d")))
    assert [(one.leak, str(one)) for one in found.found] == [
        (Leak.TRAINED_ON, f"photo 'a' of p1 (trained on photo 'd' of {owner})")
    ]
    assert found.in_words()[0].startswith(
        "test patient that the encoder was trained on: 1 case(s), first photo 'a' of p1 (trained on photo 'd'"
    )


def test_a_patient_may_be_named_without_a_photo_that_is_here():
    gallery = gallery_of(APART)
    found = find_leakage(gallery, protocol(gallery, [0], [1, 2]), trained_on=learnt(LearntPhoto("e", patient="P1")))
    assert [(one.leak, str(one)) for one in found.found] == [(Leak.TRAINED_ON, "photo 'a' of p1")]


def test_whom_an_encoder_learnt_from_may_be_in_the_gallery():
    gallery = gallery_of(APART)
    some = learnt(LearntPhoto("b", "bb", "p2"), LearntPhoto("c"))
    assert find_leakage(gallery, protocol(gallery, [0], [1, 2]), trained_on=some).found == ()


def test_a_list_of_which_nothing_is_here_was_not_checked():
    gallery = gallery_of(APART)
    known = learnt(LearntPhoto("someone"), LearntPhoto(sha256="ff"))
    found = find_leakage(gallery, protocol(gallery, [0], [1, 2]), trained_on=known)
    assert dict(found.not_checked)[Leak.TRAINED_ON] == (
        "none of 2 listed in manifest 'run.json' is in the gallery, first 'someone'; "
        "they are probably spelled in another way"
    )
    found = find_leakage(
        gallery, protocol(gallery, [0], [1, 2]), trained_on=learnt(*known[0].photos, ids_of_gallery=True)
    )
    assert Leak.TRAINED_ON not in dict(found.not_checked)


def test_models_of_which_nobody_says_whom_they_learnt_from_are_named():
    gallery = gallery_of(APART)
    tests = protocol(gallery, [0], [1, 2])
    assert dict(find_leakage(gallery, tests).not_checked)[Leak.TRAINED_ON] == (
        "no training manifest of glint360k-r100 was given"
    )
    of_another = learnt(LearntPhoto("b"), models=frozenset({"another"}))
    assert dict(find_leakage(gallery, tests, trained_on=of_another).not_checked)[Leak.TRAINED_ON] == (
        "no training manifest of glint360k-r100 was given"
    )
    of_this = learnt(LearntPhoto("b"), models=frozenset({"glint360k-r100"}), forgotten=2)
    found = find_leakage(gallery, tests, trained_on=of_this)
    assert found.not_checked == ()
    assert dict(found.limits)[Leak.TRAINED_ON] == (
        "2 photos of manifest 'run.json' were withdrawn since; whose they were is not known"
    )


def test_what_was_found_is_not_called_unchecked():
    gallery = gallery_of(APART)
    sets = [*learnt(LearntPhoto("a")), *learnt(LearntPhoto("someone"))]
    found = find_leakage(gallery, protocol(gallery, [0], [1, 2]), trained_on=sets)
    assert len(found.of(Leak.TRAINED_ON)) == 1
    assert Leak.TRAINED_ON not in dict(found.not_checked)
    assert dict(found.limits)[Leak.TRAINED_ON].startswith("none of 1 listed in manifest 'run.json'")


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
    gallery = gallery_of([(f"t{i}", f"t{i}", f"pixels {i}", 0.1 * i) for i in range(6)] + [("z", "z", "zz", 2.0)])
    found = find_leakage(
        gallery, protocol(gallery, range(6), [6]), trained_on=learnt(*(LearntPhoto(f"t{i}") for i in range(5)))
    )
    assert found.in_words() == (
        "test patient that the encoder was trained on: 5 case(s), first photo 't0' of t0; photo 't1' of t1; "
        "photo 't2' of t2",
    )
