from __future__ import annotations

import sys

import pytest

from deciface.benchmarks import encode

pytestmark = pytest.mark.models


@pytest.fixture
def quick(monkeypatch, model_store, tmp_path):
    monkeypatch.setattr(encode, "ROUNDS", 1)
    monkeypatch.setattr(encode, "BATCHES", (1, 2))
    monkeypatch.setenv("DECIFACE_TEST_DATA", str(tmp_path))


def test_our_run_stands_beside_that_of_dlib(quick):
    pytest.importorskip("dlib", reason="dlib-bin is not installed")
    bench = encode.run()
    assert bench.bench == "encode"
    names = [row.name for row in bench.rows]
    assert names[:2] == ["dlib-resnet: batch 1, 1 thread", "dlib-resnet: batch 2, 1 thread"]
    speed, gap = bench.rows[0], bench.rows[-1]
    assert speed.peer == "dlib-bin, one thread"
    assert speed.peer_value is not None
    assert speed.ratio == pytest.approx(speed.value / speed.peer_value)
    assert gap.name == "dlib-resnet: largest difference from dlib-bin"
    assert gap.holds


def test_without_dlib_the_reason_is_said(quick, monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)
    rows = encode.run().rows
    assert {row.peer for row in rows} == {"dlib-bin is not installed (pip install 'deciface[dlib]')"}
    assert all(row.peer_value is None and row.ratio is None and row.value > 0 for row in rows)
