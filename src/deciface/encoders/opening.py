"""From a name to an encoder that is ready."""

from __future__ import annotations

from pathlib import Path

from deciface.encoders.dlib_resnet import open_dlib_resnet
from deciface.encoders.geometry import Geometry, geometry_card, mesh_on_crop
from deciface.encoders.onnx_encoder import OnnxEncoder
from deciface.encoders.onnx_export import onnx_from_weights, weights_of_card
from deciface.encoders.precision import Precision
from deciface.encoders.protocol import Encoder
from deciface.encoders.torch_encoder import TorchEncoder
from deciface.errors import ModelError, OptionError
from deciface.models import Kind, ModelCard, ModelStore, Runtime
from deciface.plugins import plugins

MESH_MODEL = "mediapipe-mesh"


def open_encoder(
    store: ModelStore,
    model_id: str,
    *,
    threads: int = 1,
    device: str = "cpu",
    precision: Precision = Precision.FP32,
) -> Encoder:
    """Open an encoder of the model store.

    Parameters
    ----------
    store
        Where the files are; it checks their sha256.
    model_id
        ``dlib-resnet``, ``geometry``, the id of an encoder that was added, or the name of a plug-in (entry-point group
        ``deciface.encoders``, see `deciface.testing`).
    threads
        See `deciface.encoders.threads_for`. The mesh of ``geometry`` always runs on one.
    device, precision
        Other than ``cpu`` and ``fp32`` only for models with runtime ``torch``, and only with PyTorch installed; see
        `deciface.encoders.torch_encoder` and `deciface.encoders.precision`.

    Raises
    ------
    ModelError
        When there is no such model, its file is missing, altered or of the wrong shape, or it encodes no faces.
    OptionError
        When `threads` is not a number of threads, or the model does not run on that device or in that precision.
    """
    plain = device == "cpu" and precision is Precision.FP32
    weights_alone = any(card.id == model_id and card.runtime is Runtime.TORCH for card in store.cards())
    if not plain and not weights_alone:
        raise OptionError(
            f"{model_id} runs on device cpu in precision fp32 alone; given {device} and {precision}: only models with "
            "runtime torch take others"
        )
    if model_id == "geometry":
        from deciface.faces.mesh import FaceMesh

        card = geometry_card(store.card(MESH_MODEL))
        return Geometry(card, mesh_on_crop(FaceMesh(store.path(MESH_MODEL))))
    own = {card.id for card in store.cards()}
    installed = plugins("deciface.encoders")
    if model_id not in own and model_id in installed:
        plugin: Encoder = installed[model_id]()
        return plugin
    encoders = [c.id for c in store.cards() if c.kind is Kind.FACE_ENCODER]
    if model_id not in encoders:
        what = (
            f"is a {store.card(model_id).kind}, no face encoder" if model_id in own else "is no face encoder known here"
        )
        raise ModelError(f"'{model_id}' {what}; choose one of {', '.join([*encoders, 'geometry', *installed])}")
    card = store.card(model_id)
    path = store.path(model_id)
    if card.runtime is Runtime.TORCH:
        return _open_weights(path, card, threads=threads, device=device, precision=precision)
    if card.runtime is Runtime.DLIB:
        return open_dlib_resnet(path, card, threads=threads)
    return OnnxEncoder(path, card, threads=threads)


def _open_weights(path: Path, card: ModelCard, *, threads: int, device: str, precision: Precision) -> Encoder:
    """Open a state dict: in full precision on the CPU by onnxruntime, which is faster there and needs no PyTorch."""
    content = path.read_bytes()
    if device == "cpu" and precision is Precision.FP32:
        network, _ = onnx_from_weights(content, card, name=path.name)
        return OnnxEncoder(network, card, threads=threads)
    weights = weights_of_card(content, card, name=path.name).weights
    return TorchEncoder(weights, card, threads=threads, device=device, precision=precision)
