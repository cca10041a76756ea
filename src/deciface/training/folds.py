"""Who is learnt from and who is tested on: patients are never in both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deciface.errors import InputError, OptionError

FEWEST_FOLDS = 3
"""One to test on, one to choose the epoch on, the others to learn from."""
FEWEST_IN_FOLD = 5
"""Patients: of fewer neither an epoch can be chosen nor a share be told."""


def patient_folds(patients: Sequence[str], class_of: NDArray[np.intp], *, folds: int, seed: int) -> NDArray[np.intp]:
    """Divide photos into folds, a patient with all photos in one, every class spread as evenly as it goes.

    Relatives look alike: where families are known, give the family in the patient's stead, and it stays together.

    Parameters
    ----------
    patients
        Of each photo; or their families.
    class_of
        (n,) class of each photo, -1 for none; people without a class are spread evenly too. A family of several classes
        is dealt out with the last of them.
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
    members: dict[int, set[str]] = {}
    for patient, number in zip(patients, class_of.tolist(), strict=True):
        class_of_patient[patient] = max(number, class_of_patient.get(patient, number))
        members.setdefault(number, set()).add(patient)
    if alone := sorted(number for number, who in members.items() if number >= 0 and len(who) < 2):
        raise InputError(
            f"class {alone[0]} has one patient; at least 2 are needed to learn from one and test the other"
        )
    if len(class_of_patient) < folds:
        raise InputError(f"{len(class_of_patient)} patients for {folds} folds; give fewer folds or more patients")
    rng = np.random.default_rng(seed)
    fold_of: dict[str, int] = {}
    taken = 0
    for number in sorted(set(class_of_patient.values())):
        own = sorted(p for p, c in class_of_patient.items() if c == number)
        for k, i in enumerate(rng.permutation(len(own))):
            fold_of[own[i]] = (taken + k) % folds
        taken += len(own)
    return np.array([fold_of[p] for p in patients], np.intp)


def need_people_in_folds(patients: int, *, folds: int) -> None:
    """Refuse folds so small that an epoch chosen, or a share measured, on one of them would mean nothing.

    Parameters
    ----------
    patients
        Who are divided, evenly.
    folds
        How many.

    Raises
    ------
    InputError
        Too few patients for the fewest folds, `FEWEST_FOLDS`.
    OptionError
        Fewer folds than that, or more than these patients allow.
    """
    if folds < FEWEST_FOLDS:
        raise OptionError(f"{folds} folds; at least {FEWEST_FOLDS} are needed: to learn from, to choose on, to test on")
    most = patients // FEWEST_IN_FOLD
    if most < FEWEST_FOLDS:
        raise InputError(
            f"{patients} patients to learn from and test on; at least {FEWEST_FOLDS * FEWEST_IN_FOLD} are needed, "
            f"{FEWEST_IN_FOLD} in each of {FEWEST_FOLDS} folds: add patients"
        )
    if folds > most:
        left = patients // folds
        raise OptionError(
            f"{folds} folds of {patients} patients leave {left} to choose the epoch on and to test on; at least "
            f"{FEWEST_IN_FOLD} are needed: give {FEWEST_FOLDS if most == FEWEST_FOLDS else f'{FEWEST_FOLDS} to {most}'}"
            " folds"
        )


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
