"""Which image format a file is, by its first bytes; and what can be refused from the bytes alone."""

from __future__ import annotations

import re
from enum import StrEnum

from deciface.errors import PhotoError

ACCEPTED = "JPEG, PNG, WebP, TIFF, BMP or HEIC"
SUFFIXES = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".webp": "WebP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".dib": "BMP",
    ".heic": "HEIC",
    ".heif": "HEIC",
}
HEAD_BYTES = 160
"""As many first bytes as `container_of` looks at."""

MAX_SCANS = 50
"""A progressive JPEG has about 10 passes over the picture. Each costs time by its area, not by its bytes."""


class Container(StrEnum):
    """The formats that are read; the value is the name shown."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WebP"
    TIFF = "TIFF"
    BMP = "BMP"
    HEIC = "HEIC"


_BMP_HEADER_SIZES = {12, 40, 52, 56, 64, 108, 124}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1"}
_HEIC_SEQUENCE_BRANDS = {b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"}
_REFUSED: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"GIF8", "a GIF, possibly animated", "save one still picture as JPEG or PNG"),
    (0, b"%PDF", "a PDF document", "save the photo in it as JPEG or PNG"),
    (128, b"DICM", "a DICOM file", "export the photo as JPEG, PNG or TIFF"),
    (0, b"PK\x03\x04", "a ZIP archive or office document", "unpack it and give the photo itself"),
    (0, b"8BPS", "a Photoshop document", "export it as JPEG, PNG or TIFF"),
    (0, b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 file", "convert it to JPEG, PNG or TIFF"),
    (0, b"\x00\x00\x00\x0cJXL ", "a JPEG XL file", "convert it to JPEG, PNG or TIFF"),
    (0, b"\xff\x0a", "a JPEG XL file", "convert it to JPEG, PNG or TIFF"),
    (8, b"CR\x02", "a camera raw file", "export it as JPEG, PNG or TIFF"),
    (0, b"FUJIFILM", "a camera raw file", "export it as JPEG, PNG or TIFF"),
    (4, b"ftypcrx", "a camera raw file", "export it as JPEG, PNG or TIFF"),
    (4, b"ftypavi", "an AVIF file", "convert it to JPEG, PNG or TIFF"),
)


def _heif_kind(head: bytes) -> Container | None:
    """Tell still HEIC from AVIF and from image sequences by the brands of the ``ftyp`` box (ISO 23008-12)."""
    if head[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(head[:4], "big"), len(head))
    major = head[8:12]
    compatible = {head[at : at + 4] for at in range(16, end - 3, 4)}
    if major in _HEIC_SEQUENCE_BRANDS:
        raise PhotoError("is a HEIC sequence, that is, animated; save one still picture as JPEG or PNG")
    if major in _HEIC_BRANDS and not (major == b"mif1" and b"avif" in compatible):
        return Container.HEIC
    what = "an AVIF file" if b"avif" in compatible else "a video"
    raise PhotoError(f"is {what}; allowed are {ACCEPTED}: save a still picture in one of them")


def container_of(head: bytes) -> Container:
    """Tell the format from the first bytes; the file's name does not matter.

    Parameters
    ----------
    head
        The first `HEAD_BYTES` bytes or more.

    Raises
    ------
    PhotoError
        When it is no accepted format. The message has no subject: the caller puts the file's name before it.
    """
    if not head:
        raise PhotoError(f"is empty (0 bytes); give a {ACCEPTED} photo, or copy the file again")
    for at, magic, what, advice in _REFUSED:
        if head[at : at + len(magic)] == magic:
            raise PhotoError(f"is {what}; allowed are {ACCEPTED}: {advice}")
    if head[:3] == b"\xff\xd8\xff":
        return Container.JPEG
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return Container.PNG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Container.WEBP
    if head[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
        return Container.TIFF
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return Container.BMP
    heic = _heif_kind(head)
    if heic:
        return heic
    raise PhotoError(f"is not a photo (its content is no image format known here); allowed are {ACCEPTED}")


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Canvas width and height in px from a WebP's header (RFC 9649), or None when it cannot be read.

    The decoder reserves the canvas as soon as it opens the file, so this is looked at before.
    """
    chunk, body = data[12:16], data[20:30]
    if len(body) < 10:
        return None
    if chunk == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if chunk == b"VP8L" and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    return None


_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def jpeg_scans(data: bytes) -> int:
    """Count the passes (SOS segments) of a JPEG up to its end marker, without decoding (ITU-T T.81, B.1).

    Complexity: one search over the bytes, less than a millisecond per megabyte.
    """
    scans, at = 0, 2
    while True:
        found = _NEXT_MARKER.search(data, at)
        if found is None:
            return scans
        marker, at = data[found.start() + 1], found.end()
        if marker == 0xD9:
            return scans
        if marker == 0xD8 or marker == 0x01:
            continue
        scans += marker == 0xDA
        at += max(int.from_bytes(data[at : at + 2], "big"), 2)
