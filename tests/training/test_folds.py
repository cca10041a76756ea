"""Folds, class weights and balanced draws."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deciface.errors import InputError, OptionError
from deciface.training.folds import balanced_order, class_weights, need_people_in_folds, patient_folds


@given(
    st.lists(st.integers(2, 9), min_size=1, max_size=5),
    st.integers(2, 5),
    st.integers(0, 99),
    st.integers(0, 3),
)
def test_a_patient_is_in_one_fold_and_classes_are_spread(sizes: list[int], folds: int, seed: int, more: int) -> None:
    patients, classes = [], []
    for k, size in enumerate(sizes):
        for p in range(size):
            for _ in range(1 + (p + more) % 3):
                patients.append(f"{k}-{p}")
                classes.append(k)
    if sum(sizes) < folds:
        with pytest.raises(InputError, match=f"for {folds} folds"):
            patient_folds(patients, np.array(classes), folds=folds, seed=seed)
        return
    fold = patient_folds(patients, np.array(classes), folds=folds, seed=seed)
    of: dict[str, set[int]] = {}
    for patient, f in zip(patients, fold.tolist(), strict=True):
        of.setdefault(patient, set()).add(f)
    assert all(len(found) == 1 for found in of.values())
    for k, size in enumerate(sizes):
        counts = Counter(next(iter(of[f"{k}-{p}"])) for p in range(size))
        spread = [counts.get(f, 0) for f in range(folds)]
        assert max(spread) - min(spread) <= 1
    whole = Counter(next(iter(found)) for found in of.values())
    assert max(whole.values()) - min(whole.get(f, 0) for f in range(folds)) <= 1, "no fold is empty"


def test_the_same_seed_gives_the_same_folds() -> None:
    patients, classes = [f"p{i}" for i in range(20)], np.arange(20) % 2
    a, b, c = (patient_folds(patients, classes, folds=4, seed=s) for s in (1, 1, 2))
    assert (a == b).all()
    assert (a != c).any()


def test_a_family_of_several_classes_is_dealt_out_once() -> None:
    units = ["f", "f", *(f"a{i}" for i in range(5)), *(f"b{i}" for i in range(5))]
    fold = patient_folds(units, np.array([0, 1] + [0] * 5 + [1] * 5), folds=3, seed=0)
    assert fold[0] == fold[1]
    assert max(Counter(fold[1:].tolist()).values()) - min(Counter(fold[1:].tolist()).values()) <= 1
    with pytest.raises(InputError, match="class 0 has one patient"):
        patient_folds(["f", "f", "b", "c"], np.array([0, 0, 1, 1]), folds=2, seed=0)


def test_people_without_a_class_are_spread_too() -> None:
    fold = patient_folds([f"p{i}" for i in range(12)], np.full(12, -1), folds=3, seed=0)
    assert Counter(fold.tolist()) == {0: 4, 1: 4, 2: 4}


def test_refusals() -> None:
    with pytest.raises(OptionError, match="1 folds; at least 2"):
        patient_folds(["a", "b"], np.array([0, 0]), folds=1, seed=0)
    with pytest.raises(InputError, match="class 1 has one patient"):
        patient_folds(["a", "b", "c", "c"], np.array([0, 0, 1, 1]), folds=2, seed=0)


@pytest.mark.parametrize(
    ("patients", "folds", "error", "message"),
    [
        (40, 2, OptionError, "2 folds; at least 3 are needed: to learn from, to choose on, to test on"),
        (
            40,
            50,
            OptionError,
            r"50 folds of 40 patients leave 0 to choose .*; at least 5 are needed: give 3 to 8 folds$",
        ),
        (40, 9, OptionError, "9 folds of 40 patients leave 4 to choose the epoch on"),
        (16, 4, OptionError, "at least 5 are needed: give 3 folds$"),
        (14, 3, InputError, "14 patients to learn from and test on; at least 15 are needed, 5 in each of 3 folds"),
    ],
)
def test_folds_too_small_to_choose_or_test_on_are_refused(
    patients: int, folds: int, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        need_people_in_folds(patients, folds=folds)


@pytest.mark.parametrize(("patients", "folds"), [(15, 3), (40, 8), (44, 8)])
def test_folds_that_are_allowed_have_five_patients_each(patients: int, folds: int) -> None:
    need_people_in_folds(patients, folds=folds)
    fold = patient_folds([f"p{i}" for i in range(patients)], np.arange(patients) % 2, folds=folds, seed=1)
    assert min(Counter(fold.tolist()).values()) >= 5


def test_weights_are_in_the_order_of_the_classes() -> None:
    class_of = np.array([0] * 8 + [1] * 2 + [2] * 4 + [-1] * 5)
    np.testing.assert_allclose(class_weights(class_of, 4), [0.5 + 0.5 * 2 / 8, 1.0, 0.75, 1.0])


def test_a_balanced_draw_shows_every_group_as_often() -> None:
    groups = ["east_asian"] * 5 + ["white"] * 20
    drawn = balanced_order(groups, np.arange(25), np.random.default_rng(0))
    assert len(drawn) == 25
    assert Counter(groups[i] for i in drawn) == {"east_asian": 13, "white": 12}
    assert set(drawn[drawn < 5].tolist()) == set(range(5)), "everybody of the small group, several times"
    assert max(Counter(drawn[drawn >= 5].tolist()).values()) == 1
