"""Fold-free warps: flows of velocity fields, how much they strain, and shams of equal strain that plant nothing.

A displacement added to a picture folds as soon as it is steep. The flow x' = v(x), followed for unit time, does not: it
is a diffeomorphism with inverse -v (Beg et al. 2005; stationary fields: Arsigny et al. 2006). Ten steps of Heun's rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import null_space
from scipy.ndimage import map_coordinates, spline_filter

from deciface.simulate.features import FEATURES, measures, velocity
from deciface.simulate.template import Anchors, EyeFrame, Points, anchors_from_template

STEPS = 10
GRID_PX = 4.0

Velocity = Callable[[Points], Points]


def flow(points: Points, v: Velocity, *, direction: Literal["forward", "backward"] = "forward") -> Points:
    """Follow v for unit time from (..., 2) points of the eye frame; 'backward' is the inverse map."""
    sign = 1.0 if direction == "forward" else -1.0
    q = np.array(points, dtype=np.float64).reshape(-1, 2)
    h = sign / STEPS
    for _ in range(STEPS):
        first = v(q)
        q = q + h * (first + v(q + h * first)) / 2
    return q.reshape(np.shape(points))


def face_grid(*, step: float = 0.03) -> Points:
    """Grid over the face in the eye frame, (rows, columns, 2)."""
    return np.stack(np.meshgrid(np.arange(-1.2, 1.2001, step), np.arange(-0.9, 1.8001, step)), axis=-1)


def min_jacobian(v: Velocity, *, step: float = 0.015) -> float:
    """Smallest Jacobian determinant of the flow over the face: 1 is untouched, 0 or less folds."""
    gradient = _gradient(flow(face_grid(step=step), v), step)
    return float(np.min(gradient[0, 0] * gradient[1, 1] - gradient[0, 1] * gradient[1, 0]))


def rms_strain(v: Velocity, *, step: float = 0.03) -> float:
    """Root mean square over the face oval of the Frobenius norm of the infinitesimal strain of the flow."""
    grid = face_grid(step=step)
    gradient = _gradient(flow(grid, v) - grid, step)
    shear = (gradient[0, 1] + gradient[1, 0]) / 2
    squared = gradient[0, 0] ** 2 + gradient[1, 1] ** 2 + 2 * shear**2
    oval = (grid[..., 0] / 0.95) ** 2 + ((grid[..., 1] - 0.3) / 1.1) ** 2 < 1
    return float(np.sqrt(squared[oval].mean()))


def _gradient(values: Points, step: float) -> NDArray[np.float64]:
    """D value_i / d x_j, (2, 2, rows, columns)."""
    return np.array(
        [[np.gradient(values[..., i], step, axis=1), np.gradient(values[..., i], step, axis=0)] for i in (0, 1)]
    )


def sham(rng: np.random.Generator, template: Points | None, anchors: Anchors, *, strain: float) -> Velocity:
    """Draw a random smooth field of a given strain that plants nothing named.

    Gaussian bumps as wide as those of the features, with random directions, in the subspace orthogonal (over the face)
    to every feature's field. Where a template is known, no clinical measure changes at first order either.

    Parameters
    ----------
    rng
        Source of the field.
    template
        (189, 2) eye frame, or None when only anchors are known.
    anchors
        Of the same face.
    strain
        `rms_strain` that the flow shall have; 0 gives no warp.
    """
    x, y = rng.uniform(-0.8, 0.8, 48), rng.uniform(-0.45, 1.25, 48)
    bumps = _Bumps(x, y, rng.uniform(0.13, 0.24, 48))
    grid = face_grid(step=0.06).reshape(-1, 2)
    basis = bumps.at(grid)
    rows = []
    for feature in FEATURES.values():
        unit = feature.field(grid, anchors)
        rows.append((unit.T @ basis).ravel() / np.sqrt((unit**2).sum()))
    if template is not None:
        rows.extend(_measure_rows(template, bumps.at(template)))
    free = null_space(np.array(rows))
    coefficients = (free @ rng.standard_normal(free.shape[1])).reshape(2, -1)
    if strain <= 0:
        return np.zeros_like
    field, size = bumps.tabulated(coefficients), 0.05

    def scaled(factor: float) -> Velocity:
        return lambda p: factor * field(p)

    for _ in range(3):
        size *= strain / rms_strain(scaled(size), step=0.05)
    return scaled(size)


@dataclass(frozen=True, slots=True)
class _Bumps:
    """Gaussian bumps: centres and widths in the eye frame."""

    x: Points
    y: Points
    width: Points

    def at(self, p: Points) -> Points:
        """(points, bumps) values at (n, 2) points."""
        return np.asarray(_bell(p[:, 0], self.x, self.width) * _bell(p[:, 1], self.y, self.width))

    def tabulated(self, coefficients: Points) -> Velocity:
        """Sum with (2, bumps) coefficients, from a table of step .03 OCD and cubic splines (error < 1e-4)."""
        step, left, top = 0.03, -2.4, -2.2
        across, down = np.arange(left, 2.4, step), np.arange(top, 3.0, step)
        bell_x, bell_y = _bell(across, self.x, self.width), _bell(down, self.y, self.width)
        tables = [spline_filter((bell_y * c) @ bell_x.T, order=3) for c in coefficients]

        def field(p: Points) -> Points:
            where = np.stack([(p[:, 1] - top) / step, (p[:, 0] - left) / step])
            parts = [map_coordinates(t, where, order=3, prefilter=False, mode="nearest") for t in tables]
            return np.stack(parts, axis=-1)

        return field


def _bell(line: Points, centres: Points, width: Points) -> Points:
    return np.asarray(np.exp(-((line[:, None] - centres) ** 2) / (2 * width**2)))


def _measure_rows(template: Points, basis: Points) -> list[Points]:
    """Change of each clinical measure per coefficient, numerically: x of all bumps, then y of all."""
    base = measures(template)
    rows = np.zeros((len(base), 2 * basis.shape[1]))
    for axis in (0, 1):
        for k in range(basis.shape[1]):
            moved = template.copy()
            moved[:, axis] += 1e-5 * basis[:, k]
            rows[:, axis * basis.shape[1] + k] = [
                (v - b) / 1e-5 for v, b in zip(measures(moved).values(), base.values(), strict=True)
            ]
    return list(rows)


def backward_map(frame: EyeFrame, v: Velocity, *, width_px: int, height_px: int) -> NDArray[np.float32]:
    """Where each px of the warped photo comes from, (height, width, 2) float32 px, for cv2.remap."""
    return dense_map(
        lambda px: frame.to_px(flow(frame.from_px(px), v, direction="backward")), width_px=width_px, height_px=height_px
    )


def dense_map(
    source: Callable[[Points], Points], *, width_px: int, height_px: int, step_px: float = GRID_PX
) -> NDArray[np.float32]:
    """Interpolate a smooth px -> px map cubically from a grid of about `step_px`, (height, width, 2) float32."""
    nx, ny = max(int(np.ceil((width_px - 1) / step_px)), 3) + 1, max(int(np.ceil((height_px - 1) / step_px)), 3) + 1
    sx, sy = (width_px - 1) / (nx - 1), (height_px - 1) / (ny - 1)
    # one cell of margin, so that cubic interpolation never sees a replicated border
    grid = np.stack(np.meshgrid((np.arange(nx + 2) - 1) * sx, (np.arange(ny + 2) - 1) * sy), axis=-1)
    shift = (source(grid.reshape(-1, 2)).reshape(grid.shape) - grid).astype(np.float32)
    x, y = np.meshgrid(np.arange(width_px, dtype=np.float32), np.arange(height_px, dtype=np.float32))
    fine = cv2.remap(
        shift, x / np.float32(sx) + 1, y / np.float32(sy) + 1, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(fine + np.stack([x, y], axis=-1), dtype=np.float32)


def resample(pixels: NDArray[np.float32], source: NDArray[np.float32]) -> NDArray[np.float32]:
    """Photo at a dense map, cubic, borders continued."""
    out = cv2.remap(pixels, source[..., 0], source[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, dtype=np.float32)


def planted_velocity(template: Points, features: dict[str, float]) -> Velocity:
    """Velocity of features on a (189, 2) template in the eye frame."""
    return velocity(features, anchors_from_template(template))
