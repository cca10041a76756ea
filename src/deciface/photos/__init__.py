"""Photos: decoded safely, upright, in sRGB, without metadata; written without any; found in folders."""

from deciface.photos.decoded import DEFAULT_LIMITS, DecodedPhoto, PhotoLimits, pixel_sha256
from deciface.photos.folders import find_photos
from deciface.photos.reading import read_photo
from deciface.photos.writing import write_photo

__all__ = [
    "DEFAULT_LIMITS",
    "DecodedPhoto",
    "PhotoLimits",
    "find_photos",
    "pixel_sha256",
    "read_photo",
    "write_photo",
]
