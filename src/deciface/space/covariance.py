"""A shrunken covariance in the axes of a larger sample's, and what a few rows more or less do to it; numbers only.

The scatter ``A = sum w w'`` of residuals is decomposed once, ``A = V' diag(a) V``. Without some rows it is
``A + U' J U`` for a few rows ``U`` and signs ``J``, so with ``y = V U'`` everything that is needed follows from ``a``,
``y`` and ``J``: the trace, the norm, the shrinkage of Ledoit and Wolf (J Multivariate Anal 88:365, 2004) and, by the
Woodbury identity, the inverse. Nothing is approximated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deciface.errors import OptionError
from deciface.space.vectors import Floats

LEAST_SHRINKAGE = 1e-6
"""S must have an inverse in float64 also where all residuals lie in one line, for which Ledoit and Wolf's l is 0."""
NO_VARIATION = 1e-12
"""Mean squared length of residuals that are nothing but float32 rounding."""


@dataclass(frozen=True, eq=False)
class Metric:
    """``S^-1 = diag(inverse) - factor' core factor`` in the axes of the scatter.

    Parameters
    ----------
    inverse
        (d,) float64.
    factor
        (k, d) float64.
    core
        (k, k) float64.
    """

    inverse: Floats
    factor: Floats
    core: Floats

    def times(self, rows: Floats) -> Floats:
        """(..., d) -> (..., d), multiplied by S^-1."""
        scaled: Floats = rows * self.inverse
        if len(self.core):
            scaled -= rows @ self.factor.T @ self.core @ self.factor
        return scaled

    def lengths(self, rows: Floats) -> Floats:
        """(n, d) -> (n,), squared lengths ``x' S^-1 x``."""
        squared: Floats = np.vecdot(rows, self.times(rows))
        return squared


@dataclass(frozen=True, eq=False)
class Axes:
    """The scatter of one view, decomposed.

    Parameters
    ----------
    name
        Of the view, for messages.
    columns
        Where the view is.
    origin
        (d,) a point among the rows, taken off before turning, so that large means cost no digits.
    vectors
        (d, d) eigenvectors as rows.
    values
        (d,) eigenvalues of the scatter, not below 0.
    """

    name: str
    columns: slice
    origin: Floats
    vectors: Floats
    values: Floats

    def turned(self, rows: Floats) -> Floats:
        """(..., all columns) -> (..., d): this view's part, from the origin, along the axes."""
        part: Floats = (rows[..., self.columns] - self.origin) @ self.vectors.T
        return part


def decomposed(name: str, columns: slice, *, origin: Floats, residuals: Floats) -> Axes:
    """Find the axes of (n, d) residuals; O(n d^2 + d^3)."""
    values, vectors = np.linalg.eigh(residuals.T @ residuals)
    return Axes(name, columns, origin, np.ascontiguousarray(vectors.T), np.maximum(values, 0.0))


def shrunken(axes: Axes, *, moved: Floats, signs: Floats, n: int, fourth: float) -> Metric:
    """Inverse of ``S = (1 - l) W + l m I`` with Ledoit and Wolf's l, for ``n W = scatter + moved' diag(signs) moved``.

    Parameters
    ----------
    axes
        The scatter.
    moved, signs
        (k, d) along the axes, and (k,) +1 or -1.
    n
        How many residuals W has.
    fourth
        Sum over them of the fourth power of their length.

    Raises
    ------
    OptionError
        All residuals are zero.
    """
    a, d = axes.values, len(axes.values)
    gram = moved @ moved.T
    trace = float(a.sum() + signs @ np.diagonal(gram))
    norm = float(a @ a + 2.0 * signs @ (moved**2 @ a) + signs @ gram**2 @ signs) / n**2
    m = trace / n / d
    if m * d <= NO_VARIATION:
        raise OptionError(
            f"rule discriminant: in view {axes.name} all patients of a disorder have the same vector and some must "
            "differ; use rule disorder-centroid"
        )
    spread = norm - d * m * m
    noise = min(spread, fourth / n**2 - norm / n)
    share = min(1.0, max(LEAST_SHRINKAGE, noise / spread)) if spread > 0 else 1.0
    per_scatter = (1.0 - share) / n
    inverse = 1.0 / (per_scatter * a + share * m)
    scaled = moved * inverse
    core = np.linalg.inv(np.diag(signs) + per_scatter * (scaled @ moved.T)).astype(np.float64, copy=False)
    return Metric(inverse, scaled, per_scatter * core)
