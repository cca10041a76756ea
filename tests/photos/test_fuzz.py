"""Thousands of damaged files: each one becomes a photo or a one-line refusal, soon and silently."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest

from deciface.errors import PhotoError
from deciface.photos import DecodedPhoto, PhotoLimits, read_photo
from tests.photos.samples import of_every_format

SEED = 20230205
LIMITS = PhotoLimits(max_pixels=4_000_000)
SECONDS_A_FILE = 5.0
EXTREMES = [
    b"\0\0",
    b"\xff\xff",
    b"\x7f\xff",
    b"\xff\x7f",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x80\0\0\0",
    b"\0\0\0\x80",
]


def flipped(data, rng):
    """A few bits, mostly in the head, where the structure is."""
    out = bytearray(data)
    end = len(out) if rng.random() < 0.5 else min(len(out), 200)
    for _ in range(rng.integers(1, 9)):
        out[rng.integers(end)] ^= 1 << rng.integers(8)
    return bytes(out)


def truncated(data, rng):
    return data[: rng.integers(len(data))]


def lying(data, rng):
    """Extreme numbers over sizes, counts and offsets of the header."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        number = EXTREMES[rng.integers(len(EXTREMES))]
        at = rng.integers(4, min(len(out), 400) - 4)
        out[at : at + len(number)] = number
    return bytes(out)


def spliced(data, rng, other):
    """The head of one file and the tail of another, or a piece of one inside the other."""
    cut, at = rng.integers(len(data)), rng.integers(len(other))
    if rng.random() < 0.5:
        return data[:cut] + other[at:]
    return data[:cut] + other[at : at + rng.integers(1, 300)] + data[cut:]


def repeated(data, rng):
    """A piece of the file many times over."""
    start = rng.integers(len(data) - 1)
    piece = data[start : start + rng.integers(1, 200)]
    return data[:start] + piece * int(rng.integers(2, 200)) + data[start:]


def mutations(count, seed):
    rng = np.random.default_rng(seed)
    samples = of_every_format()
    names = sorted(samples)
    for number in range(count):
        name = names[number % len(names)]
        data = samples[name]
        kind = rng.integers(5)
        if kind == 0:
            data = flipped(data, rng)
        elif kind == 1:
            data = truncated(data, rng)
        elif kind == 2:
            data = lying(data, rng)
        elif kind == 3:
            data = spliced(data, rng, samples[names[rng.integers(len(names))]])
        else:
            data = repeated(data, rng)
        yield f"{name} #{number}", data


def survive(count, seed):
    """Read them all; return how many were photos and how many were refused."""
    photos = refused = 0
    for name, data in mutations(count, seed):
        start = time.perf_counter()
        try:
            photo = read_photo(data, limits=LIMITS)
        except PhotoError as error:
            refused += 1
            message = str(error)
        else:
            message = ""
            photos += 1
            assert isinstance(photo, DecodedPhoto), name
            height, width, channels = photo.pixels.shape
            assert channels == 3, name
            assert min(height, width) >= LIMITS.min_side_px, name
            assert height * width <= LIMITS.max_pixels, name
            assert photo.pixels.dtype == np.uint8, name
        assert "\n" not in message, name
        assert len(message) < 400, name
        assert time.perf_counter() - start < SECONDS_A_FILE, name
    return photos, refused


def test_the_samples_themselves_decode():
    refused = set()
    for name, data in of_every_format().items():
        try:
            read_photo(data)
        except PhotoError:
            refused.add(name)
    assert refused == {"apng", "webp-animated", "tiff-pages", "gif"}


def test_three_hundred_damaged_files(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        photos, refused = survive(300, SEED)
    assert photos > 30
    assert refused > 100
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_ten_thousand_damaged_files(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        photos, refused = survive(10_000, SEED + 1)
    assert photos + refused == 10_000
    assert photos > 1000
    assert refused > 3000
    assert capfd.readouterr() == ("", "")
