"""What can be chosen of a GestaltMatcher run, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.models import ModelCard
from deciface.space import Rule
from deciface.stats.proportions import wilson
from deciface.training.gestaltmatcher import gestaltmatcher_recipe
from deciface.training.loop import Epoch, Recipe

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be chosen of a run.

    Parameters
    ----------
    base
        Encoder to begin from.
    model_id
        Id of the encoder that comes out.
    folds
        Patients are divided into so many folds: one tests, one chooses the epoch, the others are learnt from.
    unseen
        Ids of disorders kept out of learning altogether, to test on disorders without training photos.
    head_epochs, epochs, head_rate, rate, patience, batch
        See `deciface.training.gestaltmatcher`.
    balance_ancestry
        Draw photos so that every ancestry is seen as often.
    seed, threads, device, mixed
        See `deciface.training.loop.Recipe`.
    """

    base: str = "dlib-resnet"
    model_id: str = "gestaltmatcher-own"
    folds: int = 5
    unseen: tuple[str, ...] = ()
    head_epochs: int = 8
    epochs: int = 30
    head_rate: float = 1e-2
    rate: float = 5e-5
    patience: int = 8
    batch: int = 32
    balance_ancestry: bool = False
    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    mixed: bool = False

    @property
    def recipe(self) -> Recipe:
        """The two stages."""
        return gestaltmatcher_recipe(
            head_epochs=self.head_epochs,
            epochs=self.epochs,
            head_rate=self.head_rate,
            rate=self.rate,
            patience=self.patience,
            seed=self.seed,
            threads=self.threads,
            device=self.device,
            mixed=self.mixed,
        )

    def as_document(self) -> dict[str, Any]:
        """What decides the result besides the recipe."""
        return {
            "base": self.base,
            "model_id": self.model_id,
            "folds": self.folds,
            "unseen": list(self.unseen),
            "batch": self.batch,
            "balance_ancestry": self.balance_ancestry,
        }


@dataclass(frozen=True, eq=False)
class Divided:
    """Rows to learn from, to choose the epoch on, and to test on; no patient is in two."""

    learn: Rows
    choose: Rows
    test: Rows


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How often the own disorder of people never learnt from came first, the patient being the unit.

    Parameters
    ----------
    who
        ``trained disorders`` or ``unseen disorders``.
    rule
        How disorders were ranked.
    patients
        How many were asked about; each against everybody else.
    hits, hits_before
        Whose disorder came first by the trained encoder, and by the one it began as.
    """

    who: str
    rule: Rule
    patients: int
    hits: int
    hits_before: int

    def as_document(self) -> dict[str, Any]:
        """Shares with their 95 % Wilson intervals, in plain types."""

        def share(hits: int) -> dict[str, float | int]:
            low, high = wilson(hits, self.patients)
            return {"hits": hits, "share": hits / self.patients, "low": low, "high": high}

        return {
            "who": self.who,
            "rule": str(self.rule),
            "patients": self.patients,
            "trained": share(self.hits),
            "before": share(self.hits_before),
        }


@dataclass(frozen=True)
class TrainedEncoder:
    """What came of a run."""

    folder: Path
    card: ModelCard
    epochs: tuple[Epoch, ...]
    held_out: tuple[HeldOut, ...]
    manifest: Mapping[str, Any]
    problems: tuple[str, ...]
