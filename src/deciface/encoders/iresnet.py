"""Improved residual networks, the encoders of ArcFace and GestaltMatcher-Arc: layout of their weights, PyTorch module.

The unit is that of Duta et al. 2020 (Improved residual networks for image and video recognition, arXiv:2004.04989) in
the form that Deng et al. 2019 (ArcFace, CVPR) use: batch norm, 3x3 convolution, batch norm, PReLU, 3x3 convolution with
the stride, batch norm; the first unit of each stage halves the picture, on its shortcut too. Behind the last stage:
batch norm, dropout, a linear layer to 512 values, batch norm whose scale is frozen at 1. In: 112 x 112 RGB,
``(x / 255 - 0.5) / 0.5``.

PyTorch is imported when a module is built, not before: weights can be read, checked and run by onnxruntime without it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.errors import ModelError, OptionError

Weights = Mapping[str, NDArray[np.float32]]

ARCHITECTURES: Mapping[str, tuple[int, int, int, int]] = MappingProxyType(
    {
        "iresnet18": (2, 2, 2, 2),
        "iresnet34": (3, 4, 6, 3),
        "iresnet50": (3, 4, 14, 3),
        "iresnet100": (3, 13, 30, 3),
    }
)
"""Residual units in each of the four stages."""

STAGE_CHANNELS = (64, 128, 256, 512)
INPUT_PX = 112
DIMENSIONS = 512
FINAL_SIDE_PX = 7
EPSILON = 1e-5
"""Added to the variance by every batch norm."""


def units_of(architecture: str) -> tuple[int, int, int, int]:
    """Residual units of the four stages.

    Raises
    ------
    OptionError
        When there is no such architecture.
    """
    if architecture not in ARCHITECTURES:
        raise OptionError(f"architecture '{architecture}'; allowed is one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[architecture]


def weight_shapes(architecture: str) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor that the network needs, in the layout of published state dicts.

    Raises
    ------
    OptionError
        When there is no such architecture.

    Examples
    --------
    >>> shapes = weight_shapes("iresnet50")
    >>> shapes["conv1.weight"], shapes["layer4.2.prelu.weight"], shapes["fc.weight"]
    ((64, 3, 3, 3), (512,), (512, 25088))
    """
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str, channels: int) -> None:
        shapes.update({f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")})

    shapes["conv1.weight"] = (STAGE_CHANNELS[0], 3, 3, 3)
    norm("bn1", STAGE_CHANNELS[0])
    shapes["prelu.weight"] = (STAGE_CHANNELS[0],)
    before = STAGE_CHANNELS[0]
    for stage, (units, channels) in enumerate(zip(units_of(architecture), STAGE_CHANNELS, strict=True), 1):
        for unit in range(units):
            at = f"layer{stage}.{unit}"
            norm(f"{at}.bn1", before)
            shapes[f"{at}.conv1.weight"] = (channels, before, 3, 3)
            norm(f"{at}.bn2", channels)
            shapes[f"{at}.prelu.weight"] = (channels,)
            shapes[f"{at}.conv2.weight"] = (channels, channels, 3, 3)
            norm(f"{at}.bn3", channels)
            if unit == 0:
                shapes[f"{at}.downsample.0.weight"] = (channels, before, 1, 1)
                norm(f"{at}.downsample.1", channels)
            before = channels
    norm("bn2", before)
    shapes["fc.weight"] = (DIMENSIONS, before * FINAL_SIDE_PX**2)
    shapes["fc.bias"] = (DIMENSIONS,)
    norm("features", DIMENSIONS)
    return shapes


def build_iresnet(architecture: str, *, dropout: float = 0.0) -> Any:  # noqa: ANN401 - PyTorch need not be there
    """Build the PyTorch module, its weights drawn by PyTorch's generator.

    Parameters
    ----------
    architecture
        One of `ARCHITECTURES`.
    dropout
        Share of the 25,088 values before the linear layer that are dropped in training, 0 to below 1.

    Returns
    -------
    torch.nn.Module
        (n, 3, 112, 112) to (n, 512), not of unit length; names of its state dict are those of `weight_shapes`.

    Raises
    ------
    OptionError
        When there is no such architecture, or `dropout` is out of range.
    ModelError
        When PyTorch is not installed.
    """
    units = units_of(architecture)
    if not 0 <= dropout < 1:
        raise OptionError(f"dropout = {dropout}; a share from 0 to below 1 is allowed")
    return _network_class()(units, dropout)


def load_weights(module: Any, weights: Weights) -> None:  # noqa: ANN401 - a torch.nn.Module
    """Copy fitted weights into a module of `build_iresnet`."""
    torch = import_torch()
    state = {key: torch.from_numpy(np.array(values)) for key, values in weights.items()}
    state.update({key: value for key, value in module.state_dict().items() if key.endswith("num_batches_tracked")})
    module.load_state_dict(state, strict=True)


def import_torch() -> Any:  # noqa: ANN401 - a module
    """Import PyTorch, whose idle threads are told to sleep.

    By default they spin while they wait for each other, and on a machine with other work every layer then takes many
    times as long. The setting (``OMP_WAIT_POLICY``) is read once, when PyTorch is first imported; one's own is kept.

    Raises
    ------
    ModelError
        When it is not installed.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        return import_module("torch")
    except ImportError as error:
        raise ModelError("PyTorch is not installed; install it by `pip install 'deciface[torch]'`") from error


@cache
def _unit_class() -> Any:  # noqa: ANN401 - a class that exists only once PyTorch is there
    nn = import_torch().nn

    class ResidualUnit(nn.Module):  # type: ignore[misc, name-defined]
        """One improved residual unit; the first of a stage halves the picture."""

        def __init__(self, before: int, channels: int, *, first: bool) -> None:
            super().__init__()
            stride = 2 if first else 1
            self.bn1 = nn.BatchNorm2d(before, eps=EPSILON)
            self.conv1 = nn.Conv2d(before, channels, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(channels, eps=EPSILON)
            self.prelu = nn.PReLU(channels)
            self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(channels, eps=EPSILON)
            self.downsample = nn.Identity()
            if first:
                shrink = nn.Conv2d(before, channels, 1, stride, bias=False)
                self.downsample = nn.Sequential(shrink, nn.BatchNorm2d(channels, eps=EPSILON))

        def forward(self, x: Any) -> Any:  # noqa: ANN401 - tensors
            inside = self.prelu(self.bn2(self.conv1(self.bn1(x))))
            return self.bn3(self.conv2(inside)) + self.downsample(x)

    return ResidualUnit


@cache
def _network_class() -> Any:  # noqa: ANN401 - as above
    torch = import_torch()
    nn, unit = torch.nn, _unit_class()

    class IResNet(nn.Module):  # type: ignore[misc, name-defined]
        """The whole network; the names of its parts are those of published state dicts."""

        def __init__(self, units: tuple[int, ...], dropout: float) -> None:
            super().__init__()
            before = STAGE_CHANNELS[0]
            self.conv1 = nn.Conv2d(3, before, 3, 1, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(before, eps=EPSILON)
            self.prelu = nn.PReLU(before)
            for stage, (count, channels) in enumerate(zip(units, STAGE_CHANNELS, strict=True), 1):
                parts = [unit(before if i == 0 else channels, channels, first=i == 0) for i in range(count)]
                self.add_module(f"layer{stage}", nn.Sequential(*parts))
                before = channels
            self.bn2 = nn.BatchNorm2d(before, eps=EPSILON)
            self.dropout = nn.Dropout(dropout)
            self.fc = nn.Linear(before * FINAL_SIDE_PX**2, DIMENSIONS)
            self.features = nn.BatchNorm1d(DIMENSIONS, eps=EPSILON)
            nn.init.constant_(self.features.weight, 1.0)
            self.features.weight.requires_grad = False

        def forward(self, x: Any) -> Any:  # noqa: ANN401 - tensors
            x = self.prelu(self.bn1(self.conv1(x)))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            # The head is small: kept in the precision of its own weights, whatever the stages ran in.
            flat = torch.flatten(self.bn2(x.to(self.bn2.weight.dtype)), 1)
            return self.features(self.fc(self.dropout(flat)))

    return IResNet
