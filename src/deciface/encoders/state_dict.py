"""Weights out of PyTorch files without running anything of them, and without PyTorch.

A ``.pth`` file is a pickle, a small program that is run when it is opened. Here it is never given to Python's pickle
module: `deciface.encoders.pickled_tensors` follows the few instructions that saved tensors need and refuses all others.

Formats: PyTorch's archive (since version 1.6) and its older sequence of pickles, as ``torch.save`` writes them, and
safetensors. Written from the formats.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.pickled_tensors import MAX_PICKLE_BYTES, PickledTensor, Refused, Storage, evaluate
from deciface.errors import ModelError

MAX_BYTES = 2 * 2**30
_MAX_HEADER_BYTES = 16 * 2**20
_OLD_MAGIC = 0x1950A86A20F9469CFC6C
_OLD_VERSION = 1001
_NESTED = ("state_dict", "model_state_dict", "model", "backbone", "net")
"""Under which key training scripts keep the state dict in a checkpoint."""
_SAVE_AGAIN = "where it was trained, save the weights alone: torch.save(model.state_dict(), 'weights.pth')"
_SAFETENSORS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "bfloat16", "I64": "<i8", "I32": "<i4", "U8": "|u1"}
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, struct.error, UnicodeDecodeError, NotImplementedError, RuntimeError),
    *(EOFError, OSError, KeyError, IndexError, TypeError, ValueError, OverflowError, RecursionError, AttributeError),
)
_ReadStorage = Callable[[Storage], bytes]


def read_state_dict(content: bytes, *, name: str) -> dict[str, NDArray[Any]]:
    """Read the tensors of a PyTorch or safetensors file.

    Parameters
    ----------
    content
        The whole file, at most `MAX_BYTES`.
    name
        What messages call it.

    Returns
    -------
    dict of str to NDArray
        As they are in the file, bfloat16 as float32; read-only. A checkpoint that holds its state dict under one of the
        usual keys gives that one.

    Raises
    ------
    ModelError
        Another kind of file, too large, damaged, a whole pickled model, code, no tensors.
    """
    if len(content) > MAX_BYTES:
        raise ModelError(f"'{name}' has {len(content) >> 20} MiB; weights may have {MAX_BYTES >> 20}: {_SAVE_AGAIN}")
    try:
        if _is_safetensors(content):
            return _from_safetensors(content)
        if content[:4] == b"PK\x03\x04":
            return _tensors(*_from_archive(content, name), name)
        if content[:1] == b"\x80":
            return _tensors(*_from_pickles(content, name), name)
    except Refused as error:
        _refuse(error, name)
    except _DAMAGED as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise ModelError(
            f"'{name}' is damaged or holds no weights ({reason}); copy it again, or {_SAVE_AGAIN}"
        ) from error
    raise ModelError(f"'{name}' is no PyTorch or safetensors file; {_SAVE_AGAIN}")


def _refuse(error: Refused, name: str) -> NoReturn:
    layers = [found for found in error.found if found.startswith("torch.nn.")]
    own = [f for f in error.found if not f.startswith(("torch.", "collections.", "builtins.", "__builtin__."))]
    if layers:
        raise ModelError(
            f"'{name}' is a whole pickled model (class {(own + layers)[0]}), which runs code when opened; it was not "
            f"opened: {_SAVE_AGAIN}"
        ) from error
    raise ModelError(
        f"'{name}' holds {', '.join(error.found[:3])}, which could run code when opened; it was not opened: "
        f"{_SAVE_AGAIN}"
    ) from error


def _from_archive(content: bytes, name: str) -> tuple[object, _ReadStorage]:
    archive = zipfile.ZipFile(io.BytesIO(content))
    members = {member.filename: member for member in archive.infolist()}
    main = [path for path in members if path == "data.pkl" or path.endswith("/data.pkl")]
    if len(main) != 1:
        raise ModelError(f"'{name}' is a ZIP archive, but not of weights that torch.save wrote; {_SAVE_AGAIN}")
    root = main[0].removesuffix("data.pkl")
    if any(path.startswith(f"{root}code/") for path in members):
        raise ModelError(
            f"'{name}' is a TorchScript archive, which holds code; it was not opened: where it was made, save the "
            "weights alone: torch.save(torch.jit.load(FILE).state_dict(), 'weights.pth')"
        )

    def plain(path: str, limit: int) -> bytes:
        # torch.save compresses nothing, so that no small file can unfold into a large one.
        if members[path].compress_type != zipfile.ZIP_STORED or members[path].file_size > limit:
            raise ValueError(f"{path} is compressed or too large")
        return archive.read(path)

    if f"{root}byteorder" in members and plain(f"{root}byteorder", 16).strip() != b"little":
        raise ValueError("its numbers are big-endian")
    value = evaluate(io.BytesIO(plain(main[0], MAX_PICKLE_BYTES)))
    return value, lambda storage: plain(f"{root}data/{storage.key}", MAX_BYTES)


def _from_pickles(content: bytes, name: str) -> tuple[object, _ReadStorage]:
    """The older format: magic number, version, machine, content, keys of storages, storages."""
    stream = io.BytesIO(content)
    if evaluate(stream) != _OLD_MAGIC:
        raise ModelError(f"'{name}' is a pickle of something else than weights; it was not opened: {_SAVE_AGAIN}")
    if evaluate(stream) != _OLD_VERSION:
        raise ValueError("another version of the format")
    evaluate(stream)
    value, keys = evaluate(stream), evaluate(stream)
    if not isinstance(keys, list):
        raise TypeError("no list of storages")
    lengths = _storage_lengths(value)
    places: dict[str, tuple[int, int]] = {}
    at = stream.tell()
    for key in keys:
        places[key] = (at + 8, at + 8 + lengths[key])  # 8 bytes tell how many numbers follow
        at += 8 + lengths[key]
    return value, lambda storage: content[slice(*places[storage.key])]


def _storage_lengths(value: object) -> dict[str, int]:
    """Bytes of every storage that any tensor uses, those of an optimiser included."""
    lengths: dict[str, int] = {}
    open_values, seen = [value], set[int]()
    while open_values:
        item = open_values.pop()
        if isinstance(item, PickledTensor):
            lengths[item.storage.key] = item.storage.bytes
        elif isinstance(item, dict | list | tuple) and id(item) not in seen:
            seen.add(id(item))
            open_values.extend(item.values() if isinstance(item, dict) else item)
    return lengths


def _flat(value: object) -> dict[str, PickledTensor]:
    """Return the tensors of a state dict, or of the one inside a checkpoint."""
    if not isinstance(value, dict):
        return {}
    if not any(isinstance(item, PickledTensor) for item in value.values()):
        value = next((value[key] for key in _NESTED if isinstance(value.get(key), dict)), dict[object, object]())
    return {key: item for key, item in value.items() if isinstance(key, str) and isinstance(item, PickledTensor)}


def _tensors(value: object, read: _ReadStorage, name: str) -> dict[str, NDArray[Any]]:
    flat = _flat(value)
    if not flat:
        raise ModelError(
            f"'{name}' holds no state_dict, neither by itself nor under {', '.join(_NESTED)}; {_SAVE_AGAIN}"
        )
    runs: dict[str, NDArray[Any]] = {}
    made = {}
    for key, tensor in flat.items():
        storage = tensor.storage
        if storage.key not in runs:
            content = read(storage)
            if len(content) != storage.bytes:
                raise ValueError(f"{key} has {len(content)} bytes instead of {storage.bytes}")
            runs[storage.key] = _numbers(content, storage.kind)
        run = runs[storage.key]
        strides = [step * run.itemsize for step in tensor.stride]
        # The interpreter has checked that the view lies inside its storage.
        view = np.lib.stride_tricks.as_strided(run[tensor.offset :], tensor.size, strides, writeable=False)
        made[key] = view
    return made


def _numbers(content: bytes, kind: str) -> NDArray[Any]:
    """Read a run of numbers; bfloat16 is the upper half of a float32."""
    if kind == "bfloat16":
        return (np.frombuffer(content, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(content, kind)


def _is_safetensors(content: bytes) -> bool:
    length = int.from_bytes(content[:8], "little")
    return content[8:9] == b"{" and length <= min(_MAX_HEADER_BYTES, len(content) - 8)


def _from_safetensors(content: bytes) -> dict[str, NDArray[Any]]:
    """Length of the header, header in JSON with type, shape and place of each tensor, numbers."""
    start = 8 + int.from_bytes(content[:8], "little")
    tensors = {}
    for key, about in json.loads(content[8:start]).items():
        if key == "__metadata__":
            continue
        begin, end = about["data_offsets"]
        if not 0 <= begin <= end <= len(content) - start:
            raise ValueError(f"{key} lies outside the file")
        values = _numbers(content[start + begin : start + end], _SAFETENSORS[about["dtype"]])
        tensors[key] = values.reshape(about["shape"])
    return tensors
