"""Heat over a face: what is above 0, what is below, on a grey picture of the same face."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deciface.errors import MismatchError, OptionError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Floats = NDArray[np.float64]

# Blue and orange differ for every colour vision; both grow darker from the middle, which is transparent.
_BELOW = ((146, 197, 222), (33, 102, 172), (5, 48, 97))
_ABOVE = ((253, 190, 110), (224, 110, 20), (127, 52, 5))
_INK, _FAINT = (40, 40, 40), (110, 110, 110)
_FACE_PX = 420
_MARGIN, _TITLE, _LEGEND, _BAR, _NOTE = 14, 30, 58, 14, 17
_BAR_LENGTH = 181
"""Odd, so that the middle pixel is 0."""
_STRONGEST = 0.8
"""Opacity of the strongest heat."""


def overlay(
    crop: NDArray[np.uint8],
    heat: Floats,
    *,
    title: str,
    ends: tuple[str, str] = ("speaks against", "speaks for"),
    notes: Sequence[str] = (),
) -> bytes:
    """Draw heat over a face, with a legend; 0 leaves the face as it is.

    Parameters
    ----------
    crop
        (h, w, 3) uint8 sRGB.
    heat
        (h, w) finite; the scale is symmetric and reaches to the largest absolute value.
    title
        Above the face.
    ends
        What below 0 and above 0 mean, for the legend. Where below 0 means nothing (empty), the legend begins at 0.
    notes
        Lines below the legend.

    Returns
    -------
    bytes
        PNG.

    Raises
    ------
    MismatchError
        When crop and heat have different sizes.
    OptionError
        When the heat is not finite, or below 0 where that means nothing.
    """
    from PIL import Image, ImageDraw, ImageFont

    if crop.ndim != 3 or crop.shape[2] != 3 or heat.shape != crop.shape[:2]:
        raise MismatchError(f"crop of {crop.shape} and heat of {heat.shape}; heat needs one value for each pixel")
    if not np.isfinite(heat).all():
        raise OptionError("heat that is NaN or infinite cannot be drawn; give finite values")
    lowest = -1.0 if ends[0] else 0.0
    if lowest == 0 and (heat < 0).any():
        raise OptionError("heat below 0 is drawn, and nothing says what it means; name both ends")
    largest = float(np.abs(heat).max())
    share = heat / largest if largest > 0 else np.zeros_like(heat)
    mixed = _coloured(crop, share)
    font, large = ImageFont.load_default(size=12), ImageFont.load_default(size=16)
    legend = round(sum(font.getlength(end) for end in ends)) + _BAR_LENGTH + 16
    width = max(mixed.width, round(large.getlength(title)), legend, *(round(font.getlength(n)) for n in notes))
    height = _MARGIN + _TITLE + mixed.height + _LEGEND + _NOTE * len(notes)
    picture = Image.new("RGB", (width + 2 * _MARGIN, height), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((_MARGIN, _MARGIN), title, fill=_INK, font=large)
    picture.paste(mixed, (_MARGIN, _MARGIN + _TITLE))
    top = _MARGIN + _TITLE + mixed.height + 12
    left = _MARGIN + (round(font.getlength(ends[0])) + 8 if ends[0] else 0)
    bar = _colours(np.linspace(lowest, 1, _BAR_LENGTH))[None]
    picture.paste(Image.fromarray(np.rint(np.repeat(bar, _BAR, axis=0)).astype(np.uint8)), (left, top))
    draw.text((_MARGIN, top), ends[0], fill=_INK, font=font)
    draw.text((left + _BAR_LENGTH + 8, top), ends[1], fill=_INK, font=font)
    for value in dict.fromkeys((lowest * largest, 0.0, largest)):
        at = (value / largest - lowest) / (1 - lowest) if largest else 0.5
        place = (left + at * _BAR_LENGTH, top + _BAR + 4)
        draw.text(place, f"{value:+.3g}" if value else "0", fill=_FAINT, font=font, anchor="ma")
    for number, note in enumerate(notes):
        draw.text((_MARGIN, top + _LEGEND - 20 + number * _NOTE), note, fill=_FAINT, font=font)
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def _coloured(crop: NDArray[np.uint8], share: Floats) -> Picture:
    """Lay colours over a grey picture of the face, the stronger the less transparent."""
    from PIL.Image import Resampling, fromarray

    scale = _FACE_PX / max(crop.shape[:2])
    size = (round(crop.shape[1] * scale), round(crop.shape[0] * scale))
    grey = np.asarray(fromarray(crop).convert("L").resize(size, Resampling.BICUBIC), np.float64)
    smooth = fromarray(share.astype(np.float32)).resize(size, Resampling.BICUBIC)
    shown = np.clip(np.asarray(smooth, np.float64), -1, 1)
    opacity = _STRONGEST * np.abs(shown)[..., None]
    mixed = (1 - opacity) * grey[..., None] + opacity * _colours(shown)
    return fromarray(np.rint(mixed).astype(np.uint8))


def _colours(share: Floats) -> Floats:
    """(...) from -1 to 1 -> (..., 3) sRGB; 0 is white."""
    stops = np.linspace(0, 1, 4)
    sides = []
    for side in (_BELOW, _ABOVE):
        ramp = np.array([(255, 255, 255), *side], np.float64)
        sides.append(np.stack([np.interp(np.abs(share), stops, ramp[:, c]) for c in range(3)], axis=-1))
    return np.where(share[..., None] > 0, sides[1], sides[0])
