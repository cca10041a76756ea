"""Thirteen points by the names that anthropometry gives them, from the mesh.

Mesh vertices do not lie where a dysmorphologist puts the points of the same name, and they shift the same way in
everybody, the more so the more blurred a photo is. The mean shift, mirrored from side to side, is taken off
(``data/named_points.csv``; `deciface.training.named_points` learns it). This places points; the mesh still regresses to
its template, so that nothing clinical is measured between them.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from deciface.faces.face import OUTER_CANTHI

MESH_INDEX: Mapping[str, int] = MappingProxyType(
    {
        "inner canthus left": 133,
        "outer canthus left": 33,
        "inner canthus right": 362,
        "outer canthus right": 263,
        "subnasale": 2,
        "labrale superius": 0,
        "labrale inferius": 17,
        "cheilion left": 61,
        "cheilion right": 291,
        "upper lid left": 159,
        "lower lid left": 145,
        "upper lid right": 386,
        "lower lid right": 374,
    }
)
"""Vertex nearest to each point. Left and right are those of the picture."""


def to_face_frame(mesh_px: NDArray[np.floating]) -> NDArray[np.complex128]:
    """The complex number by which a face's own distances become photo_px: x along the outer canthi, unit their gap."""
    a, b = np.asarray(mesh_px, np.float64)[list(OUTER_CANTHI), :2]
    return np.asarray((b - a) @ np.array([1, 1j]))


@cache
def shifts() -> NDArray[np.float64]:
    """Where each vertex lies off its point, (13, 2) in outer-canthal distances of the face's own frame."""
    text = (files("deciface.faces") / "data" / "named_points.csv").read_text(encoding="utf-8")
    rows = {row["point"]: row for row in csv.DictReader(text.splitlines())}
    return np.array([[float(rows[name]["dx"]), float(rows[name]["dy"])] for name in MESH_INDEX])


def named_points(mesh_px: NDArray[np.floating]) -> NDArray[np.float64]:
    """The points of `MESH_INDEX` in its order, (13, 2) photo_px, from a mesh (468, 2 or 3) in photo_px."""
    vertices = np.asarray(mesh_px, np.float64)[list(MESH_INDEX.values()), :2]
    moved = vertices @ np.array([1, 1j]) - shifts() @ np.array([1, 1j]) * to_face_frame(mesh_px)
    return np.column_stack([moved.real, moved.imag])
