"""The rules of `deciface.consent` as conditions of SQL, so that a list never loads what may not be seen."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable

from sqlalchemy import ColumnElement, Connection, and_, exists, false, or_, select, true

from deciface.cases import Consent, Scope
from deciface.consent import (
    Actor,
    All,
    Always,
    Any,
    Condition,
    ConsentsTo,
    IsOwner,
    IsSimulated,
    Never,
    NotErased,
    RecordFacts,
    SameSite,
    SharedWith,
)
from deciface.store import tables
from deciface.store.case_rows import LISTS, in_chunks

_PATIENTS = tables.patients.c
_CONSENTS = tables.consents.c


def allowed(condition: Condition, actor: Actor, *, on: dt.date) -> ColumnElement[bool]:
    """Compile a condition into one over `tables.patients`; says the same as `deciface.consent.rules.holds`.

    Parameters
    ----------
    condition
        Usually ``rule_for(actor, action)``.
    actor, on
        Who asks, on which day.
    """
    return _compiled(shortened(condition), actor, on)


def _compiled(condition: Condition, actor: Actor, on: dt.date) -> ColumnElement[bool]:
    match condition:
        case All(parts):
            return and_(true(), *(_compiled(part, actor, on) for part in parts))
        case Any(parts):
            return or_(false(), *(_compiled(part, actor, on) for part in parts))
        case ConsentsTo(scopes):
            return _in_force(_CONSENTS.scope.in_([scope.value for scope in scopes]), on)
        case SharedWith() if not actor.site:
            return false()  # nobody shares with a site that has no name
        case SharedWith():
            return _in_force(and_(_CONSENTS.scope == Scope.SHARING.value, _CONSENTS.site == actor.site), on)
        case NotErased():
            return _PATIENTS.erased.is_(False)
        case IsSimulated():
            return _PATIENTS.simulated.is_(True)
        case IsOwner():
            return _PATIENTS.owner == actor.user
        case SameSite():
            return _PATIENTS.site == actor.site
        case Always():
            return true()
        case Never():
            return false()


def shortened(condition: Condition, given: frozenset[Condition] = frozenset()) -> Condition:
    """Write a condition without repetitions: one user's roles repeat each other, and the database would ask again.

    Parameters
    ----------
    condition
        Any.
    given
        What is known to hold already where the condition stands.
    """
    match condition:
        case All(parts):
            return _all_of(parts, given)
        case Any(parts):
            return _any_of(parts, given)
        case simple:
            return Always() if simple in given else simple


def _all_of(parts: tuple[Condition, ...], given: frozenset[Condition]) -> Condition:
    found: list[Condition] = []
    for part in sorted(parts, key=lambda part: isinstance(part, Any)):  # alternatives last: they may use the others
        short = shortened(part, given | frozenset(found))
        found += short.parts if isinstance(short, All) else (short,)
    if Never() in found:
        return Never()
    return _joined(All, found, neutral=Always())


def _any_of(parts: tuple[Condition, ...], given: frozenset[Condition]) -> Condition:
    found: list[Condition] = []
    for part in parts:
        short = shortened(part, given)
        found += short.parts if isinstance(short, Any) else (short,)
    if Always() in found:
        return Always()
    found = [part for part in dict.fromkeys(found) if part != Never()]
    needs = [dict.fromkeys(part.parts if isinstance(part, All) else (part,)) for part in found]
    common = [part for part in needs[0] if all(part in of for of in needs)] if len(needs) > 1 else []
    if common:  # (a and b) or (a and c): a and (b or c)
        rest = tuple(_joined(All, [part for part in of if part not in common], neutral=Always()) for of in needs)
        return _joined(All, [*common, shortened(Any(rest), given)], neutral=Always())
    cheap_first = sorted(found, key=lambda part: isinstance(part, ConsentsTo | SharedWith | All))
    return _joined(Any, cheap_first, neutral=Never())


def _joined(kind: type[All] | type[Any], parts: Iterable[Condition], *, neutral: Condition) -> Condition:
    left = tuple(part for part in dict.fromkeys(parts) if part != neutral)
    return left[0] if len(left) == 1 else kind(left) if left else neutral


def _in_force(which: ColumnElement[bool], on: dt.date) -> ColumnElement[bool]:
    """A consent of the patient that is signed and not withdrawn by a day, as `Consent.holds`."""
    return exists().where(
        _CONSENTS.patient_id == _PATIENTS.id,
        which,
        or_(_CONSENTS.signed_on.is_(None), _CONSENTS.signed_on <= on),
        or_(_CONSENTS.withdrawn_on.is_(None), _CONSENTS.withdrawn_on > on),
    )


def facts_of(connection: Connection, patient_ids: Collection[str]) -> dict[str, RecordFacts]:
    """What the rules look at, of those patients that are stored."""
    found: dict[str, RecordFacts] = {}
    columns = (_PATIENTS.id, _PATIENTS.owner, _PATIENTS.site, _PATIENTS.simulated, _PATIENTS.erased)
    for chunk in in_chunks(sorted(set(patient_ids))):
        consents: dict[str, list[Consent]] = defaultdict(list)
        query = select(tables.consents).where(_CONSENTS.patient_id.in_(chunk))
        for row in connection.execute(query.order_by(_CONSENTS.patient_id, _CONSENTS.position)):
            consents[row.patient_id].append(LISTS["consents"].item(row))
        for row in connection.execute(select(*columns).where(_PATIENTS.id.in_(chunk))):
            found[row.id] = RecordFacts(row.owner, row.site, row.simulated, tuple(consents[row.id]), row.erased)
    return found
