"""Faces put together from two: a part of one crop in another. All explanations are made of these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.errors import MismatchError, NothingFoundError

Floats = NDArray[np.float64]
Crops = NDArray[np.uint8]
Encode = Callable[[Crops], NDArray[np.float32]]
"""(n, h, w, 3) uint8 RGB aligned crops -> (n, d) unit rows."""


@dataclass(frozen=True, eq=False)
class Contrast:
    """What speaks for one group of faces rather than another: two mean directions.

    Parameters
    ----------
    toward, against
        (d,) unit vectors.
    """

    toward: Floats
    against: Floats

    @classmethod
    def between(cls, toward: NDArray[np.floating], against: NDArray[np.floating]) -> Contrast:
        """Take the mean directions of (n, d) and (m, d) unit rows, one a person.

        Raises
        ------
        NothingFoundError
            When one of the groups is empty.
        """
        if not len(toward) or not len(against):
            raise NothingFoundError(
                f"{len(toward)} patients against {len(against)} controls; at least one of each is needed: "
                "choose a gallery that has both"
            )
        return cls(unit(np.mean(toward, axis=0, dtype=np.float64)), unit(np.mean(against, axis=0, dtype=np.float64)))

    def of(self, vectors: NDArray[np.floating]) -> Floats:
        """Cosine to the one mean minus cosine to the other, (n,) for (n, d) unit rows."""
        return np.asarray(vectors.astype(np.float64) @ (self.toward - self.against))


def unit(rows: Floats) -> Floats:
    """Scale the last axis to length 1; a row without a direction stays 0."""
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(np.divide(rows, length, out=np.zeros_like(rows), where=length > 0))


def mean_face(crops: Crops) -> Crops:
    """The mean of (n, h, w, 3) uint8 crops, (h, w, 3) uint8.

    Raises
    ------
    NothingFoundError
        Without crops.
    """
    if not len(crops):
        raise NothingFoundError("no crops to take the mean face of; choose a gallery with photos of controls")
    return np.asarray(np.rint(crops.mean(axis=0, dtype=np.float64)), np.uint8)


def blend(inside: Crops, outside: Crops, masks: Floats) -> Crops:
    """Put one crop into another where a mask is 1, fading where it fades.

    Parameters
    ----------
    inside, outside
        (h, w, 3) uint8.
    masks
        (m, h, w) in 0 to 1.

    Returns
    -------
    (m, h, w, 3) uint8; exactly `outside` where a mask is 0.

    Raises
    ------
    MismatchError
        When the sizes differ.
    """
    if inside.shape != outside.shape or inside.shape[:2] != masks.shape[1:]:
        raise MismatchError(
            f"crops of {inside.shape} and {outside.shape}, masks of {masks.shape[1:]}; all must have one height and "
            "width: align the photos with one template and take the regions of that template"
        )
    base = outside.astype(np.float32)
    part = inside.astype(np.float32) - base
    return np.rint(base + masks[..., None].astype(np.float32) * part).astype(np.uint8)
