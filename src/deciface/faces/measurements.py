"""Measure a face: every measurement of `deciface.faces.measurement_definitions`, with its uncertainty.

Uncertainty is carried through from the points by the derivative of each measurement (first order), the points' errors
taken as independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.errors import InputError
from deciface.faces.face import Pose
from deciface.faces.landmarks import Landmarks, Points
from deciface.faces.measurement_definitions import MEASUREMENTS, Measurement, outer_canthal

MOST_YAW_DEG, MOST_PITCH_DEG = 10.0, 12.0
"""Beyond these a photo from the front measures the pose."""
_STEP = 1e-4
"""Of numerical derivatives, in outer-canthal distances."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A measurement of one face: value and standard error, in its unit."""

    measurement: Measurement
    value: float
    se: float


def measure(landmarks: Landmarks, *, pose: Pose | None = None) -> tuple[Measured, ...]:
    """Measure a face.

    Parameters
    ----------
    landmarks
        Its points.
    pose
        Of the head, where it is known: a turned head is refused.

    Returns
    -------
    One for each of `MEASUREMENTS`, in their order.

    Raises
    ------
    InputError
        The head is turned beyond `MOST_YAW_DEG` or `MOST_PITCH_DEG`, or the outer canthi coincide.
    """
    if pose and (abs(pose.yaw_deg) > MOST_YAW_DEG or abs(pose.pitch_deg) > MOST_PITCH_DEG):
        raise InputError(
            f"the head is turned by {pose.yaw_deg:.0f} and tilted by {pose.pitch_deg:.0f} degrees; measurements need "
            f"at most {MOST_YAW_DEG:.0f} and {MOST_PITCH_DEG:.0f}: take a photo from the front"
        )
    points = landmarks.points_px
    scale = float(outer_canthal(points))
    if not np.isfinite(points).all() or scale < 1e-6:
        raise InputError("the outer canthi lie on one another, or points are not finite; correct the points")
    # In outer-canthal distances, so that one step fits every photo.
    unit, covariance = points / scale, landmarks.covariance_px2 / scale**2
    moved = _moved(unit) if covariance.any() else None
    return tuple(Measured(m, float(m.of(unit)), _standard_error(m, moved, covariance)) for m in MEASUREMENTS.values())


def _moved(points: Points) -> Points:
    """Each coordinate a step up and a step down, all others held: (2, points, 2 axes, points, 2)."""
    steps = np.eye(2 * len(points)).reshape(len(points), 2, len(points), 2) * _STEP
    return np.asarray(points + np.stack([steps, -steps]))


def _standard_error(measurement: Measurement, moved: Points | None, covariance: NDArray[np.float64]) -> float:
    """First-order error of a measurement, from the points' errors."""
    if moved is None:
        return 0.0
    up, down = measurement.of(moved)
    slope = (up - down) / (2 * _STEP)
    return float(np.sqrt(np.einsum("pa,pab,pb->", slope, covariance, slope)))
