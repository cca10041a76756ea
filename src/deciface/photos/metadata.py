"""What is read from a photo's metadata before all of it is dropped: orientation and capture date."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from PIL import ExifTags, Image

_ORIENTATION = 0x0112
_EXIF_IFD = 0x8769
_GPS_IFD = 0x8825
_DATE_TIME_ORIGINAL = 0x9003
_PRIVATE_TAGS = {
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
    0x02BC,  # XMP
    0x83BB,  # IPTC
    0x8649,  # Photoshop
    _EXIF_IFD,
    _GPS_IFD,
}
_PRIVATE_INFO = ("exif", "xmp", "XML:com.adobe.xmp", "comment", "photoshop", "Raw profile type exif")

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation (CIPA DC-008, tag 0x0112) to what turns the picture upright."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What was found: orientation 1 to 8, capture date, and whether there was anything private."""

    orientation: int = 1
    captured: dt.datetime | None = None
    private: bool = False
    location: bool = False
    damaged: bool = False


def orientation_of(image: Image.Image) -> int:
    """EXIF orientation 1 to 8; 1 when absent, damaged or not allowed."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - the parser raises anything on damaged EXIF; the picture is still good
        return 1
    return value if isinstance(value, int) and value in TURNS else 1


def _date(value: object) -> dt.datetime | None:
    """Parse ``YYYY:MM:DD HH:MM:SS``; cameras without a set clock write zeros or blanks, which are no date."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if not isinstance(value, str):
        return None
    try:
        return dt.datetime.strptime(value.strip("\0 ")[:19], "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None


def metadata_of(image: Image.Image) -> Metadata:
    """Read orientation, capture date and the presence of private entries from a loaded image.

    EXIF that cannot be parsed is reported as damaged, never raised: the pixels do not depend on it.
    """
    private = any(image.info.get(key) for key in _PRIVATE_INFO) or bool(getattr(image, "text", None))
    try:
        exif = image.getexif()
        return Metadata(
            orientation=orientation_of(image),
            captured=_date(exif.get_ifd(_EXIF_IFD).get(_DATE_TIME_ORIGINAL)),
            private=private or any(tag in exif for tag in _PRIVATE_TAGS),
            location=bool(exif.get_ifd(_GPS_IFD)),
        )
    except Exception:  # noqa: BLE001 - the parser raises anything on damaged EXIF; the picture is still good
        return Metadata(private=True, damaged=True)
