"""A workspace: photos, people and vectors, opened for one user, who is served what the policy allows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from sqlalchemy import Connection

from deciface.cases import Case, Encoding, Photo
from deciface.consent import Action
from deciface.errors import DeciFaceError, MismatchError
from deciface.store import derived, engines, erasure, opening, people, photo_rows, trained, vectors, versions
from deciface.store import users as user_rows
from deciface.store.adding import FACTS, Added, Additions, Stated, differing_facts, plan, refuse_unstorable
from deciface.store.case_rows import read_facts
from deciface.store.certificate import Certificate
from deciface.store.consents import replace_consents, touch
from deciface.store.custody import Custody
from deciface.store.landmarks import FacePoints
from deciface.store.photo_files import StoredFile, open_files
from deciface.store.session import Clock, utc_now
from deciface.store.settings import Settings
from deciface.store.spool import laid_aside
from deciface.store.tombstones import SubjectKind
from deciface.store.updating import photos_updated, updated


class Workspace(Custody, FacePoints):
    """Made by `Workspace.create` or `Workspace.open`; close it after use.

    Every method is one transaction: a process that is killed leaves all of it or nothing, and the same import can be
    run again. Lists hold what the user may see; what the user may not do raises `AccessError` and changes nothing.
    Every write leaves its line in the audit trail. Consents are signed and withdrawn by the calendar of this machine.
    """

    @classmethod
    def create(
        cls,
        root: Path,
        *,
        user: str | None = None,
        site: str = "",
        database: str | None = None,
        blobs: str | None = None,
        clock: Clock = utc_now,
    ) -> Workspace:
        """Make a workspace in an empty or new folder, and open it.

        Parameters
        ----------
        root
            The folder; nobody else on this machine may read it.
        user
            Who makes it, and may do everything but take part as a reader; None: the user of the operating system.
        site
            Name of the site it belongs to.
        database
            ``postgresql://user@host/database``, an empty one; None: SQLite in the folder.
        blobs
            Where photos are kept, ``s3://bucket/photos``; None: in the folder.
        clock
            Tells the time.

        Raises
        ------
        StorageError
            There is a workspace already, folder or database hold other things, or they cannot be written.
        """
        name = user or opening.system_user()
        settings = Settings(site=site, database=database, blobs=blobs)
        opening.create_folder(root, settings, user=name, now=clock())
        return cls.open(root, user=name, clock=clock)

    @classmethod
    def open(cls, root: Path, *, user: str | None = None, clock: Clock = utc_now) -> Workspace:
        """Open a workspace for a user; a name that it does not know may do nothing.

        An older schema is brought to the newest, and a withdrawal that was interrupted, or that a restored backup does
        not know, is carried out; photos that an import took out of a container and left are removed after a day. A
        folder that may not be written to is opened for reading, unless a withdrawal is still to be carried out in it.

        Raises
        ------
        StorageError
            Not a workspace, a damaged one, one of a newer DeciFace, or one in which a withdrawal cannot be carried out.
        """
        name = user or opening.system_user()
        settings, engine = opening.connect(root)
        try:
            with engines.told(str(root)), engines.read(engine) as connection:
                actor = user_rows.read_actor(connection, name)
            workspace = cls(root, engine, actor, clock, open_files(root / opening.PHOTOS, settings.blobs))
            if engines.is_readonly(engine):
                erasure.refuse_unfinished(workspace)
            else:
                erasure.resume(workspace, now=clock())
                opening.clear_imports(root / opening.CACHE, now=clock())
        except BaseException:
            engine.dispose()
            raise
        return workspace

    def add_case(self, case: Case, *, images: Mapping[str, bytes] | None = None, origin: str = "") -> Added:
        """Store a case with its photos; photos that a stored case does not have yet are added to it.

        A withdrawn photo is left out (`withdrawn_photos` tells which). A consent that the case gives as withdrawn ends
        the one in force that is recorded, even when the case is refused because it contradicts other stored facts.

        Parameters
        ----------
        case
            What is known. Consents that are recorded and since withdrawn stay withdrawn.
        images
            By photo id: JPEG or PNG without metadata, as it is to be kept. Photos without one are described only.
        origin
            The format it came in.

        Raises
        ------
        AccessError
            The user may not add it, it was withdrawn, or images of a real person come without any consent in force.
        MismatchError
            Stored with other facts, or the pixels of a photo belong to another patient.
        InputError
            Neither JPEG nor PNG, or photos that state other facts than their case.
        StorageError
            The disk is full, or the database is locked.
        """
        return _or_raise(self.add_cases([case], images=images, origin=origin)[0])

    def add_cases(
        self, cases: Sequence[Case], *, images: Mapping[str, bytes] | None = None, origin: str = ""
    ) -> tuple[Added | DeciFaceError, ...]:
        """Store many cases in one transaction; return for each what became of it, or why it was left out.

        As `add_case`; a case that is refused does not stop the others. Raises `StorageError` alone.
        """
        return self._add(cases, images=images or {}, origin=origin, stated=Stated.CASE)

    def add_photo(self, photo: Photo, image_bytes: bytes | None = None) -> Added:
        """Store a photo, and its patient with diagnoses and phenotypes when they are new.

        Parameters
        ----------
        photo
            What it shows. `photo.sha256` is that of the decoded pixels.
        image_bytes
            JPEG or PNG without metadata, as it is to be kept; None: the photo is described only.

        Raises
        ------
        MismatchError
            The id stands for something else already, the pixels belong to another patient, or the patient is recorded
            with other facts.
        AccessError, InputError, StorageError
            As `add_case`.
        """
        bare = Case(photo.patient, photo.diagnoses, photo.phenotypes, unaffected=photo.unaffected, photos=(photo,))
        images = {} if image_bytes is None else {photo.id: image_bytes}
        return _or_raise(self._add([bare], images=images, origin="", stated=Stated.PHOTO)[0])

    def _add(
        self, cases: Sequence[Case], *, images: Mapping[str, bytes], origin: str, stated: Stated
    ) -> tuple[Added | DeciFaceError, ...]:
        def planned(connection: Connection) -> Additions:
            return plan(connection, cases, images=images, stated=stated, actor=self.actor, on=self._today())

        if images:  # written before anybody has to wait for them, and only if they may be
            engines.refuse_readonly(self.engine)
            with self._read() as connection:
                first = planned(connection)
            for photo_id in sorted(first.files):
                self.files.put(images[photo_id])
        with self._write() as connection:
            additions = planned(connection)
            # Once more, now that nobody else writes: an erasure may have removed the same image in the meantime.
            files = {photo_id: self.files.put(images[photo_id]) for photo_id in sorted(additions.files)}
            self._insert(connection, additions, files, origin=origin)
        return tuple(additions.outcomes)

    def _insert(
        self, connection: Connection, additions: Additions, files: Mapping[str, StoredFile], *, origin: str
    ) -> None:
        at = self._now()
        owner, site = self.actor.user, self.actor.site
        people.insert_cases(connection, additions.cases, owner=owner, origin=origin, site=site, at=at)
        photo_rows.insert_photos(connection, additions.photos, files, at=at)
        photo_rows.complete_photos(connection, additions.completed, files)
        photos = additions.photos_by_patient()
        for patient_id, photo_ids in photos.items():
            self._log(connection, "add", patient_id, {"photos": photo_ids, "origin": origin})
        for patient_id, ended in additions.ended.items():
            replace_consents(connection, patient_id, ended)
            touch(connection, patient_id, at=at)
            scopes = sorted({consent.scope.value for consent in ended if consent.withdrawn_on is not None})
            self._log(connection, "withdraw consent", patient_id, {"scopes": scopes, "origin": origin})
        if photos or additions.ended:
            versions.count_up(connection)

    def change_case(self, case: Case) -> tuple[str, ...]:
        """Replace the facts of a stored case; photos, encodings and consents stay. Return the names of what changed.

        Raises
        ------
        AccessError
            The user may not change it.
        MismatchError
            Other consents, which `record_consent` and `withdraw_consent` change, or a real person made simulated.
        InputError
            No such case.
        """
        refuse_unstorable(case)
        with self._write() as connection:
            self._require(connection, Action.EDIT, [case.id])
            stored = read_facts(connection, [case.id])[case.id]
            if case.consents != stored.consents:
                raise MismatchError(
                    f"case '{case.id}' is given with other consents than are recorded; "
                    "record or withdraw a consent instead"
                )
            if case.patient.simulated != stored.patient.simulated:
                raise MismatchError(f"patient '{case.id}' cannot change between simulated and real; use another id")
            changed = tuple(differing_facts(stored, case))
            if changed:
                people.replace_case(connection, case, at=self._now())
                self._log(connection, "change", case.id, {"facts": list(changed)})
                versions.count_up(connection)
        return changed

    def update_case(self, case: Case) -> tuple[str, ...]:
        """Give a stored case and its stored photos what a source states; return the names of what changed.

        What the source leaves open (a field at its default) stays as it is. Of photos that are stored, what they
        have of their own is corrected; those that are not are left to `add_case`. Consents that the source gives as
        withdrawn are ended, new ones are recorded, and none that was withdrawn is brought back: one in force to a use
        that has been withdrawn is taken only when it was signed later.

        Raises
        ------
        AccessError
            The user may not change it.
        MismatchError
            A real person made simulated, or a photo with other pixels than are stored.
        InputError
            No such case, or one that not every database would keep as it is.
        """
        refuse_unstorable(case)
        with self._write() as connection:
            self._require(connection, Action.EDIT, [case.id])
            stored = people.read_cases(connection, [case.id])[0]
            new = updated(stored, case)
            photos = list(photos_updated(stored, case.photos))
            facts = tuple(name for name in FACTS if getattr(stored, name) != getattr(new, name))
            changed = dict.fromkeys((*facts, *(name for _, names in photos for name in names)))
            if changed:
                people.replace_case(connection, new, at=self._now())
                for photo, _ in photos:
                    photo_rows.correct_photo(connection, photo)
                detail = {"facts": list(changed), "photos": [photo.id for photo, _ in photos]}
                self._log(connection, "change", case.id, detail)
                versions.count_up(connection)
        return tuple(changed)

    def add_encodings(self, encodings: Iterable[Encoding]) -> int:
        """Store encodings of photos that are stored, all or none; return how many were new.

        The iterable is read to its end first, a few at a time, while others may write.

        Raises
        ------
        InputError
            A photo that is not stored, or a vector that is not (d,) finite numbers.
        MismatchError
            Made from other pixels than the stored photo's, or another encoding of that view is stored already.
        AccessError
            The user may not encode one of the photos.
        StorageError
            The disk is full, or the database is locked.
        """
        engines.refuse_readonly(self.engine)
        self._allowed(Action.ENCODE)
        photo_ids: dict[str, None] = {}
        with laid_aside(encodings, self.root / opening.CACHE) as read, self._write() as connection:

            def allow(some: Collection[str]) -> None:
                photo_ids.update(dict.fromkeys(sorted(some)))
                owners = photo_rows.patients_of(connection, some)
                self._require(connection, Action.ENCODE, set(owners.values()))

            new = vectors.insert_encodings(connection, read, allow=allow)
            if new:
                versions.count_up(connection)
                record = next(iter(photo_ids)) if len(photo_ids) == 1 else ""
                self._log(connection, "add encodings", record, {"photos": list(photo_ids), "encodings": new})
        return new

    def note_trained(self, sha256: str, name: str, *, photo_ids: Collection[str], files: Sequence[Path] = ()) -> None:
        """Note a model that was trained on stored photos: when one of them is withdrawn, the model is marked.

        Parameters
        ----------
        sha256, name
            Of the model's file; what it is called.
        photo_ids
            Everybody it learnt from, and who is named in `files`.
        files
            Records of the training that name photos or people, already written: deleted with a withdrawal, or named on
            its certificate where they lie outside the workspace.

        Raises
        ------
        InputError
            No photo, or one that is not stored any more; see `deciface.store.trained.note_trained`.
        AccessError
            The user may not compare with the patients, or their consents do not allow it.
        StorageError
            The disk is full, or the database is locked.
        """
        engines.refuse_readonly(self.engine)
        self._allowed(Action.COMPARE)
        with self._write() as connection:
            owners = photo_rows.patients_of(connection, sorted(set(photo_ids)))
            self._require(connection, Action.COMPARE, set(owners.values()))
            trained.note_trained(connection, sha256=sha256, name=name, photo_ids=photo_ids, at=self._now())
            if files:
                places = [derived.place_of(path, self.root) for path in files]
                kind, at = derived.DerivedKind.TRAINING, self._now()
                derived.register(connection, kind=kind, places=places, patient_ids=(), photo_ids=photo_ids, at=at)
            self._log(
                connection, "train a model", "", {"model": sha256, "name": name, "photos": sorted(set(photo_ids))}
            )

    def withdraw(self, kind: SubjectKind | str, subject_id: str) -> Certificate:
        """Withdraw a patient or a photo and erase what came of it; as `deciface.store.erasure.withdraw`.

        Raises
        ------
        AccessError, InputError, StorageError
            The user may not withdraw it; nothing of that id is here; the disk is full or the database is held.
        """
        return erasure.withdraw(self, kind=kind, subject_id=subject_id, actor=self.actor, now=self.clock())


def _or_raise(outcome: Added | DeciFaceError) -> Added:
    if isinstance(outcome, DeciFaceError):
        raise outcome
    return outcome
