"""Options of onnxruntime sessions, the same for every network."""

from __future__ import annotations

from typing import Any

from deciface.errors import OptionError


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
