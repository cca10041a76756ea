"""Ask a DeepGestalt-type model about one photo: the sorted list, and where its networks looked."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface import __version__
from deciface.cases import RESEARCH_USE_ONLY, SIMULATED
from deciface.encoders.deepgestalt import POOLINGS, Suggestion, aggregate, sorted_list
from deciface.encoders.deepgestalt_heat import Heatmaps, heatmaps
from deciface.encoders.deepgestalt_model import DeepGestalt
from deciface.errors import InputError, OptionError
from deciface.faces import FaceFinder, align
from deciface.faces.region_crops import FACE_FRAME, RegionCrops, region_crops
from deciface.figures.heat import overlay
from deciface.formats.whole_folder import refuse_existing, whole_folder
from deciface.models import ModelStore
from deciface.reports.classified_photo import ClassifiedReport, HeatPicture, render
from deciface.reports.page import Head
from deciface.training.manifest import RUN_FILE
from deciface.whole_files import write_whole
from deciface.workflows.evaluation_inputs import read_training_manifest
from deciface.workflows.looking import look

_ENDS = ("", "speaks for")
_TOGETHER = "all-regions"


@dataclass(frozen=True, slots=True)
class ClassifiedPhoto:
    """What a model says of a photo.

    Parameters
    ----------
    photo
        Its name.
    suggestions
        All classes by the scores averaged over the regions, best first.
    by_region
        Of each region, its own first class.
    trained_on
        As the model's file says.
    quality, remarks
        Of the photo, and how it was read.
    learnt
        Whether the model learnt from this photo, in a sentence.
    among_learnt
        Whether it did; None where nothing beside the model says so.
    label
        Name of the class that the pictures are of.
    pictures
        Heatmaps, where they were asked for.
    heatmaps
        Files that were written.
    """

    photo: str
    suggestions: tuple[Suggestion, ...]
    by_region: tuple[tuple[str, Suggestion], ...]
    trained_on: str
    quality: str
    remarks: tuple[str, ...]
    learnt: str
    among_learnt: bool | None
    label: str
    pictures: tuple[HeatPicture, ...]
    heatmaps: tuple[Path, ...]

    def as_document(self) -> dict[str, Any]:
        """Plain types, for programs."""
        return {
            "notice": RESEARCH_USE_ONLY,
            "photo": self.photo,
            "suggestions": [_line(one) for one in self.suggestions],
            "first_by_region": {region: _line(one) for region, one in self.by_region},
            "trained_on": self.trained_on,
            "quality": self.quality,
            "remarks": list(self.remarks),
            "learnt_from_this_photo": self.among_learnt,
            "heatmaps": [str(path) for path in self.heatmaps],
        }


def classify_photo(
    photo: Path,
    model_file: Path,
    *,
    store: ModelStore,
    label: str | None = None,
    heat: Path | None = None,
    pictured: bool = False,
    face_number: int | None = None,
) -> ClassifiedPhoto:
    """Classify the face in a photo.

    Parameters
    ----------
    photo, model_file
        Which photo; ``model.onnx`` of a run of `deciface train deepgestalt`.
    store
        Models of the face finder.
    label
        Class whose heatmaps are drawn; the first of the list when left out.
    heat
        A new folder for heatmaps: five over the face, and five over each region.
    pictured
        Make the heatmaps also without a folder, for the report.
    face_number
        Which face; the largest when left out.

    Raises
    ------
    PhotoError, NoFaceError, ModelError
        The photo or the model cannot be used.
    OptionError
        An unknown class, or no face of that number.
    StorageError
        The folder is there already or cannot be written.
    """
    model = DeepGestalt(model_file)
    if label is not None:
        model.number_of(label)
    if heat is not None:
        refuse_existing(heat)
    seen = look(photo, FaceFinder.from_store(store), face_number=face_number)
    crops = region_crops(seen.pyramid, seen.face, model.regions)
    scores = model.scores(crops.crops[None])
    suggestions = sorted_list(aggregate(scores)[0], model.labels)
    shown = next(one for one in suggestions if label is None or one.label.id == label)
    pictures: tuple[HeatPicture, ...] = ()
    if heat is not None or pictured:
        maps = heatmaps(model, crops, shown.label.id)
        said = _below(shown, len(suggestions), model.description.trained_on)
        pictures = tuple(_pictures(align(seen.pyramid, seen.face, FACE_FRAME), crops, maps, said))
    among, learnt = _learnt(model_file, seen.photo.pixel_sha256)
    alone = [sorted_list(scores[0, number], model.labels)[0] for number in range(len(model.regions))]
    return ClassifiedPhoto(
        photo=seen.name,
        suggestions=suggestions,
        by_region=tuple(zip(map(str, model.regions), alone, strict=True)),
        trained_on=model.description.trained_on,
        quality=str(seen.quality.verdict),
        remarks=seen.remarks,
        learnt=learnt,
        among_learnt=among,
        label=shown.label.name,
        pictures=pictures,
        heatmaps=() if heat is None else _write(heat, pictures),
    )


def write_report(found: ClassifiedPhoto, path: Path, *, model_file: Path, now: dt.datetime) -> None:
    """Write the page of a photo that was classified with its pictures, whole or not at all.

    Raises
    ------
    OptionError
        When the path is a folder.
    StorageError
        When the file cannot be written.
    """
    if path.is_dir():
        raise OptionError(f"'{path}' is a folder; name the report's file, e.g. {path / 'classified.html'}")
    together = [p for p in found.pictures if p.name.startswith(_TOGETHER)]
    last = [p for p in found.pictures if p not in together and p.name.endswith(f"pooling{POOLINGS}.png")]
    warned = (found.learnt,) if found.among_learnt is not False else ()
    head = Head(
        title=f"What a DeepGestalt-type model says of {found.photo}",
        facts=(("photo", found.photo), ("quality", found.quality), ("model", model_file.name)),
        notices=(*warned, *([f"The model learnt from {SIMULATED}."] if SIMULATED in found.trained_on else [])),
        provenance=(
            ("DeciFace", __version__),
            ("model", str(model_file)),
            ("model, sha256", hashlib.sha256(model_file.read_bytes()).hexdigest()),
            ("learnt from", found.trained_on),
            ("this photo", found.learnt),
            *(("remark", remark) for remark in found.remarks),
        ),
    )
    report = ClassifiedReport(head, found.suggestions, found.by_region, found.label, together, last)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, render(report, now=now).encode())


def _learnt(model_file: Path, pixel_sha256: str) -> tuple[bool | None, str]:
    """Whether a model learnt from a photo, as the manifest beside it says; None where nothing says so."""
    try:
        known = read_training_manifest(model_file.with_name(RUN_FILE)).photos
    except InputError:
        return None, f"Whether the model learnt from this photo is not known: no {RUN_FILE} beside it says so."
    if any(one.sha256 == pixel_sha256 for one in known):
        return True, "The model learnt from this very photo: its list says nothing about how it does on other people."
    return False, f"Not among the {len(known):,} photos the model learnt from; other photos of the person may be."


def _below(shown: Suggestion, classes: int, trained_on: str) -> tuple[str, ...]:
    """What has to stand on a heatmap that is passed on alone."""
    score = f"score {shown.score:.3f}, rank {shown.rank} of {classes}; no probability"
    return score, *f"learnt from {trained_on}".split("; "), "without the outermost ring of the map", RESEARCH_USE_ONLY


def _pictures(
    face: NDArray[np.uint8], crops: RegionCrops, maps: Heatmaps, said: tuple[str, ...]
) -> Iterator[HeatPicture]:
    """The five of the whole face first, then five of each region."""
    shown = [(_TOGETHER, face, maps.on_face)]
    for region, crop in zip(crops.regions, crops.crops, strict=True):
        shown.append((str(region), np.repeat(crop[..., None], 3, axis=2), partial(maps.on_crop, region)))
    for name, picture, heat in shown:
        for pooling in range(1, POOLINGS + 1):
            title = f"{maps.label.name}, {name.replace('-', ' ')}: pooling layer {pooling} of {POOLINGS}"
            png = overlay(picture, heat(pooling), title=title, ends=_ENDS, notes=said)
            yield HeatPicture(f"{name}-pooling{pooling}.png", title, png)


def _write(folder: Path, pictures: tuple[HeatPicture, ...]) -> tuple[Path, ...]:
    with whole_folder(folder) as target:
        for picture in pictures:
            (target / picture.name).write_bytes(picture.png)
    return tuple(folder / picture.name for picture in pictures)


def _line(one: Suggestion) -> dict[str, Any]:
    return {"rank": one.rank, "id": one.label.id, "name": one.label.name, "score": round(one.score, 6)}
