"""Roles, actions and who acts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody does in the study. One user may have several roles."""

    VIEWER = "viewer"
    CONTRIBUTOR = "contributor"
    CURATOR = "curator"
    COORDINATOR = "coordinator"
    READER = "reader"
    ADMIN = "admin"


class Action(StrEnum):
    """What can be done with the record of one patient, or (last three) with the workspace."""

    SEE = "see the record"
    SEE_PHOTO = "see the photo"
    ADD = "add the record"
    EDIT = "change the record"
    ENCODE = "encode the photo"
    COMPARE = "use it in the reference gallery"
    READ = "show the photo in a reader study"
    EXPORT = "export the record"
    EXPORT_PHOTO = "export the photo or its encodings"
    PUBLISH = "publish the record"
    WITHDRAW = "withdraw and erase the record"
    AUDIT = "read the audit trail"
    MANAGE = "manage users"
    BACK_UP = "back up the workspace"


WORKSPACE_ACTIONS = frozenset({Action.AUDIT, Action.MANAGE, Action.BACK_UP})
"""Actions on the workspace as a whole: no record is looked at."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts.

    Parameters
    ----------
    user
        Name within the workspace; stands in the audit trail.
    roles
        All of the user's roles; an action is allowed when one of them allows it. None at all: nothing is allowed.
    site
        The user's site; empty: the workspace's own.
    """

    user: str
    roles: frozenset[Role] = frozenset()
    site: str = ""
