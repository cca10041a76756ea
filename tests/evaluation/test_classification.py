"""Figures of classifiers: against counting by hand, at chance when there is nothing, by patient and not by photo."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from deciface.errors import MismatchError, OptionError
from deciface.evaluation.accuracy import Figure
from deciface.evaluation.classification import (
    Share,
    binary_accuracy,
    multiclass_accuracy,
    published_beside,
    specialised_accuracy,
)
from deciface.evaluation.classification_predictions import Predictions
from deciface.stats.proportions import clopper_pearson


def predictions(patients, classes, class_of, scores):
    return Predictions(tuple(patients), tuple(classes), np.array(class_of), np.array(scores, float))


def cohort(rng, classes=4, patients=40, photos=3, signal=0.0):
    """Scores of patients with several photos each; `signal` adds to the own class."""
    own = np.arange(patients) % classes
    who = np.repeat(np.arange(patients), photos)
    logits = rng.normal(size=(patients, classes))[who] + rng.normal(0, 0.5, (len(who), classes))
    logits[np.arange(len(who)), own[who]] += signal
    odds = np.exp(logits)
    names = [f"P{i:03d}" for i in who]
    return predictions(names, [f"D{c}" for c in range(classes)], own[who], odds / odds.sum(1, keepdims=True))


def test_binary_by_hand():
    """Patient A has one photo on each side of the threshold; their mean decides."""
    made = predictions(
        ["A", "A", "B", "C", "D", "E"],
        ["rest", "OMIM:1"],
        [1, 1, 1, 0, 0, 0],
        [[0.1, 0.9], [0.7, 0.3], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7], [0.5, 0.5]],
    )
    found = binary_accuracy(made)
    assert (found.patients, found.with_disorder, found.photos, found.disorder) == (5, 2, 6, "OMIM:1")
    assert (found.sensitivity.hits, found.sensitivity.of) == (1, 2)  # A .6, B .4
    assert (found.specificity.hits, found.specificity.of) == (1, 3)  # .2, .7, .5: at the threshold is positive
    assert (found.accuracy.hits, found.accuracy.of) == (2, 5)
    assert found.accuracy.interval == clopper_pearson(2, 5)
    assert found.larger_group == pytest.approx(0.6)
    assert found.auc.value == pytest.approx(3 / 6)  # .6 above .2, .5; .4 above .2
    assert found.auc.value == pytest.approx(found.curve.area)


def test_specialised_by_hand():
    made = predictions(
        ["A", "B", "C", "D", "E", "F"],
        ["G1", "G2", "G3"],
        [0, 0, 0, 1, 1, 2],
        [[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.4, 0.3, 0.3], [0.1, 0.2, 0.7]],
    )
    found = specialised_accuracy(made)
    assert found.confusion.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert found.top_1 == Share(4, 6, clopper_pearson(4, 6))
    assert (found.chance, found.largest_class) == (pytest.approx(1 / 3), 0.5)
    assert found.p == pytest.approx(binom.sf(3, 6, 0.5))
    assert [(one.hits, one.of) for one in found.per_class] == [(2, 3), (1, 2), (1, 1)]
    assert str(found.top_1) == "67 % (4 of 6; 22-96 %)"


def test_multiclass_by_hand_micro_and_macro():
    """Three patients of one disorder, all first; one each of two others, second and third of three."""
    made = predictions(
        ["A", "B", "C", "D", "E"],
        ["D0", "D1", "D2"],
        [0, 0, 0, 1, 2],
        [[0.6, 0.3, 0.1]] * 3 + [[0.5, 0.3, 0.2], [0.4, 0.35, 0.25]],
    )
    found = multiclass_accuracy(made, seed=1, top=(1, 2, 5))
    assert [row.k for row in found.top] == [1, 2]  # among three, the first five are everybody
    assert [row.micro.value for row in found.top] == pytest.approx([3 / 5, 4 / 5])
    assert [row.macro.value for row in found.top] == pytest.approx([1 / 3, 2 / 3])
    assert [row.chance for row in found.top] == pytest.approx([1 / 3, 2 / 3])
    assert found.confusion.tolist() == [[3, 0, 0], [1, 0, 0], [1, 0, 0]]
    for row in found.top:
        assert row.micro.interval is not None
        assert row.micro.interval[0] <= row.micro.value <= row.micro.interval[1]


def test_everybody_found_has_an_exact_interval():
    made = predictions("ABCD", ["D0", "D1", "D2"], [0, 1, 2, 2], np.eye(3)[[0, 1, 2, 2]])
    first = multiclass_accuracy(made, seed=1).top[0]
    assert first.micro == Figure(1.0, clopper_pearson(4, 4), "Clopper-Pearson")


def test_many_photos_of_one_patient_do_not_count_more():
    rng = np.random.default_rng(3)
    made = cohort(rng, signal=1.0)
    repeated = np.concatenate([np.arange(len(made.patients)), np.repeat(np.arange(3), 20)])
    more = predictions(
        [made.patients[i] for i in repeated], made.classes, made.class_of[repeated], made.scores[repeated]
    )
    a, b = (multiclass_accuracy(one, seed=1) for one in (made, more))
    assert a.patients == b.patients
    assert a.top[0].micro.value == pytest.approx(b.top[0].micro.value, abs=1 / 40)


def test_equal_scores_do_not_favour_the_truth():
    """A model that says the same of everything finds one class in three, not all."""
    made = predictions("ABC", ["D0", "D1", "D2"], [0, 1, 2], np.full((3, 3), 1 / 3))
    found = multiclass_accuracy(made, seed=1).top[0]
    assert found.micro.value == pytest.approx(1 / 3)
    assert specialised_accuracy(made).top_1.hits == 1


def test_scores_that_know_nothing_are_near_chance():
    """200 cohorts: AUC near a half, top-1 near a quarter, p below .05 not too often, intervals cover."""
    rng = np.random.default_rng(7)
    area, first, small, covered = [], [], [], []
    for _ in range(200):
        many = cohort(rng)
        found = specialised_accuracy(many)
        first.append(found.top_1.value)
        small.append(found.p < 0.05)
        low, high = found.top_1.interval
        covered.append(low <= 0.25 <= high)
        area.append(binary_accuracy(cohort(rng, classes=2)).auc.value)
    assert np.mean(area) == pytest.approx(0.5, abs=0.02)
    assert np.mean(first) == pytest.approx(0.25, abs=0.02)
    assert np.mean(small) <= 0.08
    assert np.mean(covered) >= 0.9


def test_permuted_labels_are_at_chance_and_true_ones_are_not():
    rng = np.random.default_rng(11)
    made = cohort(rng, patients=80, signal=2.0)
    people = sorted(set(made.patients))
    own = dict(zip(made.patients, made.class_of.tolist(), strict=True))
    shuffled = dict(zip(people, rng.permutation([own[p] for p in people]), strict=True))
    null = predictions(made.patients, made.classes, [shuffled[p] for p in made.patients], made.scores)
    assert specialised_accuracy(made).p < 1e-6
    assert specialised_accuracy(null).p > 0.05
    assert specialised_accuracy(null).top_1.value == pytest.approx(0.25, abs=0.15)


def test_macro_intervals_cover_the_truth():
    """Where every class is found equally often, that share lies in about 95 of 100 intervals."""
    rng, truth, covered = np.random.default_rng(13), 0.6, 0
    for number in range(100):
        own = np.repeat(np.arange(4), [30, 20, 10, 10])
        right = rng.random(len(own)) < truth
        first = np.where(right, own, (own + rng.integers(1, 4, len(own))) % 4)
        made = predictions([f"P{i:02d}" for i in range(len(own))], list("ABCD"), own, np.eye(4)[first])
        interval = multiclass_accuracy(made, seed=number, replicates=400, top=(1,)).top[0].macro.interval
        covered += interval is not None and interval[0] <= truth <= interval[1]
    assert covered >= 88


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_of": [0, 1]}, r"3 photos, 2 classes, class numbers \(2,\), scores \(3, 2\); give"),
        ({"class_of": [0, 1, 2]}, "a score is not finite or a class number has no class"),
        ({"scores": [[1, 0], [0, 1], [np.nan, 1]]}, "a score is not finite"),
        ({"patients": ["A", "A", "B"]}, "patient 'A' is in two classes; every patient has one: leave them out"),
    ],
)
def test_what_does_not_fit_together_is_refused(change, message):
    given = {"patients": "ABC", "classes": ["x", "y"], "class_of": [0, 1, 1], "scores": [[1, 0], [0, 1], [0, 1]]}
    with pytest.raises(MismatchError, match=message):
        predictions(**{**given, **change})


def test_what_cannot_be_measured_is_refused():
    three = predictions("AB", ["x", "y", "z"], [0, 1], np.eye(3)[:2])
    with pytest.raises(OptionError, match="class 'z' has no photo; leave the class out"):
        specialised_accuracy(three)
    three = predictions("ABC", ["x", "y", "z"], [0, 1, 2], np.eye(3))
    with pytest.raises(OptionError, match="3 classes; a binary model has 2: the rest and the disorder"):
        binary_accuracy(three)
    with pytest.raises(OptionError, match="top 5, 10 of 3 classes; give at least one k from 1 to 2"):
        multiclass_accuracy(three, seed=1, top=(5, 10))


def test_published_figures_stand_only_beside_the_same_quantity():
    many = multiclass_accuracy(cohort(np.random.default_rng(1), classes=12, patients=48), seed=1, replicates=100)
    assert [(p.quantity, p.value) for p in published_beside(many)] == [
        *(("top-1", 0.613), ("top-5", 0.854), ("top-10", 0.906)),
        *(("top-1", 0.687), ("top-5", 0.832), ("top-10", 0.894)),
    ]
    few = multiclass_accuracy(cohort(np.random.default_rng(1), classes=4), seed=1, replicates=100)
    assert {p.quantity for p in published_beside(few)} == {"top-1"}

    def binary(disorder):
        return binary_accuracy(predictions("AB", ["rest", disorder], [0, 1], np.eye(2)))

    assert [p.value for p in published_beside(binary("OMIM:122470"))] == [0.9688, 0.9567, 1.0]
    assert [p.value for p in published_beside(binary("OMIM:105830"))] == [0.92, 0.8, 1.0]
    assert published_beside(binary("SIM-01")) == ()
    five = specialised_accuracy(cohort(np.random.default_rng(1), classes=5))
    assert [p.value for p in published_beside(five, ["OMIM:163950"])] == [0.64]
    assert published_beside(five, ["SIM-01"]) == ()
    assert published_beside(specialised_accuracy(cohort(np.random.default_rng(1))), ["OMIM:163950"]) == ()
