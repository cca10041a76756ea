"""The first photo of a person that shows them well and from the front, with the points of the face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deciface.cases import Photo
from deciface.errors import DeciFaceError
from deciface.faces import FaceFinder
from deciface.faces.landmark_model import LandmarkModel
from deciface.faces.landmarks import Landmarks
from deciface.faces.measurements import MOST_PITCH_DEG, MOST_YAW_DEG
from deciface.faces.quality import Verdict
from deciface.workflows.looking import SeenPhoto, look
from deciface.workflows.photo_galleries import PhotoGallery


@dataclass(frozen=True, slots=True)
class FrontalPhoto:
    """A photo as it was looked at, its points, and whether these were stored in the gallery."""

    photo: Photo
    seen: SeenPhoto
    landmarks: Landmarks
    stored: bool


def first_frontal(
    photos: Sequence[Photo], gallery: PhotoGallery, finder: FaceFinder, model: LandmarkModel
) -> tuple[FrontalPhoto | None, str]:
    """Find a person's first photo that measures the face and not the pose; or None, and why the last one did not do.

    Points that are stored in the gallery, corrected by hand, come before those that the model would place.
    """
    why = "no photo"
    for photo in photos:
        try:
            seen = look(gallery.image(photo.id), finder, name=photo.id)
            pose = seen.face.pose
            if seen.quality.verdict is Verdict.RETAKE:
                why = f"photo '{photo.id}' is to be taken again"
            elif abs(pose.yaw_deg) > MOST_YAW_DEG or abs(pose.pitch_deg) > MOST_PITCH_DEG:
                why = f"photo '{photo.id}' is not from the front"
            else:
                stored = gallery.points(photo.id)
                landmarks = stored or model.place(seen.pyramid, seen.face)
                return FrontalPhoto(photo, seen, landmarks, stored is not None), ""
        except DeciFaceError as error:
            why = str(error)
    return None, why
