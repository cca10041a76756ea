"""An import that a test can kill: ``python -m tests.store.importing FOLDER``."""

import sys
from pathlib import Path

import numpy as np

from deciface.cases import Encoding, Patient, Photo, View
from deciface.store import Workspace

PNG = b"\x89PNG\r\n\x1a\n"


def image(i):
    return PNG + bytes([i]) * 20_000


def photo(i):
    return Photo(f"photo{i:03d}", Patient(f"p{i // 2}"), f"{i:064x}", age_years=float(i))


def everything(root):
    """Import 40 photos with two encodings each; go on where an earlier run was cut off."""
    workspace = Workspace.open(root) if (root / "deciface.sqlite").exists() else Workspace.create(root)
    with workspace:
        for i in range(40):
            workspace.add_photo(photo(i), image(i))
            workspace.add_encodings(
                Encoding(photo(i).id, photo(i).sha256, "c", "e" * 64, view, np.arange(1, 129, dtype=np.float32))
                for view in (View("m"), View("m", flip=True))
            )


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    everything(Path(sys.argv[1]))
