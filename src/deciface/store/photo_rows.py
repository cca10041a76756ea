"""Photos as rows. A photo carries the patient, the diagnoses and the phenotypes of its case; they stand there once."""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from deciface.cases import NOT_STATED, Case, Photo, PhotoSource, PhotoView
from deciface.store import tables
from deciface.store.case_rows import in_chunks, read_facts
from deciface.store.photo_files import StoredFile

_CARRIED = ("ancestry", "diagnoses", "phenotypes")
"""Lists of its case that a photo carries."""


def insert_photos(connection: Connection, photos: Iterable[Photo], files: Mapping[str, StoredFile], *, at: str) -> None:
    """Insert photos of stored patients; `files` says by photo id where the image is, for those that have one."""
    rows = [
        {
            "id": photo.id,
            "patient_id": photo.patient.id,
            "sha256": photo.sha256,
            "file_sha256": files[photo.id].sha256 if photo.id in files else None,
            "suffix": files[photo.id].suffix if photo.id in files else None,
            "age_years": photo.age_years,
            "view": photo.view.value,
            "source": photo.source.value,
            "occlusions": list(photo.occlusions),
            "file_name": photo.file_name,
            "replaces": photo.replaces,
            "created_at": at,
        }
        for photo in photos
    ]
    if rows:
        connection.execute(insert(tables.photos), rows)


def complete_photos(connection: Connection, photos: Iterable[Photo], files: Mapping[str, StoredFile]) -> None:
    """Note the image of photos that were only described so far, and the hash of its pixels where it is stated."""
    for photo in photos:
        file = files[photo.id]
        values = {"file_sha256": file.sha256, "suffix": file.suffix}
        if photo.sha256 != NOT_STATED:
            values["sha256"] = photo.sha256
        connection.execute(update(tables.photos).where(tables.photos.c.id == photo.id).values(**values))


def correct_photo(connection: Connection, photo: Photo) -> None:
    """Give a stored photo other facts of its own; its pixels, file and patient stay."""
    values = {
        "age_years": photo.age_years,
        "view": photo.view.value,
        "source": photo.source.value,
        "occlusions": list(photo.occlusions),
        "file_name": photo.file_name,
        "replaces": photo.replaces,
    }
    connection.execute(update(tables.photos).where(tables.photos.c.id == photo.id).values(**values))


def read_photos(
    connection: Connection, ids: Collection[str] | None = None, *, where: ColumnElement[bool] | None = None
) -> list[Photo]:
    """Read photos with what they carry of their case, sorted by id.

    Parameters
    ----------
    connection
        Within `engines.read` or `engines.write`.
    ids
        Of photos; None: all.
    where
        Condition over `tables.patients` or `tables.photos`.
    """
    with _no_collection():
        return _read_photos(connection, ids, where)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Garbage collection waits: of ten thousand people none is garbage, and looking takes a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read_photos(connection: Connection, ids: Collection[str] | None, where: ColumnElement[bool] | None) -> list[Photo]:
    query = select(tables.photos).join(tables.patients, tables.patients.c.id == tables.photos.c.patient_id)
    if where is not None:
        query = query.where(where)
    if ids is None:
        found = list(connection.execute(query).all())
    else:
        found = []
        for chunk in in_chunks(sorted(set(ids))):
            found += connection.execute(query.where(tables.photos.c.id.in_(chunk))).all()
    whole = ids is None and where is None
    cases = read_facts(connection, None if whole else {row.patient_id for row in found}, lists=_CARRIED)
    return [_photo(row, cases[row.patient_id]) for row in sorted(found, key=lambda row: str(row.id))]


def patients_of(connection: Connection, photo_ids: Collection[str]) -> dict[str, str]:
    """Whom photos show: patient id by photo id, of those that are stored."""
    columns, found = tables.photos.c, dict[str, str]()
    for chunk in in_chunks(photo_ids):
        query = select(columns.id, columns.patient_id).where(columns.id.in_(chunk))
        found |= {row.id: row.patient_id for row in connection.execute(query)}
    return found


def file_of(connection: Connection, photo_id: str) -> StoredFile | None:
    """Name the stored image of a photo; None for one that is only described, or not there."""
    columns = tables.photos.c
    query = select(columns.file_sha256, columns.suffix).where(columns.id == photo_id)
    found = connection.execute(query).one_or_none()
    return StoredFile(found.file_sha256, found.suffix) if found and found.file_sha256 else None


def photos_of(connection: Connection, cases: Mapping[str, Case], *, everybody: bool) -> dict[str, list[Photo]]:
    """Read the photos of cases, by patient id and sorted by id; `everybody` says that there are no other cases."""
    query = select(tables.photos).order_by(tables.photos.c.id)
    found: list[Row[Any]] = []
    if everybody:
        found += connection.execute(query).all()
    else:
        for chunk in in_chunks(cases):
            found += connection.execute(query.where(tables.photos.c.patient_id.in_(chunk))).all()
    photos: dict[str, list[Photo]] = defaultdict(list)
    for row in found:
        photos[row.patient_id].append(_photo(row, cases[row.patient_id]))
    return dict(photos)


def _photo(row: Row[Any], case: Case) -> Photo:
    return case.photo(
        row.id,
        sha256=row.sha256,
        age_years=row.age_years,
        view=PhotoView(row.view),
        source=PhotoSource(row.source),
        occlusions=row.occlusions,
        file_name=row.file_name,
        replaces=row.replaces,
    )
