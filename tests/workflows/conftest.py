"""A handful of simulated people as photos and a case table, made once."""

from __future__ import annotations

import pytest

from deciface.simulate import AppearanceModel, CohortPlan, simulate_cohort

SMALL = CohortPlan(
    patients_per_disorder=3, unaffected=2, disorders=("SIM-01", "SIM-05"), photos=(1, 1), severity_sd=3.0, size_px=320
)


@pytest.fixture(scope="session")
def small_cohort(tmp_path_factory):
    """Eight simulated people, one photo each: `folder/cases.csv`, `folder/photos`."""
    folder = tmp_path_factory.mktemp("simulated") / "cohort"
    return simulate_cohort(AppearanceModel.shipped(), folder, plan=SMALL, seed=7)


@pytest.fixture(scope="session")
def small_workspace(small_cohort, model_store, tmp_path_factory):
    """The same people imported."""
    from deciface.store import Workspace
    from deciface.workflows.importing import import_table

    root = tmp_path_factory.mktemp("imported") / "workspace"
    with Workspace.create(root) as workspace:
        done = import_table(small_cohort.cases, workspace, store=model_store)
    assert done.problems == ()
    assert done.photos == 8
    return root
