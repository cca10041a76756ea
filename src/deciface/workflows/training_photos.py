"""Photos to train on: from a case table with its photos, or from a workspace whose consents allow it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deciface.cases import Photo
from deciface.consent import Action
from deciface.encoders import available_cores
from deciface.errors import DeciFaceError, InputError, NothingFoundError
from deciface.faces import Face, FaceFinder, Pyramid
from deciface.formats.case_table import read_table
from deciface.models import ModelStore
from deciface.store import Workspace
from deciface.training.photos import TrainingPhotos, disorder_of
from deciface.workflows.encoding import POOL_FROM, Problem
from deciface.workflows.looking import look

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
    """

    material: TrainingPhotos
    problems: tuple[Problem, ...]
    source: str


def training_photos(
    cohort: Path,
    cut: Cut,
    *,
    store: ModelStore,
    label_of: Callable[[Photo], str] = disorder_of,
    advance: Callable[[int], None] = lambda _: None,
) -> FoundPhotos:
    """Read a cohort's photos, find the faces and cut them.

    Parameters
    ----------
    cohort
        A case table (CSV or XLSX), a folder with ``cases.csv`` or ``cases.xlsx``, or a workspace, of which only photos
        are taken that its consents allow in a reference gallery.
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
    InputError, TableError, StorageError
        The cohort cannot be read.
    NothingFoundError
        It has no photo, or no face was found in any.
    """
    with _opened(cohort) as asked:
        if not asked:
            raise NothingFoundError(f"'{cohort}' has no photo to train on; give a case table with a column 'photo'")
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
        raise NothingFoundError(f"'{cohort}': no face in any of {len(asked)} photos, first {problems[0].message}")
    return FoundPhotos(TrainingPhotos(tuple(photos), np.stack(crops), label_of), tuple(problems), cohort.name)


def is_workspace(cohort: Path) -> bool:
    """Whether a cohort is a workspace and not a case table or its folder."""
    return cohort.is_dir() and not any((cohort / name).is_file() for name in ("cases.csv", "cases.xlsx"))


Asked = list[tuple[Photo, Path | bytes]]


@contextmanager
def _opened(cohort: Path) -> Iterator[Asked]:
    """The photos of a cohort, each with its file or its bytes."""
    table = next((t for t in (cohort / "cases.csv", cohort / "cases.xlsx") if t.is_file()), cohort)
    if table.is_file():
        yield _of_table(table)
    elif cohort.is_dir():
        with Workspace.open(cohort) as workspace:
            known = workspace.photos()
            allowed = workspace.decisions(Action.COMPARE, {photo.patient.id for photo in known})
            photos = [p for p in known if allowed.get(p.patient.id) and workspace.has_image(p.id)]
            yield [(photo, workspace.image_bytes(photo.id)) for photo in photos]
    else:
        raise InputError(f"'{cohort}' does not exist; give a case table, a folder with cases.csv, or a workspace")


def _of_table(path: Path) -> Asked:
    table = read_table(path)
    asked: Asked = []
    for _, case in table.cases:
        for photo in case.photos:
            if (source := table.photo_files.get(photo.id)) is not None:
                asked.append((photo, source if isinstance(source, Path) else source()))
    return asked


def _cut_all(asked: Asked, cut: Cut, store: ModelStore) -> Iterator[tuple[str, NDArray[np.uint8]] | Problem]:
    import multiprocessing

    tasks = [(photo.id, source) for photo, source in asked]
    FaceFinder.from_store(store)  # a missing model is told once, not by every process
    count = 1 if len(tasks) < POOL_FROM else available_cores()
    with multiprocessing.get_context("spawn").Pool(count, _start, (store.root, cut)) as pool:
        yield from pool.imap(_work, tasks, chunksize=4)


_worker: tuple[FaceFinder, Cut] | None = None


def _start(root: Path, cut: Cut) -> None:
    global _worker
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's to handle
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
