"""Who may use a workspace: names, roles, sites."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, insert, select, update

from deciface.consent import Actor, Role
from deciface.errors import InputError
from deciface.store import tables

CREATOR_ROLES = frozenset({Role.CONTRIBUTOR, Role.CURATOR, Role.COORDINATOR, Role.ADMIN})
"""Of whoever makes a workspace. Not a reader: readers must not have seen the cases they are shown."""


def read_actor(connection: Connection, user: str) -> Actor:
    """Read what a user may do; a name that is not in the table has no role."""
    found = connection.execute(select(tables.users).where(tables.users.c.name == user)).one_or_none()
    return Actor(user) if found is None else Actor(user, frozenset(map(Role, found.roles)), found.site)


def read_users(connection: Connection) -> tuple[Actor, ...]:
    """All users, by name."""
    query = select(tables.users).order_by(tables.users.c.name)
    return tuple(Actor(row.name, frozenset(map(Role, row.roles)), row.site) for row in connection.execute(query))


def write_user(connection: Connection, name: str, roles: Collection[Role], *, site: str, at: str) -> None:
    """Add a user, or give one other roles.

    Raises
    ------
    InputError
        An empty name, or nobody would be left who may manage users.
    """
    if not name.strip():
        raise InputError("a user needs a name; give the one they have on this machine")
    others = [user for user in read_users(connection) if user.user != name]
    if Role.ADMIN not in roles and not any(Role.ADMIN in user.roles for user in others):
        raise InputError(f"'{name}' is the last administrator; give somebody else the role admin first")
    values = {"roles": sorted(role.value for role in roles), "site": site}
    known = update(tables.users).where(tables.users.c.name == name)
    if connection.execute(known.values(**values)).rowcount == 0:
        connection.execute(insert(tables.users).values(name=name, created_at=at, **values))
