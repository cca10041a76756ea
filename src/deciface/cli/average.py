"""`deciface gallery average`: the average face of a cohort, and where two cohorts differ."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from deciface.cases import RESEARCH_USE_ONLY
from deciface.cli.cases import workspace_folder
from deciface.cli.output import emit, note, progress
from deciface.errors import OptionError

_COHORT = "p1,p2,p3, all, unaffected, disorder:ID, gene:SYMBOL, ancestry:TERM; joined by + where both must hold."


def average(
    cohort: Annotated[str, typer.Argument(help=_COHORT)],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="The page (HTML).")],
    against: Annotated[
        str | None, typer.Option("--against", help="A second cohort, nobody of whom is in both.")
    ] = None,
    gallery: Annotated[
        Path | None, typer.Option("--gallery", help="A workspace, or a folder with cases.csv and photos.")
    ] = None,
    workspace: Annotated[Path | None, typer.Option("--workspace", envvar="DECIFACE_WORKSPACE")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the draws behind p.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Average the faces of at least ten people, and draw where their shape differs from that of others."""
    from deciface.faces import FaceFinder
    from deciface.faces.landmark_model import LandmarkModel
    from deciface.models import ModelStore
    from deciface.workflows.average_faces import as_document, averaged, difference, write_average
    from deciface.workflows.photo_galleries import open_photos

    if output.suffix.casefold() not in (".html", ".htm"):
        raise OptionError(f"--output {output.name}: the answer is a page; name it .html")
    store = ModelStore()
    finder, model = FaceFinder.from_store(store), LandmarkModel.from_store(store)
    with open_photos(gallery or workspace_folder(workspace)) as opened:
        with progress("averaging faces", 0) as advance:
            one = averaged(opened, cohort, finder, model, advance=lambda total: advance(total=total))
        other = None
        if against:
            with progress("averaging the others", 0) as advance:
                other = averaged(opened, against, finder, model, advance=lambda total: advance(total=total))
        found = difference(one, other, seed=seed) if other else None
        now = dt.datetime.now(dt.UTC)
        write_average(opened, one, other, found, output, points=model.source, seed=seed, now=now)
    for line in (*one.left_out, *(other.left_out if other else ())):
        note(f"not averaged: {line}")
    text = [f"average face of {len(one.patients)} people: {output}"]
    if found and other:
        text.append(
            f"{int(found.told.sum())} of {len(found.p)} points differ from {against} ({len(other.patients)} people) by "
            "more than chance"
        )
    emit({"output": str(output), **as_document(one, other, found)}, "\n".join([*text, RESEARCH_USE_ONLY]), json=json)
