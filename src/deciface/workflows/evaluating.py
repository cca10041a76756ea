"""Evaluate a gallery: split it, look for leakage, rank every test, count; as tables for people and programs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from deciface import __version__
from deciface.cases import RESEARCH_USE_ONLY, SIMULATED, Photo
from deciface.evaluation.accuracy import (
    FEWEST_PATIENTS,
    TIES_WORTH_SAYING,
    TOP,
    PatientAccuracy,
    PublishedAccuracy,
    StratumAccuracy,
    by_stratum,
    per_patient,
    published,
)
from deciface.evaluation.leakage import Leakage, find_leakage
from deciface.evaluation.over_years import FEWEST_OVER_YEARS, LEAST_SPAN_YEARS, OverYears, over_years
from deciface.evaluation.protocol import SEED, Experiment, Protocol, make_protocol
from deciface.evaluation.ranks import count_tests, rank_all
from deciface.evaluation.training_sets import TrainingSet
from deciface.reports.evaluation import EvaluationReport, ReportedRule, render
from deciface.space import Composition, Gallery, Rule
from deciface.space.groups import gene_labels
from deciface.space.restriction import NOT_RECORDED, age_band
from deciface.whole_files import write_whole
from deciface.workflows.evaluation_inputs import protocol_of_files

REPLICATES = 2000


class Target(StrEnum):
    """What has to be found."""

    DISORDER = "disorder"
    GENE = "gene"


class Division(StrEnum):
    """What accuracy is divided by; facts of the photo, or of the patient in it."""

    ANCESTRY = "ancestry"
    AGE = "age"
    SEX = "sex"
    OCCLUSION = "occlusion"
    SOURCE = "source"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class RuleAccuracy:
    """The tables under one rule; `ages` is None where nothing was asked about age, or no photo has one."""

    rule: Rule
    published: tuple[PublishedAccuracy, ...]
    per_patient: tuple[PatientAccuracy, ...]
    strata: tuple[StratumAccuracy, ...]
    ages: OverYears | None = None


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Parameters
    ----------
    gallery_name, gallery_digest, composition, views
        What was evaluated.
    target, protocol, seed, replicates
        How.
    leakage, leakage_allowed
        What was found on both sides, and whether it was evaluated all the same.
    results
        Per rule.
    remarks
        What a person should know before reading the tables, one sentence each.
    """

    gallery_name: str
    gallery_digest: str
    composition: Composition
    views: tuple[str, ...]
    target: Target
    protocol: Protocol
    seed: int
    replicates: int
    leakage: Leakage
    leakage_allowed: bool
    results: tuple[RuleAccuracy, ...]
    remarks: tuple[str, ...]

    @property
    def notices(self) -> tuple[str, ...]:
        """What stands at every table: that people are simulated, that leakage was found and let through."""
        simulated = [f"Computed on {SIMULATED}"] if self.composition.simulated else []
        leaked = [f"LEAKAGE, let through on request: {words}" for words in self.leakage.in_words()]
        return (*simulated, *leaked)

    def as_document(self) -> dict[str, Any]:
        """Return what `deciface gallery evaluate --json` prints."""
        return {
            "notice": RESEARCH_USE_ONLY,
            "notices": list(self.notices),
            "remarks": list(self.remarks),
            "target": str(self.target),
            "protocol": {
                "source": self.protocol.source,
                "seed": self.protocol.seed,
                "frequent": len(self.protocol.frequent),
                "rare": len(self.protocol.rare),
                "runs": len(self.protocol.runs),
            },
            "leakage": {
                "allowed": self.leakage_allowed,
                "found": [{**asdict(one), "leak": str(one.leak)} for one in self.leakage.found],
                "not_checked": {str(leak): why for leak, why in self.leakage.not_checked},
                "limits": {str(leak): why for leak, why in self.leakage.limits},
                "trained_on": list(self.leakage.compared),
            },
            "rules": [
                {
                    "rule": str(result.rule),
                    "published": [_plain(row) for row in result.published],
                    "per_patient": [_plain(row) for row in result.per_patient],
                    "strata": [_plain(row) for row in result.strata],
                    "ages": result.ages and _ages(result.ages),
                }
                for result in self.results
            ],
            "bootstrap": {"unit": "patient", "seed": self.seed, "replicates": self.replicates, "level": 0.95},
            "gallery": {"name": self.gallery_name, "digest": self.gallery_digest, **asdict(self.composition)},
            "provenance": {"deciface": __version__, "views": list(self.views)},
        }


def evaluate(
    gallery: Gallery,
    *,
    gallery_name: str,
    splits: Path | None = None,
    target: Target = Target.DISORDER,
    rules: Sequence[Rule] = (Rule.NEAREST_IMAGE,),
    experiments: Collection[Experiment] = tuple(Experiment),
    divisions: Collection[Division] = (Division.ANCESTRY, Division.AGE, Division.SEX),
    more_strata: Mapping[str, Mapping[str, str]] | None = None,
    trained_on: Sequence[TrainingSet] = (),
    identity_model: str | None = None,
    allow_leakage: bool = False,
    seed: int = SEED,
    replicates: int = REPLICATES,
    begin: Callable[[str, int], Callable[[int], None]] | None = None,
) -> Evaluation:
    """Measure how often the own disorder of a test patient is near.

    Parameters
    ----------
    gallery, gallery_name
        Whose accuracy, and what to call it.
    splits
        Folder of ``gmdb_*_images_v*.csv``; made here when left out.
    target, rules, experiments, divisions
        What to find, by which rules, in which experiments, divided by what.
    more_strata
        Further divisions (photo quality): by name, the stratum by photo id.
    trained_on, identity_model, allow_leakage
        As in `deciface.evaluation.leakage`; whether to go on where something is found.
    seed, replicates
        Of the splits made here and of the bootstrap.
    begin
        Called with a description and a total at each stage; what it returns is called with what was done.

    Raises
    ------
    NothingFoundError
        There is no experiment to run.
    MismatchError
        Leakage, unless it is allowed.
    InputError, TableError, OptionError
        Splits or options that cannot be used.
    """
    labels = _labels(gallery, target)
    if splits is None:
        patients = [photo.patient.id for photo in gallery.photos]
        protocol = make_protocol(patients, labels, experiments=experiments, seed=seed)
    else:
        protocol = protocol_of_files(gallery, labels, splits, experiments)
    leakage = find_leakage(gallery, protocol, trained_on=trained_on, identity_model=identity_model)
    if not allow_leakage:
        leakage.refuse()
    strata = {str(d): [_stratum(photo, d) for photo in gallery.photos] for d in divisions if d is not Division.NONE}
    for name, of in (more_strata or {}).items():
        strata[name] = [of.get(photo.id, NOT_RECORDED) for photo in gallery.photos]
    ages = [photo.age_years for photo in gallery.photos]
    results = []
    for rule in rules:
        tell = begin(f"ranking by {rule}", count_tests(protocol)) if begin else None
        ranked = rank_all(gallery, protocol, rule=rule, advance=tell)
        results.append(
            RuleAccuracy(
                rule,
                published(ranked, protocol, gallery.patient_of_row),
                per_patient(ranked, protocol, seed=seed, replicates=replicates),
                by_stratum(ranked, strata, gallery.patient_of_row, seed=seed, replicates=replicates),
                over_years(
                    ranked, ages, gallery.patient_of_row, gallery.by_patient.keys, seed=seed, replicates=replicates
                )
                if Division.AGE in divisions and any(age is not None for age in ages)
                else None,
            )
        )
    return Evaluation(
        gallery_name,
        gallery.digest,
        gallery.composition(),
        tuple(map(str, gallery.views)),
        target,
        protocol,
        seed,
        replicates,
        leakage,
        allow_leakage,
        tuple(results),
        tuple(_remarks(gallery, protocol, leakage, results, target)),
    )


def _labels(gallery: Gallery, target: Target) -> list[tuple[str, ...]]:
    if target is Target.DISORDER:
        return [tuple(dict.fromkeys(d.disorder.id for d in photo.diagnoses)) for photo in gallery.photos]
    return [tuple(g.key for g in gene_labels(photo.diagnoses) if not g.stands_for_disorder) for photo in gallery.photos]


def _stratum(photo: Photo, division: Division) -> str:
    if division is Division.ANCESTRY:
        return photo.patient.ancestry_label
    if division is Division.AGE:
        band = age_band(photo.age_years)
        return band if band == NOT_RECORDED else f"{band} years"
    if division is Division.SEX:
        return str(photo.patient.sex)
    if division is Division.OCCLUSION:
        return ", ".join(sorted(photo.occlusions)) or "none recorded"
    return str(photo.source)


def _remarks(
    gallery: Gallery, protocol: Protocol, leakage: Leakage, results: Sequence[RuleAccuracy], target: Target
) -> list[str]:
    """What a person should know before reading the tables."""
    said = [*protocol.remarks]
    said += [f"not checked ({leak}): {why}" for leak, why in leakage.not_checked]
    said += [f"not wholly checked ({leak}): {why}" for leak, why in leakage.limits]
    said += [f"looked for whom the encoder learnt from in {words}" for words in leakage.compared]
    said += [f"view {view} was not used: some photos lack it" for view in gallery.dropped_views]
    said += [
        f"{result.rule}, {row.experiment}: for {100 * row.tied:.1f} % of the tests others are exactly as near as the "
        f"right {target}; every order of them is counted as equally likely"
        for result in results
        for row in result.per_patient
        if row.tied > TIES_WORTH_SAYING
    ]
    said.append(f"strata of fewer than {FEWEST_PATIENTS} patients are given no figure")
    return said


def _plain(row: PublishedAccuracy | PatientAccuracy | StratumAccuracy) -> dict[str, Any]:
    """As JSON: enums as text, top-k by name."""
    out: dict[str, Any] = {**asdict(row), "experiment": str(row.experiment)}
    if isinstance(row, PublishedAccuracy):
        out["top"] = {f"top-{k}": row.top[k] for k in TOP}
        out["spread"] = row.spread and {f"top-{k}": row.spread[k] for k in TOP}
    return out


def _ages(found: OverYears) -> dict[str, Any]:
    """As JSON: the curve by age, every patient with photos of several ages, and the changes."""
    return {
        "by_age": [{**asdict(row), "experiment": str(row.experiment), "band": row.band} for row in found.by_age],
        "patients": [
            {"experiment": str(experiment), **asdict(person), "change": person.change}
            for experiment, person in found.patients
        ],
        "changes": [{**asdict(row), "experiment": str(row.experiment)} for row in found.changes],
        "least_span_years": LEAST_SPAN_YEARS,
        "fewest_patients": FEWEST_OVER_YEARS,
    }


def write_report(answer: Evaluation, path: Path, *, now: dt.datetime) -> None:
    """Write an evaluation as one HTML page.

    Raises
    ------
    StorageError
        When it cannot be written.
    """
    page = EvaluationReport(
        title=f"Accuracy of {answer.gallery_name}",
        target=str(answer.target),
        notices=answer.notices,
        remarks=answer.remarks,
        results=tuple(ReportedRule(str(r.rule), r.published, r.per_patient, r.strata, r.ages) for r in answer.results),
        leakage=answer.leakage,
        composition=answer.composition,
        splits=answer.protocol.source,
        seed=answer.seed,
        replicates=answer.replicates,
        provenance=(
            ("DeciFace", __version__),
            ("gallery", answer.gallery_name),
            ("gallery digest", answer.gallery_digest),
            ("views", ", ".join(answer.views)),
            ("splits", answer.protocol.source),
        ),
    )
    write_whole(path, render(page, now=now).encode())
