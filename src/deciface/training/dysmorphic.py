"""Learn to read planted amounts off a face, whoever it is, however it is turned and lit.

The network sees a crop and says how much of each feature was planted. What it can say is what a face shows beyond what
faces of that kind of person show anyway: who the person is, their ancestry, pose, expression and light are drawn apart
from what is planted, so nothing is gained by noticing them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.iresnet import import_torch
from deciface.encoders.onnx_from_torch import onnx_from_torch
from deciface.errors import InputError, OptionError
from deciface.simulate.template import Points, mirror_order
from deciface.training.dysmorphic_network import INPUT_PX, LANDMARK_UNIT_PX, build_dysmorphic
from deciface.training.loop import Recipe, Rows, Schedule, Stage
from deciface.training.planted_crops import FEATURE_NAMES, MARGIN_PX, SIDE_PX, Shots

LANDMARK_WEIGHT = 0.1
"""Of the landmarks' loss (smooth L1 of crop px) beside that of the amounts (mean square of SD).

Mean square, because most amounts are 0: what lies nearest to most cases in absolute value is to say 0 to all.
"""
UNREMARKABLE_SD = 1.0
"""The last value of every encoding, in SD: what a face without features has instead of a direction."""


@dataclass(frozen=True, slots=True)
class Worsening:
    """How far a training crop is moved and made worse; SDs, or the largest value where drawn evenly.

    Parameters
    ----------
    turn_deg, scale, shift_px
        Of the crop.
    gamma, gain
        SD of their logarithms.
    light
        Largest fall-off across the crop.
    blur
        Share of crops blurred.
    noise
        Largest SD, of 1.
    """

    turn_deg: float = 1.5
    scale: float = 0.02
    shift_px: float = 1.2
    gamma: float = 0.15
    gain: float = 0.12
    light: float = 0.2
    blur: float = 0.4
    noise: float = 0.012


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
    batch, worsening
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
        worsening: Worsening | None = None,
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
        self.worsening = worsening or Worsening()
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
            crops = torch.from_numpy(_inner(self.shots.crops[self.choose[at : at + 256]])).float()[:, None] / 255
            amounts, points = self.network.both(crops.contiguous(memory_format=torch.channels_last))
            read.append(amounts.float().numpy())
            placed.append(points.float().numpy() * LANDMARK_UNIT_PX)
        truth = self.shots.landmarks_px[self.choose] - MARGIN_PX - self._middle_px
        error = np.linalg.norm(np.concatenate(placed).reshape(truth.shape) - truth, axis=-1)
        found = correlations(np.concatenate(read), self.shots.amounts_sd[self.choose])
        return {"score": float(found.mean()), "landmark error px": float(error.mean())}

    def _changed(self, rows: Rows, rng: np.random.Generator) -> tuple[Any, Any]:
        """Crops (n, 1, 128, 128) in 0-1 and landmarks (n, 189, 2) in them, moved, mirrored and made worse."""
        torch = import_torch()
        functional, plan, n = torch.nn.functional, self.worsening, len(rows)

        def drawn(values: NDArray[Any]) -> Any:  # noqa: ANN401 - a tensor
            return torch.from_numpy(np.asarray(values, np.float32))

        angle, scale = np.radians(rng.normal(0, plan.turn_deg, n)), np.exp(rng.normal(0, plan.scale, n))
        mirrored = np.where(rng.random(n) < 0.5, -1.0, 1.0)
        c, s = np.cos(angle) * scale * INPUT_PX / SIDE_PX, np.sin(angle) * scale * INPUT_PX / SIDE_PX
        matrix = drawn(np.stack([np.stack([c * mirrored, -s], 1), np.stack([s * mirrored, c], 1)], 1))
        shift = drawn(rng.normal(0, 2 * plan.shift_px / SIDE_PX, (n, 2, 1)))
        crops = torch.from_numpy(self.shots.crops[rows]).float()[:, None] / 255
        grid = functional.affine_grid(torch.cat([matrix, shift], 2), [n, 1, INPUT_PX, INPUT_PX], align_corners=False)
        crops = functional.grid_sample(crops, grid, mode="bilinear", padding_mode="border", align_corners=False)
        where = 2 * (torch.from_numpy(self.shots.landmarks_px[rows]) + 0.5) / SIDE_PX - 1
        points = torch.linalg.solve(matrix, where.transpose(1, 2) - shift).transpose(1, 2)
        points = (points + 1) * (INPUT_PX / 2) - 0.5
        flipped = torch.from_numpy(mirrored < 0)
        points[flipped] = points[flipped][:, self._mirror]
        gamma, gain = (drawn(np.exp(rng.normal(0, sd, (n, 1, 1, 1)))) for sd in (plan.gamma, plan.gain))
        line = np.linspace(-1, 1, INPUT_PX)
        toward = rng.uniform(0, 2 * np.pi, (n, 1, 1))
        slope = rng.uniform(0, plan.light, (n, 1, 1)) * (np.cos(toward) * line + np.sin(toward) * line[:, None])
        crops = crops.clamp(1e-3, 1) ** gamma * gain * drawn(1 + slope)[:, None]
        soft = functional.avg_pool2d(functional.pad(crops, (1, 1, 1, 1), mode="replicate"), 3, 1)
        share = drawn(np.where(rng.random(n) < plan.blur, rng.random(n), 0.0)[:, None, None, None])
        crops = crops + share * (soft - crops)
        sd = rng.uniform(0, plan.noise, (n, 1, 1, 1)).astype(np.float32)
        crops = crops + drawn(sd * rng.standard_normal(tuple(crops.shape), dtype=np.float32))
        return crops.clamp(0, 1), points


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
