"""Work in several processes: in order, lazily, and told where a process is ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from deciface.errors import OptionError, ProcessError
from deciface.processes import in_processes

_added = 0


def add_from_now_on(number: int) -> None:
    global _added
    _added = number


def added(number: int) -> int:
    return number + _added


def refused(number: int) -> int:
    if number == 5:
        raise OptionError("five is not allowed")
    return number


def ended(number: int) -> int:
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_in_the_order_of_the_tasks_after_the_start():
    found = in_processes(added, range(23), processes=2, start=add_from_now_on, given=(100,))
    assert list(found) == list(range(100, 123))


def test_nothing_to_do():
    assert list(in_processes(added, [], processes=2)) == []


def test_tasks_are_read_as_they_are_needed():
    read = []

    def tasks() -> Iterator[int]:
        for number in range(1000):
            read.append(number)
            yield number

    found = in_processes(added, tasks(), processes=1, portion=2)
    assert next(found) == 0
    assert len(read) < 40
    found.close()


def test_an_error_is_raised_here():
    with pytest.raises(OptionError, match="five"):
        list(in_processes(refused, range(9), processes=2))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are not killed by signals on this system")
def test_a_process_that_is_killed_is_told_and_nothing_hangs():
    with pytest.raises(ProcessError, match="was ended"):
        list(in_processes(ended, range(40), processes=2))
