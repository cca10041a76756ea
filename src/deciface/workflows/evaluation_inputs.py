"""What an evaluation is given besides a gallery: split files, a training manifest, a table that divides the photos."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from deciface.errors import InputError, NothingFoundError, TableError
from deciface.evaluation.protocol import Experiment, Protocol, given_protocol
from deciface.formats.gmdb_tables import GmdbSplit, read_splits
from deciface.formats.text import decode_text
from deciface.space import Gallery
from deciface.space.restriction import NOT_RECORDED


def protocol_of_files(
    gallery: Gallery, labels: Sequence[Sequence[str]], folder: Path, experiments: Collection[Experiment]
) -> Protocol:
    """Take the splits of ``gmdb_*_images_v*.csv``, joined by image id.

    An image is the photo with that id or file name, whole, without its suffix, or up to the first ``_`` (``12``,
    ``12.jpg``, ``12_aligned.jpg``). Of several versions in the folder the newest is taken.

    Parameters
    ----------
    gallery, labels
        The photos, and the disorders (or genes) of each, which serve photos that the splits do not name.
    folder, experiments
        Where the files are; which experiments to make.

    Raises
    ------
    NothingFoundError
        No split files, or none of the images is here.
    InputError, TableError
        A split cannot be read.
    """
    files = read_splits(folder)
    newest = max((_version(split.version) for split in files), default=())
    by_name = {split.name: split for split in files if _version(split.version) == newest}
    if not by_name:
        raise NothingFoundError(f"'{folder}' has no gmdb_*_images_v*.csv; give the folder of the split files")
    numbers = _photo_numbers(gallery)

    def side(*names: str, fold: int | None = None) -> dict[int, str]:
        images = [image for name in names if name in by_name for image in by_name[name].images]
        return {
            numbers[image.image_id]: image.label
            for image in images
            if image.image_id in numbers and (fold is None or image.fold == fold)
        }

    whole = "frequent_test" in by_name or "frequent_gallery" in by_name
    frequent = (
        side("frequent_test" if whole else "test"),
        side(*(("frequent_gallery",) if whole else ("train", "val"))),
    )
    folds = sorted(
        {i.fold for name in ("rare_test",) if name in by_name for i in by_name[name].images if i.fold is not None}
    )
    rare = {fold: (side("rare_test", fold=fold), side("rare_gallery", fold=fold)) for fold in folds}
    used = [by_name[name] for name in by_name if name in _USED]
    return given_protocol(
        [photo.patient.id for photo in gallery.photos],
        labels,
        frequent=frequent,
        rare=rare,
        source=f"split files of {folder.name}, version {used[0].version if used else '?'}",
        experiments=experiments,
        remarks=_missing_images(used, numbers),
    )


_USED = ("frequent_test", "frequent_gallery", "test", "train", "val", "rare_test", "rare_gallery")


def _missing_images(used: Sequence[GmdbSplit], numbers: Mapping[str, int]) -> list[str]:
    named = {image.image_id for split in used for image in split.images}
    dropped = sum(len(split.problems) for split in used)
    said = []
    if missing := sorted(named - numbers.keys()):
        said.append(f"{len(missing)} of {len(named)} images of the splits are not in the gallery, first '{missing[0]}'")
    if dropped:
        said.append(f"{dropped} row(s) of the split files could not be read")
    return said


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))


def _photo_numbers(gallery: Gallery) -> dict[str, int]:
    """Photo by what an image may be called, the most exact name first; what would be two photos is none."""
    numbers: dict[str, int] = {}
    for spell in (str, _stem, _before_underscore):
        found: dict[str, set[int]] = {}
        for row, photo in enumerate(gallery.photos):
            for name in filter(None, (photo.id, photo.file_name)):
                found.setdefault(spell(name), set()).add(row)
        for name, rows in found.items():
            if len(rows) == 1:
                numbers.setdefault(name, next(iter(rows)))
    return numbers


def _stem(name: str) -> str:
    return Path(name).stem


def _before_underscore(name: str) -> str:
    return Path(name).stem.split("_", 1)[0]


def read_training_manifest(path: Path) -> frozenset[str]:
    """Read photo ids and pixel hashes: one a line, or JSON: a list, or objects with ``photos`` or ``sha256`` in them.

    Raises
    ------
    InputError
        It cannot be read, or names no photo.
    """
    text = _text(path)
    try:
        names = set(_strings(json.loads(text))) if text.lstrip()[:1] in ("{", "[") else set(text.split("\n"))
    except ValueError as error:
        raise InputError(
            f"'{path.name}' is no JSON ({error}); give one photo id or sha256 a line, or a list"
        ) from error
    found = frozenset(name.strip() for name in names if name.strip())
    if not found:
        raise InputError(f"'{path.name}' names no photo; give one photo id or sha256 a line, or a JSON list")
    return found


def read_strata(path: Path) -> dict[str, dict[str, str]]:
    """Read a CSV with a column ``photo``; every other column divides the photos, such as ``quality``.

    Raises
    ------
    TableError
        It cannot be read, or has no column ``photo`` or no other one.
    """
    rows = list(csv.DictReader(io.StringIO(_text(path))))
    columns = [name for name in (rows[0] if rows else {}) if name and name != "photo"]
    if not rows or "photo" not in rows[0] or not columns:
        raise TableError("needs rows, a column 'photo' and another one, such as 'quality': add them", file=path.name)
    return {name: {row["photo"]: (row[name] or "").strip() or NOT_RECORDED for row in rows} for name in columns}


def _text(path: Path) -> str:
    try:
        return decode_text(path.read_bytes(), path.name).content
    except OSError as error:
        raise InputError(f"'{path}' cannot be read ({error.strerror or error}); give an existing file") from error


def _strings(thing: object) -> list[str]:
    """All texts in a JSON value, and the keys whose values are texts (``{"photo": "sha256"}``)."""
    if isinstance(thing, str):
        return [thing]
    if isinstance(thing, list):
        return [text for part in thing for text in _strings(part)]
    if isinstance(thing, dict):
        keys = [key for key, value in thing.items() if isinstance(value, str)]
        return [*keys, *(text for part in thing.values() for text in _strings(part))]
    return []
