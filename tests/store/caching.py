"""Opening a gallery that grows, for a test to kill: ``python -m tests.store.caching FOLDER FIRST``."""

import sys
from pathlib import Path

import numpy as np

from deciface.cases import Encoding, Patient, Photo, View
from deciface.store import engines, gallery_cache, photo_rows, vectors, versions
from tests.store.vector_worlds import add_photos


def photo(i):
    return Photo(f"photo{i:03d}", Patient(f"p{i}"), f"{i:064x}")


def encoding_of(i):
    vector = np.random.default_rng(i).standard_normal(2048, np.float32)
    return Encoding(photo(i).id, photo(i).sha256, "c", "e" * 64, View("m"), vector)


def grow(engine, folder, i):
    """Add photo `i` with its encoding, and open the gallery."""
    with engines.write(engine) as connection:
        if not photo_rows.read_photos(connection, [photo(i).id]):
            add_photos(connection, [photo(i)])
            vectors.insert_encodings(connection, [encoding_of(i)])
            versions.count_up(connection)
    return opened(engine, folder)


def opened(engine, folder, *, shown=None, models=None):
    """The gallery of all photos, or of some."""
    with engines.read(engine) as connection:
        photos, version = photo_rows.read_photos(connection), versions.version(connection)
        chosen = photos if shown is None else shown
        return gallery_cache.open_gallery(connection, chosen, models=models, folder=folder, version=version)


if __name__ == "__main__":
    root, first = Path(sys.argv[1]), int(sys.argv[2])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for number in range(first, first + 200):
        grow(engines.sqlite_engine(root / "d.sqlite"), root / "cache", number)
        if number == first:
            sys.stdout.write("grown\n")
            sys.stdout.flush()
