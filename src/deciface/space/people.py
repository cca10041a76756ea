"""Patients of a gallery as rows, one each, and their distances to each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from deciface.cases import Patient, Photo
from deciface.errors import NothingFoundError, OptionError
from deciface.space.gallery import Gallery
from deciface.space.means import mean_of_rows
from deciface.space.vectors import DISTANCE_DECIMALS, Floats, Indices, one_thread

_BLOCK = 1024
_CHUNK = 2**22
_PAIRS_ARE_CHEAP = 20
"""A product of two rows in a matrix product costs about a twentieth of fetching a row."""


class PatientRow(StrEnum):
    """What stands for a patient with several photos."""

    MEAN = "mean of all photos"
    FIRST_PHOTO = "first photo by id"


@dataclass(frozen=True, eq=False)
class People:
    """Patients in the order of their ids. Made by `people_of`.

    Parameters
    ----------
    gallery
        Where they come from.
    numbers
        (p,) their numbers in `Gallery.by_patient`.
    vectors
        (p, d) float32, of unit length in every view.
    """

    gallery: Gallery
    numbers: Indices
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Patient ids."""
        return tuple(self.gallery.by_patient.keys[n] for n in self.numbers.tolist())

    @cached_property
    def photos(self) -> tuple[tuple[Photo, ...], ...]:
        """The photos of each, by id."""
        return tuple(
            tuple(self.gallery.photos[row] for row in self.gallery.by_patient.rows(n).tolist())
            for n in self.numbers.tolist()
        )

    @cached_property
    def patients(self) -> tuple[Patient, ...]:
        """Who they are, by their first photo."""
        return tuple(theirs[0].patient for theirs in self.photos)

    @cached_property
    def disorders(self) -> tuple[frozenset[str], ...]:
        """Ids of each patient's disorders, from all their photos."""
        return tuple(frozenset(d.disorder.id for photo in theirs for d in photo.diagnoses) for theirs in self.photos)

    @cached_property
    def unaffected(self) -> NDArray[np.bool_]:
        """(p,) who was found unaffected in some photo and has no diagnosis in any."""
        healthy = [any(photo.unaffected for photo in theirs) for theirs in self.photos]
        return np.array([h and not d for h, d in zip(healthy, self.disorders, strict=True)], dtype=bool)

    @property
    def unsolved(self) -> Indices:
        """(u,) who has no diagnosis in any photo and was not found unaffected."""
        return np.flatnonzero([not d and not h for d, h in zip(self.disorders, self.unaffected, strict=True)])

    def distances(self, rows: Indices, others: Indices | None = None) -> Floats:
        """(r, o) mean over views of 1 - cosine, rounded; of all pairs among `rows` when `others` is left out.

        O(r o d) in float64, in blocks of rows.
        """
        other = self.vectors[rows if others is None else others].astype(np.float64)
        out = np.empty((len(rows), len(other)))
        with one_thread():
            for start in range(0, len(rows), _BLOCK):
                part = rows[start : start + _BLOCK]
                out[start : start + len(part)] = self.vectors[part].astype(np.float64) @ other.T
        out = np.maximum(np.round(1.0 - out / len(self.gallery.views), DISTANCE_DECIMALS), 0.0)
        if others is None:
            out = (out + out.T) / 2.0
            np.fill_diagonal(out, 0.0)
        return out

    def find(self, ids: Iterable[str], *, what: str) -> Indices:
        """(k,) rows of these patients, sorted.

        Raises
        ------
        NothingFoundError
            One of them is not here.
        """
        number = {i: n for n, i in enumerate(self.ids)}
        wanted = sorted(set(ids))
        missing = [i for i in wanted if i not in number]
        if missing:
            raise NothingFoundError(
                f"{what}: patient '{missing[0]}' is not in the gallery ({self.gallery.restriction}; {len(self)} "
                "patients); give ids as the case table has them"
            )
        return np.array([number[i] for i in wanted], dtype=np.intp)


def people_of(gallery: Gallery, *, row: PatientRow = PatientRow.MEAN) -> People:
    """Every patient of a gallery as one row; a mean's view without a direction is at a distance of 1. O(n d)."""
    key = ("people", row)
    if key not in gallery.kept:
        groups = gallery.by_patient
        numbers = np.arange(len(groups))
        vectors = np.empty((len(groups), gallery.vectors.matrix.shape[1]), np.float32)
        for n in numbers.tolist():
            rows = groups.rows(n)
            vectors[n] = mean_of_rows(gallery, rows if row is PatientRow.MEAN else rows[:1])
        gallery.kept[key] = People(gallery, numbers, vectors)
    people: People = gallery.kept[key]
    return people


def mean_within(vectors: NDArray[np.float32], sets: Indices, *, views: int) -> Floats:
    """Mean distance over the pairs of each of many sets of rows.

    The mean cosine of k rows follows from the length of their sum, ``(|sum x|^2 - sum |x|^2) / (k (k - 1))``: O(m k d)
    in float64 and no matrix of pairs. With few rows in many sets that matrix is made once instead, O(p^2 d).

    Parameters
    ----------
    vectors
        (n, d), of unit length in every view, or zero where a mean has no direction.
    sets
        (m, k) rows, k at least 2.
    views
        How many.

    Returns
    -------
    (m,) float64.
    """
    k = sets.shape[1]
    rows = np.unique(sets)
    if len(rows) ** 2 < _PAIRS_ARE_CHEAP * sets.size:
        few = vectors[rows].astype(np.float64)
        with one_thread():
            cosine = few @ few.T
        place = np.searchsorted(rows, sets)
        total = np.zeros(len(sets))
        for i in range(k):
            for j in range(i):
                total += cosine[place[:, i], place[:, j]]
        by_pairs: Floats = 1.0 - total / (views * (k * (k - 1) / 2))
        return by_pairs
    lengths = np.zeros(len(vectors))
    lengths[rows] = np.vecdot(vectors[rows], vectors[rows], dtype=np.float64)
    squared = np.empty(len(sets))
    step = max(1, _CHUNK // (k * vectors.shape[1]))
    for start in range(0, len(sets), step):
        sums = vectors[sets[start : start + step]].sum(axis=1, dtype=np.float64)
        squared[start : start + step] = np.vecdot(sums, sums)
    mean: Floats = 1.0 - (squared - lengths[sets].sum(axis=1)) / (views * k * (k - 1))
    return mean


def mean_across(vectors: NDArray[np.float32], one: Indices, other: Indices, *, views: int) -> float:
    """Mean distance over all pairs of a row of `one` and a row of `other`; O((a + b) d) by way of their sums."""
    first, second = (vectors[rows].sum(axis=0, dtype=np.float64) for rows in (one, other))
    return 1.0 - float(first @ second) / (views * len(one) * len(other))


def refuse_relatives(people: People, rows: Indices, *, what: str) -> None:
    """Refuse a cohort with two members of one family: relatives look alike whatever they have.

    Raises
    ------
    OptionError
        Naming them.
    """
    first: dict[str, str] = {}
    for row in rows.tolist():
        patient = people.patients[row]
        if patient.family is None:
            continue
        if patient.family in first:
            raise OptionError(
                f"{what}: patients '{first[patient.family]}' and '{patient.id}' are of family '{patient.family}' and "
                "relatives look alike; keep one of them"
            )
        first[patient.family] = patient.id


def one_a_family(people: People, rows: Indices, *, taken: Collection[str] = ()) -> Indices:
    """Drop all but the first of every family, and families that are taken."""
    seen = set(taken)
    kept = []
    for row in rows.tolist():
        family = people.patients[row].family
        if family is None or family not in seen:
            kept.append(row)
        if family is not None:
            seen.add(family)
    return np.array(kept, dtype=np.intp)
