"""Heatmaps of a DeepGestalt-type model: which parts of a face raise the score of a disorder, behind each pooling layer.

Method: gradient-weighted activations (Selvaraju et al. 2017) behind the four maximum poolings, the exact class
activation map (Zhou et al. 2016) at the average pooling; see `deciface.encoders.deepgestalt_export`. Only what speaks
for the disorder is shown, as in these papers. The map of each region is scaled to a largest value of 1, carried back to
where the region was cut, and the regions are averaged there by the score that each gives the disorder, fading in over
the rim of a region so that no edge is drawn where the face has none: our choice. The outermost ring of each map is left
out: convolutions see zeros beyond the edge of a crop and react to that edge as to a feature.

A heatmap shows what the networks reacted to. It does not show that this is what the disorder looks like.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.deepgestalt import POOLINGS, Label
from deciface.encoders.deepgestalt_model import DeepGestalt
from deciface.errors import MismatchError, OptionError
from deciface.faces.region_crops import FRAME_PX, REGION_PX, Region, RegionCrops

Floats = NDArray[np.float64]

RIM_PX = 12
"""Of a crop, over which its region fades in."""


@dataclass(frozen=True, eq=False)
class Heatmaps:
    """The maps of one face for one class.

    Parameters
    ----------
    label
        The class.
    regions, scores
        (r,) names, and the score that each region's network gives the class.
    maps
        Five arrays (r, s, s), s = 50, 25, 13, 7, 7, at least 0: 0 does not speak for the class.
    to_frame
        (r, 2, 3) affine from the pixels of each region's crop to those of the face aligned by
        `deciface.faces.region_crops.FACE_FRAME`.
    """

    label: Label
    regions: tuple[Region, ...]
    scores: Floats
    maps: tuple[Floats, ...]
    to_frame: Floats

    def on_crop(self, region: Region, pooling: int) -> Floats:
        """Return the map of a region over its crop (100, 100), largest value 1; 0 along its edge.

        Raises
        ------
        OptionError
            When there is no such region or pooling layer (1 to 5).
        """
        return _drawn(self._scaled(self._number(region), pooling), np.eye(2, 3), REGION_PX, pooling)

    def on_face(self, pooling: int) -> Floats:
        """Return the maps of all regions on the aligned face (256, 256), 0 to 1; 0 where no region was cut.

        Raises
        ------
        OptionError
            When there is no such pooling layer (1 to 5).
        """
        total, weight = np.zeros((FRAME_PX, FRAME_PX)), np.zeros((FRAME_PX, FRAME_PX))
        for number, matrix in enumerate(self.to_frame):
            inside = _inside(matrix)
            total += self.scores[number] * inside * _drawn(self._scaled(number, pooling), matrix, FRAME_PX, pooling)
            weight += self.scores[number] * inside
        return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)

    def _number(self, region: Region) -> int:
        if region not in self.regions:
            raise OptionError(f"region '{region}'; the model looked at {', '.join(self.regions)}: choose from these")
        return self.regions.index(region)

    def _scaled(self, number: int, pooling: int) -> Floats:
        if not 1 <= pooling <= POOLINGS:
            raise OptionError(f"pooling layer {pooling}; there are 1 to {POOLINGS}")
        heat = np.pad(self.maps[pooling - 1][number, 1:-1, 1:-1], 1)
        largest = heat.max()
        scaled: Floats = heat / largest if largest > 0 else heat
        return scaled


def heatmaps(model: DeepGestalt, crops: RegionCrops, label: str) -> Heatmaps:
    """Make the maps of one face for a class.

    Parameters
    ----------
    model
        Read from its file.
    crops
        Of `deciface.faces.region_crops.region_crops`, with the regions of the model.
    label
        Id of the class.

    Raises
    ------
    MismatchError
        When the crops are of other regions than the model's.
    OptionError
        When the model has no such class.
    """
    if crops.regions != model.regions:
        raise MismatchError(
            f"regions {', '.join(crops.regions)} were cut, the model looks at {', '.join(model.regions)}: cut "
            "these, in this order"
        )
    number = model.number_of(label)
    scores = model.scores(crops.crops[None])[0, :, number]
    maps = model.maps(crops.crops[None], label)
    return Heatmaps(
        model.labels[number],
        model.regions,
        scores.astype(np.float64),
        tuple(np.maximum(signed[0], 0).astype(np.float64) for signed in maps),
        crops.to_frame,
    )


def _drawn(heat: Floats, matrix: Floats, side_px: int, pooling: int) -> Floats:
    """Enlarge a map to where its crop lies, bilinearly; `matrix` (2, 3) carries crop pixels there."""
    import cv2

    step = 2.0 ** min(pooling, POOLINGS - 1)  # the fifth map has the size of the fourth: it is from before its pooling
    to_crop = np.array([[step, 0.0, (step - 1) / 2], [0.0, step, (step - 1) / 2], [0.0, 0.0, 1.0]])
    drawn = cv2.warpAffine(
        heat, matrix @ to_crop, (side_px, side_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(drawn, np.float64)


def _inside(matrix: Floats) -> Floats:
    """How much a region counts at each pixel of the aligned face: 1 where it was cut, less towards its rim, else 0."""
    rows, columns = np.indices((FRAME_PX, FRAME_PX))
    linear, shift = np.linalg.inv(matrix[:, :2]), matrix[:, 2]
    crop = (np.stack([columns, rows], -1) - shift) @ linear.T
    from_rim = np.min(np.minimum(crop + 0.5, REGION_PX - 0.5 - crop), axis=-1)
    inside: Floats = np.clip(from_rim / RIM_PX, 0.0, 1.0)
    return inside
