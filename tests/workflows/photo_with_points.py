"""A workspace with one photo of noise, and a model that always places the canonical face in its middle."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from deciface.cases import Case, Consent, Patient, Scope
from deciface.faces.canonical import canonical_points
from deciface.faces.landmarks import FACE_POINTS, Landmarks
from deciface.photos import read_photo
from deciface.store import Workspace

WIDTH_PX, HEIGHT_PX = 640, 480
UNIT_PX = 120.0
"""Outer-canthal distance of the placed face."""


def place(image: bytes, name: str) -> Landmarks:
    """The canonical face: outer canthi a unit apart, each point with an error of 0.5 px."""
    placed = UNIT_PX * canonical_points() + (WIDTH_PX / 2, HEIGHT_PX / 2)
    return Landmarks(placed, np.broadcast_to(np.eye(2) / 4, (len(FACE_POINTS), 2, 2)).copy(), "made 0123456789ab")


def with_photo(root: Path, *, user: str | None = "ann") -> Workspace:
    """A new workspace, open, with photo P1-a of somebody who agreed to the gallery."""
    workspace = Workspace.create(root, user=user, site="Taipei")
    pixels = np.random.default_rng(5).integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    sha256 = read_photo(out.getvalue(), name="x").pixel_sha256
    case = Case(Patient("P1"), consents=(Consent(Scope.GALLERY),))
    workspace.add_case(case.with_photos([case.photo("P1-a", sha256=sha256)]), images={"P1-a": out.getvalue()})
    return workspace
