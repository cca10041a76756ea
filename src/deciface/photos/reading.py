"""Decode one photo safely: whatever the bytes are, the answer is a `DecodedPhoto` or a `PhotoError`."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

from deciface.errors import PhotoError
from deciface.photos.colour import srgb
from deciface.photos.containers import MAX_SCANS, SUFFIXES, Container, container_of, jpeg_scans, webp_size
from deciface.photos.decoded import DEFAULT_LIMITS, DecodedPhoto, PhotoLimits, pixel_sha256
from deciface.photos.metadata import TURNS, Metadata, metadata_of, orientation_of
from deciface.photos.quiet import quiet, silence_libtiff

_TIFF_COMPRESSIONS = {"raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "jpeg"}
_NEW_SUBFILE_TYPE, _BITS_PER_SAMPLE, _PHOTOMETRIC, _TILE_WIDTH, _TILE_LENGTH, _DNG_VERSION = (
    254,
    258,
    262,
    322,
    323,
    50706,
)
_MAX_TIFF_PAGES_LOOKED_AT = 8


def read_photo(source: Path | bytes, *, name: str = "", limits: PhotoLimits = DEFAULT_LIMITS) -> DecodedPhoto:
    """Decode a photo: upright, 8-bit sRGB, all metadata dropped once the capture date is read.

    The format is told from the content, never from the name. Sizes are checked in the header, before anything is
    decoded, and each file is given to the one decoder of its format only.

    Parameters
    ----------
    source
        A file, or its content.
    name
        What messages call it; the file's own name when left out.
    limits
        Largest file and picture, smallest picture.

    Raises
    ------
    PhotoError
        Missing, empty, no image, too large, too small, animated, several pages, damaged, cut off, or HEIC without
        the package that reads it. One line: what was given, what is allowed, what to do.
    """
    label = name or (source.name if isinstance(source, Path) else "") or "the photo"
    try:
        data = source if isinstance(source, bytes) else _content(source, limits)
        if len(data) > limits.max_bytes:
            raise PhotoError(_too_many_bytes(len(data), limits))
        container = container_of(data)
        with quiet():
            image, found, notes = _decode(data, container, limits)
    except PhotoError as error:
        raise PhotoError(f"{label} {error}") from error.__cause__
    except Image.DecompressionBombError as error:
        raise PhotoError(
            f"{label} has far too many pixels; at most {limits.max_pixels / 1e6:g} megapixels are read: make it smaller"
        ) from error
    except MemoryError as error:
        raise PhotoError(f"{label} does not fit into this machine's memory; make the photo smaller") from error
    # decoders raise anything on damaged files, so nothing narrower will do here
    except Exception as error:
        reason = re.sub(r"<[^>]*>", "the file", str(error).partition("\n")[0])[:100] or type(error).__name__
        raise PhotoError(
            f"{label} is damaged or cut off ({container}: {reason}); copy the original again or save it anew"
        ) from error
    pixels = np.asarray(image)
    pixels.flags.writeable = False
    suffix = Path(label).suffix.lower()
    if SUFFIXES.get(suffix, container) != container:
        notes.append(f"the file is a {container} though its name ends in {suffix}")
    return DecodedPhoto(
        pixels=pixels,
        pixel_sha256=pixel_sha256(pixels),
        file_sha256=hashlib.sha256(data).hexdigest(),
        format=str(container),
        captured=found.captured,
        notes=tuple(notes),
    )


def _content(path: Path, limits: PhotoLimits) -> bytes:
    """Read a regular file, never more than one byte over the limit."""
    try:
        if path.is_dir():
            raise PhotoError("is a folder; give a photo, or use a command that takes folders")
        if not path.is_file():
            raise PhotoError(
                "is not a regular file; give a photo" if path.exists() else "does not exist; check the path"
            )
        size = path.stat().st_size
        if size > limits.max_bytes:
            raise PhotoError(_too_many_bytes(size, limits))
        with path.open("rb") as file:
            return file.read(limits.max_bytes + 1)
    except OSError as error:
        raise PhotoError(f"cannot be opened ({error.strerror or error}); check the path and your rights") from error


def _too_many_bytes(size: int, limits: PhotoLimits) -> str:
    return (
        f"has {size / 2**20:.1f} MiB; at most {limits.max_bytes / 2**20:g} MiB are read: "
        "save it as JPEG or make it smaller"
    )


def _check_size(width: int, height: int, *, limits: PhotoLimits) -> None:
    if width * height > limits.max_pixels:
        raise PhotoError(
            f"is {width} x {height} pixels ({width * height / 1e6:.1f} megapixels); "
            f"at most {limits.max_pixels / 1e6:g} megapixels are read: make it smaller"
        )
    if min(width, height) < limits.min_side_px:
        raise PhotoError(
            f"is {width} x {height} pixels; at least {limits.min_side_px} on each side are needed: give a larger photo"
        )


def _open(data: bytes, container: Container, limits: PhotoLimits) -> Image.Image:
    """Read the header with the one decoder of this format."""
    if container is Container.WEBP:
        size = webp_size(data)
        if size is None:
            raise PhotoError("is damaged or cut off (WebP: no picture in it); copy the original again or save it anew")
        _check_size(*size, limits=limits)
    if container is Container.JPEG and (scans := jpeg_scans(data)) > MAX_SCANS:
        raise PhotoError(f"is a JPEG of {scans} passes, made to keep decoders busy; at most {MAX_SCANS} are allowed")
    if container is Container.HEIC:
        try:
            import pillow_heif
        except ImportError as error:
            raise PhotoError(
                "is a HEIC photo, which needs an extra package: run `pip install 'deciface[heic]'` or save it as JPEG"
            ) from error
        image: Image.Image = pillow_heif.HeifImageFile(io.BytesIO(data))  # type: ignore[no-untyped-call]
        return image
    return Image.open(io.BytesIO(data), formats=[container.upper()])


def _decode(data: bytes, container: Container, limits: PhotoLimits) -> tuple[Image.Image, Metadata, list[str]]:
    """Header, checks, pixels, orientation, colour."""
    image = _open(data, container, limits)
    _check_size(*image.size, limits=limits)
    bits, white_is_zero = 8, False
    notes: list[str] = []
    if container is Container.TIFF:
        silence_libtiff()
        bits, white_is_zero = _check_tiff(image, limits)
    elif container is Container.PNG:
        bits = data[24]
    elif container is Container.HEIC:
        bits = int(image.info.get("bit_depth", 8))
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and container in {Container.PNG, Container.WEBP}:
        raise PhotoError(f"is an animated {container} of {frames} pictures; save one still picture as JPEG or PNG")
    if frames > 1 and container in {Container.JPEG, Container.HEIC}:
        notes.append(f"the main picture of the {frames} in the file was used")
    turned = container is not Container.HEIC and orientation_of(image) != 1
    image.load()
    _check_size(*image.size, limits=limits)
    found = metadata_of(image)
    # the TIFF decoder turns the picture itself and then forgets the tag; HEIC is turned by its own boxes, not by EXIF
    if container is not Container.HEIC and found.orientation != 1:
        turned = True
    upright = image
    if container is not Container.HEIC and found.orientation in TURNS:
        upright = image.transpose(TURNS[found.orientation])
        upright.info = image.info
    coloured, colour_notes = srgb(upright, bits=bits, white_is_zero=white_is_zero)
    if turned:
        notes.append("turned upright by its EXIF orientation")
    if bits > 8:
        notes.append(f"{bits} bits per channel reduced to 8")
    notes += colour_notes
    if found.damaged:
        notes.append("its EXIF data is damaged and was ignored: check that the photo is upright")
    if found.location:
        notes.append("location and other metadata removed")
    elif found.private:
        notes.append("metadata removed")
    return coloured, found, notes


def _check_tiff(image: Image.Image, limits: PhotoLimits) -> tuple[int, bool]:
    """Refuse raw files, odd compressions, oversized tiles and several pages; return bits and white-is-zero."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    if _DNG_VERSION in tags or int(tags.get(_NEW_SUBFILE_TYPE, 0)) & 1:
        raise PhotoError("is a camera raw file or holds only a preview; export it as JPEG, PNG or TIFF")
    compression = image.info.get("compression", "raw")
    if compression not in _TIFF_COMPRESSIONS:
        raise PhotoError(
            f"is a TIFF compressed by '{compression}'; allowed are none, LZW, deflate, PackBits, JPEG: save it as PNG"
        )
    if int(tags.get(_TILE_WIDTH, 1)) * int(tags.get(_TILE_LENGTH, 1)) > limits.max_pixels:
        raise PhotoError("is a TIFF with tiles larger than any photo read here; save it as PNG")
    bits = max((int(b) for b in tags.get(_BITS_PER_SAMPLE, (8,))), default=8)
    white_is_zero = int(tags.get(_PHOTOMETRIC, 1)) == 0
    pages = 1
    for page in range(1, _MAX_TIFF_PAGES_LOOKED_AT + 1):
        try:
            image.seek(page)
        except EOFError:
            break
        preview = int(image.tag_v2.get(_NEW_SUBFILE_TYPE, 0)) & 1  # type: ignore[attr-defined]
        pages += not preview
    image.seek(0)
    if pages > 1:
        raise PhotoError(f"is a TIFF of {pages} pages; give one photo per file: save the page you mean as PNG or JPEG")
    return bits, white_is_zero
