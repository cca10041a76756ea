"""What every encoder must do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.encoders import Encoder
from deciface.errors import DeciFaceError, MismatchError
from deciface.faces import TEMPLATES


def check_encoder(encoder: Encoder, crops: NDArray[np.uint8], *, tolerance: float = 1e-4) -> None:
    """Check an encoder against its card and the `Encoder` protocol.

    Parameters
    ----------
    encoder
        To be checked.
    crops
        (n, h, w, 3) uint8, at least three different aligned faces of the card's template and size.
    tolerance
        Largest difference between a crop encoded alone and in a batch.

    Raises
    ------
    AssertionError
        What was expected and what was found.
    """
    card, name = encoder.card, encoder.card.id
    _expect(len(crops) >= 3, f"{name}: give three crops or more, not {len(crops)}")
    _expect(card.alignment in TEMPLATES, f"{name}: alignment '{card.alignment}' is none of {', '.join(TEMPLATES)}")
    _expect(
        TEMPLATES[card.alignment or ""].size_px == card.input_px[0] == card.input_px[1],
        f"{name}: the card's input {card.input_px} is not the size of template {card.alignment}",
    )
    before = crops.copy()
    vectors = encoder.encode(crops)
    _expect(bool((crops == before).all()), f"{name}: changed the crops it was given")
    wanted = (len(crops), card.dimensions)
    _expect(vectors.shape == wanted, f"{name}: gave shape {vectors.shape}, its card says {wanted}")
    _expect(vectors.dtype == np.float32, f"{name}: gave {vectors.dtype}, float32 is needed")
    _expect(bool(vectors.flags.c_contiguous), f"{name}: gave rows that are not C-contiguous")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    _expect(
        bool(np.abs(lengths - 1).max() < 1e-5), f"{name}: rows have lengths {lengths.min()} to {lengths.max()}, not 1"
    )
    alone = np.concatenate([encoder.encode(crop[None]) for crop in crops])
    gap = float(np.abs(alone - vectors).max())
    _expect(gap <= tolerance, f"{name}: a crop encoded alone and in a batch differ by {gap}")
    _expect(bool((encoder.encode(crops) == vectors).all()), f"{name}: gave other vectors the second time")
    near = vectors @ vectors.T
    _expect(bool(near[~np.eye(len(near), dtype=bool)].max() < 1 - 1e-6), f"{name}: gave one vector for different faces")
    empty = encoder.encode(crops[:0])
    _expect(empty.shape == (0, card.dimensions), f"{name}: gave {empty.shape} for no crops")
    wrongs: tuple[NDArray[Any], ...] = (crops[:, :-1], crops[..., :2], crops.astype(np.float32))
    for wrong in wrongs:
        try:
            encoder.encode(wrong)
        except MismatchError:
            continue
        except DeciFaceError as error:
            raise AssertionError(f"{name}: refused {wrong.shape} {wrong.dtype} by {type(error).__name__}") from error
        raise AssertionError(f"{name}: took {wrong.shape} {wrong.dtype}; a MismatchError is needed")


def _expect(condition: bool, message: str) -> None:  # noqa: FBT001 - as assert takes it
    if not condition:
        raise AssertionError(message)
