"""What a run of a DeepGestalt-type model leaves for people: its card, its predictions, its page."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from deciface.cases import RESEARCH_USE_ONLY
from deciface.encoders.deepgestalt import CHANNELS, Description, ModelKind, aggregate
from deciface.encoders.deepgestalt_export import FORMAT
from deciface.evaluation.classification import BinaryAccuracy, Classification, PublishedFigure
from deciface.evaluation.classification_document import in_lines
from deciface.faces.region_crops import REGION_PX, REGIONS, REGIONS_VERSION, Region
from deciface.figures.training import SHARE
from deciface.reports.classification import ClassificationReport, Classified, Learnt, render
from deciface.reports.page import Head
from deciface.reports.training import Curves, FoldSize, TrainingData
from deciface.space.restriction import composition_of
from deciface.training.deepgestalt_folds import CrossValidated, TrainingMaterial, TrainingPlan, parts_of
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
    learnt: Learnt,
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
        notices=tuple(
            f"{notice.rstrip('.')}." for notice in manifest["notices"][1:]
        ),  # the page itself begins with the first
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
    return render(ClassificationReport(head, classified, names, learnt), now=now)


def in_words(result: Classification, published: Sequence[PublishedFigure] = ()) -> list[str]:
    """One figure a line; of a binary model the AUC first and the accuracy last, beside that of always saying "no"."""
    lines = in_lines(result, published)
    if not isinstance(result, BinaryAccuracy):
        return lines
    _, sensitivity, specificity, area, *others = lines
    no = 100 * result.specificity.of / result.patients
    return [area, sensitivity, specificity, f"accuracy: {result.accuracy}; always saying 'no': {no:.1f} %", *others]


def learnt_by(
    photos: TrainingPhotos,
    material: TrainingMaterial,
    validated: CrossValidated,
    plan: TrainingPlan,
    *,
    not_used: Sequence[str],
) -> Learnt:
    """Who was learnt from, how every fold went, and the recipe, for the page."""

    def people(rows: NDArray[np.intp]) -> tuple[int, int]:
        return len({material.patients[i] for i in rows.tolist()}), len(rows)

    folds = []
    for fold in range(plan.folds):
        tested, learning, stopping = parts_of(validated.fold_of, fold, plan.folds)
        folds.append(FoldSize(f"fold {fold + 1}", *people(learning), *people(tested), *people(stopping)))
    who = composition_of(photos.photos)
    data = TrainingData(
        patients=who.patients,
        photos=who.photos,
        by_class=dict(Counter(dict(zip(photos.patients, photos.labels, strict=True)).values())),
        by_ancestry=who.by_ancestry,
        left_out=tuple(not_used),
        folds=tuple(folds),
        balanced=plan.balance_ancestry,
        by_sex=who.by_sex,
        by_age=who.by_age_years,
    )
    curves = tuple(
        Curves(f"fold {number + 1}", history, ("top-1",), SHARE) for number, history in enumerate(validated.histories)
    )
    full = "" if tuple(plan.channels) == CHANNELS else ", fewer than the record"
    recipe = (
        ("regions", ", ".join(map(str, plan.regions))),
        ("channels", ", ".join(map(str, plan.channels)) + full),
        ("epochs asked for", f"at most {plan.epochs} a fold, patience {plan.patience}"),
        ("batch", f"{plan.batch} photos"),
        ("learning rate", f"{plan.learning_rate:g}, falling as a cosine; weight decay {plan.weight_decay:g}"),
        ("epoch chosen by", "log loss of the averaged scores, every class counting the same"),
        ("model that is kept", "learnt from everybody, for the median of the chosen numbers of epochs"),
    )
    return Learnt(data, curves, recipe)
