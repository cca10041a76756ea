"""The raster on which shape-free skin texture lives, and the regions of it.

Brightness is kept at full resolution and colour (Cr, Cb of ITU-R BT.601) at a quarter of it, as in JPEG. Only
pixels inside `skin_domain` are stored: face, ears and neck. Hair, clothing and background are drawn, not learnt.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from deciface.simulate.template import REGIONS, Points

PX_PER_OCD = 125.0
CHROMA_STEP = 4
BANDS = 3
LEFT, RIGHT, TOP, BOTTOM = -1.04, 1.04, -1.12, 1.72  # eye frame
WIDTH, HEIGHT = 260, 356  # both divisible by CHROMA_STEP
BORDER = np.array(
    [(x, y) for x in (-1.6, -0.8, 0.0, 0.8, 1.6) for y in (-1.8, 2.4)] + [(-1.6, 0.3), (1.6, 0.3)], dtype=np.float64
)

BROW_TOP = (71, 72, 73, 74, 75, 78, 79, 80, 81, 82)

Image = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]


def to_raster(points: Points) -> Points:
    """Eye frame to (x, y) raster px, (..., 2)."""
    return np.asarray((np.asarray(points) - np.array([LEFT, TOP])) * PX_PER_OCD, dtype=np.float64)


def raster_points(step: int = 1) -> Points:
    """Eye-frame position of every raster px centre, (HEIGHT/step, WIDTH/step, 2)."""
    x = LEFT + (np.arange(WIDTH // step) * step + (step - 1) / 2) / PX_PER_OCD
    y = TOP + (np.arange(HEIGHT // step) * step + (step - 1) / 2) / PX_PER_OCD
    return np.asarray(np.stack(np.meshgrid(x, y), axis=-1), dtype=np.float64)


def band_weights(y: Points) -> Points:
    """Share of upper, middle and lower face at heights y of the eye frame, (BANDS, n); they add up to 1."""
    below_eyes = _ramp((np.asarray(y) - 0.10) / 0.16)
    below_nose = _ramp((np.asarray(y) - 0.52) / 0.14)
    return np.stack([1 - below_eyes, below_eyes - below_nose, below_nose])


def _ramp(t: Points) -> Points:
    u = np.clip(t, 0.0, 1.0)
    return np.asarray(u * u * (3.0 - 2.0 * u))


def skin_domain(mean_shape: Points) -> Mask:
    """Pixels of face, ears and neck on the mean shape, (HEIGHT, WIDTH) bool."""
    m = np.zeros((HEIGHT, WIDTH), np.uint8)
    head = np.concatenate([mean_shape[list(REGIONS["hairline"])], mean_shape[list(REGIONS["jaw"])[::-1]]])
    head = head * np.where(head[:, 1:] < 0, [1.04, 1.10], [1.0, 1.0])
    _fill(m, head)
    for ear in ("ear_left", "ear_right"):
        _fill(m, mean_shape[list(REGIONS[ear])])
    neck = np.array([(-0.76, 0.55), (0.76, 0.55), (0.70, 1.1), (0.70, BOTTOM), (-0.70, BOTTOM), (-0.70, 1.1)])
    _fill(m, neck)
    return np.asarray(cv2.dilate(m, np.ones((7, 7), np.uint8)) > 0)


def chroma_domain(domain: Mask) -> Mask:
    """Coarsen to chroma resolution: every block that holds a stored pixel."""
    blocks = domain.reshape(HEIGHT // CHROMA_STEP, CHROMA_STEP, WIDTH // CHROMA_STEP, CHROMA_STEP)
    return np.asarray(blocks.any(axis=(1, 3)))


def calm_weight(mean_shape: Points) -> Image:
    """Where only low frequencies are learnt: 1 above brows, on temples and below the jaw, else 0, (HEIGHT, WIDTH)."""
    p = raster_points()
    brow = mean_shape[list(BROW_TOP)]
    order = np.argsort(brow[:, 0])
    line = np.interp(p[..., 0], brow[order, 0], brow[order, 1])
    forehead = np.clip((line - 0.035 - p[..., 1]) / 0.05, 0, 1)
    jaw = mean_shape[list(REGIONS["jaw"])[::-1]]
    edge = np.interp(p[..., 0], jaw[::-1, 0], jaw[::-1, 1])
    neck = np.clip((p[..., 1] - edge + 0.005) / 0.03, 0, 1) * (p[..., 1] > 0.8)
    temple = np.clip((np.abs(p[..., 0]) - 0.62) / 0.04, 0, 1) * np.clip((0.14 - p[..., 1]) / 0.06, 0, 1)
    return np.asarray(np.maximum(np.maximum(forehead, temple), neck), dtype=np.float32)


def always_skin(mean_shape: Points) -> Mask:
    """Mark the inner face, where hair is brows, lashes or beard and stays part of the texture, (HEIGHT, WIDTH) bool."""
    m = np.zeros((HEIGHT, WIDTH), np.uint8)
    brow = mean_shape[list(BROW_TOP)]
    brow = brow[np.argsort(brow[:, 0])] - [0.0, 0.03]
    jaw = mean_shape[list(REGIONS["jaw"])][::-1] * [0.95, 1.0] - [0.0, 0.02]
    _fill(m, np.concatenate([brow, [[0.68, 0.0]], jaw, [[-0.68, 0.0]]]))
    return np.asarray(m > 0)


def backward_map(source: Points, target: Points, grid: Points) -> Points:
    """Where in the frame of `source` each grid point of the frame of `target` comes from.

    Thin-plate spline through the 189 points (Bookstein 1989), pinned on a far border.

    Parameters
    ----------
    source, target
        (189, 2) eye frame.
    grid
        (..., 2) eye frame of `target`.
    """
    spline = RBFInterpolator(
        np.vstack([target, BORDER]), np.vstack([source, BORDER]), kernel="thin_plate_spline", smoothing=1e-4
    )
    return np.asarray(spline(np.reshape(grid, (-1, 2))).reshape(np.shape(grid)))


def _fill(mask: NDArray[np.uint8], polygon: Points) -> None:
    cv2.fillPoly(mask, [np.round(to_raster(polygon)).astype(np.int32)], 1)
