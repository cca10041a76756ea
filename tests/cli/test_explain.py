"""`deciface explain`: one JSON document or lines, a report on request, refusals in one line."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from deciface.cases import RESEARCH_USE_ONLY, SIMULATED
from deciface.cli.explain import explain
from deciface.errors import OptionError
from deciface.simulate import AppearanceModel, CohortPlan, simulate_cohort


@pytest.fixture(scope="module")
def run():
    app = typer.Typer()
    app.command()(explain)
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    plan = CohortPlan(
        patients_per_disorder=2, unaffected=2, disorders=("SIM-01",), photos=(1, 1), severity_sd=3.0, size_px=256
    )
    return simulate_cohort(
        AppearanceModel.shipped(), tmp_path_factory.mktemp("explained") / "cohort", plan=plan, seed=3
    ).cases


@pytest.mark.models
def test_lines_document_and_report(run, cohort, model_store, tmp_path):
    photo, page = cohort.parent / "photos" / "SIM-P0001-1.jpg", tmp_path / "page.html"
    arguments = (photo, "--disorder", "SIM-01", "--patient", "SIM-P0001", "--gallery", cohort.parent)
    lines = run(*arguments)
    assert lines.exit_code == 0, lines.output
    assert lines.stdout.splitlines()[:2] == [RESEARCH_USE_ONLY, f"The gallery holds {SIMULATED}."]
    assert "NOTE: SIM-P0001: the patient's own, not compared with" in lines.stdout
    assert "    philtrum: cannot tell: " in lines.stdout
    document = run(*arguments, "--json", "-o", page)
    assert json.loads(document.stdout)["notice"] == RESEARCH_USE_ONLY
    assert f"report: {page}" in document.stderr
    assert "What speaks for SIM-01 (simulated)" in page.read_text(encoding="utf-8")


def test_refusals(run, tmp_path):
    found = run("face.jpg", "--disorder", "SIM-01", "--gallery", tmp_path, "-o", tmp_path / "page.pdf")
    assert isinstance(found.exception, OptionError)
    assert str(found.exception) == "--output page.pdf: the report is a page; name it .html"
    found = run("face.jpg", "--disorder", "SIM-01")
    assert str(found.exception).startswith("no workspace named: give --workspace DIR")
