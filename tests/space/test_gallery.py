"""Galleries: what they refuse, who they know, what their digest covers."""

from dataclasses import replace

import numpy as np
import pytest

from deciface.cases import Ancestry, Diagnosis, Disorder, Patient, Photo, Sex, Side, View
from deciface.errors import InputError, MismatchError, NoGalleryError, OptionError
from deciface.space import Gallery, Restriction
from deciface.space.vectors import Vectors
from tests.space.worlds import VIEWS, encodings, gallery_of

ONE, TWO = {VIEWS[0]: [3.0, 4, 0, 0]}, {VIEWS[0]: [0, 0, 1.0, 0]}


def two():
    photos = [Photo("b", Patient("p"), "bb"), Photo("a", Patient("q"), "aa")]
    return photos, [*encodings("b", "bb", ONE), *encodings("a", "aa", TWO)]


def test_rows_are_unit_float32_sorted_by_photo_id():
    photos, codes = two()
    gallery = Gallery.build(photos, codes)
    assert [p.id for p in gallery.photos] == ["a", "b"]
    assert gallery.vectors.matrix.dtype == np.float32
    assert gallery.vectors.matrix.flags.c_contiguous
    np.testing.assert_allclose(gallery.vectors.matrix, [[0, 0, 1, 0], [0.6, 0.8, 0, 0]], rtol=1e-6)


def test_views_may_have_different_lengths_and_dropped_ones_are_named():
    photos, codes = two()
    more = [*codes, *encodings("b", "bb", {VIEWS[2]: [1.0, 0, 0]}), *encodings("a", "aa", {VIEWS[2]: [0, 1.0, 0]})]
    gallery = Gallery.build(photos, [*more, *encodings("a", "aa", {VIEWS[1]: [1.0, 0, 0, 0]})])
    assert gallery.views == (VIEWS[0], VIEWS[2])
    assert gallery.dropped_views == (VIEWS[1],)
    assert gallery.vectors.matrix.shape == (2, 7)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"encoder_sha256": "c" * 64}, MismatchError, "weights cccccccccccc, others with aaaaaaaaaaaa"),
        ({"crop_version": "crop/2"}, MismatchError, "cropped by 'crop/2', others by 'crop/1'"),
        ({"photo_sha256": "zz"}, MismatchError, "photo 'a' has pixels aa but its encoding was made from zz"),
        ({"vector": np.array([np.nan, 1, 1, 1], np.float32)}, InputError, "photo 'a', view m/face/straight/colour"),
        ({"vector": np.array([np.inf, 1, 1, 1], np.float32)}, InputError, "zero, NaN or infinite"),
        ({"vector": np.zeros(4, np.float32)}, InputError, "encode the photo again or leave it out"),
        ({"vector": np.ones(5, np.float32)}, InputError, r"shape \(4,\) in photo 'b', \(5,\) in photo 'a'"),
        ({"vector": np.ones((2, 2), np.float32)}, InputError, r"all must be \(d,\)"),
        ({"photo_id": "c"}, InputError, "encoding of photo 'c', which is not in the gallery"),
        ({"view": VIEWS[1]}, MismatchError, "no view is shared by all 2 photos"),
    ],
)
def test_refuses(change, error, message):
    photos, codes = two()
    with pytest.raises(error, match=message):
        Gallery.build(photos, [codes[0], replace(codes[1], **change)])


def test_refuses_repeats_and_emptiness():
    photos, codes = two()
    with pytest.raises(InputError, match="photo 'a' has two encodings of view m/face/straight/colour"):
        Gallery.build(photos, [*codes, codes[1]])
    with pytest.raises(InputError, match="photo 'a' is in the gallery 2 times"):
        Gallery.build([*photos, photos[1]], codes)
    with pytest.raises(MismatchError, match="photo 'a' has no encoding"):
        Gallery.build(photos, codes[:1])
    with pytest.raises(NoGalleryError, match="no photos"):
        Gallery.build([], [])
    sha = {"m": "a" * 64}
    with pytest.raises(InputError, match=r"float32 \(2, d\) is needed"):
        Gallery.from_arrays(photos, VIEWS[:1], [np.ones((2, 4))], encoder_sha256=sha, crop_version=sha)
    with pytest.raises(MismatchError, match="one block per view"):
        Gallery.from_arrays(photos, VIEWS[:2], [np.ones((2, 4), np.float32)], encoder_sha256=sha, crop_version=sha)
    with pytest.raises(MismatchError, match="model 'm' has no weights sha256"):
        Gallery.from_arrays(photos, VIEWS[:1], [np.ones((2, 4), np.float32)], encoder_sha256={}, crop_version=sha)


def test_from_arrays_equals_build_whatever_the_order():
    photos, codes = two()
    sha, crop = {"m": "a" * 64}, {"m": "crop/1"}
    block = np.array([[3, 4, 0, 0], [0, 0, 1, 0]], np.float32)
    made = Gallery.from_arrays(photos, VIEWS[:1], [block], encoder_sha256=sha, crop_version=crop)
    again = Gallery.from_arrays(photos[::-1], VIEWS[:1], [block[::-1]], encoder_sha256=sha, crop_version=crop)
    assert made.digest == Gallery.build(photos, codes).digest == again.digest


def test_rows_of_a_larger_matrix_make_the_same_gallery_and_are_not_copied():
    built = Gallery.build(*two())
    matrix = np.zeros((7, built.vectors.matrix.shape[1]), np.float32)
    rows = np.array([4, 6])
    matrix[rows] = built.vectors.matrix
    matrix.flags.writeable = False
    stated = {"encoder_sha256": built.encoder_sha256, "crop_version": built.crop_version}
    vectors = Vectors(matrix, built.vectors.blocks)
    found = Gallery.from_vectors(built.photos[::-1], built.views, vectors, rows[::-1], **stated)
    assert found.digest == built.digest
    assert found.rows.tolist() == [4, 6]
    assert found.vectors.matrix is matrix
    with pytest.raises(NoGalleryError, match="has no photos"):
        Gallery.from_vectors([], built.views, vectors, rows[:0], **stated)
    with pytest.raises(InputError, match="photo 'a' is in the gallery 2 times"):
        Gallery.from_vectors(built.photos[:1] * 2, built.views, vectors, rows, **stated)
    with pytest.raises(MismatchError, match="2 photos and 1 rows; give one block per view and one row per photo"):
        Gallery.from_vectors(built.photos, built.views, vectors, rows[:1], **stated)
    with pytest.raises(MismatchError, match="0 views and 1 blocks"):
        Gallery.from_vectors(built.photos, (), vectors, rows, **stated)


def test_digest_changes_with_vectors_labels_and_versions():
    photos, codes = two()
    digests = {Gallery.build(photos, codes).digest}
    digests.add(Gallery.build([replace(photos[0], unaffected=True), photos[1]], codes).digest)
    digests.add(Gallery.build(photos, [replace(c, crop_version="crop/2") for c in codes]).digest)
    digests.add(Gallery.build(photos, [replace(c, encoder_sha256="f" * 64) for c in codes]).digest)
    digests.add(Gallery.build(photos, [codes[0], replace(codes[1], vector=np.ones(4, np.float32))]).digest)
    assert len(digests) == 5


def people():
    d = (Diagnosis(Disorder("D1", "one"), ("G1",)),)
    anna = Patient("anna", Sex.FEMALE, (Ancestry("Taiwanese"),))
    ben = Patient("ben", Sex.MALE, (Ancestry("German", Side.MATERNAL), Ancestry("Taiwanese", Side.PATERNAL)))
    carl = Patient("carl", Sex.MALE, simulated=True)
    photos = [
        Photo("1", anna, "s1", 1.9, d),
        Photo("2", anna, "s2", 2.0, d),
        Photo("3", ben, "s3", 41.0, unaffected=True),
        Photo("4", carl, "s4"),
    ]
    return Gallery.build(photos, [e for p in photos for e in encodings(p.id, p.sha256, ONE)])


def test_composition_counts_patients():
    found = people().composition()
    assert (found.patients, found.photos, found.unaffected, found.undiagnosed, found.simulated) == (3, 4, 1, 1, 1)
    assert found.by_ancestry == {"German / Taiwanese": 1, "Taiwanese": 1, "not recorded": 1}
    assert found.by_sex == {"female": 1, "male": 2}
    assert found.by_age_years == {"0-2": 1, "2-6": 1, "40+": 1, "not recorded": 1}
    assert found.by_disorder == {"D1": 1}


@pytest.mark.parametrize(
    ("how", "ids"),
    [
        ({"ancestry": "taiwanese"}, "123"),
        ({"ancestry": ["German"]}, "3"),
        ({"sex": Sex.MALE}, "34"),
        ({"age_years": (0, 2)}, "12"),
        ({"patients": ["carl", "anna"]}, "124"),
        ({"ancestry": "Taiwanese", "sex": Sex.FEMALE, "age_years": (2, 2)}, "2"),
        ({}, "1234"),
    ],
)
def test_subset(how, ids):
    part = people().subset(**how)
    assert [p.id for p in part.photos] == list(ids)
    assert part.composition().photos == len(ids)


def test_subset_refuses_nobody_twice_and_bad_ages():
    gallery = people()
    with pytest.raises(NoGalleryError, match="nobody in the gallery of 4 photos is ancestry Maori; widen"):
        gallery.subset(ancestry="Maori")
    with pytest.raises(OptionError, match="age range 6 to 2 years"):
        gallery.subset(age_years=(6, 2))
    with pytest.raises(OptionError, match="age range nan to 2 years"):
        Restriction(age_years=(float("nan"), 2))
    with pytest.raises(MismatchError, match="already restricted to male"):
        gallery.subset(sex=Sex.MALE).subset(sex=Sex.FEMALE)
    first = gallery.subset(sex=Sex.MALE)
    assert gallery.subset(sex=Sex.MALE) is first
    for age in range(9):
        gallery.subset(age_years=(0, age + 2))
    assert gallery.subset(sex=Sex.MALE) is not first


def test_restriction_reads_well():
    both = Restriction(("Taiwanese", "Han"), Sex.FEMALE, (0, 6.5), frozenset({"a"}))
    assert str(both) == "ancestry Taiwanese or Han; female; 0 to 6.5 years; 1 named patients"
    assert str(Restriction()) == "everybody"


def test_small_world_builds():
    assert len(gallery_of([{"id": "a", "patient": "p", "pixels": "x", "diagnoses": (), "vectors": ONE}])) == 1
    assert View("m") == VIEWS[0]
