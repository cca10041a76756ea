"""Where the own disorder of every test stands in its gallery: all tests at once, by matrix products.

The distances are those of `deciface.space.rank`: mean over views of 1 - cosine, computed in float64 from float32
vectors and rounded to 6 decimals, so that the same ties are ties. A rank is 1 + the number of disorders that are
strictly nearer: equal distances share a rank, as everywhere in DeciFace. Distances of all tests and all photos are
computed once and serve every run; only the choice of columns differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deciface.cases import NOT_STATED, Diagnosis, Disorder, Encoding
from deciface.evaluation.protocol import Indices, Protocol, Run
from deciface.space import Gallery, Query, Rule, rank
from deciface.space.groups import Groups
from deciface.space.means import centroids, patient_means
from deciface.space.vectors import DISTANCE_DECIMALS

Floats = NDArray[np.float64]

_HELD_BYTES = 128 * 2**20
"""Distances held at a time."""
_ROWS_AT_A_TIME = 1024
BY_MATRIX = (Rule.NEAREST_IMAGE, Rule.PATIENT_MEAN, Rule.DISORDER_CENTROID)
"""Rules computed here; for the others `deciface.space.rank` is asked, test by test."""


@dataclass(frozen=True, eq=False)
class Ranks:
    """One entry per query and own label.

    Parameters
    ----------
    query
        (m,) photo number, or patient number of `Gallery.by_patient`.
    label
        (m,) number in `Ranked.labels`.
    rank
        (m,) from 1; infinite where the gallery has no patient with that label.
    """

    query: Indices
    label: Indices
    rank: Floats


@dataclass(frozen=True, eq=False)
class RankedRun:
    """A run with the ranks of its tests, a query being a photo, or all test photos of a patient."""

    run: Run
    by_photo: Ranks
    by_patient: Ranks


@dataclass(frozen=True, eq=False)
class Ranked:
    """All runs of a protocol under one rule; `labels` are sorted."""

    rule: Rule
    labels: tuple[str, ...]
    runs: tuple[RankedRun, ...]


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


def rank_all(
    gallery: Gallery,
    protocol: Protocol,
    *,
    rule: Rule = Rule.NEAREST_IMAGE,
    advance: Callable[[int], None] | None = None,
) -> Ranked:
    """Rank all tests of all runs.

    nearest-image, patient-mean and disorder-centroid by matrix products: O(tests x photos x d) once, and
    O(tests x photos) a run. Any other rule, and galleries that hold a part of a patient's photos, test by test.

    Parameters
    ----------
    gallery
        Whose photos the protocol numbers.
    protocol
        From `deciface.evaluation.protocol`.
    rule
        How photos become disorders.
    advance
        Called with the number of tests just ranked; there are `count_tests` in all.

    Returns
    -------
    The ranks per photo and per patient, every patient's test photos of a run taken as one query: the mean of their
    distances, as `deciface.space.rank` takes several photos.
    """
    labelled = relabelled(gallery, protocol.labels)
    tell = advance or (lambda _: None)
    by_matrix = [_is_by_matrix(labelled, run, rule) for run in protocol.runs]
    parts: list[list[tuple[Ranks, Ranks]]] = [[] for _ in protocol.runs]
    for number, run in enumerate(protocol.runs):
        if not by_matrix[number]:
            parts[number].append(_one_by_one(labelled, run, rule, tell))
    at_once = [number for number, fast in enumerate(by_matrix) if fast]
    for i, photo_ranks, patient_ranks in _at_once(labelled, [protocol.runs[n] for n in at_once], rule, tell):
        parts[at_once[i]].append((photo_ranks, patient_ranks))
    return Ranked(
        rule,
        labelled.by_disorder.keys,
        tuple(
            RankedRun(run, _joined([photos for photos, _ in found]), _joined([people for _, people in found]))
            for run, found in zip(protocol.runs, parts, strict=True)
        ),
    )


def count_tests(protocol: Protocol) -> int:
    """Count the tests of all runs, as `rank_all` tells them."""
    return sum(len(run.test) for run in protocol.runs)


def own_labels(gallery: Gallery, rows: Indices, *, per_patient: bool) -> tuple[Indices, Indices]:
    """(m,) query and (m,) label of every query of some photos: each photo's own labels, or each patient's."""
    position, label = gallery.by_disorder.entries(rows)
    query = (gallery.patient_of_row if per_patient else np.arange(len(gallery)))[rows[position]]
    pairs = np.unique(np.column_stack([query, label]), axis=0)
    return pairs[:, 0], pairs[:, 1]


def _joined(parts: Sequence[Ranks]) -> Ranks:
    order = np.lexsort([np.concatenate([part.label for part in parts]), np.concatenate([p.query for p in parts])])
    return Ranks(
        np.concatenate([part.query for part in parts])[order],
        np.concatenate([part.label for part in parts])[order],
        np.concatenate([part.rank for part in parts])[order],
    )


def _is_by_matrix(gallery: Gallery, run: Run, rule: Rule) -> bool:
    """Whether a run's distances are columns of one matrix: else patients would need means of their own in it."""
    if rule is Rule.NEAREST_IMAGE:
        return True
    owners, people = gallery.patient_of_row, len(gallery.by_patient)
    inside = np.bincount(owners[run.gallery], minlength=people)
    whole = bool(np.all((inside == 0) | (inside == np.bincount(owners, minlength=people))))
    return whole and (rule is Rule.PATIENT_MEAN or (rule is Rule.DISORDER_CENTROID and not run.own_left_out))


@dataclass(frozen=True, eq=False)
class _Columns:
    """Which targets of a run's gallery belong to which label.

    Parameters
    ----------
    order, starts
        Target numbers, label after label, and where each label begins.
    of_label
        (labels,) place of each label in `starts`, -1 for those without a target.
    """

    order: Indices
    starts: Indices
    of_label: Indices

    @classmethod
    def of(cls, groups: Groups, inside: NDArray[np.bool_]) -> _Columns:
        """From all targets' labels and which targets are in the gallery."""
        kept = inside[groups.order]
        labels, starts = np.unique(groups.group_of_entry[kept], return_index=True)
        of_label = np.full(len(groups), -1, np.intp)
        of_label[labels] = np.arange(len(labels))
        return cls(groups.order[kept], starts, of_label)

    def nearest(self, distances: Floats) -> Floats:
        """(q, targets) -> (q, labels with a target), rounded."""
        if not len(self.starts):
            return np.empty((len(distances), 0))
        nearest: Floats = np.minimum.reduceat(distances[:, self.order], self.starts, axis=1)
        return nearest.round(DISTANCE_DECIMALS) + 0.0


@dataclass(frozen=True, eq=False)
class _Targets:
    """What distances are computed to: rows of unit vectors, whose they are, and which belong to what in a run."""

    matrix: NDArray[np.float32]
    owner: Indices
    columns: _Columns


def _targets(gallery: Gallery, runs: Sequence[Run], rule: Rule) -> list[_Targets]:
    """One per run; runs that share a matrix share the very array."""
    if rule is Rule.NEAREST_IMAGE:
        photos = gallery.vectors.matrix
        if not np.array_equal(gallery.rows, np.arange(len(photos))):
            photos = photos[gallery.rows]
        made = []
        for run in runs:
            inside = np.zeros(len(gallery), bool)
            inside[run.gallery] = True
            made.append(_Targets(photos, gallery.patient_of_row, _Columns.of(gallery.by_disorder, inside)))
        return made
    means = patient_means(gallery)
    people = np.arange(len(gallery.by_patient))
    made = []
    for run in runs:
        inside = np.isin(people, gallery.patient_of_row[run.gallery])
        columns = _Columns.of(means.disorders, inside)
        if rule is Rule.PATIENT_MEAN:
            made.append(_Targets(means.vectors.matrix, people, columns))
            continue
        ends = [*columns.starts.tolist(), len(columns.order)]
        labels = tuple(str(i) for i in range(len(columns.starts)))
        centres = centroids(means, Groups(labels, columns.order, np.array(ends, dtype=np.intp)))
        each = np.arange(len(labels))
        made.append(_Targets(centres.vectors.matrix, np.full(len(labels), -1), _Columns(each, each, columns.of_label)))
    return made


def _at_once(
    gallery: Gallery, runs: Sequence[Run], rule: Rule, tell: Callable[[int], None]
) -> Iterator[tuple[int, Ranks, Ranks]]:
    """Rank the tests of all runs, a few patients at a time."""
    if not runs:
        return
    targets = _targets(gallery, runs, rule)
    widest = max(len(t.matrix) for t in targets)
    is_test = [np.isin(np.arange(len(gallery)), run.test) for run in runs]
    asked = np.flatnonzero(np.any(is_test, axis=0))
    for rows in _of_whole_patients(gallery, asked, at_most=max(1, _HELD_BYTES // (8 * widest))):
        queries = gallery.vectors.matrix[gallery.rows[rows]].astype(np.float64) / len(gallery.views)
        last: tuple[NDArray[np.float32], Floats] | None = None
        for i, (run, aim) in enumerate(zip(runs, targets, strict=True)):
            mine = np.flatnonzero(is_test[i][rows])
            if not len(mine):
                continue
            if last is None or last[0] is not aim.matrix:
                last = aim.matrix, distances(queries, aim.matrix)
            yield (i, *_ranks_of(gallery, run, rows[mine], last[1][mine], aim))
            tell(len(mine))


def _of_whole_patients(gallery: Gallery, rows: Indices, *, at_most: int) -> Iterator[Indices]:
    """Photos in portions, sorted by patient, no patient in two portions."""
    by_owner = rows[np.argsort(gallery.patient_of_row[rows], kind="stable")]
    portion: list[Indices] = []
    for photos in np.split(by_owner, np.flatnonzero(np.diff(gallery.patient_of_row[by_owner])) + 1):
        if portion and sum(map(len, portion)) + len(photos) > at_most:
            yield np.concatenate(portion)
            portion = []
        portion.append(photos)
    if portion:
        yield np.concatenate(portion)


def distances(queries: Floats, matrix: NDArray[np.float32]) -> Floats:
    """1 - products in float64 of (q, d) float64 and (n, d) float32, not rounded; O(q n d)."""
    found = np.empty((len(queries), len(matrix)))
    for start in range(0, len(matrix), _ROWS_AT_A_TIME):
        block = matrix[start : start + _ROWS_AT_A_TIME].astype(np.float64)
        np.matmul(queries, block.T, out=found[:, start : start + len(block)])
    return np.subtract(1.0, found, out=found)


def _ranks_of(gallery: Gallery, run: Run, rows: Indices, away: Floats, aim: _Targets) -> tuple[Ranks, Ranks]:
    """Ranks of some tests of a run, per photo and per patient; `rows` are sorted by patient."""
    patients, starts = np.unique(gallery.patient_of_row[rows], return_index=True)
    counts = np.diff([*starts.tolist(), len(rows)])
    people = np.add.reduceat(away, starts, axis=0) / counts[:, None]
    if run.own_left_out:
        away = np.where(aim.owner == gallery.patient_of_row[rows][:, None], np.inf, away)
        people = np.where(aim.owner == patients[:, None], np.inf, people)
    return (
        _own_ranks(gallery, rows, rows, aim.columns, away, per_patient=False),
        _own_ranks(gallery, rows, patients, aim.columns, people, per_patient=True),
    )


def _own_ranks(
    gallery: Gallery, rows: Indices, queries: Indices, columns: _Columns, away: Floats, *, per_patient: bool
) -> Ranks:
    """Count what is strictly nearer than each query's own labels."""
    nearest = columns.nearest(away)
    query, label = own_labels(gallery, rows, per_patient=per_patient)
    sorter = np.argsort(queries, kind="stable")
    line = sorter[np.searchsorted(queries, query, sorter=sorter)]
    column = columns.of_label[label]
    own = np.full(len(query), np.inf)
    there = column >= 0
    own[there] = nearest[line[there], column[there]]
    place = 1.0 + np.count_nonzero(nearest[line] < own[:, None], axis=1)
    return Ranks(query, label, np.where(np.isfinite(own), place, np.inf))


def _one_by_one(gallery: Gallery, run: Run, rule: Rule, tell: Callable[[int], None]) -> tuple[Ranks, Ranks]:
    """Ask `deciface.space.rank` for every test."""
    labels = [[d.disorder.id for d in photo.diagnoses] for photo in gallery.photos]
    among = relabelled(gallery, labels, run.gallery)
    found = []
    for per_patient in (False, True):
        numbers = gallery.patient_of_row if per_patient else np.arange(len(gallery))
        query, label = own_labels(gallery, run.test, per_patient=per_patient)
        places: dict[int, dict[str, int]] = {}
        for number in np.unique(query).tolist():
            rows = run.test[numbers[run.test] == number]
            places[number] = _places(gallery, among, rows, run, rule)
            tell(0 if per_patient else 1)
        keys = gallery.by_disorder.keys
        ranks = [places[q].get(keys[k], np.inf) for q, k in zip(query.tolist(), label.tolist(), strict=True)]
        found.append(Ranks(query, label, np.array(ranks, np.float64)))
    return found[0], found[1]


def _places(gallery: Gallery, among: Gallery, rows: Indices, run: Run, rule: Rule) -> dict[str, int]:
    """Rank of every disorder for one query."""
    encodings = [
        Encoding(
            gallery.photos[row].id,
            NOT_STATED,
            gallery.crop_version[view.model],
            gallery.encoder_sha256[view.model],
            view,
            gallery.vectors.matrix[gallery.rows[row], block.start : block.stop],
        )
        for row in rows.tolist()
        for view, block in zip(gallery.views, gallery.vectors.blocks, strict=True)
    ]
    own = gallery.photos[int(rows[0])].patient.id if run.own_left_out else None
    answer = rank(among, Query.of(encodings, patient_id=own), rule=rule, top=len(among.by_disorder))
    return {hit.disorder.id: hit.rank for hit in answer.disorders}
