"""The canonical face: one shape in which faces are compared, averaged and drawn upon.

Its points are the mean of the 102 neutral faces of the Face Research Lab London Set (DeBruine & Jones 2017, CC BY 4.0),
made symmetric, in the eye frame: origin midway between the outer canthi, x towards image right, y down, unit the
outer-canthal distance. Between the points a place is carried by the triangle it lies in (piecewise affine, Goshtasby
1986), outside of them by a frame of far points. Both ways are inverse to each other, unless a triangle is turned over,
which is counted.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.errors import InputError
from deciface.faces.align import similarity
from deciface.faces.landmarks import FACE_POINTS, Landmarks, Points

_LEFT_OUT = frozenset(
    {
        *range(2, 18),  # irises: they wander with the gaze
        *range(99, 104),  # upper border of the lower lip: on the upper lip's lower border when the lips touch
        *range(34, 44),  # lid creases: on the lid margin in many eyes
        *(110, 113, 185, 186, 187, 188),  # attachment of the ear
        *range(158, 164),  # nasolabial folds
        *(65, 70, 170, 172, 176, 178, 179, 182),  # crowded round the nostrils, the philtrum and the chin
    }
)
MAP_ROWS: tuple[int, ...] = tuple(row for row, point in enumerate(FACE_POINTS) if point not in _LEFT_OUT)
"""Face points that carry the map. The others lie so near to their neighbours that triangles between them turn over:
with all points 14 of a face's triangles on the mean of the London people, with these .2."""

FIELD = (-1.25, -1.0, 1.25, 1.5)
"""Left, top, right and bottom of the canonical picture, in outer-canthal distances."""
SIDE_PX = 250
"""Of the canonical picture: 100 px an outer-canthal distance."""
_FRAME = 4.0
"""How far out the frame of far points lies."""
_FRAME_POINTS = 12


@cache
def canonical_points() -> Points:
    """The face points, (len(FACE_POINTS), 2), in the eye frame; not to be written to."""
    text = (files("deciface.faces") / "data" / "canonical.csv").read_text(encoding="utf-8")
    rows = {int(row["template"]): (float(row["x"]), float(row["y"])) for row in csv.DictReader(text.splitlines())}
    points = np.array([rows[i] for i in FACE_POINTS])
    points.setflags(write=False)
    return points


@cache
def _frame() -> Points:
    angle = 2 * np.pi * np.arange(_FRAME_POINTS) / _FRAME_POINTS
    return np.column_stack([np.cos(angle), np.sin(angle)]) * _FRAME


@cache
def corners() -> Points:
    """Corners of all triangles on the canonical face: the points of `MAP_ROWS` and, behind them, the frame."""
    return np.vstack([canonical_points()[list(MAP_ROWS)], _frame()])


@cache
def _mesh() -> Any:  # noqa: ANN401 - scipy's own class
    from scipy.spatial import Delaunay

    return Delaunay(corners())


def triangles() -> NDArray[np.intp]:
    """Which of the `corners` make a triangle (Delaunay), (n, 3)."""
    return np.asarray(_mesh().simplices, np.intp)


@dataclass(frozen=True, eq=False)
class CanonicalMap:
    """Between one face's photo and the canonical face.

    Parameters
    ----------
    corners_px
        (n, 2) in the photo, of `corners`.
    """

    corners_px: Points

    @classmethod
    def of(cls, landmarks: Landmarks) -> CanonicalMap:
        """Of a face's points.

        Raises
        ------
        InputError
            Points that are not finite, or lie on one another.
        """
        points = landmarks.points_px
        if not np.isfinite(points).all() or np.ptp(points, axis=0).min() < 1e-6:
            raise InputError("the points of the face are not finite or lie on one another; correct them")
        matrix = similarity(canonical_points(), points)
        return cls(np.vstack([points[list(MAP_ROWS)], _frame() @ matrix[:, :2].T + matrix[:, 2]]))

    @property
    def overturned(self) -> int:
        """Triangles that are turned over in this face: there the map has no inverse."""
        here, there = _doubled_areas(self.corners_px[triangles()]), _doubled_areas(corners()[triangles()])
        return int((here * there <= 0).sum())

    def to_photo(self, canonical: Points) -> Points:
        """Places (n, 2) of the canonical face in photo_px; outside the frame they are nan."""
        places = np.asarray(canonical, np.float64)
        flat, mesh = places.reshape(-1, 2), _mesh()
        number = mesh.find_simplex(flat)
        transform = mesh.transform[number]
        two = np.einsum("nij,nj->ni", transform[:, :2], flat - transform[:, 2])
        shares = np.column_stack([two, 1 - two.sum(1)])
        carried = np.einsum("ni,nij->nj", shares, self.corners_px[mesh.simplices[number]])
        carried[number < 0] = np.nan
        return np.asarray(carried.reshape(places.shape))

    def to_canonical(self, photo_px: Points) -> Points:
        """Places (n, 2) in photo_px on the canonical face; outside the frame they are nan.

        O(n x triangles): meant for hundreds of places; whole pictures are warped by `warp_to_canonical`.
        """
        places = np.asarray(photo_px, np.float64).reshape(-1, 2)
        here, there = self.corners_px[triangles()], corners()[triangles()]
        found = np.full(places.shape, np.nan)
        for k, place in enumerate(places):
            shares = _shares(here, place)
            inside = np.flatnonzero(shares.min(1) >= -1e-9)
            if len(inside):
                best = inside[np.argmax(shares[inside].min(1))]
                found[k] = shares[best] @ there[best]
        return found


def _doubled_areas(corners: Points) -> NDArray[np.float64]:
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def _shares(corners: Points, place: Points) -> NDArray[np.float64]:
    """Barycentric coordinates of a place in each triangle, (n, 3)."""
    whole = _doubled_areas(corners)
    parts = [
        _doubled_areas(np.stack([np.broadcast_to(place, corners[:, 0].shape), corners[:, i], corners[:, j]], 1))
        for i, j in ((1, 2), (2, 0), (0, 1))
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.stack(parts, 1) / whole[:, None]
    return np.where(np.isfinite(shares), shares, -np.inf)


@cache
def canonical_grid() -> Points:
    """Place of each pixel of the canonical picture, (SIDE_PX, SIDE_PX, 2)."""
    left, top, right, bottom = FIELD
    x = left + (np.arange(SIDE_PX) + 0.5) * (right - left) / SIDE_PX
    y = top + (np.arange(SIDE_PX) + 0.5) * (bottom - top) / SIDE_PX
    grid = np.stack(np.meshgrid(x, y), -1)
    grid.setflags(write=False)
    return grid


def warp_to_canonical(image: NDArray[np.uint8], face: CanonicalMap) -> NDArray[np.uint8]:
    """Show a photo (h, w, 3) in the canonical shape, (SIDE_PX, SIDE_PX, 3); beyond the photo its border goes on."""
    import cv2

    source = face.to_photo(canonical_grid()).astype(np.float32)
    # Pixels far apart in the photo are averaged first, so that nothing aliases.
    step = float(np.nanmedian(np.hypot(*np.moveaxis(np.diff(source, axis=1), -1, 0))))
    if step > 1.5:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.4 * step), np.uint8)
    x, y = (np.ascontiguousarray(source[..., k]) for k in (0, 1))
    shown = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(shown, np.uint8)


def warp_to_photo(canonical: NDArray[np.floating], face: CanonicalMap, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Show a canonical map (SIDE_PX, SIDE_PX[, k]) on a face's photo of `shape` (rows, columns); 0 off the face."""
    import cv2

    place = np.full((*shape, 2), -10.0, np.float32)
    left, top, right, bottom = FIELD
    unit = SIDE_PX / (right - left), SIDE_PX / (bottom - top)
    picture = (corners() - (left, top)) * unit - 0.5
    for triangle in triangles()[(triangles() < len(MAP_ROWS)).all(1)]:
        own = face.corners_px[triangle]
        low = np.maximum(np.floor(own.min(0)).astype(int), 0)
        high = np.minimum(np.ceil(own.max(0)).astype(int) + 1, (shape[1], shape[0]))
        if (high <= low).any() or abs(_doubled_areas(own[None])[0]) < 1e-9:
            continue
        inverse = np.linalg.inv(np.column_stack([own, np.ones(3)]))
        matrix = inverse @ picture[triangle]
        x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
        here = np.stack([x, y, np.ones_like(x)], -1)
        inside = (here @ inverse >= -1e-9).all(-1)
        part = place[low[1] : high[1], low[0] : high[0]]
        part[inside] = (here @ matrix)[inside]
    across, down = (np.ascontiguousarray(place[..., k]) for k in (0, 1))
    values = np.asarray(canonical, np.float32)
    shown = cv2.remap(values, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(shown, np.float32)


def round_trip_px(face: CanonicalMap) -> float:
    """Largest distance, photo_px, by which the middle of a triangle misses itself on its way there and back."""
    inner = triangles()[(triangles() < len(MAP_ROWS)).all(1)]
    places = face.corners_px[inner].mean(1)
    back = face.to_photo(face.to_canonical(places))
    return float(np.hypot(*(back - places).T).max())


def average_face(pictures: Iterable[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Mean of canonical pictures (SIDE_PX, SIDE_PX, 3).

    Raises
    ------
    InputError
        Nobody, or a picture of another size.
    """
    total, count = np.zeros((SIDE_PX, SIDE_PX, 3)), 0
    for picture in pictures:
        if picture.shape != total.shape:
            raise InputError(f"a picture of {picture.shape}; canonical pictures are {total.shape}")
        total += picture
        count += 1
    if not count:
        raise InputError("nobody to average; give at least one face")
    return np.asarray(np.clip(np.rint(total / count), 0, 255), np.uint8)
