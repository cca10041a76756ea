"""Is this photo good enough? Each check has a value, limits, a verdict and an advice.

Limits come from measurements on frontal studio photos made worse in known steps (docs/faces.md). Tone limits look at
the lightest parts of the face, not at its mean, so that dark skin is not mistaken for a dark photo.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from deciface.faces.align import align
from deciface.faces.face import CHEEKS, CHIN, FOREHEAD, MOUTH_CORNERS, STOMION, STOMION_LOWER, Face
from deciface.faces.occlusion import Part, covered
from deciface.faces.pyramid import Pyramid


class Verdict(StrEnum):
    """What to do with a photo, from best to worst."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    CARE = "usable with care"
    RETAKE = "retake"


_ORDER = (Verdict.PASS, Verdict.CARE, Verdict.RETAKE)


@dataclass(frozen=True, slots=True)
class Check:
    """One measured property of a photo.

    Parameters
    ----------
    name, value, unit
        What was measured; `value` is rounded for people, not for sums.
    limit
        What is needed to pass, in words.
    verdict, advice
        What follows; `advice` is empty when it passes.
    """

    name: str
    value: float
    unit: str
    limit: str
    verdict: Verdict
    advice: str


@dataclass(frozen=True, slots=True)
class Quality:
    """All checks of one face in one photo."""

    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all checks."""
        return max((c.verdict for c in self.checks), key=_ORDER.index)

    @property
    def advice(self) -> tuple[str, ...]:
        """What to do, worst first."""
        worst = sorted(self.checks, key=lambda c: -_ORDER.index(c.verdict))
        return tuple(c.advice for c in worst if c.advice)

    def check(self, name: str) -> Check:
        """One check by its name."""
        return next(c for c in self.checks if c.name == name)


def _graded(value: float, care: float, retake: float) -> Verdict:
    """Verdict of a value that is better when larger when care > retake, and when smaller otherwise."""
    if care >= retake:
        return Verdict.PASS if value >= care else Verdict.CARE if value >= retake else Verdict.RETAKE
    return Verdict.PASS if value <= care else Verdict.CARE if value <= retake else Verdict.RETAKE


def _check(name: str, value: float, unit: str, *, care: float, retake: float, advice: str, digits: int = 2) -> Check:
    verdict = _graded(value, care, retake)
    sign = ">=" if care >= retake else "<="
    return Check(
        name=name,
        value=round(float(value), digits),
        unit=unit,
        limit=f"{sign} {care:g}",
        verdict=verdict,
        advice="" if verdict is Verdict.PASS else advice,
    )


def assess(image: NDArray[np.uint8] | Pyramid, face: Face) -> Quality:
    """Check a face in an (h, w, 3) uint8 sRGB photo: resolution, sharpness, light, pose, expression, occlusion."""
    photo = Pyramid.of(image)
    crop = align(photo, face, "arcface-112")
    return Quality(
        (
            _check(
                "resolution",
                face.outer_canthal_px,
                "px between the outer corners of the eyes",
                care=75,
                retake=36,
                digits=0,
                advice="take or scan a larger photo of the face",
            ),
            _sharpness(crop),
            *_light(crop),
            *_pose(face),
            *_expression(face),
            *_occlusion(photo, face),
            _drawn(photo.image, face),
        )
    )


_FACE = np.s_[30:105, 22:90]


def _grey(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(crop @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def _sharpness(crop: NDArray[np.uint8]) -> Check:
    """Fine detail over coarse detail in the 112 px crop, log2: independent of contrast, so of skin tone."""
    import cv2

    grey = _grey(crop)
    fine = cv2.GaussianBlur(grey, (0, 0), 1.0)
    coarse = cv2.GaussianBlur(grey, (0, 0), 3.0)
    value = np.log2(((grey - fine)[_FACE].std() + 0.05) / ((fine - coarse)[_FACE].std() + 0.05))
    return _check(
        "sharpness",
        value,
        "log2 of fine over coarse detail",
        care=-1.5,
        retake=-1.9,
        advice="hold the camera still and focus on the eyes; do not enlarge a small picture",
    )


def _light(crop: NDArray[np.uint8]) -> list[Check]:
    grey = _grey(crop)[_FACE]
    lightest = float(np.percentile(grey, 98))
    burnt = float((grey > 251).mean())
    half = grey.shape[1] // 2
    left, right = (float(np.median(side)) + 8 for side in (grey[:, :half], grey[:, half:]))
    return [
        _check(
            "exposure",
            lightest,
            "grey levels of the lightest parts of the face",
            care=90,
            retake=45,
            digits=0,
            advice="use more light: the face is dark even in its lightest parts",
        ),
        _check(
            "overexposure",
            burnt,
            "share of the face that is pure white",
            care=0.02,
            retake=0.15,
            digits=3,
            advice="use less or softer light: parts of the face are white",
        ),
        _check(
            "evenness of light",
            abs(float(np.log2(left / right))),
            "stops between the two sides of the face",
            care=0.8,
            retake=1.8,
            advice="light the face evenly from the front",
        ),
    ]


def _pose(face: Face) -> list[Check]:
    return [
        _check(
            "yaw",
            abs(face.pose.yaw_deg),
            "degrees to the side",
            care=18,
            retake=35,
            digits=0,
            advice="the face should look straight into the camera",
        ),
        _check(
            "pitch",
            abs(face.pose.pitch_deg),
            "degrees up or down",
            care=20,
            retake=35,
            digits=0,
            advice="hold the camera at the height of the eyes",
        ),
    ]


def _expression(face: Face) -> list[Check]:
    mesh, unit = face.mesh_px, face.outer_canthal_px
    opening = float(np.hypot(*(mesh[STOMION] - mesh[STOMION_LOWER])[:2])) / unit
    corners = mesh[list(MOUTH_CORNERS), :2].astype(np.float64)
    width = float(np.hypot(*(corners[1] - corners[0]))) / unit
    across = (mesh[263] - mesh[33])[:2] / unit
    down = np.array([-across[1], across[0]])
    lift = float(((mesh[[STOMION, STOMION_LOWER], :2].mean(0) - corners.mean(0)) @ down) / unit)
    smile = min(width - 0.58, (lift - 0.015) * 2)
    return [
        _check(
            "mouth opening",
            opening,
            "of the outer-canthal distance",
            care=0.11,
            retake=0.35,
            advice="the mouth is open: a relaxed, closed mouth compares best",
        ),
        Check(
            "smile",
            round(smile, 2),
            "above a neutral mouth's width and lift, in outer-canthal distances",
            "<= 0",
            Verdict.CARE if smile > 0 else Verdict.PASS,
            "the person may be smiling: a neutral expression compares best" if smile > 0 else "",
        ),
    ]


def _occlusion(photo: Pyramid, face: Face) -> list[Check]:
    h, w = photo.image.shape[:2]
    outline = face.mesh_px[[FOREHEAD, CHIN, *CHEEKS, 109, 338, 172, 397], :2]
    unit = face.outer_canthal_px
    inside = np.minimum(outline, np.array([w - 1, h - 1]) - outline).min(1)
    out = float(-inside.min() / unit)
    return [
        _covered(photo, face, Part.EYES),
        _covered(photo, face, Part.MOUTH),
        Check(
            "cut off",
            round(max(out, 0.0), 2),
            "outer-canthal distances of the face outside the photo",
            "<= 0.02",
            _graded(out, 0.02, 0.2),
            "" if out <= 0.02 else "show the whole face with some margin: part of it is outside the photo",
        ),
    ]


def _covered(photo: Pyramid, face: Face, part: Part) -> Check:
    probability = covered(photo, face.mesh_px, part)
    hit = probability > 0.6
    what = "a bar, sunglasses" if part is Part.EYES else "a hand, a mask"
    return Check(
        f"{part} covered",
        round(probability, 2),
        "probability",
        "<= 0.6",
        Verdict.RETAKE if hit else Verdict.PASS,
        f"the {part} seem{'s' if part is Part.MOUTH else ''} covered ({what}): use a photo that shows the whole face"
        if hit
        else "",
    )


def _drawn(image: NDArray[np.uint8], face: Face) -> Check:
    """Share of the face without the least grain or shading: photos have next to none, drawings are made of it."""
    import cv2

    x0, y0, x1, y1 = (int(v) for v in face.box_px)
    part = image[max(0, y0) : y1, max(0, x0) : x1]
    step = max(1, round(face.outer_canthal_px / 90))
    grey = np.ascontiguousarray(_grey(part[::step, ::step]))
    gx = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3)
    gy = cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=3)
    flat = float((np.abs(gx) + np.abs(gy) < 0.5).mean())
    return _check(
        "flat areas",
        flat,
        "share of the face with no shading at all",
        care=0.35,
        retake=0.6,
        advice="this looks like a drawing or a graphic, not a photo",
    )
