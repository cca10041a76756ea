"""`deciface bench landmarks`: our points on people they never saw, beside the mesh and, where the user has it, dlib-68.

Every person of the London set is looked at by the network of the fold that held them out. Points are compared with the
manual templates; measurements with those of the templates, as the people are and with features planted in their photos,
by the warp that the networks learnt from and by a second, independent one. The networks are those of a run of
``deciface train landmarks``, in the folder that ``DECIFACE_LANDMARKS_RUN`` names; ``DECIFACE_DLIB68`` names the file of
dlib's 68 points.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from deciface.benchmarks.cross_fit import parts_that_never_saw
from deciface.benchmarks.landmark_points import Floats, SixtyEight, mesh_points
from deciface.benchmarks.landmark_rows import Looked, rows_of
from deciface.benchmarks.planted import work_photo
from deciface.benchmarks.reference import Person, london
from deciface.benchmarks.result import Bench, Row, machine
from deciface.benchmarks.second_warp import moved_points, warp_by_points
from deciface.encoders import available_cores
from deciface.faces import FaceFinder, align, alignment
from deciface.faces.landmark_model import LandmarkModel
from deciface.faces.landmarks import FACE_POINTS
from deciface.models import ModelStore
from deciface.processes import in_processes
from deciface.simulate import PhotoAnchors, warp_photo
from deciface.simulate.features import FEATURES
from deciface.training.planted_crops import WIDE_COLOUR
from deciface.workflows.landmark_sigmas import open_landmarks
from deciface.workflows.training_landmarks import MODEL_ID

RUN_VARIABLE, PREDICTOR_VARIABLE = "DECIFACE_LANDMARKS_RUN", "DECIFACE_DLIB68"
PLANTED = (
    "hypertelorism",
    "telecanthus",
    "upslanted_fissures",
    "long_fissures",
    "narrow_fissures",
    "wide_nose",
    "long_philtrum",
    "thick_upper_lip",
    "tall_chin",
)
DOSE_SD = 2.0
MS = 6.0
_TIMED = 60


class Doing(StrEnum):
    """What is done to a photo."""

    NOTHING = "as it is"
    SMALL = "as it is, small"
    PLANT = "planted"
    SECOND = "planted by the second warp"


@dataclass(frozen=True, slots=True)
class _Task:
    number: int
    person: Person
    doing: Doing
    feature: str = ""
    amount_sd: float = 0.0


@dataclass(frozen=True, eq=False)
class _Seen:
    """What was seen on a photo: crop, how it was cut, and points (points, 2) photo_px by hand and of the peers."""

    crop: NDArray[np.uint8]
    matrix: Floats
    truth: Floats
    mesh: Floats
    sixty_eight: Floats | None


def photo_of(task: _Task) -> tuple[NDArray[np.uint8], Floats]:
    """The photo of a task and its 189 points."""
    if task.doing is Doing.NOTHING:
        return task.person.pixels(), task.person.points_px
    image, points = work_photo(task.person)
    features = {task.feature: task.amount_sd} if task.feature else {}
    if task.doing is Doing.SECOND:
        return warp_by_points(image, points, features), moved_points(points, features)
    if features:
        image, truth = warp_photo(image, PhotoAnchors.from_template(points), features=features)
        return image, np.asarray(truth.landmarks_after_px, np.float64)
    return image, points


_finder: FaceFinder | None = None
_sixty_eight: SixtyEight | None = None


def _start(root: Path, predictor: Path | None) -> None:
    import cv2

    global _finder, _sixty_eight
    cv2.setNumThreads(1)
    _finder = FaceFinder.from_store(ModelStore(root))
    _sixty_eight = SixtyEight(predictor) if predictor else None


def _look(task: _Task) -> _Seen:
    if _finder is None:
        raise RuntimeError("the worker was not started")
    image, points = photo_of(task)
    face = _finder.find(image).choose()
    template = WIDE_COLOUR.alignment
    return _Seen(
        align(image, face, template),
        alignment(face, template),
        points[list(FACE_POINTS)],
        mesh_points(face),
        _sixty_eight.points(image) if _sixty_eight else None,
    )


def run() -> Bench:
    """Measure; about ten minutes on two cores.

    Raises
    ------
    NothingFoundError
        The London photos or the run are not here.
    MismatchError
        A network of the run did not hold out whom the run says.
    """
    people = london()
    parts = parts_that_never_saw(
        people,
        variable=RUN_VARIABLE,
        default="landmarks-run",
        model_file=f"{MODEL_ID}.onnx",
        command="deciface train landmarks",
    )
    given = os.environ.get(PREDICTOR_VARIABLE)
    tasks = tasks_of(people)
    start = (ModelStore().root, Path(given) if given else None)
    seen = list(in_processes(_look, tasks, processes=available_cores(), start=_start, given=start))
    opened = {
        part: open_landmarks(part, f"{MODEL_ID}.onnx", factors=np.ones(len(FACE_POINTS)))
        for part in set(parts.values())
    }
    rows = rows_of(_looked(people, tasks, seen, {who: opened[part] for who, part in parts.items()}, parts))
    rows.append(_speed(people[0], next(iter(opened.values()))))
    return Bench("landmarks", machine(), tuple(rows))


def tasks_of(people: Sequence[Person]) -> list[_Task]:
    """Everybody as they are in full and in small, and with each feature, its opposite too, and by the second warp."""
    tasks = []
    for number, person in enumerate(people):
        tasks += [_Task(number, person, Doing.NOTHING), _Task(number, person, Doing.SMALL)]
        for feature in PLANTED:
            tasks.append(_Task(number, person, Doing.PLANT, feature, DOSE_SD))
            tasks.append(_Task(number, person, Doing.SECOND, feature, DOSE_SD))
            if FEATURES[feature].opposite_hpo:
                tasks.append(_Task(number, person, Doing.PLANT, feature, -DOSE_SD))
    return tasks


def _looked(
    people: Sequence[Person],
    tasks: Sequence[_Task],
    seen: Sequence[_Seen],
    model_of: Mapping[str, LandmarkModel],
    parts: Mapping[str, Path],
) -> list[Looked]:
    """Our points and sigmas beside everything else, one a task."""
    found: dict[int, tuple[Floats, Floats]] = {}
    for model in dict.fromkeys(model_of.values()):
        own = [i for i, task in enumerate(tasks) if model_of[task.person.id] is model]
        for at in range(0, len(own), 64):
            some = own[at : at + 64]
            points, sigmas = model.on_crops(np.stack([seen[i].crop for i in some]))
            found |= {i: (p, s) for i, p, s in zip(some, points, sigmas, strict=True)}
    looked = []
    for i, (task, one) in enumerate(zip(tasks, seen, strict=True)):
        points, sigmas = found[i]
        scale = float(np.hypot(*one.matrix[:, 0]))
        person = people[task.number]
        looked.append(
            Looked(
                task.number,
                person.ancestry,
                person.sex,
                parts[person.id].name,
                str(task.doing),
                task.feature,
                task.amount_sd,
                one.truth,
                (points - one.matrix[:, 2]) @ np.linalg.inv(one.matrix[:, :2]).T,
                sigmas / scale,
                {"mesh": one.mesh} | ({} if one.sixty_eight is None else {"dlib-68": one.sixty_eight}),
            )
        )
    return looked


def _speed(person: Person, model: LandmarkModel) -> Row:
    """Points of one face of a photo that the finder has seen already, one thread."""
    import cv2

    finder = FaceFinder.from_store(ModelStore())
    image, _ = work_photo(person)
    face = finder.find(image).choose()
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        took = []
        for _ in range(_TIMED):
            begun = time.perf_counter()
            model.place(image, face)
            took.append(1000 * (time.perf_counter() - begun))
    finally:
        cv2.setNumThreads(before)
    value = median(took[10:])
    return Row("points of one face, crop and both passes, one thread", value, "ms", f"<= {MS:g}", value <= MS)
