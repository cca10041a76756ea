"""Figures of a landmark model from what it saw: errors, measurements, planted change, groups, calibration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.benchmarks.result import Row
from deciface.faces.landmarks import FACE_POINTS, Landmarks
from deciface.faces.measurement_definitions import MEASUREMENTS, outer_canthal
from deciface.faces.measurements import measure
from deciface.simulate.features import FEATURES
from deciface.training.named_points import TEMPLATE_INDEX
from deciface.workflows.landmark_sigmas import factors_of

Floats = NDArray[np.float64]
Points = Callable[["Looked"], Floats | None]

ERROR_13, ERROR_ALL = 1.2, 2.0
LEAST_R, SLOPE, PLANTED_SLOPE = 0.85, (0.75, 1.1), 0.8
GROUP_RATIO = 1.3
CALIBRATED = (63.0, 73.0)
_RESAMPLES = 2000
_OVER = "outer canthal distance"
MEASURED: Mapping[str, str] = {
    "telecanthus": f"inner canthal distance / {_OVER}",
    "upslanted_fissures": "palpebral fissure slant",
    "long_philtrum": f"philtrum length / {_OVER}",
    "wide_nose": f"nasal width / {_OVER}",
    "thick_upper_lip": f"upper lip vermilion / {_OVER}",
    "tall_chin": f"chin height / {_OVER}",
    "long_fissures": f"palpebral fissure length / {_OVER}",
    "narrow_fissures": f"palpebral fissure height / {_OVER}",
    "hypertelorism": "interpupillary distance / face width",
}
"""What each planted feature changes. The last was not promised."""
_TELECANTHUS, _HYPERTELORISM = "telecanthus", "hypertelorism"
AMOUNT_SD = 0.6
"""How far a planted amount of 2 SD may be measured off."""
_THIRTEEN = [FACE_POINTS.index(i) for i in TEMPLATE_INDEX]


@dataclass(frozen=True, eq=False)
class Looked:
    """One photo.

    Parameters
    ----------
    person, ancestry, sex, part
        Whom it shows, and the part that never saw them.
    doing, feature, amount_sd
        What was done to the photo.
    truth, ours, sigma_px
        (points, 2) photo_px: by hand, by our network, and its sigmas, not multiplied yet.
    peers
        Points of other models by their names, NaN where they have none.
    """

    person: int
    ancestry: str
    sex: str
    part: str
    doing: str
    feature: str
    amount_sd: float
    truth: Floats
    ours: Floats
    sigma_px: Floats
    peers: Mapping[str, Floats]


def rows_of(looked: Sequence[Looked]) -> list[Row]:
    """All figures but the speed."""
    plain = [one for one in looked if one.doing == "as it is"]
    peers = sorted({name for one in looked for name in one.peers}, reverse=True)  # the mesh first
    return [
        *_errors(plain, peers),
        *_groups(plain),
        *_natural(plain, peers),
        *_planted(looked, peers),
        *_told_apart(looked),
        *_calibration(looked),
    ]


def _of(name: str) -> Points:
    return lambda one: one.ours if name == "ours" else one.peers.get(name)


def gaps_of(looked: Sequence[Looked], points: Points) -> Floats:
    """(n, points, 2) errors in percent of the outer-canthal distance; NaN where a model has no point, or no face."""
    out = np.full((len(looked), len(FACE_POINTS), 2), np.nan)
    for i, one in enumerate(looked):
        if (found := points(one)) is not None:
            out[i] = 100 * (found - one.truth) / float(outer_canthal(one.truth))
    return out


def _size(gaps: Floats, *, offset_removed: bool = True) -> Floats:
    """(n, points) lengths of errors, less what is the same in everybody."""
    moved = gaps - np.nanmean(gaps, axis=0) if offset_removed else gaps
    return np.asarray(np.hypot(moved[..., 0], moved[..., 1]))


def _row(name: str, value: float, unit: str, promise: tuple[str, bool] | None, peer: str, beside: float) -> Row:
    """One figure; the promise is told once, in the row of the first peer."""
    target, holds = promise or (None, None)
    if not peer or not np.isfinite(beside):
        return Row(name, value, unit, target, holds)
    return Row(name, value, unit, target, holds, peer, float(beside))


def _errors(plain: Sequence[Looked], peers: Sequence[str]) -> list[Row]:
    gaps = {name: gaps_of(plain, _of(name))[:, _THIRTEEN] for name in ("ours", *peers)}
    whole = gaps_of(plain, _of("ours"))
    unit = f"% of {_OVER}, {len(plain)} people"
    rows = []
    for removed, name in ((True, "error of 13 points, mean offset removed"), (False, "the same, as they come")):
        means = {who: float(np.nanmean(_size(gap, offset_removed=removed))) for who, gap in gaps.items()}
        promise = (f"<= {ERROR_13:g}", means["ours"] <= ERROR_13) if removed else None
        for k, peer in enumerate(peers or [""]):
            rows.append(_row(name, means["ours"], unit, None if k else promise, peer, means.get(peer, np.nan)))
    value = float(_size(whole).mean())
    name = f"error of all {len(FACE_POINTS)} points, mean offset removed"
    rows.append(Row(name, value, unit, f"<= {ERROR_ALL:g}", value <= ERROR_ALL))
    rows.append(Row("the same, as they come", float(_size(whole, offset_removed=False).mean()), unit))
    return rows


def _groups(plain: Sequence[Looked]) -> list[Row]:
    """Mean error of each group over that of everybody else; 95 % interval from drawing people within both."""
    each = _size(gaps_of(plain, _of("ours"))[:, _THIRTEEN]).mean(1)
    rng = np.random.default_rng(7)
    rows = []
    for what in ("ancestry", "sex"):
        of = np.array([getattr(one, what) for one in plain])
        for group in np.unique(of):
            own, others = each[of == group], each[of != group]
            if len(own) < 5 or len(others) < 5:
                continue
            drawn = [
                rng.choice(own, len(own)).mean() / rng.choice(others, len(others)).mean() for _ in range(_RESAMPLES)
            ]
            low, high = np.quantile(drawn, [0.025, 0.975])
            value = float(own.mean() / others.mean())
            rows.append(
                Row(
                    f"error of {group} ({len(own)}) over that of the others ({len(others)}; 95 % {low:.2f}-{high:.2f})",
                    value,
                    "times",
                    f"<= {GROUP_RATIO:g} where the interval excludes 1",
                    bool(value <= GROUP_RATIO or low <= 1 <= high),
                )
            )
    return rows


def _values(looked: Sequence[Looked], points: Points, measurement: str) -> Floats:
    of = MEASUREMENTS[measurement].of
    found = [points(one) for one in looked]
    return np.array([np.nan if p is None else float(of(p)) for p in found])


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    """Pearson's r, and the slope of y on x, over those that have both; NaN where one of them does not vary."""
    known = np.isfinite(x) & np.isfinite(y)
    if known.sum() < 3 or min(np.ptp(x[known]), np.ptp(y[known])) == 0:
        return np.nan, np.nan
    r = float(np.corrcoef(x[known], y[known])[0, 1])
    return r, r * float(y[known].std() / x[known].std())


def _natural(plain: Sequence[Looked], peers: Sequence[str]) -> list[Row]:
    """How measurements follow those between the manual points, over people as they are."""
    rows = []
    unit = f"{len(plain)} people"
    for feature, measurement in MEASURED.items():
        by_hand = _values(plain, lambda one: one.truth, measurement)
        lines = {name: _line(by_hand, _values(plain, _of(name), measurement)) for name in ("ours", *peers)}
        r, slope = lines["ours"]
        follows = (f">= {LEAST_R:g}", r >= LEAST_R)
        in_step = (f"{SLOPE[0]:g} to {SLOPE[1]:g}", bool(SLOPE[0] <= slope <= SLOPE[1]))
        for k, peer in enumerate(peers or [""]):
            told = feature != _HYPERTELORISM and not k
            other = lines.get(peer, (np.nan, np.nan))
            name = f"{measurement}: r with the manual points"
            rows.append(_row(name, r, unit, follows if told else None, peer, other[0]))
            name = f"{measurement}: slope on the manual points"
            rows.append(_row(name, slope, unit, in_step if told else None, peer, other[1]))
    return rows


def _planted(looked: Sequence[Looked], peers: Sequence[str]) -> list[Row]:
    """Slope of the measured on the planted change, both against the same person's photo without it."""
    before = {one.person: one for one in looked if one.doing == "as it is, small"}
    rows = []
    for doing, promised in (("planted", True), ("planted by the second warp", False)):
        for feature, measurement in MEASURED.items():
            some = [one for one in looked if one.doing == doing and one.feature == feature]
            if not some:
                continue
            paired = [before[one.person] for one in some]
            people = np.array([one.person for one in some])
            true = _change(some, paired, lambda one: one.truth, measurement)
            slopes = {
                name: _through_zero(true, _change(some, paired, _of(name), measurement), people)
                for name in ("ours", *peers)
            }
            value, low, high = slopes["ours"]
            promise = (f">= {PLANTED_SLOPE:g}", value >= PLANTED_SLOPE)
            name = f"{measurement}, {doing}: slope of change (95 % {low:.2f}-{high:.2f})"
            unit = f"{len(set(people.tolist()))} people, {len(some)} photos"
            for k, peer in enumerate(peers or [""]):
                told = promised and feature != _HYPERTELORISM and not k
                beside = slopes[peer][0] if peer else np.nan
                rows.append(_row(name, value, unit, promise if told else None, peer, beside))
    return rows


def _told_apart(looked: Sequence[Looked]) -> list[Row]:
    """Telecanthus and hypertelorism, measured in the SD that they were planted in, and told apart by the pupils."""
    before = {one.person: one for one in looked if one.doing == "as it is, small"}
    rows, right = [], []
    for feature in (_TELECANTHUS, _HYPERTELORISM):
        some = [one for one in looked if one.doing == "planted" and one.feature == feature and one.amount_sd > 0]
        if not some:
            return []
        paired = [before[one.person] for one in some]
        planted = np.array([one.amount_sd for one in some])
        true, found = (_change(some, paired, of, MEASURED[feature]) for of in (lambda one: one.truth, _of("ours")))
        amounts = found / true * planted
        close = 100 * float((np.abs(amounts - planted) <= AMOUNT_SD).mean())
        mean = float(amounts.mean())
        rows.append(
            Row(
                f"{feature} of {planted[0]:g} SD, measured by {MEASURED[feature]} (SD over people "
                f"{amounts.std(ddof=1):.2f}; {close:.0f} % within {AMOUNT_SD:g})",
                mean,
                f"SD, {len(some)} people",
                f"{planted[0]:g} +- {AMOUNT_SD:g}",
                bool(abs(mean - planted[0]) <= AMOUNT_SD),
            )
        )
        pupils = _change(some, paired, _of("ours"), MEASURED[_HYPERTELORISM]) / _pupils_sd(paired)
        right.append((pupils >= planted / 2) == (feature == _HYPERTELORISM))
    told = np.concatenate(right)
    rows.append(Row("the two told apart by the pupils", 100 * float(told.mean()), f"% of {len(told)} photos"))
    return rows


def _pupils_sd(looked: Sequence[Looked]) -> Floats:
    """What 1 SD of hypertelorism is of the distance of the pupils over the face width, in each face."""
    return FEATURES[_HYPERTELORISM].sd * _values(looked, lambda one: one.truth, f"{_OVER} / face width")


def _change(some: Sequence[Looked], paired: Sequence[Looked], points: Points, measurement: str) -> Floats:
    return _values(some, points, measurement) - _values(paired, points, measurement)


def _through_zero(x: Floats, y: Floats, people: NDArray[np.intp]) -> tuple[float, float, float]:
    """Slope through zero, and its 95 % interval from drawing people."""
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return np.nan, np.nan, np.nan
    _, of = np.unique(people[known], return_inverse=True)
    xy, xx = np.bincount(of, x[known] * y[known]), np.bincount(of, x[known] ** 2)
    drawn = np.random.default_rng(7).integers(0, len(xy), (_RESAMPLES, len(xy)))
    low, high = np.quantile(xy[drawn].sum(1) / xx[drawn].sum(1), [0.025, 0.975])
    return float(xy.sum() / xx.sum()), float(low), float(high)


def _measured_within(plain: Sequence[Looked], factors: Mapping[str, Floats]) -> Row:
    """Share of measurements whose error lies within their standard error, carried through from the points."""
    within = []
    for one in plain:
        spread = (one.sigma_px * factors[one.part][:, None]) ** 2
        covariance = spread[..., None] * np.eye(2)
        ours = measure(Landmarks(one.ours, covariance, "ours"))
        by_hand = measure(Landmarks(one.truth, np.zeros_like(covariance), "by hand"))
        within.append([abs(a.value - b.value) <= a.se for a, b in zip(ours, by_hand, strict=True)])
    each = 100 * np.array(within).mean(0)
    least, most = (list(MEASUREMENTS)[int(k)] for k in (each.argmin(), each.argmax()))
    return Row(
        f"measurements within one standard error ({least}: {each.min():.0f}, {most}: {each.max():.0f})",
        float(each.mean()),
        f"% of {len(plain)} photos x {len(each)} measurements; 68 would be right",
    )


def _calibration(looked: Sequence[Looked]) -> list[Row]:
    """Share of errors along an axis within one sigma; factors are those of the people of the other folds."""
    plain = [one for one in looked if one.doing == "as it is"]
    parts = sorted({one.part for one in plain})
    factors = {}
    for part in parts:
        others = [one for one in plain if one.part != part]
        factors[part] = factors_of(
            np.stack([one.ours - one.truth for one in others]), np.stack([one.sigma_px for one in others])
        )
    rows = [_measured_within(plain, factors)]
    for doing in ("as it is", "planted", "planted by the second warp"):
        some = [one for one in looked if one.doing == doing]
        if not some:
            continue
        within = np.stack([np.abs(one.ours - one.truth) <= one.sigma_px * factors[one.part][:, None] for one in some])
        value = 100 * float(within.mean())
        least, most = np.quantile(100 * within.mean((0, 2)), [0.05, 0.95])
        promised = doing == "as it is"
        rows.append(
            Row(
                f"errors within one sigma, {doing} (nine points of ten: {least:.0f}-{most:.0f} %)",
                value,
                f"% of {len(some)} photos x {len(FACE_POINTS)} points x 2 axes",
                "68 +- 5" if promised else None,
                bool(CALIBRATED[0] <= value <= CALIBRATED[1]) if promised else None,
            )
        )
    return rows
