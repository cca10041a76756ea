"""Networks that training begins from: an encoder of the model store as a PyTorch module, and back again as ONNX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from deciface.encoders.dlib_torch import build_dlib_resnet
from deciface.encoders.iresnet import build_iresnet, import_torch, load_weights
from deciface.encoders.iresnet_weights import fit_weights
from deciface.encoders.onnx_export import onnx_from_iresnet, weights_of_card
from deciface.encoders.onnx_from_torch import onnx_from_torch, weights_in_onnx
from deciface.errors import ModelError
from deciface.models import Kind, ModelCard, ModelStore, Runtime
from deciface.models.card import Colour

DLIB = "dlib-resnet"


@dataclass(frozen=True, slots=True)
class Base:
    """A network to begin from.

    Parameters
    ----------
    card
        Of the encoder.
    trunk
        torch.nn.Module from (n, 3, h, w), normalised as the card says, to (n, dimensions).
    to_onnx
        Writes the trained trunk.
    """

    card: ModelCard
    trunk: Any
    to_onnx: Callable[[Any], bytes]


def open_base(store: ModelStore, model_id: str) -> Base:
    """Open an encoder for further training.

    Parameters
    ----------
    store
        Where its file is.
    model_id
        ``dlib-resnet``, an encoder trained from it here, or one whose card says ``runtime: torch``.

    Raises
    ------
    ModelError
        There is no such encoder, or it is one that cannot be trained further.
    """
    card = store.card(model_id)
    if card.kind is not Kind.FACE_ENCODER:
        raise ModelError(f"'{model_id}' is a {card.kind}; training begins from a face-encoder such as {DLIB}")
    content = store.path(model_id).read_bytes()
    if card.runtime is Runtime.TORCH:
        return _iresnet(card, content)
    if card.runtime is Runtime.DLIB:
        return _dlib(card, build_dlib_resnet(content))
    return _trained_here(store, card, content)


def _dlib(card: ModelCard, trunk: Any) -> Base:  # noqa: ANN401 - a torch.nn.Module
    width, height = card.input_px
    return Base(card, trunk, lambda trained: onnx_from_torch(trained, (3, height, width)))


def _trained_here(store: ModelStore, card: ModelCard, content: bytes) -> Base:
    torch = import_torch()
    trunk = build_dlib_resnet(store.path(DLIB).read_bytes())
    weights = weights_in_onnx(content, name=card.file)
    own = trunk.state_dict()
    if set(own) - set(weights) or any(own[k].shape != weights[k].shape for k in own) or card.colour is not Colour.RGB:
        raise ModelError(
            f"'{card.id}' cannot be trained further: its ONNX file was not trained from {DLIB} here; begin from {DLIB} "
            "or from a state dict (runtime torch)"
        )
    trunk.load_state_dict({k: torch.from_numpy(weights[k]) for k in own})
    return _dlib(card, trunk)


def _iresnet(card: ModelCard, content: bytes) -> Base:
    fitted = weights_of_card(content, card, name=card.file)
    trunk = build_iresnet(fitted.architecture)
    load_weights(trunk, fitted.weights)

    def to_onnx(trained: Any) -> bytes:  # noqa: ANN401
        values = {k: np.array(v.detach().cpu().numpy()) for k, v in trained.state_dict().items()}
        weights = fit_weights(values, fitted.architecture, name="the trained network").weights
        return onnx_from_iresnet(weights, fitted.architecture)

    return Base(card, trunk, to_onnx)
