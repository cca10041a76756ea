"""A second way to plant features in photos, used for testing only.

An encoder that learnt from warped faces might have learnt the traces of the warp. So it is tested on photos that were
warped otherwise: moving least squares with similarity transforms (Schaefer, McPhail & Warren 2006, ACM TOG 25:533)
between landmarks where they are and where the features put them at first order, instead of the flow of a velocity
field. Nothing of the two is shared but the definition of the features at the landmarks and the painting of skin folds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from deciface.simulate.features import check_features, velocity
from deciface.simulate.relief import apply_relief
from deciface.simulate.template import EyeFrame, Points, anchors_from_template

GRID_PX = 8
_PINNED = np.array(
    [(x, y) for x in (-1.7, -1.1, -0.55, 0.0, 0.55, 1.1, 1.7) for y in (-1.6, 2.2)]
    + [(x, y) for x in (-1.7, 1.7) for y in (-0.8, -0.1, 0.6, 1.4)]
)
"""Points around the face, in the eye frame, that stay where they are."""


def moving_least_squares(points: Points, here: Points, there: Points) -> Points:
    """Carry points (n, 2) by the similarity that carries `here` (k, 2) to `there` (k, 2) best near each of them.

    Weights are 1 / distance^4 (alpha = 2 of Schaefer et al., whose section 2.2 has the closed form): every `here` is
    carried exactly, and what lies beside it with it.
    """
    squared = ((points[:, None] - here[None]) ** 2).sum(-1)
    weights = 1.0 / np.maximum(squared, 1e-10) ** 2
    total = weights.sum(1, keepdims=True)
    centre_here, centre_there = weights @ here / total, weights @ there / total
    a = (here[None] - centre_here[:, None]) @ np.array([1, 1j])
    b = (there[None] - centre_there[:, None]) @ np.array([1, 1j])
    turn = (weights * a.conj() * b).sum(1) / np.maximum((weights * np.abs(a) ** 2).sum(1), 1e-12)
    moved = turn * ((points - centre_here) @ np.array([1, 1j]))
    return np.asarray(centre_there + np.stack([moved.real, moved.imag], -1))


def moved_points(template_px: Points, features: Mapping[str, float]) -> Points:
    """(189, 2) landmarks where `warp_by_points` carries them, photo_px."""
    frame = EyeFrame.from_template(template_px)
    landmarks = frame.from_px(template_px)
    velocity_there = velocity(check_features(features), anchors_from_template(landmarks))(landmarks)
    return frame.to_px(landmarks + velocity_there)


def warp_by_points(pixels: NDArray[np.uint8], template_px: Points, features: Mapping[str, float]) -> NDArray[np.uint8]:
    """Plant features in a photo by moving its landmarks.

    Parameters
    ----------
    pixels
        (h, w, 3) uint8 RGB.
    template_px
        (189, 2) landmarks in it.
    features
        Amounts in SD.

    Returns
    -------
    The photo, same shape.

    Raises
    ------
    OptionError
        An amount that is not allowed.
    """
    import cv2

    amounts = check_features(features)
    frame = EyeFrame.from_template(template_px)
    landmarks = frame.from_px(template_px)
    anchors = anchors_from_template(landmarks)
    moved = landmarks + velocity(amounts, anchors)(landmarks)
    picture = apply_relief(pixels.astype(np.float32), frame, anchors, amounts)
    height, width = pixels.shape[:2]
    columns, rows = -(-width // GRID_PX) + 1, -(-height // GRID_PX) + 1
    grid = np.stack(np.meshgrid(np.arange(columns) * GRID_PX, np.arange(rows) * GRID_PX), -1).astype(np.float64)
    # From where a photo's pixel comes: carried from the moved landmarks back to where they were.
    source = moving_least_squares(
        frame.from_px(grid.reshape(-1, 2)), np.vstack([moved, _PINNED]), np.vstack([landmarks, _PINNED])
    )
    shift = (frame.to_px(source).reshape(grid.shape) - grid).astype(np.float32)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    dense = cv2.remap(shift, x / GRID_PX, y / GRID_PX, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    out = cv2.remap(picture, x + dense[..., 0], y + dense[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)
