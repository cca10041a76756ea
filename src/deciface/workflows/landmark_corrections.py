"""Correct the points of a stored photo by hand: a version is added, and whoever needs the points gets the newest.

Where nothing is stored, the landmark model places the points first and its placement is kept as version 1, so that what
it said stays on record. Points that were moved have no error of their own: covariance 0, placed by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deciface.errors import InputError, ModelError, NoFaceError, NothingFoundError, OptionError
from deciface.faces.landmarks import FACE_POINTS, Landmarks, Points
from deciface.faces.measurement_definitions import outer_canthal
from deciface.formats.landmark_table import PlacedPoint, read_landmark_table, refuse_outside
from deciface.photos import DecodedPhoto, read_photo
from deciface.store import Workspace
from deciface.store.landmarks import StoredLandmarks, refuse_overtaken
from deciface.workflows.stored_points import Place, clinical_names, placed_by

_BY_HAND = "by hand"


@dataclass(frozen=True, slots=True)
class MovedPoint:
    """A point that a new version has elsewhere: how far, in px and in % of the outer-canthal distance."""

    template: int
    distance_px: float
    percent: float

    @property
    def name(self) -> str:
        """Its clinical name, else its number."""
        return clinical_names().get(self.template, f"point {self.template}")


@dataclass(frozen=True, slots=True)
class Corrected:
    """What became of a correction.

    Parameters
    ----------
    photo_id, version
        Of which photo; the number of the new version.
    corrected
        Template numbers of all points that stand where a person put them.
    moved
        Those that the version before had elsewhere; empty where there was none.
    """

    photo_id: str
    version: int
    corrected: tuple[int, ...]
    moved: tuple[MovedPoint, ...]

    def as_document(self) -> dict[str, Any]:
        """Plain types, for programs."""
        return {
            "photo": self.photo_id,
            "version": self.version,
            "corrected": list(self.corrected),
            "moved": [
                {
                    "template": point.template,
                    "name": point.name,
                    "distance_px": round(point.distance_px, 2),
                    "percent_of_outer_canthal_distance": round(point.percent, 2),
                }
                for point in self.moved
            ],
        }


def correct_points(
    workspace: Workspace,
    photo_id: str,
    file: Path,
    *,
    place: Place | None,
    started_from: int | None = None,
    comment: str = "",
) -> Corrected:
    """Move points to where a file has them, and store the new version.

    Parameters
    ----------
    file
        As `read_landmark_table` reads it; points that stand where they stood, to 0.01 px, are not moved.
    place
        For a photo without stored points. Where there is no model, or it sees no face, the file has to place all
        points.
    started_from
        The version that the file was made from; may be left out where nothing is stored.
    comment
        One line, kept with the version.

    Raises
    ------
    TableError
        A bad cell, or a place outside the photo.
    OptionError
        It is not said from which version the correction started.
    MismatchError
        Somebody has stored a newer version since.
    NothingFoundError
        No point is elsewhere.
    InputError, AccessError, ModelError, NoFaceError, StorageError
        As `current_points` and `Workspace.correct_landmarks`.
    """
    points = read_landmark_table(file)
    image = workspace.image_bytes(photo_id)
    photo = read_photo(image, name=photo_id)
    stored = workspace.landmarks(photo_id)
    _refuse_unsaid(photo_id, stored, started_from)
    if stored:
        before = stored.landmarks
    else:
        try:
            before = placed_by(place, image, photo_id)
        except (NoFaceError, ModelError):
            if len(points) < len(FACE_POINTS):
                raise
            return _all_by_hand(workspace, photo_id, photo, points, file.name, comment)
    moved = [p for p in points if not p.is_at(before.points_px[FACE_POINTS.index(p.template)])]
    if not moved:
        raise NothingFoundError(f"'{file.name}' has no point elsewhere than photo '{photo_id}'; nothing was stored")
    after = _with_moved(before, moved, photo, file.name)
    corrected = {*(stored.corrected if stored else ()), *(point.template for point in moved)}
    number = workspace.correct_landmarks(
        photo_id,
        after,
        corrected=corrected,
        started_from=stored.version if stored else 0,
        photo_sha256=photo.pixel_sha256,
        comment=comment,
        placed=None if stored else before,
    )
    return Corrected(photo_id, number, tuple(sorted(corrected)), _moved(before.points_px, after.points_px))


def revert_points(workspace: Workspace, photo_id: str, version: int, *, comment: str = "") -> Corrected:
    """Go back to an older version: store a new one that repeats it.

    Raises
    ------
    OptionError
        There is no such version, or it is the newest.
    MismatchError, InputError, AccessError, StorageError
        As `Workspace.correct_landmarks`.
    """
    versions = workspace.landmark_versions(photo_id)
    if not 1 <= version < len(versions):
        older = f"1 to {len(versions) - 1}" if len(versions) > 1 else "none"
        raise OptionError(f"version {version} of the points of photo '{photo_id}'; there are to go back to: {older}")
    newest, older_one = versions[-1], versions[version - 1]
    number = workspace.correct_landmarks(
        photo_id,
        older_one.landmarks,
        corrected=older_one.corrected,
        started_from=newest.version,
        photo_sha256=older_one.photo_sha256,
        comment=comment or f"back to version {version}",
    )
    moved = _moved(newest.landmarks.points_px, older_one.landmarks.points_px)
    return Corrected(photo_id, number, older_one.corrected, moved)


def lines_of(done: Corrected) -> list[str]:
    """What a terminal shows of a correction."""
    by_hand = f"{len(done.corrected)} of {len(FACE_POINTS)} points placed by hand"
    return [
        f"version {done.version} of the points of photo {done.photo_id}: {len(done.moved)} moved, {by_hand}",
        *(
            f"    {point.name}: by {point.distance_px:.1f} px, {point.percent:.1f} % of the outer-canthal distance"
            for point in done.moved
        ),
    ]


def _refuse_unsaid(photo_id: str, stored: StoredLandmarks | None, started_from: int | None) -> None:
    if started_from is not None:
        refuse_overtaken(photo_id, stored, started_from)
    elif stored:
        raise OptionError(
            f"the points of photo '{photo_id}' are version {stored.version}, by {stored.actor} at {stored.created_at}; "
            "say which version the correction started from (--from-version), so that nobody's work is lost"
        )


def _all_by_hand(
    workspace: Workspace,
    photo_id: str,
    photo: DecodedPhoto,
    points: Sequence[PlacedPoint],
    file: str,
    comment: str,
) -> Corrected:
    count = len(FACE_POINTS)
    nowhere = Landmarks(np.zeros((count, 2)), np.zeros((count, 2, 2)), _BY_HAND)
    placed = _with_moved(nowhere, points, photo, file)
    version = workspace.correct_landmarks(
        photo_id,
        placed,
        corrected=FACE_POINTS,
        started_from=0,
        photo_sha256=photo.pixel_sha256,
        comment=comment,
    )
    return Corrected(photo_id, version, FACE_POINTS, ())


def _with_moved(before: Landmarks, moved: Sequence[PlacedPoint], photo: DecodedPhoto, file: str) -> Landmarks:
    height, width = photo.pixels.shape[:2]
    refuse_outside(moved, width_px=width, height_px=height, file=file)
    points, covariance = before.points_px.copy(), before.covariance_px2.copy()
    rows = [FACE_POINTS.index(point.template) for point in moved]
    points[rows] = [(point.x_px, point.y_px) for point in moved]
    covariance[rows] = 0
    if float(outer_canthal(points)) < 1:
        raise InputError(f"'{file}' puts the outer canthi on one another; correct 'exocanthion right' or 'left'")
    return Landmarks(points, covariance, before.source)


def _moved(before: Points, after: Points) -> tuple[MovedPoint, ...]:
    scale = float(outer_canthal(after))
    distances = np.hypot(*(after - before).T)
    return tuple(
        MovedPoint(template, float(distance), 100 * float(distance) / scale)
        for template, distance in zip(FACE_POINTS, distances, strict=True)
        if distance > 0
    )
