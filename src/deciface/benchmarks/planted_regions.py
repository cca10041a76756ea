"""Faces with one planted feature each, and where in their crops it lies: the truth of `deciface bench explain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from deciface.benchmarks.reference import Person
from deciface.cases import Sex
from deciface.explain.regions import feathered
from deciface.faces import FaceFinder, align, alignment
from deciface.faces.align import similarity
from deciface.simulate import AppearanceModel, EyeFrame, PhotoAnchors, draw_nuisance, simulate_face, warp_photo
from deciface.simulate.template import Points

Floats = NDArray[np.float64]

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

TRUTH_HOLDS = 0.5
"""The truth is the smallest part of the face that holds so much of what the feature changes in the picture."""
TRUTH_BLUR = 0.05
"""Standard deviation that the change is smoothed by, in outer canthal distances: less than the radius of an iris."""
_WORK_CANTHAL_PX = 140.0


@dataclass(frozen=True, eq=False)
class PlantedCrop:
    """An aligned crop.

    Parameters
    ----------
    crop
        (s, s, 3) uint8.
    truth
        (s, s) where the planted features are: the smallest part of the face that holds half of the change they make
        to the picture (`TRUTH_HOLDS`, `TRUTH_BLUR`). Nowhere when nothing is planted.
    face
        (s, s) face and margin: where a map may point at all without being absurd.
    """

    crop: NDArray[np.uint8]
    truth: NDArray[np.bool_]
    face: NDArray[np.bool_]


def changed_part(planted: Floats, plain: Floats, *, face: NDArray[np.bool_], blur_px: float) -> NDArray[np.bool_]:
    """The smallest part of a face that holds `TRUTH_HOLDS` of the smoothed difference between two pictures of it.

    Parameters
    ----------
    planted, plain
        (s, s, 3), in one frame, alike but for the features.
    face
        (s, s); what changes elsewhere, such as the background, does not count.
    blur_px
        Standard deviation of the smoothing.
    """
    change = feathered(np.abs(planted - plain).mean(axis=2) * face, blur_px) * face
    order = np.argsort(-change, axis=None, kind="stable")
    held = np.cumsum(change.ravel()[order])
    truth = np.zeros(change.size, np.bool_)
    if held[-1] > 0:
        truth[order[: int(np.searchsorted(held, TRUTH_HOLDS * held[-1])) + 1]] = True
    return truth.reshape(change.shape)


def _within_face(places: Points) -> NDArray[np.bool_]:
    """Face oval and a margin of a tenth, in the eye frame."""
    return np.asarray((places[:, 0] / 1.05) ** 2 + ((places[:, 1] - 0.3) / 1.2) ** 2 < 1)


def simulated_crop(
    model: AppearanceModel, finder: FaceFinder, template_name: str, *, number: int, features: Mapping[str, float]
) -> PlantedCrop:
    """Simulate person `number` facing the camera, in random light and framing."""
    rng = np.random.default_rng([37, number, *map(ord, "".join(features))])
    nuisance = replace(draw_nuisance(rng), yaw_deg=0.0, pitch_deg=0.0, smile=0.0, squint=0.0)
    photographed = partial(
        simulate_face,
        model,
        int(rng.integers(2**31)),
        sex=(Sex.FEMALE, Sex.MALE)[number % 2],
        ancestry=model.ancestries[number // 2 % len(model.ancestries)],
        nuisance=nuisance,
        person_seed=80_000 + number,
    )
    made = photographed(features=features)
    plain = photographed(features={}).pixels if features else made.pixels
    eye_from_photo = similarity(made.landmarks_px, made.truth.landmarks_after)
    return _cropped(made.pixels, plain, finder, template_name, eye_from_photo)


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
    return _cropped(planted, photo, finder, template_name, eye_from_photo)


def _cropped(
    photo: NDArray[np.uint8],
    plain: NDArray[np.uint8],
    finder: FaceFinder,
    template_name: str,
    eye_from_photo: Floats,
) -> PlantedCrop:
    """Cut out both photos alike, by where the face is in the planted one: so nothing differs but the features."""
    found = finder.find(photo).choose()
    crop, plain_crop = (align(one, found, template_name) for one in (photo, plain))
    crop_from_photo = np.vstack([alignment(found, template_name), [0, 0, 1]])
    eye_from_crop = np.vstack([eye_from_photo, [0, 0, 1]]) @ np.linalg.inv(crop_from_photo)
    grid = np.stack(np.meshgrid(*[np.arange(len(crop), dtype=np.float64)] * 2), axis=-1).reshape(-1, 2)
    face = _within_face(grid @ eye_from_crop[:2, :2].T + eye_from_crop[:2, 2]).reshape(crop.shape[:2])
    blur_px = TRUTH_BLUR / float(np.hypot(*eye_from_crop[:2, 0]))
    truth = changed_part(crop.astype(np.float64), plain_crop.astype(np.float64), face=face, blur_px=blur_px)
    return PlantedCrop(crop, truth, face)


def split(people: Sequence[int], *, tests: int, members: int) -> tuple[list[int], list[int], list[int]]:
    """Divide people into those tested, those a disorder's mean is made of, and controls: nobody is two of them."""
    order = list(people)
    return order[:tests], order[tests : tests + members], order[tests + members :]
