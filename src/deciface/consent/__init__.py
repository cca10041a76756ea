"""Who may do what with a record: roles, actions, and one pure rule. No input or output."""

from deciface.consent.policy import RULES, Decision, may, may_send, rule_for
from deciface.consent.roles import Action, Actor, Role
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
)

__all__ = [
    "RULES",
    "Action",
    "Actor",
    "All",
    "Always",
    "Any",
    "Condition",
    "ConsentsTo",
    "Decision",
    "IsOwner",
    "IsSimulated",
    "Never",
    "NotErased",
    "RecordFacts",
    "Role",
    "SameSite",
    "SharedWith",
    "may",
    "may_send",
    "rule_for",
]
