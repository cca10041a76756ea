"""Where the own disorder of every test stands in its gallery: all tests at once, by matrix products.

The distances are those of `deciface.space.rank`, computed in float64 from float32 vectors and rounded to 6 decimals, so
that the same ties are ties. A rank is 1 + the number of disorders that are strictly nearer, as everywhere in DeciFace;
how many others are at the same distance is kept beside it, so that no accuracy is owed to a tie
(`deciface.evaluation.places`). Distances of all tests and all photos are computed once and serve every run; only the
choice of columns differs (`deciface.evaluation.group_distances`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.cases import NOT_STATED, Encoding
from deciface.evaluation.group_distances import Aim, Faces, aims_of, raw_distances, relabelled
from deciface.evaluation.protocol import Indices, Protocol, Run
from deciface.space import Gallery, Query, Rule, rank

Floats = NDArray[np.float64]

_HELD_BYTES = 128 * 2**20
"""Distances held at a time."""


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
        (m,) 1 + the labels strictly nearer; infinite where the gallery has no patient with that label.
    tied
        (m,) other labels at the same distance; 0 where the rank is infinite.
    """

    query: Indices
    label: Indices
    rank: Floats
    tied: Indices


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


def rank_all(
    gallery: Gallery,
    protocol: Protocol,
    *,
    rule: Rule = Rule.NEAREST_IMAGE,
    advance: Callable[[int], None] | None = None,
) -> Ranked:
    """Rank all tests of all runs.

    By matrix products: O(tests x photos x d) once, and O(tests x photos) a run; under discriminant O(d^2 + labels x d)
    a test, and a covariance a run. Test by test where a gallery holds a part of a patient's photos and the rule is not
    nearest-image.

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
    by_matrix = [_holds_whole_patients(labelled, run, rule) for run in protocol.runs]
    parts: list[list[tuple[Ranks, Ranks]]] = [[] for _ in protocol.runs]
    for number, run in enumerate(protocol.runs):
        if not by_matrix[number]:
            parts[number].append(_one_by_one(labelled, run, rule, tell))
    at_once = [number for number, fast in enumerate(by_matrix) if fast]
    # covariances are large: those of one run at a time are held
    for together in [[number] for number in at_once] if rule is Rule.DISCRIMINANT else [at_once]:
        for i, photo_ranks, patient_ranks in _at_once(labelled, [protocol.runs[n] for n in together], rule, tell):
            parts[together[i]].append((photo_ranks, patient_ranks))
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
        np.concatenate([part.tied for part in parts])[order],
    )


def _holds_whole_patients(gallery: Gallery, run: Run, rule: Rule) -> bool:
    """Whether patients' means are the same in a run as in the whole gallery: else they would need some of their own."""
    if rule is Rule.NEAREST_IMAGE:
        return True
    owners, people = gallery.patient_of_row, len(gallery.by_patient)
    inside = np.bincount(owners[run.gallery], minlength=people)
    return bool(np.all((inside == 0) | (inside == np.bincount(owners, minlength=people))))


def _at_once(
    gallery: Gallery, runs: Sequence[Run], rule: Rule, tell: Callable[[int], None]
) -> Iterator[tuple[int, Ranks, Ranks]]:
    """Rank the tests of all runs, a few patients at a time."""
    if not runs:
        return
    compared = aims_of(gallery, runs, rule)
    widest = max(sum(map(len, aim.matrices)) + len(gallery.by_disorder) for aim in compared)
    is_test = [np.isin(np.arange(len(gallery)), run.test) for run in runs]
    asked = np.flatnonzero(np.any(is_test, axis=0))
    for rows in _of_whole_patients(gallery, asked, at_most=max(1, _HELD_BYTES // (8 * widest))):
        queries = gallery.vectors.matrix[gallery.rows[rows]].astype(np.float64) / len(gallery.views)
        held: dict[int, Floats] = {}
        for i, (run, aim) in enumerate(zip(runs, compared, strict=True)):
            mine = np.flatnonzero(is_test[i][rows])
            if not len(mine):
                continue
            wanted = {id(matrix): matrix for matrix in aim.matrices}
            held = {key: held[key] for key in wanted if key in held}
            held |= {key: raw_distances(queries, matrix) for key, matrix in wanted.items() if key not in held}
            away = [held[id(matrix)][mine] for matrix in aim.matrices]
            yield (i, *_ranks_of(gallery, run, rows[mine], queries[mine], away, aim))
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


def _ranks_of(
    gallery: Gallery, run: Run, rows: Indices, queries: Floats, away: Sequence[Floats], aim: Aim
) -> tuple[Ranks, Ranks]:
    """Ranks of some tests of a run, per photo and per patient; `rows` are sorted by patient."""
    owners = gallery.patient_of_row[rows]
    patients, starts = np.unique(owners, return_index=True)
    counts = np.diff([*starts.tolist(), len(rows)])[:, None]

    def means(values: Floats) -> Floats:
        total: Floats = np.add.reduceat(values, starts, axis=0) / counts
        return total

    own = (owners, patients) if run.own_left_out else (None, None)
    by_photo = aim.distances(Faces(queries, tuple(away), own[0]))
    by_patient = aim.distances(Faces(means(queries), tuple(map(means, away)), own[1]))
    return (
        _own_ranks(gallery, rows, rows, by_photo, per_patient=False),
        _own_ranks(gallery, rows, patients, by_patient, per_patient=True),
    )


def _own_ranks(gallery: Gallery, rows: Indices, queries: Indices, found: Floats, *, per_patient: bool) -> Ranks:
    """Count what is nearer than each query's own labels, and what is as near; `found` (q, labels)."""
    query, label = own_labels(gallery, rows, per_patient=per_patient)
    sorter = np.argsort(queries, kind="stable")
    line = sorter[np.searchsorted(queries, query, sorter=sorter)]
    own, every = found[line, label][:, None], found[line]
    known = np.isfinite(own[:, 0])
    rank = 1.0 + np.count_nonzero(every < own, axis=1)
    tied = np.count_nonzero(every == own, axis=1) - 1
    return Ranks(query, label, np.where(known, rank, np.inf), np.where(known, tied, 0))


def _one_by_one(gallery: Gallery, run: Run, rule: Rule, tell: Callable[[int], None]) -> tuple[Ranks, Ranks]:
    """Ask `deciface.space.rank` for every test."""
    labels = [[d.disorder.id for d in photo.diagnoses] for photo in gallery.photos]
    among = relabelled(gallery, labels, run.gallery)
    found = []
    for per_patient in (False, True):
        numbers = gallery.patient_of_row if per_patient else np.arange(len(gallery))
        query, label = own_labels(gallery, run.test, per_patient=per_patient)
        ranks: dict[int, dict[str, int]] = {}
        for number in np.unique(query).tolist():
            rows = run.test[numbers[run.test] == number]
            ranks[number] = _ranks_by_label(gallery, among, rows, run, rule)
            tell(0 if per_patient else 1)
        keys = gallery.by_disorder.keys
        sharing = {number: Counter(of.values()) for number, of in ranks.items()}
        mine = [(q, ranks[q].get(keys[k])) for q, k in zip(query.tolist(), label.tolist(), strict=True)]
        rank_of_own = np.array([np.inf if own is None else own for _, own in mine], np.float64)
        tied = np.array([0 if own is None else sharing[q][own] - 1 for q, own in mine], np.intp)
        found.append(Ranks(query, label, rank_of_own, tied))
    return found[0], found[1]


def _ranks_by_label(gallery: Gallery, among: Gallery, rows: Indices, run: Run, rule: Rule) -> dict[str, int]:
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
