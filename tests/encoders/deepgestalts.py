"""Small networks of the DeepGestalt form with weights of nobody."""

from __future__ import annotations

from functools import cache

import numpy as np

from deciface.encoders.deepgestalt import Description, Label, ModelKind, convolutions
from deciface.encoders.deepgestalt_export import onnx_from_deepgestalt
from deciface.faces.region_crops import Region

CHANNELS = (4, 6, 6, 8, 8, 10, 8, 10, 8, 12)
REGIONS = (Region.FACE, Region.MOUTH)
LABELS = (Label("OMIM:1", "first"), Label("OMIM:2", "second"), Label("OMIM:3", "third"))
DESCRIPTION = Description(ModelKind.MULTICLASS, LABELS, REGIONS, "nobody")


@cache
def weights_of(seed=0, regions=REGIONS, classes=3):
    """Weights in which every norm and bias matters; the same on every machine."""
    rng, made = np.random.default_rng(seed), {}

    def draw(name, shape, low, high):
        made[name] = rng.uniform(low, high, shape).astype(np.float32)

    for region in regions:
        for name, before, after, normed, _ in convolutions(CHANNELS):
            made[f"{region}.{name}.weight"] = rng.normal(0, np.sqrt(2 / (9 * before)), (after, before, 3, 3)).astype(
                "f4"
            )
            norm = f"{region}.{name.replace('conv', 'norm')}"
            if normed:
                draw(f"{norm}.weight", after, 0.5, 1.5)
                draw(f"{norm}.bias", after, -0.3, 0.3)
                draw(f"{norm}.running_mean", after, -0.3, 0.3)
                draw(f"{norm}.running_var", after, 0.5, 2)
            else:
                draw(f"{region}.{name}.bias", after, -0.3, 0.3)
        draw(f"{region}.fc.weight", (classes, CHANNELS[-1]), -1, 1)
        draw(f"{region}.fc.bias", classes, -1, 1)
    return made


@cache
def model_bytes():
    return onnx_from_deepgestalt(weights_of(), DESCRIPTION)


def some_crops(count=3, seed=1, regions=2):
    """Smooth blobs, (count, regions, 100, 100) uint8."""
    rng, (y, x) = np.random.default_rng(seed), np.indices((100, 100))
    crops = np.zeros((count, regions, 100, 100))
    for crop in crops.reshape(-1, 100, 100):
        for cx, cy, width, height in rng.uniform([0, 0, 6, 40], [100, 100, 25, 120], (6, 4)):
            crop += height * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * width**2))
    return np.clip(crops, 0, 255).astype(np.uint8)
