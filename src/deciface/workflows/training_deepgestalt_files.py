"""What a run of a DeepGestalt-type model leaves for people: its card, its predictions, its page."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from deciface.cases import RESEARCH_USE_ONLY
from deciface.encoders.deepgestalt import CHANNELS, Description, ModelKind, aggregate
from deciface.encoders.deepgestalt_export import FORMAT
from deciface.evaluation.classification import PublishedFigure
from deciface.faces.region_crops import REGION_PX, REGIONS, REGIONS_VERSION, Region
from deciface.reports.classification import ClassificationReport, Classified, render
from deciface.reports.page import Head
from deciface.training.deepgestalt_folds import CrossValidated, TrainingMaterial
from deciface.training.deepgestalt_labels import Labelled
from deciface.training.deepgestalt_measures import ALL_REGIONS, Measured
from deciface.training.photos import TrainingPhotos

_ARCHITECTURE = (
    "a network for each region, as of Gurovich et al. 2019 (Nat Med 25:60) and Yi et al. 2014 (arXiv:1411.7923); "
    "softmax vectors of the regions averaged. Regions and averaging are our choice: the originals were not published"
)
_LIMITS = (
    "scores are mean softmax values, not calibrated: no probability",
    "everybody gets one of these classes, also people with none of them: this model never says 'none of these'",
    "heatmaps show what the networks reacted to, not what a disorder looks like",
)
_CITATION = "Gurovich et al. 2019, Nat Med 25:60 (the method; not its weights, which were not published)"


def card_text(description: Description, content: bytes, *, channels: Sequence[int], file: str) -> str:
    """Write the card of a model as YAML; it is a classifier and no encoder for galleries."""
    card = {
        "name": f"DeepGestalt-type model, {description.kind}, {len(description.labels)} classes",
        "file": file,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "format": FORMAT,
        "kind": str(description.kind),
        "labels": {label.id: label.name for label in description.labels},
        "input": f"crops of the regions, {REGION_PX} x {REGION_PX} grey, uint8, in this order",
        "regions_version": REGIONS_VERSION,
        "regions": {str(region): _place(region) for region in description.regions},
        "output": "a softmax vector for each region; five heatmaps for a chosen class",
        "architecture": _ARCHITECTURE,
        "channels": ", ".join(map(str, channels)) + ("" if tuple(channels) == CHANNELS else " (fewer than the record)"),
        "trained_on": description.trained_on,
        "licence": "of the photos it was trained on",
        "citation": _CITATION,
        "intended_use": RESEARCH_USE_ONLY,
        "limits": list(_LIMITS),
    }
    return yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=110)


def _place(region: Region) -> str:
    place = REGIONS[region]
    points = ", ".join(map(str, place.centre))
    return f"{place.width_px:g} x {place.height_px:g} px of the aligned face around mesh points {points}"


def predictions_table(
    photos: TrainingPhotos, labelled: Labelled, material: TrainingMaterial, validated: CrossValidated
) -> str:
    """Scores of every photo, averaged over the regions, by networks that saw no photo of the patient: CSV."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["photo", "patient", "fold", "class", *(f"score {label.id}" for label in labelled.labels)])
    scores = aggregate(validated.scores)
    for row, photo in enumerate(photos.photos):
        own = labelled.labels[int(material.class_of[row])].id
        fold = int(validated.fold_of[row]) + 1
        writer.writerow([photo.id, photo.patient.id, fold, own, *(f"{score:.6f}" for score in scores[row])])
    return out.getvalue()


def report_page(
    manifest: Mapping[str, Any],
    labelled: Labelled,
    measured: Sequence[Measured],
    published: Sequence[PublishedFigure],
    *,
    now: dt.datetime,
) -> str:
    """Render the results as one self-contained HTML document."""
    data, settings, results = manifest["data"], manifest["settings"], manifest["results"]
    told = {
        ModelKind.BINARY: f"{', '.join(labelled.disorders)} against all others",
        ModelKind.SPECIALISED: f"genes of {', '.join(labelled.disorders)}",
        ModelKind.MULTICLASS: f"{len(labelled.labels)} disorders",
    }
    head = Head(
        title=f"DeepGestalt-type model: {told[labelled.kind]}",
        facts=(
            ("patients", str(data["patients"])),
            ("photos", str(data["photos"])),
            ("regions", ", ".join(settings["regions"])),
            ("folds of patients", str(settings["folds"])),
        ),
        notices=tuple(f"{notice}." for notice in manifest["notices"][1:]),  # the page itself begins with the first
        provenance=(
            ("cohort", str(data["source"])),
            ("data digest", str(data["digest"])),
            ("seed", str(manifest["seed"])),
            ("DeciFace", str(manifest["deciface"])),
            ("PyTorch", str(manifest["packages"]["torch"])),
            ("begun, ended", f"{manifest['started']}, {manifest['ended']}"),
            ("epochs chosen in each fold", ", ".join(map(str, results["chosen_epochs"]))),
            ("epochs of the model that is kept", str(results["epochs_on_everybody"])),
        ),
    )
    classified = tuple(
        Classified(name, result, tuple(published) if name == ALL_REGIONS else ()) for name, result in measured
    )
    names = {label.id: label.name for label in labelled.labels}
    return render(ClassificationReport(head, classified, names), now=now)
