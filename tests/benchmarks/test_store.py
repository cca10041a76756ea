from __future__ import annotations

import pytest

from deciface.benchmarks import store
from deciface.cli.bench import BENCHES


def test_every_promise_stands_beside_a_peer(monkeypatch):
    monkeypatch.setattr(store, "_ROUNDS", 1)
    bench = store.run(store.Size(photos=1200, views=2, dimensions=16))
    assert bench.bench in BENCHES
    assert [row.target for row in bench.rows] == ["<= 60", "<= 2048", "<= 0.5", *[None] * 3, *["<= 20"] * 4]
    for row in bench.rows:
        assert row.value > 0
        assert row.peer
        assert row.ratio == pytest.approx(row.value / row.peer_value)
        assert row.holds == (None if row.target is None else row.value <= float(row.target.removeprefix("<= ")))
    assert bench.rows[2].name == "open the gallery of 1,200 photos x 2 x 16 from the cache, with its people"


def test_cases_have_the_shape_of_gmdb():
    cases = [store._case(i) for i in range(1000)]
    assert len({case.id for case in cases}) == len({case.photos[0].sha256 for case in cases}) == 1000
    assert sum(bool(case.phenotypes) for case in cases) == 450
    assert len({d.disorder for case in cases for d in case.diagnoses}) == 450
    assert all(case.with_photos(case.photos) == case for case in cases)
