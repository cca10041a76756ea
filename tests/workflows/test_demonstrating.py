"""The demonstration on a small plan: it runs, runs again, keeps people apart, and refuses other people's folders."""

from __future__ import annotations

import contextlib
import datetime as dt

import pytest

from deciface.errors import StorageError
from deciface.models import ModelStore
from deciface.simulate import CohortPlan
from deciface.space import Rule
from deciface.store import Workspace
from deciface.workflows.demonstrating import Accuracy, demonstrate

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
PLAN = CohortPlan(
    patients_per_disorder=8,
    unaffected=8,
    disorders=("SIM-01", "SIM-03", "SIM-05"),
    photos=(1, 2),
    severity_sd=3.0,
    size_px=256,
)


@contextlib.contextmanager
def no_progress(_description, _total):
    yield lambda *_args, **_named: None


@pytest.mark.slow
@pytest.mark.models
def test_the_demonstration_runs_twice_to_the_same_answer(model_store, tmp_path):
    first = demonstrate(tmp_path / "demo", store=model_store, now=NOW, progress=no_progress, plan=PLAN)
    assert first.people == 32
    assert first.held_out == 6
    with Workspace.open(tmp_path / "demo" / "workspace") as workspace:
        patients = {p.patient.id for p in workspace.photos()}
        assert all(p.patient.simulated for p in workspace.photos())
    assert len(patients) == 26
    assert first.shown.facts.id not in patients
    assert "simulated people" in first.report.read_text()
    again = demonstrate(tmp_path / "demo", store=model_store, now=NOW, progress=no_progress, plan=PLAN)
    assert again.accuracy == first.accuracy


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StorageError, match="holds other files; name a new folder"):
        demonstrate(tmp_path, store=ModelStore(tmp_path), now=NOW, progress=no_progress, plan=PLAN)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_accuracy_carries_its_interval_and_chance():
    accuracy = Accuracy(Rule.NEAREST_IMAGE, 1, "everybody", 31, 50, 0.1)
    # centre (p + z^2 / 2n) / (1 + z^2 / n) = .611, half width .130 (Wilson 1927)
    assert accuracy.interval == pytest.approx((0.482, 0.741), abs=1e-3)
    assert str(accuracy) == "top-1, everybody: 62 % (31 of 50; 95 % interval 48-74 %; chance 10 %)"
