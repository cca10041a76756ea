"""What a workspace is answerable for: consents, users, what leaves it, what was made of photos, and who did what."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from pathlib import Path

from sqlalchemy import Connection

from deciface.cases import Consent, Scope
from deciface.consent import Action, Actor, Role
from deciface.errors import InputError
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

    def register(self, kind: DerivedKind, path: str | Path, photo_ids: Collection[str]) -> None:
        """Note, before a file is written, which photos it is made from, so that it is erased with them.

        Raises
        ------
        AccessError
            The user may not see one of them.
        InputError
            No photo is named, or one of them is not in the workspace.
        """
        with self._write() as connection:
            self._require(connection, Action.SEE, set(photo_rows.patients_of(connection, photo_ids).values()))
            noted = derived.register(connection, kind=kind, path=path, photo_ids=photo_ids, at=self._now())
            self._log(connection, "register", noted, {"kind": str(kind), "photos": sorted(set(photo_ids))})

    def trail(self, *, after: int = 0, limit: int = 100) -> tuple[Entry, ...]:
        """Entries of the audit trail behind a number, oldest first; takes a coordinator or an administrator."""
        self._require_role(Action.AUDIT)
        with self._read() as connection:
            return tuple(audit.entries(connection, after=after, limit=limit))

    def note_restored(self, made_at: str) -> None:
        """Log that the workspace was restored from a backup made at a time (ISO 8601)."""
        with self._write() as connection:
            self._log(connection, "restore", "", {"backup_of": made_at})

    def kind_of(self, subject_id: str) -> SubjectKind:
        """Tell whether an id is that of a patient or of a photo, here or withdrawn.

        Raises
        ------
        InputError
            Of neither, or of both.
        """
        with self._read() as connection:
            gone = tombstones.read_tombstones(connection)
            here = {
                SubjectKind.PATIENT: bool(facts_of(connection, [subject_id])),
                SubjectKind.PHOTO: bool(photo_rows.patients_of(connection, [subject_id])),
            }
        found = [kind for kind in SubjectKind if here[kind] or (str(kind), subject_id) in gone]
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(f"'{subject_id}' is both a patient and a photo; say which is meant")
        raise InputError(f"'{subject_id}' is neither a patient nor a photo of the workspace; list its cases first")

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
