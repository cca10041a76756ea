"""Heat over a face: the side of 0 is seen, 0 leaves the face as it is, the legend is there."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from deciface.errors import MismatchError, OptionError
from deciface.figures.heat import overlay

GREY = np.full((60, 40, 3), 128, np.uint8)


def opened(content: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(content))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB")).astype(int)


def face_of(picture: np.ndarray) -> np.ndarray:
    """The 420 px high face below margin and title."""
    return picture[44 : 44 + 420, 14 : 14 + 280]


def test_above_is_orange_below_is_blue_and_zero_leaves_the_face():
    heat = np.zeros((60, 40))
    heat[:20], heat[40:] = 0.02, -0.01
    face = face_of(opened(overlay(GREY, heat, title="t")))
    red, blue = face[70, 140, 0] - face[70, 140, 2], face[350, 140, 2] - face[350, 140, 0]
    assert red > 60
    assert blue > 40
    assert np.all(face[210, 140] == 128)
    assert np.abs(face[70, 140] - 128).sum() > np.abs(face[350, 140] - 128).sum(), "twice as strong"


def test_scale_is_symmetric_and_a_flat_map_leaves_all_grey():
    strong = opened(overlay(GREY, np.full((60, 40), -3.0), title="t"))
    assert np.ptp(face_of(strong)[100:300, 50:200].reshape(-1, 3), axis=0).max() == 0
    assert face_of(strong)[200, 100, 2] > face_of(strong)[200, 100, 0]
    assert np.all(face_of(opened(overlay(GREY, np.zeros((60, 40)), title="t"))) == 128)


def test_the_legend_holds_both_colours_and_a_white_middle():
    picture = opened(overlay(GREY, np.ones((60, 40)), title="t", ends=("less", "more")))
    legend = picture[44 + 420 + 12 : 44 + 420 + 26]
    row = legend[7]
    assert (row[:, 2] - row[:, 0] > 80).sum() > 30
    assert (row[:, 0] - row[:, 2] > 80).sum() > 30


def test_a_legend_of_one_side_begins_at_0_and_has_no_blue():
    picture = opened(overlay(GREY, np.ones((60, 40)), title="t", ends=("", "speaks for")))
    row = picture[44 + 420 + 12 + 7]
    assert (row[:, 0] - row[:, 2] > 80).sum() > 90
    assert (row[:, 2] - row[:, 0] > 40).sum() == 0
    with pytest.raises(OptionError, match="below 0 is drawn, and nothing says what it means"):
        overlay(GREY, -np.ones((60, 40)), title="t", ends=("", "speaks for"))


def test_notes_stand_below_the_legend():
    plain = opened(overlay(GREY, np.ones((60, 40)), title="t"))
    noted = opened(overlay(GREY, np.ones((60, 40)), title="t", notes=("one", "two")))
    assert noted.shape[0] == plain.shape[0] + 34
    assert np.array_equal(noted[: 44 + 420], plain[: 44 + 420])
    assert (noted[-40:-20] < 200).any()


def test_a_long_title_makes_the_picture_wider():
    assert opened(overlay(GREY, np.ones((60, 40)), title="what speaks for " * 8)).shape[1] > 800


def test_refusals():
    with pytest.raises(MismatchError, match=r"^crop of \(60, 40, 3\) and heat of \(60, 41\); heat needs one value"):
        overlay(GREY, np.zeros((60, 41)), title="t")
    with pytest.raises(OptionError, match=r"^heat that is NaN or infinite cannot be drawn; give finite values"):
        overlay(GREY, np.full((60, 40), np.nan), title="t")
