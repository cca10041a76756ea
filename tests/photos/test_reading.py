"""Decoding: what comes out of every format, and one clear line for everything that is refused."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import struct
import sys
import threading
import time
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deciface.errors import PhotoError
from deciface.photos import PhotoLimits, pixel_sha256, read_photo, reading
from tests.photos.samples import (
    HEIGHT,
    SRGB_PRIMARIES,
    WIDTH,
    encoded,
    exif,
    png,
    rgb_profile,
    scene,
    sixteen_bit,
    tiff,
    tiff_tags,
)

LOSSLESS = [("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("BMP", {}), ("WEBP", {"lossless": True})]

# CIPA DC-008: which row and column of the scene the stored first row and column are; what undoes that
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


def refusal(data, **options):
    with pytest.raises(PhotoError) as caught:
        read_photo(data, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(("format_", "options"), LOSSLESS)
def test_lossless_formats_give_back_the_pixels(format_, options):
    photo = read_photo(encoded(scene(), format_, **options))
    np.testing.assert_array_equal(photo.pixels, scene())
    assert photo.format.upper() == format_
    assert photo.notes == ()
    assert photo.captured is None


@pytest.mark.parametrize("format_", ["JPEG", "WEBP", "HEIC"])
def test_lossy_formats_come_close(format_):
    photo = read_photo(encoded(scene(), format_, quality=95))
    assert np.abs(photo.pixels.astype(int) - scene()).mean() < 3
    assert photo.pixels.shape == (HEIGHT, WIDTH, 3)


def test_pixels_are_contiguous_read_only_and_hashed():
    data = encoded(scene(), "PNG")
    photo = read_photo(data)
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.flags.c_contiguous
    assert not photo.pixels.flags.writeable
    assert photo.file_sha256 == hashlib.sha256(data).hexdigest()
    assert photo.pixel_sha256 == pixel_sha256(scene())


def test_the_same_picture_saved_twice_has_one_pixel_hash():
    first, second = read_photo(encoded(scene(), "PNG")), read_photo(encoded(scene(), "BMP"))
    assert first.pixel_sha256 == second.pixel_sha256
    assert first.file_sha256 != second.file_sha256


@settings(max_examples=30, deadline=None)
@given(st.integers(32, 50), st.integers(32, 50), st.integers(0, 2**32 - 1))
def test_png_round_trip(height, width, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    np.testing.assert_array_equal(read_photo(encoded(pixels, "PNG")).pixels, pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("format_", "options"), [o for o in LOSSLESS if o[0] != "BMP"])
def test_all_eight_orientations_are_turned_upright(orientation, format_, options):
    photo = read_photo(encoded(scene(), format_, exif=exif(orientation=orientation), **options))
    np.testing.assert_array_equal(photo.pixels, UPRIGHT[orientation](scene()))
    assert photo.pixels.flags.c_contiguous
    assert ("turned upright by its EXIF orientation" in photo.notes) == (orientation != 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_orientations(orientation):
    photo = read_photo(encoded(scene(), "JPEG", quality=95, exif=exif(orientation=orientation)))
    assert np.abs(photo.pixels.astype(int) - UPRIGHT[orientation](scene())).mean() < 3


def test_an_orientation_that_does_not_exist_changes_nothing():
    photo = read_photo(encoded(scene(), "PNG", exif=exif(orientation=9)))
    np.testing.assert_array_equal(photo.pixels, scene())


def test_capture_date_and_location():
    data = encoded(scene(), "JPEG", exif=exif(taken="2019:07:06 05:04:03", location=True))
    photo = read_photo(data)
    assert photo.captured == dt.datetime(2019, 7, 6, 5, 4, 3)
    assert photo.notes == ("location and other metadata removed",)


def test_heic_capture_date():
    photo = read_photo(encoded(scene(), "HEIC", exif=exif(taken="2021:02:03 04:05:06").tobytes()))
    assert photo.captured == dt.datetime(2021, 2, 3, 4, 5, 6)
    assert photo.format == "HEIC"


@pytest.mark.parametrize(
    "taken", ["0000:00:00 00:00:00", "    :  :     :  :  ", "yesterday", "2019:13:40 99:00:00", ""]
)
def test_a_camera_without_a_set_clock_has_no_capture_date(taken):
    assert read_photo(encoded(scene(), "JPEG", exif=exif(taken=taken))).captured is None


def test_the_date_of_scanning_a_print_is_not_the_capture_date():
    assert read_photo(encoded(scene(), "JPEG", exif=exif(digitised="2019:07:06 05:04:03"))).captured is None


def test_damaged_exif_is_reported_and_does_not_cost_the_photo():
    data = encoded(scene(), "JPEG", exif=exif(taken="2019:07:06 05:04:03", orientation=6).tobytes()[:16])
    photo = read_photo(data)
    assert photo.pixels.shape == (HEIGHT, WIDTH, 3)
    assert any("removed" in note or "damaged" in note for note in photo.notes)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_keep_their_high_byte(suffix):
    deep = np.random.default_rng(1).integers(0, 65536, (HEIGHT, WIDTH, 3), dtype=np.uint16)
    photo = read_photo(sixteen_bit(deep, suffix))
    np.testing.assert_array_equal(photo.pixels, deep >> 8)
    assert photo.notes == ("16 bits per channel reduced to 8",)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bit_grey(suffix):
    deep = np.random.default_rng(2).integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
    photo = read_photo(sixteen_bit(deep, suffix))
    np.testing.assert_array_equal(photo.pixels, np.repeat((deep >> 8)[..., None], 3, axis=-1))


@pytest.mark.parametrize(("order", "white_is_zero"), [("<", False), ("<", True), (">", False)])
def test_sixteen_bit_grey_tiff_of_either_byte_order_and_polarity(order, white_is_zero):
    deep = np.random.default_rng(3).integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
    data = tiff(
        [(deep.astype(order + "u2").tobytes(), tiff_tags(bits=16, photometric=int(not white_is_zero)))], order=order
    )
    expected = (255 - (deep >> 8)) if white_is_zero else deep >> 8
    np.testing.assert_array_equal(read_photo(data).pixels[..., 0], expected)


def test_twelve_bit_grey_tiff():
    values = np.random.default_rng(4).integers(0, 4096, (HEIGHT, WIDTH), dtype=np.uint16)
    packed = bytearray()
    for a, b in values.reshape(-1, 2).tolist():
        packed += bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255])
    photo = read_photo(tiff([(bytes(packed), tiff_tags(bits=12))]))
    np.testing.assert_array_equal(photo.pixels[..., 1], values >> 4)
    assert photo.notes == ("12 bits per channel reduced to 8",)


def test_grey_and_one_bit():
    grey = scene()[..., 0]
    np.testing.assert_array_equal(read_photo(encoded(grey, "PNG")).pixels, np.repeat(grey[..., None], 3, axis=-1))
    checks = (np.indices((HEIGHT, WIDTH)).sum(axis=0) % 2).astype(bool)
    for format_ in ("PNG", "TIFF", "BMP"):
        photo = read_photo(encoded(Image.fromarray(checks), format_))
        np.testing.assert_array_equal(photo.pixels[..., 2], checks * 255)


def test_palette_without_transparency():
    quantised = Image.fromarray(scene()).quantize(64)
    np.testing.assert_array_equal(read_photo(encoded(quantised, "PNG")).pixels, np.asarray(quantised.convert("RGB")))


def test_transparent_parts_lie_over_mid_grey():
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha[:, : WIDTH // 2] = 255
    photo = read_photo(encoded(np.dstack([scene(), alpha]), "PNG"))
    np.testing.assert_array_equal(photo.pixels[:, : WIDTH // 2], scene()[:, : WIDTH // 2])
    assert (photo.pixels[:, WIDTH // 2 :] == 128).all()
    assert photo.notes == ("transparent parts laid over mid grey",)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_an_opaque_alpha_channel_is_not_worth_a_note(mode):
    image = Image.fromarray(scene()).convert(mode)
    photo = read_photo(encoded(image, "PNG"))
    np.testing.assert_array_equal(photo.pixels, np.asarray(image.convert("RGB")))
    assert photo.notes == ()


def test_palette_and_grey_with_a_transparent_colour():
    quantised = Image.fromarray(scene()).quantize(8)
    shown = read_photo(encoded(quantised, "PNG", transparency=5)).pixels
    assert (shown[np.asarray(quantised) == 5] == 128).all()
    grey = Image.fromarray(np.where(scene()[..., 0] > 100, 200, 90).astype(np.uint8))
    shown = read_photo(encoded(grey, "PNG", transparency=200)).pixels
    assert sorted(np.unique(shown)) == [90, 128]


def test_cmyk_jpeg_as_adobe_writes_it():
    photo = read_photo(encoded(Image.fromarray(scene()).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(photo.pixels.astype(int) - scene()).mean() < 4
    assert photo.notes == ("converted from CMYK",)


def test_a_colour_profile_is_applied():
    red, green, blue = SRGB_PRIMARIES
    flat = np.full((HEIGHT, WIDTH, 3), (200, 60, 90), np.uint8)
    photo = read_photo(encoded(flat, "PNG", icc_profile=rgb_profile(green, red, blue, name="red is green")))
    assert np.abs(photo.pixels.astype(int) - (60, 200, 90)).max() <= 6
    assert photo.notes == ("colour profile 'red is green' converted to sRGB",)


def test_a_profile_that_is_srgb_by_another_name_changes_no_pixel():
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = read_photo(encoded(scene(), "PNG", icc_profile=profile))
    np.testing.assert_array_equal(photo.pixels, scene())
    assert photo.notes == ()


@pytest.mark.parametrize("profile", [b"\0" * 300, b"not a profile", rgb_profile(*SRGB_PRIMARIES)[:200]])
def test_an_unusable_profile_is_ignored_and_said_so(profile):
    photo = read_photo(encoded(scene(), "PNG", icc_profile=profile))
    np.testing.assert_array_equal(photo.pixels, scene())
    assert photo.notes == ("unusable colour profile ignored; taken as sRGB",)


def test_a_profile_of_other_channels_is_ignored():
    grey = scene()[..., 0]
    photo = read_photo(encoded(grey, "PNG", icc_profile=rgb_profile(*SRGB_PRIMARIES)))
    np.testing.assert_array_equal(photo.pixels[..., 0], grey)
    assert photo.notes == ("unusable colour profile ignored; taken as sRGB",)


def test_the_content_decides_not_the_name(tmp_path):
    path = tmp_path / "portrait.jpg"
    path.write_bytes(encoded(scene(), "PNG"))
    photo = read_photo(path)
    assert photo.format == "PNG"
    assert photo.notes == ("the file is a PNG though its name ends in .jpg",)


def test_a_zip_behind_a_jpeg_is_ignored():
    jpeg = encoded(scene(), "JPEG")
    assert read_photo(jpeg + b"PK\x03\x04" + b"x" * 500).pixel_sha256 == read_photo(jpeg).pixel_sha256


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty (0 bytes); give a JPEG, PNG, WebP, TIFF, BMP or HEIC photo"),
        (b"hello, I am no photo at all", "is not a photo"),
        (b"BMX is a bicycle", "is not a photo"),
        (b"GIF89a" + b"\0" * 40, "is a GIF, possibly animated"),
        (b"%PDF-1.7", "is a PDF document"),
        (b"\0" * 128 + b"DICM" + b"\0" * 40, "is a DICOM file"),
        (b"\0\0\0\x1cftypisom\0\0\0\0isomiso2avc1", "is a video"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "is an AVIF file"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "is an AVIF file"),
        (b"\0\0\0\x18ftyphevc\0\0\0\0hevcmif1", "is a HEIC sequence, that is, animated"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a photo"),
        (b"II*\0\x10\0\0\0CR\x02\0", "is a camera raw file"),
    ],
)
def test_what_is_no_photo_is_named(data, said):
    assert refusal(data, name="IMG_1").startswith(f"IMG_1 {said}")


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "HEIC"])
@pytest.mark.parametrize("part", [0.3, 0.7, 0.95])
def test_a_cut_off_file_is_refused(format_, part):
    noise = np.random.default_rng(5).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(noise, format_)
    message = refusal(data[: int(len(data) * part)], name="cut.img")
    assert message.startswith("cut.img is damaged or cut off")
    assert "<" not in message
    assert "copy the original again" in message


def test_animations_are_refused():
    first = Image.fromarray(scene())
    second = first.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for format_, name in (("PNG", "PNG"), ("WEBP", "WebP")):
        data = encoded(first, format_, save_all=True, append_images=[second])
        assert f"is an animated {name} of 2 pictures; save one still picture" in refusal(data)
    assert "is a GIF, possibly animated" in refusal(encoded(first, "GIF", save_all=True, append_images=[second]))


def test_pages_of_a_tiff():
    page = np.full((HEIGHT, WIDTH), 90, np.uint8).tobytes()
    assert "is a TIFF of 2 pages; give one photo per file" in refusal(tiff([(page, tiff_tags()), (page, tiff_tags())]))
    photo = read_photo(tiff([(page, tiff_tags()), (page, tiff_tags(t254=1))]))
    assert (photo.pixels == 90).all()
    assert "camera raw file or holds only a preview" in refusal(tiff([(page, tiff_tags(t254=1))]))


def test_a_tiff_page_that_links_to_itself_ends():
    data = bytearray(tiff([(b"\x5a" * HEIGHT * WIDTH, tiff_tags())]))
    directory = struct.unpack_from("<I", data, 4)[0]
    struct.pack_into("<I", data, len(data) - 4, directory)
    assert read_photo(bytes(data)).pixels.shape == (HEIGHT, WIDTH, 3)


def test_unusual_tiffs_are_refused():
    image = Image.fromarray(scene())
    assert "compressed by 'group4'" in refusal(encoded(image.convert("1"), "TIFF", compression="group4"))
    floats = Image.fromarray(np.zeros((HEIGHT, WIDTH), np.float32))
    assert "32 bits or floating point" in refusal(encoded(floats, "TIFF"))
    page = b"\0" * HEIGHT * WIDTH
    tags = tiff_tags(t322=65536, t323=65536)
    assert "tiles larger than any photo" in refusal(tiff([(page, tags)]))


def black_png(width, height):
    rows = (b"\0" + b"\0" * ((width + 7) // 8)) * height
    return png(width, height, rows, bits=1)


def test_a_hundred_megapixel_bomb_is_refused_before_it_is_decoded():
    bomb = black_png(10_000, 10_000)
    assert len(bomb) < 20_000
    start = time.perf_counter()
    message = refusal(bomb, name="bomb.png")
    assert time.perf_counter() - start < 0.5
    assert message == (
        "bomb.png is 10000 x 10000 pixels (100.0 megapixels); at most 64 megapixels are read: make it smaller"
    )


def lying_jpeg():
    data = bytearray(encoded(scene(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    struct.pack_into(">HH", data, frame + 5, 60_000, 60_000)
    return bytes(data)


def lying_webp():
    data = bytearray(encoded(Image.fromarray(scene()).convert("RGBA"), "WEBP", exif=exif(orientation=1)))
    assert data[12:16] == b"VP8X"
    data[24:30] = b"\xff\x3e\0\xff\x3e\0"
    return bytes(data)


def lying_bmp():
    data = bytearray(encoded(scene(), "BMP"))
    struct.pack_into("<ii", data, 18, 30_000, 30_000)
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        lying_jpeg(),
        lying_webp(),
        lying_bmp(),
        black_png(20_000, 20_000),
        tiff([(b"", tiff_tags(width=50_000, height=50_000))]),
    ],
    ids=["jpeg", "webp", "bmp", "png", "tiff"],
)
def test_a_header_that_promises_too_much_is_refused_at_once(data):
    start = time.perf_counter()
    assert "megapixels are read: make it smaller" in refusal(data)
    assert time.perf_counter() - start < 0.5


def test_limits_are_the_callers():
    limits = PhotoLimits(max_bytes=1000, max_pixels=2000, min_side_px=10)
    assert "at most 0.000953674 MiB are read" in refusal(b"\xff\xd8\xff" + b"\0" * 1000, limits=limits)
    assert "at most 0.002 megapixels" in refusal(encoded(np.zeros((40, 60, 3), np.uint8), "PNG"), limits=limits)
    assert "is 9 x 12 pixels; at least 10 on each side" in refusal(
        encoded(scene(height=12, width=9), "PNG"), limits=limits
    )
    assert read_photo(encoded(np.zeros((10, 10, 3), np.uint8), "PNG"), limits=limits).pixels.shape == (10, 10, 3)


def test_icons_are_too_small():
    assert "is 16 x 16 pixels; at least 32 on each side are needed" in refusal(
        encoded(scene(height=16, width=16), "PNG")
    )


def test_a_progressive_jpeg_of_endless_passes_is_refused():
    data = encoded(scene(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    scan = data[last:-2]
    assert "is a JPEG of" in refusal(data[:-2] + scan * 200 + data[-2:])
    assert read_photo(data).pixels.shape == (HEIGHT, WIDTH, 3)


def test_heic_without_its_package_names_the_command(monkeypatch):
    data = encoded(scene(), "HEIC")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert refusal(data, name="a.heic") == (
        "a.heic is a HEIC photo, which needs an extra package: run `pip install 'deciface[heic]'` or save it as JPEG"
    )


def test_paths_that_are_no_photo(tmp_path):
    assert refusal(tmp_path / "none.jpg") == "none.jpg does not exist; check the path"
    assert "is a folder; give a photo" in refusal(tmp_path)
    fat = tmp_path / "fat.jpg"
    with fat.open("wb") as file:
        file.truncate(65 * 2**20)
    assert refusal(fat) == "fat.jpg has 65.0 MiB; at most 64 MiB are read: save it as JPEG or make it smaller"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "is not a regular file" in refusal(tmp_path / "pipe.jpg")


def test_running_out_of_memory_is_said(monkeypatch):
    def exhausted(*_, **__):
        raise MemoryError

    monkeypatch.setattr(reading, "_decode", exhausted)
    assert "does not fit into this machine's memory" in refusal(encoded(scene(), "PNG"))


def test_two_readings_are_identical():
    data = encoded(scene(), "JPEG")
    first, second = read_photo(data), read_photo(data)
    assert first.pixel_sha256 == second.pixel_sha256
    np.testing.assert_array_equal(first.pixels, second.pixels)


def test_threads_leave_the_warning_filters_as_they_were():
    noisy = encoded(Image.fromarray(scene()).quantize(8), "PNG", transparency=bytes(range(8)))
    before = list(warnings.filters)

    def work():
        for _ in range(30):
            read_photo(noisy)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_london_photos_decode_and_carry_no_metadata(shared_data):
    paths = sorted((shared_data / "faces" / "london").glob("*.jpg"))
    photo = read_photo(paths[0])
    assert photo.pixels.shape == (1350, 1350, 3)
    assert "metadata removed" in photo.notes
    with Image.open(paths[0]) as image:
        np.testing.assert_array_equal(photo.pixels, np.asarray(image.convert("RGB")))


def test_a_png_text_bomb_is_refused():
    text = zlib.compress(b"a" * 80_000_000)
    body = b"Comment\0\0" + text
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    rows = (b"\0" + b"\x55" * WIDTH) * HEIGHT
    start = time.perf_counter()
    try:
        photo = read_photo(png(WIDTH, HEIGHT, rows, before=chunk))
    except PhotoError as error:
        assert "is damaged or cut off" in str(error)  # noqa: PT017 - either answer is fine, a long wait is not
    else:
        assert photo.pixels.shape == (HEIGHT, WIDTH, 3)
    assert time.perf_counter() - start < 2
