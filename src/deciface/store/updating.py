"""What a source says of a stored case: what it states replaces what is stored, what it leaves open changes nothing.

Pure functions over cases; nothing is read or written. A withdrawal of a consent always arrives, and nothing a source
says brings a withdrawn consent back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields, replace
from typing import Any

from deciface.cases import NOT_STATED, Case, Consent, Participant, Photo
from deciface.errors import MismatchError

_OF_CASE = ("phenotypes", "variants", "last_seen_age", "vital_status", "references", "other_ids", "site")
_OF_PHOTO = ("age_years", "view", "source", "occlusions", "file_name", "replaces")
"""What a photo has of its own that a source may correct; other pixels are another photo."""


def updated(stored: Case, given: Case) -> Case:
    """Put the facts that a given case states in the place of the stored ones; the photos stay as they are.

    Raises
    ------
    MismatchError
        A real person made simulated.
    """
    if given.patient.simulated and not stored.patient.simulated:
        raise MismatchError(f"patient '{given.id}' cannot change between simulated and real; use another id")
    changes = _stated(given, _OF_CASE)
    if given.diagnoses or given.unaffected:  # one statement: who has a disorder is not unaffected
        changes |= {"diagnoses": given.diagnoses, "unaffected": given.unaffected}
    new_words = {field for field, _ in given.as_written}
    if new_words:
        kept = tuple(pair for pair in stored.as_written if pair[0] not in new_words)
        changes["as_written"] = (
            stored.as_written
            if set(given.as_written) <= set(stored.as_written)
            else (
                *kept,
                *given.as_written,
            )
        )
    patient = replace(stored.patient, **_stated(given.patient, [f.name for f in fields(given.patient)]))
    consents = consents_with(stored.consents, given.consents)
    participant = _participant(stored.participant, given.participant)
    case = replace(stored, patient=patient, consents=consents, participant=participant, **changes)
    return case.with_photos(stored.photos)


def _participant(stored: Participant | None, given: Participant | None) -> Participant | None:
    if stored is None or given is None:
        return given or stored
    return replace(
        stored, site=given.site or stored.site, **_stated(given, [f.name for f in fields(given) if f.name != "site"])
    )


def photos_updated(stored: Case, given: Iterable[Photo]) -> Iterator[tuple[Photo, tuple[str, ...]]]:
    """Stored photos with what a source states of them, and the names of what changes; those that change alone.

    Raises
    ------
    MismatchError
        One has other pixels than are stored.
    """
    known = {photo.id: photo for photo in stored.photos}
    for photo in given:
        before = known.get(photo.id)
        if before is None:
            continue
        if NOT_STATED not in (photo.sha256, before.sha256) and photo.sha256 != before.sha256:
            raise MismatchError(
                f"photo '{photo.id}' is stored already with other pixels; give the new photo another id"
            )
        after = replace(before, **_stated(photo, _OF_PHOTO))
        if names := tuple(name for name in _OF_PHOTO if getattr(before, name) != getattr(after, name)):
            yield after, names


def consents_with(stored: tuple[Consent, ...], given: tuple[Consent, ...]) -> tuple[Consent, ...]:
    """Stored consents with the withdrawals of a source, and behind them those that are new.

    Not taken: a consent that is recorded already, as it was signed, whatever became of it; and one in force to a use
    that has been withdrawn, unless it says that it was signed later.
    """
    given = consents_ended(given, given)  # a source that says of one consent both that it holds and that it ended
    ended = consents_ended(stored, given)
    recorded = {as_signed(consent) for consent in stored}
    withdrawn: dict[tuple[object, object], dt.date] = {}
    for consent in ended:
        if consent.withdrawn_on is not None:
            key = (consent.scope, consent.site)
            withdrawn[key] = max(withdrawn.get(key, consent.withdrawn_on), consent.withdrawn_on)
    new = []
    for consent in given:
        since = withdrawn.get((consent.scope, consent.site))
        revives = consent.withdrawn_on is None and since and (consent.signed_on is None or consent.signed_on <= since)
        if as_signed(consent) not in recorded and not revives:
            recorded.add(as_signed(consent))
            new.append(consent)
    return (*ended, *new)


def consents_ended(stored: tuple[Consent, ...], given: tuple[Consent, ...]) -> tuple[Consent, ...]:
    """Stored consents, each ended on the day on which a given case says it was withdrawn.

    A withdrawal ends the same consent as it was signed; where none is recorded so, every consent to that use that was
    signed by then and that the case does not also give as in force.
    """
    recorded = {as_signed(consent) for consent in stored}
    in_force = {consent for consent in given if consent.withdrawn_on is None}
    found = list(stored)
    for withdrawal in given:
        day = withdrawal.withdrawn_on
        if day is None:
            continue
        for i, consent in enumerate(found):
            if consent.withdrawn_on is not None and consent.withdrawn_on <= day:
                continue
            if as_signed(withdrawal) in recorded:
                meant = as_signed(consent) == as_signed(withdrawal)
            else:
                same_use = (consent.scope, consent.site) == (withdrawal.scope, withdrawal.site)
                signed = consent.signed_on is None or consent.signed_on <= day
                meant = same_use and signed and as_signed(consent) not in in_force
            if meant:
                found[i] = replace(consent, withdrawn_on=day)
    return tuple(found)


def as_signed(consent: Consent) -> Consent:
    """Return a consent as it was before anybody withdrew it."""
    return replace(consent, withdrawn_on=None)


def _stated(given: Any, names: Iterable[str]) -> dict[str, Any]:  # noqa: ANN401 (any of the case's dataclasses)
    """Those fields of a dataclass that differ from their default."""
    defaults = {f.name: f.default for f in fields(given) if f.default is not MISSING}
    return {name: getattr(given, name) for name in names if name in defaults and getattr(given, name) != defaults[name]}
