"""What a decoded photo is, and how large one may be."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class DecodedPhoto:
    """A photo as pixels, with nothing of its file's metadata but the capture date.

    Parameters
    ----------
    pixels
        (h, w, 3) uint8, sRGB, upright, C-contiguous, read-only.
    pixel_sha256
        Of shape and pixels (see `pixel_sha256`): the same picture saved twice without loss has one hash.
    file_sha256
        Of the bytes that were read.
    format
        ``JPEG``, ``PNG``, ``WebP``, ``TIFF``, ``BMP`` or ``HEIC``, by content, not by name.
    captured
        EXIF DateTimeOriginal, the camera's wall clock without a time zone; None when absent or not a date.
        The dates of digitising and of the last change are not used: for a scanned print they are years too late.
    notes
        What was changed on the way, one sentence each.
    """

    pixels: NDArray[np.uint8]
    pixel_sha256: str
    file_sha256: str
    format: str
    captured: dt.datetime | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PhotoLimits:
    """What is refused before anything is decoded.

    Parameters
    ----------
    max_bytes
        File size. 64 MiB holds a 60-megapixel camera's best JPEG and a 20-megapixel uncompressed TIFF.
    max_pixels
        Width x height. 64 million covers today's largest full-frame sensors (9504 x 6336 = 60.2 million); at
        the 4 bytes per pixel in which images are decoded that is 256 MB, so a server can afford one per worker.
    min_side_px
        Shorter side. A face narrower than 32 px has no landmark that can be placed; icons and tracking pixels go.
    """

    max_bytes: int = 64 * 1024 * 1024
    max_pixels: int = 64_000_000
    min_side_px: int = 32


DEFAULT_LIMITS = PhotoLimits()


def pixel_sha256(pixels: NDArray[np.uint8]) -> str:
    """Hash a picture by what it shows: shape and pixels, not file format or metadata.

    Parameters
    ----------
    pixels
        (h, w, 3) uint8.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    ValueError
        When the array is not (h, w, 3) uint8.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"pixels are {pixels.shape} {pixels.dtype}; (h, w, 3) uint8 is needed")
    digest = hashlib.sha256(f"deciface pixels {pixels.shape[0]}x{pixels.shape[1]}x3 uint8\n".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()
