"""Crops of eight facial regions for networks of the DeepGestalt type: 100 x 100 grey each, cut straight from the photo.

The regions' names follow what is known of DeepGestalt (Gurovich et al. 2019, Nat Med 25:60); where each one lies is our
own choice, written in `REGIONS` and nowhere else. A region is a rectangle of fixed size in the aligned face (template
``mesh-256``), so that everybody is scaled alike and proportions stay as they are; its middle follows the mesh, so that
a long philtrum does not push the mouth out of its crop. Rectangles are stretched to squares, everybody's in the same
way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from deciface.errors import OptionError
from deciface.faces.align import CROP_VERSION, TEMPLATES, alignment
from deciface.faces.face import (
    CHEEKS,
    CHIN,
    FOREHEAD,
    INNER_CANTHI,
    MOUTH_CORNERS,
    NOSE_TIP,
    OUTER_CANTHI,
    SUBNASALE,
    Face,
)
from deciface.faces.mesh import invert
from deciface.faces.pyramid import Pyramid

REGION_PX = 100
"""Side of a region's crop."""
FACE_FRAME = "mesh-256"
"""The template in whose pixels regions are placed, and on which heatmaps of all regions are laid over each other."""
FRAME_PX = TEMPLATES[FACE_FRAME].size_px

_BROWS = (105, 334)
_NASION = 168
_LIPS = (0, 17)


class Region(StrEnum):
    """A part of the face that has a crop of its own."""

    FACE = "face"
    UPPER_HALF = "upper-half"
    MIDDLE = "middle"
    LOWER_HALF = "lower-half"
    EAR_TO_EAR = "ear-to-ear"
    PERIORBITAL = "periorbital"
    NOSE = "nose"
    MOUTH = "mouth"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a region lies.

    Parameters
    ----------
    centre
        Mesh indices; the middle of the rectangle is the mean of these points.
    width_px, height_px
        Size of the rectangle in the frame `FACE_FRAME`, in which the outer canthi are 76 px apart on the mean of
        simulated faces.
    """

    centre: tuple[int, ...]
    width_px: float
    height_px: float


REGIONS: Mapping[Region, Place] = MappingProxyType(
    {
        Region.FACE: Place((FOREHEAD, CHIN), 156, 156),
        Region.UPPER_HALF: Place((FOREHEAD, NOSE_TIP), 140, 90),
        Region.MIDDLE: Place((*OUTER_CANTHI, SUBNASALE), 130, 76),
        Region.LOWER_HALF: Place((NOSE_TIP, CHIN), 130, 82),
        Region.EAR_TO_EAR: Place(CHEEKS, 190, 90),
        Region.PERIORBITAL: Place((*_BROWS, *OUTER_CANTHI, *INNER_CANTHI), 112, 56),
        Region.NOSE: Place((_NASION, SUBNASALE), 62, 62),
        Region.MOUTH: Place((*_LIPS, *MOUTH_CORNERS), 74, 56),
    }
)
"""Our choice; counted in `REGIONS_VERSION`."""
REGIONS_VERSION = f"regions-100/1/{FACE_FRAME}/{CROP_VERSION}"
"""Counted up whenever a region's crop changes; networks of other crops are refused."""


@dataclass(frozen=True, eq=False)
class RegionCrops:
    """The regions of one face.

    Parameters
    ----------
    regions
        Their names.
    crops
        (r, 100, 100) uint8 luminance (ITU-R BT.601).
    to_frame
        (r, 2, 3) affine from the pixels of each crop to those of the face aligned by `FACE_FRAME`.
    """

    regions: tuple[Region, ...]
    crops: NDArray[np.uint8]
    to_frame: NDArray[np.float64]


def parse_regions(names: Sequence[str]) -> tuple[Region, ...]:
    """Regions by name, in the order of `Region`; all of them where none is named.

    Raises
    ------
    OptionError
        On an unknown name.

    Examples
    --------
    >>> [str(region) for region in parse_regions(["mouth", "face"])]
    ['face', 'mouth']
    """
    known = {str(region) for region in Region}
    for name in names:
        if name not in known:
            raise OptionError(f"region '{name}'; allowed are {', '.join(Region)}: choose from these")
    return tuple(region for region in Region if not names or str(region) in names)


def region_in_frame(face: Face, region: Region) -> NDArray[np.float64]:
    """Affine (2, 3) from pixels of the face aligned by `FACE_FRAME` to those of the region's crop."""
    place, onto = REGIONS[region], alignment(face, FACE_FRAME)
    centre = face.mesh_px[list(place.centre), :2].mean(0) @ onto[:, :2].T + onto[:, 2]
    scale = REGION_PX / np.array([place.width_px, place.height_px])
    return np.column_stack([np.diag(scale), (REGION_PX - 1) / 2 - scale * centre])


def region_crops(
    image: NDArray[np.uint8] | Pyramid, face: Face, regions: Sequence[Region] = tuple(Region)
) -> RegionCrops:
    """Cut regions of a face out of an (h, w, 3) uint8 sRGB photo, each with a single resampling.

    Beyond the photo's edge its border is continued.
    """
    import cv2

    photo, onto = Pyramid.of(image), np.vstack([alignment(face, FACE_FRAME), [0.0, 0.0, 1.0]])
    placed = [region_in_frame(face, region) for region in regions]
    crops = [cv2.cvtColor(photo.cut(matrix @ onto, REGION_PX), cv2.COLOR_RGB2GRAY) for matrix in placed]
    return RegionCrops(
        tuple(regions),
        np.stack(crops).astype(np.uint8, copy=False),
        np.stack([invert(matrix) for matrix in placed]),
    )
