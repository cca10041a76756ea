"""Learn to read planted amounts off a face, whoever it is, however it is turned and lit.

The network sees a crop and says how much of each feature was planted. What it can say is what a face shows beyond what
faces of that kind of person show anyway: who the person is, their ancestry, pose, expression and light are drawn apart
from what is planted, so nothing is gained by noticing them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.iresnet import import_torch
from deciface.encoders.onnx_from_torch import onnx_from_torch
from deciface.errors import InputError, OptionError
from deciface.simulate.template import Points, mirror_order
from deciface.training.crop_changes import CropChanges, as_input, changed_crops
from deciface.training.dysmorphic_network import INPUT_PX, LANDMARK_UNIT_PX, build_dysmorphic
from deciface.training.planted_crops import FEATURE_NAMES, MARGIN_PX, Shots
from deciface.training.recipe import Recipe, Rows, Schedule, Stage

LANDMARK_WEIGHT = 0.1
"""Of the landmarks' loss (smooth L1 of crop px) beside that of the amounts (mean square of SD).

Mean square, because most amounts are 0: what lies nearest to most cases in absolute value is to say 0 to all.
"""
UNREMARKABLE_SD = 1.0
"""The last value of every encoding, in SD: what a face without features has instead of a direction."""


class AmountTask:
    """Read planted amounts and landmarks off crops.

    Parameters
    ----------
    shots
        All crops.
    learn, choose
        Rows to learn from and to choose the epoch on; different people.
    mean_shape
        (189, 2) near-symmetric template: tells which landmark mirrors which.
    batch, changes
        Crops in a batch; how they are changed.

    Raises
    ------
    InputError
        Nothing to learn from, or to choose on.
    OptionError
        A batch of less than two.
    """

    def __init__(
        self,
        shots: Shots,
        *,
        learn: Rows,
        choose: Rows,
        mean_shape: Points,
        batch: int = 96,
        changes: CropChanges | None = None,
    ) -> None:
        if batch < 2:
            raise OptionError(f"batch = {batch}; at least 2 are needed for a batch norm")
        if len(learn) < batch or not len(choose):
            raise InputError(
                f"{len(learn)} crops to learn from in batches of {batch}, {len(choose)} to choose on; show more people"
            )
        torch = import_torch()
        self.network = build_dysmorphic(len(FEATURE_NAMES)).to(memory_format=torch.channels_last)
        self.shots, self.learn, self.choose, self.batch = shots, learn, choose, batch
        self.changes = changes or CropChanges()
        self._mirror = torch.from_numpy(np.ascontiguousarray(mirror_order(mean_shape)))
        self._middle_px = (shots.landmarks_px[learn] - MARGIN_PX).mean(0)

    def batches(self, rng: np.random.Generator) -> Iterable[Rows]:
        """Shuffle; what is left over is dealt out."""
        return np.array_split(rng.permutation(self.learn), len(self.learn) // self.batch)

    def loss(self, rows: Rows, rng: np.random.Generator) -> Any:  # noqa: ANN401 - a tensor
        """Mean square of amounts, and smooth L1 of landmarks."""
        torch = import_torch()
        functional = torch.nn.functional
        crops, points = self._changed(rows, rng)
        amounts, placed = self.network.both(crops.contiguous(memory_format=torch.channels_last))
        wanted = torch.from_numpy(self.shots.amounts_sd[rows])
        strays = (points - torch.from_numpy(self._middle_px)).reshape(len(rows), -1)
        landmarks = functional.smooth_l1_loss(placed.float() * LANDMARK_UNIT_PX, strays)
        return functional.mse_loss(amounts.float(), wanted) + LANDMARK_WEIGHT * landmarks

    def measure(self) -> Mapping[str, float]:
        """Mean correlation of planted with read amounts (the score), and the landmark error in crop px."""
        torch = import_torch()
        read, placed = [], []
        for at in range(0, len(self.choose), 256):
            crops = as_input(_inner(self.shots.crops[self.choose[at : at + 256]]))
            amounts, points = self.network.both(crops.contiguous(memory_format=torch.channels_last))
            read.append(amounts.float().numpy())
            placed.append(points.float().numpy() * LANDMARK_UNIT_PX)
        truth = self.shots.landmarks_px[self.choose] - MARGIN_PX - self._middle_px
        error = np.linalg.norm(np.concatenate(placed).reshape(truth.shape) - truth, axis=-1)
        found = correlations(np.concatenate(read), self.shots.amounts_sd[self.choose])
        return {"score": float(found.mean()), "landmark error px": float(error.mean())}

    def _changed(self, rows: Rows, rng: np.random.Generator) -> tuple[Any, Any]:
        """Crops (n, 1, 128, 128) in 0-1 and landmarks (n, 189, 2) in them, moved, mirrored and made worse."""
        return changed_crops(self.shots, rows, rng, plan=self.changes, inner_px=INPUT_PX, mirror=self._mirror)


def _inner(crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Crops without their margin."""
    return crops[:, MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]


def correlations(read: NDArray[np.floating[Any]], planted: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Correlation of each feature's read with its planted amounts, (features,); 0 where one of them never varies."""
    a, b = (np.asarray(m, np.float64) - np.asarray(m, np.float64).mean(0) for m in (read, planted))
    size = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    return np.asarray(np.divide((a * b).sum(0), size, out=np.zeros(a.shape[1]), where=size > 1e-12))


def dysmorphic_recipe(
    *, epochs: int = 10, rate: float = 2e-3, seed: int = 0, threads: int = 1, device: str = "cpu", mixed: bool = True
) -> Recipe:
    """One stage over everything, its rate falling as half a cosine."""
    stage = Stage("all layers", epochs, rate, schedule=Schedule.COSINE)
    return Recipe(
        (stage,),
        patience=epochs,
        weight_decay=0.02,
        seed=seed,
        threads=threads,
        device=device,
        mixed=mixed,
    )


def encoder_onnx(network: Any, metadata: Mapping[str, str]) -> bytes:  # noqa: ANN401 - a torch.nn.Module
    """Write the trained network as an encoder: amounts in SD, and `UNREMARKABLE_SD` behind them.

    Scaled to unit length, as every encoding is, the amounts alone would have a direction in every face; with the last
    value a face without features has the direction "none", and the more a face shows the farther it is from there.
    """
    torch = import_torch()
    features = len(FEATURE_NAMES)
    lifted = torch.nn.Linear(features, features + 1)
    with torch.no_grad():
        lifted.weight.copy_(torch.eye(features + 1, features))
        lifted.bias.copy_(torch.eye(features + 1)[features] * UNREMARKABLE_SD)
    return onnx_from_torch(torch.nn.Sequential(network, lifted), (1, INPUT_PX, INPUT_PX), metadata=metadata)
