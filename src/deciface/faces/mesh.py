"""The 468-point face mesh and the irises (MediaPipe; Kartynnik et al. 2019, Ablavatski et al. 2020).

The mesh regresses to its template: it places crops and regions, and is never read as a clinical measurement.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deciface.faces.face import INNER_CANTHI, OUTER_CANTHI, Pose
from deciface.faces.litert import Network
from deciface.faces.pyramid import Pyramid

MESH_INPUT_PX = 192
IRIS_INPUT_PX = 64
MESH_MARGIN = 1.5
"""Side of the square given to the mesh network over the longer side of the face box (MediaPipe's value)."""
IRIS_MARGIN = 2.3
_TO_UNIT = np.float32(1 / 255)


def square_matrix(centre: NDArray[np.floating], side_px: float, *, roll_deg: float, out_px: int) -> NDArray[np.float64]:
    """Affine (2, 3) from photo_px to an upright square of out_px around `centre`, `side_px` wide in the photo."""
    s = out_px / side_px
    angle = np.radians(-roll_deg)
    a, b = s * np.cos(angle), s * np.sin(angle)
    m = np.array([[a, -b, 0.0], [b, a, 0.0]])
    m[:, 2] = (out_px - 1) / 2 - m[:, :2] @ np.asarray(centre, np.float64)
    return m


def invert(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of an affine (2, 3)."""
    inverse = np.linalg.inv(matrix[:, :2])
    return np.column_stack([inverse, -inverse @ matrix[:, 2]])


@cache
def mirror_pairs() -> NDArray[np.intp]:
    """Which point each of the 468 becomes in a mirror; its own inverse. Package data ``mesh_mirror.csv``."""
    text = (files("deciface.faces") / "data" / "mesh_mirror.csv").read_text(encoding="utf-8")
    return np.array([int(line) for line in text.split() if not line.startswith("#")], np.intp)


class FaceMesh:
    """The 468-point network."""

    def __init__(self, path: Path) -> None:
        self._net = Network(path, (1, MESH_INPUT_PX, MESH_INPUT_PX, 3), outputs=[(1, 1, 1, 1404), (1, 1, 1, 1)])
        self._mirrored = mirror_pairs()

    def on_crop(self, crop: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
        """Mesh of an upright (192, 192, 3) uint8 crop, (468, 3) in crop_px, and the logit of a face being there."""
        points, logit = self._net.run(np.multiply(crop[None], _TO_UNIT, dtype=np.float32))
        points = points.reshape(468, 3)
        points[:, :2] -= 0.5  # the network counts from the corner of the first pixel, crop_px from its centre
        return points, float(logit.ravel()[0])

    def in_mirror(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Mesh of the mirrored crop, carried back: equals `on_crop` up to noise when it looks at a face."""
        points, _ = self.on_crop(np.ascontiguousarray(crop[:, ::-1]))
        points[:, 0] = MESH_INPUT_PX - 1 - points[:, 0]
        return points[self._mirrored]


def lit(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brighten a crop whose lightest hundredth is below half of the range: dark photos keep their shape only."""
    import cv2

    ordered = np.sort(crop[::4, ::4], axis=None)
    light = float(ordered[int(0.99 * (ordered.size - 1))])
    return np.asarray(cv2.convertScaleAbs(crop, alpha=200 / max(light, 8.0)), np.uint8) if light < 128 else crop


def to_photo(points: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Carry mesh points (n, 3) from the crop back to photo_px; z keeps the scale of x and y."""
    inverse = invert(matrix)
    scale = np.sqrt(abs(np.linalg.det(inverse[:, :2])))
    xy = points[:, :2] @ inverse[:, :2].T + inverse[:, 2]
    return np.column_stack([xy, points[:, 2] * scale]).astype(np.float32)


class IrisNetwork:
    """Five points an eye."""

    def __init__(self, path: Path) -> None:
        shape = (1, IRIS_INPUT_PX, IRIS_INPUT_PX, 3)
        self._net = Network(path, shape, outputs=[(1, 213), (1, 15)])

    def find(self, photo: Pyramid, mesh_px: NDArray[np.float32], *, roll_deg: float) -> NDArray[np.float32]:
        """Irises in photo_px, (2, 5, 2): picture's left eye, then right; centre first."""
        irises = []
        for side in (0, 1):
            corners = mesh_px[[OUTER_CANTHI[side], INNER_CANTHI[side]], :2].astype(np.float64)
            width = float(np.hypot(*(corners[1] - corners[0])))
            matrix = square_matrix(corners.mean(0), width * IRIS_MARGIN, roll_deg=roll_deg, out_px=IRIS_INPUT_PX)
            crop = photo.cut(matrix, IRIS_INPUT_PX)
            if side:  # the network knows one side only; the other is shown to it in the mirror
                crop = np.ascontiguousarray(crop[:, ::-1])
            points = self._net.run(np.multiply(crop[None], _TO_UNIT, dtype=np.float32))[1].reshape(5, 3) - 0.5
            if side:
                points[:, 0] = IRIS_INPUT_PX - 1 - points[:, 0]
            irises.append(to_photo(points, matrix)[:, :2])
        return np.stack(irises).astype(np.float32)


def pose_of(mesh_px: NDArray[np.float32]) -> Pose:
    """Head rotation from the mesh: the face's own axes (eye line, forehead to chin) read as a rotation matrix."""
    across = mesh_px[OUTER_CANTHI[1]] - mesh_px[OUTER_CANTHI[0]]
    across = across + mesh_px[454] - mesh_px[234]
    down = (mesh_px[152] - mesh_px[10]).astype(np.float64)
    x = across / np.linalg.norm(across)
    z = np.cross(x, down)
    z /= np.linalg.norm(z)
    roll = np.degrees(np.arctan2(x[1], x[0]))
    c, s = np.cos(np.radians(-roll)), np.sin(np.radians(-roll))
    level = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    x, z = level @ x, level @ z
    yaw = float(np.degrees(np.arctan2(x[2], x[0])))
    pitch = float(np.degrees(np.arctan2(z[1], z[2])))
    return Pose(yaw_deg=yaw, pitch_deg=pitch, roll_deg=float(roll))
