"""Photograph a face once more, badly: what people send."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def photographed(
    image: NDArray[np.uint8], ocd_px: float, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Shrink, darken, blur, compress and mirror as bad photos are.

    Parameters
    ----------
    image
        (h, w, 3) uint8 sRGB.
    ocd_px
        Outer-canthal distance in it; shrunk to 30 to 200 px.
    rng
        Decides everything.

    Returns
    -------
    The worse photo, and the affine (2, 3) from pixels of `image` to its pixels.
    """
    import cv2

    scale = rng.uniform(30, 200) / ocd_px
    out = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    if rng.random() < 0.25:
        out = np.repeat(cv2.cvtColor(out, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    if rng.random() < 0.4:
        bent = 255 * (out / 255.0) ** rng.uniform(0.6, 1.7) * rng.uniform(0.15, 1.1)
        out = np.clip(bent, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), ocd_px * scale * rng.uniform(0.005, 0.03)), np.uint8)
    if rng.random() < 0.5:
        _, code = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(15, 90))])
        out = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
    matrix = np.array([[scale, 0.0, 0.5 * scale - 0.5], [0.0, scale, 0.5 * scale - 0.5]])
    if rng.random() < 0.5:
        out = np.ascontiguousarray(out[:, ::-1])
        matrix[0] = [-scale, 0.0, out.shape[1] - 1 - matrix[0, 2]]
    return out, matrix
