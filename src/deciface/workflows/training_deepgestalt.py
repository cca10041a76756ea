"""Train a DeepGestalt-type model: cross-validate it by patient, keep one learnt from everybody, write the run's folder.

The folder of a run holds::

    model.onnx         the networks of all regions, with labels and heatmaps
    card.yaml          what it takes, gives, was trained on and may be used for
    run.json           the manifest: data, seed, versions, settings, results
    predictions.csv    scores of every photo by networks that never saw the patient
    curves.csv         every epoch of every fold
    report.html        the results for people
    checkpoint-*.pt    where an interrupted run goes on
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.cases import RESEARCH_USE_ONLY, SIMULATED
from deciface.encoders.deepgestalt import Description, Label, ModelKind, weights_of
from deciface.encoders.deepgestalt_export import onnx_from_deepgestalt
from deciface.encoders.torch_encoder import check_device
from deciface.errors import MismatchError
from deciface.evaluation.classification import Classification, PublishedFigure, published_beside
from deciface.evaluation.classification_document import as_document, published_document
from deciface.faces import Face, Pyramid
from deciface.faces.region_crops import Region, region_crops
from deciface.models import ModelStore
from deciface.store import Workspace
from deciface.training.deepgestalt_folds import (
    CrossValidated,
    TrainingMaterial,
    TrainingPlan,
    cross_validate,
    divide,
    recipe_of,
    train_on_everybody,
    usual_epochs,
)
from deciface.training.deepgestalt_labels import Labelled, label_photos
from deciface.training.deepgestalt_measures import ALL_REGIONS, Measured, measure, refuse_shared_pixels
from deciface.training.loop import Epoch
from deciface.training.manifest import (
    CARD_FILE,
    CURVES_FILE,
    RUN_FILE,
    curves_table,
    material_as_document,
    run_document,
)
from deciface.training.photos import TrainingPhotos
from deciface.workflows.training_deepgestalt_files import card_text, predictions_table, report_page
from deciface.workflows.training_photos import FoundPhotos, is_workspace, training_photos
from deciface.workflows.training_runs import RunFolder, open_run

MODEL_FILE = "model.onnx"
PREDICTIONS_FILE = "predictions.csv"
REPORT_FILE = "report.html"
RECIPE = "deepgestalt"


@dataclass(frozen=True, slots=True)
class RegionCut:
    """Cuts the regions of a face; travels to other processes."""

    regions: tuple[Region, ...]

    def __call__(self, pyramid: Pyramid, face: Face) -> NDArray[np.uint8]:
        """(regions, 100, 100) uint8."""
        return region_crops(pyramid, face, self.regions).crops


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be chosen of a run.

    Parameters
    ----------
    kind, disorders, leave_out_small
        What is told apart; see `deciface.training.deepgestalt_labels.label_photos`.
    plan
        How it is learnt.
    """

    kind: ModelKind
    plan: TrainingPlan
    disorders: tuple[str, ...] = ()
    leave_out_small: bool = False

    def as_document(self) -> dict[str, Any]:
        """What decides the result besides the data and the seed."""
        plan = self.plan
        return {
            "kind": str(self.kind),
            "disorders": list(self.disorders),
            "leave_out_small": self.leave_out_small,
            "regions": [str(region) for region in plan.regions],
            "folds": plan.folds,
            "epochs": plan.epochs,
            "batch": plan.batch,
            "channels": list(plan.channels),
            "balance_ancestry": plan.balance_ancestry,
            "seed": plan.seed,
        }


@dataclass(frozen=True, eq=False)
class TrainedDeepGestalt:
    """What came of a run.

    Parameters
    ----------
    folder, model
        Where it is, and the model's file in it.
    labels
        The classes.
    result, by_region
        Measured on people whom the networks never saw: by the averaged scores, and by each region alone.
    published
        Figures that others printed for the same quantities on their own data.
    left_out
        Photos without a class of this model.
    problems
        Photos that could not be used, and why, one line each.
    manifest
        Content of run.json.
    """

    folder: Path
    model: Path
    labels: tuple[Label, ...]
    result: Classification
    by_region: tuple[Measured, ...]
    published: tuple[PublishedFigure, ...]
    left_out: int
    problems: tuple[str, ...]
    manifest: Mapping[str, Any]

    def as_document(self) -> dict[str, Any]:
        """Return what `deciface train deepgestalt --json` prints."""
        return {
            "notice": RESEARCH_USE_ONLY,
            "folder": str(self.folder),
            "model": str(self.model),
            "report": str(self.folder / REPORT_FILE),
            "simulated": bool(self.manifest["data"]["simulated_photos"]),
            "labels": [{"id": label.id, "name": label.name} for label in self.labels],
            "left_out": self.left_out,
            "problems": list(self.problems),
            **self.manifest["results"],
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
) -> TrainedDeepGestalt:
    """Learn from a cohort; leave model, card, manifest, predictions, curves and report in a folder.

    Parameters
    ----------
    cohort
        See `deciface.workflows.training_photos.training_photos`. A workspace notes whom the model was learnt from.
    folder
        New, or that of a run to go on with (`resume`).
    store, settings
        Models of the face finder; what to train and how.
    now
        The clock.
    look_advance, advance
        Called with photos looked at, and with every epoch of every fold.

    Raises
    ------
    InputError, TableError, NothingFoundError
        A cohort that cannot be read or learnt from: a class with too few patients, an empty fold, one picture under two
        patients.
    OptionError, MismatchError
        An unknown disorder; a folder that holds something else, or a run of other data or settings.
    ModelError
        PyTorch or the face finder's files are missing, or there is not enough memory.
    """
    check_device(settings.plan.device)
    earlier: Mapping[str, Any] = {}
    if folder.exists():  # before the photos are looked at, which takes minutes
        open_run(folder, resume=resume)
        earlier = _earlier(folder, settings)
    found = training_photos(cohort, RegionCut(settings.plan.regions), store=store, advance=look_advance)
    ready = prepare(found, settings)
    if earlier and earlier["data"]["digest"] != ready.data["digest"]:
        raise MismatchError(
            f"'{folder}' is a run with other photos or labels; give the same ones, or name a new folder"
        )
    started = str(earlier.get("started") or now().isoformat(timespec="seconds"))
    run = _Run(open_run(folder, resume=resume), settings, ready, started)
    run.folder.write_manifest(run.manifest(None, {}))
    validated = cross_validate(ready.material, settings.plan, folder=folder, advance=advance)
    epochs = usual_epochs(validated)
    kept = train_on_everybody(ready.material, settings.plan, epochs=epochs, folder=folder, advance=advance)
    measured = measure(ready.material, ready.labelled, validated, settings.plan)
    published = published_beside(measured[0][1], ready.labelled.disorders)
    results = _results(settings, measured, published, validated, epochs)
    content = onnx_from_deepgestalt(weights_of(kept.network), run.description)
    if is_workspace(cohort):
        _note(cohort, content, ready.photos)  # before the model is there: whoever withdrew meanwhile is in none
    run.write_model(content)
    run.write_tables(validated, [*validated.histories, kept.history])
    done = run.manifest(now().isoformat(timespec="seconds"), results)
    run.folder.write(REPORT_FILE, report_page(done, ready.labelled, measured, published, now=now()))
    run.folder.write_manifest(done)  # last: a run that has ended is whole
    return TrainedDeepGestalt(
        folder=folder,
        model=folder / MODEL_FILE,
        labels=ready.labelled.labels,
        result=measured[0][1],
        by_region=tuple(measured[1:]),
        published=published,
        left_out=len(ready.found.material.photos) - len(ready.photos.photos),
        problems=tuple(f"{problem.photo}: {problem.message}" for problem in ready.found.problems),
        manifest=done,
    )


@dataclass(frozen=True, eq=False)
class Ready:
    """What is learnt from: everything that was found, and what has a class."""

    found: FoundPhotos
    labelled: Labelled
    photos: TrainingPhotos
    material: TrainingMaterial
    data: Mapping[str, Any]


def prepare(found: FoundPhotos, settings: Settings) -> Ready:
    """Label and divide what was found, so that whatever is wrong is said before anything is written.

    Raises
    ------
    InputError
        A class with too few patients, an empty fold, one picture under two patients.
    OptionError
        An unknown disorder.
    """
    everybody = found.material
    refuse_shared_pixels(everybody)
    labelled = label_photos(
        everybody.photos,
        settings.kind,
        disorders=settings.disorders,
        leave_out_small=settings.leave_out_small,
    )
    rows = np.flatnonzero(labelled.class_of >= 0)
    label_of = {everybody.photos[i].id: labelled.label_of(i) for i in rows.tolist()}
    photos = TrainingPhotos(
        tuple(everybody.photos[i] for i in rows), everybody.crops[rows], lambda photo: label_of[photo.id]
    )
    ancestries = tuple(photo.patient.ancestry_label for photo in photos.photos)
    material = TrainingMaterial(photos.crops, labelled.class_of[rows], photos.patients, photos.digest, ancestries)
    divide(material, settings.plan)
    data = material_as_document(photos, source=found.source, learnt_from=range(len(rows)))
    return Ready(found, labelled, photos, material, data)


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

    def write_tables(self, validated: CrossValidated, histories: Sequence[Sequence[Epoch]]) -> None:
        self.folder.write(CURVES_FILE, curves_table([epoch for history in histories for epoch in history]))
        table = predictions_table(self.ready.photos, self.ready.labelled, self.ready.material, validated)
        self.folder.write(PREDICTIONS_FILE, table)


def _results(
    settings: Settings,
    measured: Sequence[Measured],
    published: Sequence[PublishedFigure],
    validated: CrossValidated,
    epochs: int,
) -> dict[str, Any]:
    return {
        "kind": str(settings.kind),
        ALL_REGIONS: as_document(measured[0][1]),
        "by region": {name: as_document(result) for name, result in measured[1:]},
        "chosen_epochs": list(validated.chosen_epochs),
        "epochs_on_everybody": epochs,
        "published": published_document(published),
    }


def _earlier(folder: Path, settings: Settings) -> dict[str, Any]:
    """Manifest of the run that is gone on with; empty where there is none.

    Raises
    ------
    MismatchError
        It was another run.
    """
    path = folder / RUN_FILE
    if not path.is_file():
        return {}
    try:
        held = dict(json.loads(path.read_text(encoding="utf-8")))
        recipe, said, _ = held["recipe"], dict(held["settings"]), held["data"]["digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MismatchError(f"'{path}' cannot be read as the manifest of a run; name a new folder") from error
    own = json.loads(json.dumps(settings.as_document()))
    changed = [name for name in own if said.get(name) != own[name]] if recipe == RECIPE else ["recipe"]
    if changed:
        raise MismatchError(f"'{folder}' is a run with another {changed[0]}; give the same, or name a new folder")
    return held


def _trained_on(ready: Ready) -> str:
    photos = ready.photos
    simulated = all(photo.patient.simulated for photo in photos.photos)
    people = f"{len(photos.photos)} photos of {len(set(photos.patients))} people ({ready.found.source})"
    return f"{people}; {SIMULATED}" if simulated else people


def _note(workspace: Path, content: bytes, photos: TrainingPhotos) -> None:
    """Note in a workspace whom the model was learnt from, so that it is marked when one of them is withdrawn."""
    with Workspace.open(workspace) as opened:
        sha256 = hashlib.sha256(content).hexdigest()
        opened.note_trained(sha256, "DeepGestalt-type model", photo_ids=[photo.id for photo in photos.photos])
