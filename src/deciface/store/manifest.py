"""What a backup holds: every file with its hash, so that a backup can be checked without the workspace it came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from deciface.errors import StorageError
from deciface.store.audit import Head

MANIFEST = "manifest.json"
_FORMAT = 1
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says about itself.

    Parameters
    ----------
    workspace
        Random id of the workspace.
    root
        Folder it was made from.
    made_at, software
        ISO 8601 UTC; version of the program.
    revision
        Of the schema.
    head
        Last entry of the audit trail; note it elsewhere.
    columns
        By table, of a dump of PostgreSQL; empty where the database is a SQLite file.
    files
        SHA-256 by path within the backup, with ``/``.
    """

    workspace: str
    root: str
    made_at: str
    software: str
    revision: str
    head: Head
    columns: Mapping[str, tuple[str, ...]]
    files: Mapping[str, str]

    @property
    def is_dump(self) -> bool:
        """Whether it holds a dump of PostgreSQL, not a SQLite file."""
        return bool(self.columns)

    def as_json(self) -> bytes:
        """Write it for people and programs."""
        document = {
            "deciface_backup": _FORMAT,
            "workspace": self.workspace,
            "root": self.root,
            "made_at": self.made_at,
            "software": self.software,
            "revision": self.revision,
            "head": {"number": self.head.number, "sha256": self.head.sha256},
            "columns": {table: list(names) for table, names in self.columns.items()},
            "files": dict(sorted(self.files.items())),
        }
        return (json.dumps(document, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Read what `as_json` wrote; `ValueError`, `KeyError` or `TypeError` for anything else."""
        document: dict[str, Any] = json.loads(content)
        if document["deciface_backup"] != _FORMAT:
            raise ValueError(f"format {document['deciface_backup']}")
        return cls(
            workspace=str(document["workspace"]),
            root=str(document["root"]),
            made_at=str(document["made_at"]),
            software=str(document["software"]),
            revision=str(document["revision"]),
            head=Head(int(document["head"]["number"]), str(document["head"]["sha256"])),
            columns={table: tuple(names) for table, names in document["columns"].items()},
            files={str(path): str(sha256) for path, sha256 in document["files"].items()},
        )


def sha256_of(path: Path) -> str:
    """Hash a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def check_backup(folder: Path) -> Manifest:
    """Read a backup's manifest and check that every file is there, unaltered, and that there are no others.

    Raises
    ------
    StorageError
        Not a backup, or one that has changed since it was made.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest.from_json(path.read_bytes())
    except FileNotFoundError as error:
        raise StorageError(f"{folder} is not a backup (no {MANIFEST}); give the folder of a backup") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror}); check your rights") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageError(f"{path} is damaged ({error}); use another backup") from error
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()} - {MANIFEST}
    if missing := sorted(manifest.files.keys() - there):
        raise StorageError(f"backup {folder} lacks {missing[0]}; use another backup")
    if others := sorted(there - manifest.files.keys()):
        raise StorageError(f"backup {folder} holds {others[0]}, which is not part of it; remove that file")
    for name, sha256 in manifest.files.items():
        try:
            found = sha256_of(folder / name)
        except OSError as error:
            raise StorageError(f"{folder / name} cannot be read ({error.strerror}); use another backup") from error
        if found != sha256:
            raise StorageError(f"{folder / name} has changed since the backup was made; use another backup")
    return manifest
