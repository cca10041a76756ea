"""Learn where the points of a face are, on faces with unusual proportions too, and how sure that is.

Positions are learnt by smooth L1. Sigmas are learnt by the Gaussian likelihood of the positions as they come out, which
are held still for it: to be unsure is no way out of being wrong.
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
from deciface.training.landmark_network import INPUT_PX, build_landmarks
from deciface.training.planted_crops import MARGIN_PX, Shots
from deciface.training.recipe import Recipe, Rows, Schedule, Stage

SIGMA_WEIGHT = 0.1
PLACE_WEIGHTS = (0.5, 0.6, 0.8, 1.0)
"""Of the places by the map and after each move, in what is learnt."""
OUTSIDE_PX = 5.0
"""A point further outside the crop than this teaches nothing."""
CHANGES = CropChanges(
    turn_deg=3.0,
    scale=0.04,
    shift_px=3.5,
    gamma=0.25,
    gain=0.15,
    light=0.3,
    blur=0.4,
    noise=0.02,
    warmth=0.08,
    coarse=0.15,
    covered=0.2,
    grey=0.15,
)


class LandmarkTask:
    """Place landmarks in crops.

    Parameters
    ----------
    shots
        All crops, in colour.
    points
        Which of the 189 points of the template are placed.
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
        points: NDArray[np.intp],
        *,
        learn: Rows,
        choose: Rows,
        mean_shape: Points,
        batch: int = 48,
        changes: CropChanges = CHANGES,
    ) -> None:
        if batch < 2:
            raise OptionError(f"batch = {batch}; at least 2 are needed for a batch norm")
        if len(learn) < batch or not len(choose):
            raise InputError(
                f"{len(learn)} crops to learn from in batches of {batch}, {len(choose)} to choose on; show more people"
            )
        torch = import_torch()
        self.network = build_landmarks(len(points)).to(memory_format=torch.channels_last)
        self.shots, self.points, self.learn, self.choose, self.batch = shots, points, learn, choose, batch
        self.changes = changes
        self._mirror = torch.from_numpy(np.ascontiguousarray(mirror_order(mean_shape)))

    def batches(self, rng: np.random.Generator) -> Iterable[Rows]:
        """Shuffle; what is left over is dealt out."""
        return np.array_split(rng.permutation(self.learn), len(self.learn) // self.batch)

    def loss(self, rows: Rows, rng: np.random.Generator) -> Any:  # noqa: ANN401 - a tensor
        """Smooth L1 of positions in crop px, and the likelihood of their errors."""
        torch = import_torch()
        crops, wanted = changed_crops(self.shots, rows, rng, plan=self.changes, inner_px=INPUT_PX, mirror=self._mirror)
        wanted = wanted[:, torch.from_numpy(self.points)]
        places, log_sigma = self.network.steps(crops.contiguous(memory_format=torch.channels_last))
        inside = ((wanted > -OUTSIDE_PX) & (wanted < INPUT_PX - 1 + OUTSIDE_PX)).all(2, keepdim=True).float()
        gap = places[-1].float() - wanted
        near = sum(
            weight * torch.nn.functional.smooth_l1_loss(place.float(), wanted, reduction="none")
            for place, weight in zip(places, PLACE_WEIGHTS, strict=True)
        )
        unlikely = log_sigma.float() + gap.detach() ** 2 / (2 * torch.exp(2 * log_sigma.float()))
        return ((near + SIGMA_WEIGHT * unlikely) * inside).sum() / (2 * inside.sum())

    def measure(self) -> Mapping[str, float]:
        """Mean error in crop px, less is better; and the share of errors within one sigma, of each axis."""
        torch = import_torch()
        inner = slice(MARGIN_PX, -MARGIN_PX)
        said = []
        for at in range(0, len(self.choose), 128):
            crops = as_input(self.shots.crops[self.choose[at : at + 128], inner, inner])
            said.append(self.network(crops.contiguous(memory_format=torch.channels_last)).float().numpy())
        found = np.concatenate(said)
        gap = found[..., :2] - (self.shots.landmarks_px[self.choose][:, self.points] - MARGIN_PX)
        error = float(np.linalg.norm(gap, axis=-1).mean())
        within = float((np.abs(gap) < np.exp(found[..., 2:])).mean())
        return {"score": -error, "landmark error px": error, "share within one sigma": within}


def landmark_recipe(
    *, epochs: int = 10, rate: float = 2e-3, seed: int = 0, threads: int = 1, device: str = "cpu", mixed: bool = True
) -> Recipe:
    """One stage over everything, its rate falling as half a cosine."""
    stage = Stage("all layers", epochs, rate, schedule=Schedule.COSINE)
    return Recipe((stage,), patience=epochs, weight_decay=0.02, seed=seed, threads=threads, device=device, mixed=mixed)


def landmarks_onnx(network: Any, metadata: Mapping[str, str]) -> bytes:  # noqa: ANN401 - a torch.nn.Module
    """Write the trained network: (n, 3, 256, 256) RGB / 255 to (n, points, 4), see `build_landmarks`."""
    return onnx_from_torch(network, (3, INPUT_PX, INPUT_PX), metadata=metadata)
