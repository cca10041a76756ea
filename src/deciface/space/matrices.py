"""How far every two photos of a cohort are from each other, and how they rank among everybody.

The two matrices of GestaltMatcher (Hsieh et al., Nature Genetics 54, 2022, figure 4): pairwise distances, and pairwise
ranks of each photo of the cohort in the order of distance to each other one, among all photos of cohort and gallery.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.errors import NothingFoundError, OptionError
from deciface.space.gallery import Gallery
from deciface.space.vectors import DISTANCE_DECIMALS, Floats, Indices, one_thread

ITSELF = -1
"""Stands on the diagonal of the rank matrix."""


@dataclass(frozen=True, eq=False)
class PairMatrices:
    """Pairwise distances and ranks of a cohort's photos, in the order of their ids.

    Parameters
    ----------
    photo_ids, patient_ids
        Of the n photos.
    distances
        (n, n) mean over the gallery's views of 1 - cosine, symmetric, 0 on the diagonal.
    ranks
        (n, n) cell (i, j): how many of the other `compared` photos are nearer to photo i than photo j is. Not
        symmetric; 0 is the nearest, equally near ones share a rank; `ITSELF` on the diagonal.
    compared
        Photos other than i that a rank is among: cohort and gallery together, one less.
    order
        (n,) rows as the leaves of the tree stand: similar photos side by side.
    tree
        (n - 1, 4) average linkage of the distances, as scipy writes it.
    simulated
        Whether anybody in the gallery is simulated.
    """

    photo_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    distances: Floats
    ranks: NDArray[np.intp]
    compared: int
    order: Indices
    tree: Floats
    simulated: bool

    @property
    def percentiles(self) -> Floats:
        """(n, n) ranks as shares of the photos compared, 0 to 1, NaN on the diagonal; of galleries of any size."""
        shares = self.ranks / max(1, self.compared - 1)
        np.fill_diagonal(shares, np.nan)
        return shares


def pair_matrices(gallery: Gallery, patients: Collection[str]) -> PairMatrices:
    """Compare all photos of some patients with each other and with the gallery they are in; O(n N d).

    Photos of one patient are near each other for a reason that is not the disorder: `PairMatrices.patient_ids` says
    whose they are.

    Raises
    ------
    NothingFoundError
        A patient who is not in the gallery.
    OptionError
        Fewer than two photos.
    """
    number = gallery.by_patient.number
    missing = sorted(p for p in set(patients) if p not in number)
    if missing:
        raise NothingFoundError(
            f"patient '{missing[0]}' is not in the gallery ({gallery.restriction}; {len(gallery)} photos); give ids as "
            "the case table has them"
        )
    rows = np.array(sorted(r for p in set(patients) for r in gallery.by_patient.rows(number[p]).tolist()), np.intp)
    if len(rows) < 2:
        raise OptionError(f"the cohort has {len(rows)} photo; a matrix needs at least two")
    to_all = _to_everybody(gallery, rows)
    own = np.arange(len(rows))
    to_all[own, rows] = np.inf
    pairs = to_all[:, rows]
    ordered = np.sort(to_all, axis=1)
    ranks = np.stack([np.searchsorted(ordered[i], pairs[i], side="left") for i in own.tolist()]).astype(np.intp)
    np.fill_diagonal(ranks, ITSELF)
    np.fill_diagonal(pairs, 0.0)
    pairs = (pairs + pairs.T) / 2.0
    tree, order = average_linkage(pairs)
    shown = [gallery.photos[r] for r in rows.tolist()]
    return PairMatrices(
        tuple(p.id for p in shown),
        tuple(p.patient.id for p in shown),
        pairs,
        ranks,
        len(gallery) - 1,
        order,
        tree,
        bool(gallery.simulated_rows.any()),
    )


def average_linkage(distances: Floats) -> tuple[Floats, Indices]:
    """Tree (n - 1, 4) of (n, n) distances and the order of its leaves that puts neighbours side by side.

    Average linkage (Sokal and Michener 1958); leaves by Bar-Joseph et al. (Bioinformatics 17:S22, 2001) up to 500.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    tree = linkage(squareform(distances, checks=False), method="average", optimal_ordering=len(distances) <= 500)
    return np.asarray(tree, np.float64), np.asarray(leaves_list(tree), np.intp)


def _to_everybody(gallery: Gallery, rows: Indices) -> Floats:
    """(n, N) distances, rounded."""
    matrix = gallery.vectors.matrix
    mine = matrix[gallery.rows[rows]].astype(np.float64)
    out = np.empty((len(rows), len(gallery)))
    with one_thread():
        for start in range(0, len(gallery), 1024):
            part = gallery.rows[start : start + 1024]
            out[:, start : start + len(part)] = mine @ matrix[part].astype(np.float64).T
    rounded: Floats = np.maximum(np.round(1.0 - out / len(gallery.views), DISTANCE_DECIMALS), 0.0)
    return rounded
