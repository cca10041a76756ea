"""The check of reduced precision: it passes what cannot be told apart and finds what changes a ranking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.cases import View
from deciface.encoders import Ensemble, Member
from deciface.encoders.precision import check_precision, choose_precision, compare_precisions
from deciface.errors import MismatchError, OptionError
from deciface.models import CardView
from tests.encoders.drawing import card

BOTH = (CardView(), CardView(flip=True))


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def vectors(photos=40, views=3, seed=1):
    rng = np.random.default_rng(seed)
    return [unit(rng.standard_normal((photos, 64))) for _ in range(views)]


def noisy(full, size, seed=2):
    rng = np.random.default_rng(seed)
    return [unit(rows + size * rng.standard_normal(rows.shape) / 8) for rows in full]


def test_the_same_vectors_keep_everything():
    full = vectors()
    report = compare_precisions(full, full)
    assert report.keeps_ranking
    assert (report.photos, report.views, report.top) == (40, 3, 10)
    assert report.cosine_min == pytest.approx(1)
    assert report.distance_error == pytest.approx(0, abs=1e-12)
    for ranking in report.rankings:
        assert (ranking.same_first, ranking.top_overlap, ranking.decided_swaps) == (1, 1, 0)


def test_rounding_keeps_and_noise_changes():
    full = vectors()
    small = compare_precisions(full, noisy(full, 1e-4))
    assert small.keeps_ranking
    assert small.cosine_median > 0.99999
    large = compare_precisions(full, noisy(full, 0.5))
    assert not large.keeps_ranking
    assert large.cosine_min < 0.95
    assert large.rankings[0].decided_swaps > 0.5
    assert "changes the ranking: use fp32" in large.as_text()
    assert "keeps the ranking" in small.as_text()


def test_a_drift_that_only_a_mixed_gallery_shows():
    """A rotation of all vectors leaves distances among themselves alone; older vectors do not turn with them."""
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(np.eye(64) + 0.01 * rng.standard_normal((64, 64)))
    turn *= np.sign(np.diag(turn))
    full = vectors()
    turned = [unit(rows.astype(np.float64) @ turn) for rows in full]
    report = compare_precisions(full, turned)
    among, mixed = report.rankings
    assert among.decided_swaps == 0
    assert mixed.decided_swaps > 0
    assert report.keeps_ranking
    assert not report.keeps_mixed_ranking
    assert "keeps the ranking if the gallery is encoded in it too" in report.as_text()


def by_hand(full, reduced, top, tie):
    """Queries with two photos swapped, or one pushed out, though told apart: pair by pair."""

    def distances(queries, i):
        return [
            np.mean([1 - float(q[i] @ g[j]) for q, g in zip(queries, queries, strict=True)]) for j in range(len(q0))
        ]

    q0, wrong, overlap = full[0], 0, []
    for i in range(len(q0)):
        exact, other = (
            distances([m.astype(np.float64) for m in full], i),
            distances([m.astype(np.float64) for m in reduced], i),
        )
        others = [j for j in range(len(q0)) if j != i]
        first = sorted(others, key=exact.__getitem__)[:top]
        second = sorted(others, key=other.__getitem__)[:top]
        swapped = any(exact[a] > exact[b] + tie for n, a in enumerate(second) for b in second[n + 1 :])
        lost = any(exact[a] > max(exact[b] for b in first) + tie for a in second)
        wrong += swapped or lost
        overlap.append(len(set(first) & set(second)) / top)
    return wrong / len(q0), float(np.mean(overlap))


@given(st.integers(0, 10**6), st.sampled_from([0.003, 0.03, 0.3]), st.integers(1, 5))
@settings(max_examples=20, deadline=None)
def test_equal_to_a_count_by_hand(seed, size, top):
    full = vectors(12, 2, seed)
    reduced = noisy(full, size, seed + 1)
    found = compare_precisions(full, reduced, top=top, tie=1e-3).rankings[0]
    wrong, overlap = by_hand(full, reduced, top, 1e-3)
    assert found.decided_swaps == pytest.approx(wrong)
    assert found.top_overlap == pytest.approx(overlap)


class Rounding:
    """An encoder whose vectors are a fixed projection of the crop, plus noise."""

    card = card(dimensions=64)

    def __init__(self, noise=0.0):
        self.noise = noise

    def encode(self, crops):
        flat = crops.reshape(len(crops), -1).astype(np.float64) - 128
        rows = flat @ np.random.default_rng(3).standard_normal((flat.shape[1], 64))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return unit(rows + self.noise * np.random.default_rng(4).standard_normal(rows.shape))


def ensemble(noise=0.0, views=BOTH):
    return Ensemble((Member(Rounding(noise), views),))


CROPS = {"arcface-112": np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)}


def test_reduced_precision_is_taken_only_when_it_keeps_the_ranking():
    full, good, bad = ensemble(), ensemble(1e-6), ensemble(0.2)
    assert good.views == (View("tiny", flip=False), View("tiny", flip=True))
    chosen, report = choose_precision(CROPS, full=full, reduced=good)
    assert chosen is good
    assert (report.photos, report.views) == (20, 2)
    chosen, report = choose_precision(CROPS, full=full, reduced=bad)
    assert chosen is full
    assert not report.keeps_ranking


def test_what_cannot_be_compared():
    with pytest.raises(MismatchError, match=r"ensembles of 2 and 1 views that are not the same; open the same models"):
        check_precision(CROPS, full=ensemble(), reduced=ensemble(views=BOTH[:1]))
    full = vectors()
    with pytest.raises(MismatchError, match=r"of two precisions; encode the same photos in the same views"):
        compare_precisions(full, full[:2])
    with pytest.raises(MismatchError):
        compare_precisions([], [])
    with pytest.raises(OptionError, match=r"5 photos and top 3; 10 or more photos and fewer top: give more photos"):
        compare_precisions(vectors(5), vectors(5), top=3)
    with pytest.raises(OptionError, match=r"40 photos and top 40"):
        compare_precisions(full, full, top=40)
