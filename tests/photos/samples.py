"""Small pictures of every kind, made in memory."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pillow_heif
from PIL import Image

HEIGHT, WIDTH = 36, 48


def scene(*, height=HEIGHT, width=WIDTH):
    """A smooth picture without any symmetry, (h, w, 3) uint8: lossy formats keep it nearly as it is."""
    y, x = np.mgrid[0:height, 0:width]
    red = 40 + 170 * x / width
    green = 30 + 150 * y / height
    blue = 60 + 60 * (x / width) ** 2 + 70 * (y / height)
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def encoded(image, format_, **options):
    """A Pillow image, or pixels, as the bytes of a file."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    if format_ == "HEIC":
        buffer = io.BytesIO()
        pillow_heif.from_pillow(image).save(buffer, **options)
        return buffer.getvalue()
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def sixteen_bit(values, suffix):
    """uint16 RGB(A) or grey as PNG or TIFF."""
    if values.ndim == 3:
        values = values[..., [2, 1, 0, *range(3, values.shape[2])]]
    ok, data = cv2.imencode(suffix, values)
    assert ok
    return data.tobytes()


def tiff(pages, *, order="<"):
    """A TIFF by hand: `pages` are (pixel bytes, {tag: (type, values)}); strips and IFDs are laid out in turn."""
    sizes = {3: "H", 4: "I"}
    out = bytearray((b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 0))
    link = 4
    for data, tags in pages:
        tags = {**tags, 273: (4, [len(out)]), 279: (4, [len(data)])}
        out += data + b"\0" * (len(data) % 2)
        entries = []
        for tag, (kind, values) in sorted(tags.items()):
            packed = struct.pack(f"{order}{len(values)}{sizes[kind]}", *values)
            if len(packed) > 4:
                where = len(out)
                out += packed + b"\0" * (len(packed) % 2)
                packed = struct.pack(order + "I", where)
            entries.append(struct.pack(order + "HHI", tag, kind, len(values)) + packed.ljust(4, b"\0"))
        struct.pack_into(order + "I", out, link, len(out))
        out += struct.pack(order + "H", len(entries)) + b"".join(entries)
        link = len(out)
        out += struct.pack(order + "I", 0)
    return bytes(out)


def tiff_tags(*, width=WIDTH, height=HEIGHT, bits=8, photometric=1, **more):
    """The tags of an uncompressed grey page; `more` as t254=1."""
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 277: 1, 278: height}
    tags |= {int(name[1:]): value for name, value in more.items()}
    return {tag: (4 if tag in {256, 257, 278, 322, 323} else 3, [value]) for tag, value in tags.items()}


def png(width, height, rows, *, bits=8, colour_type=0, before=b""):
    """A PNG by hand: `rows` are the raw filtered rows."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + before
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


def exif(*, orientation=None, taken=None, digitised=None, location=False):
    """EXIF as Pillow writes it."""
    tags = Image.Exif()
    if orientation is not None:
        tags[0x0112] = orientation
    if taken is not None:
        tags.get_ifd(0x8769)[0x9003] = taken
    if digitised is not None:
        tags.get_ifd(0x8769)[0x9004] = digitised
    if location:
        tags.get_ifd(0x8825)[1] = "N"
        tags.get_ifd(0x8825)[2] = (25.0, 2.0, 30.0)
    return tags


def rgb_profile(red, green, blue, *, gamma=2.2, name="test profile"):
    """An ICC v2 matrix profile by hand, from the XYZ (D50) of its primaries."""

    def s15(value):
        return struct.pack(">i", round(value * 65536))

    def xyz(triple):
        return b"XYZ \0\0\0\0" + b"".join(s15(v) for v in triple)

    text = name.encode() + b"\0"
    desc = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * (4 + 4 + 2 + 1 + 67)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    parts = {b"desc": desc, b"wtpt": xyz((0.9642, 1.0, 0.8249)), b"rXYZ": xyz(red), b"gXYZ": xyz(green)}
    parts |= {b"bXYZ": xyz(blue), b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    at = 128 + 4 + 12 * len(parts)
    table, body = struct.pack(">I", len(parts)), b""
    for tag, data in parts.items():
        data += b"\0" * (-len(data) % 4)
        table += tag + struct.pack(">II", at + len(body), len(data))
        body += data
    header = struct.pack(">I4sI4s4s4s", 128 + len(table) + len(body), b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    header += b"\0" * 12 + b"acsp" + b"\0" * 28 + s15(0.9642) + s15(1.0) + s15(0.8249)
    return header.ljust(128, b"\0") + table + body


SRGB_PRIMARIES = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))


def of_every_format():
    """Name to bytes: every container in several colour modes, with and without metadata."""
    picture = Image.fromarray(scene())
    deep = scene().astype(np.uint16) * 257
    return {
        "jpeg": encoded(
            picture, "JPEG", quality=90, exif=exif(orientation=6, taken="2020:01:02 03:04:05", location=True)
        ),
        "jpeg-progressive": encoded(picture, "JPEG", progressive=True),
        "jpeg-grey": encoded(picture.convert("L"), "JPEG"),
        "jpeg-cmyk": encoded(picture.convert("CMYK"), "JPEG", icc_profile=b"\0" * 200),
        "jpeg-profile": encoded(picture, "JPEG", icc_profile=rgb_profile(*SRGB_PRIMARIES[::-1])),
        "png": encoded(picture, "PNG", exif=exif(orientation=3)),
        "png-alpha": encoded(picture.convert("RGBA"), "PNG"),
        "png-palette": encoded(picture.quantize(16), "PNG", transparency=3),
        "png-16": sixteen_bit(deep, ".png"),
        "png-grey-16": sixteen_bit(deep[..., 0], ".png"),
        "png-1": encoded(picture.convert("1"), "PNG"),
        "apng": encoded(picture, "PNG", save_all=True, append_images=[picture.transpose(0)]),
        "webp": encoded(picture, "WEBP", exif=exif(orientation=8)),
        "webp-lossless": encoded(picture.convert("RGBA"), "WEBP", lossless=True),
        "webp-animated": encoded(picture, "WEBP", save_all=True, append_images=[picture.transpose(0)]),
        "tiff": encoded(picture, "TIFF"),
        "tiff-lzw": encoded(picture, "TIFF", compression="tiff_lzw", exif=exif(orientation=5)),
        "tiff-deflate-16": sixteen_bit(deep, ".tiff"),
        "tiff-jpeg": encoded(picture, "TIFF", compression="jpeg"),
        "tiff-cmyk": encoded(picture.convert("CMYK"), "TIFF"),
        "tiff-pages": encoded(picture, "TIFF", save_all=True, append_images=[picture]),
        "bmp": encoded(picture, "BMP"),
        "bmp-palette": encoded(picture.quantize(16), "BMP"),
        "heic": encoded(picture, "HEIC", exif=exif(taken="2021:02:03 04:05:06").tobytes()),
        "gif": encoded(picture, "GIF"),
    }
