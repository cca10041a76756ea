"""Keep the decoders' warnings from the user's screen, from several threads at once."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import functools
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import PIL

# what Pillow logs still reaches logging that a program has set up, but not a bare stderr
logging.getLogger("PIL").addHandler(logging.NullHandler())

_lock = threading.Lock()
_inside = 0
_outermost: warnings.catch_warnings[None] | None = None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Ignore warnings inside the block.

    `warnings.catch_warnings` saves and restores one list for the whole process, so two overlapping threads can
    leave it altered for good. Here the first one in saves it and the last one out restores it.
    """
    if getattr(sys.flags, "context_aware_warnings", False):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
        return
    global _inside, _outermost
    with _lock:
        if _inside == 0:
            _outermost = warnings.catch_warnings()
            _outermost.__enter__()
            warnings.simplefilter("ignore")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _outermost is not None:
                _outermost.__exit__(None, None, None)
                _outermost = None


@functools.cache
def silence_libtiff() -> None:
    """Turn off the lines that libtiff itself writes to stderr about a damaged file; the error comes as an exception.

    Pillow turns off libtiff's warnings but not its errors. Where the library is not found, nothing happens: a damaged
    TIFF then shows a line more.
    """
    bundled = Path(PIL.__file__).parents[1] / "pillow.libs"
    for name in [*map(str, sorted(bundled.glob("libtiff*"))), ctypes.util.find_library("tiff")]:
        if name is not None:
            with contextlib.suppress(OSError, AttributeError):
                ctypes.CDLL(name).TIFFSetErrorHandler(None)
