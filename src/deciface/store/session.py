"""One user at work in a workspace: transactions, what the policy allows, and the line in the audit trail."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sqlalchemy import ColumnElement, Connection, Engine

from deciface.consent import Action, Actor, Never, RecordFacts, may, rule_for
from deciface.errors import AccessError, InputError
from deciface.store import audit, engines, versions
from deciface.store.photo_files import PhotoFiles
from deciface.store.policy_sql import allowed, facts_of

Clock = Callable[[], dt.datetime]
"""Tells the time, with its zone."""


def utc_now() -> dt.datetime:
    """The time; the clock of a workspace that is given none."""
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class Session:
    """An open workspace and who uses it.

    Parameters
    ----------
    root
        The folder.
    engine
        Its database.
    actor
        The user, with roles and site.
    clock
        Tells the time, with its zone.
    files
        Where the images are.
    """

    root: Path
    engine: Engine
    actor: Actor
    clock: Clock
    files: PhotoFiles

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _log(self, connection: Connection, action: str, record: str, detail: Mapping[str, object]) -> None:
        audit.append(connection, at=self._now(), actor=self.actor.user, action=action, record=record, detail=detail)

    def _now(self) -> str:
        return versions.stamp(self.clock())

    def _today(self) -> dt.date:
        return self.clock().astimezone().date()

    def _allowed(self, action: Action) -> ColumnElement[bool]:
        """Filter of a list; a user whom no role allows the action at all is told so instead of shown nothing."""
        rule = rule_for(self.actor, action)
        if isinstance(rule, Never):
            raise AccessError(may(self.actor, action, RecordFacts(), on=self._today()).reason)
        return allowed(rule, self.actor, on=self._today())

    def _require(self, connection: Connection, action: Action, patient_ids: Collection[str]) -> None:
        facts = facts_of(connection, patient_ids)
        for patient_id in sorted(set(patient_ids)):
            if patient_id not in facts:
                raise InputError(f"patient '{patient_id}' is not in the workspace; list its cases first")
            if not (decision := may(self.actor, action, facts[patient_id], on=self._today())):
                raise AccessError(f"patient '{patient_id}': {decision.reason}")

    def _require_role(self, action: Action) -> None:
        if not (decision := may(self.actor, action, on=self._today())):
            raise AccessError(decision.reason)

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with engines.told(str(self.root)), engines.write(self.engine) as connection:
            yield connection

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with engines.told(str(self.root)), engines.read(self.engine) as connection:
            yield connection
