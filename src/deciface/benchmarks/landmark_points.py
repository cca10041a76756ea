"""Points of other landmark models by our names, as far as they have them; the others are NaN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.faces.face import Face
from deciface.faces.landmarks import FACE_POINTS, row_of
from deciface.faces.named_points import MESH_INDEX, named_points

Floats = NDArray[np.float64]

_NAMED_VERTICES: Mapping[str, str] = {
    "endocanthion right": "inner canthus left",
    "exocanthion right": "outer canthus left",
    "endocanthion left": "inner canthus right",
    "exocanthion left": "outer canthus right",
    "subnasale": "subnasale",
    "labiale superius": "labrale superius",
    "labiale inferius": "labrale inferius",
    "cheilion right": "cheilion left",
    "cheilion left": "cheilion right",
    "palpebrale superius right": "upper lid left",
    "palpebrale inferius right": "lower lid left",
    "palpebrale superius left": "upper lid right",
    "palpebrale inferius left": "lower lid right",
}
_VERTICES: Mapping[str, Sequence[int]] = {
    "alare right": (129,),
    "alare left": (358,),
    "stomion superius": (13,),
    "stomion inferius": (14,),
    "gnathion": (152,),
    "otobasion superius right": (234,),
    "otobasion superius left": (454,),
    "pupil right": (33, 133, 159, 145),
    "pupil left": (263, 362, 386, 374),
}
"""Vertices of the mesh; of several the mean. A mesh without irises has no pupils: the middle of the lids."""
_SIXTY_EIGHT: Mapping[str, Sequence[int]] = {
    "exocanthion right": (36,),
    "endocanthion right": (39,),
    "endocanthion left": (42,),
    "exocanthion left": (45,),
    "palpebrale superius right": (37, 38),
    "palpebrale inferius right": (40, 41),
    "palpebrale superius left": (43, 44),
    "palpebrale inferius left": (46, 47),
    "subnasale": (33,),
    "labiale superius": (51,),
    "labiale inferius": (57,),
    "cheilion right": (48,),
    "cheilion left": (54,),
    "alare right": (31,),
    "alare left": (35,),
    "stomion superius": (62,),
    "stomion inferius": (66,),
    "gnathion": (8,),
    "otobasion superius right": (0,),
    "otobasion superius left": (16,),
    "pupil right": (36, 37, 38, 39, 40, 41),
    "pupil left": (42, 43, 44, 45, 46, 47),
}


def _placed(points: Floats, names: Mapping[str, Sequence[int]]) -> Floats:
    out = np.full((len(FACE_POINTS), 2), np.nan)
    for name, indices in names.items():
        out[row_of(name)] = points[list(indices)].mean(0)
    return out


def mesh_points(face: Face) -> Floats:
    """(points, 2) photo_px of the mesh; its thirteen points of the same name less their mean shift."""
    mesh = np.asarray(face.mesh_px, np.float64)[:, :2]
    out = _placed(mesh, _VERTICES)
    named = dict(zip(MESH_INDEX, named_points(face.mesh_px), strict=True))
    for name, vertex in _NAMED_VERTICES.items():
        out[row_of(name)] = named[vertex]
    return out


class SixtyEight:
    """dlib's 68 points, where the user has dlib and its file (not for commercial use: iBUG 300-W)."""

    def __init__(self, predictor: Path) -> None:
        import dlib

        self._find: Any = dlib.get_frontal_face_detector()
        self._place: Any = dlib.shape_predictor(str(predictor))

    def points(self, image: NDArray[np.uint8]) -> Floats | None:
        """(points, 2) photo_px in a photo with one upright face; None where dlib finds none."""
        boxes = self._find(image)
        if not len(boxes):
            return None
        shape = self._place(image, max(boxes, key=lambda box: box.area()))
        return _placed(np.array([[p.x, p.y] for p in shape.parts()], np.float64), _SIXTY_EIGHT)
