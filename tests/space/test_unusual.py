"""Unusualness: the statistic by hand, exactness of p, and when it cannot tell."""

import numpy as np
import pytest
from scipy.stats import binomtest

from deciface.cases import Ancestry, Diagnosis, Disorder, Encoding, Patient, Photo, Sex, View
from deciface.errors import OptionError
from deciface.space import Background, Covariate, Gallery, Query, Reason, Restriction, Verdict, unusualness
from deciface.space.unusual_background import Design
from deciface.space.unusual_distance import Fit

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


# Groups that differ: two ancestries, two sexes, ages 2 to 50, each with a mean of its own; one is more spread out.

SIZE = 24
GIVEN = np.linalg.qr(np.random.default_rng(1).standard_normal((SIZE, 4)))[0].T
ALONG = GIVEN[3] * 3.0


def people(rng, n, *, minority=0.25, apart=4.0, **fixed):
    """Backgrounds and faces of n people; the minority is far away and 1.5 times as spread out."""
    rare = np.full(n, fixed["rare"]) if "rare" in fixed else rng.random(n) < minority
    ages = np.exp(rng.uniform(np.log(2), np.log(50), n)) if "age" not in fixed else np.full(n, fixed["age"])
    sexes = rng.integers(0, 2, n)
    vectors = rng.standard_normal((n, SIZE)) * np.linspace(1.4, 0.4, SIZE)
    vectors *= np.where(rare, 1.5, 1.0)[:, None]
    vectors += apart * rare[:, None] * GIVEN[0] + 2.0 * (sexes[:, None] - 0.5) * GIVEN[1]
    vectors += 1.5 * (np.log1p(ages)[:, None] - 2.5) * GIVEN[2] + 1.5
    backgrounds = [
        Background(float(a), Sex.MALE if s else Sex.FEMALE, frozenset(["Rare" if r else "Common"]))
        for a, s, r in zip(ages, sexes, rare, strict=True)
    ]
    return backgrounds, vectors


def gallery_of(backgrounds, vectors, diagnoses=None):
    photos = [
        Photo(
            f"{i:04d}",
            Patient(f"p{i:04d}", b.sex, tuple(map(Ancestry, sorted(b.ancestry)))),
            f"s{i}",
            b.age_years,
            diagnoses=(Diagnosis(Disorder(diagnoses[i], "d")),) if diagnoses and diagnoses[i] else (),
            unaffected=not (diagnoses and diagnoses[i]),
        )
        for i, b in enumerate(backgrounds)
    ]
    return Gallery.from_arrays(
        photos,
        (VIEW,),
        [np.asarray(vectors, np.float32)],
        encoder_sha256={"m": "a" * 64},
        crop_version={"m": "crop/1"},
    )


def asked(vector):
    return Query.of([encoding("q", "q", vector)])


def called_unusual(runs, seed, *, adjusted=True, planted=0.0, minority=0.25, **fixed):
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(runs):
        backgrounds, vectors = people(rng, 120, minority=minority)
        (mine,), face = people(rng, 1, **fixed)
        answer = unusualness(
            gallery_of(backgrounds, vectors), asked(face[0] + planted * ALONG), background=mine if adjusted else None
        )
        found.append(answer.p)
    return float(np.mean(np.array(found) <= 0.05))


@pytest.mark.parametrize(
    ("fixed", "seed"), [({}, 1), ({"rare": True}, 2), ({"rare": False}, 3), ({"age": 3.0}, 4), ({"age": 45.0}, 5)]
)
def test_null_faces_of_every_group_are_called_unusual_at_the_nominal_rate(fixed, seed):
    assert 0.01 <= called_unusual(200, seed, **fixed) <= 0.10


def test_not_adjusted_the_minority_would_be_called_unusual():
    assert called_unusual(60, 2, adjusted=False, rare=True, minority=0.12) > 0.2


def test_planted_faces_are_found_in_every_group():
    for fixed in ({"rare": True}, {"rare": False}, {"age": 3.0}):
        assert called_unusual(30, 6, planted=6.0, **fixed) > 0.7


@pytest.mark.parametrize("seed", range(4))
def test_the_statistics_equal_a_regression_of_everybody_made_anew(seed):
    """The face enters the regressions like everybody else; here they are made again from all rows."""
    rng = np.random.default_rng(seed)
    backgrounds, vectors = people(rng, 50)
    (mine,), face = people(rng, 1)
    unit = [v / np.linalg.norm(v) for v in [*vectors, face[0]]]
    design = Design.of(backgrounds, Covariate)
    theirs, own = Fit.of(np.array(unit[:-1]), design.rows(backgrounds), views=1).statistics(
        unit[-1], design.rows([mine])[0]
    )
    rows = design.rows([*backgrounds, mine])
    ridge = np.diag([0.0] + [1.0] * (rows.shape[1] - 1))

    def left(values):
        return values - rows @ np.linalg.solve(rows.T @ rows + ridge, rows.T @ values)

    e = left(np.array(unit))
    near = []
    for i, a in enumerate(e):
        near.append(sum(sorted(float((a - b) @ (a - b)) / 2 for j, b in enumerate(e) if j != i)[:5]) / 5)
    assert np.allclose([*theirs, own], left(np.log(near)), atol=2e-6)


def test_of_several_photos_the_first_by_id_is_compared_and_all_of_them_are_left_out():
    rng = np.random.default_rng(0)
    vectors, queries = faces(rng, 45), faces(rng, 3)
    gallery = reference(vectors)
    several = Query.of([encoding(f"q{i}", f"s{i}", queries[i]) for i in (2, 1, 0)])
    found = unusualness(gallery, several)
    *theirs, mine = by_hand(vectors[3:], queries[0])  # s0, s1 and s2 are photos of the gallery
    assert found.mean_distance == pytest.approx(mine, abs=2e-6)
    assert found.percentile == sum(t < mine - 1e-7 for t in theirs) / 42
    assert [x.photo_id for x in found.left_out] == ["0000", "0001", "0002"]
    assert found.remarks[0] == (
        "of 3 photos the first by id, 'q0', is compared: unaffected people enter with one photo too"
    )
    assert not any("photos" in remark for remark in unusualness(gallery, asked(queries[0])).remarks)


def rate_with_photos(runs, photos, seed, *, within=1.0):
    """How often an unaffected person with several photos, which differ by `within`, is called unusual at .05."""
    rng = np.random.default_rng(seed)
    called = 0
    for _ in range(runs):
        who = faces(rng, 61)
        theirs = who[:-1] + within * rng.standard_normal((60, 12))
        mine = who[-1] + within * rng.standard_normal((photos, 12))
        query = Query.of([encoding(f"q{i}", f"q{i}", v) for i, v in enumerate(mine)])
        called += unusualness(reference(theirs), query).p <= 0.05
    return called, runs


@pytest.mark.parametrize(("photos", "seed"), [(3, 32), (6, 33)])
def test_several_photos_do_not_make_an_unaffected_face_unusual(photos, seed):
    called, runs = rate_with_photos(200, photos, seed)
    assert binomtest(called, runs, 0.05, alternative="greater").pvalue > 0.01
    assert called > 0


@pytest.mark.slow
@pytest.mark.parametrize("photos", [2, 3, 6])
def test_several_photos_in_two_thousand_runs(photos):
    called, runs = rate_with_photos(2000, photos, 20263)
    assert binomtest(called, runs, 0.05, alternative="greater").pvalue > 0.01


def test_who_the_people_are_and_what_was_let_go():
    rng = np.random.default_rng(3)
    backgrounds, vectors = people(rng, 700, minority=0.15)
    gallery = gallery_of(backgrounds, vectors)

    def ask(**facts):
        return unusualness(gallery, asked(vectors[0]), background=Background(**facts))

    def count(**wanted):
        return sum(all(b.value(Covariate(k)) == v for k, v in wanted.items()) for b in backgrounds)

    found = ask(age_years=25, sex=Sex.MALE, ancestry=frozenset(["COMMON"]))
    assert (found.relaxed, found.people) == ((), count(ancestry="common", age="18-40", sex="male"))
    assert found.alike == "common, 18-40 years, male"
    assert found.reference == 700
    found = ask(age_years=15, sex=Sex.MALE, ancestry=frozenset(["Common"]))
    assert found.relaxed == (Covariate.SEX,)
    assert found.people == count(ancestry="common", age="12-18")
    found = ask(age_years=25, sex=Sex.MALE, ancestry=frozenset(["Rare"]))
    assert found.relaxed == (Covariate.SEX, Covariate.AGE)
    assert (found.alike, found.people) == ("rare", count(ancestry="rare"))
    assert found.adjusted == tuple(Covariate)


def test_a_group_that_the_gallery_hardly_has_cannot_be_judged():
    rng = np.random.default_rng(4)
    backgrounds, vectors = people(rng, 100, minority=0.05)
    gallery = gallery_of(backgrounds, vectors)
    few = sum("rare" in b.ancestry for b in backgrounds)
    found = unusualness(gallery, asked(vectors[0]), background=Background(ancestry=frozenset(["Rare"])))
    assert found.verdict is Verdict.CANNOT_TELL
    assert found.reason == (
        f"{few} of 100 unaffected people are of ancestry rare; 10 are needed to know what is usual there"
    )
    found = unusualness(gallery, asked(vectors[0]), background=Background(age_years=80))
    assert found.reason.startswith(f"{sum(b.age_years >= 40 for b in backgrounds)} of 100") or found.reason == ""
    found = unusualness(gallery, asked(vectors[0]), background=Background(age_years=0.5))
    assert found.reason.startswith("0 of 100 unaffected people are of age 0-2 years")


def test_an_unknown_ancestry_matters_where_the_verdict_hangs_on_it():
    """A face in the middle of the minority is usual there and far from everybody else."""
    rng = np.random.default_rng(5)
    backgrounds, vectors = people(rng, 120, minority=0.4, apart=12.0)
    gallery = gallery_of(backgrounds, vectors)
    usual = vectors[[("rare" in b.ancestry) for b in backgrounds]].mean(axis=0)
    facts = {"age_years": 20.0, "sex": Sex.FEMALE}
    found = unusualness(gallery, asked(usual), background=Background(**facts))
    assert found.verdict is Verdict.CANNOT_TELL
    assert found.reason == (
        "ancestry is not known and the answer hangs on it: unusual if common, within the range if rare"
    )
    assert found.p is not None
    told = Background(**facts, ancestry=frozenset(["Rare"]))
    assert unusualness(gallery, asked(usual), background=told).verdict is Verdict.WITHIN
    middle = vectors[[("common" in b.ancestry) for b in backgrounds]].mean(axis=0)
    found = unusualness(gallery, asked(middle - 6 * ALONG), background=Background(**facts))
    assert found.verdict is Verdict.UNUSUAL
    assert found.remarks == ("ancestry of the patient is not given: the answer is not adjusted for it",)


def test_what_nobody_has_recorded_is_said_and_not_adjusted_for():
    rng = np.random.default_rng(6)
    found = unusualness(
        reference(faces(rng, 60)), asked(np.ones(12)), background=Background(30.0, Sex.MALE, frozenset(["Rare"]))
    )
    assert found.adjusted == (Covariate.SEX,)
    assert found.remarks == (
        "ancestry is recorded for no unaffected person: the answer is not adjusted for it",
        "age is recorded for no unaffected person: the answer is not adjusted for it",
    )


def test_of_very_many_people_every_so_many_th_is_compared_with(monkeypatch):
    monkeypatch.setattr("deciface.space.unusual.MOST_PEOPLE", 50)
    found = unusualness(reference(faces(np.random.default_rng(0), 130)), asked(np.ones(12)))
    assert (found.reference, found.people) == (50, 50)
    assert "80 more unaffected people were not compared with: 50 are enough" in found.remarks


@pytest.mark.parametrize("age", [-1.0, float("nan"), float("inf")])
def test_an_age_that_is_none_is_refused(age):
    with pytest.raises(OptionError, match="years; give one from 0 up, or leave it out"):
        Background(age_years=age)
