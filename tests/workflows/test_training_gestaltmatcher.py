"""A GestaltMatcher run from a cohort to its folder; what it notes, that it goes on, what is refused first."""

from __future__ import annotations

import datetime as dt
import json
import shutil

import pytest

from deciface.errors import InputError, MismatchError, NothingFoundError, OptionError
from deciface.models import ModelStore
from deciface.models.adding import add_model
from deciface.store import SubjectKind, Workspace, tables
from deciface.training.bases import open_base
from deciface.workflows.evaluation_inputs import read_training_manifest
from deciface.workflows.gestaltmatcher_run import Settings
from deciface.workflows.training_gestaltmatcher import train_gestaltmatcher

pytestmark = pytest.mark.models

SETTINGS = Settings(folds=3, head_epochs=1, epochs=1, batch=4, model_id="own")


def now():
    return dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def trained(small_cohort, model_store, tmp_path_factory):
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("runs") / "run"
    return train_gestaltmatcher(small_cohort.folder, folder, store=model_store, settings=SETTINGS, now=now)


def test_the_folder_holds_the_run(trained):
    names = {"own.onnx", "card.yaml", "run.json", "curves.csv", "report.html", "checkpoint.pt"}
    assert {path.name for path in trained.folder.iterdir()} == names
    run = json.loads((trained.folder / "run.json").read_text())
    assert (run["recipe"], run["ended"], run["settings"]["base"]) == (
        "gestaltmatcher",
        "2026-01-02T03:04:00+00:00",
        "dlib-resnet",
    )
    learnt = {entry["photo"] for entry in run["data"]["learnt_from"]}
    assert len(learnt) == 4, "two of three folds of six patients"
    assert {entry.photo for entry in read_training_manifest(trained.folder).photos} == learnt
    assert [e.stage for e in trained.epochs] == ["last layer", "all layers"]
    page = (trained.folder / "report.html").read_text()
    assert "Training of own" in page
    assert "simulated people" in page


def test_the_people_tested_on_were_not_learnt_from(trained):
    run = trained.manifest
    asked = {row.patients for row in trained.held_out}
    assert asked == {2}
    assert run["data"]["patients"] == 8
    assert [str(row.rule) for row in trained.held_out] == ["nearest-image", "disorder-centroid"]
    assert "rule discriminant" in trained.problems[0], "too few patients for it, which is said"
    for row in trained.held_out:
        assert 0 <= row.hits <= row.patients
        assert row.who == "trained disorders"


def test_the_encoder_can_be_added_and_trained_further(trained, model_store, tmp_path):
    store = ModelStore(tmp_path / "models")
    shutil.copytree(model_store.root, store.root)
    card = add_model(store, trained.folder / "own.onnx", card=trained.folder / "card.yaml")
    assert card.id == "own"
    assert open_base(store, "own").card.dimensions == 128


def test_a_run_goes_on_and_another_ones_is_refused(trained, small_cohort, model_store):
    again = train_gestaltmatcher(
        small_cohort.folder, trained.folder, store=model_store, settings=SETTINGS, now=now, resume=True
    )
    assert again.card.sha256 == trained.card.sha256
    with pytest.raises(OptionError, match="holds a run already; go on with it by --resume"):
        train_gestaltmatcher(small_cohort.folder, trained.folder, store=model_store, settings=SETTINGS, now=now)
    with pytest.raises(MismatchError, match="belongs to a run with other data or settings"):
        train_gestaltmatcher(
            small_cohort.folder,
            trained.folder,
            store=model_store,
            settings=Settings(folds=3, head_epochs=1, epochs=2, batch=4, model_id="own"),
            now=now,
            resume=True,
        )


def test_a_workspace_notes_whom_a_model_learnt_from(small_workspace, model_store, tmp_path):
    pytest.importorskip("torch")
    from sqlalchemy import select

    root = tmp_path / "workspace"
    shutil.copytree(small_workspace, root)
    trained = train_gestaltmatcher(root, tmp_path / "run", store=model_store, settings=SETTINGS, now=now)
    learnt = {entry["photo"] for entry in trained.manifest["data"]["learnt_from"]}
    with Workspace.open(root) as workspace, workspace.engine.connect() as connection:
        assert set(connection.execute(select(tables.trained_on.c.photo_id)).scalars()) == learnt
        assert connection.execute(select(tables.trained_models.c.sha256)).scalar_one() == trained.card.sha256
    with Workspace.open(root) as workspace:
        workspace.withdraw(SubjectKind.PHOTO, min(learnt))
        with workspace.engine.connect() as connection:
            assert connection.execute(select(tables.trained_models.c.withdrawn_photos)).scalar_one() == 1
        with pytest.raises(InputError, match="is not in the workspace or was withdrawn; train it again without"):
            workspace.note_trained("a" * 64, "late", photo_ids=learnt)
        with pytest.raises(InputError, match="names no photo it learnt from"):
            workspace.note_trained("a" * 64, "empty", photo_ids=[])


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (Settings(folds=2), OptionError, "2 folds; at least 3 are needed"),
        (Settings(unseen=("SIM-99",)), OptionError, "disorder 'SIM-99' is not in the cohort; there are SIM-01, SIM-05"),
        (Settings(unseen=("SIM-01",)), InputError, "1 classes with 2 or more patients; at least 2 are needed"),
        (Settings(folds=9), InputError, "8 patients for 9 folds"),
    ],
    ids=["too few folds", "unknown disorder", "one disorder left", "too many folds"],
)
def test_what_cannot_be_divided_is_refused_and_leaves_nothing(
    small_cohort, model_store, tmp_path, settings, error, message
):
    pytest.importorskip("torch")
    with pytest.raises(error, match=message):
        train_gestaltmatcher(small_cohort.folder, tmp_path / "run", store=model_store, settings=settings, now=now)
    assert not (tmp_path / "run").exists()


def test_a_folder_with_other_files_and_a_cohort_that_is_none(small_cohort, model_store, tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OptionError, match="holds other files; name a new folder for the run"):
        train_gestaltmatcher(small_cohort.folder, tmp_path, store=model_store, settings=SETTINGS, now=now)
    with pytest.raises(
        InputError, match=r"does not exist; give a case table, a folder with cases\.csv, or a workspace"
    ):
        train_gestaltmatcher(tmp_path / "x", tmp_path / "run", store=model_store, settings=SETTINGS, now=now)
    empty = tmp_path / "cases.csv"
    empty.write_text("patient,disorder\nP1,D1\n")
    with pytest.raises(NothingFoundError, match="has no photo to train on"):
        train_gestaltmatcher(empty, tmp_path / "run", store=model_store, settings=SETTINGS, now=now)
