"""The same work on many things in several processes, in order, and told in one line where a process is ended."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from typing import Any, TypeVar

from deciface.errors import ProcessError

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 8
"""Portions per process that are handed out or done before they are asked for: a slow reader does not fill memory."""


def in_processes(
    work: Callable[[T], R],
    tasks: Iterable[T],
    *,
    processes: int,
    start: Callable[..., None] | None = None,
    given: tuple[Any, ...] = (),
    portion: int = 4,
) -> Iterator[R]:
    """Yield `work` of every task, in the order of the tasks.

    Parameters
    ----------
    work
        A function of a module; tasks and results are sent between processes.
    tasks
        Read as they are needed.
    processes
        How many; new ones, which share nothing with this one.
    start, given
        Called first in every process.
    portion
        Tasks sent at a time.

    Raises
    ------
    ProcessError
        A process was ended from outside, as where memory ran out. What `work` raises is raised here.
    """
    waiting: deque[Future[list[R]]] = deque()
    left = iter(tasks)
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_begin, initargs=(start, given))
    try:
        while True:
            while len(waiting) < _AHEAD * processes and (some := list(islice(left, portion))):
                waiting.append(pool.submit(_each, work, some))
            if not waiting:
                return
            yield from waiting.popleft().result()
    except BrokenProcessPool as error:
        raise ProcessError(
            "a process that did a part of the work was ended, perhaps for want of memory; free some and give the "
            "command again"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(start: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's to handle
    if start is not None:
        start(*given)


def _each(work: Callable[[T], R], some: list[T]) -> list[R]:
    return [work(one) for one in some]
