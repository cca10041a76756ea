"""What a DeepGestalt-type model is to tell apart, and who of a cohort it learns that from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deciface.encoders.deepgestalt import ModelKind
from deciface.training.deepgestalt_folds import TrainingMaterial, TrainingPlan, divide
from deciface.training.deepgestalt_labels import Labelled, label_photos
from deciface.training.folds import FEWEST_IN_FOLD
from deciface.training.manifest import material_as_document
from deciface.training.photos import TrainingPhotos, refuse_shared_pixels
from deciface.workflows.training_photos import FoundPhotos


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be chosen of a run.

    Parameters
    ----------
    kind, disorders, leave_out_small
        What is told apart; see `deciface.training.deepgestalt_labels.label_photos`.
    plan
        How it is learnt.
    """

    kind: ModelKind
    plan: TrainingPlan
    disorders: tuple[str, ...] = ()
    leave_out_small: bool = False

    def as_document(self) -> dict[str, Any]:
        """What decides the result besides the data."""
        plan = self.plan
        return {
            "kind": str(self.kind),
            "disorders": list(self.disorders),
            "leave_out_small": self.leave_out_small,
            "regions": [str(region) for region in plan.regions],
            "folds": plan.folds,
            "epochs": plan.epochs,
            "batch": plan.batch,
            "channels": list(plan.channels),
            "balance_ancestry": plan.balance_ancestry,
            "seed": plan.seed,
            "device": plan.device,
        }


@dataclass(frozen=True, eq=False)
class Ready:
    """What is learnt from: everything that was found, and what has a class."""

    found: FoundPhotos
    labelled: Labelled
    photos: TrainingPhotos
    material: TrainingMaterial
    data: Mapping[str, Any]


def prepare(found: FoundPhotos, settings: Settings) -> Ready:
    """Label and divide what was found, so that whatever is wrong is said before anything is written.

    Raises
    ------
    InputError
        A class with too few patients, an empty fold, one picture under two patients.
    OptionError
        An unknown disorder.
    """
    refuse_shared_pixels(found.material)
    labelled, photos, material = divided(found.material, settings)
    data = material_as_document(
        photos,
        source=found.source,
        learnt_from=range(len(photos.photos)),
        cohort_digest=found.cohort_digest,
        without_consent={"people": found.withheld.people, "photos": found.withheld.photos},
        not_used=found.not_used,
    )
    return Ready(found, labelled, photos, material, data)


def divided(everybody: TrainingPhotos, settings: Settings) -> tuple[Labelled, TrainingPhotos, TrainingMaterial]:
    """Label photos, with or without their crops, and see that they can be divided; errors as `prepare`."""
    labelled = label_photos(
        everybody.photos, settings.kind, disorders=settings.disorders, leave_out_small=settings.leave_out_small
    )
    rows = np.flatnonzero(labelled.class_of >= 0)
    label_of = {everybody.photos[i].id: labelled.label_of(i) for i in rows.tolist()}
    photos = TrainingPhotos(
        tuple(everybody.photos[i] for i in rows), everybody.crops[rows], lambda photo: label_of[photo.id]
    )
    ancestries = tuple(photo.patient.ancestry_label for photo in photos.photos)
    material = TrainingMaterial(
        photos.crops, labelled.class_of[rows], photos.patients, photos.digest, ancestries, photos.units
    )
    divide(material, settings.plan)
    return labelled, photos, material


def few_to_stop_by(ready: Ready, plan: TrainingPlan) -> str:
    """Say that the epoch of a fold is chosen on very few patients; empty where it is not."""
    fold_of = divide(ready.material, plan)
    fewest = min(
        len({ready.material.patients[i] for i in np.flatnonzero(fold_of == fold)}) for fold in range(plan.folds)
    )
    if fewest >= FEWEST_IN_FOLD:
        return ""
    people = "1 patient" if fewest == 1 else f"{fewest} patients"
    return f"The epoch of a fold was chosen on as few as {people}: give fewer folds, or more patients."
