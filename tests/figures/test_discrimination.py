import numpy as np
import pytest

from deciface.errors import MismatchError, OptionError
from deciface.figures.chart import BLUE, ORANGE
from deciface.figures.discrimination import (
    RocLine,
    band_of,
    binomial_band,
    confusion_chart,
    reliability_bins,
    reliability_chart,
    roc_chart,
)
from deciface.stats.proportions import proportion_interval
from deciface.stats.roc import roc
from tests.figures.svg import Drawn, inside

LEFT, TOP, SIDE = 62, 12, 300


def scores(n=60, shift=1.0, seed=1):
    rng = np.random.default_rng(seed)
    positive = np.arange(n) % 3 == 0
    return rng.standard_normal(n) + shift * positive, positive


def test_a_curve_is_drawn_from_corner_to_corner_through_its_points():
    positive = np.array([True, True, False, False])
    curve = roc(np.array([4.0, 3, 2, 1]), positive)
    svg = Drawn(roc_chart([RocLine("perfect", curve, 1.0, (0.4, 1.0), mark=(0.5, 1.0))], name="r"))
    line = max(svg.lines(BLUE), key=len)
    assert line[0] == pytest.approx((LEFT, TOP + SIDE))
    assert (LEFT, TOP) in line
    assert line[-1] == pytest.approx((LEFT + SIDE, TOP))
    assert svg.markers(BLUE) == [(LEFT + SIDE / 2, TOP)]
    assert "perfect: AUC 1.000 (95 % 0.400–1.000)" in svg.words
    assert svg.description == (
        "perfect: AUC 1.000 (95 % 0.400–1.000). perfect, threshold in use: sensitivity 100 %, false positives 50 %."
    )
    assert inside(svg)


def test_the_binomial_band_is_the_interval_of_the_sensitivity():
    values, positive = scores()
    curve, n = roc(values, positive), int(positive.sum())
    band = binomial_band(curve, positives=n)
    assert (np.diff(band.false_positive_rate) > 0).all()
    for rate, low, high in zip(band.false_positive_rate, band.low, band.high, strict=True):
        best = curve.sensitivity[curve.false_positive_rate == rate].max()
        assert (low, high) == pytest.approx(proportion_interval(round(best * n), n))


def test_the_band_of_resampled_curves_holds_most_of_them():
    rng = np.random.default_rng(2)
    values, positive = scores(200)
    curves = []
    for _ in range(200):
        some = rng.integers(0, 200, 200)
        curves.append(roc(values[some], positive[some]))
    band = band_of(curves)
    at = np.searchsorted(band.false_positive_rate, 0.3)
    within = [band.low[at] <= np.interp(0.3, c.false_positive_rate, c.sensitivity) <= band.high[at] for c in curves]
    assert 0.93 <= np.mean(within) <= 0.97
    with pytest.raises(OptionError, match="a band needs at least 20"):
        band_of(curves[:19])


def test_a_matrix_of_two_classes_holds_the_names_of_its_axes_and_is_not_enlarged():
    svg = Drawn(confusion_chart(np.array([[30, 4], [2, 4]]), ["rest", "D1"], name="c"))
    width, height = svg.size
    assert width >= 380, "pages enlarge what is narrower, letters and all"
    label = "truth (shade: share of the row)"
    assert label in svg.words
    assert height - 2 * 40 > 0.55 * 12 * len(label), "the name of the upright axis fits"
    assert inside(svg)


def test_curves_are_told_apart_and_not_too_many():
    curve = roc(*scores())
    svg = Drawn(roc_chart([RocLine("a", curve, 0.7), RocLine("b", curve, 0.7)], name="r"))
    assert len(svg.lines(ORANGE)) >= 1
    with pytest.raises(OptionError, match="5 ROC curves; one chart shows 1 to 4"):
        roc_chart([RocLine("a", curve, 0.7)] * 5, name="r")


def test_a_confusion_matrix_says_counts_and_shares_of_the_row():
    counts = np.array([[3, 1], [0, 6]])
    svg = Drawn(confusion_chart(counts, ["PTPN11", "努南氏症候群"], name="m"))
    assert {"3", "75 %", "1", "25 %", "0", "6", "100 %", "PTPN11", "努南氏症候群"} <= set(svg.words)
    three, one, six = (np.round(svg.place(word), 3) for word in "316")
    assert three[0] < one[0] == six[0]
    assert three[1] == one[1] < six[1]
    assert svg.description == (
        "9 of 10 patients have their own class first. Most frequent mistakes: PTPN11 taken for 努南氏症候群 1 times."
    )
    assert inside(svg)


@pytest.mark.parametrize(("classes", "counted", "named"), [(12, True, True), (25, False, True), (60, False, False)])
def test_large_matrices_lose_their_numbers_then_their_names(classes, counted, named):
    counts = 77 * np.eye(classes, dtype=np.intp)
    svg = Drawn(confusion_chart(counts, [f"class {i}" for i in range(classes)], name="m"))
    assert ("77" in svg.words) is counted
    assert ("class 0" in svg.words) is named
    assert len(svg.text) < 250_000
    assert svg.text == confusion_chart(counts, [f"class {i}" for i in range(classes)], name="m")


def test_a_matrix_of_another_shape_is_refused():
    with pytest.raises(MismatchError, match=r"counts \(2, 3\) for 2 classes"):
        confusion_chart(np.zeros((2, 3), np.intp), ["a", "b"], name="m")
    with pytest.raises(OptionError, match="a matrix of 1001 classes cannot be seen"):
        confusion_chart(np.zeros((1001, 1001), np.intp), [str(i) for i in range(1001)], name="m")


def test_reliability_counts_every_patient_once_and_never_divides_equal_scores():
    rng = np.random.default_rng(3)
    values = np.round(rng.random(203), 1)
    right = rng.random(203) < values
    bins = reliability_bins(values, right)
    assert sum(b.people for b in bins) == 203
    assert sum(b.share * b.people for b in bins) == pytest.approx(right.sum())
    assert [b.score for b in bins] == sorted({b.score for b in bins})
    cuts = np.cumsum([b.people for b in bins])[:-1]
    ranked = np.sort(values)
    assert all(ranked[cut - 1] < ranked[cut] for cut in cuts.tolist())
    assert len(reliability_bins(np.full(50, 0.5), np.ones(50, bool))) == 1
    assert len(reliability_bins(rng.random(12), np.ones(12, bool))) == 2


def test_calibrated_scores_lie_on_the_diagonal():
    rng = np.random.default_rng(4)
    values = rng.random(20_000)
    for b in reliability_bins(values, rng.random(20_000) < values):
        assert abs(b.share - b.score) < 0.04
        assert b.interval[0] < b.score < b.interval[1] or abs(b.share - b.score) < 0.03


def test_reliability_is_drawn_to_scale():
    bins = reliability_bins(np.array([0.25] * 10 + [0.75] * 10), np.array([True, False] * 5 + [True] * 10))
    svg = Drawn(reliability_chart(bins, name="k", event="the disorder was there"))
    dots = [((left + right) / 2, (top + bottom) / 2) for left, top, right, bottom in svg.boxes(BLUE)]
    assert dots == [
        pytest.approx((LEFT + 0.25 * SIDE, TOP + 0.5 * SIDE)),
        pytest.approx((LEFT + 0.75 * SIDE, TOP)),
    ]
    assert "share in which the disorder was there" in svg.words
    assert "score 0.25: 50 % (19–81 %) of 10 people" in svg.description


def test_what_is_no_probability_is_refused():
    with pytest.raises(MismatchError, match="a score is no probability"):
        reliability_bins(np.array([0.2, 1.2]), np.array([True, False]))
    with pytest.raises(MismatchError, match=r"scores \(2,\), outcomes \(3,\)"):
        reliability_bins(np.zeros(2), np.zeros(3, bool))
    with pytest.raises(OptionError, match="nobody to draw"):
        reliability_chart((), name="k")
