"""The page of a GestaltMatcher run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from deciface import __version__
from deciface.cases import SIMULATED
from deciface.evaluation.accuracy import Figure
from deciface.figures.training import SHARE
from deciface.reports.page import Head
from deciface.reports.training import Curves, FoldSize, HeldOut, TrainingData, TrainingReport
from deciface.space.restriction import composition_of
from deciface.stats.proportions import wilson
from deciface.training.photos import TrainingPhotos
from deciface.workflows.gestaltmatcher_run import Divided, Rows, Settings, TrainedEncoder


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
            ("people in it", f"{data['patients']:,}"),
            ("photos in it", f"{data['photos']:,}"),
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
        curves=(Curves(trained.card.id, trained.epochs, ("score", "top-1", "top-5"), SHARE),),
        held_out=_held_out(trained, settings),
        recipe=(
            ("begun from", settings.base),
            ("classifier", "dropout .5 and one linear layer, thrown away afterwards"),
            ("loss", "cross-entropy, classes weighted by .5 + .5 x fewest / count"),
            ("last layer", f"{settings.head_epochs} epochs at {settings.head_rate:g}"),
            ("all layers", f"at most {settings.epochs} epochs at {settings.rate:g}, patience {settings.patience}"),
            ("batch", str(settings.batch)),
            ("unseen disorders", ", ".join(settings.unseen) or "none named"),
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
            "Chance: of a random order of the others' photos (nearest-image), or of the disorders (the other rules).",
            "People of one cohort share cameras and referral; other places will see lower figures.",
        ),
    )


def _data(trained: TrainedEncoder, material: TrainingPhotos, divided: Divided, settings: Settings) -> TrainingData:
    def people(rows: Rows) -> int:
        return len({material.patients[i] for i in rows.tolist()})

    learnt = [material.photos[i] for i in divided.learn.tolist()]
    by_class = Counter({material.patients[i]: material.labels[i] for i in divided.learn.tolist()}.values())
    who = composition_of(learnt)
    fold = FoldSize(
        "the run",
        *(people(divided.learn), len(divided.learn)),
        *(people(divided.test), len(divided.test)),
        *(people(divided.choose), len(divided.choose)),
    )
    return TrainingData(
        patients=people(divided.learn),
        photos=len(learnt),
        by_class=dict(by_class),
        by_ancestry=dict(who.by_ancestry),
        left_out=(
            *_left_out(material),
            *(
                f"disorder '{label}': too few patients to learn from in this division, tested on as unseen"
                for label in sorted(divided.unseen - set(settings.unseen))
            ),
            *trained.problems,
        ),
        folds=(fold,),
        balanced=settings.balance_ancestry,
        by_sex=dict(who.by_sex),
        by_age=dict(who.by_age_years),
    )


def _left_out(material: TrainingPhotos) -> tuple[str, ...]:
    """Who of the cohort has no class: people without one disorder, and disorders of one patient."""
    without = [i for i, label in enumerate(material.labels) if not label]
    people = len({material.patients[i] for i in without})
    who = f"{people} {'person' if people == 1 else 'people'} without a settled diagnosis, or with several: no class"
    lone = tuple(f"disorder '{label}': one patient" for label in material.too_small)
    return ((who,) if without else ()) + lone


def _held_out(trained: TrainedEncoder, settings: Settings) -> tuple[HeldOut, ...]:
    def figure(hits: int, patients: int) -> Figure:
        return Figure(hits / patients, wilson(hits, patients), "Wilson")

    rows: Sequence[HeldOut] = [
        HeldOut(
            measure=f"own disorder first, {row.rule}",
            people=row.who,
            patients=row.patients,
            chance=row.chance,
            values={
                trained.card.id: figure(row.hits, row.patients),
                settings.base: figure(row.hits_before, row.patients),
            },
        )
        for row in trained.held_out
    ]
    return tuple(rows)
