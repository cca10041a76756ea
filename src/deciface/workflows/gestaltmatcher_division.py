"""Who of a cohort teaches a GestaltMatcher encoder, who chooses its epoch, and on whom it is tested."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from deciface.errors import InputError, OptionError
from deciface.training.folds import FEWEST_IN_FOLD, need_people_in_folds, patient_folds
from deciface.training.photos import TrainingPhotos
from deciface.workflows.gestaltmatcher_run import Divided, Settings


def divide(material: TrainingPhotos, settings: Settings, *, learnt_before: Collection[str] = ()) -> Divided:
    """Divide the photos by patient, families together; disorders named unseen are only tested on.

    A disorder of which nobody would be learnt from is unseen too: none of its people decides anything.

    Parameters
    ----------
    learnt_before
        Patients whom the base learnt from: nothing is tested on them.

    Raises
    ------
    OptionError
        More folds than the patients allow, or an unseen disorder that is not in the cohort or has one patient.
    InputError
        Fewer than two disorders to learn, or too few patients.
    """
    if unknown := sorted(set(settings.unseen) - set(material.labels)):
        raise OptionError(
            f"disorder '{unknown[0]}' is not in the cohort; there are {', '.join(material.classes) or 'none'}"
        )
    if lone := sorted(set(settings.unseen) & set(material.too_small)):
        raise OptionError(
            f"disorder '{lone[0]}' has one patient; at least 2 of different families are needed to test on it unseen"
        )
    labels, patients = np.array(material.labels), np.array(material.patients)
    kept = ~np.isin(labels, list(settings.unseen))
    material.rows(np.flatnonzero(kept)).need_classes()
    class_of = np.where(kept, material.class_of, -1)
    divided_ones = {unit for unit, k in zip(material.units, class_of.tolist(), strict=True) if k >= 0}
    need_people_in_folds(len(divided_ones), folds=settings.folds)
    fold = patient_folds(material.units, class_of, folds=settings.folds, seed=settings.seed)
    learn = (class_of >= 0) & (fold > 1)
    unseen = frozenset(material.classes) - frozenset(labels[learn].tolist())
    rest = (material.class_of >= 0) & ~np.isin(patients, list(learnt_before))
    divided = Divided(
        np.flatnonzero(learn),
        np.flatnonzero((class_of >= 0) & (fold == 1) & ~np.isin(labels, list(unseen))),
        np.flatnonzero(rest & ((fold == 0) | np.isin(labels, list(unseen)))),
        unseen,
    )
    _need_enough(divided, labels, patients)
    return divided


def _need_enough(divided: Divided, labels: NDArray[np.str_], patients: NDArray[np.str_]) -> None:
    """Refuse what is left when disorders without anybody to learn from, or people known to the base, are taken out."""
    learnt = set(labels[divided.learn].tolist())
    if len(learnt) < 2:
        disorders = "1 disorder" if len(learnt) == 1 else f"{len(learnt)} disorders"
        raise InputError(f"{disorders} with somebody to learn from; at least 2 are needed: add patients")
    for what, rows in (("choose the epoch on", divided.choose), ("test on", divided.test)):
        people = len(set(patients[rows].tolist()))
        if people < FEWEST_IN_FOLD:
            raise InputError(
                f"{people} {'patient' if people == 1 else 'patients'} left to {what}; at least {FEWEST_IN_FOLD} are "
                "needed: add patients a disorder, or begin from a base that knows fewer of them"
            )
