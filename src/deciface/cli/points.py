"""`deciface photo points`: the face points of a stored photo, corrected by hand and kept in versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deciface.cases import RESEARCH_USE_ONLY, SIMULATED
from deciface.cli.cases import WorkspaceFolder, workspace_folder
from deciface.cli.output import emit, note
from deciface.errors import OptionError

if TYPE_CHECKING:
    from deciface.models import ModelStore
    from deciface.store import Workspace
    from deciface.store.landmarks import StoredLandmarks
    from deciface.workflows.landmark_corrections import Corrected
    from deciface.workflows.stored_points import CurrentPoints

app = typer.Typer(help="Points of a stored photo: show, correct by hand, history, go back.", no_args_is_help=True)

PhotoId = Annotated[str, typer.Argument(help="Id of a photo of the workspace.")]
Comment = Annotated[str, typer.Option("--comment", help="One line, kept with the version.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command("show")
def show(
    photo: PhotoId,
    *,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write all points as a table (CSV).")] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Page: points with their confidence on the face, measurements.")
    ] = None,
    norms: Annotated[
        Path | None, typer.Option("--norms", help="CSV of norms for the page; the group is that of the record.")
    ] = None,
    workspace: WorkspaceFolder = None,
    json: Json = False,
) -> None:
    """Show the points that count for a photo: the newest version, else what the landmark model places."""
    from deciface.models import ModelStore
    from deciface.store import Workspace
    from deciface.workflows.stored_points import current_points, placing, write_points

    if output and output.suffix.casefold() != ".csv":
        raise OptionError(f"--output {output.name}: points are a CSV table; name it .csv")
    if norms and not report:
        raise OptionError("--norms is for the page; name it with --report")
    store = ModelStore()
    with Workspace.open(workspace_folder(workspace)) as opened:
        found = current_points(opened, photo, placing(store))
        simulated = _is_simulated(opened, photo)
        if output:
            write_points(opened, photo, found.landmarks, output)
            note(f"points: {output}")
        if report:
            _write_page(opened, photo, found, report, norms=norms, store=store)
            note(f"report: {report}")
    emit(
        {"photo": photo, "simulated": SIMULATED if simulated else None, **found.as_document()},
        "\n".join(
            [
                f"photo {photo}: points by {found.landmarks.source}",
                *found.lines(),
                *([f"measured on {SIMULATED}"] if simulated else []),
                RESEARCH_USE_ONLY,
            ]
        ),
        json=json,
    )


def _write_page(
    opened: Workspace, photo: str, found: CurrentPoints, report: Path, *, norms: Path | None, store: ModelStore
) -> None:
    from deciface.faces import FaceFinder
    from deciface.faces.norms import read_norms
    from deciface.workflows.stored_points import write_points_page

    write_points_page(
        opened,
        photo,
        found.landmarks,
        report,
        finder=FaceFinder.from_store(store),
        norms=read_norms(norms) if norms else None,
        norms_source=norms.name if norms else "",
        now=opened.clock(),
    )


def _is_simulated(opened: Workspace, photo_id: str) -> bool:
    return any(photo.id == photo_id and photo.patient.simulated for photo in opened.photos())


@app.command("correct")
def correct(
    photo: PhotoId,
    points: Annotated[
        Path, typer.Argument(help="CSV of the points to move, by template number or name; or a .tem template.")
    ],
    *,
    from_version: Annotated[
        int | None,
        typer.Option("--from-version", min=0, help="The version you looked at; needed once there is one."),
    ] = None,
    comment: Comment = "",
    workspace: WorkspaceFolder = None,
    json: Json = False,
) -> None:
    """Move points to where a table has them; a new version is stored, and everything downstream uses it."""
    from deciface.models import ModelStore
    from deciface.store import Workspace
    from deciface.workflows.landmark_corrections import correct_points
    from deciface.workflows.stored_points import placing

    with Workspace.open(workspace_folder(workspace)) as opened:
        place = placing(ModelStore())
        done = correct_points(opened, photo, points, place=place, started_from=from_version, comment=comment)
    _tell(done, json=json)


@app.command("history")
def history(photo: PhotoId, *, workspace: WorkspaceFolder = None, json: Json = False) -> None:
    """List the versions of a photo's points, oldest first; the last one counts."""
    from deciface.store import Workspace

    with Workspace.open(workspace_folder(workspace)) as opened:
        versions = opened.landmark_versions(photo)
    emit(
        {
            "photo": photo,
            "versions": [
                {
                    "version": v.version,
                    "source": v.landmarks.source,
                    "corrected": list(v.corrected),
                    "user": v.actor,
                    "created_at": v.created_at,
                    "comment": v.comment,
                }
                for v in versions
            ],
        },
        "\n".join(map(_in_words, versions)) or f"no points of photo {photo} are stored; the landmark model places them",
        json=json,
    )


@app.command("revert")
def revert(
    photo: PhotoId,
    version: Annotated[int, typer.Argument(min=1, help="The version to go back to.")],
    *,
    comment: Comment = "",
    workspace: WorkspaceFolder = None,
    json: Json = False,
) -> None:
    """Go back to an older version: a new one that repeats it is stored, nothing is lost."""
    from deciface.store import Workspace
    from deciface.workflows.landmark_corrections import revert_points

    with Workspace.open(workspace_folder(workspace)) as opened:
        done = revert_points(opened, photo, version, comment=comment)
    _tell(done, json=json)


def _tell(done: Corrected, *, json: bool) -> None:
    from deciface.workflows.landmark_corrections import lines_of

    emit(done.as_document(), "\n".join(lines_of(done)), json=json)


def _in_words(version: StoredLandmarks) -> str:
    said = f": {version.comment}" if version.comment else ""
    by_hand = f"{len(version.corrected)} points by hand"
    return f"{version.version:4d} {version.created_at} {version.actor}, {version.landmarks.source}, {by_hand}{said}"
