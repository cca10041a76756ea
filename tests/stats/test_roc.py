"""Curves against pair counting, DeLong's variance against published figures."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.errors import OptionError
from deciface.stats.roc import auc, roc, youden

# 43 patients with ovarian cancer: albumin, total protein, K-G score, and whether they benefited from surgery
# (DeLong, DeLong and Clarke-Pearson, Biometrics 44:837, 1988, as printed in the SAS/STAT guide to PROC LOGISTIC).
TABLE = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1
3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0
2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1
3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0
3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1
3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""
OVARIAN = np.array([float(number) for number in TABLE.split()]).reshape(-1, 4)


@pytest.mark.parametrize(
    ("column", "sign", "area", "error"), [(0, 1, 0.7366, 0.0927), (1, 1, 0.6478, 0.1000), (2, -1, 0.7258, 0.1028)]
)
def test_equals_the_published_areas_and_standard_errors(column, sign, area, error):
    found = auc(sign * OVARIAN[:, column], OVARIAN[:, 3] == 1)
    assert (round(found.value, 4), round(math.sqrt(found.variance), 4)) == (area, error)
    assert (found.positives, found.negatives) == (31, 12)
    assert found.interval[0] < area < found.interval[1]


def pairs(scores, positive):
    mine, other = scores[positive], scores[~positive]
    return (mine[:, None] > other) + 0.5 * (mine[:, None] == other)


labelled = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30).filter(
    lambda cases: 0 < sum(p for _, p in cases) < len(cases)
)


def arrays(cases):
    return np.array([s for s, _ in cases], float), np.array([p for _, p in cases])


@settings(deadline=None)
@given(labelled)
def test_areas_and_variance_equal_pair_counting(cases):
    scores, positive = arrays(cases)
    wins = pairs(scores, positive)
    found = auc(scores, positive)
    assert found.value == pytest.approx(wins.mean())
    assert roc(scores, positive).area == pytest.approx(wins.mean())
    if min(wins.shape) > 1:
        variance = wins.mean(axis=1).var(ddof=1) / len(wins) + wins.mean(axis=0).var(ddof=1) / wins.shape[1]
        assert found.variance == pytest.approx(variance, abs=1e-12)
    assert 0 <= found.interval[0] <= found.value <= found.interval[1] <= 1


@settings(deadline=None)
@given(labelled)
def test_youden_is_the_best_of_all_thresholds(cases):
    scores, positive = arrays(cases)
    best = youden(scores, positive)

    def index(threshold):
        called = scores >= threshold
        return called[positive].mean() + (~called)[~positive].mean() - 1

    assert index(best.threshold) == pytest.approx(best.index)
    assert best.index == pytest.approx(max(index(t) for t in [*scores, scores.max() + 1]))


@settings(max_examples=50, deadline=None)
@given(labelled, st.data())
def test_weights_are_repeats(cases, data):
    scores, positive = arrays(cases)
    weights = np.array([data.draw(st.integers(0, 3)) for _ in cases])
    if not (weights[positive].any() and weights[~positive].any()):
        return
    repeated = roc(np.repeat(scores, weights), np.repeat(positive, weights))
    assert roc(scores, positive, weights=weights.astype(float)).area == pytest.approx(repeated.area)


def test_perfect_separation_and_single_cases_say_nothing_about_the_interval():
    perfect = auc(np.array([1.0, 2, 3, 4]), np.array([False, False, True, True]))
    assert (perfect.value, perfect.interval) == (1.0, (0.0, 1.0))
    single = auc(np.array([1.0, 2, 3]), np.array([False, False, True]))
    assert math.isnan(single.variance)
    assert single.interval == (0.0, 1.0)


def test_refuses_what_has_no_curve():
    with pytest.raises(OptionError, match="2 positives and 0 negatives"):
        roc(np.ones(2), np.array([True, True]))
    with pytest.raises(OptionError, match="NaN or infinite"):
        auc(np.array([1.0, np.nan]), np.array([True, False]))
    with pytest.raises(OptionError, match=r"give \(n,\) of each"):
        youden(np.ones(3), np.array([True, False]))
