"""Hair drawn as strands: photos of hair average to a blurred cap, so it is not learnt.

A style is an outline around the skull, a direction that the strands run in, and how frayed its edges are. Tones follow
the ancestry group. Frequencies of styles and tones are stated here; they are choices, not estimates.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deciface.cases import Sex
from deciface.simulate.canvas import Image, cloud, paint, region, smoothstep
from deciface.simulate.template import REGIONS, Points

CENTRE = (0.0, -0.10)  # of the polar coordinates, eye frame

TONES: dict[str, tuple[int, int, int]] = {
    "black": (30, 26, 25),
    "dark brown": (52, 38, 31),
    "brown": (84, 60, 44),
    "light brown": (122, 93, 66),
    "blond": (172, 142, 102),
    "red": (134, 74, 44),
    "grey": (118, 114, 110),
}
_DARK = {"black": 0.85, "dark brown": 0.15}
_TONE_SHARES: dict[str, dict[str, float]] = {
    "black": _DARK,
    "east_asian": _DARK,
    "west_asian": {"black": 0.6, "dark brown": 0.4},
    "white": {"dark brown": 0.3, "brown": 0.35, "light brown": 0.2, "blond": 0.11, "red": 0.04},
}
_STYLE_SHARES: dict[Sex, dict[str, float]] = {
    Sex.FEMALE: {"tied back": 0.45, "long": 0.45, "short": 0.10},
    Sex.MALE: {"cropped": 0.45, "short": 0.55},
    Sex.UNKNOWN: {"tied back": 0.3, "short": 0.7},
}


@dataclass(frozen=True, slots=True)
class Hair:
    """A person's hair.

    Parameters
    ----------
    style
        'cropped', 'short', 'tied back' or 'long' (behind the ears).
    tone
        Name in `TONES`.
    rgb
        The person's own shade of it, 0-255.
    curl
        0 straight to 1 tightly curled.
    volume
        How far it stands off the skull at the crown, in OCD.
    seed
        Of the strands.
    """

    style: str
    tone: str
    rgb: tuple[float, float, float]
    curl: float
    volume: float
    seed: int


def draw_hair(rng: np.random.Generator, *, ancestry: str, sex: Sex, age_years: float) -> Hair:
    """Draw a hairstyle for a group; ancestries without an entry get the darker half of the tones."""
    styles = _STYLE_SHARES[sex]
    tones = _TONE_SHARES.get(ancestry, {"black": 0.4, "dark brown": 0.4, "brown": 0.2})
    style = str(rng.choice(list(styles), p=np.array(list(styles.values()))))
    tone = str(rng.choice(list(tones), p=np.array(list(tones.values()))))
    if rng.random() < np.clip((age_years - 42) / 40, 0, 0.6):
        tone = "grey"
    curl = float(rng.uniform(0.75, 1.0)) if ancestry == "black" else float(rng.uniform(0.0, 0.35))
    low, high = {"cropped": (0.00, 0.05), "short": (0.05, 0.17), "tied back": (0.00, 0.07), "long": (0.03, 0.11)}[style]
    shade = np.array(TONES[tone]) * rng.uniform(0.85, 1.15) + rng.normal(0, 0.8, 3)
    rgb = tuple(float(v) for v in np.round(np.clip(shade, 8, 220), 1))
    return Hair(
        style,
        tone,
        (rgb[0], rgb[1], rgb[2]),
        round(curl, 3),
        round(float(rng.uniform(low, high)), 4),
        int(rng.integers(2**31)),
    )


def paint_back_hair(canvas: Image, hair: Hair, landmarks: Points, grid: Image) -> None:
    """Hair behind temples and ears and, in the long style, behind neck and shoulders."""
    half = (abs(float(landmarks[109, 0])) + abs(float(landmarks[112, 0]))) / 2 + 0.03
    side, low = np.abs(grid[..., 0]), grid[..., 1]
    behind = smoothstep((half - side) / 0.05) * smoothstep((0.42 - low) / 0.25) * smoothstep((low + 0.30) / 0.3)
    paint(canvas, _shade(hair, np.full(behind.shape, 0.42)), behind)
    if hair.style == "long":
        _paint_lengths(canvas, hair, grid)


def _paint_lengths(canvas: Image, hair: Hair, grid: Image) -> None:
    """Long hair, straight down behind neck and shoulders."""
    rng = np.random.default_rng([hair.seed, 1])
    window = region(left=-1.7, right=1.7, top=-0.9, bottom=2.8)
    canvas, grid = canvas[window], grid[window]
    x, y = grid[..., 0], grid[..., 1]
    length = rng.uniform(1.7, 2.3)
    side = np.sign(x) + (x == 0)
    wave = 0.02 * np.sin(y * rng.uniform(2.5, 4.5) + side * rng.uniform(0, 3)) * (0.5 + 2 * hair.curl)
    half = np.interp(y, [-0.8, -0.5, -0.2, 0.2, 0.6, 1.2, 2.0, 3.0], [0.6, 0.78, 0.90, 0.97, 1.0, 1.05, 1.10, 1.05])
    half = half.astype(np.float32) + 0.6 * hair.volume + wave
    across = (x + wave * side) * 1.6 + 3.0
    strands = _strands(rng, across.astype(np.float32), (y * 0.25 + 1).astype(np.float32), hair)
    edge = smoothstep((half - np.abs(x) + 0.02 * strands) / 0.05) * smoothstep((length - y + 0.10 * strands) / 0.25)
    edge = edge * smoothstep((y + 0.75) / 0.3)
    depth = 0.50 + 0.30 * smoothstep((np.abs(x) - 0.62) / 0.35)
    light = depth * (1.0 + 0.22 * strands)
    paint(canvas, _shade(hair, light), edge.astype(np.float32))


def paint_hair(canvas: Image, hair: Hair, landmarks: Points, grid: Image) -> None:
    """Hair of the scalp, over the head, with the shadow it casts on the skin."""
    rng = np.random.default_rng([hair.seed, 2])
    window = region(left=-1.55, right=1.55, top=-2.0, bottom=0.40)
    canvas, grid = canvas[window], grid[window]
    dx, dy = grid[..., 0] - CENTRE[0], grid[..., 1] - CENTRE[1]
    radius = np.hypot(dx, dy)
    angle = np.arctan2(dx, -dy)  # 0 at the crown, positive to image right
    inner, outer = _outlines(landmarks, hair, angle, rng)
    thick = np.maximum(outer - inner, 0.04)
    depth = (radius - inner) / thick  # 0 at the hairline, 1 at the outline
    across, along = _direction(hair, angle, depth, rng)
    strands = _strands(rng, across, along, hair)
    fine = cloud(rng, grid.shape, grain_px=2.5)
    texture = np.clip(0.7 * strands + 0.5 * hair.curl * fine, -1.6, 1.6)
    fray = {"cropped": 0.03, "short": 0.03, "tied back": 0.02, "long": 0.02}[hair.style]
    temple = smoothstep((np.abs(angle) - 1.0) / 0.5)
    soft = 0.07 + 0.05 * temple
    loose = {"cropped": 0.012, "short": 0.035, "tied back": 0.012, "long": 0.015}[hair.style] * (
        1.0 - 0.7 * hair.curl
    ) + 0.008 * hair.curl
    above_ear = smoothstep((0.06 + 0.02 * texture - grid[..., 1]) / 0.16)
    under = (
        smoothstep((radius - inner - 0.02) / (soft + 0.04)) * smoothstep((outer - loose - radius) / 0.05) * above_ear
    )
    inner_edge = smoothstep((radius - inner + fray * texture + 0.01) / soft)
    outer_edge = smoothstep((outer - radius + loose * texture + 0.5 * loose) / (0.03 + 1.6 * loose))
    alpha = inner_edge * outer_edge * above_ear
    if hair.style == "cropped":
        alpha = alpha * np.clip(0.86 + 0.08 * fine, 0.5, 0.97)
    shadow = cv2.GaussianBlur(alpha, (0, 0), 7.0) * (1 - alpha) * smoothstep((outer - radius) / 0.05)
    canvas *= (1.0 - 0.38 * shadow)[..., None]
    light = _light(hair, angle, depth, strands, fine)
    paint(canvas, _shade(hair, 0.55 * cv2.GaussianBlur(light, (0, 0), 6.0)), under)
    paint(canvas, _shade(hair, light), alpha.astype(np.float32))


def _light(hair: Hair, angle: Image, depth: Image, strands: Image, fine: Image) -> Image:
    """Brightness: lit from above and in front, a sheen across the strands, darker roots and rim."""
    band = np.exp(-(((depth - 0.52 + 0.03 * strands) / 0.20) ** 2)) * np.exp(-((angle / 0.85) ** 2))
    sheen = {"cropped": 0.25, "short": 0.35, "tied back": 0.75, "long": 0.75}[hair.style] * (1.0 - 0.75 * hair.curl)
    rim = 1.0 - 0.35 * smoothstep((depth - 0.75) / 0.35)
    roots = 0.80 + 0.20 * smoothstep(depth / 0.25)
    side = 1.0 - 0.25 * smoothstep((np.abs(angle) - 0.7) / 0.8)
    grain = (0.20 - 0.08 * hair.curl) * strands + (0.05 + 0.13 * hair.curl) * fine
    return np.asarray((0.92 * rim * roots * side + sheen * band) * (1.0 + grain), dtype=np.float32)


def _shade(hair: Hair, light: Image) -> Image:
    light = np.clip(light, 0.15, 2.4)[..., None]
    rgb = np.array(hair.rgb, dtype=np.float32)
    gloss = np.clip(light - 1.05, 0.0, None) * np.array([46.0, 42.0, 40.0], dtype=np.float32)
    return np.asarray(np.clip(rgb * light + gloss, 4.0, 235.0), dtype=np.float32)


def _outlines(landmarks: Points, hair: Hair, angle: Image, rng: np.random.Generator) -> tuple[Image, Image]:
    """Radius of hairline and outline at every angle."""
    line = _polar(landmarks[list(REGIONS["hairline"])])
    head = _polar(landmarks[list(REGIONS["head_outline"])[1:-1]])
    inner = np.interp(angle, *line).astype(np.float32)
    skull = np.interp(angle, *head)
    close = np.interp(np.abs(angle), [0.0, 0.5, 0.9, 1.25, 1.6, 2.2], [1.0, 0.92, 0.72, 0.48, 0.22, 0.1])
    full = 0.35 if hair.style == "long" else {"cropped": 0.0, "short": 0.12, "tied back": 0.0}[hair.style]
    close = close + full * smoothstep((np.abs(angle) - 0.3) / 0.8)
    lift = hair.volume * (0.45 + 0.55 * np.cos(np.clip(angle, -1.57, 1.57)))
    bumps = np.interp(
        angle, np.linspace(-2.2, 2.2, 14), rng.normal(0, 0.012 + 0.10 * hair.volume * (0.3 + hair.curl), 14)
    )
    outer = inner + close * np.maximum(skull - inner, 0.12) + lift + bumps
    blurred = cv2.GaussianBlur(outer.astype(np.float32), (0, 0), 4.0)
    return np.asarray(cv2.GaussianBlur(inner, (0, 0), 2.0), np.float32), np.asarray(blurred, np.float32)


def _polar(points: Points) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    d = points - np.array(CENTRE)
    angle, radius = np.arctan2(d[:, 0], -d[:, 1]), np.hypot(d[:, 0], d[:, 1])
    order = np.argsort(angle)
    return angle[order], radius[order]


def _direction(hair: Hair, angle: Image, depth: Image, rng: np.random.Generator) -> tuple[Image, Image]:
    """Coordinates across and along the strands."""
    warp = cloud(rng, angle.shape, grain_px=60.0)
    if hair.style in ("tied back", "long"):
        part = rng.uniform(-0.35, 0.35)
        across = angle * 1.5 + 0.45 * np.tanh((angle - part) * 5.0) * (1 - depth) + 0.05 * warp
        along = depth
    else:
        lean = rng.uniform(-0.9, 0.9)
        across = angle * 1.2 + lean * depth * 0.5 + 0.12 * warp
        along = depth * 1.3
    return (across + 4.0).astype(np.float32), (along + 1.0).astype(np.float32)


def _strands(rng: np.random.Generator, across: Image, along: Image, hair: Hair) -> Image:
    """Strand brightness of SD about 1: noise that is fine across and long along, more isotropic the more curled."""
    rows, columns = 24 + int(72 * hair.curl), 2048
    if hair.curl > 0.3:
        swirl = 0.03 + 0.05 * hair.curl
        across = across + swirl * cloud(rng, across.shape, grain_px=9.0)
        along = along + 1.6 * swirl * cloud(rng, across.shape, grain_px=9.0)
    total = np.zeros(across.shape, np.float32)
    for width, weight in ((2.0, 0.55), (6.0, 0.55), (22.0, 0.65)):
        noise = rng.standard_normal((rows, columns)).astype(np.float32)
        streaks = cv2.GaussianBlur(noise, (0, 0), sigmaX=width, sigmaY=1.0, borderType=cv2.BORDER_REFLECT)
        streaks = np.asarray(streaks / np.std(streaks), dtype=np.float32)
        total += weight * cv2.remap(
            streaks, across * (columns / 8.0), along * (rows / 4.0), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
    return np.asarray(total, dtype=np.float32)
