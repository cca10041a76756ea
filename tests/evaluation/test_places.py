"""Expected values over the orders of tied labels, against every order."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deciface.evaluation.places import alone, best_of


def worth(place):
    return np.column_stack([place <= 2, 1 / place])


@given(st.integers(0, 4), st.integers(1, 6), st.data())
def test_the_first_own_label_stands_where_all_orders_say(nearer, at_one_distance, data):
    own = data.draw(st.integers(1, at_one_distance))
    orders = itertools.permutations(range(at_one_distance))
    firsts = np.array([nearer + 1 + min(order.index(label) for label in range(own)) for order in orders], float)
    rank, tied = np.full(own, nearer + 1.0), np.full(own, at_one_distance - 1)
    found = best_of(rank, tied, np.zeros(own, np.intp)).expected(worth)
    assert found == pytest.approx(worth(firsts).mean(axis=0)[None])


def test_a_further_own_label_does_not_count_and_an_absent_one_is_worth_nothing():
    rank, tied = np.array([2.0, 3.0, np.inf, np.inf, 1.0]), np.array([0, 4, 0, 0, 1])
    best = best_of(rank, tied, np.array([0, 0, 1, 2, 2]))
    assert best.rank.tolist() == [2.0, np.inf, 1.0]
    assert best.tied.tolist() == [0, 0, 1]
    assert best.own.tolist() == [1, 0, 1]
    assert best.expected(worth) == pytest.approx(np.array([[1.0, 0.5], [0.0, 0.0], [1.0, 0.75]]))


def test_the_share_within_k_rises_evenly_over_the_tied_places():
    places = alone(np.full(7, 4.0), np.arange(7))
    within = places.expected(lambda place: np.column_stack([place <= k for k in (3, 5, 10)]))
    clipped = np.clip((np.array([3, 5, 10]) - 3) / (np.arange(7)[:, None] + 1), 0, 1)
    assert within == pytest.approx(clipped)


def test_nobody_has_no_places():
    nobody = np.empty(0, np.intp)
    assert best_of(np.empty(0), nobody, nobody).expected(worth).shape == (0, 2)
