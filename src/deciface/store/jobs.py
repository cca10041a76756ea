"""Work that is done later: a queue in the workspace's own database.

A job waits, is claimed by one worker, shows signs of life, and ends as done, failed or cancelled. A worker that gives
no sign of life for a while has died: its job can be claimed again. Whose data a payload holds is recorded beside it;
when that person is erased the job goes too, and its worker is told to stop at its next sign of life.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, insert, or_, select, update

from deciface.errors import AccessError, InputError
from deciface.store import tables
from deciface.store.engines import told, write
from deciface.store.tombstones import read_gone
from deciface.store.versions import stamp

_J = tables.jobs.c
_LONGEST_BACK_OFF = dt.timedelta(hours=1)


class JobState(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of work, as it was when it was read.

    Parameters
    ----------
    id, kind, payload, owner
        What to do, for whom.
    state, attempts, most_attempts
        Where it stands; `attempts` counts the claims.
    done, total, message
        How far it is, in its own units, and in words.
    claimed_by
        Worker that has, or last had it.
    not_before
        Not claimed before this time.
    cancel
        Somebody wants it to stop.
    """

    id: str
    kind: str
    payload: Mapping[str, Any]
    owner: str
    state: JobState
    attempts: int
    most_attempts: int
    done: int
    total: int
    message: str
    claimed_by: str | None
    not_before: str
    cancel: bool


def _random_id() -> str:
    return secrets.token_hex(16)


class JobQueue:
    """The queue of one workspace.

    Parameters
    ----------
    engine
        Of the workspace's database.
    clock
        Gives the time, with its zone.
    new_id
        Gives ids that were never given before.
    stale_after_s
        A worker without a sign of life for this long has died.
    back_off_s
        Wait before the second attempt; doubled for every further one, an hour at most.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], dt.datetime],
        new_id: Callable[[], str] = _random_id,
        stale_after_s: float = 60.0,
        back_off_s: float = 10.0,
    ) -> None:
        self._engine, self._clock, self._new_id = engine, clock, new_id
        self._stale_after = dt.timedelta(seconds=stale_after_s)
        self._back_off = dt.timedelta(seconds=back_off_s)

    def enqueue(
        self,
        kind: str,
        payload: Mapping[str, Any],
        *,
        patient_ids: Collection[str],
        owner: str,
        most_attempts: int = 3,
        connection: Connection | None = None,
    ) -> str:
        """Add a job; return its id.

        Parameters
        ----------
        payload
            JSON: ids and settings.
        patient_ids
            Everybody whose data the payload holds or names.
        connection
            A write transaction that the job belongs to: it is there when that is committed. Else one of its own.

        Raises
        ------
        InputError
            No attempt is allowed.
        AccessError
            The job is about, or its payload names, a patient or photo that was withdrawn.
        """
        if most_attempts < 1:
            raise InputError(f"a job with {most_attempts} attempts is never done; allow 1 or more")
        now, job_id = stamp(self._clock()), self._new_id()
        values = {
            "id": job_id,
            "kind": kind,
            "payload": dict(payload),
            "state": str(JobState.WAITING),
            "owner": owner,
            "attempts": 0,
            "most_attempts": most_attempts,
            "done": 0,
            "total": 0,
            "message": "",
            "not_before": now,
            "created_at": now,
            "cancel": False,
        }
        whose = [{"job_id": job_id, "patient_id": patient_id} for patient_id in sorted(set(patient_ids))]
        with nullcontext(connection) if connection is not None else self._write() as on:
            _refuse_withdrawn(on, payload, patient_ids)
            on.execute(insert(tables.jobs).values(values))
            if whose:
                on.execute(insert(tables.job_patients), whose)
        return job_id

    def claim(self, worker: str, *, kinds: Collection[str] | None = None) -> Job | None:
        """Take the oldest job that is ready, for one worker alone; None when there is none.

        Ready is what waits and whose time has come, and what a worker has died over, as long as attempts are left.

        Parameters
        ----------
        worker
            A name no other running worker has.
        kinds
            Only these.
        """
        now = self._clock()
        waiting = and_(_J.state == JobState.WAITING, _J.not_before <= stamp(now))
        ready = or_(waiting, self._stale(now))
        if kinds is not None:
            ready = and_(ready, _J.kind.in_(sorted(kinds)))
        oldest = select(_J.id).where(ready).order_by(_J.created_at, _J.id).limit(1).with_for_update(skip_locked=True)
        with self._write() as connection:
            self._end_hopeless(connection, now)
            job_id = connection.execute(oldest).scalar()
            if job_id is None:
                return None
            connection.execute(
                update(tables.jobs)
                .where(_J.id == job_id)
                .values(
                    state=str(JobState.RUNNING),
                    attempts=_J.attempts + 1,
                    claimed_by=worker,
                    heartbeat_at=stamp(now),
                    message="",
                )
            )
            return _job(connection.execute(select(tables.jobs).where(_J.id == job_id)).one())

    def heartbeat(self, job: Job) -> bool:
        """Give a sign of life; False when the worker is to stop: cancelled, erased, or claimed by another since."""
        return self._show(job, {})

    def progress(self, job: Job, done: int, total: int, *, message: str = "") -> bool:
        """Say how far it is, which is a sign of life too; False as `heartbeat`."""
        return self._show(job, {"done": done, "total": total, "message": message})

    def finish(self, job: Job) -> bool:
        """Mark as done; False when the job is no longer the worker's, which changes nothing."""
        return self._end(job, JobState.DONE)

    def stop(self, job: Job) -> bool:
        """Mark as cancelled, by the worker that was told to stop; False as `finish`."""
        return self._end(job, JobState.CANCELLED)

    def fail(self, job: Job, message: str, *, retry: bool) -> JobState | None:
        """Record a failed attempt; return where the job stands now, None when it is no longer the worker's.

        Parameters
        ----------
        message
            One line, without names or content.
        retry
            Whether another attempt may succeed; it is made later, as long as attempts are left.
        """
        now = self._clock()
        again = retry and job.attempts < job.most_attempts
        wait = min(self._back_off * 2 ** (min(job.attempts, 20) - 1), _LONGEST_BACK_OFF)
        values: dict[str, Any] = (
            {"state": str(JobState.WAITING), "not_before": stamp(now + wait), "heartbeat_at": None}
            if again
            else {"state": str(JobState.FAILED), "finished_at": stamp(now)}
        )
        with self._write() as connection:
            changed = connection.execute(update(tables.jobs).where(_mine(job)).values(**values, message=message))
        return JobState(values["state"]) if changed.rowcount else None

    def cancel(self, job_id: str) -> JobState:
        """Stop a job: at once while it waits, at its worker's next sign of life while it runs; return its state.

        Raises
        ------
        InputError
            No such job.
        """
        waiting = and_(_J.id == job_id, _J.state == JobState.WAITING)
        running = and_(_J.id == job_id, _J.state == JobState.RUNNING)
        ended = {"state": str(JobState.CANCELLED), "finished_at": stamp(self._clock()), "cancel": True}
        with self._write() as connection:
            connection.execute(update(tables.jobs).where(waiting).values(**ended))
            connection.execute(update(tables.jobs).where(running).values(cancel=True))
            state = connection.execute(select(_J.state).where(_J.id == job_id)).scalar()
        if state is None:
            raise InputError(f"job '{job_id}' is not in the queue; list the jobs first")
        return JobState(state)

    def jobs(self, *, states: Collection[JobState] | None = None) -> tuple[Job, ...]:
        """List jobs, oldest first."""
        query = select(tables.jobs).order_by(_J.created_at, _J.id)
        if states is not None:
            query = query.where(_J.state.in_([str(state) for state in states]))
        with told("the job queue"), self._engine.connect() as connection:
            return tuple(_job(row) for row in connection.execute(query))

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with told("the job queue"), write(self._engine) as connection:
            yield connection

    def _stale(self, now: dt.datetime) -> ColumnElement[bool]:
        return and_(_J.state == JobState.RUNNING, _J.heartbeat_at < stamp(now - self._stale_after))

    def _end_hopeless(self, connection: Connection, now: dt.datetime) -> None:
        """Close what a worker died over and nobody is to try again."""
        at = {"finished_at": stamp(now)}
        dead = self._stale(now)
        connection.execute(update(tables.jobs).where(dead, _J.cancel).values(**at, state=str(JobState.CANCELLED)))
        connection.execute(
            update(tables.jobs)
            .where(dead, _J.attempts >= _J.most_attempts)
            .values(**at, state=str(JobState.FAILED), message="its worker gave no sign of life")
        )

    def _show(self, job: Job, values: dict[str, Any]) -> bool:
        with self._write() as connection:
            connection.execute(
                update(tables.jobs).where(_mine(job)).values(**values, heartbeat_at=stamp(self._clock()))
            )
            return connection.execute(select(_J.cancel).where(_mine(job))).scalar() is False

    def _end(self, job: Job, state: JobState) -> bool:
        values = {"state": str(state), "finished_at": stamp(self._clock())}
        with self._write() as connection:
            return connection.execute(update(tables.jobs).where(_mine(job)).values(values)).rowcount > 0


def _refuse_withdrawn(connection: Connection, payload: Mapping[str, Any], patient_ids: Collection[str]) -> None:
    gone = read_gone(connection)
    named = {*patient_ids, *_texts(list(payload.values()))}  # the keys of a payload are settings
    for kind, ids in (("patient", gone.patients), ("photo", gone.photos)):
        if found := sorted(ids & named):
            raise AccessError(f"{kind} '{found[0]}' was withdrawn; leave it out of the job")


def _texts(payload: Any) -> Iterator[str]:  # noqa: ANN401 (JSON)
    if isinstance(payload, str):
        yield payload
    elif isinstance(payload, Mapping):
        for key, value in payload.items():
            yield from (key, *_texts(value))
    elif isinstance(payload, Sequence):
        for value in payload:
            yield from _texts(value)


def _mine(job: Job) -> ColumnElement[bool]:
    """Whether the claim still holds: a job that was claimed again since is another worker's."""
    return and_(
        _J.id == job.id,
        _J.state == JobState.RUNNING,
        _J.claimed_by == job.claimed_by,
        _J.attempts == job.attempts,
    )


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        payload=row.payload,
        owner=row.owner,
        state=JobState(row.state),
        attempts=row.attempts,
        most_attempts=row.most_attempts,
        done=row.done,
        total=row.total,
        message=row.message,
        claimed_by=row.claimed_by,
        not_before=row.not_before,
        cancel=row.cancel,
    )
