"""The parts of a feature that no warp can make: the flat relief of a depressed bridge, the skin fold of epicanthus.

Both reuse skin from beside the place, so that tone, grain and light stay those of the photo.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from deciface.simulate.template import Anchors, EyeFrame, Points

Image = NDArray[np.float32]


def apply_relief(pixels: Image, frame: EyeFrame, anchors: Anchors, features: Mapping[str, float]) -> Image:
    """Draw the photometric parts of positive amounts.

    Parameters
    ----------
    pixels
        (height, width, 3) float32, 0-255, before warping.
    frame, anchors
        Of the unplanted face.
    features
        Amounts in SD; others than 'depressed_nasal_bridge' and 'epicanthus' are ignored.
    """
    bridge, fold = max(features.get("depressed_nasal_bridge", 0.0), 0.0), max(features.get("epicanthus", 0.0), 0.0)
    if bridge == 0 and fold == 0:
        return pixels
    out = pixels.copy()
    if bridge > 0:
        middle = np.array([0.0, 0.06 + float(anchors.eye_left[1] + anchors.eye_right[1]) / 2])
        _flatten(out, frame, middle, strength=min(0.27 * bridge, 0.92))
    if fold > 0:
        for side, canthus in ((-1.0, anchors.inner_canthus_left), (1.0, anchors.inner_canthus_right)):
            _fold(out, frame, canthus, side, amount=fold)
    return out


def _patch(pixels: Image, frame: EyeFrame, centre: Points, reach: float) -> tuple[slice, slice, Points]:
    """A window of `reach` OCD about a point: row and column slices and eye-frame coordinates of its px."""
    cx, cy = frame.to_px(centre)
    r = reach * frame.ocd_px
    rows = slice(max(int(cy - r), 0), max(min(int(cy + r) + 2, pixels.shape[0]), 0))
    columns = slice(max(int(cx - r), 0), max(min(int(cx + r) + 2, pixels.shape[1]), 0))
    x, y = np.meshgrid(
        np.arange(columns.start, max(columns.stop, columns.start)), np.arange(rows.start, max(rows.stop, rows.start))
    )
    return rows, columns, frame.from_px(np.stack([x, y], axis=-1))


def _flatten(out: Image, frame: EyeFrame, centre: Points, *, strength: float) -> None:
    """Even out light and shadow of the bridge while keeping the grain of the skin."""
    rows, columns, p = _patch(out, frame, centre, 0.55)
    patch = out[rows, columns]
    if patch.size == 0:
        return
    fine, broad = 0.022 * frame.ocd_px, 0.085 * frame.ocd_px
    form = cv2.GaussianBlur(patch, (0, 0), fine)
    flat = cv2.GaussianBlur(patch, (0, 0), broad)
    q = ((p[..., 0] - centre[0]) / 0.150) ** 2 + ((p[..., 1] - centre[1]) / 0.21) ** 2
    mask = (strength * np.exp(-q * q))[..., None].astype(np.float32)
    out[rows, columns] = patch + mask * (flat - form)


def _fold(out: Image, frame: EyeFrame, canthus: Points, side: float, *, amount: float) -> None:
    """A crescent of skin from the side of the nose over the inner canthus, with the soft shadow of its edge."""
    rows, columns, p = _patch(out, frame, canthus, 0.24)
    patch = out[rows, columns]
    if patch.size == 0:
        return
    lateral = side * (p[..., 0] - canthus[0])  # positive towards the eye
    down = p[..., 1] - canthus[1]
    cover = 0.010 + 0.011 * amount
    edge = cover * (1.0 - (np.abs(down - 0.008) / 0.085) ** 2.0)  # bows over the canthus
    opacity = min(0.45 * amount, 1.0)
    inside = _step((edge - lateral) / 0.014 + 0.5) * _step((lateral + 0.075) / 0.06)
    inside = inside * _step((0.085 - np.abs(down - 0.008)) / 0.045)
    shift = (0.062 + cover) * frame.ocd_px
    angle = np.radians(frame.roll_deg)
    x, y = np.meshgrid(np.arange(patch.shape[1], dtype=np.float32), np.arange(patch.shape[0], dtype=np.float32))
    skin = cv2.remap(
        patch,
        (x - side * shift * np.cos(angle)).astype(np.float32),
        (y - side * shift * np.sin(angle)).astype(np.float32),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
    distance = lateral - edge
    along = _step((0.078 - np.abs(down - 0.012)) / 0.05)
    shadow = 0.24 * opacity * np.exp(-((distance / 0.010) ** 2)) * along
    ridge = 0.05 * opacity * np.exp(-(((distance + 0.022) / 0.014) ** 2)) * along
    blended = patch + (opacity * inside)[..., None].astype(np.float32) * (skin - patch)
    out[rows, columns] = np.clip(blended * (1.0 - shadow + ridge)[..., None], 0, 255)


def _step(t: Points) -> Points:
    u = np.clip(t, 0.0, 1.0)
    return np.asarray(u * u * (3.0 - 2.0 * u))
