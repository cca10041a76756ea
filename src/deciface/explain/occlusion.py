"""Occlusion maps: how much less a face looks like a disorder once a part of it is that of the mean control.

After Zeiler and Fergus (Visualizing and understanding convolutional networks, ECCV 2014), with two changes that
planted truth made necessary (docs/explanation.md): a part is replaced by the mean face of controls and not by grey,
which no encoder has learnt to overlook, and what counts is the contrast, cosine to the disorder's mean minus cosine to
the controls' mean, because covering anything moves a face away from everybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.errors import OptionError
from deciface.explain.composites import Contrast, Crops, Encode, Floats, blend
from deciface.explain.regions import Regions, feathered

GRID = 11
"""Patches a side."""
PATCH = 0.16
"""Side of a patch as a share of the crop's."""
_FADE = 0.15
"""Width by which a patch's edge fades (standard deviation), as a share of its side."""


@dataclass(frozen=True, eq=False)
class OcclusionMap:
    """What every place of a face adds to its likeness to a disorder.

    Parameters
    ----------
    heat
        (h, w) contrast lost when the place is covered, averaged over the patches that cover it. Above 0: what is seen
        there speaks for the disorder; below 0: against it.
    regions
        Name of each region -> contrast lost when it alone is covered; empty when no regions were given.
    contrast
        Of the face as it is.
    patches
        How many were covered one after the other.
    """

    heat: Floats
    regions: Mapping[str, float]
    contrast: float
    patches: int

    @property
    def peak_px(self) -> tuple[int, int]:
        """The place (x, y) in crop_px that speaks for the disorder most."""
        row, column = np.unravel_index(int(np.argmax(self.heat)), self.heat.shape)
        return int(column), int(row)


def occlusion_map(
    encode: Encode,
    crop: Crops,
    *,
    filling: Crops,
    contrast: Contrast,
    regions: Regions | None = None,
    grid: int = GRID,
    patch: float = PATCH,
) -> OcclusionMap:
    """Cover a face patch by patch, and region by region; all of it is encoded in one batch.

    Parameters
    ----------
    encode
        See `deciface.explain.Encode`.
    crop, filling
        (h, w, 3) uint8 aligned alike: the face, and what its parts are replaced by: the mean face of controls.
    contrast
        Disorder against controls, in the space of `encode`; its people must not include the one on the crop.
    regions
        Of the crop's template.
    grid, patch
        Patches a side, 2 to 64; side of a patch as a share of the crop's, .02 to .5.

    Raises
    ------
    OptionError
        When grid or patch is out of range.
    MismatchError
        When crop, filling and regions have different sizes.
    """
    if not 2 <= grid <= 64 or not 0.02 <= patch <= 0.5:
        raise OptionError(f"grid {grid}, patch {patch:g}; a grid of 2 to 64 and a patch of 0.02 to 0.5 are allowed")
    covers = patches(crop.shape[0], crop.shape[1], grid=grid, patch=patch)
    masks = covers if regions is None else np.concatenate([covers, regions.masks])
    scores = contrast.of(encode(np.concatenate([crop[None], blend(filling, crop, masks)])))
    drops = scores[0] - scores[1:]
    heat = np.tensordot(drops[: len(covers)], covers, axes=1) / covers.sum(axis=0)
    names = () if regions is None else regions.names
    lost = dict(zip(names, drops[len(covers) :].tolist(), strict=True))
    return OcclusionMap(heat, lost, float(scores[0]), len(covers))


def patches(height: int, width: int, *, grid: int = GRID, patch: float = PATCH) -> NDArray[np.float64]:
    """Soft square patches, (grid * grid, height, width), row by row; together they reach every pixel."""
    side = patch * min(height, width)
    masks = []
    for y in np.linspace(0, height - 1, grid):
        for x in np.linspace(0, width - 1, grid):
            down = np.abs(np.arange(height) - y) <= side / 2
            across = np.abs(np.arange(width) - x) <= side / 2
            masks.append(feathered(np.outer(down, across).astype(np.float64), _FADE * side))
    covers = np.stack(masks)
    if covers.sum(axis=0).min() < 1e-3:
        raise OptionError(
            f"a grid of {grid} with patches of {patch:g} leaves gaps; choose a finer grid or larger patches"
        )
    return covers
