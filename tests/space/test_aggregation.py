"""Hybrid and nearest-patients against loops over fractions, and a world in which disorders differ in size alone."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.cases import Diagnosis, Disorder, Encoding, Patient, Photo, View
from deciface.errors import OptionError
from deciface.space import Gallery, Query, Rule, rank
from deciface.space.aggregation import log_at_least
from tests.space.oracle import compared, labels_of, rank_all
from tests.space.test_ranking import FACE, FAR, gene_name, record
from tests.space.worlds import gallery_of, query_of, worlds


def at_least(wanted, near, drawn, total):
    """P(at least `wanted` of the near ones are drawn), by counting."""
    ways = sum(math.comb(near, j) * math.comb(total - near, drawn - j) for j in range(wanted, min(near, drawn) + 1))
    return Fraction(ways, math.comb(total, drawn))


def disorder_id(hit):
    return hit.disorder.id


def log10(share):
    return math.log10(share.numerator) - math.log10(share.denominator)


@settings(deadline=None)
@given(st.data())
def test_hypergeometric_tails_equal_counting(data):
    total = data.draw(st.integers(1, 400))
    near, drawn = data.draw(st.integers(1, total)), data.draw(st.integers(1, total))
    wanted = data.draw(st.integers(1, min(near, drawn)))
    found = log_at_least(np.array([wanted]), near=np.array([near]), drawn=np.array([drawn]), total=total)[0]
    assert found / math.log(10) == pytest.approx(log10(at_least(wanted, near, drawn, total)), rel=1e-9, abs=1e-9)


@settings(max_examples=120, deadline=None)
@given(worlds(), st.integers(1, 4))
def test_nearest_patients_equals_counting(world, k):
    records, queries, own = world
    left = compared(records, own, {"query"})
    if not left:
        return
    answer = rank(gallery_of(records), query_of(queries, own), rule=Rule.NEAREST_PATIENTS, top=50, k=k)
    assert answer.k == k
    truth = rank_all(records, queries, "patient-mean", own, {"query"})
    mine = {h.patient_id: h.distance for h in answer.patients}
    assert mine == pytest.approx(truth["patients"], abs=2e-6)
    for kind, hits, name in (
        ("disorder", answer.disorders, lambda h: h.disorder.id),
        ("gene", answer.genes, gene_name),
    ):
        groups = {}
        for photo in left:
            for label in labels_of(photo, kind):
                groups.setdefault(label, set()).add(photo["patient"])
        assert {name(h) for h in hits} == set(groups)
        for hit in hits:
            theirs = sorted(mine[p] for p in groups[name(hit)])
            wanted = min(k, len(theirs))
            near = sum(d <= theirs[wanted - 1] for d in mine.values())
            share = at_least(wanted, near, len(theirs), len(mine))
            assert hit.distance == pytest.approx(log10(share), abs=1e-6)
            assert mine[hit.nearest_patient_id] == theirs[0]
        assert [h.distance for h in hits] == sorted(h.distance for h in hits)


@settings(max_examples=120, deadline=None)
@given(worlds(), st.integers(1, 6))
def test_hybrid_equals_the_oracle(world, top):
    records, queries, own = world
    if not compared(records, own, {"query"}):
        return
    answer = rank(gallery_of(records), query_of(queries, own), rule=Rule.HYBRID, top=top)
    assert answer.k is None
    near = rank_all(records, queries, "nearest-image", own, {"query"})
    centre = rank_all(records, queries, "disorder-centroid", own, {"query"})
    for kind, hits, name in (
        ("disorders", answer.disorders, lambda h: h.disorder.id),
        ("genes", answer.genes, gene_name),
    ):
        truth, tolerance = {}, 1e-6
        for part in (near[kind], centre[kind]):
            mean = sum(part.values()) / len(part) if part else 0.0
            tolerance += 4e-6 / max(mean, 1e-3)
            for label, distance in part.items():
                truth[label] = truth.get(label, 0.0) + (distance / mean if mean > 1e-5 else 1.0) / 2
        assert len(hits) == min(top, len(truth))
        for place, hit in enumerate(hits):
            assert hit.distance == pytest.approx(truth[name(hit)], abs=tolerance)
            assert hit.distance == pytest.approx(sorted(truth.values())[place], abs=tolerance)


@pytest.mark.parametrize("rule", [rule for rule in Rule if rule is not Rule.DISCRIMINANT])
def test_a_disorder_with_one_photo_is_rankable_at_once(rule):
    rare, common = ({"id": "D1", "genes": ("G1",)},), ({"id": "D2", "genes": ("G2",)},)
    others = [record(f"o{i}", f"o{i}", FAR, diagnoses=common) for i in range(3)]
    answer = rank(gallery_of([record("r", "r", FACE, diagnoses=rare), *others]), query_of([FACE]), rule=rule)
    assert [h.disorder.id for h in answer.disorders] == ["D1", "D2"]
    assert (answer.disorders[0].patients, answer.disorders[0].photos) == (1, 1)


def test_k_counts_from_one():
    with pytest.raises(OptionError, match="the nearest patient is number 1"):
        rank(gallery_of([record("a", "a", FACE)]), query_of([FACE]), rule=Rule.NEAREST_PATIENTS, k=0)


def random_world(sizes, *, seed, dimensions=16):
    """Disorders that differ in nothing but how many patients they have."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    photos = [
        Photo(f"{i:04d}", Patient(f"p{i}"), f"{i:064x}", diagnoses=(Diagnosis(Disorder(f"D{g}", f"D{g}"), ()),))
        for i, g in enumerate(owner.tolist())
    ]
    gallery = Gallery.from_arrays(
        photos,
        (View("m"),),
        [rng.standard_normal((len(owner), dimensions)).astype(np.float32)],
        encoder_sha256={"m": "a"},
        crop_version={"m": "c"},
    )
    queries = [
        Query.of([Encoding("q", "q", "c", "a", View("m"), rng.standard_normal(dimensions).astype(np.float32))])
        for _ in range(400)
    ]
    return gallery, queries


def share_of_large(gallery, queries, rule, k):
    first = [rank(gallery, q, rule=rule, top=1, k=k).disorders[0].disorder.id for q in queries]
    return np.mean([int(name[1:]) < 10 for name in first])


@pytest.mark.parametrize("k", [2, 3])
def test_the_correction_removes_the_advantage_of_size(k):
    gallery, queries = random_world([60] * 10 + [3] * 10, seed=11)
    assert share_of_large(gallery, queries, Rule.NEAREST_IMAGE, k) > 0.85
    corrected = share_of_large(gallery, queries, Rule.NEAREST_PATIENTS, k)
    assert abs(corrected - 0.5) < 3.3 * math.sqrt(0.25 / len(queries))
