"""Models that were trained on photos of this workspace: they cannot unlearn a photo, so it is noted who is in them."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, insert, select

from deciface.errors import InputError
from deciface.store import tables
from deciface.store.case_rows import in_chunks


def note_trained(connection: Connection, *, sha256: str, name: str, photo_ids: Collection[str], at: str) -> None:
    """Note a model and the photos it learnt from; photos already noted for it stay.

    Parameters
    ----------
    sha256, name
        Of the model's file; what it is called.
    photo_ids
        Stored photos that it learnt from.
    at
        ISO 8601 UTC.

    Raises
    ------
    InputError
        No photo, or one that is not (or no longer) stored: withdrawn while the model was trained.
    """
    wanted = sorted(set(photo_ids))
    if not wanted:
        raise InputError(f"model '{name}' names no photo it learnt from; give their ids")
    p, m, of = tables.photos.c, tables.trained_models.c, tables.trained_on.c
    stored: set[str] = set()
    for some in in_chunks(wanted):
        stored.update(connection.execute(select(p.id).where(p.id.in_(some))).scalars())
    if missing := [photo_id for photo_id in wanted if photo_id not in stored]:
        raise InputError(
            f"model '{name}' learnt from photo '{missing[0]}', which is not in the workspace or was withdrawn; "
            "train it again without"
        )
    if connection.execute(select(m.sha256).where(m.sha256 == sha256)).first() is None:
        row = {"sha256": sha256, "name": name, "created_at": at, "withdrawn_photos": 0}
        connection.execute(insert(tables.trained_models).values(row))
    noted = set(connection.execute(select(of.photo_id).where(of.model_sha256 == sha256)).scalars())
    if new := [{"model_sha256": sha256, "photo_id": photo_id} for photo_id in wanted if photo_id not in noted]:
        connection.execute(insert(tables.trained_on), new)
