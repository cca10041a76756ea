"""`deciface doctor`: what is there, what is missing, what to do, and whether the main job can run."""

from __future__ import annotations

import json
from importlib import metadata

import pytest
import typer
from typer.testing import CliRunner

from deciface.cli.doctor import doctor, examine

app = typer.Typer()
app.command()(doctor)


@pytest.fixture
def empty_store(tmp_path, monkeypatch):
    monkeypatch.setenv("DECIFACE_MODELS", str(tmp_path / "store"))
    monkeypatch.delenv("DECIFACE_WORKSPACE", raising=False)
    return tmp_path / "store"


def test_without_models_the_main_job_cannot_run(empty_store):
    result = CliRunner().invoke(app, ["--json"])
    assert result.exit_code == 2
    document = json.loads(result.stdout)
    assert document["main_job_runs"] is False
    findings = {finding["name"]: finding for finding in document["findings"]}
    assert findings["mediapipe-mesh"] == {
        "section": "models",
        "name": "mediapipe-mesh",
        "found": "missing",
        "state": "broken",
        "remedy": "run `deciface models fetch`",
    }
    assert findings["yunet"]["state"] == "missing"
    assert findings["face encoders"]["state"] == "broken"
    assert findings["numpy"] == {
        "section": "packages",
        "name": "numpy",
        "found": metadata.version("numpy"),
        "state": "ok",
        "remedy": "",
    }
    assert int(findings["cores"]["found"]) >= 1
    assert "GiB free" in findings["model store"]["found"]
    assert not empty_store.exists()


def test_in_words(empty_store):
    text = CliRunner().invoke(app, []).stdout
    assert "  ! mediapipe-mesh: missing; run `deciface models fetch`\n" in text
    assert text.endswith("the main job cannot run: see the lines marked '!'\n")


@pytest.mark.models
def test_with_models_the_main_job_can_run(model_store, monkeypatch):
    monkeypatch.setenv("DECIFACE_MODELS", str(model_store.root))
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 0
    assert result.stdout.endswith("the main job can run\n")


def without(monkeypatch, missing):
    real = metadata.version

    def version(name):
        if name == missing:
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)


def test_a_missing_extra_names_its_command(empty_store, monkeypatch):
    without(monkeypatch, "pillow-heif")
    findings = {finding.name: finding for finding in examine()}
    assert findings["heic: pillow-heif"].state == "missing"
    assert findings["heic: pillow-heif"].remedy == "run `pip install 'deciface[heic]'`"


def test_a_missing_core_package_stops_the_main_job(empty_store, monkeypatch):
    without(monkeypatch, "scipy")
    findings = {finding.name: finding for finding in examine()}
    assert (findings["scipy"].state, findings["scipy"].remedy) == ("broken", "run `pip install --upgrade deciface`")


def test_a_damaged_card_is_reported_not_raised(empty_store):
    (empty_store / "mine").mkdir(parents=True)
    (empty_store / "mine" / "card.yaml").write_text("id: mine")
    findings = {finding.name: finding for finding in examine()}
    assert findings["store"].state == "broken"
    assert "missing: name, file" in findings["store"].found


def test_the_workspace_is_looked_at(empty_store, tmp_path, monkeypatch):
    monkeypatch.setenv("DECIFACE_WORKSPACE", str(tmp_path / "not" / "yet"))
    findings = {finding.name: finding for finding in examine()}
    assert findings["workspace"].state == "ok"
    assert str(tmp_path / "not" / "yet") in findings["workspace"].found
