from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deciface.encoders.dlib_format import DlibReader
from deciface.encoders.dlib_resnet import onnx_from_dlib
from deciface.errors import ModelError


def integer(value: int) -> bytes:
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def tensor(array: np.ndarray) -> bytes:
    return b"".join(map(integer, (2, *array.shape))) + array.astype("<f4").tobytes()


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_integers(values):
    reader = DlibReader(b"".join(map(integer, values)), "net.dat")
    assert list(reader.integers(len(values))) == values
    assert reader.finished


@given(st.integers(-(2**40), 2**40), st.integers(-60, 60))
def test_reals(mantissa, exponent):
    assert DlibReader(integer(mantissa) + integer(exponent), "net.dat").real() == mantissa * 2.0**exponent


def test_tensors():
    array = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    assert np.array_equal(DlibReader(tensor(array), "net.dat").tensor(), array)


def test_versions_of_nested_layers_are_skipped_up_to_the_first_name():
    reader = DlibReader(integer(2) * 5 + integer(1) + integer(3) + integer(5) + b"con_4", "net.dat")
    reader.skip_versions()
    reader.expect_text("con_4")
    assert reader.finished


@pytest.mark.parametrize(
    ("content", "act", "message"),
    [
        (b"", "integer", "net.dat: byte 0: 1 more bytes should stand here, found 0: the file is damaged"),
        (b"\x04\x01", "integer", "byte 1: 4 more bytes should stand here, found 1"),
        (b"\x00", "integer", "byte 1: an integer should stand here, found 0x00"),
        (b"\x21\x01", "integer", "byte 1: an integer should stand here, found 0x21"),
        (integer(3) + bytes(40), "tensor", r"tensor version \(2,\) should stand here, found \(3,\)"),
        (integer(2) + integer(-1) + integer(1) * 3, "tensor", "a tensor shape should stand here"),
        (integer(2) + integer(1) * 3 + integer(2**40), "tensor", "more bytes should stand here, found 0"),
        (integer(2) + integer(1) * 4 + struct.pack("<f", np.nan), "tensor", "finite weights should stand here"),
        (b"012", "end_layer", "three flags should stand here"),
    ],
)
def test_damage_is_named_with_its_place(content, act, message):
    with pytest.raises(ModelError, match=message):
        getattr(DlibReader(content, "net.dat"), act)()


def test_other_names_and_numbers_are_refused():
    with pytest.raises(ModelError, match="'con_4' should stand here, found b'fc_2'"):
        DlibReader(integer(4) + b"fc_2", "net.dat").expect_text("con_4")
    with pytest.raises(ModelError, match=r"stride \(2,\) should stand here, found \(1,\)"):
        DlibReader(integer(1), "net.dat").expect_integers((2,), "stride")


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_one_line(content):
    with pytest.raises(ModelError) as caught:
        DlibReader(integer(1) + content, "net.dat").expect_integers((1, 2**70), "never")
    assert "\n" not in str(caught.value)


def test_other_files_are_no_dlib_network(tmp_path):
    path = tmp_path / "net.dat"
    with pytest.raises(ModelError, match="No such file or directory; run `deciface models fetch`"):
        onnx_from_dlib(path)
    path.write_bytes(b"\x89PNG and so on")
    with pytest.raises(ModelError, match=r"net\.dat: byte 1: an integer should stand here, found 0x89"):
        onnx_from_dlib(path)
    path.write_bytes(integer(1) + integer(13) + b"loss_metric_2")
    with pytest.raises(ModelError, match=r"net\.dat: byte 17: 1 more bytes should stand here, found 0"):
        onnx_from_dlib(path)
