"""The canvas a portrait is drawn on, and the brushes used for it.

The canvas is larger than the photo so that pose, shift and scale never run out of picture.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deciface.simulate.template import EyeFrame, Points

SIZE_PX = 640
OCD_PX = 120.0
FRAME = EyeFrame((SIZE_PX / 2, 292.0), OCD_PX)

Image = NDArray[np.floating[Any]]


def eye_frame_grid() -> Image:
    """Eye-frame position of every canvas px, (SIZE_PX, SIZE_PX, 2) float32."""
    line = np.arange(SIZE_PX, dtype=np.float32)
    x = (line - FRAME.origin_px[0]) / OCD_PX
    y = (line - FRAME.origin_px[1]) / OCD_PX
    return np.stack(np.meshgrid(x, y), axis=-1).astype(np.float32)


def smoothstep(t: Image) -> Image:
    """0 below 0, 1 above 1, 3t^2 - 2t^3 between."""
    u = np.clip(t, 0.0, 1.0)
    return np.asarray(u * u * (3.0 - 2.0 * u), dtype=np.float32)


def polygon_alpha(points: Points, *, soft_px: float = 1.0) -> Image:
    """Antialiased coverage of a polygon given in the eye frame, edges softened by a Gaussian."""
    mask = np.zeros((SIZE_PX, SIZE_PX), np.uint8)
    cv2.fillPoly(mask, [np.round(FRAME.to_px(points) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    alpha = mask.astype(np.float32) / 255.0
    return np.asarray(cv2.GaussianBlur(alpha, (0, 0), soft_px), dtype=np.float32)


def smooth_curve(points: Points, *, per_segment: int = 8) -> Points:
    """Catmull-Rom curve through (n, 2) points, ((n - 1) * per_segment + 1, 2)."""
    p = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = (np.arange(per_segment) / per_segment)[:, None]
    out = []
    for a, b, c, d in zip(p[:-3], p[1:-2], p[2:-1], p[3:], strict=True):
        out.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate([*out, points[-1:]])


def region(*, left: float, right: float, top: float, bottom: float) -> tuple[slice, slice]:
    """Rows and columns of a rectangle of the eye frame, cut to the canvas."""
    x0, y0 = np.clip(FRAME.to_px(np.array([left, top])), 0, SIZE_PX).astype(int)
    x1, y1 = np.clip(FRAME.to_px(np.array([right, bottom])), 0, SIZE_PX).astype(int)
    return slice(int(y0), int(y1)), slice(int(x0), int(x1))


def cloud(rng: np.random.Generator, shape: tuple[int, ...], *, grain_px: float) -> Image:
    """Smooth noise of SD about 1, (rows, columns), with features of about `grain_px`."""
    rows, columns = (max(int(n / grain_px) + 3, 4) for n in shape[:2])
    small = rng.standard_normal((rows, columns)).astype(np.float32)
    return np.asarray(cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def paint(canvas: Image, colour: Image, alpha: Image) -> None:
    """Lay a colour, (3,) or (SIZE_PX, SIZE_PX, 3), over the canvas in place."""
    a = alpha[..., None]
    canvas *= 1.0 - a
    canvas += a * colour
