"""`deciface gallery rank`, `matrix`, `clusters` and `cohort-test`: few patients, or nobody else with that disorder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deciface.cases import RESEARCH_USE_ONLY, SIMULATED
from deciface.cli.cases import workspace_folder
from deciface.cli.output import emit, note
from deciface.errors import OptionError
from deciface.space import Rule
from deciface.space.cohort_test import Match

if TYPE_CHECKING:
    from deciface.space import Gallery
    from deciface.space.clusters import Clusters
    from deciface.space.cohort_test import CohortTest
    from deciface.space.lumping import CohortComparison
    from deciface.space.matching import Matches
    from deciface.workflows.cohort_reports import Asked
    from deciface.workflows.cohorts import SideBySide

_Where = Annotated[Path | None, typer.Option("--gallery", help="A workspace, or a file of encodings.")]
_Workspace = Annotated[Path | None, typer.Option("--workspace", envvar="DECIFACE_WORKSPACE")]
_Cases = Annotated[Path | None, typer.Option("--cases", help="Case table of a file of encodings.")]
_Models = Annotated[list[str] | None, typer.Option("--model", "--encoder", help="Use only these encoders; repeat it.")]
_Seed = Annotated[int, typer.Option("--seed", min=0, help="Of everything random; the same seed, the same answer.")]
_Folder = Annotated[Path | None, typer.Option("-o", "--output", help="Folder for tables and a picture.")]
_Report = Annotated[Path | None, typer.Option("--report", help="Write a self-contained HTML report.")]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
_COHORT = "p1,p2,p3 or gene:SYMBOL or disorder:ID."


def _opened(gallery: Path | None, workspace: Path | None, cases: Path | None, models: list[str] | None) -> Gallery:
    from deciface.workflows.galleries import open_gallery

    return open_gallery(gallery or workspace_folder(workspace), cases=cases, models=models, say=note)


def _asked(opened: Gallery, gallery: Path | None, workspace: Path | None, *about: str, **settings: object) -> Asked:
    """What a report says of the question; settings with a value only."""
    from deciface.workflows.cohort_reports import Asked

    where = gallery or workspace_folder(workspace)
    told = tuple((name.replace("_", " "), str(value)) for name, value in settings.items() if value not in (None, ""))
    return Asked(opened, where.name, about, told)


def rank(
    *,
    patient: Annotated[
        str | None, typer.Option("--patient", help="Somebody in the gallery, or whose encodings --query has.")
    ] = None,
    query: Annotated[Path | None, typer.Option("--query", help="Encodings of one patient's photos.")] = None,
    rules: Annotated[list[Rule] | None, typer.Option("--rule", help="Repeat it; all rules when left out.")] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many of each to list.")] = 10,
    published_cut: Annotated[
        float | None,
        typer.Option("--published-cut", help="Also as published: without photos nearer than this, 0.3 to 0.4."),
    ] = None,
    gallery: _Where = None,
    workspace: _Workspace = None,
    cases: _Cases = None,
    models: _Models = None,
    report: _Report = None,
    json: _Json = False,
) -> None:
    """Rank disorders, genes and patients for one patient, under every rule side by side."""
    from deciface.formats.encodings import read_encodings
    from deciface.space import Query
    from deciface.workflows.cohort_reports import write_ranking_report
    from deciface.workflows.cohorts import query_of_patient, rank_side_by_side

    if query is None and patient is None:
        raise OptionError("nobody to rank: give --patient ID of the gallery, or --query ENCODINGS of one patient")
    opened = _opened(gallery, workspace, cases, models)
    if query is not None:
        face = Query.of([e for e in read_encodings(query) if not models or e.view.model in models], patient_id=patient)
    else:
        face = query_of_patient(opened, patient or "")
    answer = rank_side_by_side(opened, face, rules=rules or (), top=top, published_cut=published_cut)
    if report:
        who = f"patient {patient}" if query is None else f"{query.name}{f', patient {patient}' if patient else ''}"
        asked = _asked(opened, gallery, workspace, who, listed=top, published_cut=published_cut)
        write_ranking_report(answer, report, asked=asked, now=dt.datetime.now(dt.UTC))
        note(f"report: {report}")
    _tell(opened, answer.as_document(), _lines_of_rules(answer), json=json)


def _lines_of_rules(answer: SideBySide) -> list[str]:
    first = answer.rankings[0]
    lines = _heading(simulated=first.composition.simulated > 0)
    for ranking in answer.rankings:
        lines.append(f"disorders by {ranking.rule} (small is close; not a probability, not comparable across rules):")
        for d in ranking.disorders:
            mark = " [simulated disorder]" if d.simulated else ""
            size = f"{d.patients} patients, {d.photos} photos"
            lines.append(f"{d.rank:5d}. {d.distance:9.4f}  {d.disorder.name} ({size}){mark}")
    lines += [f"not ranked by {rule}: {why}" for rule, why in answer.refused]
    if answer.published is not None:
        done = answer.published
        lines.append(
            f"as published, without {done.dropped_photos} photos of {done.dropped_patients} patients nearer than "
            f"{done.cut:g}:"
        )
        lines += [f"{d.rank:5d}. {d.distance:9.4f}  {d.disorder.name}" for d in done.ranking.disorders]
    if first.left_out:
        lines.append(f"left out: {len(first.left_out)} photo(s) of the same patient or with the same pixels")
    if first.unverified:
        lines.append(f"not verified: weights or crops of {', '.join(first.unverified)} are unknown on both sides")
    return [*lines, f"compared with: {first.composition.patients} people, {first.composition.photos} photos"]


def _tell(opened: Gallery, document: Mapping[str, Any], lines: Sequence[str], *, json: bool) -> None:
    """Print an answer, with the views that it rests on."""
    views = [str(view) for view in opened.views]
    emit({**document, "views": views}, "\n".join([*lines, f"encoder: {', '.join(views)}"]), json=json)


def _heading(*, simulated: bool) -> list[str]:
    return [RESEARCH_USE_ONLY, *([f"The gallery holds {SIMULATED}."] if simulated else [])]


def matrix(
    cohort: Annotated[str, typer.Argument(help=_COHORT)],
    *,
    output: _Folder = None,
    gallery: _Where = None,
    workspace: _Workspace = None,
    cases: _Cases = None,
    models: _Models = None,
    report: _Report = None,
    json: _Json = False,
) -> None:
    """Pairwise distances and ranks of a cohort's photos among everybody, with their tree."""
    from deciface.space.matrices import pair_matrices
    from deciface.workflows.cohort_reports import write_matrix_report
    from deciface.workflows.cohorts import matrices_document, patients_named, write_matrices

    opened = _opened(gallery, workspace, cases, models)
    pairs = pair_matrices(opened, patients_named(opened, cohort))
    title = f"{cohort}: {len(pairs.photo_ids)} photos of {len(set(pairs.patient_ids))} patients"
    files = write_matrices(pairs, output, title=title) if output else ()
    lines = [*_heading(simulated=pairs.simulated), f"{title}, ranks among {pairs.compared} other photos"]
    order = pairs.order.tolist()
    lines.append("\t".join(["photo", *(pairs.photo_ids[j] for j in order)]))
    for i in order:
        cells = ["-" if i == j else f"{pairs.distances[i, j]:.3f}/{pairs.ranks[i, j]}" for j in order]
        lines.append("\t".join([pairs.photo_ids[i], *cells]))
    lines += [f"written: {f}" for f in files]
    if report:
        asked = _asked(opened, gallery, workspace, cohort)
        write_matrix_report(pairs, report, asked=asked, now=dt.datetime.now(dt.UTC))
        note(f"report: {report}")
    _tell(opened, matrices_document(pairs, files, digest=opened.digest), lines, json=json)


def clusters(
    *,
    percentile: Annotated[
        float, typer.Option("--percentile", help="Cut at this percentile of the distances of different patients.")
    ] = 5.0,
    resamples: Annotated[int, typer.Option("--resamples", min=1, help="For the stability.")] = 100,
    seed: _Seed = 1,
    output: _Folder = None,
    gallery: _Where = None,
    workspace: _Workspace = None,
    cases: _Cases = None,
    models: _Models = None,
    report: _Report = None,
    json: _Json = False,
) -> None:
    """Group unsolved patients who look alike, and list mutual nearest pairs."""
    import numpy as np

    from deciface.space.clusters import find_clusters
    from deciface.space.matching import find_matches
    from deciface.workflows.cohort_reports import write_clusters_report
    from deciface.workflows.cohorts import clusters_document, write_clusters

    opened = _opened(gallery, workspace, cases, models)
    rng = np.random.default_rng(seed)
    found = find_clusters(opened, rng=rng, percentile=percentile, resamples=resamples)
    matches = find_matches(opened)
    files = write_clusters(found, output) if output else ()
    lines = [*_lines_of_clusters(found, matches), *(f"written: {f}" for f in files)]
    if report:
        asked = _asked(opened, gallery, workspace, "unsolved patients", percentile=percentile, seed=seed)
        now = dt.datetime.now(dt.UTC)
        write_clusters_report(found, matches, report, asked=asked, resamples=resamples, now=now)
        note(f"report: {report}")
    document = clusters_document(found, matches, files, digest=opened.digest, seed=seed)
    _tell(opened, document, lines, json=json)


def _lines_of_clusters(found: Clusters, matches: Matches) -> list[str]:
    lines = _heading(simulated=found.simulated)
    lines.append(
        f"{len(found.clusters)} clusters among {matches.unsolved} unsolved patients, cut at {found.cut:.4f}: "
        f"{found.percentile:g} % of {found.reference_pairs} {found.reference} are nearer"
    )
    for number, c in enumerate(found.clusters, start=1):
        family = ", one family" if c.one_family else ""
        lines.append(
            f"{number:5d}. {', '.join(c.patient_ids)} (mean distance {c.mean_distance:.4f}, stability "
            f"{c.stability:.2f}{family})"
        )
    lines.append("mutual nearest pairs (share of all pairs of unsolved patients that are as near; not a p-value):")
    for m in matches.matches:
        family = ", one family" if m.relatives else ""
        lines.append(f"       {' - '.join(m.patient_ids)}  {m.distance:.4f}  {100 * m.percentile:.2g} %{family}")
    return lines


def cohort_test(
    cohort: Annotated[str, typer.Argument(help=_COHORT)],
    *,
    against: Annotated[
        str | None, typer.Option("--against", help=f"A second cohort, same or different: {_COHORT}")
    ] = None,
    match: Annotated[
        list[Match] | None, typer.Option("--match", help="Draw random groups alike in this; repeat it.")
    ] = None,
    first_photo: Annotated[
        bool, typer.Option("--first-photo", help="One photo a patient instead of the mean of all.")
    ] = False,
    draws: Annotated[int, typer.Option("--draws", min=99, help="Random groups, where not all are looked at.")] = 9_999,
    prior: Annotated[float, typer.Option("--prior", help="With --against: probability of 'different' before.")] = 0.5,
    seed: _Seed = 1,
    gallery: _Where = None,
    workspace: _Workspace = None,
    cases: _Cases = None,
    models: _Models = None,
    report: _Report = None,
    json: _Json = False,
) -> None:
    """Test whether unrelated patients are more alike than chance; with --against, whether two cohorts are the same."""
    import numpy as np

    from deciface.space.cohort_test import cohort_test as run
    from deciface.space.lumping import compare_cohorts
    from deciface.space.people import PatientRow
    from deciface.workflows.cohort_reports import write_comparison_report, write_test_report
    from deciface.workflows.cohorts import cohort_document, comparison_document, patients_named

    if against is not None and (match or first_photo):
        raise OptionError("--match and --first-photo belong to the test of one cohort; leave them out with --against")
    opened = _opened(gallery, workspace, cases, models)
    rng, patients = np.random.default_rng(seed), patients_named(opened, cohort)
    if against is not None:
        compared = compare_cohorts(opened, patients, patients_named(opened, against), rng=rng, prior=prior)
        if report:
            asked = _asked(opened, gallery, workspace, cohort, against, prior=prior, seed=seed)
            write_comparison_report(compared, report, asked=asked, seed=seed, now=dt.datetime.now(dt.UTC))
            note(f"report: {report}")
        _tell(opened, comparison_document(compared, seed=seed), _lines_of_comparison(compared), json=json)
        return
    row = PatientRow.FIRST_PHOTO if first_photo else PatientRow.MEAN
    found = run(opened, patients, rng=rng, row=row, match=match or (), draws=draws)
    for remark in found.remarks:
        note(f"look at: {remark}")
    if report:
        asked = _asked(opened, gallery, workspace, cohort, matched=", ".join(match or ()), draws=draws, seed=seed)
        write_test_report(found, report, asked=asked, now=dt.datetime.now(dt.UTC))
        note(f"report: {report}")
    _tell(opened, cohort_document(found, seed=seed), _lines_of_test(found), json=json)


def _lines_of_test(found: CohortTest) -> list[str]:
    p = found.p
    low, high = found.null_range
    low_p, high_p = p.interval
    interval = "" if low_p == high_p else f"; 95 % interval {low_p:.4g} to {high_p:.4g}"
    matched = f", matched by {', '.join(found.matched)}" if found.matched else ""
    lines = [
        *_heading(simulated=found.simulated),
        f"{len(found.patients)} patients ({found.row}), mean pairwise distance {found.mean_distance:.4f}",
        f"groups of {len(found.patients)} from the cohort and {found.reference_patients} others{matched}: median "
        f"{found.null_median:.4f}, middle 95 % {low:.4f} to {high:.4f}",
        f"p {p.p:.4g} ({p.as_extreme} of {p.arrangements} groups are as alike; {p.null}){interval}; percentile "
        f"{100 * found.percentile:.3g}",
    ]
    if (known := found.published) is not None:
        said = "alike" if known.alike else "not alike"
        verdict = "WOULD DECIDE OTHERWISE" if known.differs else "agrees"
        lines.append(
            f"the published procedure (groups of 10 photos whatever the size, 5th percentile {known.threshold:.4f}) "
            f"says {said} at {known.mean_distance:.4f}: {verdict}"
        )
    return [*lines, *(f"NOTE: {remark}" for remark in found.remarks)]


def _lines_of_comparison(found: CohortComparison) -> list[str]:
    lines = [
        *_heading(simulated=found.simulated),
        f"{len(found.first)} and {len(found.second)} patients, mean distance across {found.distance:.4f}: "
        f"{str(found.decision).upper()}{': ' + found.reason if found.reason else ''}",
    ]
    if (limits := found.limits) is not None:
        below = "nowhere" if limits.same_below is None else f"below {limits.same_below:.4f}"
        above = "nowhere" if limits.different_above is None else f"above {limits.different_above:.4f}"
        lines.append(f"'same' is said {below}, 'different' {above}; in between, cannot tell")
    if (t := found.threshold) is not None and found.posterior is not None:
        lines += [
            f"threshold {t.value:.4f} (95 % interval {t.interval[0]:.4f} to {t.interval[1]:.4f}) from {t.disorders} "
            f"disorders, {t.same_controls} same and {t.different_controls} different pairs; AUC {t.auc:.3f} "
            f"({t.auc_interval[0]:.3f} to {t.auc_interval[1]:.3f})",
            f"on disorders it was not fitted on: sensitivity {t.sensitivity:.3f}, specificity {t.specificity:.3f}; the "
            f"best of five folds would give {t.best_fold:.4f}",
            f"probability of 'different': {found.prior:g} assumed beforehand, {found.posterior:.3f} now",
        ]
    return [*lines, f"the published constant, of another encoder and gallery, would say: {found.published}"]


def add_to(app: typer.Typer) -> None:
    """Make these commands of `deciface gallery`."""
    app.command("rank")(rank)
    app.command("matrix")(matrix)
    app.command("clusters")(clusters)
    app.command("cohort-test")(cohort_test)
