"""The 189-point landmark template of the Face Research Lab London Set, and the eye frame of all measures here.

The template is WebMorph's (DeBruine & Jones 2017, figshare 5047666). A `.tem` file holds the number of points, one
`x<TAB>y` line per point in photo px, and lines to draw, not read here. "Left" and "right" mean image left and image
right throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from deciface.errors import InputError

N_POINTS = 189
OUTER_CANTHUS_LEFT, INNER_CANTHUS_LEFT = 18, 22
INNER_CANTHUS_RIGHT, OUTER_CANTHUS_RIGHT = 23, 27

REGIONS: dict[str, tuple[int, ...]] = {
    "pupil_left": (0,),
    "pupil_right": (1,),
    "iris_left": tuple(range(2, 10)),
    "iris_right": tuple(range(10, 18)),
    "upper_lid_left": (18, 19, 20, 21, 22),
    "upper_lid_right": (23, 24, 25, 26, 27),
    "lower_lid_left": (18, 28, 29, 30, 22),
    "lower_lid_right": (23, 31, 32, 33, 27),
    "brow_left": (71, 72, 73, 74, 75, 76, 84, 83),
    "brow_right": (77, 78, 79, 80, 81, 82, 86, 85),
    "nose_left": (61, 62, 63, 64, 65, 179, 180, 55),
    "nose_right": (66, 67, 68, 69, 70, 182, 181, 55),
    "upper_lip": (87, 88, 89, 90, 91, 92, 93, 98, 97, 96, 95, 94),
    "lower_lip": (87, 104, 105, 106, 107, 108, 93, 103, 102, 101, 100, 99),
    "lips_outer": (87, 88, 89, 90, 91, 92, 93, 108, 107, 106, 105, 104),
    "ear_left": (109, 115, 116, 117, 118, 119, 111, 186, 110, 185),
    "ear_right": (112, 120, 121, 122, 123, 124, 114, 188, 113, 187),
    "jaw": (111, 125, 126, 127, 128, 129, 130, 131, 132, 133, 114),
    "hairline": (109, 134, 135, 136, 137, 138, 139, 140, 141, 142, 143, 144, 112),
    "head_outline": (146, 147, 148, 149, 150, 151, 152, 153, 154, 155, 156),
    "neck": (145, 183, 184, 157),
}

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Anchors:
    """The anatomical points that planted features hang on, in the eye frame (unit: outer canthal distance).

    Each is a (2,) float64 array. `ear_*` is the centre of the outer rim of the ear.
    """

    inner_canthus_left: Points
    outer_canthus_left: Points
    inner_canthus_right: Points
    outer_canthus_right: Points
    ala_left: Points
    ala_right: Points
    subnasale: Points
    lip_top: Points
    stomion: Points
    lip_bottom: Points
    mouth_corner_left: Points
    mouth_corner_right: Points
    chin: Points
    ear_left: Points
    ear_right: Points

    @property
    def eye_left(self) -> Points:
        """Middle of the image-left palpebral fissure."""
        return (self.inner_canthus_left + self.outer_canthus_left) / 2

    @property
    def eye_right(self) -> Points:
        """Middle of the image-right palpebral fissure."""
        return (self.inner_canthus_right + self.outer_canthus_right) / 2


def anchors_from_template(points: Points) -> Anchors:
    """Anchors from a (189, 2) template in the eye frame."""
    _check_points(points)
    p = np.asarray(points, dtype=np.float64)
    return Anchors(
        inner_canthus_left=p[22],
        outer_canthus_left=p[18],
        inner_canthus_right=p[23],
        outer_canthus_right=p[27],
        ala_left=p[62],
        ala_right=p[67],
        subnasale=p[55],
        lip_top=p[90],
        stomion=p[94:104].mean(axis=0),
        lip_bottom=p[106],
        mouth_corner_left=p[87],
        mouth_corner_right=p[93],
        chin=p[129],
        ear_left=p[115:120].mean(axis=0),
        ear_right=p[120:125].mean(axis=0),
    )


@dataclass(frozen=True, slots=True)
class EyeFrame:
    """Similarity between photo px and the eye frame.

    Origin midway between the outer canthi, x from image left to image right along them, y down, unit = outer canthal
    distance (OCD).

    Parameters
    ----------
    origin_px
        (x, y) of the point midway between the outer canthi.
    ocd_px
        Outer canthal distance.
    roll_deg
        Angle of the canthal line against the image rows, clockwise positive.
    """

    origin_px: tuple[float, float]
    ocd_px: float
    roll_deg: float = 0.0

    @classmethod
    def from_canthi(cls, left_px: Points, right_px: Points) -> EyeFrame:
        """Frame from the image-left and image-right outer canthus, (2,) each.

        Raises
        ------
        InputError
            If the two points coincide.
        """
        left, right = np.asarray(left_px, dtype=np.float64), np.asarray(right_px, dtype=np.float64)
        d = right - left
        length = float(np.hypot(d[0], d[1]))
        if not np.isfinite(length) or length < 1e-6:
            raise InputError(
                f"outer canthi at {left.tolist()} and {right.tolist()} px; they must be two different points; "
                "check the landmarks"
            )
        mid = (left + right) / 2
        return cls((float(mid[0]), float(mid[1])), length, float(np.degrees(np.arctan2(d[1], d[0]))))

    @classmethod
    def from_template(cls, points_px: Points) -> EyeFrame:
        """Frame of a (189, 2) template in photo px."""
        _check_points(points_px)
        return cls.from_canthi(points_px[OUTER_CANTHUS_LEFT], points_px[OUTER_CANTHUS_RIGHT])

    def _axes(self) -> Points:
        a = np.radians(self.roll_deg)
        return self.ocd_px * np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])

    def to_px(self, points: Points) -> Points:
        """(..., 2) in the eye frame to photo px."""
        return np.asarray(np.asarray(points, dtype=np.float64) @ self._axes() + np.array(self.origin_px))

    def from_px(self, points_px: Points) -> Points:
        """(..., 2) in photo px to the eye frame."""
        shifted = np.asarray(points_px, dtype=np.float64) - np.array(self.origin_px)
        return np.asarray(shifted @ self._axes().T / self.ocd_px**2)


def read_template(path: Path) -> Points:
    """Read a `.tem` file.

    Returns
    -------
    (189, 2) float64, photo px.

    Raises
    ------
    InputError
        If the file is missing, is no template, or does not have 189 points.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="strict").splitlines()
        count = int(lines[0])
        points = np.array([[float(v) for v in line.split()[:2]] for line in lines[1 : count + 1]], dtype=np.float64)
    except FileNotFoundError:
        raise InputError(f"{path}: no such template; give a .tem file with {N_POINTS} points") from None
    except (OSError, ValueError, IndexError):
        raise InputError(
            f"{path}: not a landmark template; a .tem file starts with {N_POINTS}, "
            "then one 'x<TAB>y' line in px per point"
        ) from None
    if points.shape != (N_POINTS, 2) or not np.isfinite(points).all():
        raise InputError(f"{path}: template of {count} points; {N_POINTS} finite points are needed (London Set layout)")
    return points


def mirror_order(points: Points) -> NDArray[np.intp]:
    """Which template point is which when the face is mirrored, from a near-symmetric (189, 2) mean in the eye frame."""
    _check_points(points)
    flipped = points * np.array([-1.0, 1.0])
    cost = ((points[:, None] - flipped[None]) ** 2).sum(axis=-1)
    _, order = linear_sum_assignment(cost)
    return np.asarray(order, dtype=np.intp)


def _check_points(points: Points) -> None:
    if np.shape(points) != (N_POINTS, 2):
        raise InputError(f"landmarks of shape {np.shape(points)}; a template is ({N_POINTS}, 2); see read_template")
