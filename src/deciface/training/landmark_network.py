"""The network of ``deciface-landmarks``: where each point of the face is in a crop, and how sure that is.

A residual network sees the crop at half its resolution, goes down to a thirty-second of that and up again to a map of
a quarter of it; each point has a channel there, and lies at the mean position of its softmax (integral regression, Sun
et al. 2018, arXiv:1711.08229). Such a mean is drawn towards the middle by whatever little the map holds elsewhere, and
hardly uses any detail: trained so, a network did not miss it when its crops were shrunk to 56 px. So each point is then
moved by what features of the whole resolution show around the place it was put at, three times, each time nearer
(regression cascades: Xiong and De la Torre 2013, CVPR; Kazemi and Sullivan 2014, CVPR). How far the softmax is spread,
what the network has seen of the whole crop and what it has seen around the point say how sure it is: one sigma for each
point and axis.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from deciface.encoders.iresnet import import_torch
from deciface.training.compact_units import residual_unit

INPUT_PX = 256
STRIDE = 8
"""Crop px a cell of the map."""
CHANNELS = (24, 32, 64, 128, 160)
UNITS = (1, 2, 2, 1)
UP_CHANNELS = 48
NEAR_CHANNELS = 16
"""Of the fine features around a point, and as many of the map's."""
HIDDEN = 64
REACH_PX = (6.0, 3.0, 1.5)
"""Distance of the nine places looked at around each point, of each move."""


def build_landmarks(points: int) -> Any:  # noqa: ANN401 - PyTorch need not be there
    """Build the network, its weights drawn by PyTorch's generator.

    Parameters
    ----------
    points
        How many it places.

    Returns
    -------
    torch.nn.Module
        (n, 3, 256, 256) RGB as pixel / 255 to (n, points, 4): x and y in crop px from the centre of the first pixel,
        and the logarithms of sigma in x and y in crop px. Its ``steps`` gives the places after each move, too.
    """
    return _network_class()(points)


@cache
def _network_class() -> Any:  # noqa: ANN401 - a class that exists only once PyTorch is there
    torch = import_torch()
    nn, unit = torch.nn, residual_unit()
    move_class = _move_class()

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
            self.shrink = nn.AvgPool2d(2)
            self.fine = nn.Sequential(
                nn.BatchNorm2d(3, affine=False),
                nn.Conv2d(3, NEAR_CHANNELS, 5, 2, 2, bias=False),
                nn.BatchNorm2d(NEAR_CHANNELS),
                nn.ReLU(),
                joined(NEAR_CHANNELS, NEAR_CHANNELS, 3),
            )
            self.near = joined(UP_CHANNELS, NEAR_CHANNELS, 1)
            self.moves = nn.ModuleList([move_class(points, reach) for reach in REACH_PX])
            cells = torch.arange(INPUT_PX // STRIDE) * float(STRIDE) + (STRIDE - 1) / 2
            y, x = torch.meshgrid(cells, cells, indexing="ij")
            # From the middle and in tens of px: squares of what is near 0 keep their digits.
            middle = (INPUT_PX - 1) / 2
            self.register_buffer("x", (x.reshape(1, 1, -1) - middle) / 10)
            self.register_buffer("y", (y.reshape(1, 1, -1) - middle) / 10)
            self.points = points

        def steps(self, crops: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tensors
            """Places by the map and after each move, (n, points, 2) each, and the logarithms of sigma."""
            at = self.stem(self.shrink(crops))
            seen = []
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
            places = [torch.cat([x, y], 2) * 10 + (INPUT_PX - 1) / 2]
            around = self.fine(crops).float(), self.near(map_).float()
            for move in self.moves:
                shift, surer = move(around, places[-1].detach())
                places.append(places[-1].detach() + shift)
                log_sigma = log_sigma + surer
            return places, log_sigma

        def forward(self, crops: Any) -> Any:  # noqa: ANN401 - tensors
            places, log_sigma = self.steps(crops)
            return torch.cat([places[-1], log_sigma], 2)

    return Landmarks


@cache
def _move_class() -> Any:  # noqa: ANN401 - as above
    torch = import_torch()
    nn = torch.nn

    class Move(nn.Module):  # type: ignore[misc, name-defined]
        """How each point is to be moved, by features at nine places around it; what to read there is its own."""

        def __init__(self, points: int, reach_px: float) -> None:
            super().__init__()
            steps = torch.tensor([-reach_px, 0.0, reach_px])
            y, x = torch.meshgrid(steps, steps, indexing="ij")
            self.register_buffer("around", torch.stack([x, y], -1).reshape(1, 1, 9, 2))
            self.read = nn.Linear(9 * 2 * NEAR_CHANNELS, HIDDEN)
            self.own = nn.Parameter(torch.zeros(1, points, HIDDEN))
            self.shift = nn.Parameter(0.01 * torch.randn(points, HIDDEN, 2))
            self.surer = nn.Parameter(0.01 * torch.randn(points, HIDDEN, 2))
            self.points = points

        def forward(self, features: tuple[Any, Any], places: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tensors
            grid = (places.view(-1, self.points, 1, 2) + self.around) * (2 / INPUT_PX) + (1 / INPUT_PX - 1)
            seen = [
                nn.functional.grid_sample(f, grid, mode="bilinear", padding_mode="border", align_corners=False)
                for f in features
            ]
            flat = torch.cat(seen, 1).permute(0, 2, 3, 1).flatten(2)
            read = torch.relu(self.read(flat).float() + self.own).view(-1, self.points, 1, HIDDEN)
            shift, surer = torch.matmul(read, self.shift), torch.matmul(read, self.surer)
            return shift.view(-1, self.points, 2), surer.view(-1, self.points, 2)

    return Move
