"""Faces with one planted feature each, and where in their crops it lies: the truth of `deciface bench explain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deciface.benchmarks.reference import Person
from deciface.cases import Sex
from deciface.faces import FaceFinder, align, alignment, template
from deciface.faces.align import similarity
from deciface.simulate import AppearanceModel, EyeFrame, PhotoAnchors, draw_nuisance, simulate_face, warp_photo
from deciface.simulate.features import velocity
from deciface.simulate.template import Points, anchors_from_template
from deciface.simulate.warp import Velocity, flow

SINGLE_FEATURES: Mapping[str, float] = {
    "hypertelorism": 3.0,
    "upslanted_fissures": 3.0,
    "narrow_fissures": 3.0,
    "epicanthus": 3.0,
    "wide_nose": 3.0,
    "wide_nasal_bridge": 3.0,
    "long_philtrum": 3.0,
    "thick_lower_lip": 3.0,
    "wide_mouth": 3.0,
    "tall_chin": -3.0,
}
"""The ten features and their amounts in SD, fixed before anything was measured. A negative tall chin is a small one."""

TRUTH_FROM = 0.35
"""A place belongs to the truth when it moves, or is strained, by more than this share of the largest."""
_WORK_CANTHAL_PX = 140.0
_STRAIN_STEP = 0.01


@dataclass(frozen=True, eq=False)
class PlantedCrop:
    """An aligned crop.

    Parameters
    ----------
    crop
        (s, s, 3) uint8.
    to_eye_frame
        (2, 3) affine from crop_px to the eye frame of the face before planting.
    anchors_from
        (189, 2) landmarks before planting, eye frame.
    """

    crop: NDArray[np.uint8]
    to_eye_frame: NDArray[np.float64]
    anchors_from: Points

    def truth(self, feature: str) -> NDArray[np.bool_]:
        """(s, s) where a feature would lie, whatever is planted here."""
        side = len(self.crop)
        grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2).astype(np.float64)
        places = grid @ self.to_eye_frame[:, :2].T + self.to_eye_frame[:, 2]
        v = velocity({feature: SINGLE_FEATURES[feature]}, anchors_from_template(self.anchors_from))
        moved, strained = _moved_and_strained(places, v)
        inside = np.maximum(moved / moved.max(), strained / strained.max()) > TRUTH_FROM
        return np.asarray((inside & _within_face(places)).reshape(side, side), np.bool_)

    def face(self) -> NDArray[np.bool_]:
        """(s, s) face and margin: where a map may point at all without being absurd."""
        side = len(self.crop)
        grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2).astype(np.float64)
        return _within_face(grid @ self.to_eye_frame[:, :2].T + self.to_eye_frame[:, 2]).reshape(side, side)


def _within_face(places: Points) -> NDArray[np.bool_]:
    """Face oval and a margin of a tenth, in the eye frame."""
    return np.asarray((places[:, 0] / 1.05) ** 2 + ((places[:, 1] - 0.3) / 1.2) ** 2 < 1)


def _moved_and_strained(places: Points, v: Velocity) -> tuple[Points, Points]:
    """How far what is now here was moved, and the Frobenius norm of the strain here; places off the face count 0."""

    def back(p: Points) -> Points:
        return flow(p, v, direction="backward")

    moved = np.linalg.norm(places - back(places), axis=1)
    along = [(back(places + d) - back(places - d)) / (2 * _STRAIN_STEP) for d in np.eye(2) * _STRAIN_STEP]
    gradient = np.stack(along, axis=-1) - np.eye(2)
    symmetric = (gradient + gradient.transpose(0, 2, 1)) / 2
    face = _within_face(places)
    return moved * face, np.linalg.norm(symmetric, axis=(1, 2)) * face


def simulated_crop(
    model: AppearanceModel, finder: FaceFinder, template_name: str, *, number: int, features: Mapping[str, float]
) -> PlantedCrop:
    """Simulate person `number` facing the camera, in random light and framing."""
    rng = np.random.default_rng([37, number, *map(ord, "".join(features))])
    nuisance = replace(draw_nuisance(rng), yaw_deg=0.0, pitch_deg=0.0, smile=0.0, squint=0.0)
    made = simulate_face(
        model,
        int(rng.integers(2**31)),
        sex=(Sex.FEMALE, Sex.MALE)[number % 2],
        ancestry=model.ancestries[number // 2 % len(model.ancestries)],
        features=features,
        nuisance=nuisance,
        person_seed=80_000 + number,
    )
    eye_from_photo = similarity(made.landmarks_px, made.truth.landmarks_after)
    return _cropped(made.pixels, finder, template_name, eye_from_photo, made.truth.landmarks_before)


def warped_crop(
    person: Person, finder: FaceFinder, template_name: str, *, features: Mapping[str, float]
) -> PlantedCrop:
    """Plant features in a photo of the London set, at a working size."""
    import cv2

    frame = EyeFrame.from_template(person.points_px)
    scale = _WORK_CANTHAL_PX / frame.ocd_px
    photo = np.asarray(cv2.resize(person.pixels(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    anchors = PhotoAnchors.from_template((person.points_px + 0.5) * scale - 0.5)
    planted = warp_photo(photo, anchors, features=features)[0] if features else photo
    eye_from_photo = similarity(anchors.frame.to_px(anchors.landmarks), anchors.landmarks)
    return _cropped(planted, finder, template_name, eye_from_photo, anchors.landmarks)


def _cropped(
    photo: NDArray[np.uint8],
    finder: FaceFinder,
    template_name: str,
    eye_from_photo: NDArray[np.float64],
    landmarks: Points,
) -> PlantedCrop:
    face = finder.find(photo).choose()
    crop_from_photo = np.vstack([alignment(face, template_name), [0, 0, 1]])
    to_eye = np.vstack([eye_from_photo, [0, 0, 1]]) @ np.linalg.inv(crop_from_photo)
    return PlantedCrop(align(photo, face, template(template_name).name), to_eye[:2], landmarks)


def split(people: Sequence[int], *, tests: int, members: int) -> tuple[list[int], list[int], list[int]]:
    """Divide people into those tested, those a disorder's mean is made of, and controls: nobody is two of them."""
    order = list(people)
    return order[:tests], order[tests : tests + members], order[tests + members :]
