"""Distances of patients, disorders and genes under every rule; numbers only, no names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from deciface.space.aggregation import distances_by_group, hybrid, size_corrected
from deciface.space.answer import Rule
from deciface.space.discriminant import Discriminant, discriminant
from deciface.space.gallery import Gallery
from deciface.space.groups import Groups
from deciface.space.means import Centroids, PatientMeans, centroids, mean_of_rows, patient_means, unit_by_block
from deciface.space.nearest import Found, Table, nearest
from deciface.space.query import JoinedQuery
from deciface.space.vectors import DISTANCE_DECIMALS, Floats, Indices, Vectors


@dataclass(frozen=True)
class Score:
    """Distance of a group (its number in the gallery's grouping) and the photo row or patient that gave it."""

    distance: float
    group: int
    row: int | None = None
    patient: int | None = None


def _nearest_first(score: Score) -> tuple[float, int]:
    return score.distance, score.group


@dataclass(frozen=True)
class Scores:
    """At most `top` of each, nearest first; photos are gallery rows."""

    photos: list[Score]
    patients: list[Score]
    disorders: list[Score]
    genes: list[Score]


@dataclass(eq=False)
class Prepared:
    """What a gallery needs for the rules, each made when first asked for."""

    gallery: Gallery

    @cached_property
    def photos(self) -> Table:
        """Photo rows with all three groupings."""
        g = self.gallery
        return Table(g.vectors, g.rows, (g.by_patient, g.by_disorder, g.by_gene))

    @cached_property
    def photos_alone(self) -> Table:
        """Photo rows without groupings."""
        return Table(self.gallery.vectors, self.gallery.rows)

    @cached_property
    def means(self) -> PatientMeans:
        """Patient means."""
        return patient_means(self.gallery)

    @cached_property
    def patients(self) -> Table:
        """Patient means with their disorders and genes."""
        return Table(self.means.vectors, np.arange(len(self.means.vectors)), (self.means.disorders, self.means.genes))

    @cached_property
    def several(self) -> Indices:
        """Patients with more than one photo."""
        return np.flatnonzero(np.diff(self.gallery.by_patient.starts) > 1)

    @cached_property
    def photos_and_singles(self) -> Table:
        """Photo rows, grouped into patients who have no other photo: for them photo and mean are the same row."""
        g = self.gallery
        several = set(self.several.tolist())
        owner = [() if p in several else (g.by_patient.keys[p],) for p in g.patient_of_row.tolist()]
        return Table(g.vectors, g.rows, (Groups.of(owner),))

    @cached_property
    def patients_of_several(self) -> Table:
        """Means of the patients in `several`."""
        vectors = Vectors(self.means.vectors.matrix[self.several], self.means.vectors.blocks)
        return Table(vectors, np.arange(len(vectors)))

    @cached_property
    def disorder_centroids(self) -> Centroids:
        """One row per disorder."""
        return centroids(self.means, self.means.disorders)

    @cached_property
    def gene_centroids(self) -> Centroids:
        """One row per gene."""
        return centroids(self.means, self.means.genes)

    @cached_property
    def discriminant(self) -> Discriminant:
        """Means of disorders and genes, and how patients vary around them."""
        return discriminant(self.gallery, self.means)


def by_nearest_image(prepared: Prepared, query: JoinedQuery, *, top: int, excluded: Indices) -> Scores:
    """Score every group by its nearest photo."""
    gallery = prepared.gallery
    found = nearest(prepared.photos, query.vector, used=query.used, top=top, excluded=excluded)
    rows = list(zip(found.distances.tolist(), found.rows.tolist(), strict=True))

    def first(groups: Groups) -> list[Score]:
        return _first_of_groups(((d, g, row, None) for d, row in rows for g in groups.of_row.get(row, ())), top)

    return Scores(
        [Score(d, row, row=row) for d, row in rows[:top]],
        first(gallery.by_patient),
        first(gallery.by_disorder),
        first(gallery.by_gene),
    )


def by_means(prepared: Prepared, query: JoinedQuery, *, rule: Rule, top: int, excluded: Indices, k: int) -> Scores:
    """Score patients by the mean of their photos, groups by any rule but nearest-image; `k` is nearest-patients'."""
    gallery, means = prepared.gallery, prepared.means
    touched = _touched_patients(gallery, excluded)
    gone = np.array(sorted(touched), dtype=np.intp)
    if rule in {Rule.PATIENT_MEAN, Rule.NEAREST_PATIENTS}:
        photos = nearest(prepared.photos_alone, query.vector, used=query.used, top=top, excluded=excluded)
        wanted = top if rule is Rule.PATIENT_MEAN else len(prepared.patients.rows)
        patients = _scores(nearest(prepared.patients, query.vector, used=query.used, top=wanted, excluded=gone))
    else:
        photos, patients = _photos_and_patients(prepared, query, top=top, excluded=excluded, gone=gone)
    for patient, rows in touched.items():
        if len(rows):
            patients.append(Score(_distance(mean_of_rows(gallery, rows), query), patient))
    patients.sort(key=_nearest_first)
    if rule is Rule.DISCRIMINANT:
        disorders, genes = (
            _nearest_groups(distances, top) for distances in prepared.discriminant.distances(query, touched)
        )
    else:
        of_disorder = _Kind(lambda: prepared.disorder_centroids, means.disorders, gallery.by_disorder)
        of_gene = _Kind(lambda: prepared.gene_centroids, means.genes, gallery.by_gene)
        if rule is Rule.DISORDER_CENTROID:
            disorders, genes = (_by_centroid(kind, prepared, query, touched, top) for kind in (of_disorder, of_gene))
        elif rule is Rule.HYBRID:
            every = max(len(means.disorders), len(means.genes), 1)
            near = by_nearest_image(prepared, query, top=every, excluded=excluded)
            disorders = _by_hybrid(of_disorder, prepared, query, touched, near.disorders, top)
            genes = _by_hybrid(of_gene, prepared, query, touched, near.genes, top)
        elif rule is Rule.NEAREST_PATIENTS:
            disorders, genes = (
                _by_nearest_patients(kind, patients, touched, k, top) for kind in (of_disorder, of_gene)
            )
        else:
            disorders, genes = (_by_nearest_patient(kind, patients, touched, top) for kind in (of_disorder, of_gene))
    return Scores([Score(d, r, row=r) for d, r in _pairs(photos)[:top]], patients[:top], disorders, genes)


def _photos_and_patients(
    prepared: Prepared, query: JoinedQuery, *, top: int, excluded: Indices, gone: Indices
) -> tuple[Found, list[Score]]:
    """Search both at once, as nobody's disorder is asked for: only patients with several photos need a row more."""
    table, several = prepared.photos_and_singles, prepared.several
    photos = nearest(table, query.vector, used=query.used, top=top, excluded=excluded)
    without = np.flatnonzero(np.isin(several, gone))
    found = nearest(prepared.patients_of_several, query.vector, used=query.used, top=top, excluded=without)
    patients = [Score(d, int(several[i])) for d, i in _pairs(found)]
    owner = prepared.gallery.patient_of_row
    patients += [Score(d, int(owner[row])) for d, row in _pairs(photos) if row in table.groups[0].of_row]
    return photos, patients


def _nearest_groups(distances: Floats, top: int) -> list[Score]:
    rounded = np.round(distances, DISTANCE_DECIMALS) + 0.0
    order = np.argsort(rounded, kind="stable")[:top]
    return [Score(float(rounded[g]), int(g)) for g in order if np.isfinite(rounded[g])]


def _pairs(found: Found) -> list[tuple[float, int]]:
    return list(zip(found.distances.tolist(), found.rows.tolist(), strict=True))


def _scores(found: Found) -> list[Score]:
    return [Score(d, i) for d, i in _pairs(found)]


def _distance(row: np.ndarray[tuple[int], np.dtype[np.float32]], query: JoinedQuery) -> float:
    distance = 1.0 - float(np.vecdot(row.astype(np.float64), query.vector)) / len(query.used)
    return float(np.round(distance, DISTANCE_DECIMALS)) + 0.0


def _first_of_groups(entries: Iterable[tuple[float, int, int | None, int | None]], top: int) -> list[Score]:
    """Take the first (distance, group, row, patient) of every group, of entries that come nearest first."""
    seen: dict[int, Score] = {}
    furthest = 0.0
    for distance, group, row, patient in entries:
        if group not in seen:
            if len(seen) >= top and distance > furthest:
                break
            seen[group] = Score(distance, group, row, patient)
            furthest = distance
    return sorted(seen.values(), key=_nearest_first)[:top]


def _touched_patients(gallery: Gallery, excluded: Indices) -> dict[int, Indices]:
    """Patients with a row left out, and the rows they have left."""
    patients = {g for row in excluded.tolist() for g in gallery.by_patient.of_row[row]}
    return {p: np.setdiff1d(gallery.by_patient.rows(p), excluded) for p in patients}


@dataclass(frozen=True, eq=False)
class _Kind:
    """Disorders or genes: their centroids when asked for, their members by patient and by photo row, numbered alike."""

    centres: Callable[[], Centroids]
    of_means: Groups
    of_rows: Groups

    def memberships(self, patient: int, touched: Mapping[int, Indices]) -> Sequence[int]:
        """Groups of a patient; one with rows left out has those of what is left."""
        if patient in touched:
            return sorted(self.of_rows.of_rows(touched[patient]))
        return self.of_means.of_row.get(patient, ())


def _by_nearest_patient(
    kind: _Kind, patients: Sequence[Score], touched: Mapping[int, Indices], top: int
) -> list[Score]:
    entries = ((s.distance, g, None, s.group) for s in patients for g in kind.memberships(s.group, touched))
    return _first_of_groups(entries, top)


def _by_nearest_patients(
    kind: _Kind, patients: Sequence[Score], touched: Mapping[int, Indices], k: int, top: int
) -> list[Score]:
    """`patients` are all that are compared, nearest first."""
    everybody = np.array([s.distance for s in patients])
    memberships = {s.group: kind.memberships(s.group, touched) for s in patients}
    members, first = distances_by_group(((s.group, s.distance) for s in patients), len(kind.of_means), memberships)
    scores = _nearest_groups(size_corrected(members, everybody, k=k), top)
    return [Score(s.distance, s.group, patient=first[s.group]) for s in scores]


def _by_hybrid(
    kind: _Kind,
    prepared: Prepared,
    query: JoinedQuery,
    touched: Mapping[int, Indices],
    nearest_image: Sequence[Score],
    top: int,
) -> list[Score]:
    """`nearest_image` has every group that has anybody left."""
    both = np.full((2, len(kind.of_means)), np.inf)
    for row, scores in zip(
        both, (nearest_image, _by_centroid(kind, prepared, query, touched, both.shape[1])), strict=True
    ):
        for score in scores:
            row[score.group] = score.distance
    return _nearest_groups(hybrid(*both), top)


def _by_centroid(
    kind: _Kind, prepared: Prepared, query: JoinedQuery, touched: Mapping[int, Indices], top: int
) -> list[Score]:
    """Nearest centroids; those of touched patients are made again from their sums."""
    of_means = kind.of_means
    if not len(of_means):
        return []
    centres = kind.centres()
    matrix = prepared.means.vectors.matrix
    change: dict[int, Floats] = {}
    count: dict[int, int] = {}
    for patient, rows in touched.items():
        left = kind.of_rows.of_rows(rows)
        new = mean_of_rows(prepared.gallery, rows).astype(np.float64) if len(rows) else np.zeros(matrix.shape[1])
        for g in of_means.of_row.get(patient, ()):
            change[g] = change.get(g, np.zeros(matrix.shape[1])) - matrix[patient] + (new if g in left else 0.0)
            count[g] = count.get(g, int(centres.counts[g])) - (g not in left)
    gone = np.array(sorted(change), dtype=np.intp)
    table = Table(centres.vectors, np.arange(len(of_means)))
    scores = _scores(nearest(table, query.vector, used=query.used, top=top, excluded=gone))
    for g, difference in change.items():
        if count[g]:
            unit = unit_by_block(centres.sums[g] + difference, prepared.means.vectors.blocks)
            scores.append(Score(_distance(unit, query), g))
    return sorted(scores, key=_nearest_first)[:top]
