"""Ranks of one face in a group: equal to plain counting, exact under the null whatever the distribution."""

from __future__ import annotations

import numpy as np
import pytest

from deciface.explain.standing import FEWEST, Tail, standings


@pytest.mark.parametrize(("tail", "sign"), [(Tail.HIGH, 1), (Tail.LOW, -1)])
def test_equals_plain_counting(tail, sign):
    rng = np.random.default_rng(3)
    scores = sign * rng.normal(size=(4, 26))
    scores[2, 0] = sign * 6.0
    z = np.array([[sign * (x - np.mean(row)) / np.std(row, ddof=1) for x in row] for row in scores])
    for r, found in enumerate(standings(scores, tail)):
        assert found.p == pytest.approx(sum(x >= z[r, 0] for x in z[r]) / 26)
        assert found.p_regions == pytest.approx(sum(max(z[:, i]) >= z[r, 0] for i in range(26)) / 26)
        assert found.difference == pytest.approx(scores[r, 0] - scores[r, 1:].mean())
        assert found.sds == pytest.approx(found.difference / np.std(scores[r], ddof=1))
        assert (found.below, found.of) == (sum(x < scores[r, 0] for x in scores[r, 1:]), 25)
        assert found.stands_out == (r == 2)
    other = Tail.LOW if tail is Tail.HIGH else Tail.HIGH
    assert not any(found.stands_out for found in standings(scores, other))


def test_nineteen_people_are_needed():
    scores = np.random.default_rng(0).normal(size=(10, FEWEST + 1))
    scores[0, 0] = 50
    assert standings(scores, Tail.HIGH)[0].stands_out
    fewer = standings(scores[:, :-1], Tail.HIGH)[0]
    assert not fewer.stands_out
    assert fewer.p == pytest.approx(1 / FEWEST)


def test_where_all_are_alike_there_is_nothing_to_tell():
    scores = np.full((2, 21), 0.25)
    scores[0] = np.random.default_rng(1).normal(size=21)
    first, second = standings(scores, Tail.HIGH)
    assert first is not None
    assert second is None
    assert first.p_regions == first.p, "a region without differences takes no part"
    assert standings(np.ones((2, 1)), Tail.HIGH) == (None, None)


@pytest.mark.parametrize("tail", Tail)
@pytest.mark.parametrize("kind", ["normal", "skewed", "heavy"])
def test_rate_of_false_claims(kind, tail):
    rng = np.random.default_rng([7, len(kind)])
    draw = {
        "normal": rng.standard_normal,
        "skewed": rng.standard_exponential,
        "heavy": lambda size: rng.standard_t(3, size=size),
    }[kind]
    single = family = 0
    for _ in range(400):
        found = standings(draw((10, 40)), tail)
        single += found[0].p <= 0.05
        family += any(f.stands_out for f in found)
    assert 0.01 <= single / 400 <= 0.10
    assert 0.01 <= family / 400 <= 0.10
