"""Which patients of a gallery are one person and which photos are one photo, under whatever ids they stand."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from deciface.cases import NOT_STATED
from deciface.space import Gallery

Numbers = NDArray[np.intp]

SAME_COMPONENT = 1e-5
"""Largest difference, in any component of the unit vectors, that the order of summation can explain."""
_CHUNK_ROWS = 4096


def spelled_alike(text: str) -> str:
    r"""Spell an id so that capitals, outer space and the way accents are encoded do not tell two ids apart.

    >>> spelled_alike(" P1") == spelled_alike("p1"), spelled_alike("Mu\u0308ller") == spelled_alike("M\u00fcller")
    (True, True)
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).strip().casefold())


def people_of_rows(gallery: Gallery) -> Numbers:
    """(n,) number of the person in each row; ids that are spelled alike are one person."""
    numbers: dict[str, int] = {}
    ids = gallery.by_patient.keys
    person = np.array([numbers.setdefault(spelled_alike(id_), len(numbers)) for id_ in ids], np.intp)
    return person[gallery.patient_of_row]


def photos_of_rows(gallery: Gallery) -> Numbers:
    """(n,) number of the photo in each row; rows of the same pixel hash or of equal vectors are one photo.

    Vectors are equal when no component in any view differs by more than `SAME_COMPONENT`. O(n d) and a sort of n.
    """
    links = np.array([*_same_hash(gallery), *_equal_vectors(gallery)], np.intp).reshape(-1, 2)
    shape = (len(gallery), len(gallery))
    graph = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), shape)
    return np.asarray(connected_components(graph, directed=False)[1], np.intp)


def _same_hash(gallery: Gallery) -> Iterator[tuple[int, int]]:
    first: dict[str, int] = {}
    for row, photo in enumerate(gallery.photos):
        if photo.sha256 != NOT_STATED:
            yield first.setdefault(photo.sha256.casefold(), row), row


def _equal_vectors(gallery: Gallery) -> Iterator[tuple[int, int]]:
    """Pairs that link the rows of equal vectors.

    Equal rows are neighbours among all rows sorted along a fixed direction. Rows that differ by rounding are, too,
    unless another row comes between them; that this happens along each of three directions is as good as excluded.
    """
    blocks = [gallery.vectors.matrix[:, block.start : block.stop] for block in gallery.vectors.blocks]
    d = blocks[0].shape[1]
    directions = np.cos(np.outer(np.arange(1, d + 1), np.sqrt([1.0, 2.0, 3.0])))
    along = np.concatenate([part.astype(np.float64) @ directions for part in _parts(blocks[0], gallery.rows)])
    for place in along.T:
        order = np.argsort(place, kind="stable")
        pairs = np.column_stack([order[:-1], order[1:]])
        for block in blocks:
            pairs = pairs[_equal(block, gallery.rows[pairs])]
        yield from map(tuple, pairs.tolist())


def _equal(block: NDArray[np.float32], pairs: Numbers) -> NDArray[np.bool_]:
    """(m,) whether the two rows of every pair (m, 2) are equal in one view."""
    equal = [
        np.abs(one - other).max(axis=1, initial=0.0) <= SAME_COMPONENT
        for one, other in zip(_parts(block, pairs[:, 0]), _parts(block, pairs[:, 1]), strict=True)
    ]
    return np.concatenate(equal) if equal else np.empty(0, bool)


def _parts(block: NDArray[np.float32], rows: Numbers) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(rows), _CHUNK_ROWS):
        yield block[rows[start : start + _CHUNK_ROWS]]
