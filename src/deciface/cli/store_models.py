"""`deciface store models`: which models learnt from photos of a workspace, and which of these are gone since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deciface.cli.cases import Json, WorkspaceFolder, workspace_folder
from deciface.cli.output import emit, note

if TYPE_CHECKING:
    import typer

    from deciface.store import Workspace
    from deciface.store.trained import TrainedModel


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("models")(models)


def models(*, workspace: WorkspaceFolder = None, json: Json = False) -> None:
    """List the models that learnt from photos here, and how many of these photos were withdrawn since."""
    from deciface.store import Workspace
    from deciface.store.trained import trained_models

    with Workspace.open(workspace_folder(workspace)) as opened:
        found = trained_models(opened)
    document = [
        {
            "name": model.name,
            "sha256": model.sha256,
            "photos": len(model.photos),
            "patients": len({photo.patient_id for photo in model.photos}),
            "withdrawn_photos": model.withdrawn_photos,
        }
        for model in found
    ]
    emit({"models": document}, "\n".join(map(_line, found)) or "no model learnt from photos here", json=json)


def tell_of_models(workspace: Workspace, patient: str) -> None:
    """Say on stderr which models learnt from a patient: a consent that ends does not reach into them."""
    from deciface.store.trained import trained_models

    for model in trained_models(workspace):
        photos = sum(photo.patient_id == patient for photo in model.photos)
        if photos:
            note(
                f"{model.name} ({model.sha256[:12]}) learnt from {photos} photos of {patient} and cannot unlearn them: "
                "train it again without"
            )


def _line(model: TrainedModel) -> str:
    people = len({photo.patient_id for photo in model.photos})
    line = f"{model.name} ({model.sha256[:12]}): {len(model.photos)} photos of {people} people"
    if model.withdrawn_photos:
        line += f"; and {model.withdrawn_photos} photos withdrawn since: train it again without them"
    return line
