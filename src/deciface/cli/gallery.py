"""`deciface gallery`: what a gallery can and cannot do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deciface.cases import RESEARCH_USE_ONLY
from deciface.cli.cases import workspace_folder
from deciface.cli.output import emit, note, progress
from deciface.errors import OptionError
from deciface.evaluation.accuracy import MRR, TOP, Figure
from deciface.evaluation.protocol import SEED, Experiment
from deciface.space import Rule
from deciface.workflows.evaluating import REPLICATES, Division, Target

if TYPE_CHECKING:
    from deciface.workflows.evaluating import Evaluation, RuleAccuracy

app = typer.Typer(help="Measure and explore a gallery of encoded faces.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Keep `deciface gallery` a group of commands."""


@app.command("evaluate")
def evaluate(
    encodings: Annotated[Path | None, typer.Argument(help="A file of encodings; else the workspace.")] = None,
    *,
    workspace: Annotated[Path | None, typer.Option("--workspace", envvar="DECIFACE_WORKSPACE")] = None,
    cases: Annotated[Path | None, typer.Option("--cases", help="Case table of a file of encodings.")] = None,
    splits: Annotated[
        Path | None, typer.Option("--splits", help="Folder of gmdb_*_images_v*.csv; else splits are made here.")
    ] = None,
    rules: Annotated[
        list[Rule] | None, typer.Option("--rule", help="How photos become a list of disorders; repeat it.")
    ] = None,
    experiments: Annotated[
        list[Experiment] | None, typer.Option("--experiments", help="Test / gallery; repeat it. All when left out.")
    ] = None,
    by: Annotated[
        list[Division] | None,
        typer.Option(
            "--by",
            help="Divide accuracy by this; repeat it. Ancestry, age (also over the years) and sex when left out.",
        ),
    ] = None,
    strata: Annotated[
        Path | None, typer.Option("--strata", help="CSV: photo and further columns to divide by, such as quality.")
    ] = None,
    target: Annotated[Target, typer.Option("--target", help="What has to be found.")] = Target.DISORDER,
    models: Annotated[
        list[str] | None, typer.Option("--model", "--encoder", help="Use only these encoders; repeat it.")
    ] = None,
    trained_on: Annotated[
        Path | None,
        typer.Option(
            "--trained-on",
            help="Whom the encoder learnt from: run.json or its folder, a CSV of photo, sha256 or patient, or a list. "
            "What a workspace noted of its own encoders is looked up without it.",
        ),
    ] = None,
    identity_model: Annotated[
        str | None, typer.Option("--identity-model", help="The ArcFace model that finds near-duplicate people.")
    ] = None,
    allow_leakage: Annotated[
        bool, typer.Option("--allow-leakage", help="Go on where test and gallery are not apart, and say so.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the splits and of the bootstrap.")] = SEED,
    replicates: Annotated[int, typer.Option("--replicates", min=100, help="Of the bootstrap.")] = REPLICATES,
    report: Annotated[Path | None, typer.Option("--report", help="Write a self-contained HTML report.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Measure accuracy by the published protocol, and per patient with intervals; refuses leaky splits."""
    from deciface.workflows.evaluating import evaluate as run
    from deciface.workflows.evaluating import write_report
    from deciface.workflows.evaluation_inputs import noted_training, read_strata, read_training_manifest
    from deciface.workflows.galleries import open_gallery

    if encodings is not None and encodings.is_dir() and workspace is None:
        workspace, encodings = encodings, None
    if cases is not None and encodings is None:
        raise OptionError(f"--cases {cases}: a workspace has its own cases; give a file of encodings, or leave it out")
    where = encodings or workspace_folder(workspace)
    more = read_strata(strata) if strata else None
    known = [read_training_manifest(trained_on)] if trained_on else []
    gallery = open_gallery(where, cases=cases, models=models, say=note)
    if where.is_dir():
        known.extend(noted_training(where, gallery))
    with ExitStack() as bars:

        def begin(description: str, total: int) -> Callable[[int], None]:
            return bars.enter_context(progress(description, total))

        answer = run(
            gallery,
            gallery_name=where.name,
            splits=splits,
            target=target,
            rules=tuple(dict.fromkeys(rules or (Rule.NEAREST_IMAGE,))),
            experiments=experiments or tuple(Experiment),
            divisions=by or (Division.ANCESTRY, Division.AGE, Division.SEX),
            more_strata=more,
            trained_on=known,
            identity_model=identity_model,
            allow_leakage=allow_leakage,
            seed=seed,
            replicates=replicates,
            begin=begin,
        )
    if report:
        write_report(answer, report, now=dt.datetime.now(dt.UTC))
        note(f"report: {report}")
    emit(answer.as_document(), "\n".join(lines_of(answer)), json=json)


def lines_of(answer: Evaluation) -> list[str]:
    """Say an evaluation in lines for a terminal; every table is preceded by what must be known of it."""
    lines = [RESEARCH_USE_ONLY, f"target: {answer.target}; splits: {answer.protocol.source}"]
    lines += [f"NOTE: {remark}" for remark in answer.remarks]
    for result in answer.results:
        lines += _published_lines(answer, result)
        lines += _patient_lines(answer, result)
        lines += _stratum_lines(answer, result)
        lines += _age_lines(answer, result)
    return lines


def _heading(answer: Evaluation, text: str) -> list[str]:
    return ["", text, *(f"  ! {notice}" for notice in answer.notices)]


def _published_lines(answer: Evaluation, result: RuleAccuracy) -> list[str]:
    if not result.published:
        return []
    lines = _heading(answer, f"Published protocol, rule {result.rule}: per photo, macro by {answer.target}, %")
    of = f"{answer.target}s"
    rows = [["test/gallery", "gallery", "patients", of, "test", "patients", of, "splits", *(f"top-{k}" for k in TOP)]]
    rows += [
        [
            str(row.experiment),
            f"{row.gallery_photos:.1f}",
            f"{row.gallery_patients:.1f}",
            f"{row.gallery_disorders:g}",
            f"{row.test_photos:.1f}",
            f"{row.test_patients:.1f}",
            f"{row.disorders:g}",
            str(row.splits),
            *(f"{100 * row.top[k]:.2f}" for k in TOP),
        ]
        for row in result.published
    ]
    return lines + _aligned(rows)


def _patient_lines(answer: Evaluation, result: RuleAccuracy) -> list[str]:
    lines = _heading(answer, f"Per patient, rule {result.rule}: % with 95 % interval over patients; absent is a miss")
    names = [*(f"top-{k}" for k in TOP), MRR]
    rows = [["test/gallery", "patients", f"{answer.target}s", "covered", "chance", "mean", *names]]
    for row in result.per_patient:
        for mean, figures in (("micro", row.micro), ("macro", row.macro)):
            first = [str(row.experiment), str(row.patients), str(row.disorders)]
            first += [f"{100 * row.covered:.1f} %", f"{100 * row.chance:.1f} %", mean]
            rows.append([*first, *_figures(figures, names)])
    return lines + _aligned(rows)


def _stratum_lines(answer: Evaluation, result: RuleAccuracy) -> list[str]:
    if not result.strata:
        return []
    lines = _heading(
        answer, f"Strata, rule {result.rule}: per patient, micro, %; groups differ in their {answer.target}s too"
    )
    names = [*(f"top-{k}" for k in TOP), MRR]
    rows = [["test/gallery", "by", "stratum", "patients", f"{answer.target}s", *names]]
    for row in result.strata:
        first = [str(row.experiment), row.by, row.stratum, str(row.patients), str(row.disorders)]
        rows.append([*first, *(_figures(row.figures, names) if row.figures else ["too few"])])
    return lines + _aligned(rows)


def _age_lines(answer: Evaluation, result: RuleAccuracy) -> list[str]:
    """By age in the photo, and how the rank of the own disorder changes over the years of a patient."""
    found = result.ages
    if found is None:
        return []
    names = [*(f"top-{k}" for k in TOP), MRR]
    lines = _heading(answer, f"By age in the photo, rule {result.rule}: mean over patients of their photos, %")
    rows = [["test/gallery", "years", "median", "photos", "patients", *names]]
    for row in found.by_age:
        first = [str(row.experiment), row.band, f"{row.median_years:g}", str(row.photos), str(row.patients)]
        rows.append([*first, *(_figures(row.figures, names) if row.figures else ["too few"])])
    lines += _aligned(rows)
    if found.changes:
        lines += _heading(
            answer,
            f"Patients over the years, rule {result.rule}: doublings of the rank of the own {answer.target} from the "
            "youngest photo to the oldest; below 0: easier to see with age",
        )
        rows = [["test/gallery", answer.target, "patients", "median span", "change (95 % interval)", "p", "adjusted p"]]
        for change in found.changes:
            first = [str(change.experiment), change.disorder or "all", str(change.patients)]
            first.append(f"{change.median_span_years:g} y")
            if change.change is None or change.interval is None or change.p is None:
                rows.append([*first, "too few"])
                continue
            low, high = change.interval
            adjusted = "" if change.adjusted_p is None else f"{change.adjusted_p:.3g}"
            rows.append([*first, f"{change.change:+.2f} ({low:+.2f} to {high:+.2f})", f"{change.p:.3g}", adjusted])
        lines += _aligned(rows)
    return lines


def _figures(figures: Mapping[str, Figure], names: Sequence[str]) -> list[str]:
    """E.g. ``62.0 (48-74)``."""
    said = []
    for name in names:
        figure = figures[name]
        ends = f" ({100 * figure.interval[0]:.0f}-{100 * figure.interval[1]:.0f})" if figure.interval else ""
        said.append(f"{100 * figure.value:.1f}{ends}")
    return said


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width."""
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(max(map(len, rows)))]
    return ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=False)).rstrip() for row in rows]
