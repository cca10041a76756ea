"""A simulated cohort: patients of simulated disorders and unaffected people, with photos, case table and truth.

Written into a folder::

    photos/SIM-P0001-1.jpg ...
    cases.csv        one row per photo, as `deciface import --format csv` reads it
    truth.jsonl      one truth record per photo, in the same order
    manifest.json    that the people are simulated, the plan, the seed, versions, counts, sha256 of the two tables

Everything follows from the seed and the plan, whatever the number of worker processes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

import deciface
from deciface.cases import CASE_TABLE_COLUMNS, RESEARCH_USE_ONLY, SIMULATED, Sex
from deciface.errors import OptionError, StorageError
from deciface.photos import write_photo
from deciface.processes import in_processes
from deciface.simulate.appearance import AppearanceModel
from deciface.simulate.faces import PHOTO_PX, SimulatedFace, simulate_face
from deciface.simulate.features import FEATURES, MAX_SD, velocity
from deciface.simulate.syndromes import DISORDERS, SimulatedDisorder, disorder
from deciface.simulate.template import anchors_from_template
from deciface.simulate.warp import rms_strain
from deciface.whole_files import write_whole


@dataclass(frozen=True, slots=True)
class CohortPlan:
    """What to simulate.

    Parameters
    ----------
    patients_per_disorder, unaffected
        People, divided evenly over the ancestries.
    disorders
        Ids of `syndromes.DISORDERS`.
    ancestries
        Groups of the appearance model.
    severity_sd
        Mean amount of each planted feature; 0 is the negative control.
    severity_spread
        Relative uniform spread of the amounts, 0 to 1.
    penetrance
        Probability that a patient has each feature of their disorder; every patient has at least one.
    photos
        Fewest and most photos per person.
    ages_years
        Youngest and oldest age at the first photo.
    recorded
        Probability that a feature a patient has is written down.
    size_px
        Side of the photos.
    """

    patients_per_disorder: int = 20
    unaffected: int = 50
    disorders: tuple[str, ...] = tuple(d.id for d in DISORDERS[:10])
    ancestries: tuple[str, ...] = ("east_asian", "white")
    severity_sd: float = 2.0
    severity_spread: float = 0.2
    penetrance: float = 1.0
    photos: tuple[int, int] = (1, 3)
    ages_years: tuple[float, float] = (18.0, 55.0)
    recorded: float = 0.9
    size_px: int = PHOTO_PX

    def __post_init__(self) -> None:
        most_sd = MAX_SD / (1 + self.severity_spread) if 0 <= self.severity_spread <= 1 else MAX_SD
        ages, photos = self.ages_years, self.photos
        rules: tuple[tuple[bool, str], ...] = (
            (self.patients_per_disorder >= 0, f"patients {self.patients_per_disorder}: must be 0 or more a disorder"),
            (self.unaffected >= 0, f"unaffected {self.unaffected}: must be 0 or more people"),
            (
                bool(self.patients_per_disorder and self.disorders) or self.unaffected > 0,
                f"patients {self.patients_per_disorder} of {len(self.disorders)} disorders, unaffected "
                f"{self.unaffected}: there is nobody to simulate; ask for at least one person",
            ),
            (len(self.ancestries) > 0, "no ancestry: at least one is needed"),
            (0 <= self.severity_spread <= 1, f"severity spread {self.severity_spread:g}: allowed are 0 to 1"),
            (
                0 <= self.severity_sd <= most_sd,
                f"severity {self.severity_sd:g}: allowed are 0 to {most_sd:.4g} SD, so that with a spread of "
                f"{100 * self.severity_spread:g} % no feature exceeds {MAX_SD:g} SD",
            ),
            (0 < self.penetrance <= 1, f"penetrance {self.penetrance:g}: a probability above 0, up to 1, is allowed"),
            (0 <= self.recorded <= 1, f"recorded {self.recorded:g}: a probability of 0 to 1 is allowed"),
            (
                1 <= photos[0] <= photos[1] <= 20,
                f"photos {photos[0]} to {photos[1]}: allowed are 1 to 20 a person, fewest first",
            ),
            (
                18 <= ages[0] <= ages[1] <= 60,
                f"ages {ages[0]:g} to {ages[1]:g} years: allowed are 18 to 60, youngest first",
            ),
        )
        for holds, rule in rules:
            if not holds:
                raise OptionError(rule)
        for name in self.disorders:
            disorder(name)


@dataclass(frozen=True, slots=True)
class Cohort:
    """What was written: folder, table, number of people and photos."""

    folder: Path
    cases: Path
    people: int
    photos: int


@dataclass(frozen=True, slots=True)
class _PhotoTask:
    """One photo to make; complete in itself, so that any process can make it."""

    name: str
    person: str
    disorder: SimulatedDisorder | None
    sex: Sex
    ancestry: str
    age_years: float
    features: dict[str, float]
    sham_strain: float
    hpo: str
    person_seed: int
    photo_seed: int
    size_px: int


def simulate_cohort(
    model: AppearanceModel,
    folder: Path,
    *,
    plan: CohortPlan,
    seed: int,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Cohort:
    """Simulate a cohort into a new or empty folder; it appears complete or not at all.

    Parameters
    ----------
    model
        E.g. `AppearanceModel.shipped()`.
    folder
        To be made; its parent must exist.
    plan, seed
        What to simulate; the same plan, seed and model give the same files.
    workers
        Processes; 1 stays in this one.
    progress
        Called with (photos made, photos in all).

    Raises
    ------
    OptionError
        If the folder has something in it, or the plan names an ancestry the model does not know.
    StorageError
        If nothing can be written there.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OptionError(f"{folder}: not an empty folder; a cohort needs one of its own; name a new folder")
    if workers < 1:
        raise OptionError(f"{workers} workers; at least 1 is needed")
    tasks = _tasks(model, plan, seed)
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "photos").mkdir(parents=True)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be made ({error.strerror}); check the parent folder") from error
    try:
        truth = []
        for done, line in enumerate(_run(model, tasks, partial, workers), start=1):
            truth.append(line)
            if progress is not None:
                progress(done, len(tasks))
        _write_tables(partial, tasks, truth, plan=plan, seed=seed, model=model)
        if folder.exists():
            folder.rmdir()
        partial.replace(folder)
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be written ({error.strerror}); check the folder and the free space"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Cohort(folder, folder / "cases.csv", len({t.person for t in tasks}), len(tasks))


def _tasks(model: AppearanceModel, plan: CohortPlan, seed: int) -> list[_PhotoTask]:
    for ancestry in plan.ancestries:
        if ancestry not in model.ancestries:
            raise OptionError(
                f"ancestry '{ancestry}'; this appearance model knows {', '.join(model.ancestries)}; choose from these"
            )
    groups: list[SimulatedDisorder | None] = [
        disorder(d) for d in plan.disorders for _ in range(plan.patients_per_disorder)
    ]
    groups += [None] * plan.unaffected
    anchors = anchors_from_template(model.mean_shape)
    tasks: list[_PhotoTask] = []
    for number, affected_by in enumerate(groups):
        rng = np.random.default_rng([seed, number])
        # an unaffected person gets a sham as strong as a random patient's warp would be
        source = affected_by or disorder(plan.disorders[int(rng.integers(len(plan.disorders)))])
        amounts = _amounts(rng, source, plan)
        strain = 0.0 if affected_by or not amounts else rms_strain(velocity(amounts, anchors), step=0.05)
        within = number % max(plan.patients_per_disorder, 1) if affected_by else number
        tasks += _photos_of(
            rng,
            plan,
            number=number,
            affected_by=affected_by,
            ancestry=plan.ancestries[within % len(plan.ancestries)],
            features=amounts if affected_by else {},
            strain=strain,
        )
    return tasks


def _amounts(rng: np.random.Generator, affected_by: SimulatedDisorder, plan: CohortPlan) -> dict[str, float]:
    """Which features of the disorder a patient has, and how strongly."""
    names = list(affected_by.features)
    present = rng.random(len(names)) < plan.penetrance
    present[int(rng.integers(len(names)))] = True
    factor = plan.severity_sd * (1 + plan.severity_spread * rng.uniform(-1, 1, len(names)))
    chosen = {
        n: round(float(affected_by.features[n] * f), 3) for n, f, p in zip(names, factor, present, strict=True) if p
    }
    return {n: a for n, a in chosen.items() if a != 0}


def _photos_of(
    rng: np.random.Generator,
    plan: CohortPlan,
    *,
    number: int,
    affected_by: SimulatedDisorder | None,
    ancestry: str,
    features: dict[str, float],
    strain: float,
) -> Iterator[_PhotoTask]:
    person = f"SIM-{'P' if affected_by else 'U'}{number + 1:04d}"
    sex = Sex.FEMALE if rng.random() < 0.5 else Sex.MALE
    first = float(rng.uniform(*plan.ages_years))
    count = int(rng.integers(plan.photos[0], plan.photos[1] + 1))
    gaps = np.concatenate([[0.0], np.cumsum(rng.uniform(0.2, 3.0, count - 1))])
    hpo = _recorded_hpo(rng, features, plan)
    person_seed = int(rng.integers(2**31))
    for k in range(count):
        yield _PhotoTask(
            name=f"photos/{person}-{k + 1}.jpg",
            person=person,
            disorder=affected_by,
            sex=sex,
            ancestry=ancestry,
            age_years=round(first + float(gaps[k]), 1),
            features=features,
            sham_strain=strain,
            hpo=hpo,
            person_seed=person_seed,
            photo_seed=int(rng.integers(2**31)),
            size_px=plan.size_px,
        )


def _recorded_hpo(rng: np.random.Generator, features: dict[str, float], plan: CohortPlan) -> str:
    """What the examiner wrote down: most of what is there, and a few features looked for and not seen."""
    seen = [FEATURES[n].term(a) for n, a in features.items() if rng.random() < plan.recorded]
    others = [n for n in FEATURES if n not in features]
    looked = rng.choice(others, size=int(rng.integers(0, 4)), replace=False)
    return ";".join([*seen, *(f"!{FEATURES[str(n)].hpo}" for n in looked)])


def _run(model: AppearanceModel, tasks: Sequence[_PhotoTask], folder: Path, workers: int) -> Iterator[str]:
    """Truth lines in the order of the tasks."""
    if workers == 1:
        with _one_thread():
            for task in tasks:
                yield _make(model, task, folder)
        return
    given = (model.packed, str(folder))
    yield from in_processes(_make_in_worker, tasks, processes=workers, start=_start, given=given)


_worker: dict[str, Any] = {}


def _start(packed: bytes, folder: str) -> None:
    cv2.setNumThreads(1)
    _worker["limit"] = threadpool_limits(1)
    _worker["model"], _worker["folder"] = AppearanceModel.from_bytes(packed), Path(folder)


def _make_in_worker(task: _PhotoTask) -> str:
    return _make(_worker["model"], task, _worker["folder"])


@contextmanager
def _one_thread() -> Iterator[None]:
    """Photos are small: a second thread costs more than it gives."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        cv2.setNumThreads(before)


def _make(model: AppearanceModel, task: _PhotoTask, folder: Path) -> str:
    face: SimulatedFace = simulate_face(
        model,
        task.photo_seed,
        sex=task.sex,
        ancestry=task.ancestry,
        age_years=task.age_years,
        features=task.features,
        sham_strain=task.sham_strain,
        person_seed=task.person_seed,
        size_px=task.size_px,
    )
    write_photo(face.pixels, folder / task.name, quality=94)
    about = {"photo": task.name, "patient": task.person, "disorder": task.disorder.id if task.disorder else None}
    return json.dumps(about | face.truth.as_json(), separators=(",", ":"))


def _write_tables(
    folder: Path,
    tasks: Sequence[_PhotoTask],
    truth: Sequence[str],
    *,
    plan: CohortPlan,
    seed: int,
    model: AppearanceModel,
) -> None:
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(CASE_TABLE_COLUMNS)
    for t in tasks:
        d = t.disorder
        labels = (d.id, d.name, d.gene) if d else ("", "", "")
        writer.writerow(
            [t.name, t.person, *labels, t.age_years, t.sex.value, t.ancestry, "", "no" if d else "yes", t.hpo, "yes"]
        )
    cases, lines = table.getvalue().encode(), ("\n".join(truth) + "\n").encode()
    people = {t.person: t for t in tasks}
    manifest = {
        "notice": SIMULATED,
        "use": RESEARCH_USE_ONLY,
        "deciface": deciface.__version__,
        "seed": seed,
        "plan": asdict(plan),
        "appearance_model_sha256": model.sha256,
        "appearance_model_source": model.source,
        "people": len(people),
        "photos": len(tasks),
        "patients_by_disorder": Counter(t.disorder.id for t in people.values() if t.disorder),
        "unaffected": sum(t.disorder is None for t in people.values()),
        "people_by_ancestry": Counter(t.ancestry for t in people.values()),
        "sha256": {"cases.csv": hashlib.sha256(cases).hexdigest(), "truth.jsonl": hashlib.sha256(lines).hexdigest()},
    }
    write_whole(folder / "cases.csv", cases)
    write_whole(folder / "truth.jsonl", lines)
    write_whole(folder / "manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())
