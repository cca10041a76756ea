"""Write pixels as a photo without any metadata, whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deciface.errors import OptionError
from deciface.photos.containers import Container
from deciface.photos.decoded import pixel_sha256
from deciface.whole_files import write_whole

_FORMATS = {".jpg": Container.JPEG, ".jpeg": Container.JPEG, ".png": Container.PNG, ".webp": Container.WEBP}
_FULL_COLOUR_QUALITY = 90


def write_photo(pixels: NDArray[np.uint8], path: Path, *, quality: int = 95) -> str:
    """Write an sRGB picture as JPEG, PNG or WebP, by the suffix, without metadata.

    The file appears whole or not at all: it is written under a temporary name in the same folder, then renamed.

    Parameters
    ----------
    pixels
        (h, w, 3) RGB or (h, w) grey, uint8.
    path
        Ends in .jpg, .jpeg, .png or .webp; its folder exists.
    quality
        1 to 100 for JPEG and WebP; at 90 and above JPEG keeps colour at full resolution. PNG is always exact.

    Returns
    -------
    str
        `pixel_sha256` of what `read_photo` will give back: with JPEG and WebP those are not the pixels given.

    Raises
    ------
    OptionError
        Another suffix, or a quality out of range.
    ValueError
        Pixels of another shape or type.
    StorageError
        The file cannot be written: no such folder, no right, disk full.
    """
    container = _FORMATS.get(path.suffix.lower())
    if container is None:
        raise OptionError(
            f"'{path.name}' ends in '{path.suffix}'; allowed are {', '.join(_FORMATS)}: choose one of them"
        )
    if not 1 <= quality <= 100:
        raise OptionError(f"quality is {quality}; allowed is 1 to 100")
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise ValueError(f"pixels are {pixels.shape} {pixels.dtype}; (h, w, 3) or (h, w) uint8 is needed")
    encoded = _encode(pixels, container, quality)
    write_whole(path, encoded)
    with Image.open(io.BytesIO(encoded), formats=[container.upper()]) as image:
        return pixel_sha256(np.asarray(image.convert("RGB")))


def _encode(pixels: NDArray[np.uint8], container: Container, quality: int) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    if container is Container.PNG:
        image.save(buffer, "PNG")
    elif container is Container.JPEG:
        image.save(buffer, "JPEG", quality=quality, subsampling="4:4:4" if quality >= _FULL_COLOUR_QUALITY else "4:2:0")
    else:
        image.save(buffer, "WEBP", quality=quality)
    return buffer.getvalue()
