"""What a face in a photo is: a box, a 468-point mesh, irises, a pose. Frame: photo_px throughout.

Mesh indices are those of the MediaPipe face mesh (Kartynnik et al. 2019, arXiv:1907.06724). "Left" and "right" in
names are the person's own; the first of a pair is the one on the left of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OUTER_CANTHI = (33, 263)
INNER_CANTHI = (133, 362)
MOUTH_CORNERS = (61, 291)
NOSE_TIP = 1
SUBNASALE = 2
CHIN = 152
FOREHEAD = 10
CHEEKS = (234, 454)
STOMION = 13
"""Upper lip's lower border; `STOMION_LOWER` is the lower lip's upper border."""
STOMION_LOWER = 14


@dataclass(frozen=True, slots=True)
class Detection:
    """A face as a detector sees it.

    Parameters
    ----------
    box_px
        (x0, y0, x1, y1) in photo_px; may reach beyond the photo.
    keypoints_px
        (6, 2) float32: eye on the picture's left, eye on the right, nose tip, mouth centre, ear left, ear right.
        Detectors without ears repeat the eyes.
    score
        In [0, 1], large is sure; comparable only within one detector.
    detector
        Its name.
    """

    box_px: tuple[float, float, float, float]
    keypoints_px: NDArray[np.float32]
    score: float
    detector: str

    @property
    def size_px(self) -> float:
        """Mean of width and height of the box."""
        x0, y0, x1, y1 = self.box_px
        return (x1 - x0 + y1 - y0) / 2

    @property
    def roll_deg(self) -> float:
        """Angle of the eye line against the horizontal, clockwise positive, in (-180, 180]."""
        d = self.keypoints_px[1] - self.keypoints_px[0]
        return float(np.degrees(np.arctan2(d[1], d[0])))


@dataclass(frozen=True, slots=True)
class Pose:
    """Rotation of the head in degrees, from a weak-perspective reading of the mesh; zero is frontal.

    Yaw is positive when the nose points to the right of the picture, pitch when the chin is down, roll clockwise.
    """

    yaw_deg: float
    pitch_deg: float
    roll_deg: float


@dataclass(frozen=True, slots=True)
class Face:
    """A plausible face.

    Parameters
    ----------
    box_px
        (x0, y0, x1, y1) around the mesh.
    mesh_px
        (468, 3) float32; z has the scale of x and y, small is near the camera.
    iris_px
        (2, 5, 2) float32: iris on the picture's left, then right; centre first, then four border points.
    presence_logit
        Mesh network's own logit of looking at a face.
    disagreement
        Mean distance between the mesh and the mesh of the mirrored face, in outer-canthal distances: the plausibility
        check that `find` applies (see `deciface.faces.find`).
    pose
        Head rotation.
    detector
        Which detector found it.
    """

    box_px: tuple[float, float, float, float]
    mesh_px: NDArray[np.float32]
    iris_px: NDArray[np.float32]
    presence_logit: float
    disagreement: float
    pose: Pose
    detector: str

    @property
    def outer_canthal_px(self) -> float:
        """Distance between the outer corners of the eyes."""
        a, b = self.mesh_px[list(OUTER_CANTHI), :2]
        return float(np.hypot(*(b - a)))

    @property
    def interpupillary_px(self) -> float:
        """Distance between the iris centres."""
        return float(np.hypot(*(self.iris_px[1, 0] - self.iris_px[0, 0])))

    @property
    def area_px(self) -> float:
        """Area of the box."""
        x0, y0, x1, y1 = self.box_px
        return (x1 - x0) * (y1 - y0)
