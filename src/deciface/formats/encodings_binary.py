"""Encodings as Parquet and NPZ; every row carries all of its names.

A damaged Parquet file can take the whole process down while it is decoded (an allocation of exabytes, 1 in some 1,000
mutated files). Ours therefore carry the sha256 of their own bytes in their metadata, and it is checked before anything
is decoded; NPZ has the checksums of ZIP. That guards against damage, not against somebody who forges the sum.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deciface.cases import Encoding, View
from deciface.formats.encodings_checks import ReadRows

if TYPE_CHECKING:
    import polars as pl

_SEAL = b"deciface-sha256:"
_UNSEALED = b"0" * 64
TEXT_COLUMNS = ("photo_id", "photo_sha256", "crop_version", "encoder_sha256", "model", "region")
TRUTH_COLUMNS = ("flip", "grey")


def _columns(encodings: Sequence[Encoding]) -> dict[str, list[Any]]:
    texts: dict[str, list[Any]] = {
        "photo_id": [e.photo_id for e in encodings],
        "photo_sha256": [e.photo_sha256 for e in encodings],
        "crop_version": [e.crop_version for e in encodings],
        "encoder_sha256": [e.encoder_sha256 for e in encodings],
        "model": [e.view.model for e in encodings],
        "region": [e.view.region for e in encodings],
    }
    return texts | {"flip": [e.view.flip for e in encodings], "grey": [e.view.grey for e in encodings]}


def parquet_bytes(encodings: Sequence[Encoding]) -> bytes:
    """Parquet with the eight columns of names and ``vector``, a list of float32."""
    import polars as pl

    vectors = pl.Series("vector", [e.vector for e in encodings]).cast(pl.List(pl.Float32))
    return sealed_parquet(pl.DataFrame(_columns(encodings)).with_columns(vectors))


def sealed_parquet(table: pl.DataFrame) -> bytes:
    """Write a table as Parquet that carries the sha256 of its own bytes (with 64 zeros in the place of the sum)."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, metadata={"deciface": (_SEAL + _UNSEALED).decode()})
    content = buffer.getvalue()
    return content.replace(_SEAL + _UNSEALED, _SEAL + hashlib.sha256(content).hexdigest().encode())


def _sealed(content: bytes) -> bool:
    """Whether the bytes are those that were sealed."""
    at = content.rfind(_SEAL) + len(_SEAL)
    digest = content[at : at + len(_UNSEALED)]
    return hashlib.sha256(content.replace(_SEAL + digest, _SEAL + _UNSEALED)).hexdigest().encode() == digest


def read_parquet(content: bytes, name: str) -> list[Encoding]:
    """Read what `parquet_bytes` made.

    Raises
    ------
    TableError
        See `deciface.formats.encodings.read_encodings`; rows count from 1, the first row of data is 2.
    """
    import polars as pl

    rows = ReadRows(name)
    if not _sealed(content):
        raise rows.wrong("is damaged, or was not written by DeciFace as it is; write it again, or use .csv or .npz")
    try:
        table = pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        raise rows.wrong("is no readable Parquet file; write it again") from error
    wanted = dict.fromkeys(TEXT_COLUMNS, pl.String()) | dict.fromkeys(TRUTH_COLUMNS, pl.Boolean())
    for column, kind in (wanted | {"vector": pl.List(pl.Float32)}).items():
        if column not in table.columns or table.schema[column] != kind:
            found = table.schema.get(column, "no such column")
            raise rows.wrong(f"{kind} is needed; found {found}: write the file again", 1, column)
        holes = table[column].is_null()
        if holes.any():
            raise rows.wrong("empty; fill it in", int(holes.arg_max() or 0) + 2, column)
    vectors = [series.to_numpy() for series in table["vector"]]
    named = enumerate(zip(table.iter_rows(named=True), vectors, strict=True), start=2)
    return [_encoding(rows, row, names, vector.astype(np.float64), "vector") for row, (names, vector) in named]


def npz_bytes(encodings: Sequence[Encoding]) -> bytes:
    """Compressed NPZ with the eight columns of names, ``length`` and ``values``."""
    buffer = io.BytesIO()
    arrays: dict[str, NDArray[Any]] = {key: np.array(column) for key, column in _columns(encodings).items()}
    arrays["length"] = np.array([e.vector.size for e in encodings], np.int64)
    arrays["values"] = np.concatenate([e.vector for e in encodings])
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, array in arrays.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return buffer.getvalue()


def read_npz(content: bytes, name: str) -> list[Encoding]:
    """Read what `npz_bytes` made; pickled arrays are refused.

    Raises
    ------
    TableError
        See `deciface.formats.encodings.read_encodings`; rows count from 1, the first row of data is 2.
    """
    rows = ReadRows(name)
    kinds = dict.fromkeys(TEXT_COLUMNS, "U") | dict.fromkeys(TRUTH_COLUMNS, "b") | {"length": "i", "values": "f"}
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as data:
            missing = [key for key in kinds if key not in data.files]
            arrays = {} if missing else {key: data[key] for key in kinds}
    except (OSError, ValueError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise rows.wrong("is no readable NPZ file of plain arrays; write it again") from error
    if missing:
        raise rows.wrong(f"missing: {', '.join(missing)}; write the file again", 1, missing[0])
    for key, kind in kinds.items():
        array = arrays[key]
        if array.dtype.kind != kind or array.ndim != 1 or (kind == "f" and array.dtype != np.float32):
            raise rows.wrong(
                f"a list of kind '{kind}' is needed; found {array.shape} {array.dtype}: write it again", 1, key
            )
        if key != "values" and len(array) != len(arrays["length"]):
            raise rows.wrong(f"{len(array)} rows; length has {len(arrays['length'])}: write the file again", 1, key)
    length, values = arrays["length"], arrays["values"]
    if (length < 1).any() or (length > len(values)).any() or int(length.sum()) != len(values):
        raise rows.wrong(
            f"does not add up to the {len(values)} values that are there: write the file again", 1, "length"
        )
    encodings = []
    for i, end in enumerate(np.cumsum(length).tolist()):
        names = {key: arrays[key][i].item() for key in (*TEXT_COLUMNS, *TRUTH_COLUMNS)}
        vector = values[end - int(length[i]) : end].astype(np.float64)
        encodings.append(_encoding(rows, i + 2, names, vector, "values"))
    return encodings


def _encoding(rows: ReadRows, row: int, names: dict[str, Any], vector: NDArray[np.float64], column: str) -> Encoding:
    return rows.encoding(
        row,
        vector,
        photo_id=names["photo_id"],
        photo_sha256=names["photo_sha256"],
        crop_version=names["crop_version"],
        encoder_sha256=names["encoder_sha256"],
        view=View(model=names["model"], region=names["region"], flip=names["flip"], grey=names["grey"]),
        column=column,
    )
