"""The network of ``deciface-landmarks``: where each point of the face is in a crop, and how sure that is.

A residual network goes down to a tenth of the crop's side and up again to a map of a quarter of it; each point has a
channel there, and lies at the mean position of its softmax (integral regression, Sun et al. 2018, arXiv:1711.08229).
How far that softmax is spread, and what the network has seen of the whole crop, say how sure it is: one sigma for each
point and axis.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from deciface.encoders.iresnet import import_torch
from deciface.training.compact_units import residual_unit

INPUT_PX = 160
STRIDE = 4
"""Crop px a cell of the map."""
CHANNELS = (24, 32, 64, 128, 160)
UNITS = (1, 2, 2, 1)
UP_CHANNELS = 48


def build_landmarks(points: int) -> Any:  # noqa: ANN401 - PyTorch need not be there
    """Build the network, its weights drawn by PyTorch's generator.

    Parameters
    ----------
    points
        How many it places.

    Returns
    -------
    torch.nn.Module
        (n, 3, 160, 160) RGB as pixel / 255 to (n, points, 4): x and y in crop px from the centre of the first pixel,
        and the logarithms of sigma in x and y in crop px.
    """
    return _network_class()(points)


@cache
def _network_class() -> Any:  # noqa: ANN401 - a class that exists only once PyTorch is there
    torch = import_torch()
    nn, unit = torch.nn, residual_unit()

    def joined(before: int, channels: int, side: int) -> Any:  # noqa: ANN401
        return nn.Sequential(
            nn.Conv2d(before, channels, side, 1, side // 2, bias=False), nn.BatchNorm2d(channels), nn.ReLU()
        )

    class Landmarks(nn.Module):  # type: ignore[misc, name-defined]
        """The whole network."""

        def __init__(self, points: int) -> None:
            super().__init__()
            before = CHANNELS[0]
            self.stem = nn.Sequential(
                nn.BatchNorm2d(3, affine=False),
                nn.Conv2d(3, before, 5, 2, 2, bias=False),
                nn.BatchNorm2d(before),
                nn.ReLU(),
            )
            stages = []
            for channels, units in zip(CHANNELS[1:], UNITS, strict=True):
                layers = []
                for k in range(units):
                    layers.append(unit(before, channels, 1 if k else 2))
                    before = channels
                stages.append(nn.Sequential(*layers))
            self.down = nn.ModuleList(stages)
            self.across = nn.ModuleList([joined(c, UP_CHANNELS, 1) for c in CHANNELS[1:]])
            self.up = nn.ModuleList([joined(UP_CHANNELS, UP_CHANNELS, 3) for _ in CHANNELS[2:]])
            self.grow = nn.Upsample(scale_factor=2, mode="nearest")
            self.maps = nn.Conv2d(UP_CHANNELS, points, 1)
            self.whole = nn.Linear(CHANNELS[-1], 2 * points)
            self.spread = nn.Parameter(torch.full((1, points, 2), 0.5))
            cells = torch.arange(INPUT_PX // STRIDE) * float(STRIDE) + (STRIDE - 1) / 2
            y, x = torch.meshgrid(cells, cells, indexing="ij")
            # From the middle and in tens of px: squares of what is near 0 keep their digits.
            middle = (INPUT_PX - 1) / 2
            self.register_buffer("x", (x.reshape(1, 1, -1) - middle) / 10)
            self.register_buffer("y", (y.reshape(1, 1, -1) - middle) / 10)
            self.points = points

        def forward(self, crops: Any) -> Any:  # noqa: ANN401 - tensors
            seen, at = [], self.stem(crops)
            for stage in self.down:
                at = stage(at)
                seen.append(at)
            whole = self.whole(at.mean([2, 3])).float()
            map_ = self.across[-1](at)
            for k in range(len(seen) - 2, -1, -1):
                map_ = self.up[k](self.grow(map_) + self.across[k](seen[k]))
            share = torch.softmax(self.maps(map_).float().flatten(2), 2)
            x, y = (share * self.x).sum(2, keepdim=True), (share * self.y).sum(2, keepdim=True)
            wide_x = (share * self.x * self.x).sum(2, keepdim=True) - x * x
            wide_y = (share * self.y * self.y).sum(2, keepdim=True) - y * y
            wide = torch.cat([wide_x, wide_y], 2).clamp(min=1e-4).log()
            log_sigma = whole.view(-1, self.points, 2) + self.spread * wide
            where = torch.cat([x, y], 2) * 10 + (INPUT_PX - 1) / 2
            return torch.cat([where, log_sigma], 2)

    return Landmarks
