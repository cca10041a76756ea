"""The network of DeepGestalt: one for each region of the face, disorders (or genes) as classes.

Ten 3x3 convolutions 32-64, 64-128, 96-192, 128-256, 160-320, each but the last followed by batch norm and ReLU;
2x2 maximum pooling behind the first four pairs, average pooling behind the fifth; dropout, a fully connected layer,
softmax: the network of Yi et al. 2014 (arXiv:1411.7923) with which Gurovich et al. 2019 (Nat Med 25:60) built
DeepGestalt. In: 100 x 100 grey, ``(x / 255 - 0.5) / 0.5``. Pooling keeps a last odd row and column, so that 100 px
become 50, 25, 13, 7.

Weights, regions and aggregation of the original were never published. The regions are ours
(`deciface.faces.region_crops`), and the softmax vectors of the regions are averaged, which is our choice too: a model
made here is of the DeepGestalt type, not DeepGestalt.

PyTorch is imported when a network is built, not before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.iresnet import EPSILON, import_torch
from deciface.errors import OptionError
from deciface.faces.region_crops import Region

Weights = Mapping[str, NDArray[np.float32]]

CHANNELS = (32, 64, 64, 128, 96, 192, 128, 256, 160, 320)
"""Output channels of the ten convolutions, in the record's network."""
LAYERS = len(CHANNELS)
POOLINGS = LAYERS // 2
FINAL_SIDE_PX = 7
NARROWEST = 1 / 16
"""Least share of the record's channels that a smaller network may have."""
DROPOUT = 0.5


class ModelKind(StrEnum):
    """What the classes of a model are."""

    BINARY = "binary"
    SPECIALISED = "specialised"
    MULTICLASS = "multiclass"


@dataclass(frozen=True, slots=True)
class Label:
    """A class: a disorder, a gene, or the rest; `id` as case tables have it, `name` for people."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Description:
    """What a model file says of itself.

    Parameters
    ----------
    kind, labels
        What the classes are, in the order of the scores.
    regions
        In the order of the crops.
    trained_on
        In words; says so where the people were simulated.
    """

    kind: ModelKind
    labels: tuple[Label, ...]
    regions: tuple[Region, ...]
    trained_on: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One line of a sorted list. The score is a mean softmax value, 0 to 1; it is not calibrated: no probability."""

    rank: int
    label: Label
    score: float


def aggregate(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean of the softmax vectors of the regions: (n, regions, classes) to (n, classes). Our choice."""
    mean: NDArray[np.float64] = np.asarray(scores, np.float64).mean(axis=1)
    return mean


def sorted_list(scores: NDArray[np.floating], labels: Sequence[Label]) -> tuple[Suggestion, ...]:
    """Sort the classes of one face or patient by score (classes,), best first; ties in the order of the labels.

    Examples
    --------
    >>> classes = (Label("A", "first"), Label("B", "second"))
    >>> [(s.rank, s.label.id, s.score) for s in sorted_list(np.array([0.25, 0.75]), classes)]
    [(1, 'B', 0.75), (2, 'A', 0.25)]
    """
    order = np.argsort(-scores, kind="stable").tolist()
    return tuple(Suggestion(rank, labels[i], float(scores[i])) for rank, i in enumerate(order, start=1))


def channels_of_width(width: float) -> tuple[int, ...]:
    """Channels of a network of the record's form with a share of its channels; work goes with the square of it.

    Raises
    ------
    OptionError
        Below `NARROWEST` or above 1.

    Examples
    --------
    >>> channels_of_width(0.25)
    (8, 16, 16, 32, 24, 48, 32, 64, 40, 80)
    """
    if not NARROWEST <= width <= 1:
        raise OptionError(f"width {width:g}; from {NARROWEST:g} to 1, the network of the record, is allowed")
    return tuple(max(1, round(count * width)) for count in CHANNELS)


def convolutions(channels: Sequence[int] = CHANNELS) -> Iterator[tuple[str, int, int, bool, bool]]:
    """Yield name, channels in, channels out, followed by norm and ReLU?, followed by pooling? of every convolution."""
    before = 1
    for number, after in enumerate(channels, start=1):
        yield f"conv{number}", before, after, number < len(channels), number % 2 == 0
        before = after


def build_deepgestalt(
    regions: Sequence[Region], classes: int, *, channels: Sequence[int] = CHANNELS, dropout: float = DROPOUT
) -> Any:  # noqa: ANN401 - PyTorch need not be there
    """Build the PyTorch module: a network for each region, side by side and independent of each other.

    Parameters
    ----------
    regions
        In the order of the crops.
    classes
        At least 2.
    channels
        Of the ten convolutions; fewer make a smaller network of the same form.
    dropout
        Share of the values before the fully connected layer that are dropped in training, 0 to below 1.

    Returns
    -------
    torch.nn.Module
        (n, regions, 100, 100) to logits (n, regions, classes). Names of its state dict: ``<region>.conv1.weight``,
        ``<region>.norm1.*``, ..., ``<region>.fc.weight``, ``<region>.fc.bias``.

    Raises
    ------
    OptionError
        No or doubled regions, fewer than two classes, another number of convolutions, or `dropout` out of range.
    ModelError
        When PyTorch is not installed.
    """
    if not regions or len(set(regions)) < len(regions):
        raise OptionError(f"regions {', '.join(regions) or 'none'}; give at least one, each once")
    if classes < 2:
        raise OptionError(f"{classes} classes; a model tells at least 2 apart")
    if len(channels) != LAYERS or min(channels) < 1:
        raise OptionError(f"channels {tuple(channels)}; the network has {LAYERS} convolutions of at least 1 channel")
    if not 0 <= dropout < 1:
        raise OptionError(f"dropout = {dropout}; a share from 0 to below 1 is allowed")
    return _network_class()(tuple(regions), classes, tuple(channels), dropout)


def as_input(crops: NDArray[np.uint8]) -> Any:  # noqa: ANN401 - a tensor
    """Turn crops (n, regions, 100, 100) uint8 into the tensor that the module takes."""
    torch = import_torch()
    return (torch.from_numpy(np.ascontiguousarray(crops)).float() / 255 - 0.5) / 0.5


def weights_of(network: Any) -> dict[str, NDArray[np.float32]]:  # noqa: ANN401 - a torch.nn.Module
    """Copy the weights of a module of `build_deepgestalt` by name, for `deepgestalt_export`."""
    return {
        name: values.detach().cpu().numpy().astype(np.float32)
        for name, values in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


@cache
def _network_class() -> Any:  # noqa: ANN401 - a class that exists only once PyTorch is there
    torch = import_torch()
    nn = torch.nn

    class RegionNetwork(nn.Module):  # type: ignore[misc, name-defined]
        """The ten convolutions and the classifier of one region."""

        def __init__(self, classes: int, channels: tuple[int, ...], dropout: float) -> None:
            super().__init__()
            for name, before, after, normed, _ in convolutions(channels):
                # a norm follows and has a bias of its own; behind the last convolution none follows
                self.add_module(name, nn.Conv2d(before, after, 3, 1, 1, bias=not normed))
                nn.init.kaiming_normal_(getattr(self, name).weight, nonlinearity="relu" if normed else "linear")
                if normed:
                    self.add_module(name.replace("conv", "norm"), nn.BatchNorm2d(after, eps=EPSILON))
            self.channels = channels
            self.pool = nn.MaxPool2d(2, ceil_mode=True)
            self.dropout = nn.Dropout(dropout)
            self.fc = nn.Linear(channels[-1], classes)

        def maps(self, x: Any) -> Iterator[Any]:  # noqa: ANN401 - tensors
            """Yield the activations behind each maximum pooling, and those before the average pooling."""
            for name, _, _, normed, pooled in convolutions(self.channels):
                x = getattr(self, name)(x)
                if normed:
                    x = torch.relu(getattr(self, name.replace("conv", "norm"))(x))
                    x = self.pool(x) if pooled else x
                if pooled:
                    yield x

        def forward(self, x: Any) -> Any:  # noqa: ANN401 - as above
            *_, last = self.maps(x)
            return self.fc(self.dropout(last.mean((2, 3))))

    class DeepGestalt(nn.Module):  # type: ignore[misc, name-defined]
        """The networks of all regions."""

        def __init__(self, regions: tuple[Region, ...], classes: int, channels: tuple[int, ...], p: float) -> None:
            super().__init__()
            self.regions = regions
            for region in regions:
                self.add_module(str(region), RegionNetwork(classes, channels, p))
            self.to(memory_format=torch.channels_last)  # half again as fast on CPUs

        def region(self, number: int) -> Any:  # noqa: ANN401 - a module
            return getattr(self, str(self.regions[number]))

        def forward(self, x: Any) -> Any:  # noqa: ANN401 - as above
            parts = [self.region(i)(_one_region(x, i)) for i in range(len(self.regions))]
            return torch.stack(parts, 1)

    def _one_region(x: Any, number: int) -> Any:  # noqa: ANN401 - as above
        return x[:, number : number + 1].contiguous(memory_format=torch.channels_last)

    return DeepGestalt
