"""What an evaluation is given besides a gallery: split files, whom encoders learnt from, what divides the photos."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deciface.cases import NOT_STATED
from deciface.errors import InputError, NothingFoundError, TableError
from deciface.evaluation.protocol import Experiment, Protocol, given_protocol
from deciface.evaluation.training_sets import LearntPhoto, TrainingSet
from deciface.formats.cases_csv import delimiter_of
from deciface.formats.gmdb_tables import GmdbSplit, read_splits
from deciface.formats.text import decode_text, in_one_line
from deciface.space import Gallery
from deciface.space.restriction import NOT_RECORDED
from deciface.store import Workspace
from deciface.store.trained import TrainedModel, trained_models
from deciface.training.manifest import RUN_FILE


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


MANIFEST_COLUMNS = {
    "photo": "photo",
    "sha256": "sha256",
    "patient": "patient",
    "image_id": "photo",
    "patient_id": "patient",
    "subject": "patient",
}
"""What a column of a manifest says; the last three are those of the GestaltMatcher Database."""
_ALLOWED = (
    f"give {RUN_FILE} of `deciface train`, a CSV with a header of photo, sha256 or patient, or one photo id or sha256 "
    "a line"
)
_HASH = re.compile(r"[0-9a-fA-F]{64}")


def read_training_manifest(path: Path) -> TrainingSet:
    """Read who an encoder learnt from.

    Parameters
    ----------
    path
        ``run.json`` of a training run, or the folder with it; another JSON document with ``learnt_from``, or a list of
        ids, or of objects with ``photo``, ``sha256`` or ``patient``; a CSV with a header of any of these (or of
        ``image_id`` and ``subject``, as the splits of the GestaltMatcher Database have); or text with one photo id or
        sha256 a line.

    Raises
    ------
    InputError
        It cannot be read, is of another kind, or names nobody.
    """
    path = path / RUN_FILE if path.is_dir() else path
    text = _text(path)
    if text.lstrip()[:1] in ("{", "["):
        photos = tuple(_of_json(text, path.name))
    elif _is_table(text):
        photos = tuple(_of_table(text, path.name))
    else:
        photos = tuple(_listed(line.strip()) for line in text.splitlines() if line.strip())
    if not photos:
        raise InputError(f"'{path.name}' names nobody who was learnt from; {_ALLOWED}")
    return TrainingSet(source=f"manifest '{path.name}'", photos=photos)


def _listed(text: str) -> LearntPhoto:
    """One entry of a list; what looks like a hash may still be an id."""
    return LearntPhoto(photo=text, sha256=text if _HASH.fullmatch(text) else "")


def _of_json(text: str, file: str) -> Iterator[LearntPhoto]:
    try:
        said: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"'{file}' is no JSON ({in_one_line(str(error), 80)}); {_ALLOWED}") from error
    if isinstance(said, dict):
        data = said.get("data")
        said = said.get("learnt_from", data.get("learnt_from") if isinstance(data, dict) else None)
        if not isinstance(said, list):
            raise InputError(f"'{file}' does not say who was learnt from (it has no list 'learnt_from'); {_ALLOWED}")
    for number, one in enumerate(said, 1):
        if isinstance(one, str) and one.strip():
            yield _listed(one.strip())
            continue
        fields = one if isinstance(one, dict) else {}
        stated = {name: fields[name] for name in ("photo", "sha256", "patient") if fields.get(name)}
        if not stated or not all(isinstance(value, str) for value in stated.values()):
            raise InputError(f"'{file}', entry {number} has neither photo nor sha256 nor patient as text; {_ALLOWED}")
        yield _entry(stated)


def _entry(stated: dict[str, str]) -> LearntPhoto:
    said = {name: value.strip() for name, value in stated.items()}
    if said.get("sha256", "").casefold() == NOT_STATED:
        del said["sha256"]
    return LearntPhoto(**said)


def _is_table(text: str) -> bool:
    """Whether the first line is a header: several cells, or a single one that is a column's name."""
    first = text.lstrip().splitlines()[0]
    return any(mark in first for mark in ",;\t") or first.strip().strip('"').casefold() in MANIFEST_COLUMNS


def _of_table(text: str, file: str) -> Iterator[LearntPhoto]:
    rows = csv.reader(io.StringIO(text.lstrip(), newline=""), delimiter=delimiter_of(text.lstrip()), strict=True)
    try:
        header = [name.strip().casefold() for name in next(rows)]
        if not any(name in MANIFEST_COLUMNS for name in header):
            there = in_one_line(", ".join(filter(None, header)), 80)
            raise TableError(
                f"the header has {there}; none of {', '.join(MANIFEST_COLUMNS)}: {_ALLOWED}", file=file, row=1
            )
        for cells in rows:
            if len(cells) > len(header):
                raise TableError(
                    f"{len(cells)} cells, the header has {len(header)}; correct it", file=file, row=rows.line_num
                )
            stated = {
                MANIFEST_COLUMNS[n]: c
                for n, c in zip(header, cells, strict=False)
                if n in MANIFEST_COLUMNS and c.strip()
            }
            if (entry := _entry(stated)) != LearntPhoto():
                yield entry
    except csv.Error as error:
        raise TableError(
            f"no table from here on ({error}); correct the quotes", file=file, row=rows.line_num
        ) from error


def noted_training(workspace: Path, gallery: Gallery) -> tuple[TrainingSet, ...]:
    """Read what a workspace noted of the encoders of its gallery: from whom those that were trained in it learnt.

    A model is known by the hash of its weights; where the gallery does not state it, by its name.

    Raises
    ------
    StorageError
        The workspace cannot be read.
    """
    with Workspace.open(workspace) as opened:
        noted = trained_models(opened)
    return tuple(_noted(one, used) for one in noted if (used := _used_as(one, gallery)))


def _used_as(model: TrainedModel, gallery: Gallery) -> frozenset[str]:
    """What the gallery calls a model; nothing where it is not in it."""
    return frozenset(
        name
        for name, sha256 in gallery.encoder_sha256.items()
        if sha256 == model.sha256 or (sha256 == NOT_STATED and name == model.name)
    )


def _noted(model: TrainedModel, used: frozenset[str]) -> TrainingSet:
    return TrainingSet(
        source=f"what the workspace noted of '{model.name}'",
        photos=tuple(LearntPhoto(one.photo_id, one.sha256, one.patient_id) for one in model.photos),
        models=used,
        ids_of_gallery=True,
        forgotten=model.withdrawn_photos,
    )


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
