"""Points of the face on a stored photo, in versions: as a model placed them, and as people corrected them by hand.

Versions of a photo count from 1 and are only ever added; the newest counts. Going back adds a version that repeats an
older one. Points and covariances stand as little-endian float64, so that what is read is what was written, to the bit.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, insert, select

from deciface.cases import NOT_STATED
from deciface.consent import Action
from deciface.errors import InputError, MismatchError, StorageError
from deciface.faces.landmarks import FACE_POINTS, Landmarks, Points
from deciface.store import photo_rows, tables
from deciface.store.session import Session

LONGEST_COMMENT = 500
AS_PLACED = "as the model placed them"
"""Comment of a version that nobody has corrected yet."""
_NUMBERS = "<f8"
_columns = tables.landmarks.c


@dataclass(frozen=True, slots=True, eq=False)
class StoredLandmarks:
    """One version of a photo's points.

    Parameters
    ----------
    photo_id, version
        Of which photo; from 1.
    photo_sha256
        Of the pixels that the points belong to.
    landmarks
        The points as they were stored, photo_px.
    corrected
        Template numbers of those that were moved by hand since a model placed them, ascending; all where no model did.
    actor, created_at, comment
        Who stored it, when (ISO 8601 UTC), and what they said.
    """

    photo_id: str
    version: int
    photo_sha256: str
    landmarks: Landmarks
    corrected: tuple[int, ...]
    actor: str
    created_at: str
    comment: str

    @property
    def described(self) -> Landmarks:
        """The points with a source that says how many were placed by hand, for pages and files."""
        by_hand = f", {len(self.corrected)} of {len(FACE_POINTS)} points by hand" if self.corrected else ""
        return replace(self.landmarks, source=f"{self.landmarks.source}{by_hand} (version {self.version})")


class FacePoints(Session):
    """The part of a workspace that keeps face points."""

    def correct_landmarks(
        self,
        photo_id: str,
        landmarks: Landmarks,
        *,
        corrected: Collection[int],
        started_from: int,
        photo_sha256: str,
        comment: str = "",
        placed: Landmarks | None = None,
    ) -> int:
        """Add a version of a photo's points; return its number.

        Parameters
        ----------
        landmarks
            All points, those that were not moved too.
        corrected
            Template numbers of the points moved by hand since a model placed them; none for a model's own placement.
        started_from
            The version that was looked at and changed; 0 where there was none.
        photo_sha256
            Of the pixels that the points were placed on.
        comment
            One line.
        placed
            Where nothing is stored: what a model placed and the correction started from. It is kept as version 1.

        Raises
        ------
        MismatchError
            Somebody has stored a newer version than `started_from`, or the photo has other pixels.
        InputError
            No such photo; points, errors, numbers or comment that cannot be stored.
        AccessError
            The user may not change the record, or not see the photo.
        StorageError
            The disk is full, or the database is locked.
        """
        if placed and started_from:
            raise InputError(
                f"a model's placement is kept as version 1, not behind version {started_from}; leave it out"
            )
        added = [(landmarks, corrected, comment)]
        if placed:
            added.insert(0, (placed, (), AS_PLACED))
        for version in added:
            _refuse_unusable(*version)
        with self._write() as connection:
            owner = _owner_of(connection, photo_id)
            for action in (Action.EDIT, Action.SEE_PHOTO):
                self._require(connection, action, [owner])
            _refuse_other_pixels(connection, photo_id, photo_sha256)
            refuse_overtaken(photo_id, read_newest(connection, photo_id), started_from)
            common = {"photo_id": photo_id, "photo_sha256": photo_sha256}
            common |= {"actor": self.actor.user, "created_at": self._now()}
            rows = [common | _values(number, *version) for number, version in enumerate(added, started_from + 1)]
            connection.execute(insert(tables.landmarks), rows)
            newest = started_from + len(added)
            detail = {"patient": owner, "version": newest, "corrected": rows[-1]["corrected"]}
            self._log(connection, "store landmarks", photo_id, detail)
        return newest

    def landmarks(self, photo_id: str) -> StoredLandmarks | None:
        """Read the points of a photo that count; None where none are stored.

        Raises
        ------
        InputError
            No such photo.
        AccessError
            The user may not see it.
        StorageError
            They cannot be read.
        """
        with self._read() as connection:
            self._require(connection, Action.SEE_PHOTO, [_owner_of(connection, photo_id)])
            return read_newest(connection, photo_id)

    def landmark_versions(self, photo_id: str) -> tuple[StoredLandmarks, ...]:
        """Read all versions of a photo's points, oldest first; raises as `landmarks`."""
        query = select(tables.landmarks).where(_columns.photo_id == photo_id).order_by(_columns.version)
        with self._read() as connection:
            self._require(connection, Action.SEE_PHOTO, [_owner_of(connection, photo_id)])
            return tuple(_version(row) for row in connection.execute(query))


def read_newest(connection: Connection, photo_id: str) -> StoredLandmarks | None:
    """Read the newest version of a photo's points; None where there is none."""
    query = select(tables.landmarks).where(_columns.photo_id == photo_id).order_by(_columns.version.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return _version(row) if row else None


def _owner_of(connection: Connection, photo_id: str) -> str:
    owner = photo_rows.patients_of(connection, [photo_id]).get(photo_id)
    if owner is None:
        raise InputError(f"photo '{photo_id}' is not in the workspace; list its photos first")
    return owner


def _version(row: Row[Any]) -> StoredLandmarks:
    points, covariance = (np.frombuffer(blob, _NUMBERS) for blob in (row.points, row.covariance))
    count = len(FACE_POINTS)
    if points.size != 2 * count or covariance.size != 4 * count:
        raise StorageError(
            f"version {row.version} of the points of photo '{row.photo_id}' has {points.size // 2} points, this "
            f"program knows {count}; use the version of DeciFace that stored it"
        )
    placed = Landmarks(
        points.reshape(count, 2).astype(np.float64), covariance.reshape(count, 2, 2).astype(np.float64), row.source
    )
    corrected = tuple(row.corrected)
    return StoredLandmarks(
        row.photo_id, row.version, row.photo_sha256, placed, corrected, row.actor, row.created_at, row.comment
    )


def _values(version: int, landmarks: Landmarks, corrected: Collection[int], comment: str) -> dict[str, Any]:
    return {
        "version": version,
        "points": _stored(landmarks.points_px),
        "covariance": _stored(landmarks.covariance_px2),
        "corrected": sorted(set(corrected)),
        "source": landmarks.source,
        "comment": comment,
    }


def _stored(numbers: Points) -> bytes:
    return np.ascontiguousarray(numbers, _NUMBERS).tobytes()


def _refuse_unusable(landmarks: Landmarks, corrected: Collection[int], comment: str) -> None:
    covariance = landmarks.covariance_px2
    if not np.isfinite(landmarks.points_px).all():
        raise InputError("points that are not finite numbers; give every point a place in px")
    errors_hold = np.isfinite(covariance).all() and np.array_equal(covariance, covariance.swapaxes(1, 2))
    if not errors_hold or (np.diagonal(covariance, axis1=1, axis2=2) < 0).any():
        raise InputError(
            "errors of points that are no covariances; each is symmetric and finite, its variances not < 0"
        )
    if strange := sorted(set(corrected) - set(FACE_POINTS)):
        raise InputError(f"corrected point {strange[0]}; give numbers of the 189-point template that lie on the face")
    if not landmarks.source.isprintable() or not landmarks.source:
        raise InputError("points without a source in one line; give a model's id and hash, or 'by hand'")
    if not comment.isprintable() or len(comment) > LONGEST_COMMENT:
        raise InputError(f"a comment of {len(comment)} characters; give one line of at most {LONGEST_COMMENT}")


def _refuse_other_pixels(connection: Connection, photo_id: str, photo_sha256: str) -> None:
    photos = tables.photos.c
    stored = connection.execute(select(photos.sha256).where(photos.id == photo_id)).scalar_one()
    if stored == NOT_STATED:
        raise MismatchError(
            f"photo '{photo_id}' is stored without the hash of its pixels, so no points can be tied to them; import "
            "its image first"
        )
    if stored != photo_sha256:
        raise MismatchError(
            f"photo '{photo_id}' is stored with pixels {stored[:12]} but its points were placed on "
            f"{photo_sha256[:12]}; place them on the stored photo"
        )


def refuse_overtaken(photo_id: str, newest: StoredLandmarks | None, started_from: int) -> None:
    """Raise `MismatchError` unless a correction started from the version that counts, 0 where there is none."""
    found = newest.version if newest else 0
    if newest and started_from < found:
        raise MismatchError(
            f"photo '{photo_id}' has newer points, version {found} by {newest.actor} at {newest.created_at}; yours "
            f"started from version {started_from}: look at version {found} and correct that"
        )
    if started_from != found:
        raise MismatchError(
            f"photo '{photo_id}' has {found} versions of its points, yours started from version {started_from}; start "
            "from the newest"
        )
