"""Layers of dlib's face recognition ResNet as they stand in its file; each call reads one.

Both forms of the network, `deciface.encoders.dlib_resnet` and `deciface.encoders.dlib_torch`, read their weights here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.dlib_format import DlibReader

INPUT_PX = 150
DIMENSIONS = 128


@dataclass(frozen=True, eq=False, slots=True)
class Convolution:
    """A convolution without bias and the affine layer behind it: ``scale * conv(x, kernel) + shift``.

    Parameters
    ----------
    kernel
        (filters, channels, side, side) float32.
    scale, shift
        (filters,) float32; the convolution's own bias is in the shift.
    padding
        dlib pads only where it does not stride.
    """

    kernel: NDArray[np.float32]
    scale: NDArray[np.float32]
    shift: NDArray[np.float32]
    padding: int


def read_opening(reader: DlibReader) -> None:
    """Read everything before the first convolution."""
    reader.expect_integers((1,), "network version")
    reader.expect_text("loss_metric_2")
    reader.real(), reader.real()  # margin and distance threshold of the training loss
    reader.skip_versions()
    reader.expect_text("input_rgb_image_sized")
    for _ in range(3):
        reader.real()  # the mean that the card declares
    reader.expect_integers((INPUT_PX, INPUT_PX), "input size")


def read_convolution(
    reader: DlibReader, shape: tuple[int, int, int], *, stride: int, innermost: bool = False
) -> Convolution:
    """Read a convolution of shape (filters, channels, kernel side) and its affine layer."""
    filters, channels, side = shape
    padding = 0 if stride > 1 else side // 2
    reader.expect_text("con_4")
    values = reader.tensor().ravel()
    reader.expect_integers((filters, side, side, stride, stride, padding, padding), "convolution")
    reader.expect_integers((1, filters, channels, side, side), "filter shape")
    reader.expect_integers((1, 1, filters, 1, 1), "bias shape")
    for _ in range(4):
        reader.real()  # learning rate and weight decay multipliers
    reader.end_layer()
    if innermost:
        reader.integer()  # sample expansion factor of the input layer, written inside the layer above it
    reader.expect_text("affine_")
    affine = reader.tensor().ravel()
    reader.expect_integers((1, 1, filters, 1, 1) * 2, "affine shapes")
    reader.integer()  # mode: per channel, checked by the shapes
    reader.end_layer()
    size = filters * channels * side * side
    if values.size != size + filters or affine.size != 2 * filters:
        raise reader.wrong(f"{size + filters} weights and {2 * filters} scales", (values.size, affine.size))
    scale = affine[:filters]
    shift = affine[filters:] + values[size:] * scale
    return Convolution(values[:size].reshape(filters, channels, side, side), scale, shift, padding)


def read_pool(reader: DlibReader, kind: str, *, side: int) -> int:
    """Read a pooling layer, ``max_pool_2`` or ``avg_pool_2``, and return its stride; side 0 pools everything."""
    reader.expect_text(kind)
    stride = 2 if side else 1
    reader.expect_integers((side, side, stride, stride, 0, 0), "pooling")
    reader.end_layer()
    return stride


def read_without_weights(reader: DlibReader, kind: str) -> None:
    """Read a layer that has nothing to keep: ``relu_`` or ``add_prev_``."""
    reader.expect_text(kind)
    reader.end_layer()


def read_head(reader: DlibReader, channels: int) -> NDArray[np.float32]:
    """Read the linear layer, (channels, `DIMENSIONS`)."""
    reader.expect_text("fc_2")
    reader.expect_integers((DIMENSIONS, channels), "outputs and inputs")
    matrix = reader.tensor()
    if matrix.shape != (channels, DIMENSIONS, 1, 1):
        raise reader.wrong(f"a {channels} x {DIMENSIONS} matrix", matrix.shape)
    return matrix[:, :, 0, 0]
