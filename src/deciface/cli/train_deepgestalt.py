"""`deciface train deepgestalt`: networks of facial regions that tell disorders, or the genes of one, apart."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deciface.cli.output import emit, note, progress

if TYPE_CHECKING:
    from deciface.training.recipe import Epoch
    from deciface.workflows.training_deepgestalt import TrainedDeepGestalt


def deepgestalt(
    cohort: Annotated[Path, typer.Argument(help="A case table with photos, a folder with cases.csv, or a workspace.")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the run.")],
    kind: Annotated[str, typer.Option("--kind", help="binary, specialised or multiclass.")] = "multiclass",
    disorder: Annotated[
        list[str] | None, typer.Option("--disorder", help="Id as in the table; repeat it for genes of several.")
    ] = None,
    regions: Annotated[str, typer.Option("--regions", help="Names separated by commas; all eight when left out.")] = "",
    folds: Annotated[int, typer.Option("--folds", help="Of patients, at least 3.")] = 5,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="At most so many a fold.")] = 20,
    batch: Annotated[int, typer.Option("--batch", help="Photos at a time.")] = 16,
    width: Annotated[
        float, typer.Option("--width", help="Share of the record's channels; half of them are four times as fast.")
    ] = 1.0,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    device: Annotated[str, typer.Option("--device", help="cpu, or cuda where there is one.")] = "cpu",
    leave_out_small: Annotated[
        bool, typer.Option("--leave-out-small", help="Leave out classes with fewer than 3 patients.")
    ] = False,
    balance_ancestry: Annotated[
        bool, typer.Option("--balance-ancestry", help="Learn from every ancestry as often as from any other.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Train a DeepGestalt-type model; prints how it does on patients that it never saw."""
    from deciface.encoders import available_cores
    from deciface.encoders.deepgestalt import ModelKind, channels_of_width
    from deciface.errors import OptionError
    from deciface.faces.region_crops import parse_regions
    from deciface.models import ModelStore
    from deciface.training.deepgestalt_folds import TrainingPlan
    from deciface.workflows.training_deepgestalt import train_deepgestalt
    from deciface.workflows.training_deepgestalt_material import Settings

    if kind not in tuple(ModelKind):
        raise OptionError(f"--kind {kind}; allowed are {', '.join(ModelKind)}")
    plan = TrainingPlan(
        parse_regions([name.strip() for name in regions.split(",") if name.strip()]),
        folds=folds,
        epochs=epochs,
        batch=batch,
        seed=seed,
        threads=available_cores(),
        device=device,
        channels=channels_of_width(width),
        balance_ancestry=balance_ancestry,
    )
    with progress("looking at photos", 1) as looked:
        trained = train_deepgestalt(
            cohort,
            output,
            store=ModelStore(),
            settings=Settings(ModelKind(kind), plan, tuple(disorder or ()), leave_out_small),
            resume=resume,
            now=_now,
            look_advance=lambda total: looked(1, total=total),
            advance=_tell,
            say=note,
        )
    for problem in trained.manifest["data"]["not_used"]:
        note(f"left out: {problem}")
    emit(trained.as_document(), "\n".join(_lines(trained)), json=json)


def _tell(part: str, epoch: Epoch) -> None:
    """One line an epoch, on stderr; nobody is left to measure on while everybody is learnt from."""
    top_1 = f", top-1 {epoch.measures['top-1']:.3f}" if "top-1" in epoch.measures else ""
    best = " (best)" if top_1 and epoch.best else ""
    note(f"{part}, epoch {epoch.number}: loss {epoch.loss:.3f}{top_1}{best}")


def _lines(trained: TrainedDeepGestalt) -> list[str]:
    from deciface.workflows.training_deepgestalt import IN_WORDS

    data, results = trained.manifest["data"], trained.results
    lines = [
        *trained.manifest["notices"],
        f"{data['photos']} photos of {data['patients']} patients, {len(results['labels'])} classes; "
        f"{results['left_out']} photos without a class left out",
        "on patients that the networks never saw, all regions together:",
        *results[IN_WORDS],
    ]
    return [*lines, f"model: {trained.model}", f"report: {trained.folder / 'report.html'}"]


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
