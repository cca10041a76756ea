from __future__ import annotations

import sys

import pytest

from deciface.benchmarks import encode, ensemble
from deciface.errors import ModelError

pytestmark = pytest.mark.models


@pytest.fixture
def quick(monkeypatch, model_store, tmp_path):
    monkeypatch.setattr(encode, "ROUNDS", 1)
    monkeypatch.setattr(encode, "BATCHES", (1, 2))
    monkeypatch.setattr(ensemble, "ROUNDS", 1)
    monkeypatch.setattr(ensemble, "PHOTOS", 1)
    monkeypatch.setattr(ensemble, "SAMPLE", 11)
    monkeypatch.setattr(ensemble, "MEMBERS", (("m0", "iresnet18"), ("m1", "iresnet34")))
    monkeypatch.setattr(ensemble, "VIEWS", ensemble.GESTALTMATCHER_VIEWS[:2])
    monkeypatch.setenv("DECIFACE_TEST_DATA", str(tmp_path))


def test_our_run_stands_beside_that_of_dlib(quick):
    pytest.importorskip("dlib", reason="dlib-bin is not installed")
    bench = encode.run()
    assert bench.bench == "encode"
    names = [row.name for row in bench.rows]
    assert names[:2] == ["dlib-resnet: batch 1, 1 thread", "dlib-resnet: batch 2, 1 thread"]
    speed, gap = bench.rows[0], bench.rows[4]
    assert speed.peer == "dlib-bin, one thread"
    assert speed.peer_value is not None
    assert speed.ratio == pytest.approx(speed.value / speed.peer_value)
    assert gap.name == "dlib-resnet: largest difference from dlib-bin"
    assert gap.holds


def test_without_dlib_the_reason_is_said(quick, monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)
    rows = encode.run().rows[:4]
    assert {row.peer for row in rows} == {"dlib-bin is not installed (pip install 'deciface[dlib]')"}
    assert all(row.peer_value is None and row.ratio is None and row.value > 0 for row in rows)


def test_the_ensemble_stands_beside_one_image_at_a_time(quick, model_store):
    pytest.importorskip("torch")
    full, reduced, check, mixed = ensemble.ensemble_rows(model_store)
    assert full.name.startswith("4 views (iresnet18 + iresnet34, random weights), ")
    assert full.name.endswith("views of 1 photos in one batch, fp32")
    assert reduced.name.endswith("bf16")
    for row, least in ((full, 1.05), (reduced, 2.2)):
        assert row.peer.startswith("the same networks in fp32 by ")
        assert row.peer.endswith(", one image at a time")
        assert row.ratio == pytest.approx(row.value / row.peer_value)
        assert row.target.startswith(f">= {least} x")
    assert full.holds == (full.ratio >= 1.05)
    assert reduced.holds == (reduced.ratio >= 2.2 and check.holds)
    assert "on 11 photos x 4 views" in check.name
    assert 90 < check.value <= 100
    assert 90 < mixed.value <= 100
    assert mixed.target is None


def test_without_torch_the_ensemble_says_what_is_missing(quick, model_store, monkeypatch):
    def absent():
        raise ModelError("PyTorch is not installed")

    monkeypatch.setattr(ensemble, "import_torch", absent)
    (row,) = ensemble.ensemble_rows(model_store)
    assert row.name.endswith("fp32 (bf16 needs PyTorch: pip install 'deciface[torch]')")
    assert row.peer == "the same networks in fp32 by onnxruntime, one image at a time"
    assert row.value > 0
