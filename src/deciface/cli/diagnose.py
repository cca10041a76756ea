"""`deciface diagnose`: one patient's photos against a gallery."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deciface.cases import RESEARCH_USE_ONLY, SIMULATED, Sex
from deciface.cli.cases import workspace_folder
from deciface.cli.output import emit, note
from deciface.cli.photo import Device, InPrecision
from deciface.encoders.precision import Precision
from deciface.errors import OptionError
from deciface.space import Restriction, Rule

if TYPE_CHECKING:
    from deciface.workflows.diagnosing import FaceDiagnosis


def _ages(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    low, dash, high = text.partition("-")
    try:
        return float(low), float(high if dash else low)
    except ValueError:
        raise OptionError(f"--gallery-ages {text}: give two ages in years, e.g. 2-6 or 0.5-3") from None


def diagnose(
    photos: Annotated[list[Path], typer.Argument(help="One or several photos of one patient.")],
    *,
    gallery: Annotated[Path | None, typer.Option("--gallery", help="A workspace, or a file of encodings.")] = None,
    workspace: Annotated[Path | None, typer.Option("--workspace", envvar="DECIFACE_WORKSPACE")] = None,
    cases: Annotated[Path | None, typer.Option("--cases", help="Case table of a file of encodings.")] = None,
    rule: Annotated[Rule, typer.Option("--rule", help="How photos become a list of disorders.")] = Rule.NEAREST_IMAGE,
    top: Annotated[int, typer.Option("--top", min=1, help="How many of each to list.")] = 30,
    face: Annotated[int | None, typer.Option("--face", min=1, help="Which face, by size.")] = None,
    patient: Annotated[
        str | None, typer.Option("--patient", help="The patient's id: their own photos are left out.")
    ] = None,
    age_years: Annotated[
        float | None, typer.Option("--age-years", min=0, max=120, help="In the photo; chooses unaffected people alike.")
    ] = None,
    sex: Annotated[Sex | None, typer.Option("--sex", help="The patient's; chooses unaffected people alike.")] = None,
    ancestry: Annotated[
        str | None, typer.Option("--ancestry", help="The patient's; chooses unaffected people alike, never a prior.")
    ] = None,
    gallery_ancestry: Annotated[
        list[str] | None, typer.Option("--gallery-ancestry", help="Compare only with these ancestries; repeat it.")
    ] = None,
    gallery_sex: Annotated[Sex | None, typer.Option("--gallery-sex", help="Compare only with this sex.")] = None,
    models: Annotated[
        list[str] | None, typer.Option("--model", "--encoder", help="Only these encoders; repeat it.")
    ] = None,
    gallery_ages: Annotated[
        str | None, typer.Option("--gallery-ages", help="Only ages in the photo, e.g. 2-6.")
    ] = None,
    device: Device = "cpu",
    precision: InPrecision = Precision.FP32,
    report: Annotated[Path | None, typer.Option("--report", help="Write a self-contained HTML report.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Rank disorders, genes and patients by how close their faces are, with quality and unusualness."""
    from deciface.models import ModelStore
    from deciface.store import Workspace
    from deciface.workflows.diagnosing import PatientFacts, ensemble_of
    from deciface.workflows.diagnosing import diagnose as run
    from deciface.workflows.encoding import Arithmetic, PhotoEncoder
    from deciface.workflows.galleries import open_gallery
    from deciface.workflows.reporting import write_report

    if report and report.suffix.casefold() not in (".html", ".htm"):
        raise OptionError(f"--report {report.name}: the report is a page; name it .html")
    where = gallery or workspace_folder(workspace)
    opened = open_gallery(where, cases=cases, models=models, say=note)
    answer = run(
        photos,
        opened,
        encoder=PhotoEncoder(ModelStore(), ensemble=ensemble_of(opened), arithmetic=Arithmetic(device, precision)),
        gallery_name=where.name,
        facts=PatientFacts(id=patient, age_years=age_years, sex=sex and str(sex), ancestry=ancestry),
        rule=rule,
        restriction=Restriction(ancestry=tuple(gallery_ancestry or ()), sex=gallery_sex, age_years=_ages(gallery_ages)),
        face_number=face,
        top=top,
    )
    if report:
        now = dt.datetime.now(dt.UTC)
        if where.is_dir():
            with Workspace.open(where) as shown:
                write_report(answer, report, workspace=shown, now=now)
        else:
            write_report(answer, report, workspace=None, now=now)
        note(f"report: {report}")
    emit(answer.as_document(), "\n".join(lines_of(answer)), json=json)


def lines_of(answer: FaceDiagnosis) -> list[str]:
    """Say a diagnosis in lines for a terminal; simulated disorders are called so on their own line."""
    r = answer.ranking
    lines = [RESEARCH_USE_ONLY]
    if answer.simulated:
        lines.append(f"The gallery holds {SIMULATED}.")
    for seen in answer.seen:
        lines.append(f"{seen.name}: quality {seen.quality.verdict}")
        lines += [f"    {advice}" for advice in seen.quality.advice]
        lines += [f"    note: {remark}" for remark in seen.remarks]
    lines += [f"NOTE: {remark}" for remark in answer.remarks]
    lines.append(f"encoder: {', '.join(map(str, r.views_used))}")
    lines += _unusualness_lines(answer)
    lines.append(f"disorders by {r.rule} (distance, small is close; not a probability):")
    for d in r.disorders:
        mark = " [simulated disorder]" if d.simulated else ""
        lines.append(
            f"{d.rank:5d}. {d.distance:.4f}  {d.disorder.name} ({d.patients} patients, {d.photos} photos){mark}"
        )
    if r.genes and not all(g.stands_for_disorder for g in r.genes):
        lines.append("genes, by the same rule (a disorder without a known gene stands for itself):")
        for g in r.genes[:10]:
            mark = " (no gene known)" if g.stands_for_disorder else ""
            lines.append(f"{g.rank:5d}. {g.distance:.4f}  {g.gene}{mark}")
    lines.append("nearest faces:")
    for p in r.photos[:5]:
        what = "unaffected" if p.unaffected else ", ".join(x.name for x in p.disorders) or "undiagnosed"
        age = f", {p.age_years:g} y" if p.age_years is not None else ""
        mark = " [simulated person]" if p.simulated else ""
        lines.append(f"{p.rank:5d}. {p.distance:.4f}  {p.patient_id}: {what}; {p.ancestry}, {p.sex}{age}{mark}")
    if r.left_out:
        lines.append(
            f"left out of the comparison: {len(r.left_out)} photo(s) of the same patient or with the same pixels"
        )
    if r.unverified:
        lines.append(f"not verified: weights or crops of {', '.join(r.unverified)} are unknown on both sides")
    lines.append(f"compared with: {r.restriction}; {r.composition.patients} people, {r.composition.photos} photos")
    return lines


def _unusualness_lines(answer: FaceDiagnosis) -> list[str]:
    """Say where the face stands among unaffected people, and what that says about a disorder."""
    u, e = answer.unusualness, answer.syndromic
    simulated = "simulated " if answer.simulated else ""
    if u.percentile is None or u.reason:
        lines = [f"unusualness: {u.verdict}: {u.reason}"]
    else:
        low, high = u.interval or (0.0, 1.0)
        alike = f" ({u.alike})" if u.alike else ""
        lines = [
            f"unusualness: {u.verdict} ({100 * u.percentile:.0f} % of {u.people} {simulated}unaffected people{alike} "
            f"are less unusual, 95 % interval {100 * low:.0f}-{100 * high:.0f} %)"
        ]
    if u.relaxed:
        lines.append(f"    too few unaffected people are alike in {', '.join(u.relaxed)}: adjusted for, not held equal")
    lines += [f"    {remark}" for remark in u.remarks]
    lines.append(f"patient of some disorder, or unaffected: {e.side}{f': {e.reason}' if e.reason else ''}")
    if e.log_likelihood_ratio is not None and e.interval is not None and e.calibration is not None:
        low, high = e.interval
        c = e.calibration
        lines.append(
            f"    log likelihood ratio {e.log_likelihood_ratio:+.2f} (95 % interval {low:+.2f} to {high:+.2f}), learnt "
            f"from {c.patients} {simulated}patients and {c.unaffected} unaffected people, told apart at an area of "
            f"{c.known.value:.2f}, {c.unseen.value:.2f} where the disorder is not in the gallery"
        )
        lines += [f"    {share}" for share in e.shares]
    return lines
