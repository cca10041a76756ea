"""`deciface train dysmorphic` and `landmarks`: make our own shipped networks again, everybody held out once."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deciface.cli.output import emit, note

if TYPE_CHECKING:
    from deciface.workflows.cross_fitted import Learner, Plan

Photos = Annotated[Path, typer.Argument(help="Folder of neutral photos, one per person, with .tem templates.")]
Groups = Annotated[Path, typer.Option("--groups", help="CSV: photo, ancestry, sex, age_years.")]
Output = Annotated[Path, typer.Option("-o", "--output", help="Folder of the run.")]
PartNames = Annotated[
    list[str] | None, typer.Option("--part", help="Only this part: all, fold-1 ...; repeat for more.")
]
Folds = Annotated[int, typer.Option("--folds", help="Every person is held out in one of them.")]
People = Annotated[int, typer.Option("--people", help="Simulated people a part learns from.")]
Epochs = Annotated[int, typer.Option("--epochs", help="Epochs of a part.")]
Threads = Annotated[int | None, typer.Option("--threads", help="All cores when left out.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def dysmorphic(
    photos: Photos,
    *,
    groups: Groups,
    output: Output,
    part: PartNames = None,
    folds: Folds = 3,
    people: People = 1200,
    epochs: Epochs = 8,
    seed: int = 0,
    threads: Threads = None,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Learn to read planted features, whoever shows them; each person of the photos is held out in one fold."""
    from deciface.workflows.training_dysmorphic import DYSMORPHIC, PLAN

    plan = replace(PLAN, folds=folds, people=people, epochs=epochs, seed=seed)
    _train(DYSMORPHIC, plan, photos, groups, output, part, threads, resume=resume, json=json)


def landmarks(
    photos: Photos,
    *,
    groups: Groups,
    output: Output,
    part: PartNames = None,
    folds: Folds = 3,
    people: People = 800,
    epochs: Epochs = 14,
    seed: int = 0,
    threads: Threads = None,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Learn to place points on faces, unusual proportions included; each person of the photos is held out once."""
    from deciface.workflows.training_landmarks import LANDMARKS, PLAN

    plan = replace(PLAN, folds=folds, people=people, epochs=epochs, seed=seed)
    _train(LANDMARKS, plan, photos, groups, output, part, threads, resume=resume, json=json)


def _train(
    learner: Learner,
    plan: Plan,
    photos: Path,
    groups: Path,
    output: Path,
    part: list[str] | None,
    threads: int | None,
    *,
    resume: bool,
    json: bool,
) -> None:
    from deciface.simulate.training_set import LONDON_SOURCE, read_training_set
    from deciface.workflows.cross_fitted import REPORT_FILE, train_cross_fitted

    made = train_cross_fitted(
        learner,
        read_training_set(photos, groups),
        output,
        plan=plan,
        source=LONDON_SOURCE if photos.name == "london" else f"photos of '{photos.name}'",
        resume=resume,
        only=tuple(part or ()),
        threads=threads,
        now=lambda: dt.datetime.now(dt.UTC),
        say=note,
    )
    report = output / REPORT_FILE
    document = {"run": str(output), "models": [str(m) for m in made], "report": str(report)}
    emit(document, "\n".join(map(str, [*made, report])), json=json)
