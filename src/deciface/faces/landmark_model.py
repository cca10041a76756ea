"""Place landmarks on a face: ``deciface-landmarks`` on a crop that the mesh has placed.

Sigmas are multiplied by the factors that the file carries, one a point, measured on people whom the networks of the
folds had never seen, so that 68 % of errors along an axis lie within one sigma.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deciface.errors import ModelError
from deciface.faces.align import alignment, template
from deciface.faces.canonical import canonical_points
from deciface.faces.face import Face
from deciface.faces.landmarks import FACE_POINTS, Landmarks, Points
from deciface.faces.pyramid import Pyramid
from deciface.models import ModelStore
from deciface.models.card import ModelCard
from deciface.models.sessions import session_options


@cache
def mirror_rows() -> NDArray[np.intp]:
    """Which of `FACE_POINTS` each becomes in a mirror."""
    from scipy.optimize import linear_sum_assignment

    points = canonical_points()
    gap = points[:, None] * (-1.0, 1.0) - points[None]
    _, order = linear_sum_assignment((gap**2).sum(-1))
    return np.asarray(order, np.intp)


LANDMARKS_ID = "deciface-landmarks"
SIGMA_FACTORS = "sigma_factors"
"""Under which name a file carries what its sigmas are multiplied by, one a face point, with commas between."""


class LandmarkModel:
    """The landmark network. One thread; may be shared by threads.

    Parameters
    ----------
    source
        The ONNX file, or its bytes.
    card
        Its card: alignment, size.
    factors
        For the sigmas, one a face point; those of the file when left out, and 1 where it has none.

    Attributes
    ----------
    template, source
        Of the crops (`deciface.faces.align`); id and hash, as `Landmarks` name them.

    Raises
    ------
    ModelError
        The file is no network that places `FACE_POINTS` in such crops.
    """

    def __init__(self, source: Path | bytes, card: ModelCard, *, factors: NDArray[np.float64] | None = None) -> None:
        import onnxruntime

        name = source.name if isinstance(source, Path) else card.file
        given = source if isinstance(source, bytes) else str(source)
        try:
            self._session = onnxruntime.InferenceSession(given, session_options(1), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a dozen unrelated types, none of them public
            reason = " ".join(str(error).split())[:160]
            raise ModelError(f"{name} is no ONNX network that onnxruntime can run ({reason})") from error
        self.template = str(card.alignment)
        self._side_px = template(self.template).size_px
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        wanted = [3, self._side_px, self._side_px], [len(FACE_POINTS), 4]
        found = [list(inputs[0].shape[1:]), list(outputs[0].shape[1:])]
        said = self._session.get_modelmeta().custom_metadata_map.get("points", "")
        if found != list(wanted) or said != ",".join(map(str, FACE_POINTS)):
            raise ModelError(
                f"{name} takes {found[0]} and gives {found[1]} for points {said[:20]}...; landmarks need "
                f"{wanted[0]} and {wanted[1]} for the face points of the London template: train it again"
            )
        self._input = inputs[0].name
        self._factors = self._own_factors(name) if factors is None else factors
        self.source = f"{card.id} {card.sha256[:12]}"

    @classmethod
    def from_store(cls, store: ModelStore) -> LandmarkModel:
        """The model of the store.

        Raises
        ------
        ModelError
            Its file is missing or altered.
        """
        return cls(store.path(LANDMARKS_ID), store.card(LANDMARKS_ID))

    def _own_factors(self, name: str) -> NDArray[np.float64]:
        said = self._session.get_modelmeta().custom_metadata_map.get(SIGMA_FACTORS)
        if said is None:
            return np.ones(len(FACE_POINTS))
        try:
            factors = np.array(said.split(","), np.float64)
        except ValueError:
            factors = np.zeros(0)
        if factors.shape != (len(FACE_POINTS),) or not (np.isfinite(factors) & (factors > 0)).all():
            raise ModelError(
                f"{name}: its '{SIGMA_FACTORS}' are not {len(FACE_POINTS)} numbers above 0; train it again"
            )
        return factors

    def on_crops(self, crops: NDArray[np.uint8]) -> tuple[Points, Points]:
        """Points and sigmas, (n, points, 2) each in crop_px, of (n, s, s, 3) uint8 RGB crops."""
        values = np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32) / np.float32(255)
        (said,) = self._session.run(None, {self._input: values})
        found = np.asarray(said, np.float64)
        return found[..., :2], np.exp(found[..., 2:]) * self._factors[:, None]

    def place(self, image: NDArray[np.uint8] | Pyramid, face: Face) -> Landmarks:
        """Place the points of one face of an (h, w, 3) uint8 sRGB photo."""
        matrix = alignment(face, self.template)
        crop = Pyramid.of(image).cut(matrix, self._side_px)
        (points,), (sigmas,) = self.on_crops(crop[None])
        back = np.linalg.inv(matrix[:, :2])
        placed = (points - matrix[:, 2]) @ back.T
        covariance = np.einsum("ij,pj,kj->pik", back, sigmas**2, back)
        return Landmarks(placed, covariance, self.source)
