"""`deciface bench planted`: how often a planted disorder is ranked first among ten, in real and simulated faces.

Every person is planted with one disorder, photographed with random light, tilt, noise and compression, and ranked
against everybody else: nobody is in the gallery and the query at once. Chance is 10 %; at 0 SD nothing is planted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deciface.benchmarks.reference import OUTER_CANTHI_TEM, Person, london
from deciface.benchmarks.result import Bench, Row, machine
from deciface.cases import Diagnosis, Disorder, Encoding, Patient, Photo, Sex
from deciface.encoders import available_cores
from deciface.errors import NothingFoundError
from deciface.models import ModelStore
from deciface.processes import in_processes
from deciface.simulate import DISORDERS, AppearanceModel, PhotoAnchors, draw_nuisance, simulate_face, warp_photo
from deciface.simulate.nuisance import expose
from deciface.space import Gallery, Query, Rule, rank
from deciface.workflows.encoding import DEFAULT_ENSEMBLE, PhotoEncoder
from deciface.workflows.looking import look

DOSES_SD = (0.0, 1.0, 2.0, 3.0)
TEN = DISORDERS[:10]
SPREAD = 0.2
WORK_SIDE_PX = 512
WORK_CANTHAL_PX = 140.0
ASSIGNMENTS = 20
"""How often the ten disorders are dealt out to the same people anew."""


@dataclass(frozen=True, slots=True)
class _Task:
    """One face to plant: a London person, or a simulated one when `person` is None."""

    person: Person | None
    number: int
    disorder: int
    dose_sd: float

    @property
    def name(self) -> str:
        return self.person.id if self.person else f"S{self.number:03d}"


def amounts(task_disorder: int, dose_sd: float, rng: np.random.Generator) -> dict[str, float]:
    """Dose of each feature of a disorder, +- 20 % at random."""
    features = TEN[task_disorder].features
    spread = 1 + SPREAD * rng.uniform(-1, 1, len(features))
    return {n: round(w * dose_sd * float(s), 3) for (n, w), s in zip(features.items(), spread, strict=True) if dose_sd}


def work_photo(person: Person) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The face of a London photo at working size, and its points there."""
    import cv2

    points = person.points_px
    a, b = points[list(OUTER_CANTHI_TEM)]
    scale = WORK_CANTHAL_PX / float(np.hypot(*(b - a)))
    centre = (a + b) / 2
    image = np.asarray(cv2.resize(person.pixels(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    shift = np.round(centre * scale - [WORK_SIDE_PX / 2, 0.42 * WORK_SIDE_PX])
    m = np.array([[1, 0, -shift[0]], [0, 1, -shift[1]]])
    cut = cv2.warpAffine(image, m, (WORK_SIDE_PX, WORK_SIDE_PX), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8), (points + 0.5) * scale - 0.5 - shift


def photographed(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Tilt, scale and expose as a simulated photo is, without expression or pose."""
    import cv2

    nuisance = replace(draw_nuisance(rng), yaw_deg=0.0, pitch_deg=0.0, smile=0.0, squint=0.0)
    half = (image.shape[1] - 1) / 2
    m = cv2.getRotationMatrix2D((half, half), nuisance.roll_deg, nuisance.scale)
    tilted = cv2.warpAffine(image, m, image.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return expose(np.asarray(tilted, np.float32), nuisance, rng)


def planted_photo(task: _Task, model: AppearanceModel) -> NDArray[np.uint8]:
    """Make the photo of a task, (512, 512, 3) uint8."""
    rng = np.random.default_rng([17, task.number, task.disorder, int(10 * task.dose_sd)])
    features = amounts(task.disorder, task.dose_sd, rng)
    if task.person is None:
        ancestry = model.ancestries[task.number % len(model.ancestries)]
        sex = (Sex.FEMALE, Sex.MALE)[task.number // len(model.ancestries) % 2]
        seed = int(rng.integers(2**31))
        face = simulate_face(model, seed, sex=sex, ancestry=ancestry, features=features, person_seed=task.number)
        return face.pixels
    image, points = work_photo(task.person)
    if features:
        image, _ = warp_photo(image, PhotoAnchors.from_template(points), features=features)
    return photographed(image, rng)


_worker: tuple[PhotoEncoder, AppearanceModel] | None = None


def _start(root: Path, ensemble: str) -> None:
    import cv2

    global _worker
    cv2.setNumThreads(1)
    _worker = PhotoEncoder(ModelStore(root), ensemble=ensemble), AppearanceModel.shipped()


def _encode(task: _Task) -> list[Encoding]:
    from deciface.workflows.encoding import png_bytes

    if _worker is None:
        raise RuntimeError("the worker was not started")
    encoder, model = _worker
    seen = look(png_bytes(planted_photo(task, model)), encoder.finder, name=task.name)
    return list(encoder.encode(seen, photo_id=task.name))


def own_first(encodings: Sequence[Sequence[Encoding]], disorder_of: Sequence[int], *, rule: Rule) -> NDArray[np.bool_]:
    """Whether each person's own disorder is ranked first among ten by all the others; ties count as a miss."""
    photos = []
    for number, own in enumerate(encodings):
        d = TEN[disorder_of[number]]
        diagnosis = Diagnosis(Disorder(d.id, d.name), (d.gene,))
        person = Patient(own[0].photo_id, simulated=True)
        photos.append(Photo(own[0].photo_id, person, own[0].photo_sha256, diagnoses=(diagnosis,)))
    gallery = Gallery.build(photos, [e for own in encodings for e in own])
    hits = []
    for photo, own in zip(photos, encodings, strict=True):
        answer = rank(gallery, Query.of(own, patient_id=photo.patient.id), rule=rule, top=2)
        first = [d.disorder.id for d in answer.disorders if d.rank == 1]
        hits.append(first == [photo.diagnoses[0].disorder.id])
    return np.array(hits)


def assignments(people: int) -> list[NDArray[np.intp]]:
    """Disorder of every person, (people,) in 0..9 and -1 for those left over; as many people to each disorder."""
    drawn = []
    for seed in range(ASSIGNMENTS):
        order = np.random.default_rng([5, seed]).permutation(people)
        given = np.full(people, -1)
        used = order[: people // 10 * 10]
        given[used] = np.arange(len(used)) % 10
        drawn.append(given)
    return drawn


def measure(
    ensemble: str, people: Sequence[Person | None], *, doses_sd: Sequence[float]
) -> Iterator[tuple[float, Rule, float, int]]:
    """Top-1 accuracy by dose and rule, and the number of queries behind it.

    Everybody is planted with every disorder once; the assignments then only choose among these photos.
    """
    of_dose = {
        dose: [_Task(p, n, d, dose) for n, p in enumerate(people) for d in (range(10) if dose else range(1))]
        for dose in doses_sd
    }
    tasks = [task for dose in doses_sd for task in of_dose[dose]]
    models = (ModelStore().root, ensemble)
    encoded = in_processes(_encode, tasks, processes=available_cores(), start=_start, given=models)
    for dose in doses_sd:
        made = {(task.number, task.disorder): next(encoded) for task in of_dose[dose]}
        for rule in Rule:
            shares, count = [], 0
            for given in assignments(len(people)):
                used = np.flatnonzero(given >= 0)
                own = [made[int(n), int(given[n]) if dose else 0] for n in used]
                shares.append(own_first(own, given[used].tolist(), rule=rule).mean())
                count += len(used)
            yield dose, rule, float(np.mean(shares)), count


def run(*, ensemble: str = DEFAULT_ENSEMBLE) -> Bench:
    """Measure real (where the London photos are) and simulated faces."""
    groups: list[tuple[str, Sequence[Person | None]]] = [("simulated faces", [None] * 100)]
    with contextlib.suppress(NothingFoundError):  # not everybody has the London photos
        groups.insert(0, ("London faces", london()))
    rows = []
    for where, people in groups:
        for dose, rule, share, count in measure(ensemble, people, doses_sd=DOSES_SD):
            target, holds = None, None
            if rule in {Rule.DISORDER_CENTROID, Rule.DISCRIMINANT} and where == "London faces" and dose == 2:
                target, holds = ">= 45", share >= 0.45
            if dose == 0:
                target, holds = "chance: 10 +- 2", abs(100 * share - 10) <= 2
            rows.append(
                Row(
                    f"{where}, {dose:g} SD, {rule}: top-1 of ten",
                    100 * share,
                    f"% of {count}",
                    target,
                    holds,
                    "chance",
                    10.0,
                    share * 10,
                )
            )
    return Bench("planted", machine(), tuple(rows))
