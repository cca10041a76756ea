"""A run from a case table to its folder: what it holds, that it goes on, what is refused before anything is written."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import yaml

from deciface.cases import Diagnosis, Disorder, Patient, Photo
from deciface.encoders.deepgestalt import ModelKind, channels_of_width
from deciface.encoders.deepgestalt_heat import heatmaps
from deciface.encoders.deepgestalt_model import DeepGestalt
from deciface.errors import InputError, MismatchError, OptionError
from deciface.faces import Pyramid
from deciface.faces.region_crops import Region, region_crops
from deciface.photos import read_photo
from deciface.store import Workspace, tables
from deciface.training.deepgestalt_folds import TrainingPlan
from deciface.training.photos import TrainingPhotos
from deciface.workflows.training_deepgestalt import train_deepgestalt
from deciface.workflows.training_deepgestalt_material import Settings, prepare
from deciface.workflows.training_photos import FoundPhotos

pytestmark = pytest.mark.models

REGIONS = (Region.FACE, Region.MOUTH)
PLAN = TrainingPlan(REGIONS, folds=3, epochs=2, batch=4, channels=channels_of_width(1 / 16))
GENES = Settings(ModelKind.SPECIALISED, PLAN, ("SIM-01", "SIM-05"))
FILES = {"model.onnx", "card.yaml", "run.json", "predictions.csv", "curves.csv", "report.html"}


def now():
    return dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def trained(small_cohort, model_store, tmp_path_factory):
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("runs") / "genes"
    return train_deepgestalt(small_cohort.folder, folder, store=model_store, settings=GENES, now=now)


def test_the_folder_holds_the_run(trained):
    assert {path.name for path in trained.folder.iterdir()} == FILES
    run = json.loads((trained.folder / "run.json").read_text())
    assert run == trained.manifest
    assert (run["recipe"], run["started"], run["seed"]) == ("deepgestalt", "2026-01-02T03:04:00+00:00", 0)
    assert run["data"]["patients_by_class"] == {"SIMG01": 3, "SIMG05": 3}
    assert len(run["data"]["learnt_from"]) == 6
    assert run["results"]["left_out"] == 2
    assert run["results"]["all regions"]["patients"] == 6
    assert set(run["results"]["by region"]) == {"face", "mouth"}
    assert "simulated people" in run["notices"][1]


def test_predictions_are_of_everybody_and_by_patient_folds(trained):
    with (trained.folder / "predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert {row["class"] for row in rows} == {"SIMG05", "SIMG01"}
    assert all(abs(float(row["score SIMG05"]) + float(row["score SIMG01"]) - 1) < 1e-5 for row in rows)
    right = sum((float(row["score SIMG05"]) > 0.5) == (row["class"] == "SIMG05") for row in rows)
    assert trained.results["all regions"]["top-1"]["hits"] == right


def test_the_model_works_on_a_photo_and_shows_where_it_looked(trained, small_cohort, finder):
    model = DeepGestalt(trained.model)
    assert [label.id for label in model.labels] == ["SIMG01", "SIMG05"]
    photo = Pyramid(read_photo(next((small_cohort.folder / "photos").iterdir())).pixels)
    crops = region_crops(photo, finder.find(photo).choose(), model.regions)
    assert np.allclose(model.scores(crops.crops[None]).sum(-1), 1, atol=1e-6)
    heat = heatmaps(model, crops, "SIMG01")
    assert heat.on_face(5).shape == (256, 256)
    assert np.isfinite(heat.on_face(1)).all()


def test_the_card_says_what_it_is_and_that_people_were_simulated(trained):
    card = yaml.safe_load((trained.folder / "card.yaml").read_text(encoding="utf-8"))
    assert card["name"] == "DeepGestalt-type model, specialised, 2 classes"
    assert "simulated people" in card["trained_on"]
    assert card["bytes"] == trained.model.stat().st_size
    assert "fewer than the record" in card["channels"]
    page = (trained.folder / "report.html").read_text(encoding="utf-8")
    assert "genes of SIM-01, SIM-05" in page
    assert "Trained on simulated people" in page
    for said in (
        "Who was learnt from",
        "Sex",
        "How it went",
        "fold 3",
        "choose the epoch, patients",
        "at most 2 a fold, patience 15",
        "The epoch of a fold was chosen on as few as 2 patients: give fewer folds, or more patients.",
    ):
        assert said.casefold() in page.casefold(), said


def test_a_model_that_learnt_nothing_says_so_first(trained):
    (notice,) = [notice for notice in trained.manifest["notices"] if "Nothing was learnt" in notice]
    assert "top-1" in notice
    assert notice in trained.as_document()["notices"]
    assert (trained.folder / "report.html").read_text(encoding="utf-8").count("Nothing was learnt") == 1


def test_a_finished_run_is_not_written_over_and_is_answered_at_once(trained, small_cohort, model_store, monkeypatch):
    def looked(*_, **__):
        raise AssertionError("a photo was looked at")

    monkeypatch.setattr("deciface.workflows.training_deepgestalt.cut_photos", looked)
    with pytest.raises(OptionError, match="holds a run already; go on with it by --resume, or name a new folder"):
        train_deepgestalt(small_cohort.folder, trained.folder, store=model_store, settings=GENES, now=now)
    epochs = []
    again = train_deepgestalt(
        small_cohort.folder,
        trained.folder,
        store=model_store,
        settings=GENES,
        resume=True,
        now=lambda: dt.datetime(2027, 1, 1, tzinfo=dt.UTC),
        advance=lambda *epoch: epochs.append(epoch),
    )
    assert not epochs  # nothing was left to learn
    assert again.as_document() == trained.as_document()
    assert again.manifest["results"] == trained.manifest["results"]
    assert again.manifest["started"] == trained.manifest["started"]


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (replace(GENES, plan=replace(PLAN, seed=1)), "another seed"),
        (replace(GENES, plan=replace(PLAN, regions=(Region.FACE,))), "another regions"),
        (Settings(ModelKind.BINARY, PLAN, ("SIM-05",)), "another kind"),
    ],
)
def test_a_run_of_other_settings_is_refused_and_left_as_it_is(trained, small_cohort, model_store, settings, what):
    before = (trained.folder / "run.json").read_bytes()
    with pytest.raises(MismatchError, match=f"is a run with {what}; give the same, or name"):
        train_deepgestalt(
            small_cohort.folder, trained.folder, store=model_store, settings=settings, resume=True, now=now
        )
    assert (trained.folder / "run.json").read_bytes() == before


def test_a_run_with_other_labels_is_refused(trained, small_cohort, model_store, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(small_cohort.folder, copy)
    written = (copy / "cases.csv").read_text(encoding="utf-8")
    (copy / "cases.csv").write_text(written.replace("SIMG05", "SIMG99"), encoding="utf-8")
    with pytest.raises(MismatchError, match="is a run with other photos or labels; give the same ones"):
        train_deepgestalt(copy, trained.folder, store=model_store, settings=GENES, resume=True, now=now)


def test_nothing_is_written_where_nothing_can_be_learnt(small_cohort, model_store, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    settings = Settings(ModelKind.BINARY, PLAN, ("SIM-99",))
    monkeypatch.setattr("deciface.workflows.training_deepgestalt.cut_photos", None)  # judged before faces are cut
    with pytest.raises(OptionError, match="disorder 'SIM-99' is not in the cohort; it has SIM-01, SIM-05: choose"):
        train_deepgestalt(small_cohort.folder, tmp_path / "run", store=model_store, settings=settings, now=now)
    nameless = Settings(ModelKind.BINARY, PLAN)
    with pytest.raises(OptionError, match="a binary model tells one disorder from the rest; 0 given"):
        train_deepgestalt(small_cohort.folder, tmp_path / "run", store=model_store, settings=nameless, now=now)
    assert not list(tmp_path.iterdir())


def found_photos(patients):
    """(patient, disorder) pairs as photos whose crops are not looked at."""
    photos = tuple(
        Photo(f"{who}.jpg", Patient(who), f"sha of {who}", diagnoses=(Diagnosis(Disorder(what, what), (f"G{what}",)),))
        for who, what in patients
    )
    return FoundPhotos(TrainingPhotos(photos, np.zeros((len(photos), 2, 100, 100), np.uint8)), (), "drawn")


MANY = [(f"A{k}", "D:A") for k in range(4)] + [(f"B{k}", "D:B") for k in range(4)]


@pytest.mark.parametrize(
    ("patients", "settings", "message"),
    [
        (MANY[:5], Settings(ModelKind.MULTICLASS, PLAN), r"too few patients in class 'D:B' \(1\); each class needs 3"),
        (MANY, Settings(ModelKind.MULTICLASS, replace(PLAN, folds=12)), "8 patients for 12 folds; give fewer folds or"),
        (MANY, Settings(ModelKind.SPECIALISED, PLAN, ("D:A",)), "1 class with 3 or more patients"),
    ],
)
def test_small_classes_and_empty_folds_are_refused(patients, settings, message):
    with pytest.raises(InputError, match=message):
        prepare(found_photos(patients), settings)


def test_a_cohort_that_can_be_learnt_from_is_divided():
    ready = prepare(found_photos(MANY), Settings(ModelKind.MULTICLASS, PLAN))
    assert ready.material.class_of.tolist() == [0] * 4 + [1] * 4
    assert ready.data["patients_by_class"] == {"D:A": 4, "D:B": 4}


def test_a_workspace_notes_whom_the_model_was_learnt_from(small_workspace, model_store, tmp_path):
    pytest.importorskip("torch")
    root = tmp_path / "workspace"
    shutil.copytree(small_workspace, root)
    plan = replace(PLAN, epochs=1, regions=(Region.MOUTH,))
    done = train_deepgestalt(
        root, tmp_path / "run", store=model_store, settings=Settings(ModelKind.BINARY, plan, ("SIM-05",)), now=now
    )
    assert done.results["all regions"]["patients"] == 8
    with Workspace.open(root) as workspace, workspace.engine.connect() as connection:
        noted = connection.execute(tables.trained_models.select()).one()
        photos = connection.execute(tables.trained_on.select()).all()
    assert noted.sha256 == hashlib.sha256(done.model.read_bytes()).hexdigest()
    assert len(photos) == 8
