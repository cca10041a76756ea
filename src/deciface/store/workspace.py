"""A workspace: one folder with a database and photo files."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

import numpy as np
from sqlalchemy import Connection, Engine, create_engine, event, insert, select
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError

from deciface.cases import Encoding, Photo, View
from deciface.errors import InputError, MismatchError, NoGalleryError, StorageError
from deciface.space import Gallery
from deciface.store import photo_files, rows, tables

DATABASE = "deciface.sqlite"
PHOTOS = "photos"


class Added(StrEnum):
    """What became of a photo or of encodings that were given."""

    ADDED = "added"
    ALREADY_THERE = "already there"


@dataclass(frozen=True)
class Workspace:
    """Photos, people and vectors in one folder. Made by `Workspace.create` or `Workspace.open`; close it after use.

    Every method is one transaction: a process that is killed leaves all of it or nothing, and the same import can be
    run again.
    """

    root: Path
    _engine: Engine

    @classmethod
    def create(cls, root: Path) -> Workspace:
        """Make a workspace in an empty or new folder.

        Raises
        ------
        StorageError
            There is a workspace already, the folder holds other files, or it cannot be written.
        """
        if (root / DATABASE).exists():
            raise StorageError(f"{root} is a workspace already; open it or choose another folder")
        try:
            root.mkdir(parents=True, exist_ok=True)
            if others := sorted(p.name for p in root.iterdir() if p.name not in _OWN_NAMES):
                raise StorageError(f"{root} holds other files ({others[0]}); choose an empty or new folder")
            root.chmod(0o700)  # photos of patients: nobody else on this machine reads them
            (root / PHOTOS).mkdir(exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"{root} cannot be made a workspace ({error.strerror}); choose a folder you may write to"
            ) from error
        # Built under another name and renamed, so that a workspace either has all its tables or is none.
        draft = root / f".{DATABASE}"
        draft.unlink(missing_ok=True)
        engine = _engine_for(draft, journal="DELETE")
        with _told(root):
            with engine.begin() as connection:
                connection.exec_driver_sql("BEGIN")
                tables.metadata.create_all(connection)
                connection.execute(insert(tables.meta).values(key="schema", value=str(tables.SCHEMA_VERSION)))
            engine.dispose()
            draft.replace(root / DATABASE)
            photo_files.flush_folder(root)
        return cls.open(root)

    @classmethod
    def open(cls, root: Path) -> Workspace:
        """Open a workspace.

        Raises
        ------
        StorageError
            Not a workspace, a damaged one, or one of another schema version.
        """
        path = root / DATABASE
        if not path.is_file():
            raise StorageError(f"{root} is not a workspace (no {DATABASE}); make one with: deciface init {root}")
        engine = _engine_for(path, journal="WAL")
        try:
            with _told(root), engine.connect() as connection:
                names = set(connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars())
                query = select(tables.meta.c.value).where(tables.meta.c.key == "schema")
                found = connection.execute(query).scalar() if "meta" in names else None
            if found is None:
                raise StorageError(f"{path} is not a DeciFace database; choose another folder")
            if found != str(tables.SCHEMA_VERSION):
                raise StorageError(
                    f"{root} has schema version {found}, this program reads {tables.SCHEMA_VERSION}; "
                    "use the version of DeciFace that made it, or a newer one"
                )
        except BaseException:
            engine.dispose()
            raise
        return cls(root, engine)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_photo(self, photo: Photo, image_bytes: bytes) -> Added:
        """Store a photo, its patient, diagnoses and phenotypes.

        Parameters
        ----------
        photo
            What it shows. `photo.sha256` is that of the decoded pixels.
        image_bytes
            JPEG or PNG without metadata, as it is to be kept.

        Raises
        ------
        MismatchError
            The id stands for something else already, the pixels belong to another patient, or the patient is recorded
            with another sex, ancestry or country.
        InputError
            Neither JPEG nor PNG.
        StorageError
            The disk is full, or the database is locked.
        """
        sha256, suffix = photo_files.put(self.root / PHOTOS, image_bytes)
        with self._write() as connection:
            known = rows.photos(connection, [photo.id])
            if known:
                if known[0] != photo:
                    raise MismatchError(
                        f"photo '{photo.id}' is stored already with other {_difference(known[0], photo)}; "
                        "give the new photo another id"
                    )
                return Added.ALREADY_THERE
            _refuse_contradictions(connection, photo)
            rows.insert_photo(connection, photo, sha256, suffix)
        return Added.ADDED

    def add_encodings(self, encodings: Iterable[Encoding]) -> int:
        """Store encodings of photos that are stored, all or none; return how many were new.

        Raises
        ------
        InputError
            A photo that is not stored, or a vector that is not (d,) finite numbers.
        MismatchError
            Made from other pixels than the stored photo's, or another encoding of that view is stored already.
        StorageError
            The disk is full, or the database is locked.
        """
        with self._write() as connection:
            return rows.insert_encodings(connection, list(encodings))

    def photos(self) -> tuple[Photo, ...]:
        """All photos, sorted by id."""
        with _told(self.root), self._engine.connect() as connection:
            return tuple(rows.photos(connection))

    def image_bytes(self, photo_id: str) -> bytes:
        """Read the stored image of a photo and check it.

        Raises
        ------
        InputError
            No photo of that id.
        StorageError
            The file is missing or has changed.
        """
        with _told(self.root), self._engine.connect() as connection:
            columns = select(tables.photos.c.file_sha256, tables.photos.c.suffix)
            found = connection.execute(columns.where(tables.photos.c.id == photo_id)).one_or_none()
        if found is None:
            raise InputError(f"photo '{photo_id}' is not in the workspace; list its photos first")
        return photo_files.get(self.root / PHOTOS, found.file_sha256, found.suffix)

    def encodings(self, *, models: Collection[str] | None = None) -> Iterator[Encoding]:
        """All encodings, or those of some models, by photo id and view."""
        query = select(tables.encodings).order_by(*tables.encodings.primary_key)
        if models is not None:
            query = query.where(tables.encodings.c.model.in_(sorted(models)))
        with _told(self.root), self._engine.connect() as connection:
            for row in connection.execute(query):
                yield Encoding(
                    row.photo_id,
                    row.photo_sha256,
                    row.crop_version,
                    row.encoder_sha256,
                    View(row.model, row.region, row.flip, row.grey),
                    np.frombuffer(row.vector, "<f4").astype(np.float32),
                )

    def gallery(self, *, models: Collection[str] | None = None) -> Gallery:
        """Everybody who has an encoding, as a gallery.

        Parameters
        ----------
        models
            Only these models' views; photos without any of them are not in the gallery.

        Raises
        ------
        NoGalleryError
            No photo has an encoding.
        MismatchError
            As `Gallery.build`.
        """
        encodings = list(self.encodings(models=models))
        encoded = {encoding.photo_id for encoding in encodings}
        photos = [photo for photo in self.photos() if photo.id in encoded]
        if not photos:
            wanted = f" by {', '.join(sorted(models))}" if models else ""
            raise NoGalleryError(f"{self.root} has no photo encoded{wanted}; import photos first")
        return Gallery.build(photos, encodings)

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with _told(self.root), self._engine.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection


_OWN_NAMES = {PHOTOS, f".{DATABASE}", f".{DATABASE}-journal"}


def _engine_for(path: Path, *, journal: str) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 10.0})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # transactions are begun here, not by the driver's guess
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute("PRAGMA synchronous = FULL")

    return engine


@contextmanager
def _told(root: Path) -> Iterator[None]:
    """Database errors as one clear line."""
    try:
        yield
    except OperationalError as error:
        reason = str(error.orig)
        what = (
            "close the other program that is writing to it"
            if "locked" in reason
            else "free some space or check the folder"
        )
        raise StorageError(f"{root}: {reason}; {what}") from error
    except IntegrityError as error:
        raise StorageError(f"{root}: {error.orig}; nothing was stored") from error
    except (DatabaseError, sqlite3.DatabaseError) as error:
        reason = str(getattr(error, "orig", error))
        raise StorageError(f"{root / DATABASE} cannot be read ({reason}); restore it from a backup") from error
    except OSError as error:
        raise StorageError(f"{root}: {error.strerror or error}; free some space or check the folder") from error


def _difference(stored: Photo, given: Photo) -> str:
    names = ("sha256", "patient", "age_years", "diagnoses", "unaffected", "phenotypes")
    shown = {"sha256": "pixels", "age_years": "age"}
    return " and ".join(shown.get(n, n) for n in names if getattr(stored, n) != getattr(given, n))


def _refuse_contradictions(connection: Connection, photo: Photo) -> None:
    owner = connection.execute(
        select(tables.photos.c.id, tables.photos.c.patient_id).where(
            tables.photos.c.sha256 == photo.sha256, tables.photos.c.patient_id != photo.patient.id
        )
    ).first()
    if owner is not None:
        raise MismatchError(
            f"photo '{photo.id}' of patient '{photo.patient.id}' has the pixels of photo '{owner.id}' of patient "
            f"'{owner.patient_id}'; correct the patient id of one of them"
        )
    stored = rows.patient(connection, photo.patient.id)
    if stored is not None and stored != photo.patient:
        raise MismatchError(
            f"patient '{photo.patient.id}' is stored with other sex, ancestry or country than photo '{photo.id}' "
            "states; correct the new one"
        )
