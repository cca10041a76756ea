"""The bench of the dysmorphic encoder: whose network is asked, and what its rows promise."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import onnx
import pytest

from deciface.benchmarks import dysmorphic
from deciface.benchmarks.dysmorphic import MODEL_ID, RUN_VARIABLE, Condition, Doing
from deciface.errors import MismatchError, NothingFoundError
from deciface.models import ModelStore
from deciface.space import Rule
from deciface.training.manifest import card_text


def told(content: bytes, held_out: list[str]) -> bytes:
    """The network, its file saying whom it held out."""
    model = onnx.load_from_string(content)
    onnx.helper.set_model_props(model, {"held_out": ",".join(held_out)})
    return model.SerializeToString()


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Two folds with the shipped network, told to have held somebody out."""
    store = ModelStore(tmp_path / "none")
    parts = {"all": [], "fold-1": ["001_03", "003_03"], "fold-2": ["002_03"]}
    for name in parts:
        folder = tmp_path / "run" / name
        folder.mkdir(parents=True)
        content = told(store.path(MODEL_ID).read_bytes(), parts[name])
        (folder / dysmorphic.MODEL_FILE).write_bytes(content)
        card = replace(store.card(MODEL_ID), sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
        (folder / "card.yaml").write_text(card_text(card))
    manifest = {"parts": {name: {"held_out": who} for name, who in parts.items()}}
    (tmp_path / "run" / "run.json").write_text(json.dumps(manifest))
    monkeypatch.setenv(RUN_VARIABLE, str(tmp_path / "run"))
    return tmp_path / "run"


class Somebody:
    def __init__(self, id_):
        self.id = id_


def test_everybody_is_asked_of_the_fold_that_held_them_out(run):
    folds = dysmorphic._folds([Somebody("001"), Somebody("002"), Somebody("003")])
    assert set(folds) == {"001", "002", "003"}
    assert folds["001"] is folds["003"]
    assert folds["001"] is not folds["002"]


def test_a_person_nobody_held_out_an_unfinished_run_and_none(run, monkeypatch):
    with pytest.raises(NothingFoundError, match=r"no fold of .* held out person 004"):
        dysmorphic._folds([Somebody("001"), Somebody("004")])
    (run / "fold-2" / dysmorphic.MODEL_FILE).unlink()
    with pytest.raises(NothingFoundError, match="finish the run by `deciface train dysmorphic --resume`"):
        dysmorphic._folds([Somebody("001")])
    monkeypatch.setenv(RUN_VARIABLE, str(run / "nowhere"))
    with pytest.raises(NothingFoundError, match="holds no run; make it by `deciface train dysmorphic`"):
        dysmorphic._folds([Somebody("001")])


def test_a_network_that_learnt_from_whom_it_should_not_know(run):
    manifest = json.loads((run / "run.json").read_text())
    manifest["parts"]["fold-1"]["held_out"].append("002_03")
    (run / "run.json").write_text(json.dumps(manifest))
    with pytest.raises(MismatchError, match=r"says itself that it held out 2 people, run.json 3, and they are not the"):
        dysmorphic._folds([Somebody("001")])


@pytest.mark.parametrize(
    ("condition", "own", "peer", "holds"),
    [
        (Condition(Doing.NOTHING), 13, 9, True),
        (Condition(Doing.SHAM, 2.0), 17, 9, False),
        (Condition(Doing.PLANT, 2.0), 70, 45, True),
        (Condition(Doing.PLANT, 2.0), 61, 45, False),  # 16 points more, and less than 15 within the interval
        (Condition(Doing.SECOND, 2.0), 71, 45, True),
        (Condition(Doing.PLANT, 1.0), 10, 45, None),
    ],
)
def test_what_the_rows_promise(condition, own, peer, holds):
    """100 people asked 20 times each: as many always found as the shares say, and some people never asked."""
    hits, asked = np.zeros((102, 2)), np.full(102, 20.0)
    hits[:own, 0] = hits[:peer, 1] = 20
    asked[100:] = 0
    row = dysmorphic._accuracy_row(condition, Rule.DISCRIMINANT, hits, asked)
    assert row.holds is holds
    assert (row.value, row.peer_value) == pytest.approx((own, peer))
    assert row.unit == "% of 100 people, 2000 queries"


def test_the_gain_is_judged_by_its_interval():
    hits, asked = np.zeros((100, 2)), np.full(100, 20.0)
    hits[:61, 0] = hits[:45, 1] = 20
    row = dysmorphic._accuracy_row(Condition(Doing.PLANT, 2.0), Rule.DISCRIMINANT, hits, asked)
    assert row.target.startswith(">= dlib-resnet + 15; gain 16.0, 95 % ")
    least = float(row.target.split()[-1].split("-")[0])
    assert 6 < least < 12, "16 points of 100 people: an SE of 3.7"
