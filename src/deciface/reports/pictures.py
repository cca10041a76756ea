"""Pictures inside a report: data URIs and overlays."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

PHOTO_SIDE_PX = 640


def data_uri(pixels: NDArray[np.uint8], *, quality: int = 88) -> str:
    """Return (h, w, 3) uint8 sRGB pixels as a JPEG data URI without metadata."""
    import cv2

    _, code = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return "data:image/jpeg;base64," + base64.b64encode(code.tobytes()).decode("ascii")


def shrunk(pixels: NDArray[np.uint8], side_px: int = PHOTO_SIDE_PX) -> tuple[NDArray[np.uint8], float]:
    """Shrink so that the longer side is at most `side_px`; returns the picture and the scale."""
    import cv2

    h, w = pixels.shape[:2]
    scale = min(1.0, side_px / max(h, w))
    if scale == 1:
        return pixels, 1.0
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8), scale
