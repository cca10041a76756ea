"""What adding cases would do: which are new, which are there, which contradict what is stored. Writes nothing.

The plan is made before a photo's file is written, so that no photo of anybody without consent reaches the disk, and
once more in the transaction that writes the rows.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select

from deciface.cases import NOT_STATED, Case, Consent, Photo
from deciface.consent import Action, Actor, RecordFacts, may
from deciface.errors import AccessError, DeciFaceError, InputError, MismatchError
from deciface.store import tables
from deciface.store.case_rows import in_chunks, read_facts
from deciface.store.photo_files import suffix_of
from deciface.store.photo_rows import read_photos
from deciface.store.policy_sql import facts_of
from deciface.store.tombstones import Gone, read_gone
from deciface.store.updating import as_signed, consents_ended

CARRIED = ("patient", "diagnoses", "unaffected", "phenotypes")
"""The facts of a case that each of its photos carries."""
FACTS = (
    *CARRIED,
    "variants",
    "consents",
    "participant",
    "last_seen_age",
    "vital_status",
    "references",
    "other_ids",
    "site",
    "as_written",
)
"""Every fact of a case."""
_OF_PATIENT = ("sex", "ancestry", "country", "simulated", "country_of_birth", "family")
_OF_PHOTO = ("sha256", "age_years", *CARRIED, "view", "source", "occlusions", "file_name", "replaces")
_SAID = {
    "sha256": "pixels",
    "age_years": "age",
    "country_of_birth": "country of birth",
    "last_seen_age": "age when last seen",
    "vital_status": "vital status",
    "other_ids": "other ids",
    "as_written": "original wording",
    "file_name": "file name",
}


class Added(StrEnum):
    """What became of a case or a photo that was given."""

    ADDED = "added"
    ALREADY_THERE = "already there"


class Stated(StrEnum):
    """What is given: a whole case, or a photo with those facts of its case that it carries."""

    CASE = "case"
    PHOTO = "photo"


@dataclass
class Additions:
    """What is to be written.

    Parameters
    ----------
    outcomes
        One for each given case: added, already there, or why it is refused.
    cases, photos
        To be inserted.
    completed
        Photos that are stored without an image, which comes now.
    files
        Ids of the photos of which the image has to be written.
    ended
        By patient id: all consents of a stored patient, of which a given case says that some were withdrawn.
    """

    outcomes: list[Added | DeciFaceError] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    photos: list[Photo] = field(default_factory=list)
    completed: list[Photo] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    ended: dict[str, tuple[Consent, ...]] = field(default_factory=dict)

    def photos_by_patient(self) -> dict[str, list[str]]:
        """Ids of the photos that are added or completed, by each patient about whom something is written."""
        found: dict[str, list[str]] = {case.id: [] for case in self.cases}
        for photo in self.photos + self.completed:
            found.setdefault(photo.patient.id, []).append(photo.id)
        return found


def plan(
    connection: Connection,
    cases: Sequence[Case],
    *,
    images: Mapping[str, bytes],
    stated: Stated,
    actor: Actor,
    on: dt.date,
) -> Additions:
    """Decide about cases, each on its own: one that is refused does not stop the others.

    Parameters
    ----------
    connection
        Within `engines.read` or `engines.write`.
    images
        By photo id, of those photos of which an image is given.
    stated
        Whether the cases state all their facts, or those that a photo carries.
    actor, on
        Who adds them, on which day.
    """
    unstorable = {i: error for i, case in enumerate(cases) if (error := _unstorable(case))}
    stored = _Stored(connection, [case for i, case in enumerate(cases) if i not in unstorable])
    additions = Additions()
    for i, case in enumerate(cases):
        try:
            if i in unstorable:
                raise unstorable[i]
            record = _admitted(case, stored, stated=stated, actor=actor, on=on)
            if ended := stored.end_consents(case):  # also when the rest of the case contradicts what is stored
                additions.ended[case.id] = ended
            known = [photo for photo in case.photos if photo.id not in stored.gone.photos]
            new, completed = _decide(
                replace(case, photos=tuple(known)), stored, record, images=images, stated=stated, actor=actor, on=on
            )
        except DeciFaceError as error:
            additions.outcomes.append(error)
            continue
        is_new = case.id not in stored.facts
        additions.outcomes.append(Added.ADDED if is_new or new or completed else Added.ALREADY_THERE)
        if is_new:
            additions.cases.append(case)
        additions.photos += new
        additions.completed += completed
        additions.files |= {photo.id for photo in (*new, *completed) if photo.id in images}
        stored.take(case, new, actor)
    return additions


class _Stored:
    """What is stored under the ids and pixels that are given; grows with the cases that are to be added."""

    def __init__(self, connection: Connection, cases: Sequence[Case]) -> None:
        people = {case.id for case in cases}
        photo_ids = {photo.id for case in cases for photo in case.photos}
        self.facts = read_facts(connection, people)
        self.records = facts_of(connection, people)
        self.photos = {photo.id: photo for photo in read_photos(connection, photo_ids)}
        columns = tables.photos.c
        pixels = {p.sha256 for case in cases for p in case.photos if p.sha256 != NOT_STATED}
        self.pixels = {
            row.sha256: (row.id, row.patient_id)
            for row in _rows(connection, (columns.sha256, columns.id, columns.patient_id), columns.sha256, pixels)
        }
        self.without_file = {
            row.id
            for row in _rows(connection, (columns.id, columns.file_sha256), columns.id, photo_ids)
            if row.file_sha256 is None
        }
        self.encoded = _encoded(connection, self.without_file)
        self.owners = facts_of(connection, {owner for _, owner in self.pixels.values()})
        self.gone = read_gone(connection)

    def end_consents(self, case: Case) -> tuple[Consent, ...]:
        """Count as ended what a case says was withdrawn; all consents of the patient then, or none if none ended."""
        if (facts := self.facts.get(case.id)) is None:
            return ()
        ended = consents_ended(facts.consents, case.consents)
        if ended == facts.consents:
            return ()
        self.facts[case.id] = replace(facts, consents=ended)
        self.records[case.id] = replace(self.records[case.id], consents=ended)
        return ended

    def take(self, case: Case, new: Iterable[Photo], actor: Actor) -> None:
        """From now on a case counts as stored."""
        self.facts.setdefault(case.id, replace(case, photos=()))
        self.records.setdefault(case.id, _record_of(case, actor))
        for photo in new:
            self.photos[photo.id] = photo
            self.pixels.setdefault(photo.sha256, (photo.id, case.id))
        self.pixels.pop(NOT_STATED, None)


def _rows(connection: Connection, columns: tuple[Any, ...], key: Any, values: Collection[str]) -> Iterable[Any]:  # noqa: ANN401 (columns)
    for chunk in in_chunks(sorted(values)):
        yield from connection.execute(select(*columns).where(key.in_(chunk)))


def _encoded(connection: Connection, photo_ids: Collection[str]) -> set[str]:
    photo = tables.encodings.c.photo_id
    return {row.photo_id for row in _rows(connection, (photo,), photo, photo_ids)}


def _record_of(case: Case, actor: Actor) -> RecordFacts:
    return RecordFacts(actor.user, actor.site, case.patient.simulated, case.consents)


def _admitted(case: Case, stored: _Stored, *, stated: Stated, actor: Actor, on: dt.date) -> RecordFacts:
    """What the rules look at of a case that the actor may add; raises why it is refused."""
    _refuse_withdrawn(stored.gone, case, stated)
    record = stored.records.get(case.id) or _record_of(case, actor)
    if not (decision := may(actor, Action.ADD, record, on=on)):
        raise AccessError(f"patient '{case.id}': {decision.reason}")
    return record


def _decide(
    case: Case,
    stored: _Stored,
    record: RecordFacts,
    *,
    images: Mapping[str, bytes],
    stated: Stated,
    actor: Actor,
    on: dt.date,
) -> tuple[list[Photo], list[Photo]]:
    """Which photos are new and which are completed; raises why a case is refused."""
    record = stored.records.get(case.id, record)
    if case.with_photos(case.photos) != case:
        raise InputError(f"case '{case.id}' has photos that state other facts than the case; use Case.with_photos")
    new, completed = [], []
    for photo in case.photos:
        known = stored.photos.get(photo.id)
        if known is None:
            _refuse_pixels_of_others(photo, stored, actor, on)
            new.append(photo)
        elif _completes(photo, known, stored, images, actor, on):
            completed.append(photo)
    if facts := stored.facts.get(case.id):
        _refuse_other_facts(facts, case, stated)
    consented = record.simulated or any(consent.holds(on) for consent in record.consents)
    if not consented and any(photo.id in images for photo in (*new, *completed)):
        raise AccessError(f"no consent is recorded for patient '{case.id}': record it first")
    for photo in (*new, *completed):
        if photo.id in images:
            suffix_of(images[photo.id])
    return new, completed


def _unstorable(case: Case) -> InputError | None:
    """Why not every database would keep a case: NUL, half characters, huge numbers, an id that is empty or twice."""
    ids = [photo.id for photo in case.photos]
    if not case.id or not all(ids):
        return InputError(f"case '{case.id}' has an empty id, its own or a photo's; give every patient and photo one")
    if twice := [photo_id for i, photo_id in enumerate(ids) if photo_id in ids[:i]]:
        return InputError(f"case {case.id!r} has two photos with the id {twice[0]!r}; give each its own")
    for photo in case.photos:
        if photo.age_years is not None and not math.isfinite(photo.age_years):
            return InputError(f"photo '{photo.id}' has the age {photo.age_years}; give years as a number, or none")
    for variant in case.variants:
        if variant.position is not None and not 0 <= variant.position < _LONGEST:
            return InputError(
                f"case '{case.id}' has a variant at position {variant.position}; no chromosome is as long"
            )
    shown = repr(case)
    if ("\\x00" in shown or "\\ud" in shown) and any(_NO_TEXT.search(text) for text in _texts(astuple(case))):
        return InputError(f"case {case.id!r} has text with NUL or half a character in it; save its source as UTF-8")
    return None


def refuse_unstorable(case: Case) -> None:
    """Raise `InputError` for a case that not every database would keep as it is."""
    if error := _unstorable(case):
        raise error


_LONGEST = 2**31
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


def _texts(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, tuple):
            yield from _texts(value)


def _refuse_withdrawn(gone: Gone, case: Case, stated: Stated) -> None:
    """Raise `AccessError` when the patient was withdrawn, or the one photo that is all that is given."""
    if case.id in gone.patients:
        raise AccessError(f"patient '{case.id}' was withdrawn; nothing about them is stored again")
    if stated is Stated.PHOTO and case.photos[0].id in gone.photos:
        raise AccessError(f"photo '{case.photos[0].id}' was withdrawn; it is not stored again")


def _refuse_pixels_of_others(photo: Photo, stored: _Stored, actor: Actor, on: dt.date) -> None:
    other, owner = stored.pixels.get(photo.sha256, ("", photo.patient.id))
    if owner == photo.patient.id:
        return
    record = stored.records.get(owner) or stored.owners.get(owner)
    if record is not None and may(actor, Action.SEE, record, on=on):
        raise MismatchError(
            f"photo '{photo.id}' of patient '{photo.patient.id}' has the pixels of photo '{other}' of patient "
            f"'{owner}'; correct the patient id of one of them"
        )
    raise MismatchError(
        f"photo '{photo.id}' of patient '{photo.patient.id}' has the pixels of a photo that is stored of another "
        "patient, whom you may not see; correct the patient id, or ask a curator"
    )


def _completes(
    photo: Photo, known: Photo, stored: _Stored, images: Mapping[str, bytes], actor: Actor, on: dt.date
) -> bool:
    """Whether the image of a photo comes that is only described so far; raises when it is another photo."""
    if photo.patient.id != known.patient.id:  # and no word of whose: that patient may not be the actor's to see
        raise MismatchError(f"photo '{photo.id}' is stored already with other patient; give the new photo another id")
    comes = photo.id in images and photo.id in stored.without_file
    open_pixels = photo.sha256 == NOT_STATED or (comes and known.sha256 == NOT_STATED)
    compared = replace(photo, sha256=known.sha256) if open_pixels else photo
    if compared != known:
        differing = _said(_OF_PHOTO, known, compared)
        raise MismatchError(
            f"photo '{photo.id}' is stored already with other {differing}; give the new photo another id"
        )
    if comes and photo.sha256 != known.sha256:
        _refuse_pixels_of_others(photo, stored, actor, on)
        if photo.id in stored.encoded:
            raise MismatchError(
                f"photo '{photo.id}' has encodings that do not say from which pixels they were made; "
                "give the image another photo id"
            )
    return comes


def _refuse_other_facts(stored: Case, given: Case, stated: Stated) -> None:
    names = [name for name in differing_facts(stored, given) if stated is Stated.CASE or name in CARRIED]
    if not names:
        return
    if names == ["patient"]:
        said = _said(_OF_PATIENT, stored.patient, given.patient)
    else:
        said = " and ".join(_SAID.get(name, name) for name in names)
    if stated is Stated.PHOTO:
        raise MismatchError(
            f"patient '{given.id}' is stored with other {said} than photo '{given.photos[0].id}' states; "
            "correct the new one"
        )
    raise MismatchError(
        f"case '{given.id}' is stored already with other {said}; change the stored case or give the new one another id"
    )


def differing_facts(stored: Case, given: Case) -> list[str]:
    """Names of the facts in which two cases differ; a consent that was withdrawn or added since is no difference."""
    differing = [name for name in FACTS if name != "consents" and getattr(stored, name) != getattr(given, name)]
    recorded = {as_signed(consent) for consent in stored.consents}
    new_consents = any(as_signed(consent) not in recorded for consent in given.consents)
    return [name for name in FACTS if name in differing or (name == "consents" and new_consents)]


def _said(names: Iterable[str], stored: object, given: object) -> str:
    return " and ".join(_SAID.get(n, n) for n in names if getattr(stored, n) != getattr(given, n))
