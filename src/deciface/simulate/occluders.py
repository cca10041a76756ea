"""Things that cover a face, painted on: eye bars, sunglasses, spectacles, masks, hands.

For training and tests of the occlusion checks. Everything is placed by the 468-point mesh in the eye frame: origin
between the eyes, x along the outer canthi, unit the outer-canthal distance (OCD), y down.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from deciface.faces.face import OUTER_CANTHI
from deciface.simulate.template import EyeFrame


class Occluder(StrEnum):
    """What is painted. Spectacles leave the eyes visible; everything else covers something."""

    BLACK_BAR = "black eye bar"
    GREY_BAR = "grey eye bar"
    PIXELATED_BAR = "pixelated eye bar"
    SUNGLASSES = "sunglasses"
    SPECTACLES = "spectacles"
    MASK = "mask"
    HAND = "hand"


@dataclass(frozen=True, slots=True)
class _Scene:
    """What a painter gets: photo (h, w, 3), mesh (468, 3) in photo_px, eye frame, what to paint, chance."""

    image: NDArray[np.uint8]
    mesh: NDArray[np.float32]
    frame: EyeFrame
    what: Occluder
    rng: np.random.Generator


COVERS_EYES = (Occluder.BLACK_BAR, Occluder.GREY_BAR, Occluder.PIXELATED_BAR, Occluder.SUNGLASSES)
COVERS_MOUTH = (Occluder.MASK, Occluder.HAND)


def _polygon(frame: EyeFrame, points: NDArray[np.float64]) -> NDArray[np.int32]:
    """Points of the eye frame in photo_px, in sixteenths as cv2 draws them with shift=4."""
    return np.round(frame.to_px(points) * 16).astype(np.int32)


def _cover(
    shape: tuple[int, ...], frame: EyeFrame, outline: NDArray[np.float64], soft_px: float
) -> NDArray[np.float32]:
    import cv2

    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [_polygon(frame, outline)], 255, lineType=cv2.LINE_AA, shift=4)
    out = mask.astype(np.float32) / np.float32(255)
    return np.asarray(cv2.GaussianBlur(out, (0, 0), soft_px) if soft_px > 0.3 else out, np.float32)


def _blend(image: NDArray[np.uint8], colour: NDArray[np.floating], alpha: NDArray[np.floating]) -> NDArray[np.uint8]:
    out = image * (1 - alpha[..., None]) + colour * alpha[..., None]
    return np.clip(out + 0.5, 0, 255).astype(np.uint8)


def _superellipse(cx: float, cy: float, rx: float, ry: float, power: float) -> NDArray[np.float64]:
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    c, s = np.cos(t), np.sin(t)
    return np.column_stack(
        [cx + rx * np.sign(c) * np.abs(c) ** (2 / power), cy + ry * np.sign(s) * np.abs(s) ** (2 / power)]
    )


def occlude(
    image: NDArray[np.uint8], mesh_px: NDArray[np.float32], *, what: Occluder, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Paint an occluder of random size, tone and placement on an (h, w, 3) uint8 photo; returns a new array."""
    frame = EyeFrame.from_canthi(*mesh_px[list(OUTER_CANTHI), :2])
    painter = {
        Occluder.BLACK_BAR: _bar,
        Occluder.GREY_BAR: _bar,
        Occluder.PIXELATED_BAR: _pixelated,
        Occluder.SUNGLASSES: _glasses,
        Occluder.SPECTACLES: _glasses,
        Occluder.MASK: _mask,
        Occluder.HAND: _hand,
    }[what]
    return painter(_Scene(image, mesh_px, frame, what, rng))


def _bar_outline(rng: np.random.Generator) -> NDArray[np.float64]:
    half, up, down = rng.uniform(0.58, 0.95), rng.uniform(0.13, 0.26), rng.uniform(0.11, 0.22)
    tilt = rng.normal(0, 0.03)
    return np.array([[-half, -up - tilt], [half, -up + tilt], [half, down + tilt], [-half, down - tilt]])


def _bar(scene: _Scene) -> NDArray[np.uint8]:
    image, frame, rng = scene.image, scene.frame, scene.rng
    tone = rng.uniform(0, 25) if scene.what is Occluder.BLACK_BAR else rng.uniform(60, 235)
    alpha = _cover(image.shape, frame, _bar_outline(rng), rng.uniform(0, 1.0))
    return _blend(image, np.full(3, tone), alpha)


def _pixelated(scene: _Scene) -> NDArray[np.uint8]:
    import cv2

    image, frame, rng = scene.image, scene.frame, scene.rng
    block = max(2, round(frame.ocd_px * rng.uniform(0.09, 0.22)))
    h, w = image.shape[:2]
    small = cv2.resize(image, (max(1, w // block), max(1, h // block)), interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(small, (w, h), interpolation=cv2.INTER_NEAREST)
    return _blend(image, coarse.astype(np.float32), _cover(image.shape, frame, _bar_outline(rng), 0.5))


def _glasses(scene: _Scene) -> NDArray[np.uint8]:
    import cv2

    image, frame, rng = scene.image, scene.frame, scene.rng
    unit = frame.ocd_px
    sunny = scene.what is Occluder.SUNGLASSES
    rx, ry = rng.uniform(0.25, 0.31), rng.uniform(0.155, 0.24)
    power, drop = rng.uniform(2.0, 4.5), rng.uniform(0.0, 0.06)
    tone = rng.uniform([0, 0, 0], [70, 55, 50])
    out = image.copy()
    thick = max(1, round(unit * rng.uniform(0.012, 0.04)))
    for side in (-1, 1):
        lens = _superellipse(side * 0.335, drop, rx, ry, power)
        if sunny:
            alpha = _cover(image.shape, frame, lens, 0.8) * rng.uniform(0.88, 1.0)
            y = np.linspace(0, 1, image.shape[0])[:, None, None]
            out = _blend(out, tone + rng.uniform(0, 40) * y, alpha)
        elif rng.random() < 0.5:  # a faint reflection on clear glass
            spot = _superellipse(side * 0.335 + rng.uniform(-0.1, 0.1), drop + rng.uniform(-0.1, 0.0), 0.07, 0.04, 2)
            out = _blend(out, np.full(3, 245.0), _cover(image.shape, frame, spot, 2.0) * rng.uniform(0.1, 0.5))
        pen = tuple(float(v) for v in tone)
        cv2.polylines(out, [_polygon(frame, lens)], True, pen, thick, cv2.LINE_AA, 4)  # noqa: FBT003
    ends = [[[-0.07, drop - 0.02], [0.07, drop - 0.02]]]
    ends += [[[s * (0.335 + rx), drop - 0.05], [s * 0.78, drop - 0.02]] for s in (-1, 1)]
    for line in ends:
        cv2.polylines(out, [_polygon(frame, np.array(line))], False, pen, thick, cv2.LINE_AA, 4)  # noqa: FBT003
    return out


def _mask(scene: _Scene) -> NDArray[np.uint8]:
    image, frame, rng = scene.image, scene.frame, scene.rng
    edge = scene.mesh[
        [234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454], :2
    ]
    outline = frame.from_px(edge.astype(np.float64))
    top = frame.from_px(scene.mesh[[1, 6], :2].astype(np.float64))
    height = top[0, 1] - rng.uniform(-0.02, 0.25) * (top[0, 1] - top[1, 1])
    outline[:, 1] = np.maximum(outline[:, 1], height + 0.3 * np.abs(outline[:, 0] - top[0, 0]))
    outline = np.vstack([outline, [[top[0, 0], height]]])
    palette = np.array([[150, 190, 215], [235, 238, 240], [30, 30, 34], [190, 210, 190], [120, 130, 150]], float)
    colour = palette[rng.integers(len(palette))] * rng.uniform(0.75, 1.0)
    yy = np.arange(image.shape[0])[:, None]
    fold = 1 + 0.06 * np.sin(yy / (frame.ocd_px * 0.05)) * rng.uniform(0, 1)
    shade = colour * fold[..., None] * np.ones((1, image.shape[1], 1))
    return _blend(image, shade, _cover(image.shape, frame, outline, 1.0))


def _hand(scene: _Scene) -> NDArray[np.uint8]:
    import cv2

    image, frame, rng = scene.image, scene.frame, scene.rng
    unit = frame.ocd_px
    mouth = frame.from_px(scene.mesh[[13, 14], :2].mean(0))
    cheek = scene.mesh[[50, 280, 101, 330], :2].astype(int)
    inside = np.clip(cheek, 2, np.array(image.shape[1::-1]) - 3)
    skin = np.array([image[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).mean(0) for x, y in inside]).mean(0)
    out = image
    count, angle = int(rng.integers(3, 5)), rng.uniform(-0.5, 0.5)
    width = rng.uniform(0.13, 0.18)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    side = rng.choice([-1.0, 1.0])
    for k in range(count):
        finger = _superellipse(0.0, (k - (count - 1) / 2) * width, rng.uniform(0.42, 0.6), width * 0.54, 5)
        aside, drift = np.array([side * 0.12, 0.0]), np.array([0.0, rng.uniform(-0.02, 0.02)])
        finger = (finger + aside) @ turn.T + mouth + drift
        alpha = _cover(image.shape, frame, finger, 1.2)
        inner = cv2.GaussianBlur(alpha, (0, 0), unit * width * 0.25)
        tone = skin * rng.uniform(0.9, 1.1) * (0.55 + 0.5 * np.clip(inner * 1.2, 0, 1))[..., None]
        grain = rng.normal(0, 2.0, image.shape[:2])[..., None]
        out = _blend(out, tone + grain, alpha)
    return out
