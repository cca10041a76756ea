"""An import that a test can kill: ``python -m tests.store.importing FOLDER DATABASE [PART OF]``."""

import sys
from pathlib import Path

import numpy as np

from deciface.cases import Case, Consent, Encoding, Patient, Photo, Scope, View
from deciface.store import Workspace

PNG = b"\x89PNG\r\n\x1a\n"
PHOTOS = 40


def image(i):
    return PNG + bytes([i]) * 20_000


def photo(i):
    return Photo(f"photo{i:03d}", Patient(f"p{i // 2:02d}"), f"{i:064x}", age_years=float(i))


def case(i):
    """The patient of a photo, who agreed to the reference gallery, with this photo."""
    return Case(photo(i).patient, consents=(Consent(Scope.GALLERY),), photos=(photo(i),))


def encodings(i):
    for view in (View("m"), View("m", flip=True)):
        yield Encoding(photo(i).id, photo(i).sha256, "c", "e" * 64, view, np.arange(1, 129, dtype=np.float32))


def is_workspace(root, database=None):
    return (root / ("deciface.sqlite" if database is None else "deciface.toml")).exists()


def everything(root, database=None, *, part=0, of=1, tell=lambda _: None):
    """Import the photos of every `of`-th patient, two encodings each; go on where an earlier run was cut off.

    `tell` is called with the number of each photo before it is stored.
    """
    with (
        Workspace.open(root) if is_workspace(root, database) else Workspace.create(root, database=database) as workspace
    ):
        for i in (i for i in range(PHOTOS) if i // 2 % of == part):
            tell(i)
            if i % 2 == 0:
                workspace.add_case(case(i), images={photo(i).id: image(i)}, origin="test")
            else:
                workspace.add_photo(photo(i), image(i))
            workspace.add_encodings(encodings(i))


def _say(what):
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _say("ready")
    folder, address, *numbers = sys.argv[1:]
    everything(Path(folder), address or None, **dict(zip(("part", "of"), map(int, numbers), strict=False)), tell=_say)
