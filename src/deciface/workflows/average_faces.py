"""The average face of a cohort, and where two cohorts' shapes differ.

Nobody's face is drawn: a mean of at least `LEAST_PEOPLE` people is, each of whom counts once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface import __version__
from deciface.cases import RESEARCH_USE_ONLY, SIMULATED, Photo
from deciface.errors import NothingFoundError, OptionError
from deciface.faces import FaceFinder
from deciface.faces.align import similarity
from deciface.faces.canonical import CanonicalMap, average_face, canonical_points, warp_to_canonical
from deciface.faces.landmark_model import LandmarkModel
from deciface.faces.landmarks import Landmarks, Points, named
from deciface.reports.average_face import AverageReport, Cohort, render
from deciface.reports.page import Head
from deciface.space.restriction import ancestry_terms
from deciface.store import DerivedKind, Workspace
from deciface.whole_files import write_whole
from deciface.workflows.frontal_photos import FrontalPhoto, first_frontal
from deciface.workflows.photo_galleries import PhotoGallery

LEAST_PEOPLE = 10
"""The mean of fewer could show a person."""
DRAWS = 1999
LEVEL = 0.05
MAGNIFIED = 3.0
_HOW = "p1,p2,p3, all, unaffected, disorder:ID, gene:SYMBOL or ancestry:TERM, joined by + where both must hold"

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Averaged:
    """The mean of a cohort.

    Parameters
    ----------
    name
        As it was asked for.
    patients
        Who are in it.
    shapes
        (people, points, 2) in the eye frame of the canonical face.
    picture
        Mean of their canonical pictures.
    left_out
        Who could not be used and why, one line each.
    """

    name: str
    patients: tuple[str, ...]
    shapes: Floats
    picture: NDArray[np.uint8]
    left_out: tuple[str, ...]

    @property
    def mean(self) -> Points:
        """(points, 2) mean shape."""
        return np.asarray(self.shapes.mean(0))


@dataclass(frozen=True, eq=False)
class ShapeDifference:
    """Where a cohort's mean shape differs from that of others.

    Parameters
    ----------
    moved
        (points, 2) the cohort's mean minus that of those whom it is compared with.
    p
        (points,) that so large a difference arises anywhere in the face when people are dealt to the cohorts at random:
        corrected for looking at all points.
    draws
        How often they were dealt.
    """

    moved: Floats
    p: Floats
    draws: int

    @property
    def told(self) -> NDArray[np.bool_]:
        """Points that differ by more than chance."""
        return self.p <= LEVEL


def people_of(photos: Sequence[Photo], cohort: str) -> tuple[str, ...]:
    """Who is meant by a cohort's name, as in `Averaged.name`.

    Raises
    ------
    OptionError
        Nothing is named.
    NothingFoundError
        Nobody is meant.
    """
    parts = [part.strip() for part in cohort.split("+")]
    if not all(parts):
        raise OptionError(f"cohort '{cohort}'; give {_HOW}")
    diagnosed = {p.patient.id for p in photos if p.diagnoses}
    meant = {p.patient.id for p in photos}
    for part in parts:
        kind, _, value = part.partition(":")
        if part == "all":
            continue
        if part == "unaffected":
            meant &= {p.patient.id for p in photos if p.unaffected} - diagnosed
        elif kind == "disorder":
            meant &= {p.patient.id for p in photos if any(d.disorder.id == value for d in p.diagnoses)}
        elif kind == "gene":
            meant &= {p.patient.id for p in photos if any(value in d.genes for d in p.diagnoses)}
        elif kind == "ancestry":
            meant &= {p.patient.id for p in photos if value.casefold() in ancestry_terms(p.patient)}
        else:
            meant &= {name.strip() for name in part.split(",")}
    if not meant:
        raise NothingFoundError(f"nobody in the gallery is meant by '{cohort}'; give {_HOW}")
    return tuple(sorted(meant))


def averaged(
    gallery: PhotoGallery,
    cohort: str,
    finder: FaceFinder,
    model: LandmarkModel,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> Averaged:
    """Average a cohort, everybody by their first photo from the front.

    Raises
    ------
    OptionError, NothingFoundError
        As `people_of`; fewer than `LEAST_PEOPLE` could be used.
    """
    of: dict[str, list[Photo]] = {}
    for photo in gallery.photos:
        of.setdefault(photo.patient.id, []).append(photo)
    who = people_of(gallery.photos, cohort)
    used, shapes, pictures, left_out = [], [], [], []
    for patient in who:
        found, why = first_frontal(of[patient], gallery, finder, model)
        if found is None:
            left_out.append(f"{patient}: {why}")
        else:
            shape, picture = _shape_and_picture(found)
            used.append(patient)
            shapes.append(shape)
            pictures.append(picture)
        advance(len(who))
    if len(used) < LEAST_PEOPLE:
        first = f"; the first: {left_out[0]}" if left_out else ""
        raise NothingFoundError(
            f"{len(used)} of the {len(who)} people of '{cohort}' can be used, and at least {LEAST_PEOPLE} are needed, "
            f"as the mean of fewer could show a person{first}"
        )
    return Averaged(cohort, tuple(used), np.stack(shapes), average_face(pictures), tuple(left_out))


def _shape_and_picture(found: FrontalPhoto) -> tuple[Points, NDArray[np.uint8]]:
    return in_eye_frame(found.landmarks), warp_to_canonical(found.seen.photo.pixels, CanonicalMap.of(found.landmarks))


def in_eye_frame(landmarks: Landmarks) -> Points:
    """Points laid on the canonical face by the similarity that fits all of them best (Procrustes)."""
    matrix = similarity(landmarks.points_px, canonical_points())
    return np.asarray(landmarks.points_px @ matrix[:, :2].T + matrix[:, 2])


def difference(one: Averaged, other: Averaged, *, seed: int, draws: int = DRAWS) -> ShapeDifference:
    """Compare mean shapes point by point; single-step max-T over all points (Westfall & Young 1993), people dealt anew.

    Raises
    ------
    OptionError
        Somebody is in both cohorts.
    """
    if both := sorted(set(one.patients) & set(other.patients)):
        raise OptionError(
            f"'{one.name}' and '{other.name}' share {len(both)} people, first {both[0]}; name cohorts without a "
            "common person"
        )
    shapes = np.concatenate([one.shapes, other.shapes])
    first = np.arange(len(shapes)) < len(one.shapes)
    rng = np.random.default_rng(seed)
    observed = _sizes(shapes, first)
    largest = np.array([_sizes(shapes, rng.permutation(first)).max() for _ in range(draws)])
    p = (1 + (largest[None] >= observed[:, None] - 1e-12).sum(1)) / (1 + draws)
    return ShapeDifference(one.mean - other.mean, p, draws)


def _sizes(shapes: Floats, first: NDArray[np.bool_]) -> Floats:
    """(points,) length of the difference of means over its standard error within the cohorts."""
    one, other = shapes[first], shapes[~first]
    spread = ((one - one.mean(0)) ** 2).sum((0, 2)) + ((other - other.mean(0)) ** 2).sum((0, 2))
    error = np.sqrt(spread / (len(shapes) - 2) * (1 / len(one) + 1 / len(other)))
    gap = other.mean(0) - one.mean(0)
    return np.asarray(np.hypot(gap[:, 0], gap[:, 1]) / np.maximum(error, 1e-12))


def as_document(one: Averaged, other: Averaged | None, found: ShapeDifference | None) -> dict[str, Any]:
    """Plain types, for programs."""

    def cohort(of: Averaged) -> dict[str, Any]:
        return {"cohort": of.name, "people": len(of.patients), "left_out": list(of.left_out)}

    document: dict[str, Any] = {"notice": RESEARCH_USE_ONLY, "cohort": cohort(one)}
    if other is not None and found is not None:
        document["against"] = cohort(other)
        document["points"] = [
            {
                "name": name,
                "x": round(float(found.moved[point.row, 0]), 5),
                "y": round(float(found.moved[point.row, 1]), 5),
                "p": round(float(found.p[point.row]), 4),
            }
            for name, point in named().items()
        ]
        document["draws"] = found.draws
    return document


def write_average(
    gallery: PhotoGallery,
    one: Averaged,
    other: Averaged | None,
    found: ShapeDifference | None,
    path: Path,
    *,
    points: str,
    seed: int,
    now: dt.datetime,
) -> None:
    """Write the page; a workspace notes whose faces are in it.

    Raises
    ------
    StorageError
        It cannot be written.
    """
    cohorts = [cohort for cohort in (one, other) if cohort is not None]
    inside = {patient for cohort in cohorts for patient in cohort.patients}
    simulated = any(p.patient.simulated for p in gallery.photos if p.patient.id in inside)
    head = Head(
        title=f"Average face of {one.name}" + (f", and {other.name}" if other else ""),
        facts=(("gallery", gallery.name), ("people", " and ".join(str(len(c.patients)) for c in cohorts))),
        notices=(f"The gallery holds {SIMULATED}.",) if simulated else (),
        provenance=(("DeciFace", __version__), ("points", points), ("seed", str(seed))),
    )
    report = AverageReport(
        head,
        tuple(Cohort(c.name, len(c.patients), c.mean, c.picture, c.left_out) for c in cohorts),
        found.moved if found else None,
        found.p if found else None,
        found.draws if found else 0,
        MAGNIFIED,
        LEVEL,
    )
    page = render(report, now=now).encode()
    if gallery.workspace is None:
        write_whole(path, page)
        return
    _write_noted(gallery.workspace, path, page, sorted(inside))


def _write_noted(workspace: Workspace, path: Path, page: bytes, patients: Sequence[str]) -> None:
    with workspace.deriving(DerivedKind.COMPOSITE, [path], patients=patients):
        write_whole(path, page)
