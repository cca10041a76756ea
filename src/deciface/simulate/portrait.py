"""Draw a simulated person: background, shoulders, clothing, skin from the appearance model, hair."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from deciface.cases import Sex
from deciface.simulate import texture_frame as raster
from deciface.simulate.appearance import AppearanceModel, Identity
from deciface.simulate.canvas import (
    FRAME,
    SIZE_PX,
    Image,
    cloud,
    eye_frame_grid,
    paint,
    polygon_alpha,
    region,
    smooth_curve,
    smoothstep,
)
from deciface.simulate.hair import Hair, paint_back_hair, paint_hair
from deciface.simulate.template import REGIONS, Points

BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (232, 232, 230),
    "light grey": (203, 205, 206),
    "mid grey": (150, 152, 155),
    "blue grey": (150, 168, 184),
    "beige": (208, 196, 178),
    "sage": (168, 182, 166),
    "slate": (88, 94, 102),
}
CLOTHES: dict[str, tuple[int, int, int]] = {
    "white": (222, 222, 220),
    "charcoal": (62, 64, 68),
    "navy": (48, 58, 84),
    "grey": (132, 134, 138),
    "wine": (104, 48, 58),
    "green": (70, 92, 78),
    "light blue": (150, 172, 196),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and in what a photo is taken; belongs to the photo, not to the person."""

    background: str
    clothes: str
    neckline: str
    seed: int


def draw_setting(rng: np.random.Generator) -> Setting:
    """Draw background, clothing and neckline evenly."""
    return Setting(
        background=str(rng.choice(list(BACKGROUNDS))),
        clothes=str(rng.choice(list(CLOTHES))),
        neckline=str(rng.choice(["round", "v"])),
        seed=int(rng.integers(2**31)),
    )


def portrait(model: AppearanceModel, identity: Identity, *, hair: Hair, setting: Setting) -> tuple[Image, Points]:
    """Draw a person looking straight ahead with a neutral face.

    Returns
    -------
    (SIZE_PX, SIZE_PX, 3) float32 RGB 0-255 on the canvas of `canvas.FRAME`, and the (189, 2) template in the eye frame.
    """
    rng = np.random.default_rng(setting.seed)
    landmarks = model.landmarks(identity)
    grid = eye_frame_grid()
    canvas = _background(rng, setting, grid)
    paint_back_hair(canvas, hair, landmarks, grid)
    skin = _skin(model, identity, landmarks, rng)
    neck = _neck(landmarks, identity.sex)
    neck_alpha = polygon_alpha(neck, soft_px=1.2)
    paint(canvas, skin * _neck_shade(neck_alpha, landmarks, grid)[..., None], neck_alpha)
    _clothing(canvas, rng, setting, grid, landmarks)
    for alpha in _head(landmarks):
        paint(canvas, skin, alpha)
    paint_hair(canvas, hair, landmarks, grid)
    return np.clip(canvas, 0, 255), landmarks


def _background(rng: np.random.Generator, setting: Setting, grid: Image) -> Image:
    tone = np.array(BACKGROUNDS[setting.background], dtype=np.float32) * rng.uniform(0.94, 1.06)
    x, y = grid[..., 0] - rng.uniform(-0.8, 0.8), grid[..., 1] - rng.uniform(-0.8, 0.3)
    fall = 1.04 - rng.uniform(0.01, 0.035) * (x**2 + y**2)
    wall = fall + 0.008 * cloud(rng, grid.shape, grain_px=140.0)
    return np.asarray(np.clip(wall[..., None] * tone, 0, 250), dtype=np.float32)


def _skin(model: AppearanceModel, identity: Identity, landmarks: Points, rng: np.random.Generator) -> Image:
    """Skin texture on the person's own shape, over the whole canvas."""
    texture, _ = model.texture(identity)
    blurred = cv2.GaussianBlur(texture, (0, 0), 1.2)
    texture = texture + 0.75 * (texture - blurred)
    texture += (1.5 * _pores(rng, texture.shape[:2]))[..., None] * (texture / 150.0)
    low = smoothstep(
        (np.arange(raster.HEIGHT, dtype=np.float32)[:, None] / raster.PX_PER_OCD + raster.TOP - 1.35) / 0.3
    )
    texture += low[..., None] * (cv2.GaussianBlur(texture, (0, 0), 9.0) - texture)
    step = 10
    line = np.linspace(0, SIZE_PX - 1, SIZE_PX // step)
    coarse = FRAME.from_px(np.stack(np.meshgrid(line, line), axis=-1))
    source = raster.to_raster(raster.backward_map(model.mean_shape, landmarks, coarse)).astype(np.float32)
    dense = _upsample(source)
    x = np.clip(dense[..., 0], 0, raster.WIDTH - 1)
    y = np.clip(dense[..., 1], 0, raster.HEIGHT - 1)
    return np.asarray(cv2.remap(texture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), dtype=np.float32)


def _upsample(coarse: Image) -> Image:
    """Cubic interpolation of a map sampled at linspace(0, SIZE_PX - 1)."""
    n = coarse.shape[0]
    line = (np.arange(SIZE_PX, dtype=np.float32) * ((n - 1) / (SIZE_PX - 1))).astype(np.float32)
    x, y = np.meshgrid(line, line)
    return np.asarray(cv2.remap(coarse, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), dtype=np.float32)


def _pores(rng: np.random.Generator, shape: tuple[int, ...]) -> Image:
    noise = rng.standard_normal(shape).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 1.0) - cv2.GaussianBlur(noise, (0, 0), 3.0)
    return np.asarray(noise / noise.std(), dtype=np.float32)


def _head(landmarks: Points) -> list[Image]:
    """Coverage of ears, then of the face with the scalp."""
    jaw = smooth_curve(landmarks[list(REGIONS["jaw"])])
    crown = landmarks[list(REGIONS["hairline"])]
    crown = crown * np.where(crown[:, 1:] < -0.1, 1.06, 1.0)  # scalp under the hair's edge
    face = np.concatenate([jaw, smooth_curve(crown)[::-1]])
    ears = []
    for name in ("ear_left", "ear_right"):
        rim = landmarks[list(REGIONS[name])[:7]]
        centre = np.array([np.sign(rim[:, 0].mean()) * 0.70, rim[:, 1].mean()])
        ears.append(polygon_alpha(np.concatenate([smooth_curve(rim), centre[None]]), soft_px=0.9))
    return [*ears, polygon_alpha(face, soft_px=1.1)]


def _neck(landmarks: Points, sex: Sex) -> Points:
    """Outline of neck and shoulders under the clothing."""
    jaw = landmarks[list(REGIONS["jaw"])]
    gonion = (abs(jaw[2, 0]) + abs(jaw[-3, 0])) / 2
    half = gonion * (0.90 if sex is Sex.FEMALE else 1.0)
    chin = landmarks[129, 1]
    right = np.array(
        [
            (half * 1.02, 0.55),
            (half * 0.97, chin - 0.15),
            (half * 0.96, chin + 0.10),
            (half * 1.04, chin + 0.32),
            (half * 1.45, chin + 0.56),
            (half * 2.4, chin + 0.80),
            (2.7, chin + 1.2),
            (2.7, 3.2),
        ]
    )
    side = smooth_curve(right)
    return np.concatenate([side, side[::-1] * [-1.0, 1.0]])


def _neck_shade(alpha: Image, landmarks: Points, grid: Image) -> Image:
    """A neck is round: darker to its sides."""
    soft = cv2.GaussianBlur(alpha, (0, 0), 9.0)
    side = 0.72 + 0.28 * smoothstep((soft - 0.40) / 0.55)
    low = smoothstep((grid[..., 1] - landmarks[129, 1] - 0.25) / 0.6)
    return np.asarray(side * (1.0 - 0.06 * low), dtype=np.float32)


def _clothing(canvas: Image, rng: np.random.Generator, setting: Setting, grid: Image, landmarks: Points) -> None:
    """A plain shirt: collar, soft folds, its shadow on the neck."""
    window = region(left=-3.0, right=3.0, top=0.9, bottom=3.0)
    canvas, grid = canvas[window], grid[window]
    x, y = np.abs(grid[..., 0]), grid[..., 1]
    chin = float(landmarks[129, 1])
    depth = chin + (0.66 if setting.neckline == "round" else 0.92) + rng.uniform(-0.04, 0.08)
    wide = 0.72 + rng.uniform(0.0, 0.1)
    if setting.neckline == "round":
        collar = depth - 0.36 * (np.clip(x / wide, 0, 1) ** 2.6)
    else:
        collar = depth - 0.62 * np.clip(x / wide, 0, 1)
    slope = np.interp(x, [0.0, wide, 1.2, 1.8, 2.3, 2.7], chin + np.array([0.2, 0.30, 0.50, 0.68, 0.95, 1.4])).astype(
        np.float32
    )
    shoulder = np.asarray(cv2.GaussianBlur(slope, (0, 0), 5.0))
    rough = np.where(x < wide, collar, np.maximum(shoulder, collar - 1.0)).astype(np.float32)
    top = np.asarray(cv2.GaussianBlur(rough, (0, 0), 1.5))
    alpha = smoothstep((y - top) / 0.016 + 0.5)
    body = cv2.GaussianBlur(alpha, (0, 0), 5.0) * (1 - alpha)
    inside = smoothstep((wide + 0.02 - x) / 0.05)
    canvas *= (1.0 - 0.35 * body * inside)[..., None]
    folds = 0.035 * cloud(rng, grid.shape, grain_px=70.0) + 0.02 * cloud(rng, grid.shape, grain_px=28.0)
    knit = 0.012 * rng.standard_normal(alpha.shape).astype(np.float32)
    band = 0.06 * smoothstep((0.045 - np.abs(y - top - 0.075)) / 0.012) * inside
    light = 0.98 + folds + knit - band - 0.16 * smoothstep((x - 1.2) / 1.2)
    colour = np.array(CLOTHES[setting.clothes], dtype=np.float32) * np.clip(light, 0.4, 1.1)[..., None]
    paint(canvas, colour.astype(np.float32), alpha)
