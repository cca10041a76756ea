"""The discriminant against the oracle, planted truth, chance, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.cases import Diagnosis, Disorder, Encoding, Patient, Photo, View
from deciface.errors import OptionError
from deciface.space import Gallery, Query, Restriction, Rule, rank
from deciface.space.covariance import decomposed, shrunken
from tests.space import oracle
from tests.space.worlds import DIMENSIONS, DISORDERS, VIEWS, gallery_of, query_of

DISCRIMINANT = Rule.DISCRIMINANT
FEW = "use rule disorder-centroid or a larger gallery"


def crowd(seed):
    """(records, query faces, own patient or None): 20 to 45 patients, as untidy as `worlds`."""
    rng = np.random.default_rng(seed)
    views = [VIEWS, VIEWS[:1], VIEWS[1:], VIEWS[:2]][rng.integers(4)]
    extra = [v for v in VIEWS if v not in views]
    common = {v: rng.standard_normal(DIMENSIONS[v]) * rng.uniform(0, 3) for v in VIEWS}

    def face(has):
        return {v: (common[v] + rng.standard_normal(DIMENSIONS[v])).tolist() for v in has}

    patients = [f"p{i}" for i in range(rng.integers(20, 46))]
    usual = {p: [DISORDERS[i] for i in rng.permutation(4)[: rng.choice(3, p=[0.2, 0.6, 0.2])]] for p in patients}
    records = []
    for i, patient in enumerate([*patients, *rng.choice(patients, len(patients) // 2).tolist()]):
        diagnoses = [d for d in usual[patient] if rng.random() < 0.9]
        records.append(
            {
                "id": f"photo{i:02d}",
                "patient": patient,
                "pixels": "query" if rng.random() < 0.05 else f"pixels{i}",
                "diagnoses": diagnoses,
                "unaffected": not diagnoses and bool(rng.random() < 0.7),
                "vectors": face([*views, *(v for v in extra if rng.random() < 0.5)]),
                "ancestry": ["Taiwanese", "German", None][rng.choice(3, p=[0.7, 0.2, 0.1])],
            }
        )
    queries = [face([views, VIEWS][rng.integers(2)]) for _ in range(rng.integers(1, 4))]
    return records, queries, [None, "p0", "p1", "stranger"][rng.integers(4)]


def agrees(hits, name, truth, top):
    assert len(hits) == min(top, len(truth))
    for place, (hit, expected) in enumerate(zip(hits, sorted(truth.values()), strict=False)):
        assert hit.distance == pytest.approx(truth[name(hit)], rel=1e-6, abs=2e-6)
        assert hit.distance == pytest.approx(expected, rel=1e-6, abs=2e-6)
        assert hit.rank == 1 + sum(other.distance < hit.distance for other in hits[:place])
    assert len({name(hit) for hit in hits}) == len(hits)


def gene_name(hit):
    return ("disorder", hit.gene.removeprefix("name of ")) if hit.stands_for_disorder else ("gene", hit.gene)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 6))
def test_equals_the_oracle(seed, top):
    records, queries, own = crowd(seed)
    gallery, query = gallery_of(records), query_of(queries, own)
    truth = oracle.discriminant(records, queries, own, {"query"})
    if truth is None:
        with pytest.raises(OptionError, match=FEW):
            rank(gallery, query, rule=DISCRIMINANT, top=top)
        return
    answer = rank(gallery, query, rule=DISCRIMINANT, top=top)
    agrees(answer.disorders, lambda h: h.disorder.id, truth["disorders"], top)
    agrees(answer.genes, gene_name, truth["genes"], top)
    means = rank(gallery, query, rule=Rule.PATIENT_MEAN, top=top)
    assert (answer.photos, answer.patients) == (means.photos, means.patients)
    assert {(h.nearest_photo_id, h.nearest_patient_id) for h in [*answer.disorders, *answer.genes]} == {(None, None)}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**9))
def test_a_subset_ranks_like_a_gallery_of_its_own(seed):
    records, queries, own = crowd(seed)
    gallery, query, subset = gallery_of(records), query_of(queries, own), Restriction(ancestry=("taiwanese",))
    part = [r for r in records if r["ancestry"] == "Taiwanese"]
    small = gallery_of([{**r, "vectors": {v: r["vectors"][v] for v in gallery.views}} for r in part])
    try:
        alone = rank(small, query, rule=DISCRIMINANT)
    except OptionError:
        with pytest.raises(OptionError, match="ancestry taiwanese, query left out"):
            rank(gallery, query, rule=DISCRIMINANT, subset=subset)
        return
    whole = rank(gallery, query, rule=DISCRIMINANT, subset=subset)
    assert (whole.disorders, whole.genes) == (alone.disorders, alone.genes)


def people(vectors, disorders, *, sha=None):
    """A gallery of one photo per patient; disorder None: unaffected."""
    n = len(vectors)
    photos = [
        Photo(
            f"{i:04d}",
            Patient(f"p{i}"),
            sha[i] if sha else f"s{i}",
            diagnoses=() if disorders[i] is None else (Diagnosis(Disorder(disorders[i], ""), ("G" + disorders[i],)),),
            unaffected=disorders[i] is None,
        )
        for i in range(n)
    ]
    stamp = {"m": "a" * 64}
    block = np.asarray(vectors, np.float32)
    return Gallery.from_arrays(photos, (VIEWS[0],), [block], encoder_sha256=stamp, crop_version={"m": "crop/1"})


def asked(vector, patient_id=None):
    code = Encoding("q", "query", "crop/1", "a" * 64, View("m"), np.asarray(vector, np.float32))
    return Query.of([code], patient_id=patient_id)


@pytest.mark.parametrize(("n", "d"), [(60, 90), (300, 24)])
def test_who_is_left_out_leaves_no_trace(n, d):
    rng = np.random.default_rng(n)
    vectors = rng.standard_normal((n, d)) + 2 * rng.standard_normal(d)
    disorders = [None if i % 7 == 3 else f"D{i % 6}" for i in range(n)]
    disorders[0] = "single"
    gallery = people(vectors, disorders)
    for i in [0, 1, 2, 3]:  # the only patient of a disorder, two of several, an unaffected person
        rest = [j for j in range(n) if j != i]
        alone = rank(people(vectors[rest], [disorders[j] for j in rest]), asked(vectors[i]), rule=DISCRIMINANT)
        found = rank(gallery, asked(vectors[i], f"p{i}"), rule=DISCRIMINANT)
        assert found.disorders == alone.disorders
        assert found.genes == alone.genes
        assert ("single" in {h.disorder.id for h in found.disorders}) is (i > 0)


def test_many_who_are_left_out_leave_no_trace():
    rng = np.random.default_rng(3)
    vectors, disorders = rng.standard_normal((120, 16)), [f"D{i % 5}" for i in range(120)]
    sha = ["query" if i < 50 else f"s{i}" for i in range(120)]
    found = rank(people(vectors, disorders, sha=sha), asked(vectors[0]), rule=DISCRIMINANT)
    alone = rank(people(vectors[50:], disorders[50:]), asked(vectors[0]), rule=DISCRIMINANT)
    assert found.disorders == alone.disorders


def test_a_gene_and_a_disorder_with_the_same_patients_are_equally_far():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((60, 8))
    gallery = people(vectors, [f"D{i % 4}" for i in range(60)])
    for own in (None, "p5"):
        answer = rank(gallery, asked(vectors[5], own), rule=DISCRIMINANT)
        assert [h.distance for h in answer.disorders] == [h.distance for h in answer.genes]


def share_right(rule, *, own_person_left_out=True):
    """Ten disorders, a small shift each, under three directions in which all people vary a great deal."""
    rng = np.random.default_rng(11)
    nuisance, shift = rng.standard_normal((3, 64)), 0.9 * rng.standard_normal((10, 64))
    labels = np.arange(120) % 10
    vectors = 12 * rng.standard_normal(64) + shift[labels] + rng.standard_normal((120, 64))
    vectors += 4 * rng.standard_normal((120, 3)) @ nuisance
    gallery = people(vectors, [f"D{label}" for label in labels])
    return right(gallery, vectors, labels, range(120), rule, own_person_left_out=own_person_left_out) / 120


def right(gallery, vectors, labels, chosen, rule, *, own_person_left_out):
    queries = ((i, asked(vectors[i], f"p{i}" if own_person_left_out else None)) for i in chosen)
    return sum(rank(gallery, q, rule=rule, top=1).disorders[0].disorder.id == f"D{labels[i]}" for i, q in queries)


def test_it_sees_through_what_all_people_vary_in():
    mine, centroid, nearest = map(share_right, [DISCRIMINANT, Rule.DISORDER_CENTROID, Rule.NEAREST_IMAGE])
    assert mine >= 0.9
    assert mine >= centroid + 0.2
    assert mine >= nearest + 0.2


def null_rate(runs, *, own_person_left_out):
    hits = 0
    for run in range(runs):
        rng = np.random.default_rng([42, run])
        vectors, labels = rng.standard_normal((60, 24)) + 1, rng.integers(10, size=60)
        gallery = people(vectors, [f"D{label}" for label in labels])
        hits += right(gallery, vectors, labels, range(5), DISCRIMINANT, own_person_left_out=own_person_left_out)
    return hits / (5 * runs)


def test_with_random_labels_it_is_right_by_chance():
    assert 0.07 <= null_rate(200, own_person_left_out=True) <= 0.13


def test_own_person_in_the_means_would_look_like_skill():
    assert null_rate(20, own_person_left_out=False) > 0.5


def test_a_disorder_of_one_patient_is_as_far_on_average_as_one_of_many():
    rng = np.random.default_rng(8)
    labels = ["D0"] * 60 + ["D1"] * 60 + [f"R{i}" for i in range(4)]
    distances = {"D": [], "R": []}
    for _ in range(200):
        vectors = rng.standard_normal((125, 32))
        for hit in rank(people(vectors[:-1], labels), asked(vectors[-1]), rule=DISCRIMINANT).disorders:
            distances[hit.disorder.id[0]].append(hit.distance)
    assert np.mean(distances["R"]) == pytest.approx(np.mean(distances["D"]), rel=0.03)


def test_refuses_too_few_patients():
    rng = np.random.default_rng(0)
    vectors, disorders = rng.standard_normal((24, 4)), ["D0"] * 12 + ["D1"] * 5 + [None] * 7
    gallery = people(vectors, disorders)
    assert len(rank(gallery, asked(vectors[0], "p0"), rule=DISCRIMINANT).disorders) == 2
    with pytest.raises(OptionError) as told:
        rank(people(vectors[1:], disorders[1:]), asked(vectors[1], "p0"), rule=DISCRIMINANT)
    assert str(told.value) == (
        "rule discriminant needs more people: 23 for these 3 groups (each disorder, and the unaffected), and there are "
        "22 (everybody, query left out); use rule disorder-centroid or a larger gallery"
    )
    some = Restriction(patients=frozenset(f"p{i}" for i in range(17)))
    with pytest.raises(OptionError, match=r"22 for these 2 groups .*, and there are 17 \(17 named patients"):
        rank(gallery, asked(vectors[20]), rule=DISCRIMINANT, subset=some)


def test_refuses_patients_who_do_not_differ():
    gallery = people(np.eye(4)[np.arange(40) % 4], [f"D{i % 4}" for i in range(40)])
    with pytest.raises(
        OptionError,
        match="in view m/face/straight/colour all patients of a disorder have the same vector and some must",
    ):
        rank(gallery, asked([1, 0, 0, 0]), rule=DISCRIMINANT)


def residuals(n, d):
    i, j = np.mgrid[1 : n + 1, 1 : d + 1]
    return np.sin(i * j + i * i / 7.0) / np.sqrt(j)


def dense(metric, axes):
    """S^-1 in the original coordinates."""
    return axes.vectors.T @ metric.times(np.eye(len(axes.values))) @ axes.vectors


@pytest.mark.parametrize(
    ("n", "d", "entries"),
    [  # [0, 0] and [1, 2] of S and [0, 1] of its inverse by sklearn.covariance.ledoit_wolf 1.9.1, assume_centered=True
        (30, 5, (0.5692479182833297, -0.013985431416700281, -0.09153336230530953)),
        (12, 40, (0.34364479003352155, -0.02268596024119985, -1.0078223696881963)),
    ],
)
def test_shrinkage_equals_scikit_learns(n, d, entries):
    x = residuals(n, d)
    axes = decomposed("v", slice(0, d), origin=np.zeros(d), residuals=x)
    fourth = float(((x**2).sum(axis=1) ** 2).sum())
    inverse = dense(shrunken(axes, moved=np.empty((0, d)), signs=np.empty(0), n=n, fourth=fourth), axes)
    s = np.linalg.inv(inverse)
    np.testing.assert_allclose([s[0, 0], s[1, 2], inverse[0, 1]], entries, rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 20), st.integers(1, 12), st.integers(0, 6), st.integers(0, 3))
def test_rows_that_leave_and_enter_equal_a_new_start(seed, stay, d, leave, enter):
    rng = np.random.default_rng(seed)
    scales = 10.0 ** rng.uniform(-2, 0, d)
    kept, gone, new = (rng.standard_normal((k, d)) * scales for k in (stay, leave, enter))

    def start(x):
        return decomposed("v", slice(0, d), origin=np.zeros(d), residuals=x)

    def finish(axes, moved, signs, x):
        fourth = float(((x**2).sum(axis=1) ** 2).sum())
        metric = shrunken(axes, moved=moved @ axes.vectors.T, signs=signs, n=len(x), fourth=fourth)
        return dense(metric, axes)

    after = np.concatenate([kept, new])
    signs = np.concatenate([np.full(leave, -1.0), np.ones(enter)])
    updated = finish(start(np.concatenate([kept, gone])), np.concatenate([gone, new]), signs, after)
    fresh = finish(start(after), np.empty((0, d)), np.empty(0), after)
    np.testing.assert_allclose(updated, fresh, rtol=1e-6, atol=1e-8 * np.abs(fresh).max())


def test_residuals_in_one_line_still_give_an_inverse():
    x = np.outer([1.0, -1.0] * 15, [0.6, 0.8, 0.0])
    axes = decomposed("v", slice(0, 3), origin=np.zeros(3), residuals=x)
    metric = shrunken(axes, moved=np.empty((0, 3)), signs=np.empty(0), n=30, fourth=30.0)
    np.testing.assert_allclose(metric.inverse.max(), 3e6, rtol=1e-3)
