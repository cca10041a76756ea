"""`deciface init` and `deciface import`: a workspace and what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deciface.cli.output import emit, note, progress
from deciface.errors import OptionError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
WorkspaceFolder = Annotated[
    Path | None, typer.Option("--workspace", envvar="DECIFACE_WORKSPACE", help="The workspace folder.")
]
FORMATS = ("auto", "csv")


def workspace_folder(given: Path | None) -> Path:
    """The workspace that was named.

    Raises
    ------
    OptionError
        When none was.
    """
    if given is None:
        raise OptionError(
            "no workspace named: give --workspace DIR or set DECIFACE_WORKSPACE (deciface init DIR makes one)"
        )
    return given


def init(folder: Annotated[Path, typer.Argument(help="A new or empty folder.")], *, json: Json = False) -> None:
    """Make a workspace: one folder with a database and the photos."""
    from deciface.store import Workspace

    Workspace.create(folder).close()
    emit({"workspace": str(folder)}, f"workspace made: {folder}", json=json)


def import_cases(
    source: Annotated[Path, typer.Argument(help="A case table; docs/cases.md has the template.")],
    *,
    workspace: WorkspaceFolder = None,
    format_: Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")] = "auto",
    encoder: Annotated[str, typer.Option("--encoder", help="Encoders joined by '+'.")] = "dlib-resnet",
    json: Json = False,
) -> None:
    """Import photos and people from a case table and encode every face; problems are listed, good rows kept."""
    from deciface.formats.cases_csv import read_cases
    from deciface.models import ModelStore
    from deciface.store import Workspace
    from deciface.workflows.importing import import_table

    if format_ not in FORMATS:
        raise OptionError(f"--format {format_}: allowed are {', '.join(FORMATS)}")
    folder = workspace_folder(workspace)
    with Workspace.open(folder) as opened:
        table = read_cases(source)
        with progress("importing photos", len(table.rows)) as advance:
            done = import_table(source, opened, store=ModelStore(), ensemble=encoder, table=table, advance=advance)
    for problem in done.problems:
        note(f"problem: {problem}")
    for said in done.notes:
        note(f"look at: {said}")
    emit(
        {
            "workspace": str(folder),
            "photos": done.photos,
            "already_there": done.already_there,
            "patients": done.patients,
            "encodings": done.encodings,
            "notes": list(done.notes),
            "problems": list(done.problems),
        },
        f"{done.photos} photos imported ({done.already_there} were there before), {done.encodings} vectors added, "
        f"{done.patients} people in the table, {len(done.problems)} problems",
        json=json,
    )
