"""Train a DeepGestalt-type model: cross-validate it by patient, keep one learnt from everybody, write the run's folder.

The folder of a run holds::

    model.onnx         the networks of all regions, with labels and heatmaps
    card.yaml          what it takes, gives, was trained on and may be used for
    run.json           the manifest: data, seed, versions, settings, results
    predictions.csv    scores of every photo by networks that never saw the patient
    curves.csv         every epoch of every fold
    report.html        the results for people
    checkpoint-*.pt    where an interrupted run goes on; gone when it has ended
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.cases import RESEARCH_USE_ONLY, SIMULATED
from deciface.encoders.deepgestalt import Description, weights_of
from deciface.encoders.deepgestalt_export import onnx_from_deepgestalt
from deciface.encoders.torch_encoder import check_device
from deciface.evaluation.classification import PublishedFigure, published_beside
from deciface.evaluation.classification_document import as_document, published_document
from deciface.faces import Face, Pyramid
from deciface.faces.region_crops import Region, region_crops
from deciface.models import ModelStore
from deciface.reports.classification import nothing_learnt
from deciface.store import Workspace
from deciface.training.deepgestalt_folds import (
    CrossValidated,
    cross_validate,
    recipe_of,
    train_on_everybody,
    usual_epochs,
)
from deciface.training.deepgestalt_measures import ALL_REGIONS, Measured, measure
from deciface.training.loop import need_checkpoint
from deciface.training.manifest import (
    CARD_FILE,
    CURVES_FILE,
    RUN_FILE,
    curves_table,
    run_document,
)
from deciface.training.photos import TrainingPhotos
from deciface.training.recipe import Epoch
from deciface.workflows.training_cohort import is_workspace, read_cohort
from deciface.workflows.training_deepgestalt_files import (
    card_text,
    in_words,
    learnt_by,
    predictions_table,
    report_page,
)
from deciface.workflows.training_deepgestalt_material import Ready, Settings, divided, few_to_stop_by, prepare
from deciface.workflows.training_photos import cut_photos
from deciface.workflows.training_runs import (
    RunFolder,
    earlier_run,
    need_run_folder,
    need_same_cohort,
    need_written,
    open_run,
)

MODEL_FILE = "model.onnx"
PREDICTIONS_FILE = "predictions.csv"
REPORT_FILE = "report.html"
RECIPE = "deepgestalt"
IN_WORDS = "in words"
"""Key of the results' lines for people."""


@dataclass(frozen=True, slots=True)
class RegionCut:
    """Cuts the regions of a face; travels to other processes."""

    regions: tuple[Region, ...]

    def __call__(self, pyramid: Pyramid, face: Face) -> NDArray[np.uint8]:
        """(regions, 100, 100) uint8."""
        return region_crops(pyramid, face, self.regions).crops


@dataclass(frozen=True, eq=False)
class TrainedDeepGestalt:
    """What came of a run: its folder, and the content of its run.json."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def model(self) -> Path:
        """The model's file."""
        return self.folder / MODEL_FILE

    @property
    def results(self) -> Mapping[str, Any]:
        """What was measured on people whom the networks never saw."""
        found: Mapping[str, Any] = self.manifest["results"]
        return found

    def as_document(self) -> dict[str, Any]:
        """Return what `deciface train deepgestalt --json` prints."""
        data = self.manifest["data"]
        return {
            "notice": RESEARCH_USE_ONLY,
            "notices": list(self.manifest["notices"]),
            "folder": str(self.folder),
            "model": str(self.model),
            "report": str(self.folder / REPORT_FILE),
            "simulated": bool(data["simulated_photos"]),
            "without_consent": data["without_consent"],
            "problems": data["not_used"],
            **{name: value for name, value in self.results.items() if name != IN_WORDS},
        }


def train_deepgestalt(
    cohort: Path,
    folder: Path,
    *,
    store: ModelStore,
    settings: Settings,
    resume: bool = False,
    now: Callable[[], dt.datetime],
    look_advance: Callable[[int], None] = lambda _: None,
    advance: Callable[[str, Epoch], None] = lambda _, __: None,
    say: Callable[[str], None] = lambda _: None,
) -> TrainedDeepGestalt:
    """Learn from a cohort; leave model, card, manifest, predictions, curves and report in a folder.

    Parameters
    ----------
    cohort
        See `deciface.workflows.training_cohort.read_cohort`. A workspace notes whom the model was learnt from.
    folder
        New, or that of a run to go on with (`resume`). Of a run that has ended the answer is what is there.
    store, settings
        Models of the face finder; what to train and how.
    now
        The clock.
    look_advance, advance
        Called with photos looked at, and with every epoch of every fold.
    say
        Is told what a person should know before it begins, one line each.

    Raises
    ------
    InputError, TableError, NothingFoundError
        A cohort that cannot be read or learnt from: a class with too few patients, an empty fold, one picture under two
        patients.
    OptionError, MismatchError
        An unknown disorder; a folder that holds something else, or a run of other data or settings.
    ModelError
        PyTorch or the face finder's files are missing, a damaged checkpoint, or not enough memory.
    """
    plan = settings.plan
    check_device(plan.device)
    recipe_of(plan, "fold", plan.epochs)  # judges epochs, rate and seed
    need_run_folder(folder, resume=resume)
    earlier = earlier_run(folder, recipe=RECIPE, settings=settings.as_document())
    for path in sorted(folder.glob("checkpoint-*.pt")):
        need_checkpoint(path)
    asked = read_cohort(cohort, on=now().astimezone().date())
    for remark in asked.remarks:
        say(remark)
    need_same_cohort(earlier, folder, digest=asked.digest)
    if earlier.get("ended") and need_written(folder / MODEL_FILE, sha256=earlier["results"]["model_sha256"]):
        return TrainedDeepGestalt(folder, earlier)
    divided(TrainingPhotos(asked.photos, np.zeros((len(asked.photos), 0), np.uint8)), settings)
    found = cut_photos(asked, RegionCut(plan.regions), store=store, advance=look_advance)
    ready = prepare(found, settings)  # divides again: there may be photos without a face
    started = str(earlier.get("started") or now().isoformat(timespec="seconds"))
    run = _Run(open_run(folder, resume=resume), settings, ready, started)
    run.folder.write_manifest(run.manifest(None, {}))
    validated = cross_validate(ready.material, plan, folder=folder, advance=advance)
    epochs = usual_epochs(validated)
    kept = train_on_everybody(ready.material, plan, epochs=epochs, folder=folder, advance=advance)
    measured = measure(ready.material, ready.labelled, validated, plan)
    published = published_beside(measured[0][1], ready.labelled.disorders)
    content = onnx_from_deepgestalt(weights_of(kept.network), run.description)
    results = _results(ready, measured, published, validated, epochs)
    results["model_sha256"] = hashlib.sha256(content).hexdigest()
    done = run.manifest(now().isoformat(timespec="seconds"), results)
    done["notices"] += [notice for notice in (nothing_learnt(measured[0][1]), few_to_stop_by(ready, plan)) if notice]
    learnt = learnt_by(ready.photos, ready.material, validated, plan, not_used=found.not_used)
    page = report_page(done, ready.labelled, measured, published, learnt, now=now())
    records = [
        *run.write_tables(validated, [*validated.histories, kept.history]),
        run.folder.write(REPORT_FILE, page),
        folder / RUN_FILE,
    ]
    if is_workspace(cohort):
        _note(cohort, results["model_sha256"], ready.photos, records)  # before the model: who withdrew is in none
    run.write_model(content)
    run.folder.write_manifest(done)  # last: a run that has ended is whole
    for checkpoint in folder.glob("checkpoint-*.pt"):
        checkpoint.unlink()  # copies of what was learnt, of no more use
    return TrainedDeepGestalt(folder, done)


@dataclass(frozen=True, eq=False)
class _Run:
    """A run's folder and what is written into it."""

    folder: RunFolder
    settings: Settings
    ready: Ready
    started: str

    @property
    def description(self) -> Description:
        labels, regions = self.ready.labelled.labels, self.settings.plan.regions
        return Description(self.settings.kind, labels, regions, _trained_on(self.ready))

    def manifest(self, ended: str | None, results: Mapping[str, Any]) -> dict[str, Any]:
        plan = self.settings.plan
        return run_document(
            RECIPE,
            recipe=recipe_of(plan, "fold", plan.epochs),
            settings=self.settings.as_document(),
            material=self.ready.data,
            started=self.started,
            ended=ended,
            results=results,
        )

    def write_model(self, content: bytes) -> None:
        card = card_text(self.description, content, channels=self.settings.plan.channels, file=MODEL_FILE)
        self.folder.write(CARD_FILE, card)
        self.folder.write(MODEL_FILE, content)

    def write_tables(self, validated: CrossValidated, histories: Sequence[Sequence[Epoch]]) -> list[Path]:
        curves = curves_table([epoch for history in histories for epoch in history])
        table = predictions_table(self.ready.photos, self.ready.labelled, self.ready.material, validated)
        return [self.folder.write(CURVES_FILE, curves), self.folder.write(PREDICTIONS_FILE, table)]


def _results(
    ready: Ready,
    measured: Sequence[Measured],
    published: Sequence[PublishedFigure],
    validated: CrossValidated,
    epochs: int,
) -> dict[str, Any]:
    return {
        "kind": str(ready.labelled.kind),
        "labels": [{"id": label.id, "name": label.name} for label in ready.labelled.labels],
        "left_out": len(ready.found.material.photos) - len(ready.photos.photos),
        ALL_REGIONS: as_document(measured[0][1]),
        "by region": {name: as_document(result) for name, result in measured[1:]},
        "chosen_epochs": list(validated.chosen_epochs),
        "epochs_on_everybody": epochs,
        "published": published_document(published),
        IN_WORDS: [
            *in_words(measured[0][1], published),
            *(f"{name} alone: {in_words(result)[0]}" for name, result in measured[1:]),
        ],
    }


def _trained_on(ready: Ready) -> str:
    photos = ready.photos
    simulated = all(photo.patient.simulated for photo in photos.photos)
    people = f"{len(photos.photos)} photos of {len(set(photos.patients))} people ({ready.found.source})"
    return f"{people}; {SIMULATED}" if simulated else people


def _note(workspace: Path, sha256: str, photos: TrainingPhotos, files: Sequence[Path]) -> None:
    """Note in a workspace whom the model was learnt from, so that it is marked when one of them is withdrawn."""
    with Workspace.open(workspace) as opened:
        ids = [photo.id for photo in photos.photos]
        opened.note_trained(sha256, "DeepGestalt-type model", photo_ids=ids, files=files)
