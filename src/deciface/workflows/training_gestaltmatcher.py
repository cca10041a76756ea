"""Train an encoder by the GestaltMatcher recipe, and measure it on people it never saw, beside what it began as."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.cases import Encoding, Photo, View
from deciface.errors import InputError, OptionError
from deciface.faces import Face, Pyramid, align
from deciface.models import ModelCard, ModelStore
from deciface.reports.training import render
from deciface.space import Gallery, Query, Rule, rank
from deciface.store import Workspace
from deciface.training.bases import Base, open_base
from deciface.training.folds import patient_folds
from deciface.training.gestaltmatcher import DisorderTask
from deciface.training.loop import Epoch, run
from deciface.training.manifest import (
    CARD_FILE,
    CURVES_FILE,
    card_text,
    curves_table,
    encoder_card,
    identity_of,
    material_as_document,
    run_document,
)
from deciface.training.photos import TrainingPhotos
from deciface.workflows.gestaltmatcher_run import Divided, HeldOut, Rows, Settings, TrainedEncoder
from deciface.workflows.training_photos import FoundPhotos, is_workspace, training_photos
from deciface.workflows.training_report import training_report
from deciface.workflows.training_runs import open_run

CHECKPOINT, REPORT_FILE = "checkpoint.pt", "report.html"
RULES = (Rule.NEAREST_IMAGE, Rule.DISORDER_CENTROID, Rule.DISCRIMINANT)
CITATION = "Hsieh et al. 2022, Nat Genet 54:349; Hustinx et al. 2023, WACV (the recipe)"


@dataclass(frozen=True, slots=True)
class Cropped:
    """Cuts the crop of a template; travels to other processes."""

    alignment: str

    def __call__(self, pyramid: Pyramid, face: Face) -> NDArray[np.uint8]:
        """(h, w, 3) uint8 RGB."""
        return align(pyramid, face, self.alignment)


def train_gestaltmatcher(
    cohort: Path,
    folder: Path,
    *,
    store: ModelStore,
    settings: Settings,
    resume: bool = False,
    now: Callable[[], dt.datetime],
    look_advance: Callable[[int], None] = lambda _: None,
    advance: Callable[[Epoch], None] = lambda _: None,
) -> TrainedEncoder:
    """Learn from a cohort; leave encoder, card, manifest and curves in a folder.

    Parameters
    ----------
    cohort
        See `deciface.workflows.training_photos.training_photos`. A workspace notes who was learnt from, so that the
        model is marked when one of them is withdrawn.
    folder
        New, or that of a run to go on with (`resume`).
    store, settings
        Where the base is; how to train.
    now
        The clock.
    look_advance, advance
        Called after every photo with how many there are, and with every epoch.

    Raises
    ------
    InputError, TableError, NothingFoundError
        A cohort that cannot be read or learnt from.
    OptionError, MismatchError
        A folder that holds something else; a checkpoint of another run.
    ModelError
        A base that cannot be trained, PyTorch missing, no memory.
    """
    base = open_base(store, settings.base)
    cut = Cropped(str(base.card.alignment))
    if folder.exists():
        open_run(folder, resume=resume)  # before the photos are looked at, which takes minutes
    found = training_photos(cohort, cut, store=store, advance=look_advance)
    material = found.material
    divided = divide(material, settings)
    taught = [*divided.learn.tolist(), *divided.choose.tolist()]
    task = DisorderTask(
        base.trunk,
        base.card.dimensions,
        base.card,
        material,
        learn=divided.learn,
        choose=divided.choose,
        batch=settings.batch,
        balance=settings.balance_ancestry,
        device=settings.device,
    )
    task.network.eval()
    before = task.vectors(np.arange(len(material.photos)))
    run_folder = open_run(folder, resume=resume)
    started = now().isoformat(timespec="seconds")
    data = material_as_document(material, source=found.source, learnt_from=taught)

    def manifest(ended: str | None, results: Mapping[str, Any]) -> dict[str, Any]:
        return run_document(
            "gestaltmatcher",
            recipe=settings.recipe,
            settings=settings.as_document(),
            material=data,
            started=started,
            ended=ended,
            results=results,
        )

    run_folder.write_manifest(manifest(None, {}))
    epochs = run(
        task,
        settings.recipe,
        checkpoint=folder / CHECKPOINT,
        identity=identity_of(settings.recipe, settings.as_document(), material.digest),
        advance=advance,
    )
    after = task.vectors(np.arange(len(material.photos)))
    held_out, refused = compare(material, before, after, test=divided.test, unseen=settings.unseen)
    content = base.to_onnx(task.network.trunk)
    card = _card(content, base, settings, found, learnt=len(taught))
    if is_workspace(cohort):
        # before the model is written: of a model that is there, the workspace knows whom it learnt from
        _note(cohort, card, [material.photos[i].id for i in taught])
    run_folder.write(card.file, content)
    run_folder.write(CARD_FILE, card_text(card))
    run_folder.write(CURVES_FILE, curves_table(epochs))
    done = manifest(now().isoformat(timespec="seconds"), {"held_out": [h.as_document() for h in held_out]})
    run_folder.write_manifest(done)
    problems = (*(f"{p.photo}: {p.message}" for p in found.problems), *refused)
    trained = TrainedEncoder(folder, card, epochs, held_out, done, problems)
    run_folder.write(REPORT_FILE, render(training_report(trained, material, divided, settings), now=now()))
    return trained


def divide(material: TrainingPhotos, settings: Settings) -> Divided:
    """Divide the photos by patient; disorders named unseen are only tested on.

    Raises
    ------
    OptionError
        Fewer than three folds, or an unseen disorder that is not in the cohort.
    InputError
        Fewer than two disorders to learn, or a fold without patients.
    """
    if settings.folds < 3:
        raise OptionError(f"{settings.folds} folds; at least 3 are needed: to learn from, to choose on, to test on")
    if unknown := sorted(set(settings.unseen) - set(material.labels)):
        raise OptionError(
            f"disorder '{unknown[0]}' is not in the cohort; there are {', '.join(material.classes) or 'none'}"
        )
    kept = np.array([label not in settings.unseen for label in material.labels])
    seen = material.rows(np.flatnonzero(kept))
    seen.need_classes()
    class_of = np.where(kept, material.class_of, -1)
    fold = patient_folds(material.patients, class_of, folds=settings.folds, seed=settings.seed)
    learn = np.flatnonzero(kept & (class_of >= 0) & (fold > 1))
    choose = np.flatnonzero(kept & (class_of >= 0) & (fold == 1))
    test = np.flatnonzero((material.class_of >= 0) & ((fold == 0) | ~kept))
    for name, rows in (("learn from", learn), ("choose the epoch on", choose), ("test on", test)):
        if not len(rows):
            raise InputError(f"no photo left to {name} with {settings.folds} folds; add patients or give fewer folds")
    return Divided(learn, choose, test)


def compare(
    material: TrainingPhotos,
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    *,
    test: Rows,
    unseen: Collection[str],
) -> tuple[tuple[HeldOut, ...], tuple[str, ...]]:
    """Rank every held-out patient against everybody else by both encoders; say which rules the cohort is too small for.

    Parameters
    ----------
    before, after
        (n, d) unit rows of all photos.
    test
        Rows of held-out people.
    unseen
        Disorders without training photos, counted apart.
    """
    galleries = [_gallery(material, vectors) for vectors in (before, after)]
    people: dict[str, list[int]] = {}
    for row in test.tolist():
        people.setdefault(material.patients[row], []).append(row)
    results: list[HeldOut] = []
    refused: list[str] = []
    groups = {"trained disorders": False, "unseen disorders": True}
    for rule in RULES:
        try:
            for who, is_unseen in groups.items():
                asked = [rows for rows in people.values() if (material.labels[rows[0]] in unseen) is is_unseen]
                if asked:
                    hits = [sum(_first(*gallery, material, rows, rule) for rows in asked) for gallery in galleries]
                    results.append(HeldOut(who, rule, len(asked), hits[1], hits[0]))
        except OptionError as error:  # the rule needs more patients than the cohort has
            refused.append(str(error))
    return tuple(results), tuple(refused)


def _gallery(material: TrainingPhotos, vectors: NDArray[np.float32]) -> tuple[Gallery, list[Encoding]]:
    encodings = [
        Encoding(photo.id, photo.sha256, "training", "training", View("trained"), vector)
        for photo, vector in zip(material.photos, vectors, strict=True)
    ]
    kept = [i for i, photo in enumerate(material.photos) if photo.diagnoses]
    return Gallery.build([material.photos[i] for i in kept], [encodings[i] for i in kept]), encodings


def _first(
    gallery: Gallery, encodings: Sequence[Encoding], material: TrainingPhotos, rows: Sequence[int], rule: Rule
) -> bool:
    """Whether the patient's own disorder alone comes first."""
    answer = rank(
        gallery, Query.of([encodings[i] for i in rows], patient_id=material.patients[rows[0]]), rule=rule, top=2
    )
    return [d.disorder.id for d in answer.disorders if d.rank == 1] == [_disorder(material.photos[rows[0]])]


def _disorder(photo: Photo) -> str:
    return photo.diagnoses[0].disorder.id


def _card(content: bytes, base: Base, settings: Settings, found: FoundPhotos, *, learnt: int) -> ModelCard:
    """Card of the encoder that came out."""
    material = found.material
    people = len(set(material.patients))
    simulated = all(photo.patient.simulated for photo in material.photos)
    return encoder_card(
        base.card,
        content,
        id_=settings.model_id,
        name=f"Face encoder of the GestaltMatcher recipe, from {base.card.id}",
        trained_on=(
            f"{learnt} of {len(material.photos)} photos of {people} {'simulated ' if simulated else ''}people with "
            f"{len(material.classes)} disorders ({found.source}); begun from {base.card.id}: {base.card.trained_on}"
        ),
        intended_use="Ranking of disorders by facial similarity; run.json says who was learnt from.",
        dimensions=base.card.dimensions,
        licence=f"of the photos it was trained on, and of {base.card.id}: {base.card.licence}",
        citation=f"{CITATION}; {base.card.citation}",
    )


def _note(workspace: Path, card: ModelCard, photo_ids: Sequence[str]) -> None:
    with Workspace.open(workspace) as opened:
        opened.note_trained(card.sha256, card.id, photo_ids=photo_ids)
