"""Conditions on a record, as data: evaluated here in Python, compiled by `deciface.store` into SQL.

A condition is a small tree. `holds` decides it for one record; a property test compares the answer with the database's.
Nothing here knows a database.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from deciface.cases import Consent, Scope
from deciface.consent.roles import Actor


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """What the rules look at of one patient's record.

    Parameters
    ----------
    owner
        User who added it.
    site
        Site it belongs to; empty: the workspace's own.
    simulated
        True for people who do not exist.
    consents
        All that are recorded, withdrawn ones too.
    erased
        True from the moment of withdrawal: a tombstone stands in its place.
    """

    owner: str = ""
    site: str = ""
    simulated: bool = False
    consents: tuple[Consent, ...] = ()
    erased: bool = False


@dataclass(frozen=True, slots=True)
class Always:
    """Holds for every record."""

    def __str__(self) -> str:
        return "every record"


@dataclass(frozen=True, slots=True)
class Never:
    """Holds for no record."""

    def __str__(self) -> str:
        return "no record"


@dataclass(frozen=True, slots=True)
class NotErased:
    """The record has not been withdrawn."""

    def __str__(self) -> str:
        return "the record is not withdrawn"


@dataclass(frozen=True, slots=True)
class IsSimulated:
    """The person does not exist."""

    def __str__(self) -> str:
        return "the person is simulated"


@dataclass(frozen=True, slots=True)
class IsOwner:
    """The actor added the record."""

    def __str__(self) -> str:
        return "the actor added it"


@dataclass(frozen=True, slots=True)
class SameSite:
    """Record and actor belong to one site."""

    def __str__(self) -> str:
        return "it belongs to the actor's site"


@dataclass(frozen=True, slots=True)
class ConsentsTo:
    """A consent to one of the scopes is in force."""

    scopes: tuple[Scope, ...]

    def __str__(self) -> str:
        return f"consent to {' or '.join(self.scopes)} is in force"


@dataclass(frozen=True, slots=True)
class SharedWith:
    """A consent to share with the actor's site is in force."""

    def __str__(self) -> str:
        return "consent to share with the actor's site is in force"


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " and ".join(f"({p})" if isinstance(p, Any) else str(p) for p in self.parts)


@dataclass(frozen=True, slots=True)
class Any:
    """At least one part holds."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return ", or ".join(str(p) for p in self.parts)


Condition = Always | Never | NotErased | IsSimulated | IsOwner | SameSite | ConsentsTo | SharedWith | All | Any


def holds(condition: Condition, actor: Actor, record: RecordFacts, *, on: dt.date) -> bool:
    """Decide a condition for one record on a day."""
    match condition:
        case All(parts):
            return all(holds(part, actor, record, on=on) for part in parts)
        case Any(parts):
            return any(holds(part, actor, record, on=on) for part in parts)
        case ConsentsTo(scopes):
            return any(c.scope in scopes and c.holds(on) for c in record.consents)
        case SharedWith():
            named = (c for c in record.consents if c.scope is Scope.SHARING and c.site and c.site == actor.site)
            return any(c.holds(on) for c in named)
        case simple:
            return _SIMPLE[type(simple)](actor, record)


_SIMPLE: dict[type, Callable[[Actor, RecordFacts], bool]] = {
    Always: lambda _actor, _record: True,
    Never: lambda _actor, _record: False,
    NotErased: lambda _actor, record: not record.erased,
    IsSimulated: lambda _actor, record: record.simulated,
    IsOwner: lambda actor, record: record.owner == actor.user,
    SameSite: lambda actor, record: record.site == actor.site,
}
