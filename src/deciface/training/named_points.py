"""Learn where mesh vertices lie off the points of their names, from photos with manual 189-point templates.

Every photo is looked at as it is and several times made worse (`worsening.photographed`). The error is estimated with
people held out (ten folds); the shipped shifts rest on everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deciface.errors import InputError
from deciface.faces.find import FaceFinder
from deciface.faces.named_points import MESH_INDEX, to_face_frame
from deciface.photos import read_photo
from deciface.simulate.template import read_template
from deciface.training.worsening import photographed
from deciface.whole_files import write_whole

FOLDS = 10
TEMPLATE_INDEX = (22, 18, 23, 27, 55, 90, 106, 87, 93, 20, 29, 25, 32)
"""The points of `MESH_INDEX` in the 189-point template."""
_MIRROR = (2, 3, 0, 1, 4, 5, 6, 8, 7, 11, 12, 9, 10)


@dataclass(frozen=True, slots=True)
class LearntShifts:
    """What was learnt.

    Parameters
    ----------
    shifts
        (13, 2) in outer-canthal distances of the face's own frame, the two sides mirrored.
    error, error_before
        Mean distance from the manual points with and without them, people held out, by kind of photo
        (``as it is``, ``made worse``), in outer-canthal distances.
    people
        How many.
    """

    shifts: NDArray[np.float64]
    error: dict[str, float]
    error_before: dict[str, float]
    people: int


def shifts_of(gaps: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Mean of (n, 13) gaps between vertices and points, each side averaged with the other's mirror image."""
    mean = gaps.mean(0)
    return np.asarray((mean - mean[list(_MIRROR)].conj()) / 2)


def train_named_points(
    photos: Sequence[Path],
    *,
    finder: FaceFinder,
    repeats: int = 6,
    seed: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> LearntShifts:
    """Learn the shifts from neutral photos, one per person, each with a ``.tem`` template of its name beside it.

    Raises
    ------
    InputError
        With fewer than 20 people.
    TableError
        A template that cannot be read.
    """
    if len(photos) < 2 * FOLDS:
        raise InputError(f"{len(photos)} photos given; at least {2 * FOLDS}, one per person, are needed to hold out")
    plain: list[NDArray[np.complex128]] = []
    worse: list[NDArray[np.complex128]] = []
    for number, path in enumerate(photos):
        rng = np.random.default_rng([seed, number])
        pixels, points = read_photo(path).pixels, read_template(path.with_suffix(".tem"))
        truth = points[list(TEMPLATE_INDEX)]
        gap = _gap(finder, pixels, truth)
        if gap is None:
            raise InputError(f"'{path.name}': no face found; leave the photo out")
        plain.append(gap)
        ocd_px = float(np.hypot(*(truth[3] - truth[1])))
        shots = (photographed(pixels, ocd_px, rng) for _ in range(repeats))
        found = [_gap(finder, shot, truth @ m[:, :2].T + m[:, 2], mirrored=m[0, 0] < 0) for shot, m in shots]
        worse.append(np.array([g for g in found if g is not None]).reshape(-1, len(MESH_INDEX)))
        advance()
    fold = np.random.default_rng(seed).permutation(len(photos)) % FOLDS
    after: dict[str, list[float]] = {"as it is": [], "made worse": []}
    before: dict[str, list[float]] = {"as it is": [], "made worse": []}
    for k in range(FOLDS):
        known = shifts_of(_all(plain, worse, np.flatnonzero(fold != k)))
        for i in np.flatnonzero(fold == k):
            for kind, gaps in (("as it is", plain[i][None]), ("made worse", worse[i])):
                after[kind] += np.abs(gaps - known).mean(1).tolist()
                before[kind] += np.abs(gaps).mean(1).tolist()
    learnt = shifts_of(_all(plain, worse, np.arange(len(photos))))
    return LearntShifts(
        np.column_stack([learnt.real, learnt.imag]),
        {kind: float(np.mean(e)) for kind, e in after.items()},
        {kind: float(np.mean(e)) for kind, e in before.items()},
        len(photos),
    )


def _all(
    plain: Sequence[NDArray[np.complex128]], worse: Sequence[NDArray[np.complex128]], who: NDArray[np.intp]
) -> NDArray[np.complex128]:
    """Gaps of these people, (n, 13), every photo counting alike: most photos in use are worse than a studio's."""
    return np.concatenate([np.concatenate([plain[i][None], worse[i]]) for i in who])


def _gap(
    finder: FaceFinder, image: NDArray[np.uint8], truth: NDArray[np.float64], *, mirrored: bool = False
) -> NDArray[np.complex128] | None:
    """Vertex minus manual point in the face's own frame, (13,); None where no face is found."""
    faces = finder.find(image).faces
    if not faces:
        return None
    mesh = faces[0].mesh_px
    points = truth[list(_MIRROR)] if mirrored else truth
    gap = (mesh[list(MESH_INDEX.values()), :2] - points) @ np.array([1, 1j])
    return np.asarray(gap / to_face_frame(mesh))


def save(learnt: LearntShifts, path: Path) -> None:
    """Write the table that `deciface.faces.named_points` reads, whole or not at all."""
    rows = [f"{name},{dx:.5f},{dy:.5f}" for name, (dx, dy) in zip(MESH_INDEX, learnt.shifts, strict=True)]
    write_whole(path, ("\n".join(["point,dx,dy", *rows]) + "\n").encode())
