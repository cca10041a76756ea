"""Photos to train on: the faces of a cohort, found and cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deciface.cases import Photo
from deciface.encoders import available_cores
from deciface.errors import DeciFaceError, NothingFoundError
from deciface.faces import Face, FaceFinder, Pyramid
from deciface.models import ModelStore
from deciface.processes import in_processes
from deciface.training.photos import TrainingPhotos, disorder_of
from deciface.workflows.encoding import POOL_FROM, Problem
from deciface.workflows.looking import look
from deciface.workflows.training_cohort import NOBODY, Asked, CohortPhotos, Withheld

Cut = Callable[[Pyramid, Face], NDArray[np.uint8]]
"""Cuts what a network takes out of a photo; a function of a module, so that processes can share it."""


@dataclass(frozen=True)
class FoundPhotos:
    """What a cohort gave.

    Parameters
    ----------
    material
        Photos with a face, and their crops.
    problems
        Photos that could not be used, and why.
    source
        What the cohort is called.
    withheld, dropped_rows, cohort_digest
        Of the `CohortPhotos`.
    """

    material: TrainingPhotos
    problems: tuple[Problem, ...]
    source: str
    withheld: Withheld = NOBODY
    dropped_rows: tuple[str, ...] = ()
    cohort_digest: str = ""

    @property
    def not_used(self) -> tuple[str, ...]:
        """Photos that were given and are not there, and why, one line each."""
        withheld = (str(self.withheld),) if self.withheld.photos else ()
        return (*withheld, *self.dropped_rows, *(f"{problem.photo}: {problem.message}" for problem in self.problems))


def cut_photos(
    cohort: CohortPhotos,
    cut: Cut,
    *,
    store: ModelStore,
    label_of: Callable[[Photo], str] = disorder_of,
    advance: Callable[[int], None] = lambda _: None,
) -> FoundPhotos:
    """Find the faces of a cohort's photos and cut them.

    Parameters
    ----------
    cohort
        See `read_cohort`.
    cut
        Gives the crop, the same shape for every photo.
    store
        Models of the face finder.
    label_of
        Class of a photo.
    advance
        Called after every photo with how many there are.

    Raises
    ------
    NothingFoundError
        No face was found in any.
    ModelError
        The face finder's files are missing, or a process was ended from outside.
    """
    asked = cohort.asked
    photos: list[Photo] = []
    crops: list[NDArray[np.uint8]] = []
    problems: list[Problem] = []
    for (photo, _), done in zip(asked, _cut_all(asked, cut, store), strict=True):
        if isinstance(done, Problem):
            problems.append(done)
        else:
            photos.append(replace(photo, sha256=done[0]))
            crops.append(done[1])
        advance(len(asked))
    if not photos:
        raise NothingFoundError(
            f"'{cohort.source}': no face in any of {len(asked)} photos, first {problems[0].message}"
        )
    material = TrainingPhotos(tuple(photos), np.stack(crops), label_of)
    return FoundPhotos(material, tuple(problems), cohort.source, cohort.withheld, cohort.dropped_rows, cohort.digest)


def _cut_all(asked: Asked, cut: Cut, store: ModelStore) -> Iterator[tuple[str, NDArray[np.uint8]] | Problem]:
    tasks = [(photo.id, source) for photo, source in asked]
    FaceFinder.from_store(store)  # a missing model is told once, not by every process
    count = 1 if len(tasks) < POOL_FROM else available_cores()
    yield from in_processes(_work, tasks, processes=count, start=_start, given=(store.root, cut))


_worker: tuple[FaceFinder, Cut] | None = None


def _start(root: Path, cut: Cut) -> None:
    global _worker
    import cv2

    cv2.setNumThreads(1)
    _worker = FaceFinder.from_store(ModelStore(root)), cut


def _work(task: tuple[str, Path | bytes]) -> tuple[str, NDArray[np.uint8]] | Problem:
    if _worker is None:
        raise RuntimeError("the worker was not started")
    finder, cut = _worker
    name, source = task
    try:
        seen = look(source, finder, name=name)
        return seen.photo.pixel_sha256, cut(seen.pyramid, seen.face)
    except DeciFaceError as error:
        return Problem(name, str(error), error.exit_code)
