"""A worker within the process: does the jobs of a queue, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deciface.errors import DeciFaceError, StorageError
from deciface.store.jobs import Job, JobQueue


@dataclass(frozen=True, slots=True)
class Report:
    """What a handler says while it works; every answer tells whether to go on."""

    _queue: JobQueue
    _job: Job

    def progress(self, done: int, total: int, *, message: str = "") -> bool:
        """Say how far the job is. False: stop soon, and leave nothing half-written."""
        return self._queue.progress(self._job, done, total, message=message)

    def heartbeat(self) -> bool:
        """Say that the job is still worked on. False as `progress`."""
        return self._queue.heartbeat(self._job)


Handler = Callable[[Job, Report], None]
"""Does one kind of job. It may be run again after it failed or died, so what it does twice must be as if done once."""


class Worker:
    """Does jobs within this process, one after the other; without threads of its own.

    Parameters
    ----------
    queue
        Where the jobs are.
    handlers
        By kind; other kinds are left to other workers.
    name
        A name no other running worker has.
    """

    def __init__(self, queue: JobQueue, handlers: Mapping[str, Handler], *, name: str) -> None:
        self._queue, self._handlers, self._name = queue, dict(handlers), name

    def run_one(self) -> Job | None:
        """Do the oldest ready job and return it as it was claimed; None when there is none.

        What was given wrongly fails for good. Everything else (a full disk, a locked database, a fault in the handler)
        may pass, and is tried again later.
        """
        job = self._queue.claim(self._name, kinds=self._handlers)
        if job is None:
            return None
        try:
            self._handlers[job.kind](job, Report(self._queue, job))
        except DeciFaceError as error:
            self._queue.fail(job, str(error), retry=isinstance(error, StorageError))
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is the job's failure, not the worker's
            self._queue.fail(job, f"{type(error).__name__}: a fault in the program", retry=True)
        else:
            if self._queue.heartbeat(job):
                self._queue.finish(job)
            else:
                self._queue.stop(job)
        return job

    def run_until_empty(self) -> int:
        """Do every job that is ready; return how many. Jobs that wait for another attempt are left for later."""
        count = 0
        while self.run_one() is not None:
            count += 1
        return count
