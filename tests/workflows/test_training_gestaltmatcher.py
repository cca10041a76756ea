"""A GestaltMatcher run from a cohort to its folder; what it notes, that it goes on, what is refused first."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from deciface.cases import Diagnosis, DiagnosisStatus, Disorder, Patient, Photo
from deciface.errors import InputError, MismatchError, ModelError, NothingFoundError, OptionError
from deciface.formats.case_table import read_table
from deciface.models import ModelStore
from deciface.models.adding import add_model
from deciface.simulate import AppearanceModel, CohortPlan, simulate_cohort
from deciface.store import SubjectKind, Workspace, tables
from deciface.store.trained import trained_models
from deciface.training.bases import open_base
from deciface.training.folds import patient_folds
from deciface.training.photos import TrainingPhotos
from deciface.workflows.evaluation_inputs import read_training_manifest
from deciface.workflows.gestaltmatcher_comparison import compare
from deciface.workflows.gestaltmatcher_division import divide
from deciface.workflows.gestaltmatcher_run import Settings
from deciface.workflows.training_cohort import read_cohort
from deciface.workflows.training_gestaltmatcher import Cropped, train_gestaltmatcher
from deciface.workflows.training_lineage import lineage_of
from deciface.workflows.training_photos import cut_photos

pytestmark = pytest.mark.models

PLAN = CohortPlan(
    patients_per_disorder=8, unaffected=2, disorders=("SIM-01", "SIM-05"), photos=(1, 1), severity_sd=3.0, size_px=320
)
SETTINGS = Settings(folds=3, head_epochs=1, epochs=1, batch=4, model_id="own")


def now():
    return dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Eighteen simulated people, one photo each: enough for three folds of five."""
    return simulate_cohort(AppearanceModel.shipped(), tmp_path_factory.mktemp("some") / "cohort", plan=PLAN, seed=7)


@pytest.fixture(scope="module")
def workspace_root(cohort, model_store, tmp_path_factory):
    """The same people imported."""
    from deciface.workflows.importing import import_table

    root = tmp_path_factory.mktemp("imported") / "workspace"
    with Workspace.create(root) as workspace:
        assert import_table(cohort.cases, workspace, store=model_store).photos == 18
    return root


@pytest.fixture
def nobody_looks(monkeypatch):
    """Fail where a face is looked for."""

    def looked(*_, **__):
        raise AssertionError("a photo was looked at")

    monkeypatch.setattr("deciface.workflows.training_gestaltmatcher.cut_photos", looked)


@pytest.fixture(scope="module")
def trained(cohort, model_store, tmp_path_factory):
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("runs") / "run"
    return train_gestaltmatcher(cohort.folder, folder, store=model_store, settings=SETTINGS, now=now)


def test_the_folder_holds_the_run(trained):
    names = {"own.onnx", "card.yaml", "run.json", "curves.csv", "report.html"}
    assert {path.name for path in trained.folder.iterdir()} == names
    run = json.loads((trained.folder / "run.json").read_text())
    assert (run["recipe"], run["ended"], run["settings"]["base"]) == (
        "gestaltmatcher",
        "2026-01-02T03:04:00+00:00",
        "dlib-resnet",
    )
    learnt = {entry["photo"] for entry in run["data"]["learnt_from"]}
    assert 10 <= len(learnt) <= 11, "two of three folds of sixteen patients"
    assert {entry.photo for entry in read_training_manifest(trained.folder).photos} == learnt
    assert [e.stage for e in trained.epochs] == ["last layer", "all layers"]
    page = (trained.folder / "report.html").read_text()
    assert "Training of own" in page
    assert "simulated people" in page


def test_the_people_tested_on_were_not_learnt_from(trained):
    run = trained.manifest
    asked = {row.patients for row in trained.held_out}
    assert asked <= {5, 6}
    assert run["data"]["patients"] == 18
    assert [str(row.rule) for row in trained.held_out][:2] == ["nearest-image", "disorder-centroid"]
    for row in trained.held_out:
        assert 0 <= row.hits <= row.patients
        assert row.who == "trained disorders"
    assert trained.held_out[0].chance == pytest.approx(7 / 15), "photos of the other fifteen"
    assert trained.held_out[1].chance == 0.5


def test_a_rule_that_the_cohort_is_too_small_for_is_said(small_cohort):
    photos = tuple(photo for _, case in read_table(small_cohort.cases).cases for photo in case.photos)
    material = TrainingPhotos(photos, np.zeros((len(photos), 1), np.uint8))
    vectors = np.eye(len(photos), dtype=np.float32)
    held_out, refused = compare(material, vectors, vectors, test=np.flatnonzero(material.class_of >= 0), unseen=())
    assert [str(row.rule) for row in held_out] == ["nearest-image", "disorder-centroid"]
    assert "rule discriminant" in refused[0]


def test_the_page_shows_who_was_learnt_from_and_what_chance_gives(trained):
    page = (trained.folder / "report.html").read_text()
    text = " ".join(re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split())
    tested = trained.held_out[0].patients
    taught = len(trained.manifest["data"]["learnt_from"])
    fold_of = patient_folds([str(i) for i in range(18)], np.array([-1] * 2 + [0] * 8 + [1] * 8), folds=3, seed=0)
    chosen = int((fold_of[2:] == 1).sum())
    learnt = taught - chosen
    assert f"{learnt} patients, {learnt} photos, 2 classes of" in text
    assert f"the run {learnt} {learnt} {chosen} {chosen} {tested} {tested}" in text
    assert "2 people without a settled diagnosis, or with several: no class" in text
    assert "own disorder first, nearest-image trained disorders" in text
    assert "47 %" in text
    assert f"{learnt} photos of {learnt} simulated people with 2 disorders" in trained.card.trained_on
    assert f"the epoch chosen on {chosen} others" in trained.card.trained_on


def test_the_encoder_can_be_added_and_trained_further(trained, model_store, tmp_path):
    store = ModelStore(tmp_path / "models")
    shutil.copytree(model_store.root, store.root)
    card = add_model(store, trained.folder / "own.onnx", card=trained.folder / "card.yaml")
    assert card.id == "own"
    assert open_base(store, "own").card.dimensions == 128


def test_a_finished_run_is_answered_at_once(trained, cohort, model_store, nobody_looks):
    before = {path.name: path.read_bytes() for path in trained.folder.iterdir()}
    again = train_gestaltmatcher(
        cohort.folder, trained.folder, store=model_store, settings=SETTINGS, now=now, resume=True
    )
    assert (again.card, again.epochs, again.held_out) == (trained.card, trained.epochs, trained.held_out)
    assert again.problems == trained.problems
    assert {path.name: path.read_bytes() for path in trained.folder.iterdir()} == before


def test_a_finished_run_whose_encoder_was_changed_is_refused(trained, cohort, model_store, tmp_path, nobody_looks):
    folder = tmp_path / "run"
    shutil.copytree(trained.folder, folder)
    (folder / "own.onnx").write_bytes(b"another")
    with pytest.raises(
        ModelError, match=r"own\.onnx' is not the file that the run wrote \(sha256 differs\); train again"
    ):
        train_gestaltmatcher(cohort.folder, folder, store=model_store, settings=SETTINGS, now=now, resume=True)


def test_another_run_is_refused_before_a_photo_is_looked_at(trained, cohort, model_store, tmp_path, nobody_looks):
    with pytest.raises(OptionError, match="holds a run already; go on with it by --resume"):
        train_gestaltmatcher(cohort.folder, trained.folder, store=model_store, settings=SETTINGS, now=now)
    for change, name in (({"epochs": 2}, "epochs"), ({"seed": 1}, "seed"), ({"model_id": "other"}, "model_id")):
        with pytest.raises(MismatchError, match=f"is a run with another {name}; give the same, or name a new folder"):
            train_gestaltmatcher(
                cohort.folder,
                trained.folder,
                store=model_store,
                settings=replace(SETTINGS, **change),
                now=now,
                resume=True,
            )
    copy = tmp_path / "copy"
    shutil.copytree(cohort.folder, copy)
    (copy / "cases.csv").write_text((copy / "cases.csv").read_text().replace("SIM-05", "SIM-09"))
    with pytest.raises(MismatchError, match="is a run with other photos or labels; give the same ones"):
        train_gestaltmatcher(copy, trained.folder, store=model_store, settings=SETTINGS, now=now, resume=True)


class PowerCutError(Exception):
    pass


def killed_and_resumed(cohort, model_store, folder, after):
    """Run until after an epoch, disturb what a process may have drawn, and go on."""
    torch = pytest.importorskip("torch")

    def stop(epoch):
        if epoch.number == after:
            raise PowerCutError

    torch.manual_seed(99)
    with pytest.raises(PowerCutError):
        train_gestaltmatcher(cohort.folder, folder, store=model_store, settings=TWO, now=now, advance=stop)
    torch.manual_seed(123)
    return train_gestaltmatcher(cohort.folder, folder, store=model_store, settings=TWO, now=now, resume=True)


TWO = replace(SETTINGS, head_epochs=2)


def test_the_same_command_gives_the_same_file_interrupted_or_not(cohort, model_store, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    found = cut_photos(read_cohort(cohort.folder, on=now().date()), Cropped("dlib-150"), store=model_store)
    monkeypatch.setattr("deciface.workflows.training_gestaltmatcher.cut_photos", lambda *_, **__: found)
    files = []
    for number in range(2):
        torch.manual_seed(number)
        run = train_gestaltmatcher(cohort.folder, tmp_path / f"r{number}", store=model_store, settings=TWO, now=now)
        files.append((run.folder / run.card.file).read_bytes())
    for after in (1, 2):
        run = killed_and_resumed(cohort, model_store, tmp_path / f"k{after}", after)
        files.append((run.folder / run.card.file).read_bytes())
    assert len(set(files)) == 1
    other = replace(TWO, seed=1)
    run = train_gestaltmatcher(cohort.folder, tmp_path / "other", store=model_store, settings=other, now=now)
    assert (run.folder / run.card.file).read_bytes() != files[0]


def test_a_damaged_checkpoint_is_said_before_a_photo_is_looked_at(trained, cohort, model_store, tmp_path, nobody_looks):
    folder = tmp_path / "run"
    folder.mkdir()
    unfinished = json.loads((trained.folder / "run.json").read_text()) | {"ended": None}
    (folder / "run.json").write_text(json.dumps(unfinished))
    (folder / "checkpoint.pt").write_bytes(b"torn")
    with pytest.raises(ModelError, match=r"checkpoint\.pt' is no checkpoint of this program, or is damaged; remove it"):
        train_gestaltmatcher(cohort.folder, folder, store=model_store, settings=SETTINGS, now=now, resume=True)


def test_people_without_consent_are_counted(cohort, model_store, tmp_path, nobody_looks):
    head, *rows = cohort.cases.read_text().splitlines()
    real = [
        f"{row.removesuffix(',yes')},no,{'care' if number < 2 else 'reference gallery'}"
        for number, row in enumerate(rows)
    ]
    table = tmp_path / "cases.csv"
    table.write_text("\n".join([f"{head},consent", *real]).replace("photos/", f"{cohort.folder}/photos/"))
    said = []
    with pytest.raises(InputError, match="14 patients to learn from and test on; at least 15 are needed"):
        train_gestaltmatcher(table, tmp_path / "run", store=model_store, settings=SETTINGS, now=now, say=said.append)
    assert said == ["2 photos of 2 people not used: their consents do not allow the reference gallery"]


def test_a_workspace_notes_whom_a_model_learnt_from(workspace_root, model_store, tmp_path):
    pytest.importorskip("torch")
    from sqlalchemy import select

    root = tmp_path / "workspace"
    shutil.copytree(workspace_root, root)
    trained = train_gestaltmatcher(root, tmp_path / "run", store=model_store, settings=SETTINGS, now=now)
    learnt = {entry["photo"] for entry in trained.manifest["data"]["learnt_from"]}
    with Workspace.open(root) as workspace, workspace.engine.connect() as connection:
        assert set(connection.execute(select(tables.trained_on.c.photo_id)).scalars()) == learnt
        assert connection.execute(select(tables.trained_models.c.sha256)).scalar_one() == trained.card.sha256
    with Workspace.open(root) as workspace:
        workspace.withdraw(SubjectKind.PHOTO, min(learnt))
        left = {path.name for path in (tmp_path / "run").iterdir()}
        assert "checkpoint.pt" not in left
        with workspace.engine.connect() as connection:
            assert connection.execute(select(tables.trained_models.c.withdrawn_photos)).scalar_one() == 1
        with pytest.raises(InputError, match="is not in the workspace or was withdrawn; train it again without"):
            workspace.note_trained("a" * 64, "late", photo_ids=learnt)
        with pytest.raises(InputError, match="names no photo it learnt from"):
            workspace.note_trained("a" * 64, "empty", photo_ids=[])


NAN = float("nan")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"folds": 2}, OptionError, "2 folds; at least 3 are needed"),
        ({"folds": 9}, OptionError, "9 folds of 16 patients leave 1 to choose the epoch on .* give 3 folds$"),
        ({"unseen": ("SIM-99",)}, OptionError, "disorder 'SIM-99' is not in the cohort; there are SIM-01, SIM-05"),
        ({"unseen": ("SIM-01",)}, InputError, "1 class with 2 or more patients; at least 2 are needed"),
        ({"model_id": "../../x"}, OptionError, r"--id '../../x'; allowed are 2 to 63 small letters, digits"),
        ({"model_id": "dlib-resnet"}, OptionError, "--id 'dlib-resnet' is a model that DeciFace knows already"),
        ({"device": "banana"}, OptionError, "device 'banana' is not here; PyTorch finds cpu"),
        ({"seed": -4}, OptionError, "seed = -4; a whole number of at least 0"),
        ({"patience": 0}, OptionError, "patience = 0; a whole number of at least 1"),
        ({"epochs": 0}, OptionError, "stage 'all layers': 0 epochs"),
        ({"head_epochs": -3}, OptionError, "stage 'last layer': -3 epochs"),
        ({"rate": NAN}, OptionError, "stage 'all layers': .* at learning rate nan"),
        ({"rate": -1.0}, OptionError, "at learning rate -1"),
        ({"batch": 0}, OptionError, "batch = 0; at least 2 photos"),
        ({"base": "nothing"}, ModelError, "no model 'nothing'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_is_not_possible_is_said_before_a_photo_is_looked_at_and_leaves_nothing(
    cohort, model_store, tmp_path, nobody_looks, change, error, message
):
    pytest.importorskip("torch")
    with pytest.raises(error, match=message):
        train_gestaltmatcher(
            cohort.folder, tmp_path / "run", store=model_store, settings=replace(SETTINGS, **change), now=now
        )
    assert not list(tmp_path.iterdir())


def drawn_people(sizes, *, family=(), suspected=()):
    """Material without crops: so many people of each disorder, one photo each."""
    photos = []
    for label, size in sizes.items():
        for k in range(size):
            who = f"{label}{k}"
            status = DiagnosisStatus.SUSPECTED if who in suspected else DiagnosisStatus.CLINICAL
            diagnosis = Diagnosis(Disorder(label, label), (), status)
            patient = Patient(who, family="F" if who in family else None)
            photos.append(Photo(who, patient, f"sha of {who}", diagnoses=(diagnosis,)))
    return TrainingPhotos(tuple(photos), np.zeros((len(photos), 1), np.uint8))


def test_a_disorder_of_which_nobody_is_learnt_from_is_tested_as_unseen():
    material = drawn_people({"A": 12, "B": 12, "C": 2})
    found = next(
        d for seed in range(30) if "C" in (d := divide(material, replace(SETTINGS, folds=4, seed=seed))).unseen
    )
    of_c = {i for i, label in enumerate(material.labels) if label == "C"}
    assert of_c <= set(found.test.tolist())
    assert not of_c & {*found.learn.tolist(), *found.choose.tolist()}


def test_relatives_are_on_one_side():
    family = ("A0", "A1", "A2", "A3")
    material = drawn_people({"A": 12, "B": 12}, family=family)
    rows = {i for i, who in enumerate(material.patients) if who in family}
    for seed in range(6):
        found = divide(material, replace(SETTINGS, seed=seed))
        sides = [rows & set(side.tolist()) for side in (found.learn, found.choose, found.test)]
        assert sorted(map(len, sides)) == [0, 0, 4]


def test_nothing_is_tested_on_whom_the_base_knows():
    material = drawn_people({"A": 24, "B": 24})
    plain = divide(material, SETTINGS)
    known = {material.patients[i] for i in plain.test[:3].tolist()}
    found = divide(material, SETTINGS, learnt_before=known)
    assert found.test.tolist() == plain.test[3:].tolist()
    assert found.learn.tolist() == plain.learn.tolist()
    with pytest.raises(InputError, match="0 patients left to test on; at least 5 are needed: add patients a disorder"):
        divide(material, SETTINGS, learnt_before=set(material.patients))


def test_what_is_unseen_needs_two_and_a_suspicion_teaches_nothing():
    material = drawn_people({"A": 12, "B": 12, "C": 1})
    with pytest.raises(OptionError, match="disorder 'C' has one patient; at least 2 of different families are needed"):
        divide(material, replace(SETTINGS, unseen=("C",)))
    doubtful = drawn_people({"A": 12, "B": 12}, suspected=("A0", "B1"))
    found = divide(doubtful, SETTINGS)
    rows = {*found.learn.tolist(), *found.choose.tolist(), *found.test.tolist()}
    assert {doubtful.patients[i] for i in rows} == set(doubtful.patients) - {"A0", "B1"}


def test_one_picture_of_two_patients_is_refused(cohort, model_store, tmp_path):
    pytest.importorskip("torch")
    copy = tmp_path / "copy"
    shutil.copytree(cohort.folder, copy)
    one, other = sorted((copy / "photos").iterdir())[::17]
    shutil.copy(one, other)
    with pytest.raises(InputError, match="have the same pixels and patients"):
        train_gestaltmatcher(copy, tmp_path / "run", store=model_store, settings=SETTINGS, now=now)
    assert not (tmp_path / "run").exists()


def test_an_encoder_begun_from_one_trained_here_remembers_whom_that_knew(workspace_root, model_store, tmp_path):
    pytest.importorskip("torch")
    root = tmp_path / "workspace"
    shutil.copytree(workspace_root, root)
    first = train_gestaltmatcher(root, tmp_path / "first", store=model_store, settings=SETTINGS, now=now)
    store = ModelStore(tmp_path / "models")
    shutil.copytree(model_store.root, store.root)
    add_model(store, first.folder / "own.onnx", card=first.folder / "card.yaml")
    with Workspace.open(root) as workspace:
        by_id = {photo.id: photo for photo in workspace.photos()}
    knew = {entry["photo"] for entry in first.manifest["data"]["learnt_from"]}
    lineage = lineage_of(first.card, root)
    assert lineage.known
    assert {photo.photo_id for photo in lineage.photos} == knew
    assert lineage.patients == {by_id[i].patient.id for i in knew}
    said = []
    further = replace(SETTINGS, base="own", model_id="further")
    second = train_gestaltmatcher(root, tmp_path / "second", store=store, settings=further, now=now, say=said.append)
    assert said == []
    data = second.manifest["data"]
    assert data["base_learnt_from"] == f"{len(knew)} photos"
    assert knew <= {entry["photo"] for entry in data["learnt_from"]}
    with Workspace.open(root) as workspace:
        (noted,) = (one for one in trained_models(workspace) if one.sha256 == second.card.sha256)
        assert knew <= {photo.photo_id for photo in noted.photos}
        workspace.withdraw(SubjectKind.PHOTO, min(knew))
    with pytest.raises(InputError, match="base 'own' learnt from a photo that was withdrawn since; begin from another"):
        train_gestaltmatcher(root, tmp_path / "third", store=store, settings=further, now=now)
    assert not lineage_of(first.card, tmp_path).known


def test_an_id_that_the_store_has_is_said_at_once(trained, cohort, model_store, tmp_path, nobody_looks):
    store = ModelStore(tmp_path / "models")
    shutil.copytree(model_store.root, store.root)
    add_model(store, trained.folder / "own.onnx", card=trained.folder / "card.yaml")
    said = []
    with pytest.raises(AssertionError, match="a photo was looked at"):
        train_gestaltmatcher(cohort.folder, tmp_path / "run", store=store, settings=SETTINGS, now=now, say=said.append)
    assert len(said) == 1
    assert (
        "the model store has a 'own' already; to add this encoder beside it, begin again with another --id" in said[0]
    )


def test_a_folder_with_other_files_and_a_cohort_that_is_none(cohort, model_store, tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OptionError, match="holds other files; name a new folder for the run"):
        train_gestaltmatcher(cohort.folder, tmp_path, store=model_store, settings=SETTINGS, now=now)
    with pytest.raises(
        InputError, match=r"does not exist; give a case table, a folder with cases\.csv, or a workspace"
    ):
        train_gestaltmatcher(tmp_path / "x", tmp_path / "run", store=model_store, settings=SETTINGS, now=now)
    empty = tmp_path / "cases.csv"
    empty.write_text("patient,disorder\nP1,D1\n")
    with pytest.raises(NothingFoundError, match="has no photo to train on"):
        train_gestaltmatcher(empty, tmp_path / "run", store=model_store, settings=SETTINGS, now=now)
