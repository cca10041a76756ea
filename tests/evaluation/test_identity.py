"""One person under two ids, one photo under two names: found; everything else stays apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.cases import NOT_STATED, Patient, Photo, View
from deciface.evaluation import identity
from deciface.evaluation.identity import SAME_COMPONENT, people_of_rows, photos_of_rows, spelled_alike
from deciface.space import Gallery

VIEWS = (View("m"), View("other"))


def gallery_of(vectors, *, hashes=None, patients=None, views=VIEWS):
    """One block of vectors a view; rows keep their order."""
    n = len(vectors[0])
    hashes, patients = hashes or [NOT_STATED] * n, patients or [f"p{i}" for i in range(n)]
    photos = [Photo(f"{i:05d}", Patient(patients[i]), hashes[i]) for i in range(n)]
    return Gallery.from_arrays(
        photos,
        views,
        [np.asarray(block, np.float32) for block in vectors],
        encoder_sha256={view.model: "e" * 64 for view in views},
        crop_version={view.model: "c/1" for view in views},
    )


def partition(numbers):
    """Rows that stand together, as a set of sets."""
    return {frozenset(np.flatnonzero(numbers == n).tolist()) for n in set(numbers.tolist())}


def test_ids_that_are_spelled_alike():
    assert len({spelled_alike(t) for t in ("P1", "p1", " p1\n")}) == 1
    assert len({spelled_alike(t) for t in ("stra\u00dfe", "STRASSE")}) == 1
    assert len({spelled_alike(t) for t in ("p1", "p01", "p 1", "p1.")}) == 4
    rng = np.random.default_rng(0)
    gallery = gallery_of([rng.normal(size=(5, 8))] * 2, patients=["p1", "P1", "p01", "p1", "x"])
    assert partition(people_of_rows(gallery)) == {frozenset({0, 1, 3}), frozenset({2}), frozenset({4})}


def test_equal_vectors_are_equal_in_every_view_and_but_for_rounding():
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(6, 64)), rng.normal(size=(6, 32))
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    one[3], other[3] = one[0], other[0]  # equal in both views
    one[4] = one[1]  # in one view only
    one[5], other[5] = one[2] + 0.3 * SAME_COMPONENT, 7 * other[2]  # another order of summation, another length
    gallery = gallery_of([one, other])
    assert partition(photos_of_rows(gallery)) == {
        frozenset({0, 3}), frozenset({1}), frozenset({4}), frozenset({2, 5})
    }  # fmt: skip
    one[5, 0] += 0.01
    assert frozenset({2}) in partition(photos_of_rows(gallery_of([one, other])))


def test_hashes_and_vectors_together():
    """a and b have one hash, b and c one vector: all three are one photo."""
    rng = np.random.default_rng(2)
    block = rng.normal(size=(5, 16))
    block[2] = block[1]
    hashes = ["AB", "ab", NOT_STATED, NOT_STATED, "cd"]
    gallery = gallery_of([block], hashes=hashes, views=VIEWS[:1])
    assert partition(photos_of_rows(gallery)) == {frozenset({0, 1, 2}), frozenset({3}), frozenset({4})}


def test_a_part_of_a_gallery():
    rng = np.random.default_rng(3)
    block = rng.normal(size=(6, 16))
    block[5] = block[0]
    gallery = gallery_of([block], views=VIEWS[:1]).subset(patients={"p0", "p4", "p5"})
    assert partition(photos_of_rows(gallery)) == {frozenset({0, 2}), frozenset({1})}


@pytest.mark.parametrize("rows", [1, 2, 300])
def test_a_gallery_of_one_face(rows):
    gallery = gallery_of([np.ones((rows, 4))], views=VIEWS[:1])
    assert set(photos_of_rows(gallery).tolist()) == {0}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(*[st.integers(-1, 1)] * 3).filter(any), min_size=1, max_size=25), st.integers(1, 7))
def test_equal_vectors_by_comparing_all_pairs(vectors, chunk):
    """Few values: ties along every direction, and equal faces, are common; in chunks of any size."""
    block = np.array(vectors, np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity, "_CHUNK_ROWS", chunk)
        found = partition(photos_of_rows(gallery_of([block], views=VIEWS[:1])))
    unit = block / np.linalg.norm(block.astype(np.float64), axis=1, keepdims=True)
    alike = (np.abs(unit[:, None] - unit[None]).max(axis=2) <= SAME_COMPONENT).tolist()
    assert found == {frozenset(i for i, same in enumerate(row) if same) for row in alike}
