from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.encoders import Encoder, OnnxEncoder
from deciface.errors import MismatchError, ModelError, OptionError
from deciface.models import Colour, Layout
from tests.encoders.drawing import card, tiny_matrix, tiny_onnx

RNG = np.random.default_rng(11)
CROPS = RNG.integers(0, 256, (7, 8, 8, 3), dtype=np.uint8)


def oracle(
    crops: np.ndarray, *, order: tuple[int, ...] = (0, 1, 2), nchw: bool = True, dimensions: int = 5
) -> np.ndarray:
    """The tiny network by hand, crop by crop, in float64."""
    c, w = card(), tiny_matrix(192, dimensions).astype(np.float64)
    rows = []
    for crop in crops:
        planes = [(crop[..., ch].astype(np.float64) - m) / s for ch, m, s in zip(order, c.mean, c.std, strict=True)]
        flat = np.stack(planes, axis=0 if nchw else -1).ravel()
        row = flat @ w
        rows.append(row / np.sqrt((row**2).sum()))
    return np.array(rows)


@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize(("colour", "order"), [(Colour.RGB, (0, 1, 2)), (Colour.BGR, (2, 1, 0))])
def test_layout_colour_and_normalisation_are_those_of_the_card(layout, colour, order):
    shape = ("n", 3, 8, 8) if layout is Layout.NCHW else ("n", 8, 8, 3)
    encoder = OnnxEncoder(tiny_onnx(shape), card(layout=layout, colour=colour))
    found = encoder.encode(CROPS)
    np.testing.assert_allclose(found, oracle(CROPS, order=order, nchw=layout is Layout.NCHW), atol=2e-6)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    other = (2, 1, 0) if order == (0, 1, 2) else (0, 1, 2)
    assert np.abs(found - oracle(CROPS, order=other, nchw=layout is Layout.NCHW)).max() > 0.01


@given(count=st.integers(0, 40), batch=st.sampled_from(["n", 1, 3, 16]))
@settings(max_examples=30, deadline=None)
def test_any_number_of_crops_through_any_batch_size(count, batch):
    crops = np.random.default_rng(count).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    found = OnnxEncoder(tiny_onnx((batch, 3, 8, 8)), card()).encode(crops)
    assert found.shape == (count, 5)
    if count:
        np.testing.assert_allclose(found, oracle(crops), atol=2e-6)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_grey_networks_get_luminance():
    c = card(channels=1, colour=Colour.GREY, mean=(127.5,), std=(127.5,))
    found = OnnxEncoder(tiny_onnx(("n", 1, 8, 8)), c).encode(CROPS)
    grey = np.rint(CROPS[..., 0] * 0.299 + CROPS[..., 1] * 0.587 + CROPS[..., 2] * 0.114)
    rows = ((grey.reshape(7, -1) - 127.5) / 127.5) @ tiny_matrix(64, 5)
    np.testing.assert_allclose(found, rows / np.linalg.norm(rows, axis=1, keepdims=True), atol=2e-5)


def test_half_precision_networks_are_fed_half_precision():
    found = OnnxEncoder(tiny_onnx(dtype="FLOAT16"), card()).encode(CROPS)
    np.testing.assert_allclose(found, oracle(CROPS), atol=5e-3)
    assert found.dtype == np.float32


def test_it_is_an_encoder():
    assert isinstance(OnnxEncoder(tiny_onnx(), card()), Encoder)


def test_threads_do_not_change_the_answer():
    one, two = (OnnxEncoder(tiny_onnx(), card(), threads=t).encode(CROPS) for t in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.parametrize("threads", [0, -1, 5000])
def test_impossible_threads_are_refused(threads):
    with pytest.raises(OptionError, match=f"threads = {threads}; a whole number from 1 to 1024 is allowed"):
        OnnxEncoder(tiny_onnx(), card(), threads=threads)


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        (tiny_onnx(("n", 3, 9, 9)), {}, r"takes \('n', 3, 9, 9\); the card 'tiny' declares \(n, 3, 8, 8\)"),
        (
            tiny_onnx(("n", 8, 8, 3)),
            {},
            r"takes \('n', 8, 8, 3\); the card 'tiny' declares \(n, 3, 8, 8\) in layout nchw",
        ),
        (tiny_onnx(dimensions=7), {}, r"gives \('n', 7\); the card 'tiny' declares one output \(n, 5\)"),
        (tiny_onnx(outputs=2), {}, r"gives \('n', 5\), \('n', 5\); the card 'tiny' declares one output"),
        (tiny_onnx(dtype="UINT8"), {}, r"takes tensor\(uint8\); tensor\(float\) or tensor\(float16\) is allowed"),
        (b"no network", {}, "the network is no ONNX network that onnxruntime can run"),
        (b"", {}, "the network is no ONNX network that onnxruntime can run"),
    ],
)
def test_files_that_contradict_the_card_are_refused_with_both_shapes(model, changes, message):
    with pytest.raises(ModelError, match=message) as caught:
        OnnxEncoder(model, card(**changes))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ModelError, match=r"gone\.onnx is no ONNX network"):
        OnnxEncoder(tmp_path / "gone.onnx", card())


def test_nan_from_the_network_is_refused():
    weights = tiny_matrix(192, 5)
    weights[3, 2] = np.nan
    with pytest.raises(ModelError, match="tiny gave NaN or infinity for crop 0 of 7: check `mean` and `std`"):
        OnnxEncoder(tiny_onnx(weights=weights), card()).encode(CROPS)


def test_a_zero_vector_is_refused():
    with pytest.raises(ModelError, match="tiny gave a vector of length zero for crop 0 of 7"):
        OnnxEncoder(tiny_onnx(weights=np.zeros((192, 5))), card()).encode(CROPS)


@pytest.mark.parametrize(
    ("crops", "message"),
    [
        (
            np.zeros((2, 9, 8, 3), np.uint8),
            r"tiny takes \(n, 8, 8, 3\) uint8 RGB .*'arcface-112'; given shape \(2, 9, 8, 3\)",
        ),
        (np.zeros((8, 8, 3), np.uint8), r"given shape \(8, 8, 3\): align the face with that template"),
        (np.zeros((2, 8, 8, 1), np.uint8), r"given shape \(2, 8, 8, 1\)"),
        (np.zeros((2, 8, 8, 3), np.float32), "given float32: pass pixel values"),
    ],
)
def test_wrong_crops_are_refused(crops, message):
    with pytest.raises(MismatchError, match=message):
        OnnxEncoder(tiny_onnx(), card()).encode(crops)
