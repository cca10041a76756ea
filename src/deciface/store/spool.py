"""Encodings laid aside before they are stored, so that nobody has to wait while a file of them is read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import numpy as np
import orjson

from deciface.cases import Encoding, View
from deciface.store.engines import told
from deciface.store.vectors import stored_bytes

_IN_MEMORY = 1 << 20
"""Bytes; more go into a file without a name, which vanishes with the process, however that ends."""


@contextmanager
def laid_aside(encodings: Iterable[Encoding], folder: Path) -> Iterator[Iterator[Encoding]]:
    """Read all encodings to their end, then give them out again, one at a time.

    Parameters
    ----------
    folder
        Where the file without a name is kept; it is made when it is not there.

    Raises
    ------
    InputError
        A vector that is not (d,) finite numbers.
    StorageError
        The disk is full.
    """
    with told(str(folder)):
        folder.mkdir(exist_ok=True)
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(folder))  # noqa: SIM115 (closed below)
    try:
        for encoding in encodings:
            vector, view = stored_bytes(encoding), encoding.view
            names = (encoding.photo_id, encoding.photo_sha256, encoding.crop_version, encoding.encoder_sha256)
            what = orjson.dumps([len(vector), *names, view.model, view.region, view.flip, view.grey])
            with told(str(folder)):
                file.write(what + b"\n" + vector)
        with told(str(folder)):
            file.seek(0)
        yield _read(file)
    finally:
        with suppress(OSError):  # closing writes what is left once more, to the same full disk
            file.close()


def _read(file: IO[bytes]) -> Iterator[Encoding]:
    while line := file.readline():
        length, photo_id, photo_sha256, crop, encoder, *view = orjson.loads(line)
        vector = np.frombuffer(file.read(length), "<f4").astype(np.float32)
        yield Encoding(photo_id, photo_sha256, crop, encoder, View(*view), vector)
