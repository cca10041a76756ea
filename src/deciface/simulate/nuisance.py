"""What differs between two photos of one person: pose, expression, light, blur, noise, JPEG.

Drawn independently of any label.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from deciface.errors import OptionError
from deciface.simulate.features import smoothstep, window
from deciface.simulate.template import Anchors, Points
from deciface.simulate.warp import Velocity

Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Nuisance:
    """How a photo was taken. The defaults are a perfect frontal photo.

    Parameters
    ----------
    yaw_deg, pitch_deg
        Turn of the head to image right and down; a warp over a smooth relief of the head, meant for small angles.
    roll_deg
        In the picture plane, clockwise.
    scale
        Size of the head against the standard framing.
    shift_x, shift_y
        Of the head, as a share of the photo's width.
    smile
        0 neutral to 1 a closed-lips smile.
    squint
        -1 wide eyes to 1 half-closed.
    gain, gamma
        Exposure and tone curve.
    light_deg, light_slope
        Where the light comes from (0 image right, 90 below) and how much it falls off across the face.
    warmth
        Colour temperature: -1 bluish to 1 yellowish.
    blur_px, noise_sd
        Defocus and sensor noise (grey levels).
    jpeg_quality
        1 to 100; 0 leaves JPEG out.
    """

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    scale: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    smile: float = 0.0
    squint: float = 0.0
    gain: float = 1.0
    gamma: float = 1.0
    light_deg: float = 0.0
    light_slope: float = 0.0
    warmth: float = 0.0
    blur_px: float = 0.0
    noise_sd: float = 0.0
    jpeg_quality: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            low, high = _ALLOWED[field.name]
            value = getattr(self, field.name)
            if not low <= value <= high:
                raise OptionError(
                    f"{field.name} {value}; between {low:g} and {high:g} is allowed; choose a value in there"
                )


_ALLOWED: dict[str, tuple[float, float]] = {
    "yaw_deg": (-15, 15),
    "pitch_deg": (-15, 15),
    "roll_deg": (-180, 180),
    "scale": (0.8, 1.25),
    "shift_x": (-0.15, 0.15),
    "shift_y": (-0.15, 0.15),
    "smile": (0, 1),
    "squint": (-1, 1),
    "gain": (0.1, 2),
    "gamma": (0.4, 2.5),
    "light_deg": (-360, 360),
    "light_slope": (0, 0.6),
    "warmth": (-1, 1),
    "blur_px": (0, 5),
    "noise_sd": (0, 30),
    "jpeg_quality": (0, 100),
}

FRONTAL = Nuisance()


def draw_nuisance(rng: np.random.Generator) -> Nuisance:
    """Draw the conditions of an ordinary clinic photo."""
    z = rng.standard_normal(10).clip(-2, 2)
    return Nuisance(
        yaw_deg=round(float(3.0 * z[0]), 2),
        pitch_deg=round(float(2.5 * z[1]), 2),
        roll_deg=round(float(2.0 * z[2]), 2),
        scale=round(float(1.0 + 0.035 * z[3]), 4),
        shift_x=round(float(0.012 * z[4]), 4),
        shift_y=round(float(0.012 * z[5]), 4),
        smile=round(float(rng.beta(1, 3)), 3),
        squint=round(float(0.3 * z[6]), 3),
        gain=round(float(np.exp(0.08 * z[7])), 4),
        gamma=round(float(np.exp(0.09 * z[8])), 4),
        light_deg=round(float(rng.uniform(0, 360)), 1),
        light_slope=round(float(rng.uniform(0, 0.16)), 4),
        warmth=round(float((0.35 * z[9]).clip(-1, 1)), 3),
        blur_px=round(float(rng.choice([0.0, 0.0, 0.5, 0.9])), 2),
        noise_sd=round(float(rng.uniform(0.5, 3.5)), 2),
        jpeg_quality=int(rng.integers(72, 96)),
    )


def capture_velocity(nuisance: Nuisance, anchors: Anchors) -> Velocity:
    """Velocity field of expression and head turn in the eye frame."""
    yaw, pitch = np.radians(nuisance.yaw_deg), np.radians(nuisance.pitch_deg)

    def field(p: Points) -> Points:
        d = np.zeros_like(p)
        if yaw or pitch:
            depth = _depth(p)
            d[:, 0] += np.sin(yaw) * depth
            d[:, 1] += np.sin(pitch) * depth
        if nuisance.smile:
            for s, corner in ((-1.0, anchors.mouth_corner_left), (1.0, anchors.mouth_corner_right)):
                w = window(p, corner, 0.24, 0.17) * smoothstep(s * (p[:, 0] - anchors.lip_top[0]) / 0.16)
                d[:, 0] += s * 0.040 * nuisance.smile * w
                d[:, 1] -= 0.032 * nuisance.smile * w
        if nuisance.squint:
            for eye in (anchors.eye_left, anchors.eye_right):
                d[:, 1] -= 0.15 * nuisance.squint * (p[:, 1] - eye[1]) * window(p, eye, 0.22, 0.12)
        return d

    return field


def _depth(p: Points) -> Points:
    """Relief of a head in OCD: an ellipsoid with a nose, 0 at its outline and beyond."""
    x, y = p[:, 0] / 1.10, (p[:, 1] - 0.15) / 1.55
    inside = np.clip(1.0 - x**2 - y**2, 0.0, None)
    nose = 0.20 * np.exp(-((p[:, 0] / 0.14) ** 2) - ((p[:, 1] - 0.40) / 0.20) ** 2)
    return np.asarray(0.80 * inside**0.8 + nose)


def expose(pixels: Image, nuisance: Nuisance, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Light, optics, sensor and JPEG: (height, width, 3) float32 0-255 to uint8 RGB of the same size."""
    height, width = pixels.shape[:2]
    x, y = np.meshgrid(np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32))
    angle = np.radians(nuisance.light_deg)
    light = nuisance.gain * (1.0 + nuisance.light_slope * (np.cos(angle) * x + np.sin(angle) * y))
    tint = np.array([1.0 + 0.06 * nuisance.warmth, 1.0, 1.0 - 0.08 * nuisance.warmth], dtype=np.float32)
    image = np.clip(pixels * light[..., None] * tint, 0, 255) / 255.0
    image = np.power(image, np.float32(nuisance.gamma)) * 255.0
    if nuisance.blur_px > 0:
        image = cv2.GaussianBlur(image, (0, 0), nuisance.blur_px)
    if nuisance.noise_sd > 0:
        image = image + nuisance.noise_sd * rng.standard_normal((height, width, 1), dtype=np.float32)
        image = image + 0.4 * nuisance.noise_sd * rng.standard_normal((height, width, 3), dtype=np.float32)
    out = np.clip(np.round(image), 0, 255).astype(np.uint8)
    if nuisance.jpeg_quality > 0:
        coded = cv2.imencode(".jpg", out[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, nuisance.jpeg_quality])[1]
        out = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), dtype=np.uint8)[..., ::-1]
    return np.ascontiguousarray(out)
