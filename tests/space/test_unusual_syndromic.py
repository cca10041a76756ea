"""Likelihood ratio of patients against unaffected people: features by hand, calibration on planted truth, null."""

import numpy as np
import pytest

from deciface.cases import Sex
from deciface.space import Background, Query, syndromic_evidence
from deciface.space.unusual_background import Covariate, Design
from deciface.space.unusual_calibration import kindred, logistic
from deciface.space.unusual_distance import Fit
from deciface.space.unusual_features import Space
from deciface.space.unusual_syndromic import Side
from deciface.space.vectors import Block
from deciface.stats.roc import auc
from tests.space.test_unusual import asked, encoding, gallery_of, people

DISORDERS = [f"D{i}" for i in range(8)]
SIZE = 24


def shifts(amount):
    """One direction a disorder, and one that all have in common."""
    rng = np.random.default_rng(9)
    return amount * (rng.standard_normal((len(DISORDERS), SIZE)) / np.sqrt(SIZE) + np.eye(SIZE)[5])


def cohort(rng, *, unaffected, patients, amount):
    """Backgrounds, faces, and the disorder of each, None for the unaffected."""
    backgrounds, vectors = people(rng, unaffected + patients)
    labels = [None] * unaffected + [DISORDERS[i % len(DISORDERS)] for i in range(patients)]
    planted = shifts(amount)
    vectors += np.array([planted[DISORDERS.index(d)] if d else np.zeros(SIZE) for d in labels])
    return backgrounds, vectors, labels


def evidence_of(gallery, cohort_):
    backgrounds, vectors, labels = cohort_
    found = [syndromic_evidence(gallery, asked(v), background=b) for b, v in zip(backgrounds, vectors, strict=True)]
    return found, np.array([label is not None for label in labels])


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def by_hand(people_left, own_rows, others, other_rows, x, z):
    """Three features of a face, from people whose rows are given; everything is made anew, nothing updated."""
    ridge = np.diag([0.0] + [1.0] * (own_rows.shape[1] - 1))
    effect = np.linalg.solve(own_rows.T @ own_rows + ridge, own_rows.T @ people_left)
    e, f, r = people_left - own_rows @ effect, others - other_rows @ effect, x - z @ effect
    near, away = (np.sort(((r - a) ** 2).sum(axis=1) / 2)[:5].mean() for a in (e, f))
    n, d = e.shape
    w = e.T @ e / n
    m = np.trace(w) / d
    spread = ((w - m * np.eye(d)) ** 2).sum()
    noise = min(spread, ((e**2).sum(axis=1) ** 2).sum() / n**2 - (w**2).sum() / n)
    s = (1 - noise / spread) * w + noise / spread * m * np.eye(d)
    return np.log([near, away, r @ np.linalg.solve(s, r) / d])


def test_every_feature_equals_one_from_fits_without_the_person():
    rng = np.random.default_rng(0)
    backgrounds, vectors, labels = cohort(rng, unaffected=50, patients=20, amount=1.0)
    x = unit(vectors)
    design = Design.of(backgrounds[:50], Covariate)
    z = design.rows(backgrounds)
    fit = Fit.of(x[:50], z[:50], views=1)
    space = Space.of(fit, [Block(0, SIZE)], x[50:], z[50:])
    usual = space.of_unaffected()
    for i in range(0, 50, 7):
        rest = np.delete(np.arange(50), i)
        expected = by_hand(x[rest], z[rest], x[50:], z[50:], x[i], z[i])
        # The ridge and the shrinkage see the person's row in a slightly different way than a fit made anew does.
        assert np.allclose(usual[i], expected, atol=2e-2)
    same = np.array([[a == b for b in labels[50:]] for a in labels[50:]])
    seen, hidden = space.of_patients(np.eye(20, dtype=bool)), space.of_patients(same)
    for i in range(20):
        rest, others = np.delete(np.arange(50, 70), i), np.arange(50, 70)[~same[i]]
        assert np.allclose(seen[i], by_hand(x[:50], z[:50], x[rest], z[rest], x[50 + i], z[50 + i]), atol=1e-6)
        assert np.allclose(hidden[i], by_hand(x[:50], z[:50], x[others], z[others], x[50 + i], z[50 + i]), atol=1e-6)
    face, row = unit(rng.standard_normal((1, SIZE))), z[3:4]
    assert np.allclose(
        space.of_faces(face, row)[0], by_hand(x[:50], z[:50], x[50:], z[50:], face[0], row[0]), atol=1e-6
    )


def test_a_logistic_regression_finds_its_optimum():
    rng = np.random.default_rng(1)
    features, weights = rng.standard_normal((300, 2)), rng.integers(1, 4, 300).astype(float)
    positive = rng.random(300) < 1 / (1 + np.exp(-(0.4 + features @ [1.0, -2.0])))
    found = logistic(features, positive, weights)
    chance = 1 / (1 + np.exp(-(found[0] + features @ found[1:])))
    slope = np.column_stack([np.ones(300), features]).T @ (weights * (positive - chance))
    assert abs(slope[0]) < 1e-6
    assert np.abs(slope[1:]).max() < 5e-3 * weights.sum()  # what the slight ridge leaves
    assert np.allclose(found, [0.4, 1.0, -2.0], atol=0.5)


def test_patients_with_a_disorder_in_common_are_kin_also_through_others():
    groups = kindred([frozenset("A"), frozenset("B"), frozenset("C"), frozenset("AB"), frozenset("D")])
    assert groups[0] == groups[1] == groups[3]
    assert len(set(groups.tolist())) == 3


@pytest.fixture(scope="module")
def planted():
    rng = np.random.default_rng(2)
    backgrounds, vectors, labels = cohort(rng, unaffected=200, patients=160, amount=3.0)
    gallery = gallery_of(backgrounds, vectors, labels)
    return gallery, *evidence_of(gallery, cohort(rng, unaffected=150, patients=150, amount=3.0))


def test_planted_patients_are_told_from_new_unaffected_people(planted):
    _, found, patient = planted
    ratios = np.array([e.log_likelihood_ratio for e in found])
    area = auc(ratios, patient)
    assert area.interval[0] > 0.75
    assert area.value == pytest.approx(found[0].calibration.known.value, abs=0.08)
    said = np.array([e.side for e in found])
    assert (said[patient] == Side.PATIENT).mean() > 0.4
    assert (said[~patient] == Side.PATIENT).mean() < 0.15
    assert (said[patient] == Side.UNAFFECTED).mean() < 0.15


def test_the_ratio_means_what_it_says(planted):
    """On new people, half of them patients, a logistic regression of the truth on the log ratio has slope 1."""
    _, found, patient = planted
    ratios = np.array([e.log_likelihood_ratio for e in found])
    offset, slope = logistic(ratios[:, None], patient, np.ones(len(patient)))
    assert 0.6 < slope < 1.5
    assert abs(offset) < 0.5


def test_an_answer_carries_its_reasons(planted):
    _, found, _ = planted
    sure = max(found, key=lambda e: e.log_likelihood_ratio)
    assert sure.side is Side.PATIENT
    assert sure.reason == ""
    low, high = sure.interval
    assert 0 < low <= sure.log_likelihood_ratio <= high <= np.log(160)
    assert [s.feature for s in sure.shares] == [
        "distance to the nearest unaffected people", "distance to the nearest patients", "length of the residual"
    ]  # fmt: skip
    assert "larger than in " in str(sure.shares[0])
    assert (sure.calibration.patients, sure.calibration.unaffected, sure.calibration.disorders) == (160, 200, 8)
    unsure = min(found, key=lambda e: abs(e.log_likelihood_ratio))
    assert unsure.side is Side.CANNOT_TELL
    assert unsure.reason.startswith("the likelihood ratio is ")


def test_hiding_a_disorder_costs_what_its_own_patients_told(planted):
    calibration = planted[1][0].calibration
    assert calibration.unseen.value <= calibration.known.value


def null_answers(galleries, faces, seed):
    """What is said of unaffected people, by galleries whose patients look like everybody; and how many were asked."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(galleries):
        gallery = gallery_of(*cohort(rng, unaffected=120, patients=150, amount=0.0))
        found += evidence_of(gallery, cohort(rng, unaffected=faces, patients=0, amount=0.0))[0]
    return [e for e in found if e.calibration is not None], len(found)


def answered(judged):
    return float(np.mean([e.side is not Side.CANNOT_TELL for e in judged]))


def test_where_patients_look_like_everybody_nearly_nothing_is_said():
    judged, asked_ = null_answers(40, 6, 3)
    assert len(judged) >= 0.9 * asked_  # the others are of an age or ancestry of which the gallery has too few people
    assert all(e.log_likelihood_ratio is not None and e.calibration.patients >= 100 for e in judged)
    assert np.mean([e.calibration.known.value for e in judged]) == pytest.approx(0.5, abs=0.05)
    assert answered(judged) <= 0.05


@pytest.mark.slow
def test_where_patients_look_like_everybody_nearly_nothing_is_said_in_many_galleries():
    judged, asked_ = null_answers(300, 6, 4)
    assert len(judged) >= 0.9 * asked_
    assert answered(judged) <= 0.03


def test_own_photos_are_left_out_and_several_photos_are_averaged():
    rng = np.random.default_rng(5)
    backgrounds, vectors, labels = cohort(rng, unaffected=80, patients=48, amount=2.0)
    gallery = gallery_of(backgrounds, vectors, labels)
    mine, whom = vectors[100], backgrounds[100]
    found = syndromic_evidence(gallery, Query.of([encoding("q", "q", mine)], patient_id="p0100"), background=whom)
    assert found.calibration.patients + found.calibration.not_used == 47
    same_pixels = syndromic_evidence(gallery, Query.of([encoding("q", "s100", mine)]), background=whom)
    assert same_pixels == found
    single = [syndromic_evidence(gallery, asked(v), background=whom) for v in vectors[:2]]
    both = Query.of([encoding(f"q{i}", "q", v) for i, v in enumerate(vectors[:2])])
    together = syndromic_evidence(gallery, both, background=whom)
    assert together.log_likelihood_ratio == pytest.approx(np.mean([e.log_likelihood_ratio for e in single]))
    assert syndromic_evidence(gallery, both, background=whom) == together


def test_cannot_tell_without_enough_people_or_people_of_that_age():
    rng = np.random.default_rng(6)
    backgrounds, vectors, labels = cohort(rng, unaffected=60, patients=39, amount=1.0)
    found = syndromic_evidence(gallery_of(backgrounds, vectors, labels), asked(vectors[0]))
    assert (found.side, found.log_likelihood_ratio, found.calibration) == (Side.CANNOT_TELL, None, None)
    assert found.reason == (
        "39 patients of 8 disorders and 60 unaffected people to learn from; 40 of 5 and 40 are needed"
    )
    backgrounds, vectors, labels = cohort(rng, unaffected=60, patients=60, amount=1.0)
    one = gallery_of(backgrounds, vectors, [label and "D0" for label in labels])
    assert "60 patients of 1 disorders" in syndromic_evidence(one, asked(vectors[0])).reason
    gallery = gallery_of(backgrounds, vectors, labels)
    newborn = syndromic_evidence(gallery, asked(vectors[0]), background=Background(0.1, Sex.MALE))
    assert newborn.reason.startswith("0 of 60 unaffected people are of age 0-2 years; 10 are needed")


def test_patients_of_ages_that_no_unaffected_person_has_teach_nothing():
    """Else "young" would be learnt as "patient"."""
    rng = np.random.default_rng(7)
    backgrounds, vectors, labels = cohort(rng, unaffected=90, patients=64, amount=1.0)
    babies = [Background(0.5, b.sex, b.ancestry) if i >= 144 else b for i, b in enumerate(backgrounds)]
    found = syndromic_evidence(gallery_of(babies, vectors, labels), asked(vectors[0]), background=Background(20.0))
    bands = [b.value(Covariate.AGE) for b in babies]
    rare = sum(bands[:90].count(band) < 10 for band in bands[90:144])
    assert (found.calibration.patients, found.calibration.not_used) == (54 - rare, 10 + rare)
    assert syndromic_evidence(gallery_of(babies, vectors, labels), asked(vectors[0])).calibration.not_used == 0


def test_unaffected_people_with_one_face_tell_nothing():
    rng = np.random.default_rng(8)
    backgrounds, vectors, labels = cohort(rng, unaffected=50, patients=48, amount=1.0)
    vectors[:50] = vectors[0]
    found = syndromic_evidence(gallery_of(backgrounds, vectors, labels), asked(vectors[60]))
    assert found.reason == "all unaffected people have the same vector"
