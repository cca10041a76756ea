"""`deciface explain`: what in a face speaks for a disorder, and what against it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deciface.cases import RESEARCH_USE_ONLY, SIMULATED, Sex
from deciface.cli.cases import workspace_folder
from deciface.cli.output import emit, note, progress
from deciface.errors import OptionError

if TYPE_CHECKING:
    from deciface.workflows.explaining import Explanation


def explain(
    photo: Annotated[Path, typer.Argument(help="A photo of the patient.")],
    *,
    disorder: Annotated[str, typer.Option("--disorder", help="Id or name of a disorder in the gallery.")],
    gallery: Annotated[
        Path | None, typer.Option("--gallery", help="A workspace, or a folder with cases.csv and photos.")
    ] = None,
    workspace: Annotated[Path | None, typer.Option("--workspace", envvar="DECIFACE_WORKSPACE")] = None,
    cases: Annotated[Path | None, typer.Option("--cases", help="A case table that names its photos.")] = None,
    encoder: Annotated[
        str, typer.Option("--encoder", help="Encoders and views that take one crop, e.g. dlib-resnet:straight,flip.")
    ] = "dlib-resnet",
    face: Annotated[int | None, typer.Option("--face", min=1, help="Which face, by size.")] = None,
    patient: Annotated[
        str | None, typer.Option("--patient", help="The patient's id: their own photos are left out.")
    ] = None,
    age_years: Annotated[float | None, typer.Option("--age-years", min=0, max=120, help="To match controls.")] = None,
    sex: Annotated[Sex | None, typer.Option("--sex", help="To match controls.")] = None,
    ancestry: Annotated[str | None, typer.Option("--ancestry", help="To match controls; never a prior.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the choice among more than 60 people.")] = 0,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write a self-contained HTML report.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show which regions of a face speak for a disorder, beside its patients and matched controls."""
    import numpy as np

    from deciface.models import ModelStore
    from deciface.workflows.diagnosing import PatientFacts
    from deciface.workflows.encoding import PhotoEncoder
    from deciface.workflows.explaining import explain as run
    from deciface.workflows.explanation_reports import write_explanation
    from deciface.workflows.photo_galleries import open_photos

    if output and output.suffix.casefold() not in (".html", ".htm"):
        raise OptionError(f"--output {output.name}: the report is a page; name it .html")
    where = gallery or (None if cases else workspace_folder(workspace))
    with open_photos(where, cases=cases) as opened, progress("looking at the gallery", 0) as advance:
        answer = run(
            photo,
            disorder,
            opened,
            encoder=PhotoEncoder(ModelStore(), ensemble=encoder),
            rng=np.random.default_rng(seed),
            facts=PatientFacts(id=patient, age_years=age_years, sex=sex and str(sex), ancestry=ancestry),
            face_number=face,
            advance=lambda done, total: advance(done, total=total),
        )
        if output:
            write_explanation(answer, output, workspace=opened.workspace, now=dt.datetime.now(dt.UTC))
            note(f"report: {output}")
    emit(answer.as_document(), "\n".join(lines_of(answer)), json=json)


def lines_of(answer: Explanation) -> list[str]:
    """Say an explanation in lines for a terminal."""
    lines = [RESEARCH_USE_ONLY]
    if answer.simulated:
        lines.append(f"The gallery holds {SIMULATED}.")
    lines += [f"NOTE: {remark}" for remark in answer.remarks]
    lines.append(f"what speaks for {answer.disorder.name}, by region (not a probability):")
    return lines + [f"    {region.words}" for region in answer.regions]
