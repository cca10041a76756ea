"""What every list of encodings must satisfy, going out and coming in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.cases import Encoding, View
from deciface.errors import MismatchError, TableError

UNIT_TOLERANCE = 1e-5
"""Vectors whose length is nearer to 1 than this are kept to the last bit."""


def check_encodings(encodings: Sequence[Encoding]) -> None:
    """Refuse encodings that no file may hold.

    Raises
    ------
    MismatchError
        See `deciface.formats.encodings.write_encodings`.
    """
    sizes: dict[View, int] = {}
    hashes: dict[str, str] = {}
    seen: set[tuple[str, View]] = set()
    for e in encodings:
        vector: NDArray[Any] = e.vector
        where = f"photo '{e.photo_id}', view {e.view}"
        if not e.photo_id or not e.view.model or not e.view.region:
            raise MismatchError(f"{where}: photo id, model and region must not be empty: name them")
        if vector.dtype != np.float32 or vector.ndim != 1 or not vector.size:
            raise MismatchError(
                f"{where}: a vector {vector.shape} of {vector.dtype}; (d,) float32 is needed: encode again"
            )
        if not np.isfinite(vector).all():
            raise MismatchError(f"{where}: the vector holds NaN or infinity: encode the photo again")
        if abs(float(np.linalg.norm(vector.astype(np.float64))) - 1) > UNIT_TOLERANCE:
            raise MismatchError(f"{where}: the vector is not of unit length: divide it by its length")
        if sizes.setdefault(e.view, vector.size) != vector.size:
            raise MismatchError(
                f"{where}: {vector.size} values, others have {sizes[e.view]} in this view: use one encoder per name"
            )
        if hashes.setdefault(e.photo_id, e.photo_sha256) != e.photo_sha256:
            raise MismatchError(f"{where}: this photo id stands for two pictures with different hashes: rename one")
        if (e.photo_id, e.view) in seen:
            raise MismatchError(f"{where}: given twice; keep one encoding per photo and view")
        seen.add((e.photo_id, e.view))


@dataclass(slots=True)
class ReadRows:
    """Makes rows of one file into encodings and refuses what must not be in it."""

    file: str
    _sizes: dict[View, tuple[int, int]] = field(default_factory=dict)
    _seen: dict[tuple[str, View], int] = field(default_factory=dict)

    def wrong(self, message: str, row: int | None = None, column: str | None = None) -> TableError:
        """Make an error for a place of this file."""
        return TableError(message, file=self.file, row=row, column=column)

    def encoding(
        self,
        row: int,
        vector: NDArray[np.float64],
        *,
        photo_id: str,
        photo_sha256: str,
        crop_version: str,
        encoder_sha256: str,
        view: View,
        column: str,
    ) -> Encoding:
        """Check one row and make its encoding; `column` names where the vector stands."""
        if not photo_id or not view.model or not view.region:
            raise self.wrong("photo, model and region must not be empty; fill them in", row)
        first = self._seen.setdefault((photo_id, view), row)
        if first != row:
            raise self.wrong(
                f"photo '{photo_id}' in view {view} stands in row {first} already; delete one of them", row
            )
        size, size_row = self._sizes.setdefault(view, (vector.size, row))
        if size != vector.size:
            raise self.wrong(
                f"{vector.size} values; row {size_row} has {size} in the same view {view}: a view needs one length",
                row,
                column,
            )
        unit = self._unit(vector, row, column)
        return Encoding(photo_id, photo_sha256, crop_version, encoder_sha256, view, unit)

    def _unit(self, vector: NDArray[np.float64], row: int, column: str) -> NDArray[np.float32]:
        if not vector.size or not np.isfinite(vector).all():
            raise self.wrong(
                "empty, or NaN or infinity in it; a list of finite numbers is needed: encode again", row, column
            )
        largest = np.abs(vector).max()
        if largest == 0:
            raise self.wrong(
                "all values are 0: a vector without direction cannot be compared: encode again", row, column
            )
        length = float(np.linalg.norm(vector / largest)) * float(largest)
        if abs(length - 1) > UNIT_TOLERANCE:
            vector = (vector / largest) / np.linalg.norm(vector / largest)
        return np.ascontiguousarray(vector, dtype=np.float32)
