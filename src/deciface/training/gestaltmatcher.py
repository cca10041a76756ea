"""The GestaltMatcher recipe: a face encoder learns to tell disorders apart; then its classifier is thrown away.

As published (Hsieh et al. 2022, Nat Genet; Hustinx et al. 2023, WACV): a network that knows identities is given a
classifier of disorders (dropout 0.5, one linear layer); first its last layer and the classifier learn, then everything;
the loss is weighted by class, ``0.5 + 0.5 * fewest / count``. What differs here: weight k belongs to class k (the
published list follows descending frequency while the labels follow ids), the patient is the unit of every division, and
the epoch is chosen on patients who are neither learnt from nor tested on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.iresnet import import_torch
from deciface.errors import OptionError
from deciface.models.card import Colour, ModelCard
from deciface.training.folds import balanced_order, class_weights
from deciface.training.photos import TrainingPhotos
from deciface.training.recipe import Recipe, Rows, Stage

LAST_LAYER = ("fc.", "features.", "classifier.")
"""Names of the parameters that learn in the first stage."""
CLASSIFIER_DROPOUT = 0.5
UNAFFECTED = -1


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How often and how far a training crop is changed; the shares of GestaltMatcher-Arc and small moves besides.

    Parameters
    ----------
    flip, grey, shrink
        Probability of mirroring, of luminance in all channels, of shrinking to 45-90 % and back.
    turn_deg, scale, shift
        SD of rotation, relative size and shift (share of the width).
    light, colour
        SD of the log of the gain, and of each channel's own.
    """

    flip: float = 0.5
    grey: float = 0.1
    shrink: float = 0.1
    turn_deg: float = 2.0
    scale: float = 0.02
    shift: float = 0.01
    light: float = 0.1
    colour: float = 0.04


def moved(crops: Any, plan: Augmentation, rng: np.random.Generator) -> Any:  # noqa: ANN401 - tensors
    """Change (n, 3, h, w) float crops in 0-255 at random; everything follows from `rng`."""
    torch = import_torch()
    n, side = len(crops), crops.shape[-1]
    angle = np.radians(rng.normal(0, plan.turn_deg, n))
    scale = np.exp(rng.normal(0, plan.scale, n))
    mirrored = np.where(rng.random(n) < plan.flip, -1.0, 1.0)
    theta = np.zeros((n, 2, 3), np.float32)
    theta[:, 0, 0], theta[:, 0, 1] = np.cos(angle) * scale * mirrored, -np.sin(angle) * scale
    theta[:, 1, 0], theta[:, 1, 1] = np.sin(angle) * scale * mirrored, np.cos(angle) * scale
    theta[:, :, 2] = rng.normal(0, 2 * plan.shift, (n, 2))
    small = np.where(rng.random(n) < plan.shrink, rng.uniform(0.45, 0.9, n), 1.0)
    grey = torch.from_numpy(rng.random(n) < plan.grey)
    gain = np.exp(rng.normal(0, plan.light, (n, 1)) + rng.normal(0, plan.colour, (n, 3))).astype(np.float32)
    affine, sample, resize = (
        torch.nn.functional.affine_grid,
        torch.nn.functional.grid_sample,
        torch.nn.functional.interpolate,
    )
    grid = affine(torch.from_numpy(theta).to(crops.device), list(crops.shape), align_corners=False)
    out = sample(crops, grid, mode="bilinear", padding_mode="border", align_corners=False)
    for i in np.flatnonzero(small < 1):
        size = max(8, round(side * float(small[i])))
        tiny = resize(out[i : i + 1], size=(size, size), mode="area")
        out[i : i + 1] = resize(tiny, size=(side, side), mode="bilinear", align_corners=False)
    if grey.any():
        weights = torch.tensor([0.299, 0.587, 0.114], device=out.device).view(1, 3, 1, 1)
        out[grey] = (out[grey] * weights).sum(1, keepdim=True).expand(-1, 3, -1, -1)
    return (out * torch.from_numpy(gain).to(out.device)[:, :, None, None]).clamp(0, 255)


class DisorderTask:
    """Learn to tell disorders apart.

    Parameters
    ----------
    trunk
        torch.nn.Module from (n, 3, h, w) to (n, d).
    dimensions
        d.
    card
        Of the trunk: order of the colours, mean and standard deviation of its input.
    material
        Photos, crops (n, h, w, 3) and classes.
    learn, choose
        Rows to learn from, and rows on which the epoch is chosen. Photos without a class are left out.
    batch
        Photos in a batch.
    balance
        Draw photos so that every ancestry is seen as often.
    seed, device
        Of the classifier's first weights; where it is.

    Raises
    ------
    InputError
        With fewer than two classes.
    OptionError
        A batch of less than two photos.
    """

    def __init__(
        self,
        trunk: Any,  # noqa: ANN401 - a torch.nn.Module
        dimensions: int,
        card: ModelCard,
        material: TrainingPhotos,
        *,
        learn: Rows,
        choose: Rows,
        batch: int = 32,
        balance: bool = False,
        seed: int = 0,
        device: str = "cpu",
        plan: Augmentation | None = None,
    ) -> None:
        if batch < 2:
            raise OptionError(f"batch = {batch}; at least 2 are needed for a batch norm")
        material.need_classes()
        torch = import_torch()
        classes = len(material.classes)
        self.network = torch.nn.Module()
        self.network.trunk = trunk
        with torch.random.fork_rng(devices=[]):  # whatever was drawn before in this process must not matter
            torch.manual_seed(seed)
            self.network.classifier = torch.nn.Sequential(
                torch.nn.Dropout(CLASSIFIER_DROPOUT), torch.nn.Linear(dimensions, classes)
            )
        self.material, self.batch, self.balance, self.device = material, batch, balance, device
        labelled = material.class_of >= 0
        self.learn, self.choose = learn[labelled[learn]], choose[labelled[choose]]
        self.plan = plan or Augmentation()
        self._reversed = card.colour is Colour.BGR
        weights = class_weights(material.class_of[self.learn], classes)
        self._loss = torch.nn.CrossEntropyLoss(weight=torch.from_numpy(weights).to(device))
        self._mean, self._std = (torch.tensor(v, device=device).view(1, -1, 1, 1) for v in (card.mean, card.std))
        self._ancestry = [photo.patient.ancestry_label for photo in material.photos]

    def batches(self, rng: np.random.Generator) -> Iterable[Rows]:
        """Shuffle the learning rows; the last batch is left out when it has one photo."""
        order = balanced_order(self._ancestry, self.learn, rng) if self.balance else rng.permutation(self.learn)
        parts = [order[at : at + self.batch] for at in range(0, len(order), self.batch)]
        return [part for part in parts if len(part) > 1]

    def loss(self, rows: Rows, rng: np.random.Generator) -> Any:  # noqa: ANN401 - a tensor
        """Weighted cross-entropy of augmented crops."""
        torch = import_torch()
        crops = moved(self._pixels(rows), self.plan, rng)
        logits = self.network.classifier(self.network.trunk(self._input(crops)))
        return self._loss(logits.float(), torch.from_numpy(self.material.class_of[rows]).to(self.device))

    def measure(self) -> Mapping[str, float]:
        """Top-1 and top-5 on the choosing rows, mean over classes (macro); the score is their mean."""
        ranks = self.ranks(self.choose)
        own = self.material.class_of[self.choose]
        found = {k: _macro(ranks < k, own) for k in (1, 5)}
        return {"score": (found[1] + found[5]) / 2, "top-1": found[1], "top-5": found[5]}

    def ranks(self, rows: Rows) -> NDArray[np.intp]:
        """Classes scored above the photo's own, ties counted against it, (n,)."""
        scores = self.scores(rows)
        own = scores[np.arange(len(rows)), self.material.class_of[rows]]
        return np.asarray((scores >= own[:, None]).sum(1) - 1, np.intp)

    def scores(self, rows: Rows) -> NDArray[np.float32]:
        """Softmax of every photo, (n, classes); not a probability of a diagnosis."""
        torch = import_torch()
        out = [np.zeros((0, len(self.material.classes)), np.float32)]
        with torch.no_grad():
            for at in range(0, len(rows), self.batch):
                values = self._input(self._pixels(rows[at : at + self.batch]))
                logits = self.network.classifier(self.network.trunk(values)).float()
                out.append(torch.softmax(logits, 1).cpu().numpy())
        return np.concatenate(out)

    def vectors(self, rows: Rows) -> NDArray[np.float32]:
        """Unit encodings of photos, (n, d)."""
        torch = import_torch()
        out = []
        with torch.no_grad():
            for at in range(0, len(rows), self.batch):
                values = self._input(self._pixels(rows[at : at + self.batch]))
                out.append(torch.nn.functional.normalize(self.network.trunk(values).float()).cpu().numpy())
        return np.concatenate(out)

    def _pixels(self, rows: Rows) -> Any:  # noqa: ANN401 - a tensor
        torch = import_torch()
        return torch.from_numpy(self.material.crops[rows]).to(self.device).permute(0, 3, 1, 2).float()

    def _input(self, crops: Any) -> Any:  # noqa: ANN401 - tensors
        """What the trunk takes of RGB crops (n, 3, h, w): its order of colours, normalised."""
        ordered = crops.flip(1) if self._reversed else crops
        return (ordered - self._mean) / self._std


def _macro(hit: NDArray[np.bool_], own: NDArray[np.intp]) -> float:
    """Share of hits within each class, mean over classes; 0 without any."""
    return float(np.mean([hit[own == k].mean() for k in np.unique(own)])) if len(own) else 0.0


def gestaltmatcher_recipe(
    *,
    head_epochs: int = 8,
    epochs: int = 30,
    head_rate: float = 1e-2,
    rate: float = 5e-5,
    patience: int = 8,
    seed: int = 0,
    threads: int = 1,
    device: str = "cpu",
    mixed: bool = False,
) -> Recipe:
    """Two stages: the last layer with the classifier, then everything. Rates and epochs are ours, for small cohorts."""
    return Recipe(
        (
            Stage("last layer", head_epochs, head_rate, _is_last_layer),
            Stage("all layers", epochs, rate),
        ),
        patience=patience,
        plateau=max(2, patience // 2),
        seed=seed,
        threads=threads,
        device=device,
        mixed=mixed,
    )


def _is_last_layer(name: str) -> bool:
    return name.removeprefix("trunk.").startswith(LAST_LAYER)
