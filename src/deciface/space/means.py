"""Patient means and centroids of a gallery, made once and corrected exactly for whoever is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.space.gallery import Gallery
from deciface.space.groups import Groups
from deciface.space.vectors import Block, Floats, Indices, Vectors

_NO_DIRECTION = 1e-6
"""A sum of unit vectors shorter than this has no direction: its view counts as a distance of 1."""


@dataclass(frozen=True, eq=False)
class PatientMeans:
    """One row per patient, in the order of `Gallery.by_patient`.

    Parameters
    ----------
    vectors
        Per view the mean of the patient's unit vectors, scaled to unit length.
    disorders, genes
        Which patients have them.
    """

    vectors: Vectors
    disorders: Groups
    genes: Groups


@dataclass(frozen=True, eq=False)
class Centroids:
    """One row per group of patients.

    Parameters
    ----------
    vectors
        Per view the mean of the patients' means, scaled to unit length.
    sums
        (groups, d) float64 sums of the patients' means, from which a patient can be taken out.
    counts
        (groups,) patients in each sum.
    """

    vectors: Vectors
    sums: Floats
    counts: NDArray[np.intp]


def unit_by_block(total: Floats, blocks: Sequence[Block]) -> NDArray[np.float32]:
    """(d,) sum of unit vectors -> (d,) float32 of unit length within each block; zero where there is no direction."""
    unit = np.zeros(len(total), np.float32)
    for block in blocks:
        part = total[block.start : block.stop]
        norm = float(np.sqrt(np.vecdot(part, part)))
        if norm > _NO_DIRECTION:
            unit[block.start : block.stop] = part / norm
    return unit


def mean_of_rows(gallery: Gallery, rows: Indices) -> NDArray[np.float32]:
    """Mean of some gallery rows per view, scaled to unit length; (d,) float32. One row is its own mean, bit by bit."""
    vectors = gallery.vectors
    if len(rows) == 1:
        only: NDArray[np.float32] = vectors.matrix[gallery.rows[rows[0]]]
        return only
    return unit_by_block(vectors.matrix[gallery.rows[rows]].sum(axis=0, dtype=np.float64), vectors.blocks)


def patient_means(gallery: Gallery) -> PatientMeans:
    """Every patient as one row; O(n d)."""
    patients = gallery.by_patient
    matrix = np.empty((len(patients), gallery.vectors.matrix.shape[1]), np.float32)
    for i in range(len(patients)):
        matrix[i] = mean_of_rows(gallery, patients.rows(i))
    return PatientMeans(
        Vectors(matrix, gallery.vectors.blocks),
        Groups.of(_memberships(gallery, gallery.by_disorder)),
        Groups.of(_memberships(gallery, gallery.by_gene)),
    )


def centroids(means: PatientMeans, groups: Groups) -> Centroids:
    """Every group of patients as one row; O(entries d)."""
    matrix = means.vectors.matrix
    sums = np.zeros((len(groups), matrix.shape[1]))
    unit = np.empty((len(groups), matrix.shape[1]), np.float32)
    for i in range(len(groups)):
        sums[i] = matrix[groups.rows(i)].sum(axis=0, dtype=np.float64)
        unit[i] = unit_by_block(sums[i], means.vectors.blocks)
    return Centroids(Vectors(unit, means.vectors.blocks), sums, np.diff(groups.starts))


def _memberships(gallery: Gallery, groups: Groups) -> list[list[str]]:
    """Keys of every patient: of all their photos."""
    of_row, patients = groups.of_row, gallery.by_patient
    return [
        [groups.keys[g] for row in patients.rows(i).tolist() for g in of_row.get(row, ())] for i in range(len(patients))
    ]
