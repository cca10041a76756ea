"""The manifest of a training run: what was learnt from whom, how, with what; and the card of what came out."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import yaml

import deciface
from deciface.cases import RESEARCH_USE_ONLY, SIMULATED
from deciface.models.card import CardView, Kind, Layout, ModelCard, Runtime, card_fields
from deciface.training.photos import TrainingPhotos
from deciface.training.recipe import Epoch, Recipe

RUN_FILE = "run.json"
CURVES_FILE = "curves.csv"
CARD_FILE = "card.yaml"
_PACKAGES = ("numpy", "onnxruntime", "opencv-python-headless", "torch")


def material_as_document(
    material: TrainingPhotos,
    *,
    source: str,
    learnt_from: Sequence[int],
    cohort_digest: str = "",
    without_consent: Mapping[str, int] | None = None,
    not_used: Sequence[str] = (),
    base_learnt_from: Sequence[tuple[str, str]] | None = (),
) -> dict[str, Any]:
    """What a network saw: counts, classes, and every photo it learnt from by id and pixel hash.

    Parameters
    ----------
    material
        All photos of the run.
    source
        What the cohort is called.
    learnt_from
        Rows that were learnt from; `deciface gallery evaluate --trained-on` reads their ids and hashes.
    cohort_digest
        Of files and labels as they were given.
    without_consent
        People and photos of a workspace left out for want of consent.
    not_used
        What was not used and why, one line each.
    base_learnt_from
        Photo and hash of everybody whom the network that it began as learnt from; None where nobody knows.
    """
    people: dict[str, set[str]] = {}
    for patient, label in zip(material.patients, material.labels, strict=True):
        people.setdefault(label or "(no class)", set()).add(patient)
    learnt = dict.fromkeys(
        [*((material.photos[i].id, material.photos[i].sha256) for i in learnt_from), *(base_learnt_from or ())]
    )
    simulated = sum(photo.patient.simulated for photo in material.photos)
    return {
        "source": source,
        "digest": material.digest,
        "photos": len(material.photos),
        "patients": len(set(material.patients)),
        "simulated_photos": simulated,
        "classes": list(material.classes),
        "left_out_with_one_patient": list(material.too_small),
        "patients_by_class": {label: len(who) for label, who in sorted(people.items())},
        "patients_by_ancestry": dict(
            sorted(Counter({p.patient.id: p.patient.ancestry_label for p in material.photos}.values()).items())
        ),
        "cohort_digest": cohort_digest,
        "without_consent": dict(without_consent or {"people": 0, "photos": 0}),
        "not_used": list(not_used),
        "base_learnt_from": "unknown" if base_learnt_from is None else f"{len(base_learnt_from)} photos",
        "learnt_from": [{"photo": photo, "sha256": sha256} for photo, sha256 in learnt],
    }


def recipe_as_document(recipe: Recipe) -> dict[str, Any]:
    """A recipe in plain types."""
    plain = asdict(recipe)
    plain["stages"] = [
        {
            k: str(v) if k == "schedule" else v
            for k, v in stage.items()
            if k != "trains" and not (k == "horizon" and v is None)
        }
        for stage in plain["stages"]
    ]
    return plain


def run_document(
    name: str,
    *,
    recipe: Recipe,
    settings: Mapping[str, Any],
    material: Mapping[str, Any],
    started: str,
    ended: str | None,
    results: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything about a run that a reader, or another run, needs to know.

    Parameters
    ----------
    name
        Which recipe.
    recipe, settings
        How.
    material
        See `material_as_document`.
    started, ended
        ISO 8601 UTC; `ended` is None while it runs.
    results
        What was measured.
    """
    notices = [RESEARCH_USE_ONLY] + ([f"Trained on {SIMULATED}"] if material.get("simulated_photos") else [])
    return {
        "recipe": name,
        "notices": notices,
        "deciface": deciface.__version__,
        "packages": {package: _version(package) for package in _PACKAGES},
        "python": platform.python_version(),
        "machine": {"system": platform.system(), "processor": platform.machine()},
        "started": started,
        "ended": ended,
        "seed": recipe.seed,
        "training": recipe_as_document(recipe),
        "settings": dict(settings),
        "data": dict(material),
        "results": dict(results or {}),
    }


def identity_of(recipe: Recipe, settings: Mapping[str, Any], digest: str) -> str:
    """Digest of everything that decides what a run learns; a checkpoint carries it.

    On how many threads it ran is left out: an interrupted run may go on on another machine.
    """
    plain = {k: v for k, v in recipe_as_document(recipe).items() if k != "threads"}
    said = json.dumps([plain, dict(settings), digest], sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()


def curves_table(epochs: Sequence[Epoch]) -> str:
    """Epochs as CSV: epoch, stage, loss, measures, learning_rate, best."""
    names = sorted({name for epoch in epochs for name in epoch.measures})
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["epoch", "stage", "loss", *names, "learning_rate", "best"])
    for e in epochs:
        measures = [f"{e.measures[name]:.6g}" if name in e.measures else "" for name in names]
        writer.writerow(
            [e.number, e.stage, f"{e.loss:.6g}", *measures, f"{e.learning_rate:.6g}", "yes" if e.best else ""]
        )
    return out.getvalue()


def encoder_card(
    base: ModelCard,
    content: bytes,
    *,
    id_: str,
    name: str,
    trained_on: str,
    intended_use: str,
    dimensions: int,
    licence: str,
    citation: str,
) -> ModelCard:
    """Card of an encoder trained from another: input as the base's, written as ONNX.

    Parameters
    ----------
    base
        Card of the network it began as.
    content
        The ONNX file.
    """
    return ModelCard(
        id=id_,
        name=name,
        file=f"{id_}.onnx",
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        kind=Kind.FACE_ENCODER,
        runtime=Runtime.ONNX,
        input_px=base.input_px,
        channels=base.channels,
        colour=base.colour,
        layout=Layout.NCHW,
        mean=base.mean,
        std=base.std,
        alignment=base.alignment,
        dimensions=dimensions,
        views=(CardView(flip=False, grey=False), CardView(flip=True, grey=False)),
        licence=licence,
        trained_on=trained_on,
        citation=citation,
        intended_use=intended_use,
    )


def card_text(card: ModelCard) -> str:
    """A card as the YAML that `deciface models add` reads."""
    return yaml.safe_dump(card_fields(card), sort_keys=False, allow_unicode=True, width=110)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
