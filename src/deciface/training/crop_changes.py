"""Crops moved, mirrored and made worse while a network learns: another way in every epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.iresnet import import_torch
from deciface.encoders.protocol import LUMINANCE_WEIGHTS
from deciface.training.planted_crops import Shots
from deciface.training.recipe import Rows

MOST_COARSE = 4
"""The coarsest crops keep every fourth pixel a side."""
COVERED = (0.15, 0.45)
"""Sides of what covers a part of a crop, as a share of the crop's."""


@dataclass(frozen=True, slots=True)
class CropChanges:
    """How far a training crop is moved and made worse; SDs, or the largest value where drawn evenly.

    Parameters
    ----------
    turn_deg, scale, shift_px
        Of the crop.
    gamma, gain
        SD of their logarithms.
    light
        Largest fall-off across the crop.
    blur
        Share of crops blurred.
    noise
        Largest SD, of 1.
    warmth
        SD of the logarithm of each colour's own gain.
    coarse, covered, grey
        Shares of crops shown at low resolution, partly covered, and without colour.
    """

    turn_deg: float = 1.5
    scale: float = 0.02
    shift_px: float = 1.2
    gamma: float = 0.15
    gain: float = 0.12
    light: float = 0.2
    blur: float = 0.4
    noise: float = 0.012
    warmth: float = 0.0
    coarse: float = 0.0
    covered: float = 0.0
    grey: float = 0.0


def _tensor(values: NDArray[Any]) -> Any:  # noqa: ANN401 - a tensor
    return import_torch().from_numpy(np.asarray(values, np.float32))


def as_input(crops: NDArray[np.uint8]) -> Any:  # noqa: ANN401 - a tensor
    """Crops (n, h, w) or (n, h, w, 3) as (n, channels, h, w) float32, 0 to 1."""
    torch = import_torch()
    pixels = torch.from_numpy(np.ascontiguousarray(crops)).float() / 255
    return pixels[:, None] if crops.ndim == 3 else pixels.permute(0, 3, 1, 2)


def changed_crops(
    shots: Shots,
    rows: Rows,
    rng: np.random.Generator,
    *,
    plan: CropChanges,
    inner_px: int,
    mirror: Any,  # noqa: ANN401 - a tensor
) -> tuple[Any, Any]:
    """Crops (n, channels, inner_px, inner_px) in 0-1 and landmarks (n, 189, 2) in them.

    Parameters
    ----------
    shots, rows
        Crops with their margin, and which of them.
    plan
        How far.
    inner_px
        Side without the margin.
    mirror
        (189,) which landmark mirrors which.
    """
    crops, points = _moved(shots, rows, rng, plan, inner_px, mirror)
    n = len(rows)
    gamma, gain = (_tensor(np.exp(rng.normal(0, sd, (n, 1, 1, 1)))) for sd in (plan.gamma, plan.gain))
    line = np.linspace(-1, 1, inner_px)
    toward = rng.uniform(0, 2 * np.pi, (n, 1, 1))
    slope = rng.uniform(0, plan.light, (n, 1, 1)) * (np.cos(toward) * line + np.sin(toward) * line[:, None])
    crops = crops.clamp(1e-3, 1) ** gamma * gain * _tensor(1 + slope)[:, None]
    if plan.warmth or plan.grey:
        crops = _coloured(crops, rng, plan)
    crops = _softened(crops, rng, plan)
    if plan.covered:
        crops = _covered(crops, rng, plan.covered)
    if plan.coarse:
        crops = _coarse(crops, rng, plan.coarse)
    sd = rng.uniform(0, plan.noise, (n, 1, 1, 1)).astype(np.float32)
    crops = crops + _tensor(sd * rng.standard_normal(tuple(crops.shape), dtype=np.float32))
    return crops.clamp(0, 1), points


def _moved(
    shots: Shots,
    rows: Rows,
    rng: np.random.Generator,
    plan: CropChanges,
    inner_px: int,
    mirror: Any,  # noqa: ANN401
) -> tuple[Any, Any]:
    torch = import_torch()
    functional, n, side_px = torch.nn.functional, len(rows), shots.crops.shape[1]
    angle, scale = np.radians(rng.normal(0, plan.turn_deg, n)), np.exp(rng.normal(0, plan.scale, n))
    mirrored = np.where(rng.random(n) < 0.5, -1.0, 1.0)
    c, s = np.cos(angle) * scale * inner_px / side_px, np.sin(angle) * scale * inner_px / side_px
    matrix = _tensor(np.stack([np.stack([c * mirrored, -s], 1), np.stack([s * mirrored, c], 1)], 1))
    shift = _tensor(rng.normal(0, 2 * plan.shift_px / side_px, (n, 2, 1)))
    crops = as_input(shots.crops[rows])
    grid = functional.affine_grid(
        torch.cat([matrix, shift], 2), [n, crops.shape[1], inner_px, inner_px], align_corners=False
    )
    crops = functional.grid_sample(crops, grid, mode="bilinear", padding_mode="border", align_corners=False)
    where = 2 * (torch.from_numpy(shots.landmarks_px[rows]) + 0.5) / side_px - 1
    points = torch.linalg.solve(matrix, where.transpose(1, 2) - shift).transpose(1, 2)
    points = (points + 1) * (inner_px / 2) - 0.5
    flipped = torch.from_numpy(mirrored < 0)
    points[flipped] = points[flipped][:, mirror]
    return crops, points


def _softened(crops: Any, rng: np.random.Generator, plan: CropChanges) -> Any:  # noqa: ANN401
    functional, n = import_torch().nn.functional, len(crops)
    soft = functional.avg_pool2d(functional.pad(crops, (1, 1, 1, 1), mode="replicate"), 3, 1)
    share = _tensor(np.where(rng.random(n) < plan.blur, rng.random(n), 0.0)[:, None, None, None])
    return crops + share * (soft - crops)


def _coloured(crops: Any, rng: np.random.Generator, plan: CropChanges) -> Any:  # noqa: ANN401
    n, channels = crops.shape[:2]
    crops = crops * _tensor(np.exp(rng.normal(0, plan.warmth, (n, channels, 1, 1))))
    weights = _tensor(np.array(LUMINANCE_WEIGHTS)).view(1, channels, 1, 1)
    without = _tensor((rng.random(n) < plan.grey)[:, None, None, None])
    return crops + without * ((crops * weights).sum(1, keepdim=True) - crops)


def _covered(crops: Any, rng: np.random.Generator, share: float) -> Any:  # noqa: ANN401
    """Paint a rectangle of one colour, or of noise, over a part of some crops."""
    torch = import_torch()
    n, channels, side, _ = crops.shape
    crops = crops.clone()
    for i in np.flatnonzero(rng.random(n) < share):
        height, width = (round(v * side) for v in rng.uniform(*COVERED, 2))
        top, left = int(rng.integers(side - height)), int(rng.integers(side - width))
        paint = rng.random((channels, 1, 1)) + rng.choice([0.0, 0.15]) * rng.standard_normal((channels, height, width))
        crops[int(i), :, top : top + height, left : left + width] = torch.from_numpy(paint.astype(np.float32))
    return crops


def _coarse(crops: Any, rng: np.random.Generator, share: float) -> Any:  # noqa: ANN401
    """Show some crops at a half, a third or a quarter of their resolution."""
    torch = import_torch()
    functional, side = torch.nn.functional, crops.shape[-1]
    factor = np.where(rng.random(len(crops)) < share, rng.integers(2, MOST_COARSE + 1, len(crops)), 1)
    crops = crops.clone()
    for k in range(2, MOST_COARSE + 1):
        those = torch.from_numpy(np.flatnonzero(factor == k))
        if len(those):
            small = functional.interpolate(crops[those], size=side // k, mode="area")
            crops[those] = functional.interpolate(small, size=side, mode="bilinear", align_corners=False)
    return crops
