"""What a workspace serves: cases, photos, encodings, galleries, each as far as the policy lets the user have it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy import ColumnElement, Connection, and_, func, select, true

from deciface.cases import Case, Encoding, Photo
from deciface.consent import Action, Decision, may, may_send
from deciface.errors import InputError, NoGalleryError
from deciface.space import Gallery
from deciface.store import gallery_cache, opening, pages, people, photo_rows, tables, vectors, versions
from deciface.store.case_rows import in_chunks
from deciface.store.pages import ListedCase
from deciface.store.policy_sql import facts_of
from deciface.store.session import Session
from deciface.store.tombstones import read_gone

_MOST_OF_A_PAGE = 1000


class Serving(Session):
    """The reading half of a workspace. Lists are filtered in the database: what may not be seen is never loaded."""

    def cases(self, *, ids: Collection[str] | None = None) -> tuple[Case, ...]:
        """Cases with their photos, sorted by id: all, or those of some patients, as far as the user may see them."""
        with self._read() as connection:
            return tuple(people.read_cases(connection, ids, where=self._allowed(Action.SEE)))

    def case(self, patient_id: str) -> Case:
        """Read one case with its photos.

        Raises
        ------
        InputError
            No such case.
        AccessError
            The user may not see it.
        """
        with self._read() as connection:
            self._require(connection, Action.SEE, [patient_id])
            return people.read_cases(connection, [patient_id])[0]

    def list_page(
        self, *, after: str | None = None, limit: int = 50, disorder: str | None = None, text: str | None = None
    ) -> tuple[ListedCase, ...]:
        """One page of the cases that the user may see, by id, found by the last id of the page before.

        Parameters
        ----------
        after
            Last id of the page before; None for the first.
        limit
            Most rows, 1 to 1000.
        disorder
            Only patients with this disorder id.
        text
            Only patients in whose id, other ids, disorders or genes this stands, in any case.
        """
        if not 1 <= limit <= _MOST_OF_A_PAGE:
            raise InputError(f"a page of {limit} cases was asked for; ask for 1 to {_MOST_OF_A_PAGE}")
        with self._read() as connection:
            where = self._allowed(Action.SEE)
            return pages.read_page(connection, after=after, limit=limit, where=where, disorder=disorder, text=text)

    def photos(self) -> tuple[Photo, ...]:
        """All photos of the patients that the user may see, sorted by id."""
        with self._read() as connection:
            return tuple(photo_rows.read_photos(connection, where=self._allowed(Action.SEE)))

    def image_bytes(self, photo_id: str) -> bytes:
        """Read the stored image of a photo and check it.

        Raises
        ------
        InputError
            No photo of that id, or one that is only described.
        AccessError
            The user may not see it.
        StorageError
            The file is missing or has changed.
        """
        with self._read() as connection:
            owner = photo_rows.patients_of(connection, [photo_id]).get(photo_id)
            if owner is None:
                raise InputError(f"photo '{photo_id}' is not in the workspace; list its photos first")
            self._require(connection, Action.SEE_PHOTO, [owner])
            file = photo_rows.file_of(connection, photo_id)
        if file is None:
            raise InputError(f"photo '{photo_id}' is described only, its image is not in the workspace; add the image")
        return self.files.get(file)

    def has_image(self, photo_id: str) -> bool:
        """Whether the image of a photo is stored, not its description alone; false for one the user may not see."""
        with self._read() as connection:
            return bool(self._visible(connection, [photo_id], tables.photos.c.file_sha256.is_not(None)))

    def known_photos(self, photo_ids: Collection[str]) -> frozenset[str]:
        """Which of these photos are stored, as far as the user may see them."""
        with self._read() as connection:
            return self._visible(connection, photo_ids, true())

    def _visible(
        self, connection: Connection, photo_ids: Collection[str], which: ColumnElement[bool]
    ) -> frozenset[str]:
        p, where = tables.photos.c, self._allowed(Action.SEE)
        query = select(p.id).join(tables.patients, tables.patients.c.id == p.patient_id).where(where, which)
        found: set[str] = set()
        for some in in_chunks(sorted(set(photo_ids))):
            found.update(connection.execute(query.where(p.id.in_(some))).scalars())
        return frozenset(found)

    def withdrawn_photos(self, photo_ids: Collection[str]) -> frozenset[str]:
        """Which of these photos were withdrawn, alone or with their patient, and so are left out of every import.

        Raises
        ------
        AccessError
            The user may add nothing.
        """
        self._allowed(Action.ADD)
        with self._read() as connection:
            return frozenset(photo_ids) & read_gone(connection).photos

    def decisions(
        self, action: Action, patient_ids: Collection[str], *, to_site: str | None = None
    ) -> dict[str, Decision]:
        """Decide for each of some patients whether the user may do something, and why not.

        Parameters
        ----------
        action
            On records.
        patient_ids
            Of stored patients; others are left out of the answer.
        to_site
            For exports: the site that is to have it; None: it stays with this one.
        """
        on = self._today()
        with self._read() as connection:
            facts = facts_of(connection, patient_ids)
        found = {patient_id: may(self.actor, action, record, on=on) for patient_id, record in facts.items()}
        if action in (Action.EXPORT, Action.EXPORT_PHOTO):
            sent = {patient_id: may_send(record, to_site, action=action, on=on) for patient_id, record in facts.items()}
            found = {i: decision and sent[i] for i, decision in found.items()}
        return found

    def encodings(self, *, models: Collection[str] | None = None) -> Iterator[Encoding]:
        """All encodings of photos that the user may see, or those of some models, by photo id and view."""
        p = tables.photos.c
        with self._read() as connection:
            query = select(p.id).join(tables.patients, tables.patients.c.id == p.patient_id)
            ids = connection.execute(query.where(self._allowed(Action.SEE_PHOTO))).scalars().all()
            everybody = len(ids) == connection.execute(select(func.count()).select_from(tables.photos)).scalar_one()
            yield from vectors.read_encodings(connection, models=models, photo_ids=None if everybody else set(ids))

    def gallery(self, *, models: Collection[str] | None = None) -> Gallery:
        """Everybody who has an encoding and agreed to be compared with (or is simulated), as a gallery.

        Parameters
        ----------
        models
            Only these models' views; photos without any of them are not in the gallery.

        Raises
        ------
        NoGalleryError
            No photo has an encoding, or none that may be compared with.
        MismatchError
            As `Gallery.build`.
        """
        by_model = select(tables.encodings.c.photo_id)
        if models is not None:
            by_model = by_model.where(tables.encodings.c.model.in_(sorted(models)))
        with self._read() as connection:
            encoded = tables.photos.c.id.in_(by_model)
            photos = photo_rows.read_photos(connection, where=and_(self._allowed(Action.COMPARE), encoded))
            if not photos:
                raise self._nobody(connection, encoded, models)
            return gallery_cache.open_gallery(
                connection,
                photos,
                models=models,
                folder=self.root / opening.CACHE,
                version=versions.version(connection),
            )

    def encoders(self) -> tuple[str, ...]:
        """Names of the models that have encoded photos here, sorted."""
        query = select(tables.encodings.c.model).distinct()
        with self._read() as connection:
            return tuple(sorted(connection.execute(query).scalars()))

    def _nobody(
        self, connection: Connection, encoded: ColumnElement[bool], models: Collection[str] | None
    ) -> NoGalleryError:
        count = connection.execute(select(func.count()).select_from(tables.photos).where(encoded)).scalar_one()
        if count:
            return NoGalleryError(
                f"{self.root} has {count} encoded photos, of nobody who agreed to the reference gallery; "
                "record that consent first"
            )
        wanted = f" by {', '.join(sorted(models))}" if models else ""
        return NoGalleryError(f"{self.root} has no photo encoded{wanted}; import photos first")
