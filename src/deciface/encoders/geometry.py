"""An encoder that explains itself: the shape of the mesh and named proportions of the face.

It sees neither skin nor hair, so what it finds can be said in words. The mesh regresses to its template and follows
dysmorphic proportions only in part: the encoding is for comparison, and what `Geometry.measurements` gives is no
clinical measurement.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.proportions import PROPORTIONS, proportions_of
from deciface.encoders.protocol import check_crops, unit_rows
from deciface.encoders.shape import POINTS, Reference, procrustes, shipped_reference
from deciface.errors import NoFaceError
from deciface.models.card import CardView, Kind, ModelCard

if TYPE_CHECKING:
    from deciface.faces.mesh import FaceMesh

MeshOnCrop = Callable[[NDArray[np.uint8]], NDArray[np.float32] | None]
"""Takes one (256, 256, 3) uint8 RGB crop, gives (468, 3) points in crop_px, or None where it sees no face."""

CROP_PX = 256
DIMENSIONS = 2 * POINTS + len(PROPORTIONS)
NOT_CLINICAL = (
    "read from a face mesh that regresses to its template: comparison of encodings only, not a clinical measurement"
)
_FACE_CENTRE_PX = (128.0, 137.5)
_FACE_SIDE_PX = 210.0
"""Mean centre of the mesh in the template ``mesh-256``, and side of the square that the network wants around it."""
_MESH_PASSES = 2


class Geometry:
    """Shape of the face as a unit vector.

    The vector holds two blocks of equal expected length: 2 x 468 coordinates of the Procrustes-aligned mesh minus those
    of the reference shape, over the reference people's spread; and the proportions as z-scores of the same people over
    the root of their number. Being of unit length it says in which direction a face differs, not how far.

    Parameters
    ----------
    card
        Declares the template ``mesh-256`` and `DIMENSIONS`.
    mesh
        Finds the 468 points on one crop; `mesh_on_crop` makes one.
    reference
        What shapes are measured from.
    """

    def __init__(self, card: ModelCard, mesh: MeshOnCrop, *, reference: Reference | None = None) -> None:
        self.card = card
        self._mesh = mesh
        self._reference = reference or shipped_reference()

    def _shape(self, crop: NDArray[np.uint8], which: str) -> NDArray[np.float64]:
        points = self._mesh(crop)
        if points is None:
            raise NoFaceError(f"{self.card.id}: no face on {which}; give crops of the template 'mesh-256' with a face")
        return procrustes(points, self._reference.mean)

    def encode(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode (n, 256, 256, 3) uint8 RGB crops; see `deciface.encoders.Encoder.encode`.

        Raises
        ------
        NoFaceError
            When the mesh sees no face on a crop.
        """
        checked, ref = check_crops(crops, self.card), self._reference
        rows = np.zeros((len(checked), DIMENSIONS))
        for i, crop in enumerate(checked):
            shape = self._shape(crop, f"crop {i} of {len(checked)}")
            scores = (proportions_of(shape) - ref.proportion_mean) / ref.proportion_sd
            rows[i, : 2 * POINTS] = (shape - ref.mean).ravel() / ref.spread
            rows[i, 2 * POINTS :] = scores / np.sqrt(len(scores))
        return unit_rows(rows, self.card, count=len(checked))

    def measurements(self, crop: NDArray[np.uint8]) -> dict[str, float]:
        """Named proportions of one (256, 256, 3) crop, without unit; `PROPORTIONS` defines them, `NOT_CLINICAL` holds.

        Raises
        ------
        NoFaceError
            When the mesh sees no face.
        """
        shape = self._shape(check_crops(np.asarray(crop)[None], self.card)[0], "the crop")
        return {p.name: p.of(shape) for p in PROPORTIONS}


def geometry_card(mesh_card: ModelCard, *, reference: Reference | None = None) -> ModelCard:
    """Make the card of this encoder over a mesh network; its hash covers the mesh and the reference shape."""
    ref = reference or shipped_reference()
    return replace(
        mesh_card,
        id="geometry",
        name=f"Shape of the face, {DIMENSIONS} dimensions",
        sha256=hashlib.sha256(f"{mesh_card.sha256} {ref.sha256}".encode()).hexdigest(),
        kind=Kind.FACE_ENCODER,
        input_px=(CROP_PX, CROP_PX),
        alignment="mesh-256",
        dimensions=DIMENSIONS,
        views=(CardView(),),
        trained_on=f"{mesh_card.trained_on} Reference shape: mean of {ref.people} adults of the London set, CC BY 4.0.",
        intended_use=f"Compares the shape of faces in words that can be checked; {NOT_CLINICAL}.",
        required=False,
        source=None,
    )


def mesh_on_crop(network: FaceMesh) -> MeshOnCrop:
    """Run the mesh on crops of the template ``mesh-256``: once where the face must be, once more around what was found.

    A face counts as seen when the network's own logit is as high as `deciface.faces.find` asks.
    """
    from deciface.faces.find import LEAST_LOGIT
    from deciface.faces.mesh import MESH_INPUT_PX, MESH_MARGIN, lit, square_matrix, to_photo
    from deciface.faces.pyramid import Pyramid

    def run(crop: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        centre, side = np.array(_FACE_CENTRE_PX), _FACE_SIDE_PX
        points, logit = np.zeros((POINTS, 3), np.float32), 0.0
        for _ in range(_MESH_PASSES):
            matrix = square_matrix(centre, side, roll_deg=0.0, out_px=MESH_INPUT_PX)
            found, logit = network.on_crop(lit(Pyramid(crop).cut(matrix, MESH_INPUT_PX)))
            points = to_photo(found, matrix)
            low, high = points[:, :2].min(0), points[:, :2].max(0)
            centre, side = (low + high) / 2, max(float((high - low).max()) * MESH_MARGIN, 8.0)
        return points if logit >= LEAST_LOGIT else None

    return run
