"""What a workspace is answerable for: consents, users, what leaves it, what was made of photos, and who did what."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection

from deciface.cases import Consent, Scope
from deciface.consent import Action, Actor, Never, RecordFacts, Role, may, rule_for
from deciface.errors import AccessError, DeciFaceError, InputError
from deciface.store import audit, consents, derived, photo_rows, tombstones, versions
from deciface.store import users as user_rows
from deciface.store.adding import Added
from deciface.store.audit import Entry
from deciface.store.derived import DerivedKind
from deciface.store.policy_sql import facts_of
from deciface.store.serving import Serving
from deciface.store.settings import FILE, read_settings
from deciface.store.tombstones import SubjectKind


class Custody(Serving):
    """The half of a workspace that keeps account."""

    def record_consent(self, patient_id: str, consent: Consent) -> Added:
        """Record one more consent of a stored patient.

        Raises
        ------
        InputError
            No such patient, or sharing without a site.
        AccessError
            The user may not change the record.
        """
        if consent.scope is Scope.SHARING and not consent.site:
            raise InputError(
                f"a consent of patient '{patient_id}' to sharing names no site; name the one that may receive it"
            )
        with self._write() as connection:
            self._require(connection, Action.EDIT, [patient_id])
            if not consents.add_consent(connection, patient_id, consent):
                return Added.ALREADY_THERE
            self._changed(connection, patient_id, "record consent", {"scope": consent.scope.value})
        return Added.ADDED

    def withdraw_consent(self, patient_id: str, scope: Scope, *, site: str | None = None, on: dt.date) -> int:
        """End a patient's consents to a scope (with one site, or any) from a day on; return how many there were.

        Raises
        ------
        InputError
            No such patient, or no such consent.
        AccessError
            The user may not change the record.
        """
        with self._write() as connection:
            self._require(connection, Action.EDIT, [patient_id])
            ended = consents.end_consents(connection, patient_id, scope, site=site, on=on)
            if not ended:
                raise InputError(f"patient '{patient_id}' has no consent to {scope} that ends; look at the case first")
            detail = {"scope": scope.value, "on": on.isoformat()}
            self._changed(connection, patient_id, "withdraw consent", detail)
        return ended

    def use(self, action: Action, patient_ids: Collection[str], *, purpose: str) -> None:
        """Check that the user may do something with all of these patients, and log that it is done.

        For what leaves the workspace: exports, files of encodings, publications.

        Parameters
        ----------
        purpose
            Where it goes, without names of people.

        Raises
        ------
        AccessError
            One of them may not be used so; nothing is logged.
        InputError
            One of them is not in the workspace.
        """
        with self._write() as connection:
            self._require(connection, action, patient_ids)
            self._log(connection, action.value, "", {"patients": sorted(set(patient_ids)), "purpose": purpose})

    @contextmanager
    def deriving(
        self,
        kind: DerivedKind,
        paths: Sequence[Path],
        *,
        patients: Collection[str],
        photos: Collection[str] = (),
    ) -> Iterator[None]:
        """Write files made of people within this block: they are registered before, and looked for again afterwards.

        Who is withdrawn while the block runs is not in any file that is left when it has ended. A file made of nobody
        of this workspace needs no note.

        Parameters
        ----------
        paths
            Every file, or new folder, that the block writes; files that are there may be written over.
        patients, photos
            Everybody whose data will be in any of them.

        Raises
        ------
        AccessError
            The user may not see one of them, or one was withdrawn meanwhile: then what was written is deleted.
        InputError
            One of them is not in the workspace; a path is the workspace's own, a link or an existing folder.
        """
        places = [derived.place_of(path, self.root) for path in paths]
        if not places or not (patients or photos):
            yield
            return
        before = {place: derived.mark_of(self.root / place) for place in places}
        of, of_photos = sorted(set(patients)), sorted(set(photos))
        with self._write() as connection:
            owners = photo_rows.patients_of(connection, of_photos).values()
            self._require(connection, Action.SEE, {*of, *owners})
            notes = derived.register(
                connection, kind=kind, places=places, patient_ids=of, photo_ids=of_photos, at=self._now()
            )
            detail = {"kind": str(kind), "notes": list(notes), "patients": sorted({*of, *owners}), "photos": of_photos}
            self._log(connection, "register", "", detail)
        written = dict(zip(places, notes, strict=False))
        try:
            yield
        except BaseException:
            with suppress(DeciFaceError):  # what went wrong in the block is what is told
                self._settle(before, written, patients=of, photos=of_photos, ended=False)
            raise
        if not self._settle(before, written, patients=of, photos=of_photos, ended=True):
            raise AccessError(
                f"'{paths[0]}' was not kept: somebody it was made of was withdrawn meanwhile; make it without them"
            )

    def _settle(
        self,
        before: Mapping[str, tuple[int, ...] | None],
        written: Mapping[str, str],
        *,
        patients: Collection[str],
        photos: Collection[str],
        ended: bool,
    ) -> bool:
        """Whether what was written may stay; else it is deleted. Notes of files that a failed block did not write go.

        In a write transaction, so that nobody is withdrawn between the look and the answer.
        """
        with self._write() as connection:
            notes = list(written.values())
            kept = derived.stands(connection, notes, patient_ids=patients, photo_ids=photos)
            if not kept:
                for place, mark in before.items():
                    if derived.mark_of(self.root / place) not in (None, mark):
                        derived.remove(self.root / place)
                self._log(connection, "delete what was derived", "", {"notes": notes})
            if not ended:
                missing = [note for place, note in written.items() if derived.mark_of(self.root / place) is None]
                if missing:
                    derived.take_back(connection, missing)
                    self._log(connection, "take back", "", {"notes": missing})
        return kept

    def trail(self, *, after: int = 0, limit: int = 100) -> tuple[Entry, ...]:
        """Entries of the audit trail behind a number, oldest first; takes a coordinator or an administrator."""
        self._require_role(Action.AUDIT)
        with self._read() as connection:
            return tuple(audit.entries(connection, after=after, limit=limit))

    def note_restored(self, made_at: str) -> None:
        """Log that the workspace was restored from a backup made at a time (ISO 8601); takes an administrator."""
        self._require_role(Action.BACK_UP)
        with self._write() as connection:
            self._log(connection, "restore", "", {"backup_of": made_at})

    def kind_of(self, subject_id: str) -> SubjectKind:
        """Tell whether an id is that of a patient or of a photo, here or withdrawn.

        Raises
        ------
        AccessError
            The user may neither see nor withdraw it.
        InputError
            Of neither, or of both.
        """
        with self._read() as connection:
            gone = tombstones.read_tombstones(connection)
            owner = photo_rows.patients_of(connection, [subject_id]).get(subject_id)
            of = {SubjectKind.PATIENT: subject_id, SubjectKind.PHOTO: owner}
            facts = facts_of(connection, [patient_id for patient_id in of.values() if patient_id])
        records = {kind: facts.get(patient_id or "") for kind, patient_id in of.items()}
        found = [kind for kind in SubjectKind if records[kind] or (str(kind), subject_id) in gone]
        for kind in found or SubjectKind:
            self._require_see_or_withdraw(records[kind])
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(f"'{subject_id}' is both a patient and a photo; say which: --kind patient or --kind photo")
        raise InputError(f"'{subject_id}' is neither a patient nor a photo of the workspace; list its cases first")

    def _require_see_or_withdraw(self, record: RecordFacts | None) -> None:
        """Raise `AccessError` unless the user may see or withdraw a record, or could one that is gone."""
        refused = may(self.actor, Action.WITHDRAW, record or RecordFacts(), on=self._today())
        if record is None:
            able = any(not isinstance(rule_for(self.actor, a), Never) for a in (Action.SEE, Action.WITHDRAW))
        else:
            able = bool(refused or may(self.actor, Action.SEE, record, on=self._today()))
        if not able:
            raise AccessError(refused.reason)

    def set_user(self, name: str, roles: Collection[Role], site: str | None = None) -> Actor:
        """Add a user or give one other roles; takes an administrator.

        Parameters
        ----------
        name, roles
            The name on this machine, and all roles the user has from now on.
        site
            The user's site; None: that of the workspace.

        Raises
        ------
        AccessError
            The user who acts is no administrator.
        InputError
            An empty name, or nobody would be left who may manage users.
        """
        site = read_settings(self.root / FILE).site if site is None else site
        with self._write() as connection:
            self._require_role(Action.MANAGE)
            user_rows.write_user(connection, name, roles, site=site, at=self._now())
            detail = {"user": name, "roles": sorted(role.value for role in roles), "site": site}
            self._log(connection, "set user", "", detail)
        return Actor(name, frozenset(roles), site)

    def users(self) -> tuple[Actor, ...]:
        """All users by name, with roles and site; takes an administrator."""
        self._require_role(Action.MANAGE)
        with self._read() as connection:
            return user_rows.read_users(connection)

    def _changed(self, connection: Connection, patient_id: str, action: str, detail: Mapping[str, object]) -> None:
        consents.touch(connection, patient_id, at=self._now())
        versions.count_up(connection)
        self._log(connection, action, patient_id, detail)
