"""Writing: whole or not at all, without metadata, with the hash of what will be read back."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deciface.errors import OptionError, StorageError
from deciface.photos import pixel_sha256, read_photo, write_photo
from tests.photos.samples import scene


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".png", ".webp", ".PNG"])
def test_the_hash_is_that_of_what_is_read_back(tmp_path, suffix):
    path = tmp_path / f"photo{suffix}"
    sha256 = write_photo(scene(), path)
    photo = read_photo(path)
    assert photo.pixel_sha256 == sha256
    assert photo.notes == ()
    assert np.abs(photo.pixels.astype(int) - scene()).mean() < 3
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_png_is_exact(tmp_path):
    assert write_photo(scene(), tmp_path / "a.png") == pixel_sha256(scene())


def test_grey_pixels(tmp_path):
    write_photo(scene()[..., 0], tmp_path / "a.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png").pixels, np.repeat(scene()[..., :1], 3, axis=-1))


def test_colour_is_kept_at_full_resolution_from_quality_90(tmp_path):
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = (200, 40, 40)
    stripes[:, 1::2] = (40, 40, 200)
    error = {}
    for quality in (89, 90):
        write_photo(stripes, tmp_path / "a.jpg", quality=quality)
        error[quality] = np.abs(read_photo(tmp_path / "a.jpg").pixels.astype(int) - stripes).mean()
    assert error[90] < error[89] / 3


def test_no_metadata_is_written(tmp_path):
    for suffix in (".jpg", ".png", ".webp"):
        write_photo(scene(), tmp_path / f"a{suffix}")
        with Image.open(tmp_path / f"a{suffix}") as image:
            assert not image.getexif()
            assert not {"exif", "xmp", "comment", "icc_profile"} & image.info.keys()


def test_options_are_checked(tmp_path):
    with pytest.raises(OptionError, match=r"'a.gif' ends in '.gif'; allowed are .jpg, .jpeg, .png, .webp: choose one"):
        write_photo(scene(), tmp_path / "a.gif")
    with pytest.raises(OptionError, match="quality is 0; allowed is 1 to 100"):
        write_photo(scene(), tmp_path / "a.jpg", quality=0)
    with pytest.raises(ValueError, match=r"float64; \(h, w, 3\) or \(h, w\) uint8 is needed"):
        write_photo(scene().astype(float), tmp_path / "a.jpg")


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(StorageError, match=r"cannot be written \(No such file or directory\); check the folder"):
        write_photo(scene(), tmp_path / "none" / "a.jpg")


def test_a_full_disk_leaves_the_old_photo_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    before = write_photo(scene(), path)

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        write_photo(scene()[::-1], path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert read_photo(Path(path)).pixel_sha256 == before


def test_pixels_of_another_shape_have_no_hash():
    with pytest.raises(ValueError, match=r"pixels are \(3, 3\) uint8; \(h, w, 3\) uint8 is needed"):
        pixel_sha256(np.zeros((3, 3), np.uint8))


def test_the_hash_depends_on_the_shape():
    assert pixel_sha256(np.zeros((2, 6, 3), np.uint8)) != pixel_sha256(np.zeros((6, 2, 3), np.uint8))
