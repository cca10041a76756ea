"""One interpreter of a .tflite network, one thread, arrays in and out."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deciface.errors import ModelError


@contextlib.contextmanager
def stderr_closed() -> Iterator[None]:
    """Keep the runtime's own remarks ("Created ... delegate") out of the user's terminal while a network is loaded."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class Network:
    """A LiteRT network with fixed shapes.

    Parameters
    ----------
    path
        A ``.tflite`` file.
    input_shape
        What the caller will feed, e.g. ``(1, 128, 128, 3)``.
    outputs
        The outputs' shapes, in the order in which `run` shall return them.

    Raises
    ------
    ModelError
        When the file is no LiteRT network or has other shapes.
    """

    def __init__(self, path: Path, input_shape: Sequence[int], *, outputs: Sequence[Sequence[int]]) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            with stderr_closed():
                self._net = Interpreter(str(path), num_threads=1)
                self._net.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{path.name} is no LiteRT network ({error}); run `deciface models fetch`") from error
        given = self._net.get_input_details()[0]
        found = [tuple(int(n) for n in d["shape"]) for d in self._net.get_output_details()]
        wanted = [tuple(shape) for shape in outputs]
        if tuple(given["shape"]) != tuple(input_shape) or sorted(found) != sorted(wanted):
            raise ModelError(
                f"{path.name} takes {tuple(given['shape'])} and gives {found}; "
                f"{tuple(input_shape)} and {wanted} are needed: is it another model's file?"
            )
        self._input = given["index"]
        self._outputs = [self._net.get_output_details()[found.index(shape)]["index"] for shape in wanted]
        self._lock = threading.Lock()

    def run(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Feed one image (1, h, w, c) float32; return copies of the outputs in the declared order."""
        with self._lock:
            self._net.set_tensor(self._input, image)
            self._net.invoke()
            return [self._net.get_tensor(index) for index in self._outputs]
