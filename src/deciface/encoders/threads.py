"""How many threads an encoder gets: chosen here, never left to OpenMP or the runtime.

One photo takes one thread: the second one saves a few milliseconds and, on a busy server, costs everybody. A batch
takes every core this process may use. Idle threads sleep instead of spinning.
"""

from __future__ import annotations

import os
from typing import Any

from deciface.errors import OptionError

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


def session_options(threads: int) -> Any:  # noqa: ANN401 - onnxruntime ships no types
    """Options of an onnxruntime session with `threads` threads that do not spin.

    Raises
    ------
    OptionError
        When `threads` is not between 1 and 1024.
    """
    if not 1 <= threads <= 1024:
        raise OptionError(f"threads = {threads}; a whole number from 1 to 1024 is allowed: give the cores to use")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    return options
