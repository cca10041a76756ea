"""Learn the occlusion regressions of `deciface.faces.occlusion` from photos with painted occluders.

Every photo is shown uncovered, with spectacles and with each occluder, several times, each time with its own size,
light, blur, compression and mirror. Accuracy is estimated with people held out (five folds); the shipped weights are
fitted on everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deciface.errors import InputError
from deciface.faces.find import FaceFinder
from deciface.faces.occlusion import OcclusionModel, Part, features
from deciface.faces.pyramid import Pyramid
from deciface.simulate.occluders import COVERS_EYES, COVERS_MOUTH, Occluder, occlude
from deciface.training.worsening import photographed

FOLDS = 5
RIDGE = 10.0
THRESHOLD = 0.6
SCENES = (None, None, *Occluder)
_COVERING = {Part.EYES: COVERS_EYES, Part.MOUTH: COVERS_MOUTH}


@dataclass(frozen=True, slots=True)
class Example:
    """One painted photo: whose, what was painted (None: nothing), and the features of each part."""

    person: str
    scene: Occluder | None
    features: dict[Part, NDArray[np.float32]]


def examples_of(
    image: NDArray[np.uint8], person: str, *, finder: FaceFinder, repeats: int, rng: np.random.Generator
) -> list[Example]:
    """Paint and photograph one uncovered (h, w, 3) uint8 face; scenes in which no face is found are left out."""
    face = finder.find(image).choose()
    reach = int(0.6 * face.outer_canthal_px)
    x0, y0, x1, y1 = (int(v) for v in face.box_px)
    x0, y0 = max(0, x0 - reach), max(0, y0 - reach)
    part = np.ascontiguousarray(image[y0 : y1 + reach, x0 : x1 + reach])
    mesh = face.mesh_px - np.array([x0, y0, 0], np.float32)
    made = []
    for scene in SCENES * repeats:
        painted = part if scene is None else occlude(part, mesh, what=scene, rng=rng)
        shot, _ = photographed(painted, face.outer_canthal_px, rng)
        found = finder.find(shot).faces
        if found:
            made.append(Example(person, scene, {p: features(Pyramid(shot), found[0].mesh_px, p) for p in Part}))
    return made


def fit(x: NDArray[np.float32], y: NDArray[np.bool_]) -> OcclusionModel:
    """Ridge-penalised logistic regression of y (n,) on x (n, d), by L-BFGS."""
    from scipy.optimize import minimize

    mean, scale = x.mean(0), x.std(0) + np.float32(1e-3)
    z = ((x - mean) / scale).astype(np.float64)

    def loss(b: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logit = z @ b[:-1] + b[-1]
        residual = 1 / (1 + np.exp(-np.clip(logit, -40, 40))) - y
        value = np.logaddexp(0, logit) @ np.ones(len(y)) - logit @ y + RIDGE / 2 * (b[:-1] @ b[:-1])
        return float(value), np.append(z.T @ residual + RIDGE * b[:-1], residual.sum())

    b = minimize(loss, np.zeros(z.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 400}).x
    return OcclusionModel(mean.astype(np.float32), scale.astype(np.float32), b[:-1].astype(np.float32), float(b[-1]))


def flagged(examples: Sequence[Example], part: Part, *, seed: int = 0) -> dict[str, tuple[int, int]]:
    """Cross-validated by person: for each scene, how many of how many were called covered."""
    people = sorted({e.person for e in examples})
    order = np.random.default_rng(seed).permutation(len(people))
    fold_of = {people[p]: int(k % FOLDS) for k, p in enumerate(order)}
    folds = np.array([fold_of[e.person] for e in examples])
    x = np.stack([e.features[part] for e in examples])
    y = np.array([e.scene in _COVERING[part] for e in examples])
    called = np.zeros(len(y), bool)
    for k in range(FOLDS):
        called[folds == k] = fit(x[folds != k], y[folds != k]).probability(x[folds == k]) > THRESHOLD
    scenes = [str(e.scene or "uncovered") for e in examples]
    return {
        s: (int(sum(c for c, t in zip(called, scenes, strict=True) if t == s)), scenes.count(s))
        for s in sorted(set(scenes))
    }


def train_occlusion(
    photos: Sequence[Path],
    *,
    finder: FaceFinder,
    person_of: Callable[[Path], str],
    repeats: int = 3,
    seed: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> tuple[dict[Part, OcclusionModel], dict[str, dict[str, tuple[int, int]]]]:
    """Learn both regressions from photos of uncovered faces.

    Parameters
    ----------
    photos
        At least 20 people; `person_of` names whom a photo shows.
    finder
        Finds the faces.
    repeats, seed
        How often each scene is painted a photo; the seed of all of it.

    Returns
    -------
    models, table
        The regressions, and per part and scene (called covered, of how many) with people held out.

    Raises
    ------
    InputError
        With fewer than 20 people.
    """
    from deciface.photos import read_photo

    people = {person_of(p) for p in photos}
    if len(people) < 4 * FOLDS:
        raise InputError(f"{len(people)} people given; at least {4 * FOLDS} are needed to hold people out")
    examples: list[Example] = []
    for number, path in enumerate(photos):
        rng = np.random.default_rng([seed, number])
        pixels = read_photo(path).pixels
        examples += examples_of(pixels, person_of(path), finder=finder, repeats=repeats, rng=rng)
        advance()
    models = {}
    for part in Part:
        y = np.array([e.scene in _COVERING[part] for e in examples])
        models[part] = fit(np.stack([e.features[part] for e in examples]), y)
    return models, {str(part): flagged(examples, part) for part in Part}


def save(models: dict[Part, OcclusionModel], path: Path) -> None:
    """Write the regressions as the .npz that `deciface.faces.occlusion` reads, atomically."""
    arrays: dict[str, NDArray[np.floating]] = {}
    for part, model in models.items():
        arrays[f"{part}_mean"] = model.mean
        arrays[f"{part}_scale"] = model.scale
        arrays[f"{part}_weights"] = model.weights
        arrays[f"{part}_bias"] = np.array(model.bias, np.float32)
    temporary = path.with_suffix(".part.npz")
    np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
    temporary.replace(path)
