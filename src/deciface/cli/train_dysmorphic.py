"""`deciface train dysmorphic`: make the shipped encoder of dysmorphic features again."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from deciface.cli.output import emit, note


def dysmorphic(
    photos: Annotated[Path, typer.Argument(help="Folder of neutral photos, one per person, with .tem templates.")],
    *,
    groups: Annotated[Path, typer.Option("--groups", help="CSV: photo, ancestry, sex, age_years.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the run.")],
    part: Annotated[
        list[str] | None, typer.Option("--part", help="Only this part: all, fold-1 ...; repeat for more.")
    ] = None,
    folds: Annotated[int, typer.Option("--folds", help="Every person is held out in one of them.")] = 3,
    people: Annotated[int, typer.Option("--people", help="Simulated people a part learns from.")] = 1200,
    epochs: Annotated[int, typer.Option("--epochs", help="Epochs of a part.")] = 8,
    seed: int = 0,
    threads: Annotated[int | None, typer.Option("--threads", help="All cores when left out.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Learn to read planted features, whoever shows them; each person of the photos is held out in one fold."""
    from deciface.simulate.training_set import LONDON_SOURCE, read_training_set
    from deciface.workflows.training_dysmorphic import REPORT_FILE, Plan, train_dysmorphic

    made = train_dysmorphic(
        read_training_set(photos, groups),
        output,
        plan=Plan(folds=folds, people=people, epochs=epochs, seed=seed),
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
