"""Formats by content, and what is read from the bytes alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deciface.errors import PhotoError
from deciface.photos.containers import Container, container_of, jpeg_scans, webp_size
from tests.photos.samples import encoded, of_every_format, scene


def test_every_sample_is_recognised():
    expected = {"jpeg": Container.JPEG, "png": Container.PNG, "webp": Container.WEBP, "tiff": Container.TIFF}
    expected |= {"bmp": Container.BMP, "heic": Container.HEIC, "apng": Container.PNG}
    for name, data in of_every_format().items():
        if name != "gif":
            assert container_of(data[:160]) is expected[name.partition("-")[0]], name


@given(st.binary(max_size=300))
def test_any_bytes_have_an_answer(data):
    try:
        answer = str(container_of(data))
    except PhotoError as error:
        answer = str(error)
    assert answer in set(Container) or any(
        advice in answer for advice in ("give a JPEG", "allowed are", "save one still picture")
    )


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 50}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0"}])
@pytest.mark.parametrize(("width", "height"), [(33, 70), (1025, 40)])
def test_webp_canvas_without_a_decoder(width, height, options):
    assert webp_size(encoded(scene(height=height, width=width), "WEBP", **options)) == (width, height)


@given(st.binary(max_size=40))
def test_webp_canvas_of_anything(tail):
    size = webp_size(b"RIFF\0\0\0\0WEBP" + tail)
    assert size is None or len(size) == 2


def test_passes_of_a_jpeg_are_counted_to_its_end_marker():
    single, progressive = encoded(scene(), "JPEG"), encoded(scene(), "JPEG", progressive=True)
    assert jpeg_scans(single) == 1
    assert 5 <= jpeg_scans(progressive) <= 15
    assert jpeg_scans(single + progressive) == 1


def test_a_thumbnail_in_the_metadata_is_no_pass():
    assert jpeg_scans(encoded(scene(), "JPEG", exif=b"Exif\0\0" + b"\xff\xda" * 300)) == 1


@given(st.binary(max_size=2000))
def test_counting_passes_always_ends(data):
    assert jpeg_scans(b"\xff\xd8" + data) >= 0


def test_noise_in_a_jpeg_holds_no_false_pass():
    noise = np.random.default_rng(0).integers(0, 256, (500, 500, 3), dtype=np.uint8)
    assert jpeg_scans(encoded(noise, "JPEG", quality=100)) == 1
