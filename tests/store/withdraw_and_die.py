"""Run as a program: withdraw a patient and be killed, before or after a step, or by the caller."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from deciface.store import Workspace, erasure
from deciface.store.erasure import Step
from deciface.store.tombstones import Tombstone
from tests.store.erasure_world import CURATOR, NOW


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(step: Step, *, before: bool) -> Step:
    def run(workspace: object, stone: Tombstone) -> None:
        if not before:
            step(workspace, stone)
        die()

    return run


def main(root: str, kind: str, subject: str, when: str) -> None:
    """`when` is ``before N`` or ``after N`` (steps), or ``outside``: the caller kills once ``ready`` is printed."""
    if when != "outside":
        word, number = when.split()
        steps = list(erasure.STEPS)
        steps[int(number)] = dying(steps[int(number)], before=word == "before")
        erasure.STEPS = tuple(steps)
    with Workspace.open(Path(root)) as workspace:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        erasure.withdraw(workspace, kind=kind, subject_id=subject, actor=CURATOR, now=NOW)


if __name__ == "__main__":
    main(*sys.argv[1:])
