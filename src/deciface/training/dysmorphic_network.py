"""The network of ``deciface-dysmorphic``: a compact residual network that reads planted amounts off a grey crop.

It also places the 189 landmarks, which nobody needs of it: they are a dense lesson in where things are, without which
the few numbers of the planted amounts teach slowly. Amounts are read off the landmarks as placed, each scaled by how
far it strays from its mean (unscaled, a stray of one px drowns in a position of a hundred), and off the picture itself.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from deciface.encoders.iresnet import import_torch
from deciface.simulate.template import N_POINTS
from deciface.training.compact_units import residual_unit

INPUT_PX = 128
CHANNELS = (16, 32, 64, 128)
UNITS = (1, 2, 2, 2)
SQUEEZED, FINAL_SIDE_PX, HIDDEN = 32, 8, 256
LANDMARK_UNIT_PX = 4.0
"""The network's landmark outputs are in this unit."""


def build_dysmorphic(features: int, *, dropout: float = 0.1) -> Any:  # noqa: ANN401 - PyTorch need not be there
    """Build the network, its weights drawn by PyTorch's generator.

    Parameters
    ----------
    features
        How many amounts it reads.
    dropout
        Share of values left out behind the last convolution in training.

    Returns
    -------
    torch.nn.Module
        (n, 1, 128, 128) luminance as pixel / 255 to (n, features) amounts in SD; `both` gives the landmarks besides,
        (n, 189 * 2), as strays from their mean in units of `LANDMARK_UNIT_PX` crop px.
    """
    return _network_class()(features, dropout)


@cache
def _network_class() -> Any:  # noqa: ANN401 - a class that exists only once PyTorch is there
    torch = import_torch()
    nn, unit = torch.nn, residual_unit()

    class Dysmorphic(nn.Module):  # type: ignore[misc, name-defined]
        """The whole network."""

        def __init__(self, features: int, dropout: float) -> None:
            super().__init__()
            before = CHANNELS[0]
            layers = [
                nn.BatchNorm2d(1, affine=False),
                nn.Conv2d(1, before, 5, 2, 2, bias=False),
                nn.BatchNorm2d(before),
                nn.ReLU(),
            ]
            for stage, (channels, units) in enumerate(zip(CHANNELS, UNITS, strict=True)):
                for k in range(units):
                    layers.append(unit(before, channels, 2 if stage and not k else 1))
                    before = channels
            self.trunk = nn.Sequential(*layers)
            self.squeeze = nn.Sequential(
                nn.Conv2d(before, SQUEEZED, 1, bias=False), nn.BatchNorm2d(SQUEEZED), nn.ReLU(), nn.Flatten()
            )
            flat = SQUEEZED * FINAL_SIDE_PX**2
            self.dropout = nn.Dropout(dropout)
            self.landmarks = nn.Linear(flat, 2 * N_POINTS)
            self.hidden = nn.Sequential(nn.Linear(flat, HIDDEN), nn.ReLU())
            self.scaled = nn.BatchNorm1d(2 * N_POINTS, affine=False)
            self.direct = nn.Linear(2 * N_POINTS, features)
            self.amounts = nn.Sequential(
                nn.Linear(HIDDEN + 2 * N_POINTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, features)
            )

        def both(self, x: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tensors
            """Amounts and landmarks."""
            seen = self.squeeze(self.trunk(x))
            points = self.landmarks(seen).float()
            hidden = self.hidden(self.dropout(seen)).float()
            scaled = self.scaled(points)
            return self.amounts(torch.cat([hidden, scaled], 1)) + self.direct(scaled), points

        def forward(self, x: Any) -> Any:  # noqa: ANN401 - tensors
            return self.both(x)[0]

    return Dysmorphic
