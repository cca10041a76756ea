"""The bench of the dysmorphic encoder: whose network is asked, and what its rows promise."""

from __future__ import annotations

import json

import pytest

from deciface.benchmarks import dysmorphic
from deciface.benchmarks.dysmorphic import MODEL_ID, PEER, RUN_VARIABLE, Condition, Doing
from deciface.errors import NothingFoundError
from deciface.models import ModelStore
from deciface.space import Rule


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Two folds, each with the shipped network, and whom they held out."""
    store = ModelStore(tmp_path / "none")
    parts = {"all": [], "fold-1": ["001_03", "003_03"], "fold-2": ["002_03"]}
    for name in parts:
        folder = tmp_path / "run" / name
        folder.mkdir(parents=True)
        (folder / dysmorphic.MODEL_FILE).write_bytes(store.path(MODEL_ID).read_bytes())
        from deciface.training.manifest import card_text

        (folder / "card.yaml").write_text(card_text(store.card(MODEL_ID)))
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


@pytest.mark.parametrize(
    ("condition", "own", "peer", "holds"),
    [
        (Condition(Doing.NOTHING), 13.0, 9.0, True),
        (Condition(Doing.SHAM, 2.0), 17.0, 9.0, False),
        (Condition(Doing.PLANT, 2.0), 60.0, 45.0, True),
        (Condition(Doing.PLANT, 2.0), 59.0, 45.0, False),
        (Condition(Doing.SECOND, 2.0), 61.0, 45.0, True),
        (Condition(Doing.PLANT, 1.0), 10.0, 45.0, None),
    ],
)
def test_what_the_rows_promise(condition, own, peer, holds):
    row = dysmorphic._accuracy_row(condition, Rule.DISCRIMINANT, {MODEL_ID: own, PEER: peer}, 2000)
    assert row.holds is holds
    assert (row.value, row.peer_value) == (own, peer)
