"""Models that were trained on photos of this workspace: they cannot unlearn a photo, so it is noted who is in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from deciface.consent import Action, Never, rule_for
from deciface.errors import InputError
from deciface.store import engines, tables
from deciface.store.case_rows import in_chunks
from deciface.store.policy_sql import allowed
from deciface.store.session import Session


@dataclass(frozen=True, slots=True)
class TrainedPhoto:
    """A stored photo that a model learnt from: its id, pixel hash and patient."""

    photo_id: str
    sha256: str
    patient_id: str


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model and whom it learnt from.

    Parameters
    ----------
    sha256, name
        Of its file; what it is called.
    photos
        By id, of the patients that the user may compare with.
    withdrawn_photos
        How many more it learnt from, which are gone.
    """

    sha256: str
    name: str
    photos: tuple[TrainedPhoto, ...]
    withdrawn_photos: int


def trained_models(session: Session) -> tuple[TrainedModel, ...]:
    """Read which models learnt from photos of a workspace, and from which, as far as the user may compare with them.

    Raises
    ------
    StorageError
        The database cannot be read.
    """
    m, of, p = tables.trained_models.c, tables.trained_on.c, tables.photos.c
    rule = rule_for(session.actor, Action.COMPARE)
    with engines.told(str(session.root)), engines.read(session.engine) as connection:
        models = connection.execute(select(m.sha256, m.name, m.withdrawn_photos).order_by(m.sha256)).all()
        photos: dict[str, list[TrainedPhoto]] = defaultdict(list)
        if models and not isinstance(rule, Never):
            query = (
                select(of.model_sha256, p.id, p.sha256, p.patient_id)
                .join(tables.photos, p.id == of.photo_id)
                .join(tables.patients, tables.patients.c.id == p.patient_id)
                .where(allowed(rule, session.actor, on=session.clock().astimezone().date()))
                .order_by(p.id)
            )
            for sha256, *photo in connection.execute(query):
                photos[sha256].append(TrainedPhoto(*photo))
    return tuple(TrainedModel(row.sha256, row.name, tuple(photos[row.sha256]), row.withdrawn_photos) for row in models)


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
