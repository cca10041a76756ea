"""`deciface classify`: what a DeepGestalt-type model of one's own says of a photo."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from deciface.cli.output import emit, note
from deciface.errors import OptionError


def classify(
    photo: Annotated[Path, typer.Argument(help="A photo of the patient.")],
    *,
    model: Annotated[Path, typer.Option("--model", help="model.onnx of a run of `deciface train deepgestalt`.")],
    label: Annotated[
        str | None, typer.Option("--label", help="Disorder or gene whose heatmaps are drawn; the first when left out.")
    ] = None,
    heat: Annotated[Path | None, typer.Option("--heat", help="A new folder for heatmaps (PNG).")] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write a self-contained HTML report.")] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How much of the list is printed.")] = 10,
    face: Annotated[int | None, typer.Option("--face", min=1, help="Which face, by size.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Rank the classes of a DeepGestalt-type model for one photo; scores are no probabilities."""
    from deciface.cases import RESEARCH_USE_ONLY
    from deciface.models import ModelStore
    from deciface.workflows.classifying_deepgestalt import classify_photo, write_report

    if report and report.suffix.casefold() not in (".html", ".htm"):
        raise OptionError(f"--report {report.name}: the report is a page; name it .html")
    found = classify_photo(
        photo, model, store=ModelStore(), label=label, heat=heat, pictured=report is not None, face_number=face
    )
    for remark in (*found.remarks, found.learnt):
        note(remark)
    if report:
        write_report(found, report, model_file=model, now=dt.datetime.now(dt.UTC))
        note(f"report: {report}")
    lines = [f"{one.rank:3d}  {one.score:.3f}  {one.label.id}  {one.label.name}" for one in found.suggestions[:top]]
    drawn = [f"heatmaps: {heat}"] if heat else []
    emit(
        found.as_document(),
        "\n".join(
            [
                f"photo quality: {found.quality}; model trained on {found.trained_on}",
                *lines,
                "scores are mean softmax values, no probabilities; somebody with none of these gets a first class too",
                *drawn,
                RESEARCH_USE_ONLY,
            ]
        ),
        json=json,
    )
