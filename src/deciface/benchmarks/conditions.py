"""Photos made worse in named ways, with the points carried along. Frame: photo_px of the worsened photo."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from deciface.benchmarks.reference import OUTER_CANTHI_TEM

Worsened = tuple[NDArray[np.uint8], NDArray[np.float64]]


def _canthal_px(points: NDArray[np.float64]) -> float:
    a, b = points[list(OUTER_CANTHI_TEM)]
    return float(np.hypot(*(b - a)))


def _grey(image: NDArray[np.uint8], points: NDArray[np.float64]) -> Worsened:
    import cv2

    return np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, 2), points


def _dark(image: NDArray[np.uint8], points: NDArray[np.float64]) -> Worsened:
    return (image * 0.15).astype(np.uint8), points


def _blurred(image: NDArray[np.uint8], points: NDArray[np.float64]) -> Worsened:
    import cv2

    soft = cv2.GaussianBlur(image, (0, 0), 0.03 * _canthal_px(points))
    _, code = cv2.imencode(".jpg", soft, [cv2.IMWRITE_JPEG_QUALITY, 10])
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8), points


def _tight(image: NDArray[np.uint8], points: NDArray[np.float64]) -> Worsened:
    c, unit = points[list(OUTER_CANTHI_TEM)].mean(0), _canthal_px(points)
    x0, x1 = int(c[0] - 0.95 * unit), int(c[0] + 0.95 * unit)
    y0, y1 = int(c[1] - 0.8 * unit), int(c[1] + 1.45 * unit)
    return np.ascontiguousarray(image[y0:y1, x0:x1]), points - [x0, y0]


def _turned(angle_deg: float) -> Callable[[NDArray[np.uint8], NDArray[np.float64]], Worsened]:
    def turn(image: NDArray[np.uint8], points: NDArray[np.float64]) -> Worsened:
        import cv2

        h, w = image.shape[:2]
        m = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), angle_deg, 1)
        out = cv2.warpAffine(image, m, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(out, np.uint8), points @ m[:, :2].T + m[:, 2]

    return turn


def _distant(eyes_px: float) -> Callable[[NDArray[np.uint8], NDArray[np.float64]], Worsened]:
    """Between the pupils `eyes_px` in a 640 px photo."""

    def shrink(image: NDArray[np.uint8], points: NDArray[np.float64]) -> Worsened:
        import cv2

        scale = eyes_px / float(np.hypot(*(points[1] - points[0])))
        n = round(image.shape[0] * scale)
        small = cv2.resize(image, (n, n), interpolation=cv2.INTER_AREA)
        out = np.full((640, 640, 3), small[0, 0], np.uint8)
        at = (640 - n) // 2
        out[at : at + n, at : at + n] = small
        return out, (points + 0.5) * scale - 0.5 + at

    return shrink


CONDITIONS = MappingProxyType(
    {
        "original": lambda image, points: (image, points),
        "grey": _grey,
        "dark x0.15": _dark,
        "blur + JPEG q10": _blurred,
        "tight crop": _tight,
        **{f"turned {angle}": _turned(angle) for angle in (20, 45, 90, 135, 180, 270)},
        "24 px between the eyes in 640": _distant(24),
    }
)
"""What is done to a photo and its points, by name."""
