"""Add a face encoder of one's own: its file and its card, both checked before anything is stored.

The file is an ONNX network, or the weights of a known architecture (runtime ``torch``), which are checked as the
network that they make. What is stored is the file as it was given, so that its sha256 stays the published
one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from deciface.errors import ModelError
from deciface.models.card import Kind, Layout, ModelCard, Runtime, card_from, read_card_fields
from deciface.models.store import ModelState, ModelStore

if TYPE_CHECKING:
    import onnxruntime

_MAX_BYTES = 2**31 - 1
"""A protobuf message cannot be larger."""

_ONNX = "export the network to ONNX, or save its state_dict and declare `runtime: torch` and `architecture` in the card"
_PICKLE = f"is a pickle, which runs code of its author when it is opened; {_ONNX}"
_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"PK\x03\x04", f"is a PyTorch or ZIP archive (it holds pickles, which run code); {_ONNX}"),
    (0, b"\x80\x02", _PICKLE),
    (0, b"\x80\x03", _PICKLE),
    (0, b"\x80\x04", _PICKLE),
    (0, b"\x80\x05", _PICKLE),
    (0, b"\x89HDF", "is a Keras or HDF5 file; export the network to ONNX"),
    (4, b"TFL3", "is a LiteRT file; export the network to ONNX"),
)
_PICKLE_SUFFIXES = {".pkl", ".pickle", ".joblib", ".pth", ".pt", ".ckpt"}


class ToOnnx(Protocol):
    """Makes an ONNX network of bare weights; `deciface.encoders.onnx_from_weights` is the one."""

    def __call__(self, content: bytes, card: ModelCard, /, *, name: str) -> tuple[bytes, tuple[str, ...]]:
        """Return the network, and the names of what was left out of it; raises ModelError."""
        ...


def add_model(
    store: ModelStore,
    file: Path,
    *,
    card: Path,
    to_onnx: ToOnnx | None = None,
    notice: Callable[[str], None] | None = None,
) -> ModelCard:
    """Check a face encoder against its card and store both.

    The network is loaded by onnxruntime and run once on a blank picture, so that wrong shapes come to light now.

    Parameters
    ----------
    store
        Where they go.
    file
        The network, ONNX in one file; or, when the card says ``runtime: torch``, its state dict.
    card
        YAML with the fields of `ModelCard`; ``file``, ``sha256`` and ``bytes`` are filled in when left out.
    to_onnx
        What reads state dicts; without it only ONNX can be added.
    notice
        Is told in one line what of a state dict was left out, such as a classifier.

    Returns
    -------
    ModelCard
        As stored.

    Raises
    ------
    ModelError
        A card with missing, unknown or wrong fields; a file that holds code; another file format; shapes that differ
        from the card's; an id that is taken by another file.
    StorageError
        The store cannot be written.
    """
    fields = read_card_fields(card)
    weights_alone = isinstance(fields, dict) and fields.get("runtime") == Runtime.TORCH
    content = _content(file, weights_alone=weights_alone)
    sha256 = hashlib.sha256(content).hexdigest()
    computed = {"sha256": sha256, "bytes": len(content)}
    if isinstance(fields, dict) and isinstance(fields.get("id"), str):
        computed["file"] = f"{fields['id']}{_suffix(file, weights_alone=weights_alone)}"
    made = card_from(fields, origin=f"card '{card.name}'", defaults=computed)
    if (made.sha256, made.bytes) != (sha256, len(content)):
        raise ModelError(
            f"'{file.name}' is not the file of card '{card.name}' (sha256 {sha256[:12]}... and {len(content)} bytes, "
            f"the card says {made.sha256[:12]}... and {made.bytes}); give the right file, or leave both out of the card"
        )
    allowed = (Runtime.ONNX, Runtime.TORCH) if to_onnx else (Runtime.ONNX,)
    if made.kind is not Kind.FACE_ENCODER or made.runtime not in allowed:
        raise ModelError(
            f"card '{card.name}' is of a {made.kind} with runtime {made.runtime}; "
            f"only a face-encoder with runtime {' or '.join(allowed)} can be added"
        )
    _check_id(store, made)
    network: bytes = content
    left_out: tuple[str, ...] = ()
    if to_onnx and made.runtime is Runtime.TORCH:
        network, left_out = to_onnx(content, made, name=file.name)
    check_network(network, made, name=file.name)
    with file.open("rb") as stream:
        if store.place(stream, wanted={sha256: made}, max_bytes=len(content)) is None:
            raise ModelError(f"'{file}' changed while it was read; try again")
    store.place_card(made)
    if left_out and notice:
        more = f" and {len(left_out) - 3} more" if len(left_out) > 3 else ""
        notice(
            f"'{file.name}': left out, because {made.architecture} has no such part: {', '.join(left_out[:3])}{more}"
        )
    return made


def _suffix(file: Path, *, weights_alone: bool) -> str:
    if not weights_alone:
        return ".onnx"
    return ".safetensors" if file.suffix.lower() == ".safetensors" else ".pth"


def _content(file: Path, *, weights_alone: bool) -> bytes:
    """Read the file, unless it is one of those that are never opened."""
    try:
        size = file.stat().st_size
        if size > _MAX_BYTES:
            raise ModelError(f"'{file.name}' has {size >> 20} MiB; a network may have {_MAX_BYTES >> 20}")
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(f"'{file}' cannot be read ({error.strerror or error}); check the path") from error
    if not content:
        raise ModelError(f"'{file.name}' is empty (0 bytes); copy it again")
    if weights_alone:
        return content  # whoever reads it runs nothing of it
    for at, magic, what in _OTHERS:
        if content[at : at + len(magic)] == magic:
            raise ModelError(f"'{file.name}' {what}")
    if file.suffix.lower() in _PICKLE_SUFFIXES:
        raise ModelError(f"'{file.name}' {_PICKLE}")
    return content


def _check_id(store: ModelStore, card: ModelCard) -> None:
    """Refuse an id that another file has; the same file may be added again."""
    for status in store.status():
        if status.card.id == card.id and (status.card.sha256 != card.sha256 or status.state is ModelState.ALTERED):
            raise ModelError(
                f"the id '{card.id}' is taken by another file (sha256 {status.card.sha256[:12]}...); "
                "choose another id in the card"
            )


def check_network(content: bytes, card: ModelCard, *, name: str) -> None:
    """Load an ONNX network and compare what it takes and gives with its card.

    Parameters
    ----------
    content
        The ONNX file.
    card
        What is declared.
    name
        What messages call the file.

    Raises
    ------
    ModelError
        Not ONNX, weights in other files, more than one input or output, another type or shape, vectors that are
        not finite. Both shapes are named.
    """
    session = _session(content, name)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelError(
            f"'{name}' has {len(inputs)} inputs and {len(outputs)} outputs; one of each is needed: "
            "export the network up to the face vector"
        )
    if inputs[0].type != "tensor(float)":
        raise ModelError(f"'{name}' takes {inputs[0].type}; float32 pixels are needed: export it with a float32 input")
    width, height = card.input_px
    channels_first = card.layout is Layout.NCHW
    declared = [1, card.channels, height, width] if channels_first else [1, height, width, card.channels]
    real = list(inputs[0].shape)
    fixed = [isinstance(n, int) and n > 0 for n in real]
    if len(real) != 4 or any(
        is_fixed and r != d for is_fixed, r, d in zip(fixed[1:], real[1:], declared[1:], strict=True)
    ):
        raise ModelError(
            f"'{name}' takes {_shape(real)}, but its card declares {_shape(['n', *declared[1:]])} "
            f"({card.layout}, input_px {list(card.input_px)}, {card.colour}); correct the card or export it anew"
        )
    if fixed[0]:
        declared[0] = real[0]
    try:
        vectors = session.run(None, {inputs[0].name: np.zeros(declared, np.float32)})[0]
    except Exception as error:
        raise ModelError(
            f"'{name}' fails on a blank picture of {_shape(declared)} ({_brief(error)}); export it anew"
        ) from error
    if not isinstance(vectors, np.ndarray) or vectors.size != declared[0] * card.dimensions:
        raise ModelError(
            f"'{name}' gives {_shape(getattr(vectors, 'shape', ()))}, but its card declares "
            f"{_shape([declared[0], card.dimensions])}; correct dimensions in the card or export it anew"
        )
    if not np.isfinite(vectors).all():
        raise ModelError(f"'{name}' gives vectors that are not finite on a blank picture; export it anew")


def _session(content: bytes, name: str) -> onnxruntime.InferenceSession:
    """Load an ONNX file that holds all its weights; one thread, no messages on the screen."""
    import onnx
    import onnxruntime
    from onnx.external_data_helper import uses_external_data

    try:
        graph = onnx.load_model_from_string(content).graph
    except Exception as error:
        raise ModelError(f"'{name}' is not an ONNX file ({_brief(error)}); export the network to ONNX") from error
    if any(uses_external_data(weights) for weights in graph.initializer):
        raise ModelError(f"'{name}' keeps its weights in other files; export it to one ONNX file")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"'{name}' cannot be loaded by onnxruntime ({_brief(error)}); export it anew") from error


def _shape(shape: object) -> str:
    return "(" + ", ".join(str(n) for n in shape) + ")" if isinstance(shape, list | tuple) else str(shape)


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
