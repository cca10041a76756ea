"""Aligned crops with planted features, as many as wanted: what our own networks learn from.

A subject is drawn once (a simulated person) or photographed once (a photo with a 189-point template) and shown many
times: with up to five features planted, with a sham of equal strain, or as they are; every time with another turn of
the head and another expression. The warp, the pose and the crop are one resampling. Light, blur, noise and small moves
of the crop are left to the training, which draws them anew in every epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.cases import Sex
from deciface.encoders.protocol import LUMINANCE_WEIGHTS
from deciface.faces.align import similarity, template
from deciface.photos import read_photo
from deciface.processes import in_processes
from deciface.simulate import canvas
from deciface.simulate.appearance import AppearanceModel
from deciface.simulate.faces import simulate_person
from deciface.simulate.features import FEATURES, velocity
from deciface.simulate.nuisance import Nuisance, capture_velocity, draw_nuisance
from deciface.simulate.portrait import draw_setting, portrait
from deciface.simulate.relief import apply_relief
from deciface.simulate.template import N_POINTS, EyeFrame, Points, anchors_from_template, read_template
from deciface.simulate.warp import dense_map, flow, resample, sham

FEATURE_NAMES = tuple(FEATURES)
MARGIN_PX = 8
"""Round every crop, so that it can be moved a little without an edge showing."""

AS_THEY_ARE, SHAM = 0.2, 0.15
"""Share of shots in which nothing is planted, without and with a sham warp."""
MOST_FEATURES = 5
SHAM_STRAIN = (0.03, 0.14)
POINT_NOISE = 0.012
"""SD, in outer-canthal distances, of each alignment point: that of the mesh about the points it is taken for."""
FOLLOWING = 0.8
"""The mesh follows a planted change in part only: a crop is aligned to a share of it, from none to this."""

_EYE_LEFT, _EYE_RIGHT, _SUBNASALE, _CORNERS = (18, 22, 20, 29), (27, 23, 25, 32), 55, (87, 93)
_NOSE_TIP = np.array([0.0, -0.07])
"""From subnasale to the tip of the nose as the mesh has it, in outer-canthal distances."""

Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Framing:
    """How subjects are shown.

    Parameters
    ----------
    alignment
        Template of the crop.
    subject_ocd_px
        Outer-canthal distance in a subject's picture, just above that in the crop.
    grey
        Luminance alone.
    most_sd
        Features are planted up to this amount.
    pose
        How much further heads are turned than in an ordinary clinic photo.
    """

    alignment: str
    subject_ocd_px: float
    grey: bool
    most_sd: float
    pose: float = 1.0

    @property
    def inner_px(self) -> int:
        """Side of the crop without its margin."""
        return template(self.alignment).size_px

    @property
    def side_px(self) -> int:
        """Side of the crop with its margin."""
        return self.inner_px + 2 * MARGIN_PX


LEAST_SD = 0.5
WIDE_GREY = Framing("wide-128", subject_ocd_px=60.0, grey=True, most_sd=3.6)
"""For ``deciface-dysmorphic``."""
WIDE_COLOUR = Framing("wide-256", subject_ocd_px=118.0, grey=False, most_sd=4.0, pose=2.5)
"""For ``deciface-landmarks``."""


@dataclass(frozen=True, eq=False)
class Subject:
    """One person as drawn or photographed once.

    Parameters
    ----------
    picture
        (h, w, 3) float32 RGB 0-255.
    frame
        Eye frame in it.
    landmarks
        (189, 2) in that frame.
    """

    picture: Image
    frame: EyeFrame
    landmarks: Points


@dataclass(frozen=True, eq=False)
class Shots:
    """Crops and their truth.

    Parameters
    ----------
    crops
        (n, side, side) uint8 luminance, or (n, side, side, 3) RGB.
    amounts_sd
        (n, features) planted, in the order of `FEATURE_NAMES`.
    landmarks_px
        (n, 189, 2) float32 in the crop.
    """

    crops: NDArray[np.uint8]
    amounts_sd: NDArray[np.float32]
    landmarks_px: NDArray[np.float32]


def simulated_subject(model: AppearanceModel, seed: int, *, ocd_px: float) -> Subject:
    """Draw a person of any group the model knows, 18 to 60 years, with this outer-canthal distance."""
    import cv2

    rng = np.random.default_rng([seed, 99])
    person = simulate_person(
        model,
        seed,
        sex=(Sex.FEMALE, Sex.MALE)[int(rng.integers(2))],
        ancestry=str(rng.choice(model.ancestries)),
        age_years=float(rng.uniform(18, 60)),
    )
    picture, landmarks = portrait(model, person.identity, hair=person.hair, setting=draw_setting(rng))
    scale = ocd_px / canvas.OCD_PX
    small = cv2.resize(picture.astype(np.float32), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return Subject(np.asarray(small, np.float32), _scaled(canvas.FRAME, scale), landmarks)


def photographed_subject(photo: Path, points: Path, *, ocd_px: float) -> Subject:
    """Take a person from an upright frontal photo and its ``.tem`` template, with this outer-canthal distance.

    Raises
    ------
    InputError, PhotoError
        One of the two cannot be read.
    """
    import cv2

    points_px = read_template(points)
    frame = EyeFrame.from_template(points_px)
    scale = ocd_px / frame.ocd_px
    small = cv2.resize(read_photo(photo).pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return Subject(np.asarray(small, np.float32), _scaled(frame, scale), frame.from_px(points_px))


def _scaled(frame: EyeFrame, scale: float) -> EyeFrame:
    x, y = ((v + 0.5) * scale - 0.5 for v in frame.origin_px)
    return EyeFrame((x, y), frame.ocd_px * scale, frame.roll_deg)


def draw_amounts(rng: np.random.Generator, most_sd: float) -> dict[str, float]:
    """Draw one to five features, each of `LEAST_SD` to `most_sd` in either direction that it has."""
    count = int(rng.integers(1, MOST_FEATURES + 1))
    amounts = {}
    for name in rng.choice(FEATURE_NAMES, count, replace=False):
        amount = float(rng.uniform(LEAST_SD, most_sd))
        opposite = bool(FEATURES[str(name)].opposite_hpo) and rng.random() < 0.5
        amounts[str(name)] = round(-amount if opposite else amount, 3)
    return amounts


def shoot(
    subject: Subject, rng: np.random.Generator, framing: Framing = WIDE_GREY
) -> tuple[NDArray[np.uint8], NDArray[np.float32], Points]:
    """Show a subject once; crop (side, side[, 3]), amounts (features,) and landmarks (189, 2) in the crop."""
    anchors = anchors_from_template(subject.landmarks)
    kind = rng.random()
    planted = draw_amounts(rng, framing.most_sd) if kind >= AS_THEY_ARE + SHAM else {}
    still = kind < AS_THEY_ARE
    plant = velocity(planted, anchors)
    if not planted and not still:
        plant = sham(rng, subject.landmarks, anchors, strain=float(rng.uniform(*SHAM_STRAIN)))
    picture = apply_relief(subject.picture, subject.frame, anchors, planted)
    after = subject.landmarks if still else flow(subject.landmarks, plant)
    nuisance = _turned(draw_nuisance(rng), framing.pose)
    taken = capture_velocity(nuisance, anchors_from_template(after))
    final, without = flow(after, taken), flow(subject.landmarks, taken)
    follows = rng.uniform(0, FOLLOWING)
    five = (1 - follows) * _alignment_points(without) + follows * _alignment_points(final)
    matrix = _to_crop(five + rng.normal(0, POINT_NOISE, five.shape), framing)
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]

    def source(px: Points) -> Points:
        p = flow(px @ back[:, :2].T + back[:, 2], taken, direction="backward")
        return subject.frame.to_px(p if still else flow(p, plant, direction="backward"))

    colour = resample(picture, dense_map(source, width_px=framing.side_px, height_px=framing.side_px, step_px=6.0))
    shown = colour @ np.array(LUMINANCE_WEIGHTS, np.float32) if framing.grey else colour
    crop = np.clip(np.rint(shown), 0, 255).astype(np.uint8)
    amounts = np.array([planted.get(name, 0.0) for name in FEATURE_NAMES], np.float32)
    return crop, amounts, final @ matrix[:, :2].T + matrix[:, 2]


def _alignment_points(landmarks: Points) -> Points:
    """Where the five mesh points of the template are, by landmarks."""
    eyes = [landmarks[list(eye)].mean(0) for eye in (_EYE_LEFT, _EYE_RIGHT)]
    return np.stack([*eyes, landmarks[_SUBNASALE] + _NOSE_TIP, *landmarks[list(_CORNERS)]])


def _turned(nuisance: Nuisance, pose: float) -> Nuisance:
    """The same photo with the head turned `pose` times as far, within what the warp is meant for."""
    if pose == 1:
        return nuisance
    yaw, pitch = (float(np.clip(pose * v, -15, 15)) for v in (nuisance.yaw_deg, nuisance.pitch_deg))
    return replace(nuisance, yaw_deg=yaw, pitch_deg=pitch)


def _to_crop(five: Points, framing: Framing) -> Points:
    """Similarity (2, 3) from the eye frame to the crop with its margin."""
    return similarity(five, np.array(template(framing.alignment).targets_px) + MARGIN_PX)


@dataclass(frozen=True, slots=True)
class Sitting:
    """One subject and how often it is shown: a simulated person (`seed`) or a photo with its template."""

    seed: int
    shots: int
    photo: Path | None = None
    points: Path | None = None

    def subject(self, model: AppearanceModel, *, ocd_px: float) -> Subject:
        """Draw or read it."""
        if self.photo is not None and self.points is not None:
            return photographed_subject(self.photo, self.points, ocd_px=ocd_px)
        return simulated_subject(model, self.seed, ocd_px=ocd_px)


def shots_of(model: AppearanceModel, sitting: Sitting, framing: Framing = WIDE_GREY) -> Shots:
    """Show one subject as often as its sitting says; everything follows from the seed."""
    rng = np.random.default_rng([sitting.seed, 77])
    subject = sitting.subject(model, ocd_px=framing.subject_ocd_px)
    shown = [shoot(subject, rng, framing) for _ in range(sitting.shots)]
    return joined(
        [Shots(crop[None], amounts[None], points[None].astype(np.float32)) for crop, amounts, points in shown], framing
    )


def joined(parts: Sequence[Shots], framing: Framing = WIDE_GREY) -> Shots:
    """One after the other."""
    if not parts:
        side = (framing.side_px, framing.side_px)
        none = np.zeros((0, *side) if framing.grey else (0, *side, 3), np.uint8)
        return Shots(none, np.zeros((0, len(FEATURE_NAMES)), np.float32), np.zeros((0, N_POINTS, 2), np.float32))
    return Shots(
        np.concatenate([p.crops for p in parts]),
        np.concatenate([p.amounts_sd for p in parts]),
        np.concatenate([p.landmarks_px for p in parts]),
    )


def all_shots(
    model: AppearanceModel,
    sittings: Sequence[Sitting],
    *,
    framing: Framing = WIDE_GREY,
    workers: int,
    advance: Callable[[], None] = lambda: None,
) -> Shots:
    """Show many subjects, on several cores; the same whatever their number.

    Parameters
    ----------
    model
        Draws the simulated ones.
    sittings, framing
        Who, how often, and how.
    workers
        Processes.
    advance
        Called after every subject.
    """
    parts = []
    for shots in in_processes(_work, sittings, processes=workers, start=_start, given=(model.packed, framing)):
        parts.append(shots)
        advance()
    return joined(parts, framing)


_worker: dict[str, Any] = {}


def _start(packed: bytes, framing: Framing) -> None:
    import cv2
    from threadpoolctl import threadpool_limits

    cv2.setNumThreads(1)
    _worker["limit"], _worker["model"] = threadpool_limits(1), AppearanceModel.from_bytes(packed)
    _worker["framing"] = framing


def _work(sitting: Sitting) -> Shots:
    return shots_of(_worker["model"], sitting, _worker["framing"])
