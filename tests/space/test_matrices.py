"""Distance and rank matrices against plain loops, ties included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.errors import NothingFoundError, OptionError
from deciface.space.matrices import ITSELF, average_linkage, pair_matrices
from tests.space.cohorts import apart, face_of, gallery_of_people
from tests.space.test_ranking import FACE, FAR, record
from tests.space.worlds import gallery_of, worlds


@settings(max_examples=60, deadline=None)
@given(worlds(), st.sets(st.integers(0, 5), min_size=1))
def test_equals_plain_loops(world, chosen):
    records, _, _ = world
    gallery = gallery_of(records)
    wanted = {f"p{i}" for i in chosen} & {r["patient"] for r in records}
    cohort = [p.id for p in gallery.photos if p.patient.id in wanted]
    if not cohort:
        return
    if len(cohort) < 2:
        with pytest.raises(OptionError, match="a matrix needs at least two"):
            pair_matrices(gallery, wanted)
        return
    found = pair_matrices(gallery, wanted)
    assert found.photo_ids == tuple(cohort)
    faces = {p.id: face_of(gallery, [p.id]) for p in gallery.photos}
    for i, mine in enumerate(cohort):
        to_others = {p: round(apart(faces[mine], faces[p]), 5) for p in faces if p != mine}
        for j, other in enumerate(cohort):
            if i == j:
                assert found.distances[i, j] == 0.0
                assert found.ranks[i, j] == ITSELF
                continue
            assert found.distances[i, j] == pytest.approx(apart(faces[mine], faces[other]), abs=2e-6)
            near = sum(d < to_others[other] - 1e-5 for d in to_others.values())
            near_or_tied = sum(d < to_others[other] + 3e-5 for d in to_others.values())
            assert near <= found.ranks[i, j] < near_or_tied
    assert found.compared == len(records) - 1
    assert sorted(found.order.tolist()) == list(range(len(cohort)))


def test_ranks_are_among_everybody_and_not_symmetric():
    gallery = gallery_of(
        [
            record("a", "a", FACE),
            record("b", "b", {v: [1.0, 0.5, 0, 0] for v in FACE}),
            record("x", "x", {v: [1.0, 0.7, 0, 0] for v in FACE}),
            record("y", "y", {v: [1.0, 0.6, 0, 0] for v in FACE}),
            record("far", "far", FAR),
        ]
    )
    found = pair_matrices(gallery, ["a", "b"])
    assert found.ranks.tolist() == [[ITSELF, 0], [2, ITSELF]]  # b is a's nearest; x and y are nearer to b than a is
    assert found.compared == 4
    assert found.percentiles[1, 0] == pytest.approx(2 / 3)


def test_the_order_puts_like_photos_side_by_side():
    people = [{"disorder": i % 2, "pull": 4.0} for i in range(10)]
    found = pair_matrices(gallery_of_people(people, seed=3), [f"p{i:03d}" for i in range(10)])
    kinds = [int(found.photo_ids[i][1:4]) % 2 for i in found.order.tolist()]
    assert kinds in ([0] * 5 + [1] * 5, [1] * 5 + [0] * 5)
    tree, order = average_linkage(found.distances)
    assert np.array_equal(tree, found.tree)
    assert np.array_equal(order, found.order)


def test_refuses_strangers():
    with pytest.raises(NothingFoundError, match=r"patient 'nobody' is not in the gallery \(everybody; 1 photos\)"):
        pair_matrices(gallery_of([record("a", "a", FACE)]), ["nobody"])
