"""The report of an evaluation: the published table, the table per patient, strata, leakage, and how it was done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deciface.cases import RESEARCH_USE_ONLY
from deciface.evaluation.accuracy import (
    FEWEST_PATIENTS,
    MRR,
    TOP,
    Figure,
    PatientAccuracy,
    PublishedAccuracy,
    StratumAccuracy,
)
from deciface.evaluation.leakage import NEAR_DUPLICATE, Leak, Leakage
from deciface.evaluation.over_years import FEWEST_OVER_YEARS, LEAST_SPAN_YEARS, OverYears
from deciface.evaluation.protocol import Experiment
from deciface.figures.accuracy import AgeAccuracy, PhotoOverYears, accuracy_by_age, ranks_over_years
from deciface.space import Composition

MEANING: Mapping[Experiment, str] = {
    Experiment.FREQUENT: "patients with a frequent disorder, among patients with frequent disorders",
    Experiment.RARE: "patients with a rare disorder, among patients with rare disorders",
    Experiment.FREQUENT_AMONG_ALL: "patients with a frequent disorder, among both",
    Experiment.RARE_AMONG_ALL: "patients with a rare disorder, among both",
    Experiment.ONE_OUT: "every diagnosed patient, among all others",
}
_LISTED = 40
"""Cases of leakage that are listed one by one."""
_PANEL = {"width": 340, "height": 230, "left": 38, "right": 8, "top": 10, "bottom": 26}


@dataclass(frozen=True, slots=True)
class ReportedRule:
    """The tables of one rule."""

    rule: str
    published: tuple[PublishedAccuracy, ...]
    per_patient: tuple[PatientAccuracy, ...]
    strata: tuple[StratumAccuracy, ...]
    ages: OverYears | None = None


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Everything the page shows.

    Parameters
    ----------
    title, target
        Head of the page; ``disorder`` or ``gene``.
    notices
        What must stand at every table: simulated people, leakage let through.
    remarks
        What a person should know, one sentence each.
    results, leakage, composition
        The tables.
    splits, seed, replicates
        How tests were chosen, and of the intervals that are drawn.
    provenance
        Pairs of label and value.
    """

    title: str
    target: str
    notices: tuple[str, ...]
    remarks: tuple[str, ...]
    results: tuple[ReportedRule, ...]
    leakage: Leakage
    composition: Composition
    splits: str
    seed: int
    replicates: int
    provenance: tuple[tuple[str, str], ...]


def render(report: EvaluationReport, *, now: dt.datetime) -> str:
    """Render the page as one self-contained HTML document; `now` is printed as the time of the report."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("deciface.reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    names = [*(f"top-{k}" for k in TOP), MRR]
    return environment.get_template("evaluation.html.j2").render(
        report=report,
        notice=RESEARCH_USE_ONLY,
        names=names,
        summary=[_summary(report, result) for result in report.results],
        results=[_result(result, names) for result in report.results],
        checks=_checks(report.leakage),
        listed=[(str(one.leak), str(one)) for one in report.leakage.found[:_LISTED]],
        unlisted=max(0, len(report.leakage.found) - _LISTED),
        fewest=FEWEST_PATIENTS,
        fewest_over_years=FEWEST_OVER_YEARS,
        least_span=f"{LEAST_SPAN_YEARS:g}",
        near=NEAR_DUPLICATE,
        now=now.strftime("%Y-%m-%d %H:%M %Z").strip(),
    )


def _summary(report: EvaluationReport, result: ReportedRule) -> list[str]:
    """One sentence per experiment."""
    said = []
    for row in result.per_patient:
        first, tenth = row.micro["top-1"], row.micro["top-10"]
        said.append(
            f"{row.experiment}: the right {report.target} came first for {_percent(first)} of {row.patients} patients "
            f"and was among the first ten for {_percent(tenth)}; a random order would put it first for "
            f"{100 * row.chance:.1f} %"
        )
    return said


def _percent(figure: Figure) -> str:
    if figure.interval is None:
        return f"{100 * figure.value:.0f} %"
    low, high = figure.interval
    return f"{100 * figure.value:.0f} % ({100 * low:.0f}–{100 * high:.0f} %)"


def _result(result: ReportedRule, names: Sequence[str]) -> dict[str, Any]:
    return {
        "rule": result.rule,
        "published": [
            {
                "experiment": str(row.experiment),
                "meaning": MEANING[row.experiment],
                "gallery": [_mean(row.gallery_photos), _mean(row.gallery_patients), _mean(row.gallery_disorders)],
                "test": [_mean(row.test_photos), _mean(row.test_patients), _mean(row.disorders)],
                "splits": row.splits,
                "top": [(f"{100 * row.top[k]:.2f}", f"± {100 * row.spread[k]:.2f}" if row.spread else "") for k in TOP],
            }
            for row in result.published
        ],
        "per_patient": [
            {
                "experiment": str(row.experiment),
                "meaning": MEANING[row.experiment],
                "patients": row.patients,
                "disorders": row.disorders,
                "covered": f"{100 * row.covered:.1f}",
                "chance": f"{100 * row.chance:.1f}",
                "means": [
                    ("micro", [_cell(row.micro[name]) for name in names]),
                    ("macro", [_cell(row.macro[name]) for name in names]),
                ],
            }
            for row in result.per_patient
        ],
        "panels": [_panel(row) for row in result.per_patient],
        "strata": _strata(result.strata),
        "ages": _ages(result),
    }


def _mean(count: float) -> str:
    return f"{count:,.1f}".removesuffix(".0")


def _ages(result: ReportedRule) -> list[dict[str, Any]]:
    """By experiment: the curve by age, the lines of patients over the years, and the table of changes."""
    found = result.ages
    if found is None:
        return []
    blocks = []
    for place, accuracy in enumerate(result.per_patient):
        experiment = accuracy.experiment
        bands = [
            AgeAccuracy(
                row.from_years,
                row.to_years,
                row.figures["top-1"].value if row.figures else None,
                row.figures["top-1"].interval if row.figures else None,
                row.patients,
            )
            for row in found.by_age
            if row.experiment is experiment
        ]
        people = [person for of, person in found.patients if of is experiment]
        if not bands:
            continue
        name = f"ages-{result.rule}-{place}"
        lines = [
            (
                f"patient {number}",  # a page of accuracy names nobody
                [PhotoOverYears(age, round(rank)) for age, rank in zip(person.ages_years, person.ranks, strict=True)],
            )
            for number, person in enumerate(people, start=1)
        ]
        blocks.append(
            {
                "experiment": str(experiment),
                "meaning": MEANING[experiment],
                "curve_svg": accuracy_by_age(bands, name=name, chance=accuracy.chance),
                "lines_svg": ranks_over_years(lines, name=f"{name}-lines", disorders=max(2, _worst(lines)))
                if lines
                else "",
                "changes": [
                    {
                        "disorder": row.disorder or "all",
                        "patients": row.patients,
                        "span": f"{row.median_span_years:g}",
                        "change": None if row.change is None else f"{row.change:+.2f}",
                        "ends": f"({row.interval[0]:+.2f} to {row.interval[1]:+.2f})" if row.interval else "",
                        "p": "" if row.p is None else f"{row.p:.3g}",
                        "adjusted": "" if row.adjusted_p is None else f"{row.adjusted_p:.3g}",
                    }
                    for row in found.changes
                    if row.experiment is experiment
                ],
            }
        )
    return blocks


def _worst(lines: Sequence[tuple[str, Sequence[PhotoOverYears]]]) -> int:
    return max(photo.rank or 0 for _, photos in lines for photo in photos)


def _cell(figure: Figure) -> dict[str, str]:
    ends = f"({100 * figure.interval[0]:.0f}–{100 * figure.interval[1]:.0f})" if figure.interval else ""
    return {"value": f"{100 * figure.value:.1f}", "ends": ends, "method": figure.method}


def _strata(rows: Sequence[StratumAccuracy]) -> list[dict[str, Any]]:
    """Strata by experiment, then by what divides."""
    grouped: dict[Experiment, dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        shown: dict[str, Any] = {"name": row.stratum, "patients": row.patients, "disorders": row.disorders, "bars": []}
        for name in ("top-1", "top-10"):
            if name in row.figures:
                figure = row.figures[name]
                low, high = figure.interval or (figure.value, figure.value)
                place = {"low": 100 * low, "width": 100 * (high - low), "dot": 100 * figure.value}
                shown["bars"].append({**_cell(figure), **{k: f"{v:.1f}" for k, v in place.items()}})
        grouped.setdefault(row.experiment, {}).setdefault(row.by, []).append(shown)
    return [{"experiment": str(e), "meaning": MEANING[e], "by": list(groups.items())} for e, groups in grouped.items()]


def _panel(row: PatientAccuracy) -> dict[str, Any]:
    """Lay out one chart: top-k on x, percent on y, micro and macro beside each other with their intervals."""
    p = _PANEL
    inner_w, inner_h = p["width"] - p["left"] - p["right"], p["height"] - p["top"] - p["bottom"]

    def y(share: float) -> float:
        return round(p["top"] + inner_h * (1 - share), 1)

    series = []
    for kind, figures, shift in (("micro", row.micro, -5.0), ("macro", row.macro, 5.0)):
        points = []
        for i, k in enumerate(TOP):
            figure = figures[f"top-{k}"]
            low, high = figure.interval or (figure.value, figure.value)
            x = round(p["left"] + inner_w * (i + 0.5) / len(TOP) + shift, 1)
            points.append({"x": x, "y": y(figure.value), "low": y(low), "high": y(high)})
        series.append({"kind": kind, "points": points})
    return {
        **p,
        "experiment": str(row.experiment),
        "patients": row.patients,
        "grid": [(y(share / 100), share) for share in (0, 25, 50, 75, 100)],
        "ticks": [(round(p["left"] + inner_w * (i + 0.5) / len(TOP), 1), k) for i, k in enumerate(TOP)],
        "covered": y(row.covered) if row.covered < 1 else None,
        "series": series,
    }


def _checks(leakage: Leakage) -> list[dict[str, str]]:
    """One line for every check, also for those that were not done."""
    undone, limits = dict(leakage.not_checked), dict(leakage.limits)
    rows = []
    for leak in Leak:
        count = len(leakage.of(leak))
        outcome = f"{count} found" if count else "none found"
        tone = "bad" if count else "ok"
        if leak in undone:
            outcome, tone = f"not checked: {undone[leak]}", "care"
        elif leak in limits:
            outcome, tone = f"{outcome}; not wholly checked: {limits[leak]}", tone if count else "care"
        rows.append({"name": str(leak), "outcome": outcome, "tone": tone})
    return rows
