"""Unusualness: the statistic by hand, exactness of p, and when it cannot tell."""

import numpy as np
import pytest
from scipy.stats import binomtest

from deciface.cases import Diagnosis, Disorder, Encoding, Patient, Photo, Sex, View
from deciface.space import Gallery, Query, Reason, Restriction, Verdict, unusualness

VIEW = View("m")


def encoding(photo_id, sha, vector):
    return Encoding(photo_id, sha, "crop/1", "a" * 64, VIEW, np.asarray(vector, np.float32))


def reference(vectors, *, patients=None, diagnosed=()):
    n = len(vectors)
    patients = patients or [f"p{i:03d}" for i in range(n)]
    case = (Diagnosis(Disorder("D", "d")),)
    photos = [
        Photo(
            f"{i:04d}",
            Patient(patients[i], Sex.FEMALE if i % 2 else Sex.MALE),
            f"s{i}",
            diagnoses=case if i in diagnosed else (),
            unaffected=i not in diagnosed,
        )
        for i in range(n)
    ]
    return Gallery.from_arrays(
        photos,
        (VIEW,),
        [np.asarray(vectors, np.float32)],
        encoder_sha256={"m": "a" * 64},
        crop_version={"m": "crop/1"},
    )


def by_hand(vectors, query, k=5):
    """Statistic of everybody (query last), each against all others, by plain loops."""
    everybody = [v / np.linalg.norm(v) for v in [*np.asarray(vectors, float), np.asarray(query, float)]]
    out = []
    for i, a in enumerate(everybody):
        others = sorted(1 - float(a @ b) for j, b in enumerate(everybody) if j != i)
        out.append(sum(others[:k]) / k)
    return out


def faces(rng, n, size=12):
    return rng.standard_normal((n, size)) + 1.0


@pytest.mark.parametrize("seed", range(6))
def test_equals_plain_loops(seed):
    rng = np.random.default_rng(seed)
    vectors, query = faces(rng, 45), faces(rng, 1)[0]
    found = unusualness(reference(vectors), Query.of([encoding("q", "q", query)]))
    *theirs, mine = by_hand(vectors, query)
    less = sum(t < mine - 1e-7 for t in theirs)
    assert found.mean_distance == pytest.approx(mine, abs=2e-6)
    assert found.percentile == less / 45
    assert found.p == (45 - less + 1) / 46
    interval = binomtest(less, 45).proportion_ci(method="exact")
    assert found.interval == (interval.low, interval.high)
    assert found.people == 45


@pytest.mark.parametrize("gone", [1, 3, 4, 8])
def test_left_out_people_do_not_count_anywhere(gone):
    rng = np.random.default_rng(gone)
    vectors, query = faces(rng, 50), faces(rng, 1)[0]
    gallery = reference(vectors)
    same = [f"s{i}" for i in range(1, gone)]
    codes = [encoding("q", "q", query), *(encoding(f"q{s}", s, query) for s in same)]
    found = unusualness(gallery, Query.of(codes, patient_id="p000"))
    *theirs, mine = by_hand(vectors[gone:], query)
    assert found.people == 50 - gone
    assert found.percentile == sum(t < mine - 1e-7 for t in theirs) / (50 - gone)
    assert [x.reason for x in found.left_out] == [Reason.SAME_PATIENT] + [Reason.SAME_PIXELS] * (gone - 1)


def test_a_far_face_is_unusual_and_a_central_one_is_not():
    rng = np.random.default_rng(0)
    gallery = reference(faces(rng, 60))
    far = unusualness(gallery, Query.of([encoding("q", "q", -np.ones(12))]))
    assert far.verdict is Verdict.UNUSUAL
    assert (far.percentile, far.p) == (1.0, pytest.approx(1 / 61))
    assert far.reason == ""
    near = unusualness(gallery, Query.of([encoding("q", "q", np.ones(12))]))
    assert near.verdict is Verdict.WITHIN
    assert near.percentile < 0.2


def test_cannot_tell_below_forty_people_and_photos_do_not_make_people():
    rng = np.random.default_rng(0)
    query = Query.of([encoding("q", "q", np.ones(12))])
    found = unusualness(reference(faces(rng, 39)), query)
    assert found.verdict is Verdict.CANNOT_TELL
    assert found.reason == "39 unaffected people to compare with (everybody); 40 are needed"
    assert found.percentile is not None
    assert unusualness(reference(faces(rng, 40)), query).verdict is not Verdict.CANNOT_TELL
    many = reference(faces(rng, 90), patients=[f"p{i % 30:03d}" for i in range(90)])
    assert unusualness(many, query).people == 30
    few = unusualness(reference(faces(rng, 4)), query)
    assert (few.verdict, few.p, few.interval, few.mean_distance) == (Verdict.CANNOT_TELL, None, None, None)


def test_people_with_a_diagnosis_are_no_reference_and_the_restriction_is_named():
    rng = np.random.default_rng(0)
    gallery = reference(faces(rng, 100), diagnosed=range(45))
    query = Query.of([encoding("q", "q", np.ones(12))])
    assert unusualness(gallery, query).people == 55
    found = unusualness(gallery, query, subset=Restriction(sex=Sex.MALE))
    assert found.people == 27
    assert "(male)" in found.reason


def rate(runs, seed):
    rng = np.random.default_rng(seed)
    return np.array(
        [
            unusualness(reference(v[:-1]), Query.of([encoding("q", "q", v[-1])])).p
            for v in (faces(rng, 61) for _ in range(runs))
        ]
    )


def test_null_faces_are_called_unusual_at_the_nominal_rate():
    p = rate(200, 20261)
    assert 0.01 <= np.mean(p <= 0.05) <= 0.10
    assert 0.4 <= np.mean(p <= 0.5) <= 0.6


@pytest.mark.slow
def test_null_rate_in_two_thousand_runs():
    p = rate(2000, 20262)
    upper = binomtest(int((p <= 0.05).sum()), 2000).proportion_ci(0.98, "exact").high
    assert upper <= 0.07
