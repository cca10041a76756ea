from __future__ import annotations

import pytest

from deciface.benchmarks import evaluate
from deciface.cli.bench import BENCHES


def test_every_promise_is_measured_and_the_scaled_peer_says_so(monkeypatch):
    monkeypatch.setattr(evaluate, "_ROUNDS", 1)
    bench = evaluate.run(evaluate.Size(photos=600, queries=60, views=2, dimensions=16, disorders=(6, 9)))
    assert bench.bench in BENCHES
    assert [row.target for row in bench.rows] == ["<= 20", ">= 100", None, None, "<= 60", "<= 2048"]
    first, times, unit, product, four, peak = bench.rows
    assert first.name == "rank 60 queries x 600 photos x 2 x 16"
    assert first.peer == "numpy pair by pair, the cosine as its formula stands, 4,000 pairs scaled to 36,000"
    assert first.ratio == pytest.approx(first.value / first.peer_value)
    assert times.value == pytest.approx(1 / first.ratio)
    assert times.holds == (times.value >= 100)
    assert unit.peer == "numpy pair by pair, rows of length 1 made beforehand, 4,000 pairs scaled to 36,000"
    assert 0 < unit.peer_value < first.peer_value
    assert product.peer_value > 0
    assert 0 < four.value <= 60
    assert four.holds
    assert peak.value > 50


def test_the_gallery_has_the_shape_of_gmdb():
    size = evaluate.Size(photos=2600, queries=260, views=1, dimensions=8)
    gallery = evaluate._gallery(size, evaluate.np.random.default_rng(0))
    assert len(gallery) == 2860
    assert 1.5 < len(gallery) / len(gallery.by_patient) < 2.2
    assert 400 < len(gallery.by_disorder) <= 450
