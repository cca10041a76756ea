"""dlib's face recognition ResNet as a PyTorch module whose weights can be trained further.

The layers and the file are those of `deciface.encoders.dlib_resnet`; here every weight is a parameter. dlib's own batch
norms were frozen into a scale and a shift for each channel ("affine") before the file was published, and the module
keeps them so. The bias in front of them is folded into the shift: the two only ever act as a sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.dlib_format import DlibReader
from deciface.encoders.dlib_layers import (
    DIMENSIONS,
    read_convolution,
    read_head,
    read_opening,
    read_pool,
    read_without_weights,
)
from deciface.encoders.iresnet import import_torch

UNITS = (
    *((32, 32, False),) * 3,
    (32, 64, True),
    *((64, 64, False),) * 3,
    (64, 128, True),
    *((128, 128, False),) * 2,
    (128, 256, True),
    *((256, 256, False),) * 2,
    (256, 256, True),
)
"""Channels in, channels out and whether the picture is halved, of the fourteen residual units."""

_STEM_CHANNELS = 32


def build_dlib_resnet(content: bytes) -> Any:  # noqa: ANN401 - PyTorch need not be there
    """Build the network from the bytes of ``dlib_face_recognition_resnet_model_v1.dat``.

    Parameters
    ----------
    content
        The whole file.

    Returns
    -------
    torch.nn.Module
        (n, 3, 150, 150) float32 = (RGB - mean) / std of the card to (n, 128) as dlib gives them, not of unit length.
        Parameters: ``stem.conv.weight``, ``stem.affine.scale``, ``stem.affine.shift``; ``unit01.conv1.weight``,
        ``unit01.affine1.scale``, ``unit01.affine1.shift``, ``unit01.conv2.weight`` ... ``unit14.affine2.shift``, the
        first unit being the one behind the stem; ``fc.weight``. All are trainable.

    Raises
    ------
    ModelError
        When the file is damaged or another network, or PyTorch is not installed.
    """
    torch = import_torch()
    reader = DlibReader(content, "dlib_face_recognition_resnet_model_v1.dat")
    state = {name: torch.from_numpy(np.array(values)) for name, values in _weights(reader)}
    network = _network_class()()
    network.load_state_dict(state, strict=True)
    return network


def _weights(reader: DlibReader) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Read the file from its first byte to its last weight; give name and values of each parameter."""
    read_opening(reader)
    yield from _convolution(reader, "stem.", "", (_STEM_CHANNELS, 3, 7), stride=2)
    read_without_weights(reader, "relu_")
    read_pool(reader, "max_pool_2", side=3)
    for number, (before, channels, halves) in enumerate(UNITS, 1):
        at = f"unit{number:02d}."
        yield from _convolution(reader, at, "1", (channels, before, 3), stride=2 if halves else 1)
        read_without_weights(reader, "relu_")
        yield from _convolution(reader, at, "2", (channels, channels, 3), stride=1)
        if halves:
            read_pool(reader, "avg_pool_2", side=2)
        read_without_weights(reader, "add_prev_")
        read_without_weights(reader, "relu_")
    read_pool(reader, "avg_pool_2", side=0)
    yield "fc.weight", read_head(reader, UNITS[-1][1]).T


def _convolution(
    reader: DlibReader, at: str, number: str, shape: tuple[int, int, int], *, stride: int
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    read = read_convolution(reader, shape, stride=stride, innermost=at == "stem.")
    yield f"{at}conv{number}.weight", read.kernel
    yield f"{at}affine{number}.scale", read.scale
    yield f"{at}affine{number}.shift", read.shift


@cache
def _unit_class() -> tuple[Any, Any]:
    """Affine layer and residual unit: classes that exist only once PyTorch is there."""
    torch = import_torch()
    nn, pad, pool = torch.nn, torch.nn.functional.pad, torch.nn.functional.avg_pool2d

    class Affine(nn.Module):  # type: ignore[misc, name-defined]
        """Scale and shift of each channel."""

        def __init__(self, channels: int) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(channels))
            self.shift = nn.Parameter(torch.zeros(channels))

        def forward(self, x: Any) -> Any:  # noqa: ANN401 - tensors
            return x * self.scale.view(1, -1, 1, 1) + self.shift.view(1, -1, 1, 1)

    class Unit(nn.Module):  # type: ignore[misc, name-defined]
        """Two 3x3 convolutions beside a shortcut, which is averaged over 2 x 2 px where the picture is halved."""

        def __init__(self, before: int, channels: int, halves: bool) -> None:  # noqa: FBT001 - a row of `UNITS`
            super().__init__()
            stride, padding = (2, 0) if halves else (1, 1)  # dlib pads only where it does not stride
            self.halves = halves
            self.conv1 = nn.Conv2d(before, channels, 3, stride, padding, bias=False)
            self.affine1 = Affine(channels)
            self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
            self.affine2 = Affine(channels)

        def forward(self, x: Any) -> Any:  # noqa: ANN401 - tensors
            inside = self.affine2(self.conv2(torch.relu(self.affine1(self.conv1(x)))))
            beside = pool(x, 2, 2) if self.halves else x
            return torch.relu(self._grown(inside, like=beside) + self._grown(beside, like=inside))

        @staticmethod
        def _grown(x: Any, *, like: Any) -> Any:  # noqa: ANN401 - tensors
            """Append zero channels, rows below and columns on the right: how dlib adds unequal tensors."""
            missing = [max(0, like.shape[axis] - x.shape[axis]) for axis in (3, 2, 1)]
            return pad(x, (0, missing[0], 0, missing[1], 0, missing[2])) if any(missing) else x

    return Affine, Unit


@cache
def _network_class() -> Any:  # noqa: ANN401 - as above
    torch = import_torch()
    nn, (affine, unit) = torch.nn, _unit_class()

    class DlibResNet(nn.Module):  # type: ignore[misc, name-defined]
        """The whole network."""

        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Module()
            self.stem.conv = nn.Conv2d(3, _STEM_CHANNELS, 7, 2, bias=False)
            self.stem.affine = affine(_STEM_CHANNELS)
            for number, (before, channels, halves) in enumerate(UNITS, 1):
                self.add_module(f"unit{number:02d}", unit(before, channels, halves))
            self.fc = nn.Linear(UNITS[-1][1], DIMENSIONS, bias=False)

        def forward(self, x: Any) -> Any:  # noqa: ANN401 - tensors
            x = torch.relu(self.stem.affine(self.stem.conv(x)))
            x = nn.functional.max_pool2d(x, 3, 2)
            for number in range(1, len(UNITS) + 1):
                x = self.get_submodule(f"unit{number:02d}")(x)
            return self.fc(x.mean(dim=(2, 3)))

    return DlibResNet
