"""Rankings against the oracle, and what they say about themselves."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.cases import Patient, Photo, View
from deciface.errors import InputError, MismatchError, NoGalleryError, OptionError
from deciface.space import Gallery, Query, Reason, Restriction, Rule, rank
from deciface.space import kernels as kernels_module
from deciface.space import vectors as vectors_module
from tests.space.oracle import rank_all
from tests.space.worlds import VIEWS, encodings, gallery_of, query_of, worlds

COSINE_RULES = [Rule.NEAREST_IMAGE, Rule.PATIENT_MEAN, Rule.DISORDER_CENTROID]  # the others have tests of their own
FACE = {VIEWS[0]: [1.0, 0, 0, 0]}
CLOSE = {VIEWS[0]: [1.0, 0.1, 0, 0]}
FAR = {VIEWS[0]: [0, 0, 1.0, 0]}


def record(i, patient, vectors, *, diagnoses=(), pixels=None, **more):
    return {
        "id": i,
        "patient": patient,
        "pixels": pixels or f"pixels of {i}",
        "diagnoses": diagnoses,
        "vectors": vectors,
        **more,
    }


def agrees(hits, name, truth, top):
    """Hits are the oracle's nearest `top`, in order, with shared ranks for equal distances."""
    assert len(hits) == min(top, len(truth))
    ordered = sorted(truth.values())
    for place, hit in enumerate(hits):
        assert hit.distance == pytest.approx(truth[name(hit)], abs=2e-6)
        assert hit.distance == pytest.approx(ordered[place], abs=2e-6)
        assert hit.rank == 1 + sum(other.distance < hit.distance for other in hits)
    keys = [(hit.distance, sort_key(hit)) for hit in hits]
    assert keys == sorted(keys)
    assert len({name(hit) for hit in hits}) == len(hits)


def sort_key(hit):
    for field in ("photo_id", "patient_id"):
        if hasattr(hit, field):
            return getattr(hit, field)
    if hasattr(hit, "disorder"):
        return hit.disorder.id
    return (hit.gene.removeprefix("name of "), not hit.stands_for_disorder)


def gene_name(hit):
    return ("disorder", hit.gene.removeprefix("name of ")) if hit.stands_for_disorder else ("gene", hit.gene)


def check(records, queries, own, rule, top):
    gallery, query = gallery_of(records), query_of(queries, own)
    truth = rank_all(records, queries, rule.value, own, {"query"})
    if not truth["photos"]:
        with pytest.raises(NoGalleryError, match="add other people"):
            rank(gallery, query, rule=rule, top=top)
        return
    answer = rank(gallery, query, rule=rule, top=top)
    agrees(answer.photos, lambda h: h.photo_id, truth["photos"], top)
    agrees(answer.patients, lambda h: h.patient_id, truth["patients"], top)
    agrees(answer.disorders, lambda h: h.disorder.id, truth["disorders"], top)
    agrees(answer.genes, gene_name, truth["genes"], top)
    by_id = {r["id"]: r for r in records}
    left = [r for r in records if r["patient"] != own and r["pixels"] != "query"]
    assert {item.photo_id for item in answer.left_out} == set(by_id) - {r["id"] for r in left}
    for hit in answer.disorders:
        theirs = [r for r in left if any(d["id"] == hit.disorder.id for d in r["diagnoses"])]
        assert (hit.photos, hit.patients) == (len(theirs), len({r["patient"] for r in theirs}))
        if rule is Rule.NEAREST_IMAGE:
            assert truth["photos"][hit.nearest_photo_id] == pytest.approx(hit.distance, abs=2e-6)
            assert by_id[hit.nearest_photo_id] in theirs
        elif rule is Rule.PATIENT_MEAN:
            assert truth["patients"][hit.nearest_patient_id] == pytest.approx(hit.distance, abs=2e-6)
    for hit in answer.patients:
        assert hit.photos == sum(r["patient"] == hit.patient_id for r in left)


@settings(max_examples=120, deadline=None)
@given(worlds(), st.sampled_from(COSINE_RULES), st.integers(1, 14))
def test_equals_the_oracle(world, rule, top):
    check(*world, rule, top)


@pytest.mark.parametrize("kernel", ["numkong", "onnx", "lying", "none"])
@settings(max_examples=25, deadline=None)
@given(worlds(), st.sampled_from(COSINE_RULES), st.integers(1, 3))
def test_equals_the_oracle_with_every_int8_kernel(kernel, world, rule, top):
    if kernel == "numkong":
        pytest.importorskip("numkong")
    builders = {
        "numkong": [kernels_module.NumkongKernel],
        "onnx": [kernels_module.OnnxKernel],
        "lying": [Lying],
        "none": [],
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors_module, "SMALL_BYTES", 0)
        patch.setattr(kernels_module, "KERNELS", builders[kernel])
        patch.setattr(kernels_module, "is_exact", lambda build, d: True)
        patch.setattr(kernels_module, "_trusted", {})
        check(*world, rule, top)


class Lying:
    """An int8 kernel with wrong products."""

    name = "lying"
    two_at_once = False

    def __init__(self, rows):
        self.n = len(rows)

    def products(self, vectors):
        return np.linspace(-1e5, 1e5, len(vectors) * self.n).reshape(len(vectors), self.n)


@settings(max_examples=60, deadline=None)
@given(
    worlds(),
    st.sampled_from(COSINE_RULES),
    st.sampled_from(
        [
            Restriction(ancestry=("taiwanese",)),
            Restriction(age_years=(0, 6)),
            Restriction(patients=frozenset({"p1", "p2", "p3"})),
        ]
    ),
)
def test_a_subset_ranks_like_a_gallery_of_its_own(world, rule, subset):
    records, queries, own = world
    keep = {p.id for p in gallery_of(records).photos if subset.admits(p)}
    part = [r for r in records if r["id"] in keep]
    gallery, query = gallery_of(records), query_of(queries, own)
    if not part:
        with pytest.raises(NoGalleryError, match="widen the restriction"):
            rank(gallery, query, rule=rule, subset=subset)
        return
    views = set(gallery.views)
    part = [{**r, "vectors": {v: x for v, x in r["vectors"].items() if v in views}} for r in part]
    small = gallery_of(part)
    if all(p.patient.id == own or p.sha256 == "query" for p in small.photos):
        return
    whole, alone = rank(gallery, query, rule=rule, subset=subset, top=4), rank(small, query, rule=rule, top=4)
    for kind in ("photos", "patients", "disorders", "genes"):
        mine, theirs = getattr(whole, kind), getattr(alone, kind)
        assert [h.distance for h in mine] == pytest.approx([h.distance for h in theirs], abs=2e-6)
        assert [h.rank for h in mine] == [h.rank for h in theirs]
    assert whole.restriction == subset
    assert whole.composition == alone.composition


def test_left_out_by_patient_and_by_pixels_and_never_by_similarity():
    gallery = gallery_of(
        [
            record("own", "me", FACE),
            record("copy", "someone", FACE, pixels="query"),
            record("twin", "twin", FACE),
            record("far", "stranger", FAR),
        ]
    )
    answer = rank(gallery, query_of([FACE], "me"))
    assert [(x.photo_id, x.patient_id, x.reason) for x in answer.left_out] == [
        ("copy", "someone", Reason.SAME_PIXELS),
        ("own", "me", Reason.SAME_PATIENT),
    ]
    assert [(h.photo_id, h.distance, h.rank) for h in answer.photos] == [("twin", 0.0, 1), ("far", 1.0, 2)]


def test_equal_distances_share_a_rank_and_the_next_is_skipped():
    gallery = gallery_of([record(i, i, f) for i, f in zip("dcba", [CLOSE, CLOSE, FACE, FAR], strict=True)])
    answer = rank(gallery, query_of([FACE]))
    assert [(h.photo_id, h.rank) for h in answer.photos] == [("b", 1), ("c", 2), ("d", 2), ("a", 4)]


def test_unaffected_and_undiagnosed_people_are_neighbours_but_no_disorder():
    gallery = gallery_of(
        [
            record("healthy", "h", FACE, unaffected=True),
            record("open", "o", FACE),
            record("case", "c", CLOSE, diagnoses=({"id": "D3", "genes": ()},)),
        ]
    )
    answer = rank(gallery, query_of([FACE]))
    assert {h.photo_id for h in answer.photos} == {"healthy", "open", "case"}
    assert [h.disorder.id for h in answer.disorders] == ["D3"]
    assert [(h.gene, h.stands_for_disorder) for h in answer.genes] == [("name of D3", True)]
    assert [h.unaffected for h in answer.photos] == [True, False, False]


def test_centroid_weighs_patients_not_photos():
    d = ({"id": "D1", "genes": ("G1",)},)
    many = [record(f"many{i}", "many", {VIEWS[0]: [1.0, 0, 0, 0]}, diagnoses=d) for i in range(9)]
    one = record("one", "one", {VIEWS[0]: [0, 1.0, 0, 0]}, diagnoses=d)
    answer = rank(gallery_of([*many, one]), query_of([{VIEWS[0]: [1.0, 0, 0, 0]}]), rule=Rule.DISORDER_CENTROID)
    assert answer.disorders[0].distance == pytest.approx(1 - np.sqrt(0.5), abs=1e-6)


def test_the_query_patient_does_not_pull_the_centroid():
    d = ({"id": "D1", "genes": ("G1",)},)
    records = [record("mine", "me", FACE, diagnoses=d), record("other", "o", FAR, diagnoses=d)]
    answer = rank(gallery_of(records), query_of([FACE], "me"), rule=Rule.DISORDER_CENTROID)
    assert answer.disorders[0].distance == 1.0
    assert (answer.disorders[0].patients, answer.disorders[0].photos) == (1, 1)


@pytest.mark.parametrize("rule", [Rule.DISORDER_CENTROID, Rule.DISCRIMINANT])
def test_photos_and_patients_are_the_same_under_all_rules_of_means(rule):
    rng = np.random.default_rng(5)
    ill = ({"id": "D1", "genes": ("G1",)},)
    records = [
        record(
            f"{i:03d}",
            f"p{rng.integers(60)}",
            {VIEWS[0]: rng.standard_normal(4).tolist()},
            pixels=f"x{i // 2}",
            diagnoses=ill,
        )
        for i in range(90)
    ]
    gallery = gallery_of(records)
    for i in range(30):
        query = query_of([{VIEWS[0]: rng.standard_normal(4).tolist()}], f"p{i}", f"x{i}")
        expected = rank(gallery, query, rule=Rule.PATIENT_MEAN, top=7)
        found = rank(gallery, query, rule=rule, top=7)
        assert (found.photos, found.patients) == (expected.photos, expected.patients)


def test_views_used_and_ignored_are_named():
    both = {VIEWS[0]: [1.0, 0, 0, 0], VIEWS[1]: [1.0, 0, 0, 0]}
    gallery = gallery_of([record("a", "a", both), record("b", "b", FACE)])
    answer = rank(gallery, query_of([{**both, VIEWS[2]: [1.0, 0, 0]}]))
    assert answer.views_used == (VIEWS[0],)
    assert dict(answer.views_ignored) == {
        VIEWS[1]: "some gallery photos lack it",
        VIEWS[2]: "the gallery lacks it",
    }
    assert answer.encoder_sha256 == {"m": "a" * 64}


UNSTATED = {"photo_sha256": "unknown", "encoder_sha256": "unknown", "crop_version": "unknown"}


def unstated(photo_id, vectors, **known):
    return [replace(e, **{**UNSTATED, **known}) for e in encodings(photo_id, "unknown", vectors)]


@pytest.mark.parametrize("known", [{}, {"crop_version": "crop/1"}, {"encoder_sha256": "a" * 64}])
def test_unknown_weights_and_crops_are_compared_with_their_like_and_said(known):
    photos = [Photo(i, Patient(i), "unknown") for i in "ab"]
    gallery = Gallery.build(photos, [*unstated("a", FACE, **known), *unstated("b", FAR, **known)])
    answer = rank(gallery, Query.of(unstated("q", CLOSE, **known)))
    assert answer.unverified == ("m",)
    assert [h.photo_id for h in answer.photos] == ["a", "b"]  # unknown pixels are not the same pixels
    assert answer.left_out == ()
    with pytest.raises(MismatchError, match=r"model 'm': the query has .* and the gallery unknown"):
        rank(gallery, Query.of(encodings("q", "query", FACE)))
    with pytest.raises(MismatchError, match=r"model 'm': photo 'b' was .*, others "):
        Gallery.build(photos, [*unstated("a", FACE, **known), *unstated("b", FAR, **STATED)])


STATED = {"encoder_sha256": "a" * 64, "crop_version": "crop/1"}


def test_only_models_in_use_that_are_unknown_are_named_unverified():
    both = {VIEWS[0]: [1.0, 0, 0, 0], VIEWS[2]: [1.0, 0, 0]}
    photos = [Photo("a", Patient("a"), "unknown")]
    codes = unstated("a", both)
    codes[0] = replace(codes[0], **STATED)
    gallery = Gallery.build(photos, codes)
    asked = [replace(e, photo_id="q") for e in codes]
    assert rank(gallery, Query.of(asked)).unverified == ("other",)
    assert rank(gallery, Query.of(asked[:1])).unverified == ()
    known = gallery_of([record("a", "a", FACE)])
    assert rank(known, query_of([FACE])).unverified == ()
    with pytest.raises(MismatchError, match="the query has weights unknown and the gallery aaaaaaaaaaaa"):
        rank(known, Query.of(unstated("q", FACE)))


def test_refuses_other_weights_crops_lengths_and_views():
    gallery = gallery_of([record("a", "a", FACE)])
    ours = encodings("q", "query", FACE)[0]
    with pytest.raises(MismatchError, match="the query has weights cccccccccccc and the gallery aaaaaaaaaaaa"):
        rank(gallery, Query.of([replace(ours, encoder_sha256="c" * 64)]))
    with pytest.raises(MismatchError, match="crop version crop/2 and the gallery crop/1"):
        rank(gallery, Query.of([replace(ours, crop_version="crop/2")]))
    with pytest.raises(MismatchError, match="has 3 numbers in the query and 4 in the gallery"):
        rank(gallery, Query.of([replace(ours, vector=np.ones(3, np.float32))]))
    with pytest.raises(MismatchError, match="none in common; encode both with the same model"):
        rank(gallery, Query.of([replace(ours, view=View("new"))]))
    with pytest.raises(InputError, match="view m/face/straight/colour: the vector is zero"):
        Query.of([replace(ours, vector=np.full(4, np.nan, np.float32))])
    with pytest.raises(InputError, match="two encodings of view"):
        Query.of([ours, ours])
    with pytest.raises(InputError, match="at least one photo"):
        Query.of([])
    with pytest.raises(OptionError, match="ask for at least 1 hit"):
        rank(gallery, Query.of([ours]), top=0)
