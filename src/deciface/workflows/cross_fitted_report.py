"""The page of a cross-fitted run: curves of the parts that are finished, and who was held out of each."""

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
from deciface.training.manifest import RUN_FILE
from deciface.training.recipe import Epoch


def cross_fitted_report(
    training: TrainingSet,
    folder: Path,
    document: Mapping[str, Any],
    card: ModelCard,
    *,
    tested_by: str,
    limits: tuple[str, ...],
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
        Of one part's model.
    tested_by, limits
        Where people held out are tested, and what the page does not say.
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
        held_out_elsewhere=tested_by,
        recipe=(
            *((name, ", ".join(document[name]).replace("_", " ")) for name in ("features",) if name in document),
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
        limits=limits,
    )


def finished(folder: Path, document: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the parts that have their model."""
    return tuple(name for name in document["parts"] if any((folder / name).glob("*.onnx")))


def _fold(name: str, document: Mapping[str, Any], total: int) -> FoldSize:
    held_out = len(document["parts"][name]["held_out"])
    return FoldSize(name, total - held_out, total - held_out, held_out, held_out)


def _epochs(rows: Sequence[Mapping[str, Any]]) -> tuple[Epoch, ...]:
    return tuple(Epoch(**row) for row in rows)
