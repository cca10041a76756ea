"""Encodings in files: CSV with GestaltMatcher-Arc's columns, Parquet, NPZ. No pickles.

======== ==========================================================================================================
.csv     ``img_name;model;flip;gray;class_conf;representations``, readable by GestaltMatcher-Arc; what these columns
         cannot say stands in ``NAME.csv.meta.json`` beside it (`deciface.formats.encodings_csv`)
.parquet ``photo_id, photo_sha256, crop_version, encoder_sha256, model, region, flip, grey, vector``
.npz     the same columns as arrays; ``values`` holds all vectors end to end, ``length`` how long each is
======== ==========================================================================================================

All three give back exactly the float32 values that were written. A damaged file is refused as a whole: a table of
vectors with a hole in it would silently change every ranking.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from deciface.cases import Encoding
from deciface.errors import InputError, NothingFoundError, OptionError
from deciface.formats.encodings_binary import npz_bytes, parquet_bytes, read_npz, read_parquet
from deciface.formats.encodings_checks import check_encodings
from deciface.formats.encodings_csv import csv_and_sidecar, iter_csv, sidecar_path
from deciface.whole_files import write_whole

SUFFIXES = (".csv", ".parquet", ".npz")


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise OptionError(
            f"'{path.name}' ends in '{path.suffix}'; encodings are kept in {', '.join(SUFFIXES)}: use one"
        )
    return suffix


def check_target(path: Path) -> None:
    """Raise an OptionError for a file that encodings cannot be kept in."""
    _suffix(path)


def encodings_paths(path: Path) -> tuple[Path, ...]:
    """Everything that `write_encodings` makes: the file, and the sidecar of a CSV."""
    return (path, sidecar_path(path)) if _suffix(path) == ".csv" else (path,)


def write_encodings(encodings: Sequence[Encoding], path: Path) -> None:
    """Write encodings in the format of the suffix; whole or not at all.

    Parameters
    ----------
    encodings
        At least one; no photo twice in one view.
    path
        Ends in .csv, .parquet or .npz; an existing file is replaced.

    Raises
    ------
    OptionError
        On another suffix.
    NothingFoundError
        Without encodings.
    MismatchError
        On NaN, vectors of another type or of unequal length within a view, a photo twice in one view, one photo id with
        two hashes; in CSV also on one view made with two encoders or crop versions.
    StorageError
        When the file cannot be written.
    """
    suffix = _suffix(path)
    if not encodings:
        raise NothingFoundError(f"no encodings to write to '{path.name}'; encode at least one photo first")
    check_encodings(encodings)
    if suffix == ".csv":
        table, sidecar = csv_and_sidecar(encodings)
        write_whole(path, table)
        write_whole(sidecar_path(path), sidecar)
    else:
        write_whole(path, parquet_bytes(encodings) if suffix == ".parquet" else npz_bytes(encodings))


def read_encodings(path: Path, *, image_names: Literal["whole", "until-underscore"] = "whole") -> list[Encoding]:
    """Read encodings.

    Parameters
    ----------
    path
        A .csv (ours, or GestaltMatcher-Arc's), .parquet or .npz file.
    image_names
        CSV only. ``whole``: `img_name` is the photo's id as it stands. ``until-underscore``: as GestaltMatcher-Arc
        reads it, ``12_aligned.jpg`` is photo 12.

    Returns
    -------
    list[Encoding]
        In the order of the file. Vectors are float32 of unit length; others are scaled (in float64). What a CSV without
        sidecar does not say (photo hash, crop version, encoder hash) is ``unknown``.

    Raises
    ------
    OptionError
        On another suffix.
    InputError
        When the file cannot be opened.
    TableError
        On a damaged file, with row and column: missing columns, text that is no JSON list of numbers, NaN, unequal
        lengths within a view, a photo twice in one view.
    NothingFoundError
        When there is a header and nothing below it.
    """
    return list(iter_encodings(path, image_names=image_names))


def iter_encodings(path: Path, *, image_names: Literal["whole", "until-underscore"] = "whole") -> Iterator[Encoding]:
    """As `read_encodings`, one after the other: a CSV larger than memory can be read; the other two are read whole.

    An error in a late row comes after the rows before it: use them only when all are there (`Workspace.add_encodings`
    takes all or none).
    """
    suffix = _suffix(path)
    count = 0
    try:
        if suffix == ".csv":
            found = iter_csv(path, image_names=image_names)
        else:
            content = path.read_bytes()
            found = iter(read_parquet(content, path.name) if suffix == ".parquet" else read_npz(content, path.name))
        for count, encoding in enumerate(found, start=1):  # noqa: B007 - counted for after the loop
            yield encoding
    except OSError as error:
        raise InputError(f"'{path}' cannot be read ({error.strerror or error}); give an existing file") from error
    if count == 0:
        raise NothingFoundError(f"'{path.name}' has a header and no encodings; encode photos into it first")
