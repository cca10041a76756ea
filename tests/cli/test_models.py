"""`deciface models`: JSON on stdout and nothing else, and the same in words."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from deciface.cli.models import app
from deciface.errors import ModelError
from tests.models.networks import mean_network, write_card


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("DECIFACE_MODELS", str(tmp_path / "store"))

    def call(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)

    return call


def test_list_tells_licence_training_and_state(run, tmp_path):
    document = json.loads(run("list", "--json").stdout)
    assert document["store"] == str(tmp_path / "store")
    models = {model["id"]: model for model in document["models"]}
    assert models["mediapipe-mesh"]["state"] == "missing"
    assert models["dlib-resnet"]["licence"].startswith("public domain")
    assert models["dlib-resnet"]["source"]["package"] == "face_recognition_models"
    text = run("list").stdout
    assert "dlib-resnet: missing, needed; dlib face ResNet, 128 dimensions; face-encoder, 22.5 MB" in text
    assert "trained on: WIDER FACE" in text


def test_add_and_list(run, tmp_path):
    (tmp_path / "net.onnx").write_bytes(mean_network())
    result = run("add", tmp_path / "net.onnx", "--card", write_card(tmp_path), "--json")
    document = json.loads(result.stdout)
    assert (document["id"], document["dimensions"]) == ("tiny", 3)
    assert {m["id"]: m["state"] for m in json.loads(run("list", "--json").stdout)["models"]}["tiny"] == "present"
    assert run("add", tmp_path / "net.onnx", "--card", tmp_path / "card.yaml").stdout.startswith(
        "added tiny (3 dimensions)"
    )


def test_add_refuses_in_one_line(run, tmp_path):
    (tmp_path / "net.onnx").write_bytes(mean_network((1, 3, 160, 160)))
    with pytest.raises(ModelError, match=r"takes \(1, 3, 160, 160\), but its card declares \(n, 3, 112, 112\)"):
        run("add", tmp_path / "net.onnx", "--card", write_card(tmp_path))


def test_fetch_from_files(run, tmp_path):
    (tmp_path / "given").mkdir()
    with pytest.raises(ModelError, match="still missing: dlib-resnet, mediapipe-face-full"):
        run("fetch", "--from", tmp_path / "given")


@pytest.mark.models
def test_fetch_from_the_store_of_this_machine(run, model_store):
    result = run("fetch", "--from", model_store.root, "--json")
    document = json.loads(result.stdout)
    assert {"dlib-resnet", "mediapipe-mesh"} <= set(document["placed"])
    again = run("fetch", "--from", model_store.root)
    assert again.exit_code == 0
    assert again.stdout.startswith("nothing new: what is needed is there already")


def test_a_card_must_be_given(run, tmp_path):
    result = CliRunner().invoke(app, ["add", str(tmp_path / "net.onnx")])
    assert result.exit_code == 2
    assert "--card" in result.output
