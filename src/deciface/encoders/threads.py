"""How many threads an encoder gets: chosen here, never left to OpenMP or the runtime.

One photo takes one thread: the second one saves a few milliseconds and, on a busy server, costs everybody. A batch
takes every core this process may use. Idle threads sleep instead of spinning.
"""

from __future__ import annotations

import os

BATCH_FROM_CROPS = 8
"""From this many crops on a job counts as a batch."""


def available_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def threads_for(crops: int, *, cores: int | None = None) -> int:
    """Threads for a job of so many crops: 1 below `BATCH_FROM_CROPS`, else all cores.

    Parameters
    ----------
    crops
        Crops in the whole job, views counted.
    cores
        Cores to share; default: those this process may run on.

    Examples
    --------
    >>> threads_for(1, cores=8), threads_for(100, cores=8)
    (1, 8)
    """
    return 1 if crops < BATCH_FROM_CROPS else max(1, cores if cores is not None else available_cores())
