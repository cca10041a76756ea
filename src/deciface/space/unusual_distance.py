"""How far a face is from its nearest few among adjusted faces, everybody measured alike; numbers only.

With ``n`` people as rows ``x`` and their backgrounds as rows ``z`` of a design, the face in question is row ``n + 1``.
A ridge regression over *all* ``n + 1`` rows leaves residuals ``e``; the statistic of a row is the mean of half the
squared length of ``e_i - e_j`` over its nearest few ``j``, per view; its logarithm is then regressed on ``z`` in the
same way, as the spread of faces differs between groups too. Every step treats the ``n + 1`` rows alike, so that, if
they come from one population, the rank of the last is uniform: a full conformal p-value (Vovk, Gammerman and Shafer,
Algorithmic Learning in a Random World, 2005, chapter 2). With a constant alone for ``z`` the statistic is the mean
distance (1 - cosine) itself.

The regression is not made anew for a face. With ``A = Z'Z + ridge``, ``a = Z A^-1 z``, ``h = z' A^-1 z`` and the
face's residual ``r`` from the fit to the others, the residuals of all are ``e_i - a_i r / (1 + h)`` and
``r / (1 + h)`` (Sherman and Morrison), and their products follow from those of ``e``, ``e_i . r`` and ``r . r``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deciface.space.unusual_background import inverse_of, residuals
from deciface.space.vectors import DISTANCE_DECIMALS, Floats, one_thread

NEIGHBOURS = 5
"""How many of the nearest unaffected people a face is compared with."""
_LEAST = 10.0**-DISTANCE_DECIMALS
"""Distances below are rounding; their logarithm is not taken."""


@dataclass(frozen=True, eq=False)
class Fit:
    """The regression of the people compared with, and the products of their residuals.

    Parameters
    ----------
    matrix
        (n, d) float64 vectors of the views in use.
    rows
        (n, p) design.
    inverse
        (p, p) of the ridged normal matrix.
    left
        (n, d) residuals.
    products
        (n, n) of the residuals.
    views
        How many are in use.
    """

    matrix: Floats
    rows: Floats
    inverse: Floats
    left: Floats
    products: Floats
    views: int

    @classmethod
    def of(cls, matrix: Floats, rows: Floats, *, views: int) -> Fit:
        """Fit once for all faces asked about; O(n^2 d)."""
        with one_thread():
            inverse = inverse_of(rows)
            left = matrix - rows @ (inverse @ (rows.T @ matrix))
            return cls(matrix, rows, inverse, left, left @ left.T, views)

    def statistics(self, vector: Floats, row: Floats) -> tuple[Floats, float]:
        """(n,) statistics of the people and that of a face, everybody against all others; O(n d + n^2).

        Parameters
        ----------
        vector
            (d,) of one photo of the face, of unit length in every view.
        row
            (p,) of its design.
        """
        with one_thread():
            weights = self.rows @ (self.inverse @ row)
            r = vector - weights @ self.matrix
            along, square = self.left @ r, float(r @ r)
        share = 1.0 / (1.0 + float(row @ self.inverse @ row))
        moved = weights * share
        lengths = np.diagonal(self.products) - 2.0 * moved * along + moved**2 * square
        crossed = np.outer(moved, along)
        products = self.products - crossed - crossed.T + np.outer(moved, moved) * square
        away = (lengths[:, None] + lengths[None]) / 2.0 - products
        np.fill_diagonal(away, np.inf)
        to_face = (lengths + share**2 * square) / 2.0 - share * (along - moved * square)
        everybody = np.column_stack([away, to_face]) / self.views
        theirs = np.partition(everybody, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS].mean(axis=1)
        mine = float(np.partition(to_face, NEIGHBOURS - 1)[:NEIGHBOURS].mean()) / self.views
        return self._alike_in_spread(np.append(theirs, mine), row)

    def _alike_in_spread(self, found: Floats, row: Floats) -> tuple[Floats, float]:
        """Take out of the statistics how far faces of each background are from each other; rounded, so ties stay."""
        if self.rows.shape[1] > 1:
            found = residuals(np.vstack([self.rows, row]), np.log(np.maximum(found, _LEAST)))
        rounded = np.round(found, DISTANCE_DECIMALS)
        return rounded[:-1], float(rounded[-1])
