"""The erasure certificate: what was removed, what was kept and why, what is to be made again, what is out of reach.

It holds pseudonymous ids and paths of derived files. Neither hashes of photos nor paths of photo files stand in it: a
hash would let whoever has the photo find out that it had been here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from deciface.errors import StorageError
from deciface.store.audit import canonical

_LINE = "-" * 72


@dataclass(frozen=True, slots=True)
class Remade:
    """A file of many patients that was deleted and is to be made again from the photos that are left."""

    kind: str
    path: str
    photo_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MarkedModel:
    """A model that was trained on withdrawn photos: it cannot unlearn them, so it is marked."""

    name: str
    sha256: str
    withdrawn_photos: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """What became of a withdrawal.

    Parameters
    ----------
    kind, subject_id, photo_ids
        Who or what (``patient`` or ``photo``) was withdrawn, and its photos.
    workspace, software
        Random id of the workspace; version of the program.
    withdrawn_at, withdrawn_by, purged_at
        ISO 8601 UTC; nothing was served from the first on, nothing was left from the last on.
    rows
        How many rows were removed, by table.
    photo_files, left_files
        How many image files were deleted: of the photos, and left by imports that were killed.
    derived
        (kind, path) of every deleted file that was made from the photos.
    cached_rows
        Rows of cached galleries that were overwritten.
    jobs
        Ids of jobs that were removed because they named the subject.
    kept
        What was not deleted, and why.
    make_again
        Files of many patients that were deleted.
    unfinished
        Jobs that were removed although others were still waiting for them.
    marked_models
        Trained models.
    beyond_reach
        What this program cannot erase: backups, exports that left the workspace, the database server's own logs.
    """

    kind: str
    subject_id: str
    photo_ids: tuple[str, ...]
    workspace: str
    software: str
    withdrawn_at: str
    withdrawn_by: str
    purged_at: str
    rows: Mapping[str, int]
    photo_files: int
    left_files: int = 0
    derived: tuple[tuple[str, str], ...] = ()
    cached_rows: int = 0
    jobs: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    make_again: tuple[Remade, ...] = ()
    unfinished: tuple[str, ...] = ()
    marked_models: tuple[MarkedModel, ...] = ()
    beyond_reach: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Of the canonical JSON of everything else; also in the audit trail."""
        return hashlib.sha256(canonical(self._content()).encode()).hexdigest()

    def as_document(self) -> dict[str, Any]:
        """Everything as JSON types, with `sha256`."""
        return {**self._content(), "sha256": self.sha256}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read what `as_document` wrote.

        Raises
        ------
        StorageError
            It was changed since, or is no certificate.
        """
        try:
            values = {f.name: document[f.name] for f in fields(cls)}
            values["make_again"] = tuple(
                Remade(r["kind"], r["path"], tuple(r["photo_ids"])) for r in values["make_again"]
            )
            values["marked_models"] = tuple(MarkedModel(**m) for m in values["marked_models"])
            values["derived"] = tuple((kind, path) for kind, path in values["derived"])
            for name in ("photo_ids", "jobs", "kept", "unfinished", "beyond_reach"):
                values[name] = tuple(values[name])
            certificate = cls(**values)
        except (KeyError, TypeError, ValueError) as error:
            raise StorageError(f"this is not an erasure certificate ({error}); look for it in a backup") from error
        if document.get("sha256") != certificate.sha256:
            raise StorageError(
                f"the erasure certificate of {certificate.kind} '{certificate.subject_id}' was changed after it was "
                "written; look for the one whose SHA-256 stands in the audit trail"
            )
        return certificate

    def as_text(self) -> str:
        """Write it for print, in plain text."""
        removed = [f"rows of table {table}: {count}" for table, count in self.rows.items() if count] + [
            f"photo files: {self.photo_files}",
            f"image files that interrupted imports had left: {self.left_files}",
            f"rows of cached galleries: {self.cached_rows}",
            f"jobs: {len(self.jobs)}",
        ]
        removed += [f"{kind} {path}" for kind, path in self.derived]
        sections = [
            ("Removed", removed),
            ("Kept", self.kept),
            (
                "Deleted, to be made again without the withdrawn photos",
                [*(f"{r.kind} {r.path}" for r in self.make_again), *self.unfinished],
            ),
            (
                "Models that were trained on withdrawn photos; they are marked, and to be trained again",
                [f"{m.name} ({m.sha256[:12]}): {m.withdrawn_photos} withdrawn photos" for m in self.marked_models],
            ),
            ("Out of this program's reach", self.beyond_reach),
        ]
        lines = [
            "ERASURE CERTIFICATE",
            _LINE,
            f"Withdrawn:     {self.kind} {self.subject_id} ({len(self.photo_ids)} photos)",
            f"Workspace:     {self.workspace}",
            f"Withdrawn at:  {self.withdrawn_at} by {self.withdrawn_by}; not served from then on",
            f"Erased at:     {self.purged_at}",
            f"Software:      DeciFace {self.software}",
            _LINE,
        ]
        for title, items in sections:
            if items:
                lines += [f"{title}:", *(f"  * {item}" for item in items), ""]
        return "\n".join([*lines, _LINE, f"SHA-256 of this certificate: {self.sha256}", ""])

    def _content(self) -> dict[str, Any]:
        return {**asdict(self), "rows": dict(self.rows)}
