"""The demonstration: a simulated cohort through the whole main job, with figures against chance and a report."""

from __future__ import annotations

import datetime as dt
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from deciface.cases import SIMULATED
from deciface.encoders import available_cores
from deciface.errors import StorageError
from deciface.formats.case_cells import CaseRow
from deciface.formats.cases_csv import read_cases
from deciface.models import ModelStore
from deciface.simulate import AppearanceModel, CohortPlan, simulate_cohort
from deciface.space import Gallery, Query, Rule, rank
from deciface.store import Workspace
from deciface.workflows.diagnosing import FaceDiagnosis, PatientFacts, diagnose, ensemble_of
from deciface.workflows.encoding import EncodedPhoto, PhotoEncoder, encode_photos
from deciface.workflows.importing import import_table
from deciface.workflows.reporting import write_report

SEED = 20260101
HELD_OUT_SHARE = 0.25
SHOWN_RULE = Rule.DISORDER_CENTROID
PLAN = CohortPlan(patients_per_disorder=20, unaffected=60, photos=(1, 2))

Progress = Callable[[str, int], AbstractContextManager[Callable[..., None]]]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How many of how many held-out patients had their disorder within the first `top`, with a 95 % Wilson interval."""

    rule: Rule
    top: int
    group: str
    hits: int
    of: int
    chance: float

    @property
    def share(self) -> float:
        """Hits over patients."""
        return self.hits / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson score interval, 95 %."""
        found = binomtest(self.hits, self.of).proportion_ci(0.95, method="wilson")
        return float(found.low), float(found.high)

    def __str__(self) -> str:
        """E.g. ``top-1, everybody: 62 % (31 of 50; 95 % interval 48-74 %; chance 10 %)``."""
        low, high = self.interval
        return (
            f"top-{self.top}, {self.group}: {100 * self.share:.0f} % ({self.hits} of {self.of}; "
            f"95 % interval {100 * low:.0f}-{100 * high:.0f} %; chance {100 * self.chance:.0f} %)"
        )


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What the demonstration made."""

    folder: Path
    report: Path
    people: int
    photos: int
    held_out: int
    accuracy: tuple[Accuracy, ...]
    shown: FaceDiagnosis

    def as_document(self) -> dict[str, Any]:
        """Return what `deciface demo --json` prints."""
        return {
            "notice": SIMULATED,
            "folder": str(self.folder),
            "report": str(self.report),
            "people": self.people,
            "photos": self.photos,
            "held_out": self.held_out,
            "accuracy": [
                {
                    "rule": str(a.rule),
                    "top": a.top,
                    "group": a.group,
                    "hits": a.hits,
                    "of": a.of,
                    "share": a.share,
                    "interval": a.interval,
                    "chance": a.chance,
                }
                for a in self.accuracy
            ],
        }


def demonstrate(
    folder: Path, *, store: ModelStore, now: dt.datetime, progress: Progress, plan: CohortPlan = PLAN
) -> Demonstration:
    """Simulate a cohort, import it, rank held-out patients, write a report.

    Parameters
    ----------
    folder
        New or made by an earlier demonstration; the cohort and workspace in it are used again.
    store
        Models.
    now
        Printed in the report.
    progress
        Makes a progress bar from a description and a total.
    plan
        What to simulate.

    Raises
    ------
    StorageError
        When the folder holds something else, or cannot be written.
    """
    cohort = folder / "cohort"
    if folder.exists() and any(folder.iterdir()) and not (cohort / "manifest.json").exists():
        raise StorageError(f"'{folder}' holds other files; name a new folder for the demonstration")
    folder.mkdir(parents=True, exist_ok=True)
    if not cohort.exists():
        with progress("simulating people", 1) as advance:
            simulate_cohort(
                AppearanceModel.shipped(),
                cohort,
                plan=plan,
                seed=SEED,
                workers=available_cores(),
                progress=lambda _, total: advance(1, total=total),
            )
    table = read_cases(cohort / "cases.csv")
    rows = list(table.rows)
    out = _held_out(rows)
    kept = replace(table, cases=tuple(c for c in table.cases if c[1].id not in out))
    asked = [r for r in rows if r[1].patient.id in out]
    root = folder / "workspace"
    with _own_workspace(root) as workspace:
        with progress("importing the gallery", sum(len(case.photos) for _, case in kept.cases)) as advance:
            import_table(cohort / "cases.csv", workspace, store=store, table=kept, advance=advance)
        gallery = workspace.gallery()
        with progress("encoding held-out patients", len(asked)) as advance:
            encoded = encode_photos([r.photo_path for _, r in asked], store=store, advance=advance)
        people = _by_patient(asked, encoded.photos)
        ranks = {
            rule: {who: _rank_of_own(gallery, row, photos, rule) for who, (row, photos) in people.items()}
            for rule in (Rule.NEAREST_IMAGE, Rule.DISORDER_CENTROID, Rule.DISCRIMINANT)
        }
        accuracy = _accuracy(ranks, people, disorders=len(gallery.disorders))
        # the first one whose disorder comes first, to show what success looks like; the command says so
        first = [who for who, place in ranks[SHOWN_RULE].items() if place == 1]
        chosen = (first or list(people))[0]
        facts = asked_row(asked, chosen)
        shown = diagnose(
            [r.photo_path for _, r in asked if r.patient.id == chosen][:1],
            gallery,
            encoder=PhotoEncoder(store, ensemble=ensemble_of(gallery)),
            gallery_name="simulated cohort",
            facts=facts,
            rule=SHOWN_RULE,
        )
        report = folder / "report.html"
        write_report(shown, report, workspace=workspace, now=now)
    return Demonstration(
        folder=folder,
        report=report,
        people=len({r.patient.id for _, r in rows}),
        photos=len(rows),
        held_out=len(people),
        accuracy=accuracy,
        shown=shown,
    )


def _own_workspace(root: Path) -> Workspace:
    """The demonstration's workspace: made again where an older version of DeciFace left one it cannot open."""
    if root.exists():
        try:
            return Workspace.open(root)
        except StorageError:
            shutil.rmtree(root)
    return Workspace.create(root)


def _held_out(rows: list[tuple[int, CaseRow]]) -> set[str]:
    """A quarter of the patients of every disorder and ancestry, the same in every run."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for _, row in rows:
        if row.diagnoses:
            key = (row.diagnoses[0].disorder.id, row.patient.ancestry_label)
            if row.patient.id not in groups[key]:
                groups[key].append(row.patient.id)
    rng = np.random.default_rng(SEED)
    chosen: set[str] = set()
    for key in sorted(groups):
        people = groups[key]
        count = max(1, round(HELD_OUT_SHARE * len(people)))
        chosen.update(people[int(i)] for i in rng.permutation(len(people))[:count])
    return chosen


def asked_row(rows: list[tuple[int, CaseRow]], patient: str) -> PatientFacts:
    """What the case table says of a patient."""
    row = next(r for _, r in rows if r.patient.id == patient)
    recorded = ", ".join(d.disorder.name for d in row.diagnoses) or None
    return PatientFacts(patient, row.age_years, str(row.patient.sex), row.patient.ancestry_label, recorded)


def _by_patient(
    rows: list[tuple[int, CaseRow]], photos: tuple[EncodedPhoto, ...]
) -> dict[str, tuple[CaseRow, list[EncodedPhoto]]]:
    by_name = {p.name: p for p in photos}
    people: dict[str, tuple[CaseRow, list[EncodedPhoto]]] = {}
    for _, row in rows:
        photo = by_name.get(row.photo_path.name)
        if photo is not None:
            people.setdefault(row.patient.id, (row, []))[1].append(photo)
    return people


def _rank_of_own(gallery: Gallery, row: CaseRow, photos: list[EncodedPhoto], rule: Rule) -> int:
    query = Query.of([e for p in photos for e in p.encodings], patient_id=row.patient.id)
    answer = rank(gallery, query, rule=rule, top=len(gallery))
    own = {d.disorder.id for d in row.diagnoses}
    return next(d.rank for d in answer.disorders if d.disorder.id in own)


def _accuracy(
    ranks: Mapping[Rule, Mapping[str, int]],
    people: Mapping[str, tuple[CaseRow, list[EncodedPhoto]]],
    *,
    disorders: int,
) -> tuple[Accuracy, ...]:
    groups = {"everybody": list(people)}
    for who, (row, _) in people.items():
        groups.setdefault(row.patient.ancestry_label, []).append(who)
    return tuple(
        Accuracy(rule, top, group, sum(places[who] <= top for who in members), len(members), min(1.0, top / disorders))
        for rule, places in ranks.items()
        for group, members in groups.items()
        for top in (1, 5)
    )
