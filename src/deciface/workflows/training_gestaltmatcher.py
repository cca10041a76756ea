"""Train an encoder by the GestaltMatcher recipe, and measure it on people it never saw, beside what it began as."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.faces import Face, Pyramid, align
from deciface.models import ModelCard, ModelStore
from deciface.reports.training import render
from deciface.store import Workspace
from deciface.training.bases import Base, open_base
from deciface.training.gestaltmatcher import DisorderTask
from deciface.training.loop import memory_told, need_checkpoint
from deciface.training.loop import run as learn
from deciface.training.manifest import (
    CARD_FILE,
    CURVES_FILE,
    RUN_FILE,
    card_text,
    curves_table,
    encoder_card,
    identity_of,
    material_as_document,
    run_document,
)
from deciface.training.photos import TrainingPhotos, refuse_shared_pixels
from deciface.training.recipe import Epoch
from deciface.workflows.gestaltmatcher_comparison import compare
from deciface.workflows.gestaltmatcher_division import divide
from deciface.workflows.gestaltmatcher_run import (
    Divided,
    Settings,
    TrainedEncoder,
    finished_encoder,
    need_possible,
)
from deciface.workflows.training_cohort import is_workspace, read_cohort
from deciface.workflows.training_lineage import Lineage, lineage_of
from deciface.workflows.training_photos import FoundPhotos, cut_photos
from deciface.workflows.training_report import training_report
from deciface.workflows.training_runs import RunFolder, earlier_run, need_run_folder, need_same_cohort, open_run

RECIPE = "gestaltmatcher"
CHECKPOINT, REPORT_FILE = "checkpoint.pt", "report.html"
UNKNOWN_LINEAGE = "note: whom '{}' learnt from is not known here; people it knows may be among those it is tested on"
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
    say: Callable[[str], None] = lambda _: None,
) -> TrainedEncoder:
    """Learn from a cohort; leave encoder, card, manifest and curves in a folder.

    Parameters
    ----------
    cohort
        See `deciface.workflows.training_cohort.read_cohort`. A workspace notes who was learnt from, so that the
        model is marked when one of them is withdrawn.
    folder
        New, or that of a run to go on with (`resume`). Of a run that has ended the answer is what is there.
    store, settings
        Where the base is; how to train.
    now
        The clock.
    look_advance, advance
        Called after every photo with how many there are, and with every epoch.
    say
        Is told what a person should know before it begins, one line each.

    Raises
    ------
    InputError, TableError, NothingFoundError
        A cohort that cannot be read or learnt from, one picture under two patients, a base whose people were withdrawn.
    OptionError, MismatchError
        An option that is not allowed; a folder that holds something else, or a run of other data or settings.
    ModelError
        A base that cannot be trained, PyTorch missing, no memory.
    """
    base_card = need_possible(settings, store, say=say)
    need_run_folder(folder, resume=resume)
    chosen = settings.as_document() | {"base_sha256": base_card.sha256}
    earlier = earlier_run(folder, recipe=RECIPE, settings=chosen)
    need_checkpoint(folder / CHECKPOINT)
    asked = read_cohort(cohort, on=now().astimezone().date())
    lineage = lineage_of(base_card, cohort)
    for remark in (*asked.remarks, *(() if lineage.known else (UNKNOWN_LINEAGE.format(settings.base),))):
        say(remark)
    need_same_cohort(earlier, folder, digest=asked.digest)
    if (there := finished_encoder(folder, earlier)) is not None:
        return there
    unseen_yet = TrainingPhotos(asked.photos, np.zeros((len(asked.photos), 0), np.uint8))
    divide(unseen_yet, settings, learnt_before=lineage.patients)
    base = open_base(store, settings.base)
    found = cut_photos(asked, Cropped(str(base.card.alignment)), store=store, advance=look_advance)
    refuse_shared_pixels(found.material)
    divided = divide(found.material, settings, learnt_before=lineage.patients)  # again: photos may have no face
    task = _task(base, found.material, divided, settings)
    begun = str(earlier.get("started") or now().isoformat(timespec="seconds"))
    with memory_told(settings.device):
        before = task.vectors(np.arange(len(found.material.photos)))
    run = _Run(open_run(folder, resume=resume), settings, chosen, found, divided, lineage, begun)
    run.folder.write_manifest(run.manifest(None, {}))
    epochs = learn(
        task,
        settings.recipe,
        checkpoint=folder / CHECKPOINT,
        identity=identity_of(settings.recipe, chosen, found.material.digest),
        advance=advance,
    )
    return run.finish(cohort, base, task, before, epochs, now=now)


@dataclass(frozen=True, eq=False)
class _Run:
    """A run's folder and what is written into it."""

    folder: RunFolder
    settings: Settings
    chosen: Mapping[str, Any]
    found: FoundPhotos
    divided: Divided
    lineage: Lineage
    started: str

    def manifest(self, ended: str | None, results: Mapping[str, Any]) -> dict[str, Any]:
        found, withheld, before = self.found, self.found.withheld, self.lineage
        return run_document(
            RECIPE,
            recipe=self.settings.recipe,
            settings=self.chosen,
            material=material_as_document(
                found.material,
                source=found.source,
                learnt_from=self.divided.taught,
                cohort_digest=found.cohort_digest,
                without_consent={"people": withheld.people, "photos": withheld.photos},
                not_used=found.not_used,
                base_learnt_from=[(p.photo_id, p.sha256) for p in before.photos] if before.known else None,
            ),
            started=self.started,
            ended=ended,
            results=results,
        )

    def finish(
        self,
        cohort: Path,
        base: Base,
        task: DisorderTask,
        before: NDArray[np.float32],
        epochs: Sequence[Epoch],
        *,
        now: Callable[[], dt.datetime],
    ) -> TrainedEncoder:
        """Measure, and write everything, the manifest last: a run that has ended is whole."""
        material, divided = self.found.material, self.divided
        with memory_told(self.settings.device):
            after = task.vectors(np.arange(len(material.photos)))
        held_out, refused = compare(material, before, after, test=divided.test, unseen=divided.unseen)
        content = base.to_onnx(task.network.trunk)
        card = _card(content, base, self)
        results = {
            "model": {"id": card.id, "file": card.file, "sha256": card.sha256},
            "held_out": [h.as_document() for h in held_out],
            "epochs": [asdict(epoch) for epoch in epochs],
            "rules_left_out": list(refused),
        }
        manifest = self.manifest(now().isoformat(timespec="seconds"), results)
        trained = TrainedEncoder.of_run(self.folder.path, card, manifest)
        report = training_report(trained, material, divided, self.settings)
        records = [
            self.folder.write(CURVES_FILE, curves_table(epochs)),
            self.folder.write(REPORT_FILE, render(report, now=now())),
            self.folder.path / RUN_FILE,
        ]
        if is_workspace(cohort):
            # before the model is written: of a model that is there, the workspace knows whom it learnt from
            learnt = [*(material.photos[i].id for i in divided.taught), *(p.photo_id for p in self.lineage.photos)]
            with Workspace.open(cohort) as workspace:
                workspace.note_trained(card.sha256, card.id, photo_ids=learnt, files=records)
        self.folder.write(card.file, content)
        self.folder.write(CARD_FILE, card_text(card))
        self.folder.write_manifest(manifest)
        (self.folder.path / CHECKPOINT).unlink(missing_ok=True)  # a copy of what was learnt, of no more use
        return trained


def _task(base: Base, material: TrainingPhotos, divided: Divided, settings: Settings) -> DisorderTask:
    task = DisorderTask(
        base.trunk,
        base.card.dimensions,
        base.card,
        material,
        learn=divided.learn,
        choose=divided.choose,
        batch=settings.batch,
        balance=settings.balance_ancestry,
        seed=settings.seed,
        device=settings.device,
    )
    task.network.to(settings.device).eval()
    return task


def _card(content: bytes, base: Base, run: _Run) -> ModelCard:
    """Card of the encoder that came out."""
    settings, found, divided, material = run.settings, run.found, run.divided, run.found.material
    learnt, chosen = (len({material.patients[i] for i in rows}) for rows in (divided.learn, divided.choose))
    simulated = "simulated " if all(photo.patient.simulated for photo in material.photos) else ""
    disorders = len(set(material.class_of[divided.learn].tolist()))
    return encoder_card(
        base.card,
        content,
        id_=settings.model_id,
        name=f"Face encoder of the GestaltMatcher recipe, from {base.card.id}",
        trained_on=(
            f"{len(divided.learn)} photos of {learnt} {simulated}people with {disorders} disorders ({found.source}), "
            f"the epoch chosen on {chosen} others; begun from {base.card.id}: {base.card.trained_on}"
        ),
        intended_use="Ranking of disorders by facial similarity; run.json says who was learnt from.",
        dimensions=base.card.dimensions,
        licence=f"of the photos it was trained on, and of {base.card.id}: {base.card.licence}",
        citation=f"{CITATION}; {base.card.citation}",
    )
