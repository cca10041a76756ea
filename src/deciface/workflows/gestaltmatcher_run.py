"""What can be chosen of a GestaltMatcher run, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.torch_encoder import check_device
from deciface.errors import ModelError, OptionError
from deciface.models import ModelCard, ModelStore
from deciface.models.card import card_fields, card_from, read_card
from deciface.models.store import shipped_cards
from deciface.space import Rule
from deciface.stats.proportions import wilson
from deciface.training.folds import FEWEST_FOLDS
from deciface.training.gestaltmatcher import gestaltmatcher_recipe
from deciface.training.manifest import CARD_FILE
from deciface.training.recipe import Epoch, Recipe
from deciface.workflows.training_runs import need_written

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
        """What decides the result."""
        return {
            "base": self.base,
            "model_id": self.model_id,
            "folds": self.folds,
            "unseen": list(self.unseen),
            "head_epochs": self.head_epochs,
            "epochs": self.epochs,
            "head_rate": self.head_rate,
            "rate": self.rate,
            "patience": self.patience,
            "batch": self.batch,
            "balance_ancestry": self.balance_ancestry,
            "seed": self.seed,
            "device": self.device,
            "mixed": self.mixed,
        }


def need_possible(settings: Settings, store: ModelStore, *, say: Callable[[str], None]) -> ModelCard:
    """Judge what can be judged without the cohort; returns the card of the base.

    Parameters
    ----------
    settings, store
        How to train; where the base is.
    say
        Is told where `deciface models add` would refuse the encoder under its id.

    Raises
    ------
    OptionError
        An option that is not allowed.
    ModelError
        No such base.
    """
    settings.recipe  # noqa: B018 - judges epochs, rates, patience, seed and threads
    if settings.folds < FEWEST_FOLDS:
        raise OptionError(
            f"{settings.folds} folds; at least {FEWEST_FOLDS} are needed: to learn from, to choose on, to test on"
        )
    if settings.batch < 2:
        raise OptionError(f"batch = {settings.batch}; at least 2 photos are needed for a batch norm")
    check_device(settings.device)
    base = store.card(settings.base)
    _need_id(settings.model_id, base)
    if any(card.id == settings.model_id for card in store.cards()):
        say(
            f"note: the model store has a '{settings.model_id}' already; to add this encoder beside it, begin again "
            "with another --id, or change the id in card.yaml before `deciface models add`"
        )
    return base


def _need_id(model_id: str, base: ModelCard) -> None:
    """Refuse an id that no card may have, or that a shipped model has."""
    try:
        card_from({**card_fields(base), "id": model_id}, origin="--id")
    except ModelError as error:
        raise OptionError(
            f"--id '{model_id}'; allowed are 2 to 63 small letters, digits, '-' or '_', a letter or digit first"
        ) from error
    if any(card.id == model_id for card in shipped_cards()):
        raise OptionError(f"--id '{model_id}' is a model that DeciFace knows already; name another, e.g. my-encoder")


@dataclass(frozen=True, eq=False)
class Divided:
    """Rows to learn from, to choose the epoch on, and to test on; no patient is in two.

    `unseen` are the disorders of which nobody is learnt from, by wish or because of too few patients.
    """

    learn: Rows
    choose: Rows
    test: Rows
    unseen: frozenset[str] = frozenset()

    @property
    def taught(self) -> tuple[int, ...]:
        """Rows that decided something about the network: learnt from, or chosen on."""
        return (*self.learn.tolist(), *self.choose.tolist())


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
    chance
        Expected share in a random order: of photos under nearest-image, of disorders under the other rules.
    """

    who: str
    rule: Rule
    patients: int
    hits: int
    hits_before: int
    chance: float

    @classmethod
    def of_document(cls, said: Mapping[str, Any]) -> HeldOut:
        """Read what `as_document` wrote."""
        hits, before = (int(said[name]["hits"]) for name in ("trained", "before"))
        return cls(str(said["who"]), Rule(said["rule"]), int(said["patients"]), hits, before, float(said["chance"]))

    def as_document(self) -> dict[str, Any]:
        """Shares with their 95 % Wilson intervals, in plain types."""

        def share(hits: int) -> dict[str, float | int]:
            low, high = wilson(hits, self.patients)
            return {"hits": hits, "share": hits / self.patients, "low": low, "high": high}

        return {
            "who": self.who,
            "rule": str(self.rule),
            "patients": self.patients,
            "chance": self.chance,
            "trained": share(self.hits),
            "before": share(self.hits_before),
        }


@dataclass(frozen=True)
class TrainedEncoder:
    """What came of a run; `problems` are photos that were not used, and rules that the cohort is too small for."""

    folder: Path
    card: ModelCard
    epochs: tuple[Epoch, ...]
    held_out: tuple[HeldOut, ...]
    manifest: Mapping[str, Any]
    problems: tuple[str, ...]

    @classmethod
    def of_run(cls, folder: Path, card: ModelCard, manifest: Mapping[str, Any]) -> TrainedEncoder:
        """Put together what the manifest of a finished run says."""
        results = manifest["results"]
        return cls(
            folder,
            card,
            tuple(Epoch(**line) for line in results["epochs"]),
            tuple(HeldOut.of_document(said) for said in results["held_out"]),
            manifest,
            (*manifest["data"]["not_used"], *results["rules_left_out"]),
        )


def finished_encoder(folder: Path, manifest: Mapping[str, Any]) -> TrainedEncoder | None:
    """What came of a run that has ended; None where it has not, or its encoder is gone.

    Raises
    ------
    ModelError
        The encoder is not the file that the run wrote.
    """
    if not manifest.get("ended"):
        return None
    model = manifest["results"]["model"]
    if not need_written(folder / model["file"], sha256=model["sha256"]):
        return None
    card = read_card(folder / CARD_FILE, origin=f"card '{CARD_FILE}'")
    return TrainedEncoder.of_run(folder, card, manifest)
