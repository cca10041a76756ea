"""Clusters and matches of unsolved patients, against plain loops and on planted likeness."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from deciface.errors import NothingFoundError, OptionError
from deciface.space.clusters import find_clusters
from deciface.space.matching import find_matches
from deciface.space.people import people_of
from tests.space.cohorts import apart, face_of, gallery_of_people
from tests.space.test_ranking import FACE, record
from tests.space.worlds import gallery_of, worlds


def rng(seed=1):
    return np.random.default_rng(seed)


def hidden_disorders():
    """60 patients of 20 known disorders; 20 unsolved ones, of which 2 x 4 share an unknown disorder."""
    known = [{"disorder": d, "pull": 1.0} for d in range(20) for _ in range(3)]
    new = [{"disorder": 100 + i // 4, "pull": 2.0} for i in range(8)]
    return gallery_of_people([*known, *new, *({"photos": 2} for _ in range(12))], seed=4)


def without_diagnosis(gallery):
    """The hidden disorders become unknown."""
    photos = tuple(
        replace(p, diagnoses=()) if p.diagnoses and int(p.diagnoses[0].disorder.id[1:]) >= 100 else p
        for p in gallery.photos
    )
    return replace(gallery, photos=photos)


def test_hidden_disorders_become_stable_clusters():
    found = find_clusters(without_diagnosis(hidden_disorders()), rng=rng(), percentile=1)
    assert [c.patient_ids for c in sorted(found.clusters[:2], key=lambda c: c.patient_ids)] == [
        tuple(f"p{i:03d}" for i in range(60, 64)),
        tuple(f"p{i:03d}" for i in range(64, 68)),
    ]
    assert all(c.stability > 0.75 for c in found.clusters[:2])
    assert [len(c.patient_ids) for c in found.clusters] == sorted(
        (len(c.patient_ids) for c in found.clusters), reverse=True
    )
    assert find_clusters(hidden_disorders(), rng=rng(), percentile=1).clusters != found.clusters
    assert all(c.mean_distance < found.cut for c in found.clusters)
    assert found.reference == "pairs of diagnosed patients who share no disorder"
    assert found.reference_pairs == 60 * 59 / 2 - 20 * 3
    assert len(found.alone) + sum(len(c.patient_ids) for c in found.clusters) == 20
    assert find_clusters(without_diagnosis(hidden_disorders()), rng=rng(), percentile=1).clusters == found.clusters


def test_the_cut_is_a_percentile_of_the_distances_of_different_patients():
    gallery = gallery_of_people([{"photos": 2} for _ in range(9)], seed=5)
    found = find_clusters(gallery, rng=rng(), percentile=20)
    faces = [face_of(gallery, [f"p{i:03d}-0", f"p{i:03d}-1"]) for i in range(9)]
    pairs = [apart(faces[i], faces[j]) for i in range(9) for j in range(i)]
    assert found.cut == pytest.approx(np.percentile(pairs, 20), abs=1e-6)
    assert (found.reference, found.reference_pairs) == ("pairs of unsolved patients", 36)


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_matches_equal_plain_loops(world):
    records, _, _ = world
    gallery = gallery_of(records)
    by_patient = {}
    for r in records:
        by_patient.setdefault(r["patient"], []).append(r)
    unsolved = sorted(
        p for p, theirs in by_patient.items() if not any(r["diagnoses"] or r["unaffected"] for r in theirs)
    )
    if len(unsolved) < 2:
        with pytest.raises(NothingFoundError, match="at least two people without a diagnosis"):
            find_matches(gallery)
        return
    people = people_of(gallery)  # its rows, whose ties are exact; what they are is tested elsewhere
    rows = {who: people.vectors[i].tolist() for i, who in enumerate(people.ids)}
    distance = {
        (a, b): round(1 - sum(x * y for x, y in zip(rows[a], rows[b], strict=True)) / len(gallery.views), 6)
        for a in unsolved
        for b in unsolved
        if a != b
    }
    every = [distance[a, b] for i, a in enumerate(unsolved) for b in unsolved[:i]]
    nearest = {a: min(d for (x, _), d in distance.items() if x == a) for a in unsolved}
    expected = {(a, b) for (a, b), d in distance.items() if a < b and d <= min(nearest[a], nearest[b])}
    found = find_matches(gallery)
    assert {m.patient_ids for m in found.matches} == expected
    for m in found.matches:
        assert m.distance == pytest.approx(distance[m.patient_ids], abs=1e-6)
        assert m.percentile == pytest.approx(sum(d <= m.distance for d in every) / len(every))
    assert (found.unsolved, found.pairs) == (len(unsolved), len(every))


def test_the_planted_pair_is_the_first_match_and_relatives_are_said():
    people = [{"id": "a", "disorder": None, "family": "f"}, {"id": "b", "family": "f"}, *({} for _ in range(10))]
    gallery = gallery_of_people(people, seed=8)
    matrix = gallery.vectors.matrix
    matrix[1] = matrix[0]
    found = find_matches(gallery)
    assert found.matches[0].patient_ids == ("a", "b")
    assert (found.matches[0].relatives, found.matches[0].distance) == (True, 0.0)
    assert found.matches[0].percentile == pytest.approx(1 / 66)
    distances = [m.distance for m in found.matches]
    assert distances == sorted(distances)


def test_refuses_galleries_without_unsolved_patients_and_odd_options():
    gallery = gallery_of([record("a", "a", FACE), record("b", "b", FACE, unaffected=True)])
    with pytest.raises(NothingFoundError, match="1 unsolved patients in the gallery"):
        find_clusters(gallery, rng=rng())
    two = gallery_of([record("a", "a", FACE), record("b", "b", FACE)])
    with pytest.raises(OptionError, match="between 0 and 100"):
        find_clusters(two, rng=rng(), percentile=100)
    with pytest.raises(OptionError, match="0 resamples"):
        find_clusters(two, rng=rng(), resamples=0)
    assert find_clusters(two, rng=rng(), resamples=2).clusters[0].patient_ids == ("a", "b")
