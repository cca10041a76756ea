"""Draw up the certificate of a purge that has removed everything."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, select

import deciface
from deciface.store import tables
from deciface.store.certificate import Certificate, MarkedModel
from deciface.store.compaction import POSTGRES_BEYOND_REACH
from deciface.store.derived import Derived, DerivedKind
from deciface.store.removal import read_removal
from deciface.store.tombstones import Tombstone, read_tombstones, workspace_id
from deciface.store.versions import stamp

_ALWAYS_BEYOND_REACH = (
    "backups of the workspace made before the withdrawal; restoring one purges it again, as long as withdrawn.jsonl is "
    "restored with it",
    "copies of deleted files that the file system, its snapshots or a solid-state disk may keep",
)


def certify(connection: Connection, root: Path, stone: Tombstone, *, now: dt.datetime) -> Certificate:
    """Say what the note of the removal and the audit trail tell about a withdrawal."""
    note = read_removal(connection, stone)
    photo_ids = read_tombstones(connection)[stone.key].photo_ids
    m = tables.trained_models.c
    models = connection.execute(select(m.sha256, m.name).where(m.sha256.in_(note.models)))
    names = {row.sha256: row.name for row in models}
    deleted = [(kind, path) for kind, path in note.derived if Derived(path, DerivedKind(kind)).inside(root)]
    outside = [f"{kind} {path}" for kind, path in note.derived if (kind, path) not in deleted]
    server = POSTGRES_BEYOND_REACH if connection.dialect.name == "postgresql" else ()
    unfinished = (f"job {job_id} ({kind})" for job_id, kind in note.unfinished)
    return Certificate(
        kind=str(stone.kind),
        subject_id=stone.subject_id,
        photo_ids=photo_ids,
        workspace=workspace_id(connection),
        software=deciface.__version__,
        withdrawn_at=stone.at,
        withdrawn_by=stone.actor,
        purged_at=stamp(now),
        rows=note.rows,
        photo_files=note.photo_files,
        left_files=note.left_files,
        derived=tuple(deleted),
        cached_rows=note.cached_rows,
        jobs=tuple(note.jobs),
        kept=tuple(note.kept),
        make_again=note.remade(),
        unfinished=tuple(unfinished),
        marked_models=tuple(MarkedModel(names.get(sha, ""), sha, n) for sha, n in sorted(note.models.items())),
        beyond_reach=(*outside, *_exports_in_trail(connection, stone, photo_ids), *server, *_ALWAYS_BEYOND_REACH),
    )


def _exports_in_trail(connection: Connection, stone: Tombstone, photo_ids: tuple[str, ...]) -> Iterator[str]:
    """Exports of which the audit trail says that the subject was in them."""
    a = tables.audit.c
    named = [json.dumps(name) for name in (stone.subject_id, *photo_ids)]
    query = select(a.number, a.at, a.actor, a.record, a.detail).where(a.action.like("export%")).order_by(a.number)
    for row in connection.execute(query):
        if row.record == stone.subject_id or row.record in photo_ids or any(name in row.detail for name in named):
            yield f"export of {row.at} by {row.actor} (audit entry {row.number})"
