"""Shapes without position, size and rotation, and the reference shape they are compared with.

Procrustes analysis: Gower 1975 (Psychometrika 40:33), Dryden and Mardia 2016 (Statistical Shape Analysis, 2nd ed.).

``data/reference_shape.npz`` is the generalised Procrustes mean of the meshes of the 102 neutral photos of the Face
Research Lab London Set (DeBruine and Jones 2017, CC BY 4.0), with mean and standard deviation of each proportion over
all of them: no person's own values. It is an origin to measure from, not a norm: 69 of the 102 people are White.
`deciface.encoders.make_reference` makes it; a test makes it again from the photos and compares.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.proportions import PROPORTIONS, proportions_of
from deciface.errors import MismatchError

POINTS = 468
_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Reference:
    """What shapes are aligned to and measured from.

    Parameters
    ----------
    mean
        (468, 2) float64, centred, centroid size 1, eyes level, y down.
    spread
        Root of the summed variance of all aligned coordinates.
    proportion_mean, proportion_sd
        (18,) in the order of `PROPORTIONS`.
    people
        Over how many people.
    sha256
        Of the file.
    """

    mean: NDArray[np.float64]
    spread: float
    proportion_mean: NDArray[np.float64]
    proportion_sd: NDArray[np.float64]
    people: int
    sha256: str = ""


def _standard(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Centre and scale to centroid size 1."""
    shape = np.asarray(points, np.float64)[:, :2]
    if shape.shape != (POINTS, 2) or not np.isfinite(shape).all():
        raise MismatchError(f"a mesh of shape {np.shape(points)}; ({POINTS}, 3) finite points are needed: run the mesh")
    shape = shape - shape.mean(0)
    size = float(np.sqrt((shape**2).sum()))
    if size < 1e-9:
        raise MismatchError(f"a mesh whose {POINTS} points all lie in one place; run the mesh on an aligned face")
    return np.asarray(shape / size, np.float64)


def procrustes(points: NDArray[np.floating], onto: NDArray[np.float64]) -> NDArray[np.float64]:
    """Remove position, size and rotation (never reflect).

    Parameters
    ----------
    points
        (468, 2 or 3) in any frame with y down; the third coordinate is not used.
    onto
        (468, 2), centred, of centroid size 1.

    Returns
    -------
    NDArray[np.float64]
        (468, 2), centred, centroid size 1, rotated for the least squared distance to `onto`.

    Raises
    ------
    MismatchError
        On another number of points, NaN, or points that all coincide.
    """
    shape = _standard(points)
    z, w = shape @ np.array([1, 1j]), onto @ np.array([1, 1j])
    turn = np.vdot(z, w)
    z = z * (turn / abs(turn))
    return np.column_stack([z.real, z.imag])


def fit_reference(meshes: NDArray[np.floating]) -> Reference:
    """Generalised Procrustes mean of one mesh per person.

    Parameters
    ----------
    meshes
        (people, 468, 2 or 3), at least 5 people.

    Raises
    ------
    MismatchError
        With fewer than 5 people: their mean would show them.
    """
    if len(meshes) < 5:
        raise MismatchError(f"{len(meshes)} people; a mean shape needs 5 or more, one mesh each: add people")
    mean = _standard(meshes[0])
    for _ in range(_ROUNDS):
        aligned = np.stack([procrustes(mesh, mean) for mesh in meshes])
        mean = _standard(aligned.mean(0))
    level = mean[263] - mean[33]
    turn = (level[0] - 1j * level[1]) / np.hypot(*level)
    z = (mean @ np.array([1, 1j])) * turn
    mean = np.column_stack([z.real, z.imag])
    aligned = np.stack([procrustes(mesh, mean) for mesh in meshes])
    values = np.stack([proportions_of(shape) for shape in aligned])
    return Reference(
        mean=mean,
        spread=float(np.sqrt(aligned.var(0, ddof=1).sum())),
        proportion_mean=values.mean(0),
        proportion_sd=values.std(0, ddof=1),
        people=len(meshes),
    )


def reference_bytes(reference: Reference) -> bytes:
    """Make the content of ``reference_shape.npz``; float32, no pickles."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        mean=reference.mean.astype(np.float32),
        spread=np.float32(reference.spread),
        proportion_mean=reference.proportion_mean.astype(np.float32),
        proportion_sd=reference.proportion_sd.astype(np.float32),
        proportion_names=np.array([p.name for p in PROPORTIONS]),
        people=np.int32(reference.people),
    )
    return buffer.getvalue()


@cache
def shipped_reference() -> Reference:
    """Read the reference shape in the package."""
    content = (files("deciface.encoders") / "data" / "reference_shape.npz").read_bytes()
    with np.load(io.BytesIO(content), allow_pickle=False) as data:
        if data["proportion_names"].tolist() != [p.name for p in PROPORTIONS]:
            raise MismatchError("reference_shape.npz has other proportions than this version; reinstall deciface")
        return Reference(
            mean=data["mean"].astype(np.float64),
            spread=float(data["spread"]),
            proportion_mean=data["proportion_mean"].astype(np.float64),
            proportion_sd=data["proportion_sd"].astype(np.float64),
            people=int(data["people"]),
            sha256=hashlib.sha256(content).hexdigest(),
        )
