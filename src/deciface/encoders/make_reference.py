"""Make ``data/reference_shape.npz`` again: ``python -m deciface.encoders.make_reference PHOTOS OUT.npz``.

Every ``*_03.jpg`` in PHOTOS counts as one neutral frontal photo of one person. The shipped file was made from the 102
of the Face Research Lab London Set (DeBruine and Jones 2017, doi:10.6084/m9.figshare.5047666, CC BY 4.0).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from deciface.encoders.geometry import mesh_on_crop
from deciface.encoders.shape import Reference, fit_reference, reference_bytes
from deciface.errors import DeciFaceError, NoFaceError, OptionError
from deciface.models import ModelStore


def reference_from_photos(photos: Iterable[Path], store: ModelStore) -> Reference:
    """Find the face on each photo, run the mesh on its crop, and take the Procrustes mean.

    Raises
    ------
    NoFaceError
        When a photo shows none.
    MismatchError
        With fewer than 5 photos.
    """
    from deciface.faces import FaceFinder, align
    from deciface.faces.mesh import FaceMesh
    from deciface.photos import read_photo

    finder = FaceFinder.from_store(store)
    mesh = mesh_on_crop(FaceMesh(store.path("mediapipe-mesh")))
    meshes = []
    for path in sorted(photos):
        pixels = read_photo(path).pixels
        points = mesh(align(pixels, finder.find(pixels).choose(), "mesh-256"))
        if points is None:
            raise NoFaceError(f"'{path.name}': no face on its crop; leave the photo out")
        meshes.append(points)
    return fit_reference(np.array(meshes))


def main(arguments: list[str]) -> int:
    """Run from the command line; return the exit code."""
    try:
        if len(arguments) != 2 or not Path(arguments[0]).is_dir():
            raise OptionError("give a folder of photos and the file to write: make_reference PHOTOS OUT.npz")
        reference = reference_from_photos(Path(arguments[0]).glob("*_03.jpg"), ModelStore())
        Path(arguments[1]).write_bytes(reference_bytes(reference))
    except DeciFaceError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
