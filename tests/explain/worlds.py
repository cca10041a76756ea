"""People made of noise, and encoders that look at one named region and at nothing else."""

from __future__ import annotations

import numpy as np

from deciface.explain import Regions, regions_of

TEMPLATE = "arcface-112"
SIDE = 112
PATTERNS = 6


def regions() -> Regions:
    return regions_of(TEMPLATE)


def crops(rng: np.random.Generator, count: int, *, where: str = "", shift: float = 0.0) -> np.ndarray:
    """Blotchy grey people; `shift` brightens the middle of a region by so many grey levels."""
    coarse = rng.normal(128, 25, (count, 14, 14, 1))
    values = np.repeat(np.repeat(coarse, 8, axis=1), 8, axis=2).repeat(3, axis=3)
    if where:
        mask = regions().masks[regions().names.index(where)]
        values = values + shift * mask[None, ..., None]
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def looking_at(where: str):
    """An encoder whose vectors depend on brightness and some patterns inside a region, on no other pixel."""
    number = regions().names.index(where)
    others = np.delete(regions().masks, number, axis=0).max(axis=0)
    core = regions().masks[number] > 0.9 * regions().masks[number].max()
    inside = core & (others < 0.002)  # where a neighbour fades in, it is seen too
    inside = inside if inside.any() else core
    patterns = np.random.default_rng(5).standard_normal((PATTERNS, int(inside.sum()))) * 0.2
    patterns[0] = 1.0

    def encode(batch: np.ndarray) -> np.ndarray:
        seen = batch[..., 0][:, inside].astype(np.float64) / 255 - 0.5
        rows = np.column_stack([np.ones(len(batch)), seen @ patterns.T / inside.sum()])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    return encode


def looking_nowhere(batch: np.ndarray) -> np.ndarray:
    """An encoder to which all faces are alike."""
    return np.tile(np.float32([0.6, 0.8]), (len(batch), 1))
