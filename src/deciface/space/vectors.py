"""Unit vectors in memory and the exact search over them.

The search is exact and still reads a quarter of the bytes. Let ``x`` be a stored row, ``q`` the query, ``m`` the mean
row, ``r = x - m``, ``p = q - m`` (both restricted to the views in use), ``R`` and ``P`` their int8 roundings scaled
back. Then ::

    q.x = q.m + m.r + p.r                       (q.m and m.r are kept in float64)
    p.r = P.R + P.(r - R) + (p - P).r
    |p.r - P.R| <= |P| |r - R| + |p - P| |r|     (triangle and Cauchy-Schwarz inequality)

``P.R`` is an integer product times two scales and has no rounding error of its own; the four norms are computed in
float64 from what is stored. So every row gets an interval that contains its distance, rows whose interval cannot reach
the answer are dropped, and the others are computed in float64 from the float32 vectors. When too many rows are left, a
closer look adds what the rounding left over, rounded to int8 in turn (``p = P + P' + e``, ``r = R + R' + f``)::

    |p.r - (P.R + P.R' + P'.R)| <= |P + P'| |f| + |P'| |R'| + |e| |r|

which is 16-bit arithmetic in two more integer products. Which rows are looked at twice
depends on the machine; the answer does not. When no exact int8 kernel is there, or the gallery is small, the intervals
come from a float32 product instead: any order of summation of d products errs by at most
``d u / (1 - d u) |q| |x|`` with ``u = 2**-24`` (Higham, Accuracy and Stability of Numerical Algorithms, 2002, 3.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.space.kernels import Kernel, best_kernel

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

DISTANCE_DECIMALS = 6
"""Distances are rounded to what float32 vectors carry; two distances equal after that are a tie."""
SMALL_BYTES = 4 * 2**20
"""Below this a float32 product is faster than preparing int8 rows."""
_CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class Block:
    """Columns `start:stop` of one view."""

    start: int
    stop: int


@cache
def _threads() -> Any:  # noqa: ANN401 - threadpoolctl has no types
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def one_thread() -> Any:  # noqa: ANN401 - threadpoolctl has no types
    """Context in which BLAS uses one thread: on busy cores a second one made a query 10 to 50 times slower."""
    return _threads().limit(limits=1, user_api="blas")


@dataclass(frozen=True)
class _Screen:
    """Int8 rows and the norms that bound their error, per row."""

    kernel: Kernel
    mean: Floats
    scale: Floats
    mean_dot_rest: Floats  # (n, views)
    rest_norm: Floats
    rounding_norm: Floats


@dataclass(frozen=True)
class _CloserScreen:
    """What int8 rounding left over, as int8 rows of `_FINE` times smaller scale, and the norms that bound its error."""

    kernel: Kernel
    coded_norm: Floats
    rounding_norm: Floats


@dataclass(frozen=True)
class Look:
    """Per row an estimate of the distance and the largest error it can have; both (n,) float64."""

    estimate: Floats
    error: Floats
    by: str


_FINE = 254.0
"""A rounding error is at most half a step; this many finer steps put it into -127..127."""


class Vectors:
    """(n, d) float32 rows, C-contiguous, each of unit length within every block of columns.

    Parameters
    ----------
    matrix
        (n, d) float32.
    blocks
        The columns of every view; together they cover the matrix.

    Raises
    ------
    TypeError
        The matrix is not float32 or not C-contiguous: silent conversion would make every search ten times slower.
    """

    def __init__(self, matrix: NDArray[np.float32], blocks: Sequence[Block]) -> None:
        if matrix.dtype != np.float32 or not matrix.flags.c_contiguous or matrix.ndim != 2:
            msg = f"vectors are {matrix.dtype} {matrix.shape}; a C-contiguous float32 matrix is needed"
            raise TypeError(msg)
        self.matrix = matrix
        self.blocks = tuple(blocks)
        self._screen_wanted = matrix.nbytes >= SMALL_BYTES

    def __len__(self) -> int:
        return len(self.matrix)

    def exact(self, query: Floats, used: Sequence[int], rows: Indices) -> Floats:
        """Distances of some rows, in float64, each independent of which others are asked for.

        Parameters
        ----------
        query
            (d,) float64: per view the mean of the query photos' unit vectors, zero in views that are not used.
        used
            Numbers of the blocks in use.
        rows
            (k,) row numbers.

        Returns
        -------
        (k,) float64, ``1 - q.x / views``, not rounded.
        """
        out = np.empty(len(rows))
        step = max(1, _CHUNK_BYTES // max(1, 8 * self.matrix.shape[1]))
        for i in range(0, len(rows), step):
            out[i : i + step] = np.vecdot(self.matrix[rows[i : i + step]].astype(np.float64), query)
        return 1.0 - out / len(used)

    def look(self, query: Floats, used: Sequence[int]) -> Look:
        """Bound every row's distance from int8 rows where that is exact and worth it, else from a float32 product."""
        screen = self._screen if self._screen_wanted else None
        if screen is None:
            return self._look_float32(query, used)
        code = _coded(*self._rest(screen, query, used))
        if screen.kernel.two_at_once:
            product = screen.kernel.products(np.stack([code.coarse, code.fine]))
            estimate = product[0]
            estimate += product[1] / _FINE
            decoded = code.decoded
        else:
            estimate = screen.kernel.products(code.coarse[None])[0]
            decoded = code.coarse.astype(np.float64) * code.scale
        error = float(np.linalg.norm(decoded)) * screen.rounding_norm
        error += float(np.linalg.norm(code.rest - decoded)) * screen.rest_norm
        estimate *= screen.scale * code.scale
        return _finished(estimate + code.constant, error, len(used), screen.kernel.name)

    def look_closer(self, query: Floats, used: Sequence[int], look: Look) -> Look:
        """As `look`, from whose estimate it goes on, with 16 bits."""
        screen, closer = self._screen, self._closer_screen
        if screen is None or closer is None:
            return self._look_float32(query, used)
        code = _coded(*self._rest(screen, query, used))
        finer = closer.kernel.products(code.coarse[None])[0]
        if not screen.kernel.two_at_once:
            finer += screen.kernel.products(code.fine[None])[0]
        finer *= screen.scale * (code.scale / _FINE)
        error = float(np.linalg.norm(code.decoded)) * closer.rounding_norm
        error += float(np.linalg.norm(code.fine * (code.scale / _FINE))) * closer.coded_norm
        error += float(np.linalg.norm(code.rest - code.decoded)) * screen.rest_norm
        product = (1.0 - look.estimate) * len(used) + finer
        return _finished(product, error, len(used), f"{screen.kernel.name} twice")

    def _rest(self, screen: _Screen, query: Floats, used: Sequence[int]) -> tuple[Floats, Floats]:
        """``p`` of the module's formula, and ``q.m + m.r`` per row."""
        columns, views = np.zeros(self.matrix.shape[1]), np.zeros(len(self.blocks))
        for b in used:
            columns[self.blocks[b].start : self.blocks[b].stop] = 1.0
            views[b] = 1.0
        constant: Floats = screen.mean_dot_rest @ views + float(query @ screen.mean)
        return query - screen.mean * columns, constant

    def _look_float32(self, query: Floats, used: Sequence[int]) -> Look:
        product = (self.matrix @ query.astype(np.float32)).astype(np.float64)
        d_u = (self.matrix.shape[1] + 2) * 2.0**-24
        norm = float(np.linalg.norm(query)) * np.sqrt(len(self.blocks)) * (1 + 1e-6)
        return _finished(product, np.full(len(self), d_u / (1 - d_u) * norm), len(used), "float32")

    def distrust_screen(self) -> None:
        """Use float32 products from now on: an int8 product left its interval."""
        self._screen_wanted = False

    @property
    def searched_by(self) -> str:
        """What makes the first look: name of the kernel, or 'float32'."""
        screen = self._screen if self._screen_wanted else None
        return screen.kernel.name if screen else "float32"

    @cached_property
    def _screen(self) -> _Screen | None:
        n, d = self.matrix.shape
        mean = np.zeros(d)
        for part in self._parts():
            mean += self.matrix[part].sum(axis=0, dtype=np.float64)
        mean /= max(1, n)
        coded = np.empty((n, d), np.int8)
        scale, rest_norm, rounding_norm = np.empty(n), np.empty(n), np.empty(n)
        mean_dot_rest = np.empty((n, len(self.blocks)))
        for part in self._parts():
            rest = self.matrix[part] - mean
            scale[part] = np.maximum(np.abs(rest).max(axis=1), 1e-30) / 127.0
            rounded = np.rint(rest / scale[part, None])
            coded[part] = rounded
            rest_norm[part] = np.sqrt(np.vecdot(rest, rest))
            for b, block in enumerate(self.blocks):
                columns = slice(block.start, block.stop)
                mean_dot_rest[part, b] = rest[:, columns] @ mean[columns]
            rest -= rounded * scale[part, None]
            rounding_norm[part] = np.sqrt(np.vecdot(rest, rest))
        kernel = best_kernel(coded)
        return _Screen(kernel, mean, scale, mean_dot_rest, rest_norm, rounding_norm) if kernel else None

    @cached_property
    def _closer_screen(self) -> _CloserScreen | None:
        screen = self._screen
        if screen is None:
            return None
        coded = np.empty(self.matrix.shape, np.int8)
        coded_norm, rounding_norm = np.empty(len(self)), np.empty(len(self))
        for part in self._parts():
            scale = screen.scale[part, None]
            rest = self.matrix[part] - screen.mean
            rest -= np.rint(rest / scale) * scale
            rounded = np.rint(rest * (_FINE / scale))
            coded[part] = rounded
            rounded *= scale / _FINE
            coded_norm[part] = np.sqrt(np.vecdot(rounded, rounded))
            rest -= rounded
            rounding_norm[part] = np.sqrt(np.vecdot(rest, rest))
        kernel = best_kernel(coded)
        return _CloserScreen(kernel, coded_norm, rounding_norm) if kernel else None

    def _parts(self) -> Iterator[slice]:
        """Yield slices of rows that fit the cache as float64."""
        step = max(1, _CHUNK_BYTES // self.matrix.shape[1])
        for start in range(0, len(self), step):
            yield slice(start, start + step)


@dataclass(frozen=True)
class _Code:
    """``p`` of the module's formula in int8, what that leaves over in int8 of finer steps, and both scaled back."""

    rest: Floats
    constant: Floats
    scale: float
    coarse: NDArray[np.int8]
    fine: NDArray[np.int8]
    decoded: Floats


def _coded(rest: Floats, constant: Floats) -> _Code:
    scale = max(float(np.abs(rest).max()), 1e-30) / 127.0
    coarse = np.rint(rest / scale).astype(np.int8)
    fine = np.rint((rest - coarse * scale) * (_FINE / scale)).astype(np.int8)
    return _Code(rest, constant, scale, coarse, fine, coarse * scale + fine * (scale / _FINE))


def _finished(product: Floats, error: Floats, views: int, by: str) -> Look:
    """Distances from dot products; 1e-9 covers the rounding of the float64 arithmetic around the integer products."""
    return Look(1.0 - product / views, error * ((1 + 1e-9) / views) + 1e-9, by)


def unit_rows(block: NDArray[np.float32], out: NDArray[np.float32]) -> Indices:
    """Write unit rows of `block` (n, d) into `out`; return the numbers of rows that have no direction (0, NaN, inf)."""
    bad: list[Indices] = []
    step = max(1, _CHUNK_BYTES // max(1, 8 * block.shape[1]))
    for i in range(0, len(block), step):
        part = block[i : i + step].astype(np.float64)
        norm = np.sqrt(np.vecdot(part, part))
        wrong = ~(np.isfinite(norm) & (norm > 0))
        if wrong.any():
            bad.append(np.flatnonzero(wrong) + i)
            norm[wrong] = 1.0
            part[wrong] = 0.0
        out[i : i + step] = part / norm[:, None]
    return np.concatenate(bad) if bad else np.empty(0, np.intp)
