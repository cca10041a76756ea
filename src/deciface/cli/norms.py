"""`deciface gallery norms`: norms of measurements from one's own unaffected people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deciface.cases import RESEARCH_USE_ONLY, SIMULATED
from deciface.cli.cases import workspace_folder
from deciface.cli.output import emit, note, progress
from deciface.errors import OptionError


def norms(
    gallery: Annotated[
        Path | None, typer.Argument(help="A workspace, or a folder with cases.csv and photos; else the workspace.")
    ] = None,
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="The table of norms (CSV).")],
    workspace: Annotated[Path | None, typer.Option("--workspace", envvar="DECIFACE_WORKSPACE")] = None,
    ages: Annotated[
        list[str] | None, typer.Option("--ages", help="Band in years, e.g. 18-30, the last excluded; repeat it.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Measure the unaffected people of a gallery: a table of norms for `deciface photo check --norms`."""
    from deciface.faces import FaceFinder
    from deciface.faces.landmark_model import LandmarkModel
    from deciface.faces.norms import table_of
    from deciface.models import ModelStore
    from deciface.whole_files import write_whole
    from deciface.workflows.own_norms import AGES, norms_of_gallery
    from deciface.workflows.photo_galleries import open_photos

    if output.suffix.casefold() != ".csv":
        raise OptionError(f"--output {output.name}: norms are a CSV table; name it .csv")
    bands = [_band(text) for text in ages] if ages else AGES
    store = ModelStore()
    finder, model = FaceFinder.from_store(store), LandmarkModel.from_store(store)
    with open_photos(gallery or workspace_folder(workspace)) as opened, progress("measuring people", 0) as advance:
        found = norms_of_gallery(opened, finder, model, ages=bands, advance=lambda total: advance(total=total))
    write_whole(output, table_of(found.norms).encode())
    for line in found.left_out:
        note(f"not measured: {line}")
    if found.too_few:
        note(f"too few for norms: {'; '.join(found.too_few)}")
    groups = [f"    {group}: {people} people" for group, people in found.groups.items()]
    simulated = [f"measured on {SIMULATED}"] if found.simulated else []
    text = [f"{found.people} of {found.unaffected} unaffected people measured; norms in {output}", *groups, *simulated]
    emit({"output": str(output), **found.as_document()}, "\n".join([*text, RESEARCH_USE_ONLY]), json=json)


def _band(text: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split("-"))
    except ValueError:
        raise OptionError(f"--ages {text}; give FROM-TO in years, e.g. 18-30") from None
    return low, high
