"""Photos as training material: aligned crops beside what is known about each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.cases import Diagnosis, DiagnosisStatus, Photo
from deciface.errors import InputError, MismatchError

FEWEST_PATIENTS = 2
"""A class needs so many patients: one to learn from and one to be tested on."""
_SHOWN = 5


def settled(photo: Photo) -> tuple[Diagnosis, ...]:
    """Diagnoses that are more than a suspicion; nothing is learnt from the others."""
    return tuple(d for d in photo.diagnoses if d.status is not DiagnosisStatus.SUSPECTED)


def disorder_of(photo: Photo) -> str:
    """Id of the disorder that a photo is labelled with; empty where there is none or more than one."""
    ids = dict.fromkeys(d.disorder.id for d in settled(photo))
    return next(iter(ids)) if len(ids) == 1 else ""


def gene_of(photo: Photo) -> str:
    """Gene that a photo is labelled with; empty where there is none or more than one."""
    genes = dict.fromkeys(gene for d in settled(photo) for gene in d.genes)
    return next(iter(genes)) if len(genes) == 1 else ""


@dataclass(frozen=True, eq=False)
class TrainingPhotos:
    """Photos, their crops and their classes.

    Parameters
    ----------
    photos
        One per row.
    crops
        (n, ...) uint8, one row per photo, as the network that is trained takes them.
    label_of
        Class of a photo, empty for none.

    Raises
    ------
    MismatchError
        Other numbers of photos and crops, or a patient with two classes.
    """

    photos: tuple[Photo, ...]
    crops: NDArray[np.uint8]
    label_of: Callable[[Photo], str] = disorder_of

    def __post_init__(self) -> None:
        if len(self.photos) != len(self.crops):
            raise MismatchError(f"{len(self.photos)} photos and {len(self.crops)} crops; give one crop for every photo")
        classes: dict[str, str] = {}
        for patient, label in zip(self.patients, self.labels, strict=True):
            if label and classes.setdefault(patient, label) != label:
                raise MismatchError(
                    f"patient '{patient}' is '{classes[patient]}' in one photo and '{label}' in another; correct one"
                )

    @cached_property
    def patients(self) -> tuple[str, ...]:
        """Whom each photo shows."""
        return tuple(photo.patient.id for photo in self.photos)

    @cached_property
    def units(self) -> tuple[str, ...]:
        """Who is divided as one: the family of each photo's patient, or the patient who is of none."""
        return tuple(
            f"family {photo.patient.family}" if photo.patient.family else photo.patient.id for photo in self.photos
        )

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What each photo is labelled with, whatever the number of patients."""
        return tuple(map(self.label_of, self.photos))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Labels with at least `FEWEST_PATIENTS` patients of different families, sorted: class k is the k-th."""
        people: dict[str, set[str]] = {}
        for unit, label in zip(self.units, self.labels, strict=True):
            people.setdefault(label, set()).add(unit)
        return tuple(sorted(label for label, who in people.items() if label and len(who) >= FEWEST_PATIENTS))

    @cached_property
    def class_of(self) -> NDArray[np.intp]:
        """(n,) number of the class of each photo, -1 for none."""
        number = {label: k for k, label in enumerate(self.classes)}
        return np.array([number.get(label, -1) for label in self.labels], np.intp)

    @property
    def too_small(self) -> tuple[str, ...]:
        """Labels left out because they have fewer than `FEWEST_PATIENTS` patients of different families."""
        return tuple(sorted({label for label in self.labels if label} - set(self.classes)))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of crops, ids and labels: what a network was trained on."""
        sha = hashlib.sha256(np.ascontiguousarray(self.crops).tobytes())
        for photo, label in zip(self.photos, self.labels, strict=True):
            sha.update(f"{photo.id}\t{photo.patient.id}\t{photo.sha256}\t{label}\n".encode())
        return sha.hexdigest()

    def rows(self, wanted: NDArray[Any] | Sequence[int]) -> TrainingPhotos:
        """These photos alone."""
        chosen = np.asarray(wanted, np.intp)
        return TrainingPhotos(tuple(self.photos[i] for i in chosen), self.crops[chosen], self.label_of)

    def need_classes(self, fewest: int = 2) -> None:
        """Refuse material that no classifier can be learnt from.

        Raises
        ------
        InputError
            With fewer classes than `fewest`, naming those that have too few patients.
        """
        if len(self.classes) >= fewest:
            return
        count = len(self.classes)
        raise InputError(
            f"{count} {'class' if count == 1 else 'classes'} with {FEWEST_PATIENTS} or more patients{self._lone()}; "
            f"at least {fewest} are needed: add patients"
        )

    def _lone(self) -> str:
        """Which labels have one patient, in brackets; empty where none has."""
        lone = self.too_small
        if not lone:
            return ""
        more = f" and {len(lone) - _SHOWN} more" if len(lone) > _SHOWN else ""
        return f" ({', '.join(lone[:_SHOWN])}{more} {'has one patient' if len(lone) == 1 else 'have one patient each'})"


def refuse_shared_pixels(material: TrainingPhotos) -> None:
    """Refuse a cohort in which one picture stands for two patients: one of them would be tested on what was learnt.

    Raises
    ------
    InputError
        Naming both photos.
    """
    first: dict[str, int] = {}
    for row, photo in enumerate(material.photos):
        other = first.setdefault(photo.sha256, row)
        if material.patients[other] != material.patients[row]:
            raise InputError(
                f"photos '{material.photos[other].id}' and '{photo.id}' have the same pixels and patients "
                f"'{material.patients[other]}' and '{material.patients[row]}'; correct one of them"
            )
