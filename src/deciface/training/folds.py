"""Who is learnt from and who is tested on: patients are never in both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deciface.errors import InputError, OptionError


def patient_folds(patients: Sequence[str], class_of: NDArray[np.intp], *, folds: int, seed: int) -> NDArray[np.intp]:
    """Divide photos into folds, a patient with all photos in one, every class spread as evenly as it goes.

    Parameters
    ----------
    patients
        Of each photo.
    class_of
        (n,) class of each photo, -1 for none; people without a class are spread evenly too.
    folds, seed
        How many; of the shuffling within a class.

    Returns
    -------
    (n,) fold of each photo.

    Raises
    ------
    OptionError
        Fewer than two folds.
    InputError
        A class has fewer patients than two, or fewer patients in all than folds: a fold would be empty.
    """
    if folds < 2:
        raise OptionError(f"{folds} folds; at least 2 are needed: one to test on, the others to learn from")
    class_of_patient: dict[str, int] = {}
    for patient, number in zip(patients, class_of.tolist(), strict=True):
        class_of_patient.setdefault(patient, number)
    if len(class_of_patient) < folds:
        raise InputError(f"{len(class_of_patient)} patients for {folds} folds; give fewer folds or more patients")
    rng = np.random.default_rng(seed)
    fold_of: dict[str, int] = {}
    taken = 0
    for number in sorted(set(class_of_patient.values())):
        own = sorted(p for p, c in class_of_patient.items() if c == number)
        if number >= 0 and len(own) < 2:
            raise InputError(
                f"class {number} has one patient; at least 2 are needed to learn from one and test the other"
            )
        for k, i in enumerate(rng.permutation(len(own))):
            fold_of[own[i]] = (taken + k) % folds
        taken += len(own)
    return np.array([fold_of[p] for p in patients], np.intp)


def class_weights(class_of: NDArray[np.intp], classes: int) -> NDArray[np.float32]:
    """Weight of each class in the loss, ``.5 + .5 * fewest / count``, in the order of the class numbers.

    The formula is GestaltMatcher-Arc's (Hustinx et al. 2023); there the weights follow descending frequency while the
    labels follow ids. Here weight k belongs to class k; classes without a photo get 1.

    Parameters
    ----------
    class_of
        (n,) class of each training photo; -1 is left out.
    classes
        How many there are.

    Examples
    --------
    >>> class_weights(np.array([0, 0, 0, 0, 1, 1]), 2)
    array([0.75, 1.  ], dtype=float32)
    """
    counts = np.bincount(class_of[class_of >= 0], minlength=classes).astype(np.float64)
    fewest = counts[counts > 0].min() if (counts > 0).any() else 1.0
    shares = np.divide(fewest, counts, out=np.ones_like(counts), where=counts > 0)
    return (0.5 + 0.5 * shares).astype(np.float32)


def balanced_order(groups: Sequence[str], rows: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw as many rows as given, each group as often as any other, for ancestry-balanced training.

    A small group's photos come several times, a large group's not all; groups stay as different as they are.

    Parameters
    ----------
    groups
        Group of every photo (ancestry).
    rows
        Rows to draw from.
    """
    by_group: dict[str, list[int]] = {}
    for row in rows.tolist():
        by_group.setdefault(groups[row], []).append(row)
    names = sorted(by_group)
    drawn: list[NDArray[np.intp]] = []
    for k, name in enumerate(names):
        wanted = len(rows) // len(names) + (k < len(rows) % len(names))
        own = np.array(by_group[name], np.intp)
        whole = [rng.permutation(own) for _ in range(wanted // len(own))]
        drawn += [*whole, rng.permutation(own)[: wanted % len(own)]]
    return rng.permutation(np.concatenate(drawn)) if drawn else rows
