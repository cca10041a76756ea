"""Distances of every disorder from many faces at once, under each rule; numbers only.

A rule needs distances to photos, to patients' means or to centroids, which are matrix products and may serve several
runs; from these it makes one distance per disorder. What leaves with a test's own patient is corrected for: their
distance is infinite, a centroid is made again without them, and under discriminant the covariance is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol as Shape

import numpy as np
from numpy.typing import NDArray

from deciface.cases import Diagnosis, Disorder
from deciface.evaluation.protocol import Indices, Run
from deciface.space import Gallery, Rule
from deciface.space.aggregation import NEAREST_PATIENTS, hybrid_of_many, size_corrected_of_many
from deciface.space.discriminant import Discriminant, discriminant
from deciface.space.groups import Groups
from deciface.space.means import Centroids, PatientMeans, centroids, patient_means, unit_by_block
from deciface.space.query import JoinedQuery
from deciface.space.vectors import DISTANCE_DECIMALS

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]

_ROWS_AT_A_TIME = 1024


@dataclass(frozen=True, eq=False)
class Faces:
    """Tests of one run, each a photo or all photos of a patient.

    Parameters
    ----------
    vectors
        (q, d) float64 means of unit vectors over the photos, divided by the number of views.
    away
        Per matrix of the aim, (q, rows) distances, not rounded.
    own
        (q,) patients to leave out of each test's gallery, None to leave out nobody.
    """

    vectors: Floats
    away: tuple[Floats, ...]
    own: Indices | None


class Aim(Shape):
    """What the tests of one run are compared with, under one rule."""

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        """Rows that distances are needed to; runs that share rows share the very array."""

    def distances(self, faces: Faces) -> Floats:
        """(q, labels) distances of all labels, rounded; infinite where the gallery has nobody."""


def relabelled(gallery: Gallery, labels: Sequence[Sequence[str]], rows: Indices | None = None) -> Gallery:
    """Give the photos the protocol's labels as disorders, and keep some of them; shares the vectors."""
    keep = range(len(gallery)) if rows is None else rows.tolist()
    photos = [
        replace(gallery.photos[i], diagnoses=tuple(Diagnosis(Disorder(label, label)) for label in labels[i]))
        for i in keep
    ]
    return Gallery.from_vectors(
        photos,
        gallery.views,
        gallery.vectors,
        gallery.rows if rows is None else gallery.rows[rows],
        encoder_sha256=gallery.encoder_sha256,
        crop_version=gallery.crop_version,
        dropped_views=gallery.dropped_views,
    )


def aims_of(gallery: Gallery, runs: Sequence[Run], rule: Rule) -> list[Aim]:
    """One per run. `gallery` has the protocol's labels; runs hold all photos of a patient, or none."""
    if rule is Rule.DISCRIMINANT:
        return [_ByDiscriminant.of(gallery, run) for run in runs]
    photos: Matrix = gallery.vectors.matrix
    if rule in {Rule.NEAREST_IMAGE, Rule.HYBRID} and not np.array_equal(gallery.rows, np.arange(len(photos))):
        photos = photos[gallery.rows]
    if rule is Rule.NEAREST_IMAGE:
        return [_by_nearest_photo(gallery, photos, run) for run in runs]
    means = patient_means(gallery)
    people = np.arange(len(gallery.by_patient))
    made: list[Aim] = []
    for run in runs:
        inside = np.isin(people, gallery.patient_of_row[run.gallery])
        if rule is Rule.PATIENT_MEAN:
            made.append(_ByNearest(means.vectors.matrix, people, _Columns.of(means.disorders, inside)))
        elif rule is Rule.NEAREST_PATIENTS:
            made.append(_ByNearestPatients(means.vectors.matrix, inside, means.disorders))
        elif rule is Rule.DISORDER_CENTROID:
            made.append(_ByCentroid.of(means, inside))
        else:
            made.append(_ByHybrid(_by_nearest_photo(gallery, photos, run), _ByCentroid.of(means, inside)))
    return made


def raw_distances(queries: Floats, matrix: Matrix) -> Floats:
    """1 - products in float64 of (q, d) float64 and (n, d) float32, not rounded; O(q n d)."""
    found = np.empty((len(queries), len(matrix)))
    for start in range(0, len(matrix), _ROWS_AT_A_TIME):
        block = matrix[start : start + _ROWS_AT_A_TIME].astype(np.float64)
        np.matmul(queries, block.T, out=found[:, start : start + len(block)])
    return np.subtract(1.0, found, out=found)


def _rounded(distances: Floats) -> Floats:
    """Round, so that ties are ties."""
    return distances.round(DISTANCE_DECIMALS) + 0.0


@dataclass(frozen=True, eq=False)
class _Columns:
    """Which rows of a run's gallery belong to which label.

    Parameters
    ----------
    order, starts
        Row numbers, label after label, and where each label begins.
    labels
        (labels with a row,) their numbers.
    count
        Of all labels.
    """

    order: Indices
    starts: Indices
    labels: Indices
    count: int

    @classmethod
    def of(cls, groups: Groups, inside: NDArray[np.bool_]) -> _Columns:
        """From all rows' labels and which rows are in the gallery."""
        kept = inside[groups.order]
        labels, starts = np.unique(groups.group_of_entry[kept], return_index=True)
        return cls(groups.order[kept], starts, labels, len(groups))

    def nearest(self, distances: Floats) -> Floats:
        """(q, rows) -> (q, labels), rounded."""
        found = np.full((len(distances), self.count), np.inf)
        if len(self.starts):
            found[:, self.labels] = np.minimum.reduceat(distances[:, self.order], self.starts, axis=1)
        return _rounded(found)


@dataclass(frozen=True, eq=False)
class _ByNearest:
    """A label is as near as its nearest row: a photo, or a patient's mean."""

    matrix: Matrix
    owner: Indices
    columns: _Columns

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        return (self.matrix,)

    def distances(self, faces: Faces) -> Floats:
        (found,) = faces.away
        if faces.own is not None:
            found = np.where(self.owner == faces.own[:, None], np.inf, found)
        return self.columns.nearest(found)


def _by_nearest_photo(gallery: Gallery, photos: Matrix, run: Run) -> _ByNearest:
    inside = np.zeros(len(gallery), bool)
    inside[run.gallery] = True
    return _ByNearest(photos, gallery.patient_of_row, _Columns.of(gallery.by_disorder, inside))


@dataclass(frozen=True, eq=False)
class _ByCentroid:
    """A label is the mean of its patients' means; made again without a test's own patient.

    `labels` (c,) are those with a patient in the gallery, `members` all of them.
    """

    means: PatientMeans
    members: Groups
    labels: Indices
    centres: Centroids

    @classmethod
    def of(cls, means: PatientMeans, inside: NDArray[np.bool_]) -> _ByCentroid:
        columns = _Columns.of(means.disorders, inside)
        ends = np.array([*columns.starts.tolist(), len(columns.order)], dtype=np.intp)
        names = tuple(str(i) for i in range(len(columns.starts)))
        members = Groups(names, columns.order, ends)
        return cls(means, members, columns.labels, centroids(means, members))

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        return (self.centres.vectors.matrix,)

    def distances(self, faces: Faces) -> Floats:
        (found,) = faces.away
        if faces.own is not None:
            found = found.copy()
            for line, patient in enumerate(faces.own.tolist()):
                for g in self.members.of_row.get(patient, ()):
                    found[line, g] = self._without(faces.vectors[line], patient, g)
        out = np.full((len(found), len(self.means.disorders)), np.inf)
        out[:, self.labels] = found
        return _rounded(out)

    def _without(self, query: Floats, patient: int, group: int) -> float:
        if self.centres.counts[group] == 1:
            return np.inf
        vectors = self.means.vectors
        unit = unit_by_block(self.centres.sums[group] - vectors.matrix[patient], vectors.blocks)
        return 1.0 - float(np.vecdot(unit.astype(np.float64), query))


@dataclass(frozen=True, eq=False)
class _ByHybrid:
    """Half nearest photo, half centroid."""

    nearest: _ByNearest
    centroid: _ByCentroid

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        return (*self.nearest.matrices, *self.centroid.matrices)

    def distances(self, faces: Faces) -> Floats:
        photos, centres = faces.away
        near = self.nearest.distances(replace(faces, away=(photos,)))
        return _rounded(hybrid_of_many(near, self.centroid.distances(replace(faces, away=(centres,)))))


@dataclass(frozen=True, eq=False)
class _ByNearestPatients:
    """A label is as near as its third nearest patient, corrected for its size; `inside` (patients,) in the gallery."""

    matrix: Matrix
    inside: NDArray[np.bool_]
    members: Groups

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        return (self.matrix,)

    def distances(self, faces: Faces) -> Floats:
        (found,) = faces.away
        compared = np.where(self.inside, _rounded(found), np.inf)
        if faces.own is not None:
            compared[np.arange(len(faces.own)), faces.own] = np.inf
        groups = [self.members.rows(g) for g in range(len(self.members))]
        return _rounded(size_corrected_of_many(compared, groups, k=NEAREST_PATIENTS))


@dataclass(frozen=True, eq=False)
class _ByDiscriminant:
    """A label is its patients' mean in the shrunken covariance of the run's gallery.

    `patients` are numbers there by number in the whole gallery, `labels` (c,) numbers of its labels among `count`.
    """

    discriminant: Discriminant
    patients: dict[int, int]
    labels: Indices
    count: int

    @classmethod
    def of(cls, gallery: Gallery, run: Run) -> _ByDiscriminant:
        own = [[d.disorder.id for d in photo.diagnoses] for photo in gallery.photos]
        among = relabelled(gallery, own, run.gallery)
        return cls(
            discriminant(among, patient_means(among)),
            {gallery.by_patient.number[key]: number for key, number in among.by_patient.number.items()},
            np.array([gallery.by_disorder.number[key] for key in among.by_disorder.keys], dtype=np.intp),
            len(gallery.by_disorder),
        )

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        return ()

    def distances(self, faces: Faces) -> Floats:
        views = self.discriminant.gallery.views
        vectors = faces.vectors * len(views)
        if faces.own is None:
            found = self.discriminant.distances_of_many(vectors)
        else:  # the covariance is another one for every patient
            used = tuple(range(len(views)))
            nobody = np.empty(0, np.intp)
            lines = []
            for vector, patient in zip(vectors, faces.own.tolist(), strict=True):
                left = {self.patients[patient]: nobody} if patient in self.patients else {}
                lines.append(self.discriminant.distances(JoinedQuery(vector, used, views, ()), left)[0])
            found = np.array(lines)
        out = np.full((len(vectors), self.count), np.inf)
        out[:, self.labels] = found
        return _rounded(out)
