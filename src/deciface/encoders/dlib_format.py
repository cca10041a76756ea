"""Reading dlib's serialised networks.

The format (dlib, ``serialize.h`` and ``dnn/tensor.h``, Boost Software Licence; written here from the format, not from
the code): an integer is one byte, its low four bits the number of bytes that follow (little-endian) and its top bit the
sign; a real number is mantissa and binary exponent, both such integers; a string is its length and its bytes; a tensor
is a version, four sizes (samples, channels, rows, columns) and little-endian float32 values.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.errors import ModelError

_TENSOR_VERSION = 2
_LAYER_VERSIONS = (b"\x01\x01", b"\x01\x02", b"\x01\x03")


class DlibReader:
    """Sequential reader of one serialised network; every method consumes what it returns.

    Parameters
    ----------
    content
        The whole file.
    name
        What to call it in errors.

    Raises
    ------
    ModelError
        From every method, when the bytes are not what must stand there.
    """

    def __init__(self, content: bytes, name: str) -> None:
        self._bytes, self._name, self._at = content, name, 0

    @property
    def finished(self) -> bool:
        """Whether every byte has been read."""
        return self._at == len(self._bytes)

    def _take(self, count: int) -> bytes:
        part = self._bytes[self._at : self._at + count]
        if count < 0 or len(part) != count:
            raise self.wrong(f"{count} more bytes", f"{len(part)}")
        self._at += count
        return part

    def wrong(self, wanted: str, found: object) -> ModelError:
        """Make the error for this place of the file."""
        return ModelError(
            f"{self._name}: byte {self._at}: {wanted} should stand here, found {found}: the file is damaged or holds "
            "another network; run `deciface models fetch` again"
        )

    def integer(self) -> int:
        """One integer."""
        head = self._take(1)[0]
        count = head & 0x0F
        if not 1 <= count <= 8 or head & 0x70:
            raise self.wrong("an integer", f"0x{head:02x}")
        value = int.from_bytes(self._take(count), "little")
        return -value if head & 0x80 else value

    def integers(self, count: int) -> tuple[int, ...]:
        """`count` integers."""
        return tuple(self.integer() for _ in range(count))

    def real(self) -> float:
        """One real number."""
        mantissa, exponent = self.integers(2)
        return math.ldexp(mantissa, exponent)

    def expect_text(self, wanted: str) -> None:
        """Read a string and refuse any other than `wanted`."""
        length = self.integer()
        found = self._take(min(length, 64))
        if found != wanted.encode():
            raise self.wrong(f"'{wanted}'", repr(found))

    def expect_integers(self, wanted: tuple[int, ...], meaning: str) -> None:
        """Read as many integers as `wanted` has and refuse other values."""
        found = self.integers(len(wanted))
        if found != wanted:
            raise self.wrong(f"{meaning} {wanted}", found)

    def tensor(self) -> NDArray[np.float32]:
        """One tensor, (samples, channels, rows, columns) float32."""
        self.expect_integers((_TENSOR_VERSION,), "tensor version")
        shape = self.integers(4)
        if min(shape) < 0:
            raise self.wrong("a tensor shape", shape)
        values = np.frombuffer(self._take(4 * math.prod(shape)), "<f4").reshape(shape)
        if not np.isfinite(values).all():
            raise self.wrong("finite weights", "NaN or infinity")
        return values.astype(np.float32)

    def skip_versions(self) -> None:
        """Skip the versions of all nested layers, which dlib writes before the innermost layer's content."""
        while self._bytes[self._at : self._at + 2] in _LAYER_VERSIONS:
            self._at += 2

    def end_layer(self) -> None:
        """Skip what dlib keeps behind each layer: three flags and three working tensors."""
        flags = self._take(3)
        if flags.strip(b"01"):
            raise self.wrong("three flags", repr(flags))
        for _ in range(3):
            self.tensor()


def named_weight(array: NDArray[Any], name: str) -> Any:  # noqa: ANN401 - onnx ships no types
    """Wrap an array as a named ONNX initialiser."""
    from onnx import numpy_helper

    return numpy_helper.from_array(np.ascontiguousarray(array), name)
