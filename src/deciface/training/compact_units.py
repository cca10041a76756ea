"""The residual unit of our own compact networks."""

from __future__ import annotations

from functools import cache
from typing import Any

from deciface.encoders.iresnet import import_torch


@cache
def residual_unit() -> Any:  # noqa: ANN401 - a class that exists only once PyTorch is there
    """Class of the unit: (channels before, channels, stride)."""
    torch = import_torch()
    nn = torch.nn

    class Unit(nn.Module):  # type: ignore[misc, name-defined]
        """Two 3x3 convolutions beside a shortcut (He et al. 2016); a halving shortcut averages first."""

        def __init__(self, before: int, channels: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(before, channels, 3, stride, 1, bias=False)
            self.norm1 = nn.BatchNorm2d(channels)
            self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
            self.norm2 = nn.BatchNorm2d(channels)
            self.shortcut: Any = nn.Identity()
            if stride > 1 or before != channels:
                shrink = [nn.AvgPool2d(stride)] if stride > 1 else []
                self.shortcut = nn.Sequential(
                    *shrink, nn.Conv2d(before, channels, 1, bias=False), nn.BatchNorm2d(channels)
                )

        def forward(self, x: Any) -> Any:  # noqa: ANN401 - tensors
            inside = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
            return torch.relu(inside + self.shortcut(x))

    return Unit
