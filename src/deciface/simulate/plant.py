"""Plant the same features in photos that the user supplies.

Anchors come from a `.tem` template beside the photo or from the 468-point MediaPipe mesh. The mesh regresses to its
template: good enough to say where an eye is, never how far apart two canthi are; amounts are never read off it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deciface.errors import InputError
from deciface.faces.named_points import MESH_INDEX, named_points
from deciface.simulate.features import check_features, hpo_terms, velocity
from deciface.simulate.relief import apply_relief
from deciface.simulate.template import Anchors, EyeFrame, Points, anchors_from_template
from deciface.simulate.warp import backward_map, flow, min_jacobian, resample, rms_strain, sham

MESH_POINTS = 468
_NAMED = {
    "inner_canthus_left": "inner canthus left",
    "outer_canthus_left": "outer canthus left",
    "inner_canthus_right": "inner canthus right",
    "outer_canthus_right": "outer canthus right",
    "subnasale": "subnasale",
    "lip_top": "labrale superius",
    "lip_bottom": "labrale inferius",
    "mouth_corner_left": "cheilion left",
    "mouth_corner_right": "cheilion right",
}
_MESH = {"ala_left": 129, "ala_right": 358, "stomion": 13, "chin": 152}
_MESH_CHEEK_LEFT, _MESH_CHEEK_RIGHT = (93, 234, 127), (323, 454, 356)


@dataclass(frozen=True, slots=True)
class PhotoAnchors:
    """Where a face is in a photo.

    Parameters
    ----------
    frame
        Eye frame in photo px.
    anchors
        In that frame.
    landmarks
        (n, 2) template or mesh in that frame.
    layout
        Which of the two.
    """

    frame: EyeFrame
    anchors: Anchors
    landmarks: Points
    layout: Literal["template", "mesh"]

    @classmethod
    def from_template(cls, points_px: Points) -> PhotoAnchors:
        """From a (189, 2) template in photo px, see `read_template`."""
        frame = EyeFrame.from_template(points_px)
        points = frame.from_px(points_px)
        return cls(frame, anchors_from_template(points), points, "template")

    @classmethod
    def from_mesh(cls, mesh_px: NDArray[np.floating[Any]]) -> PhotoAnchors:
        """From a MediaPipe mesh, (468 or 478, 2 or 3) in photo px.

        Raises
        ------
        InputError
            If the array has another shape.
        """
        mesh = np.asarray(mesh_px, dtype=np.float64)
        if mesh.ndim != 2 or mesh.shape[0] not in (MESH_POINTS, MESH_POINTS + 10) or mesh.shape[1] not in (2, 3):
            raise InputError(f"mesh of shape {mesh.shape}; (468, 3) px is needed; find the face with deciface.faces")
        placed = dict(zip(MESH_INDEX, named_points(mesh), strict=True))
        frame = EyeFrame.from_canthi(placed["outer canthus left"], placed["outer canthus right"])
        points = frame.from_px(mesh[:, :2])
        named = {name: points[index] for name, index in _MESH.items()}
        named |= {name: frame.from_px(placed[point]) for name, point in _NAMED.items()}
        # the mesh ends at the cheek; the ear's rim lies outside and below
        named["ear_left"] = points[list(_MESH_CHEEK_LEFT)].mean(axis=0) + np.array([-0.10, 0.12])
        named["ear_right"] = points[list(_MESH_CHEEK_RIGHT)].mean(axis=0) + np.array([0.10, 0.12])
        return cls(frame, Anchors(**named), points, "mesh")


@dataclass(frozen=True, slots=True)
class PlantedTruth:
    """What was done to a photo.

    Parameters
    ----------
    mode
        'plant' or 'sham'.
    features_sd, hpo
        Planted amounts and terms; for a sham those whose strain it equals, and no terms.
    strain, min_jacobian
        Of the flow.
    layout
        Of the landmarks.
    landmarks_before_px, landmarks_after_px
        Photo px.
    """

    mode: Literal["plant", "sham"]
    features_sd: dict[str, float]
    hpo: tuple[str, ...]
    strain: float
    min_jacobian: float
    layout: Literal["template", "mesh"]
    landmarks_before_px: Points
    landmarks_after_px: Points

    def as_json(self) -> dict[str, Any]:
        """Plain lists, numbers and strings."""
        return {
            "mode": self.mode,
            "features_sd": self.features_sd,
            "hpo": list(self.hpo),
            "strain": self.strain,
            "min_jacobian": self.min_jacobian,
            "layout": self.layout,
            "landmarks_before_px": np.round(self.landmarks_before_px, 2).tolist(),
            "landmarks_after_px": np.round(self.landmarks_after_px, 2).tolist(),
        }


def warp_photo(
    pixels: NDArray[np.uint8],
    anchors: PhotoAnchors,
    *,
    features: Mapping[str, float],
    mode: Literal["plant", "sham"] = "plant",
    seed: int = 0,
) -> tuple[NDArray[np.uint8], PlantedTruth]:
    """Plant features in a photo, or warp it as strongly without planting anything.

    Parameters
    ----------
    pixels
        (height, width, 3) uint8 RGB.
    anchors
        See `PhotoAnchors`.
    features
        Amounts in SD.
    mode
        'sham' takes only the strain of the features, for unaffected people.
    seed
        Of the sham.

    Returns
    -------
    The photo, same shape, and the truth.

    Raises
    ------
    InputError
        If the photo is not (height, width, 3) uint8.
    OptionError
        If an amount is not allowed.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise InputError(
            f"photo of shape {pixels.shape}, {pixels.dtype}; (height, width, 3) uint8 RGB is needed; "
            "read it with deciface.photos"
        )
    amounts = check_features(features)
    v = velocity(amounts, anchors.anchors)
    picture = pixels.astype(np.float32)
    if mode == "sham":
        template = anchors.landmarks if anchors.layout == "template" else None
        v = sham(np.random.default_rng([seed, 14]), template, anchors.anchors, strain=rms_strain(v))
    else:
        picture = apply_relief(picture, anchors.frame, anchors.anchors, amounts)
    if amounts:
        source = backward_map(anchors.frame, v, width_px=pixels.shape[1], height_px=pixels.shape[0])
        picture = resample(picture, source)
    truth = PlantedTruth(
        mode=mode,
        features_sd=amounts,
        hpo=hpo_terms(amounts) if mode == "plant" else (),
        strain=round(rms_strain(v), 5),
        min_jacobian=round(min_jacobian(v), 4),
        layout=anchors.layout,
        landmarks_before_px=anchors.frame.to_px(anchors.landmarks),
        landmarks_after_px=anchors.frame.to_px(flow(anchors.landmarks, v)),
    )
    return np.clip(np.round(picture), 0, 255).astype(np.uint8), truth
