"""Small improved residual networks with weights of nobody, and the files they are saved in."""

from __future__ import annotations

import io
from functools import cache

import numpy as np

from deciface.encoders.iresnet import weight_shapes
from deciface.models import Runtime
from tests.encoders.drawing import card


def iresnet_card(architecture="iresnet18", **changes):
    return card(
        **{
            "id": "own",
            "runtime": Runtime.TORCH,
            "architecture": architecture,
            "input_px": (112, 112),
            "mean": (127.5,) * 3,
            "std": (127.5,) * 3,
            "dimensions": 512,
            **changes,
        }
    )


@cache
def weights_of(architecture="iresnet18"):
    """Weights in which every norm, slope and bias matters; the same on every machine."""
    rng, made = np.random.default_rng(5), {}
    for key, shape in weight_shapes(architecture).items():
        if len(shape) > 1:
            made[key] = rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(1.6 / np.prod(shape[1:])))
        elif key.endswith("running_var"):
            made[key] = rng.uniform(0.5, 2, shape).astype(np.float32)
        elif "prelu" in key:
            made[key] = rng.uniform(0, 0.5, shape).astype(np.float32)
        elif key.endswith(".weight"):
            low, high = (0.1, 0.3) if "bn3" in key else (0.6, 1.4)
            made[key] = rng.uniform(low, high, shape).astype(np.float32)
        else:
            made[key] = rng.normal(0, 0.2, shape).astype(np.float32)
    return made


def saved(state, **how):
    """What torch.save writes."""
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer, **how)
    return buffer.getvalue()


def as_tensors(weights, prefix=""):
    import torch

    return {prefix + key: torch.from_numpy(np.array(values)) for key, values in weights.items()}


def as_safetensors(tensors, *, kinds=None):
    """Safetensors by hand; `kinds` names the type of tensors that are no float32."""
    import json

    header, body = {"__metadata__": {"format": "pt"}}, b""
    for key, values in tensors.items():
        content = np.ascontiguousarray(values).tobytes()
        header[key] = {
            "dtype": (kinds or {}).get(key, "F32"),
            "shape": list(values.shape),
            "data_offsets": [len(body), len(body) + len(content)],
        }
        body += content
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body
