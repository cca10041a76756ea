"""The page of a run of ``deciface-dysmorphic``: curves of the parts that are finished, and who was held out of each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deciface import __version__
from deciface.cases import RESEARCH_USE_ONLY
from deciface.models import ModelCard
from deciface.reports.page import Head
from deciface.reports.training import Curves, FoldSize, TrainingData, TrainingReport
from deciface.simulate.training_set import TrainingSet
from deciface.training.loop import Epoch
from deciface.training.manifest import RUN_FILE

FLATTERING = (
    "The simulated people of the curves chose the epoch and are of the same appearance model as those learnt from."
)
NEVER_ON_PATIENTS = "Planted features are not patients: what the encoder does on patients is not known."


def dysmorphic_report(
    training: TrainingSet, folder: Path, document: Mapping[str, Any], card: ModelCard
) -> TrainingReport:
    """Put the finished parts of a run together for its page.

    Parameters
    ----------
    training
        The photos.
    folder
        The run, with one folder a part.
    document
        Its manifest.
    card
        Of one part's encoder.
    """
    plan = document["plan"]
    runs = {name: json.loads((folder / name / RUN_FILE).read_text("utf-8")) for name in finished(folder, document)}
    total = len(training.photos)
    counts = Counter(group.ancestry for group in training.groups)
    return TrainingReport(
        head=Head(
            title=f"Training of {card.id}",
            facts=(
                ("photographed people", f"{total:,}"),
                ("simulated people a part", f"{plan['people']:,}"),
                ("features", f"{len(document['features'])}"),
            ),
            notices=tuple(notice for notice in document["notices"] if notice != RESEARCH_USE_ONLY),
            provenance=(
                ("DeciFace", __version__),
                ("photos", str(document["source"])),
                ("seed", str(plan["seed"])),
                *((f"{name}, started", run["started"]) for name, run in runs.items()),
                *((f"{name}, appearance model", run["appearance_sha256"]) for name, run in runs.items()),
            ),
        ),
        data=TrainingData(
            patients=total,
            photos=total,
            by_class={},
            by_ancestry=dict(counts),
            left_out=tuple(f"part '{name}' is not finished" for name in document["parts"] if name not in runs),
            folds=tuple(_fold(name, document, total) for name in runs),
        ),
        curves=tuple(Curves(name, _epochs(run["epochs"])) for name, run in runs.items()),
        held_out=(),
        held_out_elsewhere=(
            "People held out of a fold are tested by deciface bench dysmorphic, each by the part that never saw them."
        ),
        recipe=(
            ("features", ", ".join(document["features"]).replace("_", " ")),
            ("shown", f"each simulated person {plan['shots']} times, each photo {plan['photo_shots']} times"),
            ("epochs", f"{plan['epochs']} at {plan['rate']:g}, falling as a cosine"),
            ("batch", str(plan["batch"])),
        ),
        card=(
            ("file", card.file),
            ("sha256", card.sha256),
            ("licence", card.licence),
            ("trained on", card.trained_on),
            ("intended use", card.intended_use),
        ),
        limits=(FLATTERING, NEVER_ON_PATIENTS),
    )


def finished(folder: Path, document: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the parts that have their encoder."""
    return tuple(name for name in document["parts"] if any((folder / name).glob("*.onnx")))


def _fold(name: str, document: Mapping[str, Any], total: int) -> FoldSize:
    held_out = len(document["parts"][name]["held_out"])
    return FoldSize(name, total - held_out, total - held_out, held_out, held_out)


def _epochs(rows: Sequence[Mapping[str, Any]]) -> tuple[Epoch, ...]:
    return tuple(Epoch(**row) for row in rows)
