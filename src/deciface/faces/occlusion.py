"""Are the eyes, is the mouth covered? Journals put bars over eyes; people wear sunglasses and masks.

Detectors and meshes look right through an eye bar, so it has to be asked for separately. Two logistic regressions on
histograms of oriented gradients (Dalal & Triggs 2005) and a few tone features of the eye band and of the mouth, learnt
from photos with painted occluders (`deciface.training.occlusion`; card: ``data/occlusion.card.yaml``). Spectacles,
smiles, grey, dark and blurred photos were among the uncovered examples.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

from deciface.faces.face import CHEEKS, INNER_CANTHI, MOUTH_CORNERS, OUTER_CANTHI, STOMION, STOMION_LOWER
from deciface.faces.pyramid import Pyramid

OCD_PX = 56.0
"""Outer-canthal distance in the patches."""
CELL_PX = 8
BINS = 8


class Part(StrEnum):
    """The two parts looked at."""

    EYES = "eyes"
    MOUTH = "mouth"


PATCH_PX = {Part.EYES: (80, 40), Part.MOUTH: (56, 48)}
"""Width and height of the patches."""


@dataclass(frozen=True, slots=True)
class OcclusionModel:
    """Mean, scale, weights (d,) float32 and bias of one part; p = logistic(weights . (x - mean) / scale + bias)."""

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: float

    def probability(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probability of being covered for (n, d) features."""
        logit = ((features - self.mean) / self.scale) @ self.weights + self.bias
        return np.asarray(1 / (1 + np.exp(-np.clip(logit, -40, 40))), np.float64)


def _patch_matrix(mesh_px: NDArray[np.float32], part: Part) -> NDArray[np.float64]:
    """Affine (2, 3) from photo_px to the upright patch of a part."""
    a, b = mesh_px[list(OUTER_CANTHI), :2].astype(np.float64)
    d = (b - a) / np.hypot(*(b - a))
    s = OCD_PX / np.hypot(*(b - a))
    points = {
        Part.EYES: [*OUTER_CANTHI, *INNER_CANTHI],
        Part.MOUTH: [*MOUTH_CORNERS, STOMION, STOMION_LOWER],
    }[part]
    centre = mesh_px[points, :2].mean(0).astype(np.float64)
    m = np.zeros((2, 3))
    m[:, :2] = s * np.array([[d[0], d[1]], [-d[1], d[0]]])
    width, height = PATCH_PX[part]
    m[:, 2] = np.array([(width - 1) / 2, (height - 1) / 2]) - m[:, :2] @ centre
    return m


def _cheek_tone(image: NDArray[np.uint8], mesh_px: NDArray[np.float32]) -> NDArray[np.float64]:
    """Median RGB of small squares on both cheeks, (3,)."""
    tones = []
    reach = max(1, round(float(np.hypot(*(mesh_px[CHEEKS[1], :2] - mesh_px[CHEEKS[0], :2]))) * 0.03))
    for index in (50, 280, 117, 346):
        x, y = (int(v) for v in mesh_px[index, :2])
        x, y = min(max(x, reach), image.shape[1] - reach - 1), min(max(y, reach), image.shape[0] - reach - 1)
        tones.append(image[y - reach : y + reach + 1, x - reach : x + reach + 1].reshape(-1, 3))
    return np.asarray(np.median(np.concatenate(tones), axis=0), np.float64)


def features(photo: Pyramid, mesh_px: NDArray[np.float32], part: Part) -> NDArray[np.float32]:
    """What the regression sees of one part of a face: (d,) float32, the same for every size and turn of the photo."""
    import cv2

    width, height = PATCH_PX[part]
    side = max(width, height)
    matrix = _patch_matrix(mesh_px, part)
    matrix[1, 2] += (side - height) / 2
    square = photo.cut(matrix, side)
    top = (side - height) // 2
    rgb = square[top : top + height, :width]
    grey = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY).astype(np.float32)
    gx = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3) / 8
    gy = cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=3) / 8
    size = np.hypot(gx, gy)
    angle = np.mod(np.arctan2(gy, gx), np.pi) / np.pi * BINS
    low = np.floor(angle).astype(int)
    part_high = angle - low
    rows, columns = height // CELL_PX, width // CELL_PX
    cell = (np.arange(height) // CELL_PX)[:, None] * columns + (np.arange(width) // CELL_PX)[None]
    flat = rows * columns * BINS
    histogram = np.bincount((cell * BINS + low % BINS).ravel(), (size * (1 - part_high)).ravel(), flat)
    histogram += np.bincount((cell * BINS + (low + 1) % BINS).ravel(), (size * part_high).ravel(), flat)
    contrast = float(grey.std()) + 2.0
    hog = np.sqrt(histogram / CELL_PX**2 / contrast)
    skin = _cheek_tone(photo.image, mesh_px)
    tone = np.median(rgb.reshape(-1, 3), axis=0)
    light = float(skin @ [0.299, 0.587, 0.114]) + 4
    chroma = np.abs((tone + 4) / (tone.sum() + 12) - (skin + 4) / (skin.sum() + 12)).sum()
    cells = grey[: rows * CELL_PX, : columns * CELL_PX].reshape(rows, CELL_PX, columns, CELL_PX)
    extra = [
        np.log(contrast / light),
        *np.log((np.percentile(grey, (50, 3, 97)) + 4) / light),
        float((size < 1.0).mean()),
        float((size < 0.02 * light).mean()),
        10 * float(chroma),
        *np.log(np.percentile(size, (50, 95)) / contrast + 1e-3),
    ]
    levels = (cells.mean(axis=(1, 3)) / light - 1).ravel()
    spread = np.sqrt(cells.std(axis=(1, 3)) / contrast).ravel()
    return np.concatenate([hog, extra, levels, spread]).astype(np.float32)


@cache
def shipped_models() -> dict[Part, OcclusionModel]:
    """The two regressions shipped with the package."""
    with as_file(files("deciface.faces") / "data" / "occlusion.npz") as path, np.load(path, allow_pickle=False) as data:
        return {
            part: OcclusionModel(
                data[f"{part}_mean"], data[f"{part}_scale"], data[f"{part}_weights"], float(data[f"{part}_bias"])
            )
            for part in Part
        }


def covered(photo: Pyramid, mesh_px: NDArray[np.float32], part: Part) -> float:
    """Probability that a part of the face (mesh (468, 3) in photo_px) is covered, in [0, 1]."""
    return float(shipped_models()[part].probability(features(photo, mesh_px, part)[None])[0])


__all__ = ["OcclusionModel", "Part", "covered", "features", "shipped_models"]
