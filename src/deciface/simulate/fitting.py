"""Learn the appearance model from photos with landmark templates.

Method: active appearance model (Cootes, Edwards & Taylor 2001) with these changes. (1) Effects of ancestry, sex and
age are fitted first by least squares and the principal components are those of the residuals, so that a sample stays
within its group; an ancestry's mean is drawn towards that of all groups, the more the fewer people it rests on.
(2) Hair, clothing and background inside the raster are treated as missing and imputed by iterated low-rank regression,
so that no hair is smeared over forehead, temples, ears or neck. (3) Forehead and neck keep only low frequencies.
(4) Every photo enters once more mirrored. No coefficients of a person leave this module.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deciface.cases import Sex
from deciface.errors import InputError
from deciface.simulate import texture_frame as raster
from deciface.simulate.appearance import AGE_ZERO_YEARS, AppearanceModel, Basis, spread_out
from deciface.simulate.template import EyeFrame, Points, mirror_order, read_template

MIN_GROUP = 5
_WORK_PX_PER_OCD = 170.0
_SHRINK_N = 10.0
_ANCESTRY_PRIOR_PEOPLE = 6.0
"""Weight, in people, of the mean of all ancestries in each: through a plain mean of 10 everyone shows."""
_SEEN_BY = 8.0

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PersonGroup:
    """What is known about one training person.

    Parameters
    ----------
    ancestry
        One term, or several joined by '/' for a person of several groups, who then counts in equal parts.
    sex
        Female, male or unknown.
    age_years
        Age in the photo, or None.
    """

    ancestry: str
    sex: Sex = Sex.UNKNOWN
    age_years: float | None = None


def fit(
    photos: Sequence[Path],
    templates: Sequence[Path],
    groups: Sequence[PersonGroup],
    *,
    source: str,
    n_shape: int = 30,
    n_texture: int = 50,
    progress: Callable[[int, int], None] | None = None,
) -> AppearanceModel:
    """Fit the model. Memory and time grow linearly with the number of photos.

    Parameters
    ----------
    photos, templates, groups
        One per person, in the same order: an upright frontal neutral photo, its 189-point `.tem` file, its group.
    source
        Where the photos come from and under which licence; kept in the model.
    n_shape, n_texture
        Number of principal components kept, at most half the number of people, so that no person can be singled out.
    progress
        Called with (photos read, photos in all).

    Raises
    ------
    InputError
        If the three lists differ in length, fewer than 20 people remain, or a file cannot be read.
    """
    if not len(photos) == len(templates) == len(groups):
        raise InputError(
            f"{len(photos)} photos, {len(templates)} templates, {len(groups)} groups; give one of each per person"
        )
    names, keep = _groups_to_use(groups)
    if len(keep) < 4 * MIN_GROUP:
        raise InputError(
            f"{len(keep)} people in ancestry groups of {MIN_GROUP} or more; at least {4 * MIN_GROUP} are needed; "
            "add photos"
        )
    most = len(keep) // 2
    n_shape, n_texture = min(n_shape, most), min(n_texture, most)
    used = [groups[i] for i in keep]
    px = [read_template(templates[i]) for i in keep]
    shapes = np.stack([EyeFrame.from_template(p).from_px(p) for p in px])
    mean = symmetric_mean(shapes)
    stack = []
    for k, i in enumerate(keep):
        stack.append(_shape_free(_read(photos[i]), px[k], mean))
        if progress is not None:
            progress(k + 1, len(keep))
    design = _design(used, names)
    luma, chroma = _textures(np.stack(stack), mean, design)
    mirrored = (shapes * np.array([-1.0, 1.0]))[:, mirror_order(mean)]
    shapes, design = np.concatenate([shapes, mirrored]), np.concatenate([design, design])
    return AppearanceModel.build(
        ancestries=tuple(names),
        mean_shape=mean,
        shape=_basis(shapes.reshape(2 * len(keep), -1), design, len(names), n_shape),
        luma=_basis(luma, design, len(names), n_texture),
        chroma=_basis(chroma, design, len(names), min(n_texture, 24)),
        people=dict(_count(used, names)),
        source=source,
    )


def symmetric_mean(shapes: Array) -> Points:
    """Mean of (n, 189, 2) shapes and their mirror images."""
    mean = shapes.mean(axis=0)
    order = mirror_order(mean)
    return np.asarray((mean + mean[order] * np.array([-1.0, 1.0])) / 2)


def _groups_to_use(groups: Sequence[PersonGroup]) -> tuple[list[str], list[int]]:
    single = Counter(g.ancestry for g in groups if "/" not in g.ancestry)
    names = sorted(n for n, count in single.items() if count >= MIN_GROUP)
    keep = [i for i, g in enumerate(groups) if all(part in names for part in g.ancestry.split("/"))]
    return names, keep


def _count(groups: Sequence[PersonGroup], names: Sequence[str]) -> list[tuple[str, int]]:
    return [(n, sum(n in g.ancestry.split("/") for g in groups)) for n in names]


def _design(groups: Sequence[PersonGroup], names: Sequence[str]) -> Array:
    """(n, ancestries + 2): shares of ancestry, sex (female -.5, male .5), decades from 30 years."""
    rows = []
    for g in groups:
        parts = g.ancestry.split("/")
        sex = {Sex.FEMALE: -0.5, Sex.MALE: 0.5}.get(g.sex, 0.0)
        age = 0.0 if g.age_years is None else (g.age_years - AGE_ZERO_YEARS) / 10.0
        rows.append([parts.count(n) / len(parts) for n in names] + [sex, age])
    return np.array(rows, dtype=np.float64)


def _effects(data: Array, design: Array) -> Array:
    """Least-squares effects, (design columns, features); sex and age lightly shrunk."""
    gram = design.T @ design
    penalty = np.zeros(len(gram))
    penalty[-2:] = 1.0
    return np.asarray(np.linalg.solve(gram + np.diag(penalty), design.T @ data))


def _basis(data: Array, design: Array, ancestries: int, n: int) -> Basis:
    """Group effects, principal components of the residuals scaled to 1 SD, and each group's own SD on them."""
    effects = _effects(data, design)
    residual = data - design @ effects
    u, s, vt = np.linalg.svd(residual, full_matrices=False)
    people = len(data)
    components = vt[:n] * (s[:n, None] / np.sqrt(people - design.shape[1]))
    scores = u[:, :n] * np.sqrt(people - design.shape[1])
    weights = design[:, :ancestries]
    count = weights.sum(axis=0)
    within = (weights.T @ scores**2) / count[:, None]
    spread = np.sqrt((count[:, None] * within + _SHRINK_N) / (count[:, None] + _SHRINK_N))
    explained = float((s[:n] ** 2).sum() / (s**2).sum())
    middle = effects[:ancestries].mean(axis=0)  # of the groups, not of the people: no group is the norm
    trust = (count / (count + 2 * _ANCESTRY_PRIOR_PEOPLE))[:, None]  # twice: everybody is there once more mirrored
    effects[:ancestries] = middle + trust * (effects[:ancestries] - middle)
    return Basis(effects=effects, components=components, spread=spread, explained=explained)


def _read(path: Path) -> NDArray[np.uint8]:
    data = np.fromfile(path, dtype=np.uint8) if path.is_file() else np.zeros(0, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise InputError(f"{path}: not a photo that can be read; give JPEG or PNG files beside their templates")
    return np.asarray(image[..., ::-1], dtype=np.uint8)


def _shape_free(photo: NDArray[np.uint8], points_px: Points, mean: Points) -> raster.Image:
    """The photo warped to the mean shape, (HEIGHT, WIDTH, 3) float32 RGB."""
    frame = EyeFrame.from_template(points_px)
    scale = min(1.0, _WORK_PX_PER_OCD / frame.ocd_px)
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    coarse = raster.raster_points(raster.CHROMA_STEP)
    source = frame.to_px(raster.backward_map(frame.from_px(points_px), mean, coarse)) * scale
    dense = cv2.resize(source.astype(np.float32), (raster.WIDTH, raster.HEIGHT), interpolation=cv2.INTER_CUBIC)
    warped = cv2.remap(small, dense[..., 0], dense[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, dtype=np.float32)


def _valid(images: NDArray[np.float32], mean: Points) -> NDArray[np.float32]:
    """How surely each pixel is skin: (n, HEIGHT, WIDTH) in [0, 1]; hair, clothing and background are 0."""
    p = raster.raster_points()
    inner = raster.always_skin(mean)
    cheeks = inner & (p[..., 1] > 0.22) & (p[..., 1] < 0.55) & (np.abs(p[..., 0]) > 0.25)
    below_jaw = p[..., 1] > 0.75
    beside = (np.abs(p[..., 0]) > 0.72) & (p[..., 1] > -0.1)
    core = cv2.erode(inner.astype(np.uint8), np.ones((5, 5))).astype(np.float32)
    sure = cv2.GaussianBlur(core, (0, 0), 2.0) * inner
    out = np.empty(images.shape[:3], np.float32)
    for k, image in enumerate(images):
        lab = cv2.cvtColor(cv2.GaussianBlur(image, (0, 0), 1.0) / 255.0, cv2.COLOR_RGB2Lab)
        tone = np.median(lab[cheeks], axis=0)
        spread = np.maximum(lab[cheeks].std(axis=0), [5.0, 2.0, 2.5])
        ratio = lab[..., 0] / tone[0]
        shaded = np.minimum(ratio, 1.0) ** 0.8  # skin in shade has less chroma
        colour = np.hypot((lab[..., 1] - shaded * tone[1]) / spread[1], (lab[..., 2] - shaded * tone[2]) / spread[2])
        coloured = np.hypot(lab[..., 1], lab[..., 2]) > 0.55 * shaded * np.hypot(tone[1], tone[2])
        low = np.where(below_jaw, 0.40, np.where(beside, 0.45, np.where(p[..., 1] > 0, 0.38, 0.70)))
        bright = lab[..., 0] - tone[0] < np.maximum(0.28 * tone[0], 18.0)
        skin = (ratio > low) & bright & (colour < np.where(beside, 6.0, np.where(p[..., 1] > 0, 5.5, 4.5))) & coloured
        skin = cv2.morphologyEx(skin.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0
        # above the ears keep only what hangs together with the inner face
        _, label = cv2.connectedComponents((skin | inner).astype(np.uint8))
        joined = label == label[int(raster.HEIGHT * 0.55), raster.WIDTH // 2]
        skin = (skin & (joined | beside | below_jaw)) | inner
        eroded = cv2.erode(skin.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)))
        soft = cv2.GaussianBlur(eroded.astype(np.float32), (0, 0), 3.0)
        out[k] = np.maximum(soft * (eroded > 0), sure)
    return out


def _textures(images: NDArray[np.float32], mean: Points, design: Array) -> tuple[Array, Array]:
    """Complete brightness (2n, pixels) and colour (2n, 2 x chroma pixels) of everybody, then of their mirror images."""
    images = np.concatenate([images, images[:, :, ::-1]])
    design = np.concatenate([design, design])
    valid = _valid(images, mean)
    domain = raster.skin_domain(mean)
    coarse = raster.chroma_domain(domain)
    ycc = np.stack([cv2.cvtColor(i / 255.0, cv2.COLOR_RGB2YCrCb) * 255.0 for i in images])
    small = (raster.WIDTH // raster.CHROMA_STEP, raster.HEIGHT // raster.CHROMA_STEP)
    valid_small = np.stack([cv2.resize(v, small, interpolation=cv2.INTER_AREA) for v in valid])[:, coarse]
    chroma = np.empty((len(ycc), 2 * int(coarse.sum())))
    for k, (image, weight) in enumerate(zip(ycc, valid, strict=True)):
        both = cv2.resize((image[..., 1:] - 128.0) * weight[..., None], small, interpolation=cv2.INTER_AREA)[coarse]
        chroma[k] = 128.0 + (both / np.maximum(valid_small[k], 1e-3)[:, None]).T.ravel()
    ears = (np.abs(raster.raster_points()[..., 0]) > 0.80)[domain]
    luma = _complete(ycc[:, domain, 0].astype(np.float64), valid[:, domain].astype(np.float64), design, domain)
    luma[:, ears] -= 0.5 * (luma - design @ _effects(luma, design))[:, ears]  # seen in few: half the variation is noise
    colour = [_complete(half, valid_small.astype(np.float64), design, coarse) for half in np.split(chroma, 2, axis=1)]
    return _calm(luma, domain, raster.calm_weight(mean)), np.concatenate(colour, axis=1)


def _complete(
    data: Array, weight: Array, design: Array, domain: raster.Mask, *, rank: int = 15, rounds: int = 25
) -> Array:
    """Fill pixels of weight 0 by iterated low-rank regression (group effects plus `rank` shrunken components)."""
    seen = weight.sum(axis=0)
    known = seen > _SEEN_BY
    image = np.zeros(domain.shape, dtype=bool)
    image[domain] = known
    start = (weight * data).sum(axis=0) / np.maximum(seen, 1e-6)
    start = spread_out(start[known], image)[domain].astype(np.float64)
    weight = np.where(known, weight, 0.0)
    level = (weight * data).sum(axis=1) / (weight * start).sum(axis=1)
    guess = start[None] * level[:, None]
    for _ in range(rounds):
        full = weight * data + (1 - weight) * guess
        fitted = design @ _effects(full, design)
        rest = full - fitted
        variance, u = np.linalg.eigh(rest @ rest.T)
        keep = np.maximum(1 - variance[-rank - 1] / variance[-rank:], 0)
        guess = fitted + (u[:, -rank:] * keep) @ (u[:, -rank:].T @ rest)
    known_error = np.where(weight > 0, data - guess, 0.0)
    for row in range(len(data)):
        guess[row] += _continue(known_error[row], weight[row], domain)
    return np.asarray(weight * data + (1 - weight) * guess)


def _continue(error: Array, weight: Array, domain: raster.Mask) -> Array:
    """The error at the rim of what is known, carried on smoothly and fading: no seam between seen and imputed skin."""
    planes = np.zeros((2, *domain.shape), np.float32)
    planes[0, domain], planes[1, domain] = error * weight, weight
    px = domain.shape[1] / raster.WIDTH
    near = [cv2.GaussianBlur(p, (0, 0), 9.0 * px) for p in planes]
    return np.asarray(
        (near[0] / np.maximum(near[1], 0.02))[domain] * np.minimum(1.0, 3.0 * near[1][domain]), np.float64
    )


def _smooth(values: Array, domain: raster.Mask, sigma_px: float) -> Array:
    """Gaussian blur inside a mask."""
    image = np.zeros(domain.shape, np.float32)
    image[domain] = values
    norm = cv2.GaussianBlur(domain.astype(np.float32), (0, 0), sigma_px)
    return np.asarray((cv2.GaussianBlur(image, (0, 0), sigma_px) / np.maximum(norm, 1e-3))[domain], dtype=np.float64)


def _calm(luma: Array, domain: raster.Mask, where: raster.Image) -> Array:
    """Drop the fine detail above the brows and below the jaw: stray hair and lines there become streaks in a sample."""
    weight = where[domain].astype(np.float64)
    return np.stack([row + weight * (_smooth(row, domain, 5.0) - row) for row in luma])
