"""Who or what was withdrawn: rows of the database, and the same lines in ``withdrawn.jsonl`` beside it.

A database that is restored from an older backup does not know what was withdrawn since; the file does. The row is
committed first and the line is written after it: a process killed between the two leaves a row whose line is added when
the workspace is opened next. Only pseudonymous ids stand in either.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection, select

from deciface.errors import StorageError
from deciface.store import tables
from deciface.store.audit import canonical
from deciface.store.photo_files import flush_folder

WITHDRAWN = "withdrawn.jsonl"
_T = tables.tombstones.c


class SubjectKind(StrEnum):
    """What can be withdrawn: a person with everything, or one photo."""

    PATIENT = "patient"
    PHOTO = "photo"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Stands in the place of what was withdrawn. `at` is ISO 8601 UTC, `actor` the user who did it."""

    kind: SubjectKind
    subject_id: str
    photo_ids: tuple[str, ...]
    at: str
    actor: str

    @property
    def key(self) -> tuple[str, str]:
        """Kind and id."""
        return str(self.kind), self.subject_id


def workspace_id(connection: Connection) -> str:
    """Read the random id of the workspace; empty when it has none."""
    found = connection.execute(select(tables.meta.c.value).where(tables.meta.c.key == "workspace")).scalar()
    return found or ""


def read_tombstones(connection: Connection, *, pending: bool = False) -> dict[tuple[str, str], Tombstone]:
    """Read all tombstones by kind and id, or those alone whose purge has not ended."""
    query = select(_T.kind, _T.subject_id, _T.photo_ids, _T.at, _T.actor).order_by(_T.at, _T.kind, _T.subject_id)
    if pending:
        query = query.where(_T.purged_at.is_(None))
    stones = [
        Tombstone(SubjectKind(row.kind), row.subject_id, tuple(row.photo_ids), row.at, row.actor)
        for row in connection.execute(query)
    ]
    return {stone.key: stone for stone in stones}


@dataclass(frozen=True, slots=True)
class Gone:
    """Ids that are not stored again: patients, and photos that were withdrawn alone or with their patient."""

    patients: frozenset[str]
    photos: frozenset[str]


def read_gone(connection: Connection) -> Gone:
    """Read who and what was withdrawn."""
    stones = read_tombstones(connection).values()
    photos = {photo_id for stone in stones for photo_id in stone.photo_ids}
    return Gone(
        frozenset(stone.subject_id for stone in stones if stone.kind is SubjectKind.PATIENT),
        frozenset(photos | {stone.subject_id for stone in stones if stone.kind is SubjectKind.PHOTO}),
    )


def read_lines(path: Path, *, workspace: str) -> tuple[Tombstone, ...]:
    """Read ``withdrawn.jsonl``; nothing when there is no such file. A last line cut short by a crash is left out.

    Parameters
    ----------
    workspace
        Id of the workspace it must belong to; ids of another one mean other people.

    Raises
    ------
    StorageError
        It cannot be read, has a damaged line, or belongs to another workspace.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror}); it says who was withdrawn") from error
    found = []
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            values = json.loads(line)
            stone = Tombstone(
                SubjectKind(values["kind"]),
                str(values["subject_id"]),
                tuple(map(str, values["photo_ids"])),
                str(values["at"]),
                str(values["actor"]),
            )
            owner = values["workspace"]
        except (ValueError, KeyError, TypeError) as error:
            raise StorageError(
                f"{path}, line {number}: not a line DeciFace wrote; put back the file from a backup"
            ) from error
        if owner != workspace:
            raise StorageError(
                f"{path}, line {number}: belongs to another workspace; put back the workspace's own file"
            )
        found.append(stone)
    return tuple(found)


def append_lines(path: Path, stones: Iterable[Tombstone], *, workspace: str) -> None:
    """Add lines and flush them to disk; a last line cut short by a crash is cut off first.

    Raises
    ------
    StorageError
        The disk is full or not writable.
    """
    lines = "".join(
        canonical(
            {
                "kind": str(stone.kind),
                "subject_id": stone.subject_id,
                "photo_ids": list(stone.photo_ids),
                "at": stone.at,
                "actor": stone.actor,
                "workspace": workspace,
            }
        )
        + "\n"
        for stone in stones
    )
    try:
        new = not path.exists()
        with path.open("ab+") as file:
            file.seek(0)
            content = file.read()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                file.truncate(whole)
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())
        if new:
            path.chmod(0o600)
            flush_folder(path.parent)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({error.strerror}); free some space or check the folder"
        ) from error
