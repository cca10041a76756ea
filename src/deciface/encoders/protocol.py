"""What every encoder is: aligned crops in, unit vectors out."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from deciface.errors import MismatchError, ModelError
from deciface.models.card import ModelCard

LUMINANCE_WEIGHTS = (0.299, 0.587, 0.114)
"""Weights of R, G, B in luminance (ITU-R BT.601)."""


@runtime_checkable
class Encoder(Protocol):
    """A face encoder.

    `card` says what crops it takes (`alignment`, `input_px`) and what it gives (`dimensions`).
    """

    @property
    def card(self) -> ModelCard:
        """The card of the weights."""
        ...

    def encode(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode aligned crops.

        Parameters
        ----------
        crops
            (n, h, w, 3) uint8 RGB, made with the template `card.alignment`.

        Returns
        -------
        NDArray[np.float32]
            (n, d) C-contiguous, unit rows.

        Raises
        ------
        MismatchError
            When the crops have another size or type than the card declares.
        ModelError
            When the network gives something that is no (n, d) matrix of finite numbers.
        """
        ...


def check_crops(crops: NDArray[Any], card: ModelCard) -> NDArray[np.uint8]:
    """Return the crops when an encoder with this card may be fed them.

    Raises
    ------
    MismatchError
        On any other shape than (n, height, width, 3) of the card, or any other type than uint8.
    """
    width, height = card.input_px
    wanted = f"(n, {height}, {width}, 3) uint8 RGB crops of the template '{card.alignment}'"
    given = np.asarray(crops)
    if given.ndim != 4 or given.shape[1:] != (height, width, 3):
        raise MismatchError(f"{card.id} takes {wanted}; given shape {given.shape}: align the face with that template")
    if given.dtype != np.uint8:
        raise MismatchError(f"{card.id} takes {wanted}; given {given.dtype}: pass pixel values 0..255 as uint8")
    return given


def unit_rows(raw: NDArray[Any], card: ModelCard, *, count: int) -> NDArray[np.float32]:
    """Scale a network's output to unit rows.

    Parameters
    ----------
    raw
        (count, d) or (count, d, 1, 1), any float type.
    card
        Declares d.
    count
        Number of crops that were fed.

    Returns
    -------
    NDArray[np.float32]
        (count, d), C-contiguous. The scaling is done in float64.

    Raises
    ------
    ModelError
        On another shape, on NaN or infinity, on a vector of zero length.
    """
    found = raw.shape
    flat = raw.reshape(count, -1) if count and raw.shape[:1] == (count,) else raw
    if flat.shape != (count, card.dimensions):
        raise ModelError(
            f"{card.id} gave an output of shape {found}; its card declares ({count}, {card.dimensions}): "
            "correct `dimensions` in the card or choose the file that belongs to it"
        )
    values = flat.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(values).all(1))
    if bad.size:
        raise ModelError(
            f"{card.id} gave NaN or infinity for crop {bad[0]} of {count}: check `mean` and `std` in its card, "
            "or export the network in float32"
        )
    length = np.linalg.norm(values, axis=1, keepdims=True)
    if (length < 1e-12).any():
        raise ModelError(
            f"{card.id} gave a vector of length zero for crop {int(np.argmin(length))} of {count}: "
            "is it the face encoder its card describes?"
        )
    return np.ascontiguousarray(values / length, dtype=np.float32)


def luminance(crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey as GestaltMatcher-Arc makes it: luminance (ITU-R BT.601) repeated over the three channels, rounded.

    Parameters
    ----------
    crops
        (n, h, w, 3) uint8 RGB.

    Returns
    -------
    NDArray[np.uint8]
        Same shape.
    """
    grey = crops.astype(np.float32) @ np.array(LUMINANCE_WEIGHTS, np.float32)
    return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=-1)
