"""Learn the networks of a DeepGestalt-type model: one training of all regions, its loss, its augmentation, its measure.

The networks of the regions share nothing: their losses are added, so that each learns as if it were alone. Photos are
mirrored, moved, turned, scaled, brightened and darkened at random while they are learnt from. The epoch is chosen, and
training stopped, by the log loss of the averaged scores on people held out for that, every class counting the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.deepgestalt import aggregate, as_input
from deciface.encoders.iresnet import import_torch
from deciface.training.folds import balanced_order, class_weights

Rows = NDArray[np.intp]

MOST_SHIFT = 0.03
"""Of the crop's side."""
MOST_TURN_DEG = 4.0
MOST_SCALE = 0.05
MOST_GAIN = 0.2
MOST_LIGHT = 0.15
"""Added to values of -1 to 1."""
_LEAST_SCORE = 1e-6
_BATCH = 32


@dataclass(frozen=True, eq=False)
class RegionTask:
    """What `deciface.training.loop.run` learns.

    Parameters
    ----------
    network
        Of `deciface.encoders.deepgestalt.build_deepgestalt`.
    crops
        (n, regions, 100, 100) uint8.
    class_of
        (n,) class of each photo.
    learning, held_out
        Rows to learn from, and rows of other people by which the epoch is chosen. With nobody held out the last epoch
        is the best one.
    batch
        Photos at a time.
    device
        Where the network is.
    groups
        Of each photo, when each is to be learnt from as often as any other (ancestry); empty: photos as they are.
    """

    network: Any
    crops: NDArray[np.uint8]
    class_of: NDArray[np.intp]
    learning: Rows
    held_out: Rows
    batch: int
    device: str = "cpu"
    groups: tuple[str, ...] = ()

    @property
    def classes(self) -> int:
        """How many there are."""
        return int(self.class_of.max()) + 1

    @cached_property
    def _weights(self) -> Any:  # noqa: ANN401 - a tensor
        weights = class_weights(self.class_of[self.learning], self.classes)
        return import_torch().from_numpy(weights).to(self.device)

    def batches(self, rng: np.random.Generator) -> Iterable[Rows]:
        """Every photo to learn from, once, in random order; with groups some several times and others not."""
        order = balanced_order(self.groups, self.learning, rng) if self.groups else rng.permutation(self.learning)
        return [order[at : at + self.batch] for at in range(0, len(order), self.batch)]

    def loss(self, rows: Rows, rng: np.random.Generator) -> Any:  # noqa: ANN401 - a tensor
        """Cross-entropy weighted by class, added up over the regions."""
        torch = import_torch()
        logits = self.network(augmented(as_input(self.crops[rows]).to(self.device), rng))
        target = torch.from_numpy(self.class_of[rows]).to(self.device)
        regions = logits.shape[1]
        same = target.repeat_interleave(regions)
        return regions * torch.nn.functional.cross_entropy(logits.flatten(0, 1), same, weight=self._weights)

    def measure(self) -> dict[str, float]:
        """``score``, the negative log loss, and ``top-1``; both means over the classes of the people held out."""
        if not len(self.held_out):
            counts = [value for name, value in self.network.state_dict().items() if name.endswith("batches_tracked")]
            return {"score": float(counts[0])}  # steps so far: the last epoch is the best
        scores = aggregate(predict(self.network, self.crops[self.held_out], device=self.device))
        own = self.class_of[self.held_out]
        right = np.log(np.maximum(scores[np.arange(len(own)), own], _LEAST_SCORE))
        first = scores.argmax(axis=1) == own
        present = np.unique(own)
        return {
            "score": float(np.mean([right[own == c].mean() for c in present])),
            "top-1": float(np.mean([first[own == c].mean() for c in present])),
        }


def augmented(x: Any, rng: np.random.Generator) -> Any:  # noqa: ANN401 - tensors
    """Mirror, move, turn, scale and relight every crop of (n, regions, 100, 100) differently."""
    torch = import_torch()
    n, regions, side, _ = x.shape
    count = n * regions
    turn = np.radians(rng.uniform(-MOST_TURN_DEG, MOST_TURN_DEG, count))
    scale = 1 + rng.uniform(-MOST_SCALE, MOST_SCALE, count)
    mirror = rng.choice([-1.0, 1.0], count)
    cosine, sine = scale * np.cos(turn), scale * np.sin(turn)
    shift = 2 * rng.uniform(-MOST_SHIFT, MOST_SHIFT, (2, count))
    theta = np.stack([[mirror * cosine, -sine, shift[0]], [mirror * sine, cosine, shift[1]]]).transpose(2, 0, 1)
    places = torch.nn.functional.affine_grid(
        torch.from_numpy(theta.astype(np.float32)).to(x.device), [count, 1, side, side], align_corners=False
    )
    moved = torch.nn.functional.grid_sample(
        x.reshape(count, 1, side, side), places, padding_mode="border", align_corners=False
    )
    gain = rng.uniform(1 - MOST_GAIN, 1 + MOST_GAIN, (count, 1, 1, 1)).astype(np.float32)
    light = rng.uniform(-MOST_LIGHT, MOST_LIGHT, (count, 1, 1, 1)).astype(np.float32)
    relit = moved * torch.from_numpy(gain).to(x.device) + torch.from_numpy(light).to(x.device)
    return relit.reshape(x.shape)


def predict(network: Any, crops: NDArray[np.uint8], *, device: str = "cpu") -> NDArray[np.float32]:  # noqa: ANN401
    """Softmax of every region's network: (n, regions, 100, 100) uint8 to (n, regions, classes)."""
    torch = import_torch()
    network.eval()
    parts = []
    with torch.no_grad():
        for at in range(0, len(crops), _BATCH):
            logits = network(as_input(crops[at : at + _BATCH]).to(device))
            parts.append(torch.softmax(logits.float(), -1).cpu().numpy())
    return np.concatenate(parts)
