"""Three figures of a face that tell patients from unaffected people, for everybody as if they were not in the gallery.

``e`` are the residuals of the unaffected people from a regression on ancestry, sex and age
(`deciface.space.unusual_background`), ``f`` those of anybody else from the same regression:

* logarithm of the mean distance to the nearest few unaffected people,
* logarithm of the mean distance to the nearest few patients,
* logarithm of the squared Mahalanobis length per dimension in the unaffected people's shrunken covariance
  (Ledoit and Wolf, J Multivariate Anal 88:365, 2004), mean over views.

An unaffected person is measured from a regression and a covariance without them, exactly: with leverages
``h_ij = z_i' A^-1 z_j`` and ``c = (1 - h_ij) / (1 - h_ii)``, person i is at ``c e_i - e_j`` from person j when the fit
does not contain i.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.space.covariance import Axes, Metric, decomposed, shrunken
from deciface.space.unusual_distance import NEIGHBOURS, Fit
from deciface.space.vectors import Block, Floats, one_thread

FEATURES = ("distance to the nearest unaffected people", "distance to the nearest patients", "length of the residual")
_LEAST = 1e-6


@dataclass(frozen=True, eq=False)
class Space:
    """Unaffected people and patients, from whom features are measured.

    Parameters
    ----------
    fit
        Of the unaffected people.
    others
        (m, d) residuals of the patients.
    other_rows
        (m, p) design of the patients.
    axes, metrics
        Per view, of the unaffected people's residuals.
    fourth
        (n, views) fourth powers of their lengths.
    """

    fit: Fit
    others: Floats
    other_rows: Floats
    axes: tuple[Axes, ...]
    metrics: tuple[Metric, ...]
    fourth: Floats

    @classmethod
    def of(cls, fit: Fit, blocks: Sequence[Block], patients: Floats, rows: Floats) -> Space:
        """From the unaffected people's fit, and vectors and design rows of the patients; O((n + m) n d + d^3).

        Raises
        ------
        OptionError
            All unaffected people have the same vector.
        """
        nobody = np.empty(0)
        axes, metrics = [], []
        fourth = np.empty((len(fit.left), len(blocks)))
        with one_thread():
            for v, block in enumerate(blocks):
                columns = slice(block.start, block.stop)
                part = fit.left[:, columns]
                n, d = part.shape
                fourth[:, v] = np.vecdot(part, part) ** 2
                whole = float(fourth[:, v].sum())
                axes.append(decomposed(str(v), columns, origin=np.zeros(d), residuals=part))
                metrics.append(shrunken(axes[-1], moved=nobody.reshape(0, d), signs=nobody, n=n, fourth=whole))
            return cls(fit, _residuals(fit, patients, rows), rows, tuple(axes), tuple(metrics), fourth)

    def of_unaffected(self) -> Floats:
        """(n, 3) features of the unaffected people, each measured without themselves."""
        fit, n = self.fit, len(self.fit.left)
        with one_thread():
            to_rows = fit.rows @ fit.inverse
            own = np.vecdot(to_rows, fit.rows)
            share = (1.0 - to_rows @ fit.rows.T) / (1.0 - own)[:, None]
            square = np.diagonal(fit.products)
            near = (share**2 * square[:, None] - 2.0 * share * fit.products + square) / 2.0
            np.fill_diagonal(near, np.inf)
            share = (1.0 - to_rows @ self.other_rows.T) / (1.0 - own)[:, None]
            away = share**2 * square[:, None] - 2.0 * share * (fit.left @ self.others.T)
            away = (away + np.vecdot(self.others, self.others)) / 2.0
            lengths = np.array([self._length_without(i, float(own[i])) for i in range(n)])
        return self._logs(near, away, lengths)

    def of_patients(self, hidden: NDArray[np.bool_]) -> Floats:
        """(m, 3) features of the patients, with (m, m) who is hidden from whom: themselves, or their whole disorder.

        Infinite where fewer than a few patients are left to be near to.
        """
        return self._of(self.others, hidden)

    def of_faces(self, vectors: Floats, rows: Floats) -> Floats:
        """(k, 3) features of faces, from their (k, d) unit vectors and design rows."""
        with one_thread():
            left = _residuals(self.fit, vectors, rows)
        return self._of(left, np.zeros((len(left), len(self.others)), bool))

    def _of(self, left: Floats, hidden: NDArray[np.bool_]) -> Floats:
        with one_thread():
            square = np.vecdot(left, left)[:, None]
            near = (square - 2.0 * left @ self.fit.left.T + np.diagonal(self.fit.products)) / 2.0
            away = (square - 2.0 * left @ self.others.T + np.vecdot(self.others, self.others)) / 2.0
            lengths = np.zeros(len(left))
            for axes, metric in zip(self.axes, self.metrics, strict=True):
                lengths += metric.lengths(axes.turned(left)) / len(axes.values) / len(self.axes)
        return self._logs(near, np.where(hidden, np.inf, away), lengths)

    def _length_without(self, person: int, own: float) -> float:
        """Mahalanobis length of an unaffected person in the covariance of the others."""
        found = 0.0
        for v, axes in enumerate(self.axes):
            mine = axes.turned(self.fit.left[person])
            metric = shrunken(
                axes,
                moved=mine[None] / np.sqrt(1.0 - own),
                signs=np.array([-1.0]),
                n=len(self.fit.left) - 1,
                fourth=float(self.fourth[:, v].sum() - self.fourth[person, v]),
            )
            found += float(metric.lengths(mine[None] / (1.0 - own))[0]) / len(mine) / len(self.axes)
        return found

    def _logs(self, near: Floats, away: Floats, lengths: Floats) -> Floats:
        few = [np.partition(d, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS].mean(axis=1) for d in (near, away)]
        few = [mean / self.fit.views for mean in few]
        logs: Floats = np.log(np.maximum(np.column_stack([*few, lengths]), _LEAST))
        return logs


def _residuals(fit: Fit, vectors: Floats, rows: Floats) -> Floats:
    left: Floats = vectors - rows @ (fit.inverse @ (fit.rows.T @ fit.matrix))
    return left
