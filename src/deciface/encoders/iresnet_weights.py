"""Weights of an improved residual network in a state dict: found under any prefix, complete, of the right shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.iresnet import ARCHITECTURES, Weights, weight_shapes
from deciface.errors import ModelError

_ANCHOR = "layer1.0.bn1.weight"
_COUNTER = "num_batches_tracked"
_TRUNK = ("conv1", "bn1", "prelu", "layer1", "layer2", "layer3", "layer4", "bn2", "fc", "features")
_NAMED = 3
"""How many names of tensors an error lists."""


@dataclass(frozen=True, slots=True)
class FittedWeights:
    """Weights under the names of the architecture, and what the file held besides.

    Parameters
    ----------
    architecture
        One of `ARCHITECTURES`.
    weights
        float32 under the names of `weight_shapes`.
    prefix
        What stood before each of these names in the file, e.g. ``module.``.
    left_out
        Names of other tensors of the file, e.g. of a classifier that was trained on top.
    """

    architecture: str
    weights: Weights
    prefix: str
    left_out: tuple[str, ...]


def fit_weights(tensors: Mapping[str, NDArray[Any]], architecture: str, *, name: str) -> FittedWeights:
    """Take the weights of an architecture out of a state dict.

    Parameters
    ----------
    tensors
        Names and values as the file holds them; see `deciface.encoders.state_dict`.
    architecture
        One of `ARCHITECTURES`.
    name
        What messages call the file.

    Raises
    ------
    OptionError
        When there is no such architecture.
    ModelError
        When the file holds no such network or several, when tensors are missing, of another shape, not finite, or more
        than the network has; the architecture that fits is named.
    """
    shapes = weight_shapes(architecture)
    prefix = _prefix(tensors, name)
    own = {key[len(prefix) :]: values for key, values in tensors.items() if key.startswith(prefix)}
    found = _architecture_of(own)
    if found != architecture:
        counts = ", ".join(str(n) for n in _units(own))
        fits = f"that is {found}: correct `architecture`" if found else f"known are {', '.join(ARCHITECTURES)}"
        raise ModelError(
            f"'{name}' has {counts} residual units in its stages, its card declares {architecture}; {fits}"
        )
    if missing := [key for key in shapes if key not in own]:
        raise ModelError(
            f"'{name}' lacks {_listed(missing)}, which {architecture} needs; is it a state_dict of that network?"
        )
    if wrong := [key for key, shape in shapes.items() if own[key].shape != shape]:
        told = "; ".join(f"{key} is {own[key].shape}, not {shapes[key]}" for key in wrong[:_NAMED])
        raise ModelError(f"'{name}' is no {architecture} ({len(wrong)} tensors of another shape): {told}")
    more = [k for k in own if k not in shapes and k.split(".")[0] in _TRUNK and not k.endswith(_COUNTER)]
    if more:
        raise ModelError(
            f"'{name}' has more than {architecture}: {_listed(more)}; it is another network: export that to ONNX"
        )
    weights = {key: _as_float32(own[key], key, name) for key in shapes}
    used = {prefix + key for key in shapes}
    left_out = tuple(key for key in tensors if key not in used and not key.endswith(_COUNTER))
    return FittedWeights(architecture, MappingProxyType(weights), prefix, left_out)


def random_weights(architecture: str, rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    """Draw weights of an untrained network (He et al. 2015), for tests and for measuring speed.

    Batch norms start at mean 0 and variance 1, PReLU at 0.25, and the last norm of each unit at a scale of 0.2, so that
    the sum over many units stays in the range of float16.
    """
    drawn: dict[str, NDArray[np.float32]] = {}
    for key, shape in weight_shapes(architecture).items():
        if len(shape) > 1:
            scale = np.float32(np.sqrt(2 / np.prod(shape[1:])))
            drawn[key] = rng.standard_normal(shape, dtype=np.float32) * scale
        elif key.endswith(("prelu.weight", "bn3.weight")):
            drawn[key] = np.full(shape, 0.25 if "prelu" in key else 0.2, np.float32)
        else:
            drawn[key] = np.full(shape, float(key.endswith((".weight", "running_var"))), np.float32)
    return drawn


def _prefix(tensors: Mapping[str, NDArray[Any]], name: str) -> str:
    """Find what stands before the names of the network's tensors."""
    prefixes = [k.removesuffix(_ANCHOR) for k in tensors if k == _ANCHOR or k.endswith("." + _ANCHOR)]
    if not prefixes:
        held = _listed(list(tensors)) if tensors else "no tensors at all"
        raise ModelError(f"'{name}' holds no improved ResNet: no tensor '{_ANCHOR}', but {held}; export it to ONNX")
    if len(prefixes) > 1:
        raise ModelError(
            f"'{name}' holds {len(prefixes)} networks, under {', '.join(repr(p) for p in prefixes[:_NAMED])}; "
            "save the state_dict of one of them"
        )
    return prefixes[0]


def _units(own: Mapping[str, NDArray[Any]]) -> tuple[int, ...]:
    """Count the units of each stage."""
    return tuple(
        len({key.split(".")[1] for key in own if key.startswith(f"layer{stage}.") and key.count(".") > 1})
        for stage in range(1, 5)
    )


def _architecture_of(own: Mapping[str, NDArray[Any]]) -> str | None:
    units = _units(own)
    return next((name for name, known in ARCHITECTURES.items() if known == units), None)


def _as_float32(values: NDArray[Any], key: str, name: str) -> NDArray[np.float32]:
    if not np.issubdtype(values.dtype, np.floating):
        raise ModelError(f"'{name}': {key} is {values.dtype}; floating-point weights are needed: save them unquantised")
    converted = np.ascontiguousarray(values, np.float32)
    if not np.isfinite(converted).all():
        raise ModelError(f"'{name}': {key} holds NaN or infinity; the training diverged or the file is damaged")
    return converted


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
