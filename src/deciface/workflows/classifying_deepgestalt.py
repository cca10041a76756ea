"""Ask a DeepGestalt-type model about one photo: the sorted list, and where its networks looked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.cases import RESEARCH_USE_ONLY
from deciface.encoders.deepgestalt import POOLINGS, Suggestion, aggregate, sorted_list
from deciface.encoders.deepgestalt_heat import Heatmaps, heatmaps
from deciface.encoders.deepgestalt_model import DeepGestalt
from deciface.faces import FaceFinder, align
from deciface.faces.region_crops import FACE_FRAME, RegionCrops, region_crops
from deciface.figures.heat import overlay
from deciface.formats.whole_folder import refuse_existing, whole_folder
from deciface.models import ModelStore
from deciface.workflows.looking import look

_ENDS = ("", "speaks for")


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
    heatmaps
        Files that were written.
    """

    photo: str
    suggestions: tuple[Suggestion, ...]
    by_region: tuple[tuple[str, Suggestion], ...]
    trained_on: str
    quality: str
    remarks: tuple[str, ...]
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
            "heatmaps": [str(path) for path in self.heatmaps],
        }


def classify_photo(
    photo: Path,
    model_file: Path,
    *,
    store: ModelStore,
    label: str | None = None,
    heat: Path | None = None,
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
    drawn: tuple[Path, ...] = ()
    if heat is not None:
        maps = heatmaps(model, crops, label or suggestions[0].label.id)
        drawn = _draw(heat, align(seen.pyramid, seen.face, FACE_FRAME), crops, maps)
    alone = [sorted_list(scores[0, number], model.labels)[0] for number in range(len(model.regions))]
    return ClassifiedPhoto(
        photo=seen.name,
        suggestions=suggestions,
        by_region=tuple(zip(map(str, model.regions), alone, strict=True)),
        trained_on=model.description.trained_on,
        quality=str(seen.quality.verdict),
        remarks=seen.remarks,
        heatmaps=drawn,
    )


def _draw(folder: Path, face: NDArray[np.uint8], crops: RegionCrops, maps: Heatmaps) -> tuple[Path, ...]:
    names = []
    with whole_folder(folder) as target:
        for pooling in range(1, POOLINGS + 1):
            title = f"{maps.label.name}: pooling layer {pooling} of {POOLINGS}"
            pictures = {"all-regions": (face, maps.on_face(pooling))}
            for region, crop in zip(crops.regions, crops.crops, strict=True):
                grey = np.repeat(crop[..., None], 3, axis=2)
                pictures[str(region)] = (grey, maps.on_crop(region, pooling))
            for name, (picture, found) in pictures.items():
                file = f"{name}-pooling{pooling}.png"
                (target / file).write_bytes(overlay(picture, found, title=title, ends=_ENDS))
                names.append(file)
    return tuple(folder / name for name in names)


def _line(one: Suggestion) -> dict[str, Any]:
    return {"rank": one.rank, "id": one.label.id, "name": one.label.name, "score": round(one.score, 6)}
