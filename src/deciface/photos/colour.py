"""Any of the decoders' colour modes to 8-bit sRGB."""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image, ImageCms

from deciface.errors import PhotoError

MID_GREY = 128
"""What shows through transparent parts: neither a black nor a white edge that a detector could take for hair."""

_MAX_PROFILE_BYTES = 4 * 1024 * 1024
_SIXTEEN = {"I;16", "I;16B", "I;16L", "I;16N"}
_WITH_ALPHA = {"LA", "La", "RGBA", "RGBa", "PA"}
_INVISIBLE_LEVELS = 1


@functools.lru_cache(maxsize=16)
def _to_srgb(profile: bytes, mode: str) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """Name and transform of an ICC profile for a mode; no transform when it would change nothing visible.

    Raises `ImageCms.PyCMSError` or `OSError` for a damaged profile or one for other channels.
    """
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    described = ImageCms.getProfileDescription(source)
    name = "".join(c for c in described if c.isprintable()).strip()[:60] or "without a name"
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    if mode == "CMYK":
        return name, transform
    steps = np.linspace(0, 255, 17).round().astype(np.uint8)
    if mode == "L":
        before = Image.fromarray(steps[None])
    else:
        before = Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(17, -1, 3))
    after = ImageCms.applyTransform(before, transform)
    changed = np.abs(np.asarray(before.convert("RGB"), np.int16) - np.asarray(after, np.int16)).max()
    return name, transform if changed > _INVISIBLE_LEVELS else None


def _converted(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, list[str]]:
    """Turn an L, RGB or CMYK image into RGB, through its ICC profile when it has a usable one."""
    notes = ["converted from CMYK"] if image.mode == "CMYK" else []
    if profile:
        try:
            if len(profile) > _MAX_PROFILE_BYTES:
                raise OSError("too large")
            name, transform = _to_srgb(profile, image.mode)
        except (ImageCms.PyCMSError, OSError):
            return image.convert("RGB"), [*notes, "unusable colour profile ignored; taken as sRGB"]
        if transform is not None:
            converted = Image.new("RGB", image.size)
            transform.apply(image, converted)
            return converted, [*notes, f"colour profile '{name}' converted to sRGB"]
    return image if image.mode == "RGB" else image.convert("RGB"), notes


def _eight_bits(image: Image.Image, *, bits: int, white_is_zero: bool) -> Image.Image:
    """Reduce 16-bit (or unpacked 12-bit) grey to 8 by its high bits, as the decoders do for 16-bit colour."""
    values = np.asarray(image).astype(np.uint16, copy=False) >> (min(max(bits, 9), 16) - 8)
    grey = np.minimum(values, 255).astype(np.uint8)
    return Image.fromarray(255 - grey if white_is_zero else grey)


def srgb(image: Image.Image, *, bits: int = 8, white_is_zero: bool = False) -> tuple[Image.Image, list[str]]:
    """Convert a loaded image to mode RGB in sRGB.

    Parameters
    ----------
    image
        Loaded, in any mode.
    bits
        Per channel in the file; only asked for 16-bit grey, which the decoder leaves as it is.
    white_is_zero
        For 16-bit grey of a TIFF with photometric interpretation 0; the decoder inverts the others itself.

    Returns
    -------
    Image
        Mode RGB, 8 bits.
    list of str
        What was changed, one sentence each.

    Raises
    ------
    PhotoError
        For 32-bit or floating-point pixels, whose black and white cannot be known. No subject in the message.

    Notes
    -----
    ICC profiles go through LittleCMS with the perceptual intent. PNG's gAMA and cHRM chunks are not used, as in
    web browsers when a profile or an sRGB chunk is there. CMYK without a profile is taken as Adobe writes it.
    """
    profile = image.info.get("icc_profile")
    if image.mode in _SIXTEEN:
        image = _eight_bits(image, bits=bits, white_is_zero=white_is_zero)
    elif image.mode in {"I", "F", "HSV"}:
        raise PhotoError(
            f"has pixels of an unusual kind ({image.mode}: 32 bits or floating point); "
            "allowed are 8 or 16 bits per channel: export it as 8-bit PNG or JPEG"
        )
    transparent = image.mode in _WITH_ALPHA or ("transparency" in image.info and bits <= 8)
    if transparent:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        coloured, notes = _converted(image.convert("RGB"), profile)
        if alpha.getextrema()[0] == 255:
            return coloured, notes
        backdrop = Image.new("RGB", image.size, (MID_GREY, MID_GREY, MID_GREY))
        backdrop.paste(coloured, mask=alpha)
        return backdrop, [*notes, "transparent parts laid over mid grey"]
    if image.mode not in {"L", "RGB", "CMYK"}:
        image = image.convert("L" if image.mode == "1" else "RGB")
    return _converted(image, profile)
