"""The one rule of access: `may(actor, action, record)`. Default deny.

``RULES`` has a condition for every role and action that is allowed at all; what is not listed is denied. The store
compiles the same conditions into the SQL of its lists, so that a list never loads what may not be seen.

Reading the table: simulated people are nobody's data. A published case (consent to publication, or a publication that
shows it) may be seen and exported as a record; its photo only where a consent covers the photo. The reference gallery
takes whoever agreed to it. A reader sees nothing but the photos of the reader study. A site with which a record is
shared may look at it, and no more. What is exported to a named site needs that site's name in the consent, which the
export asks for (`may_send`). Withdrawal stops everything.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from deciface.cases import Scope
from deciface.consent.roles import WORKSPACE_ACTIONS, Action, Actor, Role
from deciface.consent.rules import (
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
    holds,
)

_PUBLISHED = ConsentsTo((Scope.PUBLICATION,))
_ANY_USE = ConsentsTo(tuple(Scope))
_OWN = Any((IsOwner(), IsSimulated()))
_HOME = Any((SameSite(), IsSimulated()))


def _rule(*parts: Condition) -> Condition:
    """All of these, and not withdrawn."""
    return All((NotErased(), *parts))


_SEE_OPEN = _rule(Any((IsSimulated(), ConsentsTo((Scope.GALLERY, Scope.PUBLICATION)))))
_COMPARE = _rule(Any((IsSimulated(), ConsentsTo((Scope.GALLERY,)))))
_PHOTO_OPEN = _rule(Any((IsSimulated(), ConsentsTo((Scope.GALLERY,)))))

RULES: Mapping[tuple[Role, Action], Condition] = MappingProxyType(
    {
        (Role.VIEWER, Action.SEE): _SEE_OPEN,
        (Role.VIEWER, Action.SEE_PHOTO): _PHOTO_OPEN,
        (Role.VIEWER, Action.COMPARE): _COMPARE,
        (Role.CONTRIBUTOR, Action.SEE): _rule(Any((IsOwner(), IsSimulated(), _SEE_OPEN))),
        (Role.CONTRIBUTOR, Action.SEE_PHOTO): _rule(Any((All((IsOwner(), _ANY_USE)), _PHOTO_OPEN))),
        (Role.CONTRIBUTOR, Action.ADD): _rule(_OWN),
        (Role.CONTRIBUTOR, Action.EDIT): _rule(_OWN),
        (Role.CONTRIBUTOR, Action.ENCODE): _rule(Any((IsSimulated(), All((IsOwner(), _ANY_USE))))),
        (Role.CONTRIBUTOR, Action.COMPARE): _COMPARE,
        (Role.CURATOR, Action.SEE): _rule(Any((SameSite(), SharedWith(), _SEE_OPEN))),
        (Role.CURATOR, Action.SEE_PHOTO): _rule(Any((All((SameSite(), _ANY_USE)), SharedWith(), _PHOTO_OPEN))),
        (Role.CURATOR, Action.ADD): _rule(_HOME),
        (Role.CURATOR, Action.EDIT): _rule(_HOME),
        (Role.CURATOR, Action.ENCODE): _rule(Any((IsSimulated(), All((SameSite(), _ANY_USE))))),
        (Role.CURATOR, Action.COMPARE): _COMPARE,
        (Role.CURATOR, Action.EXPORT): _rule(
            Any((IsSimulated(), _PUBLISHED, All((SameSite(), ConsentsTo((Scope.CARE, Scope.STUDY, Scope.SHARING))))))
        ),
        (Role.CURATOR, Action.EXPORT_PHOTO): _rule(
            Any((IsSimulated(), All((SameSite(), ConsentsTo((Scope.STUDY, Scope.GALLERY, Scope.SHARING))))))
        ),
        (Role.CURATOR, Action.PUBLISH): _rule(Any((IsSimulated(), All((SameSite(), _PUBLISHED))))),
        (Role.CURATOR, Action.WITHDRAW): _HOME,
        (Role.COORDINATOR, Action.SEE): _rule(Any((All((SameSite(), ConsentsTo((Scope.STUDY,)))), _SEE_OPEN))),
        (Role.COORDINATOR, Action.SEE_PHOTO): _rule(
            Any((IsSimulated(), All((SameSite(), ConsentsTo((Scope.STUDY,))))))
        ),
        (Role.COORDINATOR, Action.EXPORT): _rule(
            Any((IsSimulated(), _PUBLISHED, All((SameSite(), ConsentsTo((Scope.STUDY,))))))
        ),
        (Role.COORDINATOR, Action.WITHDRAW): _HOME,
        (Role.COORDINATOR, Action.AUDIT): Always(),
        (Role.READER, Action.READ): _rule(Any((IsSimulated(), ConsentsTo((Scope.READER_STUDY,))))),
        (Role.ADMIN, Action.WITHDRAW): Always(),
        (Role.ADMIN, Action.AUDIT): Always(),
        (Role.ADMIN, Action.MANAGE): Always(),
        (Role.ADMIN, Action.BACK_UP): Always(),
    }
)
"""What each role may do. An administrator keeps the machine running and sees no patient by that role alone."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether something is allowed, and why, in one sentence."""

    allowed: bool
    reason: str

    def __bool__(self) -> bool:
        return self.allowed


def rule_for(actor: Actor, action: Action) -> Condition:
    """Join the conditions under which any of the actor's roles allows an action; `Never` when none does."""
    parts = tuple(RULES[role, action] for role in Role if role in actor.roles and (role, action) in RULES)
    return parts[0] if len(parts) == 1 else Any(parts) if parts else Never()


def may(actor: Actor, action: Action, record: RecordFacts | None = None, *, on: dt.date) -> Decision:
    """Decide whether an actor may do something with a record on a day.

    Parameters
    ----------
    actor, action
        Who, what.
    record
        The record; None for actions on the workspace as a whole, and then only for these.
    on
        The day: consents are signed and withdrawn by date.

    Returns
    -------
    A decision that is true when allowed; its reason names the role that allows, or what is missing.
    """
    if (record is None) != (action in WORKSPACE_ACTIONS):
        return Decision(
            allowed=False, reason=f"to {action}, " + ("no record" if record else "a record") + " has to be named"
        )
    roles = [role for role in Role if role in actor.roles and (role, action) in RULES]
    if not roles:
        able = [str(role) for role in Role if (role, action) in RULES]
        has = ", ".join(sorted(actor.roles)) or "no role"
        return Decision(
            allowed=False, reason=f"user '{actor.user}' ({has}) may not {action}; it takes the role {' or '.join(able)}"
        )
    for role in roles:
        if holds(RULES[role, action], actor, record or RecordFacts(), on=on):
            return Decision(allowed=True, reason=f"role {role}")
    if record is not None and record.erased and action is not Action.WITHDRAW:
        return Decision(allowed=False, reason=f"to {action} is not possible: the record was withdrawn")
    needed = "; or as ".join(f"{role} if {RULES[role, action]}" for role in roles)
    return Decision(allowed=False, reason=f"user '{actor.user}' may {action} only as {needed}")


def may_send(record: RecordFacts, site: str | None, *, action: Action, on: dt.date) -> Decision:
    """Decide whether what may be exported may go to a site; None: it stays with the site it belongs to.

    Simulated people may go anywhere, and so may the record of a published case. A publication says nothing of other
    uses of a photo: that (`Action.EXPORT_PHOTO`) goes to a site only by a consent which names it.
    """
    in_force = [consent for consent in record.consents if consent.holds(on)]
    published = any(consent.scope is Scope.PUBLICATION for consent in in_force)
    if record.simulated or (published and action is Action.EXPORT):
        return Decision(allowed=True, reason="open")
    if site is None:
        if any(consent.scope not in (Scope.SHARING, Scope.PUBLICATION) for consent in in_force):
            return Decision(allowed=True, reason="stays with its site")
        return Decision(allowed=False, reason="only sharing with a named site was agreed to: name the site")
    if any(consent.scope is Scope.SHARING and consent.site == site for consent in in_force):
        return Decision(allowed=True, reason=f"consent to share with '{site}'")
    return Decision(allowed=False, reason=f"no consent to share with '{site}' is in force")
