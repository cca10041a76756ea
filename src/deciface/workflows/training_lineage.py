"""Whom the encoder that a training begins from has learnt from already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deciface.errors import InputError
from deciface.models import ModelCard
from deciface.models.store import shipped_cards
from deciface.store import Workspace
from deciface.store.trained import TrainedPhoto, trained_models
from deciface.workflows.training_cohort import is_workspace


@dataclass(frozen=True, slots=True)
class Lineage:
    """Photos that a base learnt from, as far as they are known here.

    Parameters
    ----------
    photos
        Of the workspace that is trained on.
    known
        False where nobody here knows whom the base learnt from.
    """

    photos: tuple[TrainedPhoto, ...] = ()
    known: bool = True

    @property
    def patients(self) -> frozenset[str]:
        """Whom the photos show."""
        return frozenset(photo.patient_id for photo in self.photos)


def lineage_of(base: ModelCard, cohort: Path) -> Lineage:
    """Look up whom a base learnt from: models that DeciFace knows learnt from nobody here, others by the workspace.

    Raises
    ------
    InputError
        Somebody whom it learnt from was withdrawn.
    StorageError
        The workspace cannot be read.
    """
    if any(card.id == base.id for card in shipped_cards()):
        return Lineage()
    if is_workspace(cohort):
        with Workspace.open(cohort) as workspace:
            noted = next((one for one in trained_models(workspace) if one.sha256 == base.sha256), None)
        if noted is not None and noted.withdrawn_photos:
            raise InputError(
                f"base '{base.id}' learnt from a photo that was withdrawn since; begin from another, e.g. dlib-resnet"
            )
        if noted is not None:
            return Lineage(noted.photos)
    return Lineage(known=False)
