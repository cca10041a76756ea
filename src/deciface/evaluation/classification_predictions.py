"""Scores of photos by classifiers that never saw the patient, and of patients by the mean of their photos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.errors import MismatchError

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Scores of photos by models that were not trained on anybody in them.

    Parameters
    ----------
    patients
        (n,) id of the patient in each photo.
    classes
        (c,) ids of the classes, in the order of the columns of `scores`.
    class_of
        (n,) number of each photo's class, 0 to c - 1.
    scores
        (n, c) at least 0, rows adding up to 1.

    Raises
    ------
    MismatchError
        Sizes that differ, scores that are not finite, or a patient in two classes.
    """

    patients: tuple[str, ...]
    classes: tuple[str, ...]
    class_of: Indices
    scores: Floats

    def __post_init__(self) -> None:
        n, c = len(self.patients), len(self.classes)
        if self.class_of.shape != (n,) or self.scores.shape != (n, c) or n == 0 or c < 2:
            raise MismatchError(
                f"{n} photos, {c} classes, class numbers {self.class_of.shape}, scores {self.scores.shape}; give (n,) "
                "class numbers and (n, classes) scores of at least two classes"
            )
        if not np.isfinite(self.scores).all() or self.class_of.min() < 0 or self.class_of.max() >= c:
            raise MismatchError(
                "a score is not finite or a class number has no class; leave photos without a class out"
            )
        several = {who for who, own in self._classes_of_patients().items() if len(own) > 1}
        if several:
            raise MismatchError(f"patient '{min(several)}' is in two classes; every patient has one: leave them out")

    def _classes_of_patients(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = {}
        for who, own in zip(self.patients, self.class_of.tolist(), strict=True):
            found.setdefault(who, set()).add(own)
        return found

    def by_patient(self) -> tuple[Floats, Indices]:
        """Mean scores (p, c) and class (p,) of every patient, in the order of their ids."""
        _, first, of = np.unique(np.array(self.patients), return_index=True, return_inverse=True)
        sums = np.zeros((len(first), len(self.classes)))
        np.add.at(sums, of, self.scores)
        means: Floats = sums / np.bincount(of)[:, None]
        return means, self.class_of[first]
