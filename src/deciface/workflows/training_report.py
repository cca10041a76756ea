"""The page of a GestaltMatcher run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from deciface import __version__
from deciface.cases import SIMULATED
from deciface.evaluation.accuracy import Figure
from deciface.reports.page import Head
from deciface.reports.training import Curves, FoldSize, HeldOut, TrainingData, TrainingReport
from deciface.stats.proportions import wilson
from deciface.training.photos import TrainingPhotos
from deciface.workflows.gestaltmatcher_run import Divided, Settings, TrainedEncoder


def training_report(
    trained: TrainedEncoder, material: TrainingPhotos, divided: Divided, settings: Settings
) -> TrainingReport:
    """Put a run together for its page.

    Parameters
    ----------
    trained
        What came of it.
    material, divided
        All photos, and which were learnt from, chosen on and tested on.
    settings
        How.
    """
    simulated = any(photo.patient.simulated for photo in material.photos)
    data = trained.manifest["data"]
    head = Head(
        title=f"Training of {trained.card.id}",
        facts=(
            ("cohort", str(data["source"])),
            ("people", f"{data['patients']:,}"),
            ("photos", f"{data['photos']:,}"),
            ("disorders", f"{len(material.classes):,}"),
        ),
        notices=(f"Learnt from {SIMULATED}.",) if simulated else (),
        provenance=(
            ("DeciFace", __version__),
            ("data digest", str(data["digest"])),
            ("seed", str(settings.seed)),
            ("started", str(trained.manifest["started"])),
            ("ended", str(trained.manifest["ended"])),
            *(
                (f"package {name}", version or "not installed")
                for name, version in trained.manifest["packages"].items()
            ),
        ),
    )
    return TrainingReport(
        head=head,
        data=_data(trained, material, divided, settings),
        curves=(Curves(trained.card.id, trained.epochs),),
        held_out=_held_out(trained, settings),
        recipe=(
            ("begun from", settings.base),
            ("classifier", "dropout .5 and one linear layer, thrown away afterwards"),
            ("loss", "cross-entropy, classes weighted by .5 + .5 x fewest / count"),
            ("last layer", f"{settings.head_epochs} epochs at {settings.head_rate:g}"),
            ("all layers", f"at most {settings.epochs} epochs at {settings.rate:g}, patience {settings.patience}"),
            ("batch", str(settings.batch)),
            ("unseen disorders", ", ".join(settings.unseen) or "none"),
        ),
        card=(
            ("file", trained.card.file),
            ("sha256", trained.card.sha256),
            ("licence", trained.card.licence),
            ("trained on", trained.card.trained_on),
            ("intended use", trained.card.intended_use),
        ),
        limits=(
            "Each held-out person was ranked against everybody else, those who were learnt from among them.",
            "People of one cohort share cameras and referral; other places will see lower figures.",
        ),
    )


def _data(trained: TrainedEncoder, material: TrainingPhotos, divided: Divided, settings: Settings) -> TrainingData:
    ancestry = {photo.patient.id: photo.patient.ancestry_label for photo in material.photos}
    classes: dict[str, set[str]] = {}
    for patient, label in zip(material.patients, material.labels, strict=True):
        if label:
            classes.setdefault(label, set()).add(patient)
    taught = np.concatenate([divided.learn, divided.choose])
    fold = FoldSize(
        "the run",
        len({material.patients[i] for i in taught}),
        len(taught),
        len({material.patients[i] for i in divided.test}),
        len(divided.test),
    )
    lone = tuple(f"disorder '{label}': one patient" for label in material.too_small)
    return TrainingData(
        patients=len(set(material.patients)),
        photos=len(material.photos),
        by_class={label: len(who) for label, who in classes.items()},
        by_ancestry=dict(Counter(ancestry.values())),
        left_out=(*lone, *trained.problems),
        folds=(fold,),
        balanced=settings.balance_ancestry,
    )


def _held_out(trained: TrainedEncoder, settings: Settings) -> tuple[HeldOut, ...]:
    def figure(hits: int, patients: int) -> Figure:
        return Figure(hits / patients, wilson(hits, patients), "Wilson")

    rows: Sequence[HeldOut] = [
        HeldOut(
            measure=f"own disorder first, {row.rule}",
            people=row.who,
            patients=row.patients,
            values={
                trained.card.id: figure(row.hits, row.patients),
                settings.base: figure(row.hits_before, row.patients),
            },
        )
        for row in trained.held_out
    ]
    return tuple(rows)
