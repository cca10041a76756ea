"""Named regions of the canonical face, as soft masks on an aligned crop.

The canonical face is symmetric, in the frame of the mesh's outer canthi: origin midway between them, x along them, y
down, their distance the unit. Its points are the means of 60 simulated frontal faces. The outlines were drawn on the
mean crop and reach a little beyond what they are named after, because a wide mouth or wide-set eyes must still lie
inside; neighbours overlap where their edges fade. The same masks are used for everybody: two people's regions can be
compared only when they are cut out alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from deciface.errors import OptionError
from deciface.faces import Template, template
from deciface.faces.align import similarity

Floats = NDArray[np.float64]

CANONICAL_POINTS: Mapping[int, tuple[float, float]] = MappingProxyType(
    {
        1: (0.0, 0.409),
        2: (0.0, 0.487),
        33: (-0.5, 0.0),
        61: (-0.273, 0.737),
        133: (-0.192, 0.014),
        145: (-0.356, 0.045),
        159: (-0.365, -0.060),
        263: (0.5, 0.0),
        291: (0.273, 0.737),
        362: (0.192, 0.014),
        374: (0.356, 0.045),
        386: (0.365, -0.060),
    }
)
"""Where the mesh points that crop templates name lie in the canonical face."""

OUTLINES: Mapping[str, tuple[tuple[float, float], ...]] = MappingProxyType(
    {
        "forehead": ((0, -0.90), (0.55, -0.90), (0.75, -0.45), (0.68, -0.30), (0.42, -0.33), (0.20, -0.27), (0, -0.27)),
        "brows": (
            *((0.07, -0.28), (0.42, -0.34), (0.68, -0.28), (0.74, -0.14)),
            *((0.58, -0.10), (0.42, -0.17), (0.20, -0.12), (0.07, -0.12)),
        ),
        "eyes": (
            *((0.12, 0.01), (0.17, -0.10), (0.36, -0.16), (0.55, -0.10)),
            *((0.63, -0.01), (0.55, 0.09), (0.36, 0.14), (0.17, 0.10)),
        ),
        "nasal bridge": ((0, -0.26), (0.08, -0.25), (0.13, -0.08), (0.13, 0.10), (0.12, 0.22), (0, 0.22)),
        "nose": ((0, 0.20), (0.12, 0.20), (0.20, 0.29), (0.28, 0.39), (0.26, 0.49), (0.14, 0.52), (0, 0.52)),
        "cheeks": (
            *((0.20, 0.14), (0.45, 0.14), (0.62, 0.08), (0.76, 0.10)),
            *((0.75, 0.45), (0.66, 0.78), (0.38, 0.66), (0.30, 0.52), (0.28, 0.36)),
        ),
        "philtrum": ((0, 0.49), (0.15, 0.49), (0.18, 0.60), (0.15, 0.66), (0, 0.67)),
        "mouth": ((0, 0.62), (0.12, 0.61), (0.30, 0.69), (0.36, 0.76), (0.27, 0.86), (0.12, 0.91), (0, 0.91)),
        "chin and jaw": (
            *((0, 0.90), (0.18, 0.88), (0.36, 0.78), (0.66, 0.77)),
            *((0.60, 0.98), (0.42, 1.14), (0.20, 1.27), (0, 1.30)),
        ),
        "ears": ((0.79, -0.06), (0.98, -0.10), (1.02, 0.20), (0.90, 0.50), (0.76, 0.52), (0.78, 0.20)),
    }
)
"""Right half of each outline in the canonical face; the left half is its mirror image."""

FEATHER = 0.03
"""Width by which edges fade (standard deviation), canonical units."""
_SUBPIXEL_BITS = 6


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of one crop template.

    Parameters
    ----------
    names
        In the order of `OUTLINES`.
    masks
        (r, h, w) float64, 1 inside, 0 outside, fading between.
    centres_px
        (r, 2) crop_px (x, y), the point of each region that is farthest from its edge; of a pair the left one.
    unit_px
        Canonical unit in crop_px.
    """

    names: tuple[str, ...]
    masks: Floats
    centres_px: Floats
    unit_px: float


def canonical_to_crop(crop_template: Template) -> Floats:
    """Affine (2, 3) from the canonical face to crop_px.

    Raises
    ------
    OptionError
        When the template names a mesh point whose canonical place is not known.
    """
    if unknown := sorted({i for group in crop_template.points for i in group} - set(CANONICAL_POINTS)):
        raise OptionError(
            f"template '{crop_template.name}' names mesh point {unknown[0]}; canonical places are known of "
            f"{', '.join(map(str, CANONICAL_POINTS))}: add it to CANONICAL_POINTS"
        )
    source = [np.mean([CANONICAL_POINTS[i] for i in group], axis=0) for group in crop_template.points]
    return similarity(np.array(source), np.array(crop_template.targets_px))


@cache
def regions_of(template_name: str) -> Regions:
    """Draw the regions on a crop template; see `deciface.faces.TEMPLATES`.

    Raises
    ------
    OptionError
        When there is no such template.
    """
    import cv2

    crop_template = template(template_name)
    to_crop = canonical_to_crop(crop_template)
    unit_px = float(np.hypot(*to_crop[:, 0]))
    masks, centres = [], []
    for outline in OUTLINES.values():
        drawn = np.zeros((crop_template.size_px,) * 2, np.uint8)
        for side in (-1.0, 1.0):
            corners = np.array(outline) * [side, 1.0] @ to_crop[:, :2].T + to_crop[:, 2]
            fixed = np.round(corners * 2**_SUBPIXEL_BITS).astype(np.int32)
            half = cv2.fillPoly(np.zeros_like(drawn), [fixed], 1, cv2.LINE_8, _SUBPIXEL_BITS)
            drawn |= np.asarray(half, np.uint8)
        depth = cv2.distanceTransform(np.pad(drawn, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
        deepest = np.unravel_index(int(np.argmax(depth.T)), depth.T.shape)
        centres.append(deepest)
        masks.append(feathered(drawn.astype(np.float64), FEATHER * unit_px))
    return Regions(tuple(OUTLINES), np.stack(masks), np.array(centres, np.float64), unit_px)


def feathered(mask: Floats, sigma_px: float) -> Floats:
    """Fade the edges of a mask; beyond the crop's border it goes on as it is at the border."""
    import cv2

    return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE), np.float64)
