"""Points that count for a stored photo: the newest version, else what the landmark model places; shown and written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from deciface.errors import ModelError
from deciface.faces import FaceFinder
from deciface.faces.landmark_model import LANDMARKS_ID, LandmarkModel
from deciface.faces.landmarks import FACE_POINTS, Landmarks, named
from deciface.faces.measured_face import MeasuredFace
from deciface.faces.norms import NOT_RECORDED, Norms
from deciface.formats.landmark_table import landmark_table
from deciface.models import ModelStore
from deciface.store import DerivedKind, Workspace
from deciface.whole_files import write_whole
from deciface.workflows.looking import look
from deciface.workflows.measuring import Described, measure_face, write_measured

Place = Callable[[bytes, str], Landmarks]
"""Places the points of the largest face of a photo, given its file's bytes and its name."""


@cache
def clinical_names() -> Mapping[int, str]:
    """Names of the clinical points by their number in the template."""
    return MappingProxyType({point.template: name for name, point in named().items()})


@dataclass(frozen=True, slots=True, eq=False)
class CurrentPoints:
    """The points that count for a photo.

    Parameters
    ----------
    landmarks
        With a source that says how many were placed by hand.
    version
        Of what is stored; 0 for points that the model has just placed.
    corrected
        Template numbers of those placed by hand.
    """

    landmarks: Landmarks
    version: int
    corrected: tuple[int, ...]

    def as_document(self) -> dict[str, Any]:
        """Plain types, for programs."""
        return {
            "version": self.version,
            "corrected": list(self.corrected),
            "source": self.landmarks.source,
            "points": [self._point(template) for template in FACE_POINTS],
        }

    def _point(self, template: int) -> dict[str, Any]:
        row = FACE_POINTS.index(template)
        x, y = self.landmarks.points_px[row]
        return {
            "template": template,
            "name": clinical_names().get(template),
            "x_px": round(float(x), 2),
            "y_px": round(float(y), 2),
            "sigma_px": round(float(np.sqrt(np.trace(self.landmarks.covariance_px2[row]) / 2)), 3),
            "by_hand": template in self.corrected,
        }

    def lines(self) -> list[str]:
        """What a terminal shows: the points that have a name, with their error; those placed by hand say so."""
        return [
            f"    {name}: {x:.2f}, {y:.2f} px, "
            + ("by hand" if named()[name].template in self.corrected else f"+- {self.landmarks.sigma_px(name):.2f}")
            for name in named()
            for x, y in (self.landmarks.point(name),)
        ]


def placing(store: ModelStore) -> Place | None:
    """How the landmark model of a store places points; None where the store has none. Loads it when it is used."""
    if not store.knows(LANDMARKS_ID):
        return None

    def place(image: bytes, name: str) -> Landmarks:
        seen = look(image, FaceFinder.from_store(store), name=name)
        return LandmarkModel.from_store(store).place(seen.pyramid, seen.face)

    return place


def placed_by(place: Place | None, image: bytes, photo_id: str) -> Landmarks:
    """Place the points of a photo that has none; raises `ModelError` where there is no model."""
    if place is None:
        raise ModelError(
            f"photo '{photo_id}' has no points and there is no landmark model '{LANDMARKS_ID}' to place them; give a "
            f"file with all {len(FACE_POINTS)}, or add the model by deciface models add"
        )
    return place(image, photo_id)


def current_points(workspace: Workspace, photo_id: str, place: Place | None) -> CurrentPoints:
    """Read the points of a photo, or place them where none are stored; stores nothing.

    Raises
    ------
    InputError, AccessError, StorageError
        As `Workspace.landmarks` and `Workspace.image_bytes`.
    ModelError
        None are stored and there is no model.
    NoFaceError
        The model finds no face.
    """
    stored = workspace.landmarks(photo_id)
    if stored:
        return CurrentPoints(stored.described, stored.version, stored.corrected)
    image = workspace.image_bytes(photo_id)
    return CurrentPoints(placed_by(place, image, photo_id), 0, ())


def write_points(workspace: Workspace, photo_id: str, landmarks: Landmarks, path: Path) -> None:
    """Write the points of a photo as a table; the workspace notes it, so that it goes with the patient."""
    with workspace.deriving(DerivedKind.EXPORT, [path], patients=(), photos=[photo_id]):
        write_whole(path, landmark_table(landmarks).encode())


def write_points_page(
    workspace: Workspace,
    photo_id: str,
    landmarks: Landmarks,
    path: Path,
    *,
    finder: FaceFinder,
    norms: Norms | None = None,
    norms_source: str = "",
    now: dt.datetime,
) -> MeasuredFace:
    """Measure a stored photo by the points given and write its page; the workspace notes it as made of the patient.

    The person's sex, age and ancestry are those of the record.

    Raises
    ------
    InputError, AccessError, NoFaceError, StorageError
        As `Workspace.image_bytes`, `look` and `Workspace.deriving`.
    """
    image = workspace.image_bytes(photo_id)
    photo = next(photo for photo in workspace.photos() if photo.id == photo_id)
    person, ancestry = photo.patient, photo.patient.ancestry_label
    who = Described(person.sex, photo.age_years, None if ancestry == NOT_RECORDED else ancestry)
    seen = look(image, finder, name=f"{photo_id} (simulated person)" if person.simulated else photo_id)
    found = measure_face(landmarks, pose=seen.face.pose, norms=norms, who=who)
    with workspace.deriving(DerivedKind.REPORT, [path], patients=[person.id], photos=[photo_id]):
        write_measured(seen, found, path, norms_source=norms_source, who=who, now=now)
    return found
