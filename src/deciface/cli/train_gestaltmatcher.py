"""`deciface train gestaltmatcher`: a face encoder for disorders, learnt from a cohort."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deciface.cli.output import emit, note, progress

if TYPE_CHECKING:
    from deciface.training.recipe import Epoch
    from deciface.workflows.gestaltmatcher_run import TrainedEncoder


def gestaltmatcher(
    cohort: Annotated[Path, typer.Argument(help="A case table with photos, a folder with cases.csv, or a workspace.")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the run: model, card, manifest, curves.")],
    base: Annotated[str, typer.Option("--base", help="Encoder to begin from.")] = "dlib-resnet",
    model_id: Annotated[str, typer.Option("--id", help="Id of the encoder that comes out.")] = "gestaltmatcher-own",
    folds: Annotated[int, typer.Option("--folds", help="One tests, one chooses the epoch, the others teach.")] = 5,
    unseen: Annotated[
        list[str] | None, typer.Option("--unseen", help="Disorder kept out of learning, to test on; repeat for more.")
    ] = None,
    head_epochs: Annotated[int, typer.Option("--head-epochs", help="Epochs of the last layer alone.")] = 8,
    epochs: Annotated[int, typer.Option("--epochs", help="Epochs of everything, at most.")] = 30,
    head_rate: Annotated[float, typer.Option("--head-rate", help="Learning rate of the last layer.")] = 1e-2,
    rate: Annotated[float, typer.Option("--rate", help="Learning rate of everything.")] = 5e-5,
    patience: Annotated[int, typer.Option("--patience", help="Epochs without a better score before it ends.")] = 8,
    batch: Annotated[int, typer.Option("--batch", help="Photos in a batch.")] = 32,
    balance_ancestry: Annotated[
        bool, typer.Option("--balance-ancestry", help="Show every ancestry as often, whatever its number of photos.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Everything random follows from it.")] = 0,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="All cores when left out; sums differ a little with it.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:N or mps.")] = "cpu",
    mixed: Annotated[bool, typer.Option("--mixed", help="Matrix products in bfloat16.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Train by the GestaltMatcher recipe and compare with the base on held-out people."""
    from deciface.encoders import available_cores
    from deciface.models import ModelStore
    from deciface.workflows.gestaltmatcher_run import Settings
    from deciface.workflows.training_gestaltmatcher import train_gestaltmatcher

    settings = Settings(
        base=base,
        model_id=model_id,
        folds=folds,
        unseen=tuple(unseen or ()),
        head_epochs=head_epochs,
        epochs=epochs,
        head_rate=head_rate,
        rate=rate,
        patience=patience,
        batch=batch,
        balance_ancestry=balance_ancestry,
        seed=seed,
        threads=threads or available_cores(),
        device=device,
        mixed=mixed,
    )
    with progress("looking at photos", 1) as looked:
        trained = train_gestaltmatcher(
            cohort,
            output,
            store=ModelStore(),
            settings=settings,
            resume=resume,
            now=lambda: dt.datetime.now(dt.UTC),
            look_advance=lambda total: looked(1, total=total),
            advance=_tell,
            say=note,
        )
    emit(_document(trained), _text(trained), json=json)


def _tell(epoch: Epoch) -> None:
    """One line an epoch, on stderr."""
    measures = ", ".join(f"{name} {value:.3f}" for name, value in epoch.measures.items() if name != "score")
    best = " (best)" if epoch.best else ""
    note(f"epoch {epoch.number}, {epoch.stage}: loss {epoch.loss:.3f}, {measures}{best}")


def _document(trained: TrainedEncoder) -> dict[str, Any]:
    best = [e.number for e in trained.epochs if e.best]
    return {
        "run": str(trained.folder),
        "model": {"id": trained.card.id, "file": trained.card.file, "sha256": trained.card.sha256},
        "epochs": len(trained.epochs),
        "best_epoch": best[-1] if best else None,
        "held_out": [h.as_document() for h in trained.held_out],
        "problems": list(trained.problems),
        "notices": trained.manifest["notices"],
    }


def _text(trained: TrainedEncoder) -> str:
    lines = [
        *trained.manifest["notices"],
        "",
        "People never learnt from, each against everybody else; own disorder first:",
    ]
    for row in trained.held_out:
        d = row.as_document()
        name = trained.manifest["settings"]["base"]
        own, base = _share(d["trained"]), _share(d["before"])
        chance = f"chance {100 * row.chance:.1f} %"
        lines.append(f"  {row.who}, {row.rule}: {own} of {row.patients}; {name} {base}; {chance}")
    lines += [f"  not used: {problem}" for problem in trained.problems]
    lines += [
        "",
        f"{trained.folder / 'report.html'}",
        f"{trained.folder / trained.card.file}",
        f"deciface models add {trained.folder / trained.card.file} --card {trained.folder / 'card.yaml'}",
    ]
    return "\n".join(lines)


def _share(d: dict[str, float]) -> str:
    return f"{100 * d['share']:.1f} % ({100 * d['low']:.0f}-{100 * d['high']:.0f})"
