"""A regularised linear discriminant: how far a face is from a disorder's mean, counted in within-disorder variation.

Faces differ in ways that have nothing to do with a disorder: light, expression, age, family. The covariance of patients
around the mean of their own disorder measures these ways, and a Mahalanobis distance counts a difference along them
little. There are fewer patients than would be needed to estimate it, so it is shrunk towards a multiple of the identity
(Friedman, J Am Stat Assoc 84:165, 1989, regularised discriminant analysis), by the amount that Ledoit and Wolf
(J Multivariate Anal 88:365, 2004) derive from the data.

Per view, with ``d`` numbers: rows ``x`` are patients (the mean of their photos' unit vectors, scaled to unit length);
groups ``c`` are the disorders and, as one more group that is never ranked, the unaffected people. A patient with two
disorders is a member of both; undiagnosed people of none. With ``n`` memberships, group means ``mu`` and residuals
``w = x - mu`` ::

    W  = sum w w' / n                 m  = tr W / d            S = (1 - l) W + l m I
    d2 = |W - m I|^2                  b2 = min(d2, sum |w|^4 / n^2 - |W|^2 / n)            l = b2 / d2
    distance = (q - mu)' S^-1 (q - mu) / d / (1 + 1 / n_c), averaged over the views in use

``1 + 1 / n_c`` is the variance of a new patient around a mean of ``n_c`` patients: without it a disorder known from one
photo is favoured or punished by that photo's chance. It makes disorders equally far on average only: the distance to a
mean of few patients scatters more, so a face that fits nothing has rare disorders first, and last, a little more often
than their share. A gene is its patients' mean in the same S, so that a gene and a
disorder with the same patients are equally far.

S and the means must not contain the query's own person: a face is unduly close to a mean, and to a covariance, that it
helped to make, and an accuracy measured so is too good. Whoever is left out therefore leaves S as well. That is a
change of low rank, made exactly (`deciface.space.covariance`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from deciface.errors import OptionError
from deciface.space.covariance import Axes, Metric, decomposed, shrunken
from deciface.space.gallery import Gallery
from deciface.space.groups import Groups, Indices
from deciface.space.means import PatientMeans, mean_of_rows
from deciface.space.query import JoinedQuery
from deciface.space.vectors import Floats, one_thread

FEWEST_RESIDUAL_DF = 20
"""Memberships minus groups, below which a covariance is not worth its name and the ranking is refused."""


@dataclass(frozen=True, eq=False)
class _Change:
    """A group of patients that some leave (patient numbers) and others enter (new rows, (k, columns) float64)."""

    members: Indices
    leave: Indices
    enter: Floats

    @property
    def stay(self) -> Indices:
        return np.setdiff1d(self.members, self.leave)

    @property
    def size(self) -> int:
        return len(self.members) - len(self.leave) + len(self.enter)


@dataclass(frozen=True, eq=False)
class _Face:
    """A query as seen by the metrics of the views in use: its distance to rows of means along the axes.

    ``|q - x|^2`` is ``constant - 2 x . weights`` plus the length of ``x``, everything divided by dimensions and views.
    """

    axes: tuple[Axes, ...]
    metrics: Sequence[Metric]
    scales: Floats  # (views in use,)
    constant: float
    weights: Floats  # (columns,)

    @classmethod
    def of(cls, query: JoinedQuery, axes: tuple[Axes, ...], metrics: Sequence[Metric]) -> _Face:
        """From a query and, per view, the axes and metric to use."""
        scales = np.array([1.0 / len(a.values) / len(axes) for a in axes])
        constant, weights = 0.0, np.zeros(len(query.vector))
        for a, metric, scale in zip(axes, metrics, scales.tolist(), strict=True):
            mine = a.turned(query.vector)
            weights[a.columns] = metric.times(mine) * scale
            constant += float(mine @ weights[a.columns])
        return cls(axes, metrics, scales, constant, weights)

    def squared(self, rows: Floats, lengths: Floats | None = None) -> Floats:
        """(p, columns) -> (p,); `lengths` are (p, views in use) when they are known."""
        if lengths is None:
            parts = zip(self.axes, self.metrics, strict=True)
            lengths = np.column_stack([metric.lengths(rows[:, a.columns]) for a, metric in parts])
        found: Floats = self.constant + lengths @ self.scales - 2.0 * (rows @ self.weights)
        return found


@dataclass(frozen=True, eq=False)
class Discriminant:
    """What the rule needs of a gallery. Made by `discriminant`, which refuses nothing: a query does.

    Parameters
    ----------
    gallery, means
        The patients.
    groups
        Patients of every disorder, numbered as in `means.disorders`, and last the unaffected ones.
    axes
        Per view, of the residuals of all groups.
    fourth
        (groups, views) sums of the fourth power of their lengths.
    profiles
        (p, columns) float64: means of all distinct sets of patients that share a disorder or a gene, along the axes.
    of_disorder, of_gene
        Which profile each has.
    """

    gallery: Gallery
    means: PatientMeans
    groups: Groups
    axes: tuple[Axes, ...]
    fourth: Floats
    profiles: Floats
    of_disorder: Indices
    of_gene: Indices

    @cached_property
    def _metrics(self) -> tuple[Metric, ...]:
        """Per view, with everybody."""
        n = self._memberships({})
        nobody = np.empty(0)
        return tuple(
            shrunken(
                a, moved=nobody.reshape(0, len(a.values)), signs=nobody, n=n, fourth=float(self.fourth[:, v].sum())
            )
            for v, a in enumerate(self.axes)
        )

    @cached_property
    def _lengths(self) -> Floats:
        """(p, views) squared lengths of the profiles under `_metrics`."""
        parts = zip(self.axes, self._metrics, strict=True)
        return np.column_stack([metric.lengths(self.profiles[:, a.columns]) for a, metric in parts])

    def distances(self, query: JoinedQuery, left: Mapping[int, Indices]) -> tuple[Floats, Floats]:
        """Distances of all disorders and of all genes; infinite for those without a patient left.

        O(p d + d^2) per view in use. When members of groups are left out also O(p d k) for k rows that change and
        O(n_c d) for the groups they are in.

        Parameters
        ----------
        query
            The face.
        left
            Per patient with photos left out, the gallery rows they have left.

        Returns
        -------
        (disorders,) and (genes,) float64, not rounded, numbered as in `PatientMeans`.

        Raises
        ------
        OptionError
            Fewer than `FEWEST_RESIDUAL_DF` residual degrees of freedom, or no variation.
        """
        with one_thread():
            rows = {p: mean_of_rows(self.gallery, r).astype(np.float64) for p, r in left.items() if len(r)}
            shaping = self._changes(self.groups, rows, {p: self._groups_of(r) for p, r in left.items()})
            by_gene = self.gallery.by_gene
            genes = self._changes(self.means.genes, rows, {p: by_gene.of_rows(r) for p, r in left.items()})
            used = list(query.used)
            metrics = self._without(shaping, used) if shaping else [self._metrics[v] for v in used]
            face = _Face.of(query, tuple(self.axes[v] for v in used), metrics)
            squared = face.squared(self.profiles, None if shaping else self._lengths[:, used])
            return (
                self._of_groups(face, self.means.disorders, squared[self.of_disorder], shaping),
                self._of_groups(face, self.means.genes, squared[self.of_gene], genes),
            )

    def distances_of_many(self, vectors: Floats) -> Floats:
        """Distances of all disorders from many faces, in every view and with nobody left out; O(q (p d + d^2)) a view.

        Parameters
        ----------
        vectors
            (q, columns) float64, means of the faces' unit vectors.

        Returns
        -------
        (q, disorders) float64, not rounded, as `distances` gives them.

        Raises
        ------
        OptionError
            As `distances`.
        """
        with one_thread():
            constant, weights = np.zeros(len(vectors)), np.empty(vectors.shape)
            scales = np.array([1.0 / len(axes.values) / len(self.axes) for axes in self.axes])
            for axes, metric, scale in zip(self.axes, self._metrics, scales.tolist(), strict=True):
                mine = axes.turned(vectors)
                weights[:, axes.columns] = metric.times(mine) * scale
                constant += np.vecdot(mine, weights[:, axes.columns])
            squared = constant[:, None] + self._lengths @ scales - 2.0 * (weights @ self.profiles.T)
            patients = np.diff(self.means.disorders.starts)
            found: Floats = squared[:, self.of_disorder] / (1.0 + 1.0 / patients)
            return found

    def _groups_of(self, rows: Indices) -> set[int]:
        """Groups of a patient who has these photos."""
        found = self.gallery.by_disorder.of_rows(rows)
        unaffected = any(self.gallery.photos[row].unaffected for row in rows.tolist())
        return found or ({len(self.means.disorders)} if unaffected else set())

    def _changes(self, groups: Groups, rows: Mapping[int, Floats], after: Mapping[int, set[int]]) -> dict[int, _Change]:
        """Which groups change when these patients have other rows and other groups; a patient without a row is gone."""
        leave: dict[int, list[int]] = {}
        enter: dict[int, list[Floats]] = {}
        for patient, now in after.items():
            for g in groups.of_row.get(patient, ()):
                leave.setdefault(g, []).append(patient)
            for g in now:
                enter.setdefault(g, []).append(rows[patient])
        columns = self.profiles.shape[1]
        return {
            g: _Change(
                groups.rows(g),
                np.array(leave.get(g, []), dtype=np.intp),
                np.array(enter.get(g, [])).reshape(-1, columns),
            )
            for g in sorted({*leave, *enter})
        }

    def _memberships(self, changes: Mapping[int, _Change]) -> int:
        """Count memberships, or refuse when the groups use them up."""
        sizes = np.diff(self.groups.starts)
        for g, change in changes.items():
            sizes[g] = change.size
        n, groups = int(sizes.sum()), int((sizes > 0).sum())
        if n - groups < FEWEST_RESIDUAL_DF:
            raise OptionError(
                f"rule discriminant needs more people: {groups + FEWEST_RESIDUAL_DF} for these {groups} groups (each "
                f"disorder, and the unaffected), and there are {n} ({self.gallery.restriction}, query left out); use "
                "rule disorder-centroid or a larger gallery"
            )
        return n

    def _without(self, changes: Mapping[int, _Change], used: Sequence[int]) -> list[Metric]:
        """Per view in use, with the groups changed."""
        n = self._memberships(changes)
        metrics = []
        for v in used:
            axes, fourth = self.axes[v], float(self.fourth[:, v].sum())
            moved, signs = [], []
            for g, change in changes.items():
                rows, sign, now = _moved(self.means.vectors.matrix[:, axes.columns], change, axes)
                moved.append(rows)
                signs.append(sign)
                fourth += now - float(self.fourth[g, v])
            turned = np.concatenate(moved) @ axes.vectors.T
            metrics.append(shrunken(axes, moved=turned, signs=np.concatenate(signs), n=n, fourth=fourth))
        return metrics

    def _of_groups(self, face: _Face, groups: Groups, squared: Floats, changes: Mapping[int, _Change]) -> Floats:
        """(groups,) distances; `squared` are the squared ones of the groups as they were."""
        patients = np.diff(groups.starts).astype(np.float64)
        for g, change in changes.items():
            if g == len(groups):
                continue  # the unaffected people shape S and are not ranked
            patients[g] = change.size
            whole = self.means.vectors.matrix[change.stay].sum(axis=0, dtype=np.float64) + change.enter.sum(axis=0)
            mean = np.zeros((1, len(whole)))
            for axes in face.axes:
                mean[0, axes.columns] = axes.turned(whole / max(1, change.size))
            squared[g] = face.squared(mean)[0]
        with np.errstate(divide="ignore"):
            return np.where(patients > 0, squared / (1.0 + 1.0 / patients), np.inf)


def _moved(
    matrix: np.ndarray[tuple[int, int], np.dtype[np.float32]], change: _Change, axes: Axes
) -> tuple[Floats, Floats, float]:
    """Rows and signs that a change of a group adds to the scatter, and the group's sum of fourth powers afterwards."""
    members = matrix[change.members].astype(np.float64)
    middle = members.mean(axis=0) if len(members) else axes.origin
    stays = ~np.isin(change.members, change.leave)
    gone, entered = members[~stays] - middle, change.enter[:, axes.columns] - middle
    now = np.concatenate([members[stays] - middle, entered])
    shift = now.mean(axis=0) if len(now) else np.zeros(len(middle))
    rows = np.concatenate([gone, entered, np.sqrt(len(now)) * shift[None]])
    signs = np.concatenate([np.full(len(gone), -1.0), np.ones(len(entered)), [-1.0]])
    now -= shift
    return rows, signs, float((np.vecdot(now, now) ** 2).sum())


def discriminant(gallery: Gallery, means: PatientMeans) -> Discriminant:
    """Prepare a gallery for the rule; O(n d^2 + d^3) per view."""
    groups = _with_unaffected(gallery, means.disorders)
    profiles, of_disorder, of_gene = _profiles(means)
    matrix = means.vectors.matrix
    axes = []
    fourth = np.zeros((len(groups), len(gallery.views)))
    unaffected = groups.rows(len(groups) - 1)
    with one_thread():
        for v, (view, block) in enumerate(zip(gallery.views, means.vectors.blocks, strict=True)):
            columns = slice(block.start, block.stop)
            rows = matrix[:, columns].astype(np.float64)
            middle = rows[unaffected].sum(axis=0, keepdims=True) / max(1, len(unaffected))
            centres = np.concatenate([profiles[of_disorder, columns], middle])
            residuals = rows[groups.order] - centres[groups.group_of_entry]
            power = np.vecdot(residuals, residuals) ** 2
            fourth[:, v] = np.bincount(groups.group_of_entry, weights=power, minlength=len(groups))
            axes.append(decomposed(str(view), columns, origin=rows.mean(axis=0), residuals=residuals))
            profiles[:, columns] = axes[-1].turned(profiles)
    return Discriminant(gallery, means, groups, tuple(axes), fourth, profiles, of_disorder, of_gene)


def _with_unaffected(gallery: Gallery, disorders: Groups) -> Groups:
    """Add the unaffected people, who have no diagnosis in any photo, as a last group, which may be empty."""
    rows = [row for row, photo in enumerate(gallery.photos) if photo.unaffected]
    patients = np.setdiff1d(gallery.patient_of_row[rows], disorders.order)
    return Groups(
        (*disorders.keys, "unaffected"),
        np.concatenate([disorders.order, patients]),
        np.append(disorders.starts, len(disorders.order) + len(patients)),
    )


def _profiles(means: PatientMeans) -> tuple[Floats, Indices, Indices]:
    """Means of the distinct sets of patients with a disorder or a gene, and whose is which."""
    numbers: dict[bytes, int] = {}
    sets: list[Indices] = []
    of: list[Indices] = []
    for groups in (means.disorders, means.genes):
        chosen = np.empty(len(groups), np.intp)
        for g in range(len(groups)):
            patients = groups.rows(g)
            chosen[g] = numbers.setdefault(patients.tobytes(), len(sets))
            if chosen[g] == len(sets):
                sets.append(patients)
        of.append(chosen)
    matrix = means.vectors.matrix
    rows = np.empty((len(sets), matrix.shape[1]))
    for i, patients in enumerate(sets):
        rows[i] = matrix[patients].sum(axis=0, dtype=np.float64) / len(patients)
    return rows, of[0], of[1]
