"""Train ``deciface-dysmorphic``: on simulated people and warped photos; every person of the photos held out once.

A run has parts: ``all`` learns from everybody and is what is shipped; of each fold's part, appearance model and photos
know nothing of the people of that fold, who are then encoded by it alone (`deciface.benchmarks.dysmorphic`). All
parts read the same named amounts, so that encodings of different parts can stand in one gallery.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deciface.cases import RESEARCH_USE_ONLY
from deciface.encoders import available_cores
from deciface.errors import InputError, MismatchError, OptionError
from deciface.models import ModelCard
from deciface.models.card import CardView, Colour, Kind, Layout, Runtime, card_from, read_card_fields
from deciface.reports.training import render
from deciface.simulate.appearance import AppearanceModel
from deciface.simulate.fitting import fit
from deciface.simulate.training_set import LONDON_CITATION, LONDON_LICENCE, TrainingSet
from deciface.training.dysmorphic import AmountTask, dysmorphic_recipe, encoder_onnx
from deciface.training.dysmorphic_network import INPUT_PX
from deciface.training.loop import Epoch, run
from deciface.training.manifest import (
    CARD_FILE,
    CURVES_FILE,
    RUN_FILE,
    card_text,
    curves_table,
    identity_of,
    recipe_as_document,
)
from deciface.training.planted_crops import FEATURE_NAMES, WIDE_GREY, Shots, Sitting, all_shots
from deciface.workflows.dysmorphic_report import dysmorphic_report, finished
from deciface.workflows.training_runs import RunFolder, open_run

MODEL_ID = "deciface-dysmorphic"
MODEL_FILE = f"{MODEL_ID}.onnx"
APPEARANCE_FILE, SHOTS_FILE, CHECKPOINT = "appearance.npz", "shots.npz", "checkpoint.pt"
REPORT_FILE = "report.html"
CHOOSING = 20
"""One of so many simulated people chooses the epoch instead of being learnt from."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is shown and learnt.

    Parameters
    ----------
    folds
        Into how many the people of the photos are divided, evenly by ancestry and sex.
    people, shots
        Simulated people, and how often each is shown.
    photo_shots
        How often each photo is shown.
    epochs, rate, batch
        See `deciface.training.dysmorphic`.
    seed
        Of everything.
    """

    folds: int = 3
    people: int = 1200
    shots: int = 10
    photo_shots: int = 80
    epochs: int = 8
    rate: float = 2e-3
    batch: int = 96
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds < 2 or min(self.people, self.shots, self.epochs) < 1 or self.photo_shots < 0:
            raise OptionError(
                f"{self}: at least 2 folds, 1 person, 1 shot and 1 epoch are needed, and photo_shots of 0 or more"
            )


@dataclass(frozen=True)
class Part:
    """One part of a run: ``all``, or a fold and whom it never saw."""

    name: str
    number: int
    kept: tuple[int, ...]
    held_out: tuple[int, ...]


def parts_of(training: TrainingSet, plan: Plan) -> tuple[Part, ...]:
    """Divide the people of the photos.

    Raises
    ------
    InputError
        Fewer people than folds.
    """
    count = len(training.photos)
    if count < 2 * plan.folds:
        raise InputError(f"{count} photos for {plan.folds} folds; at least {2 * plan.folds} are needed")
    groups = training.groups
    order = sorted(range(count), key=lambda i: (groups[i].ancestry, groups[i].sex.value, training.photos[i].name))
    fold = {i: rank % plan.folds for rank, i in enumerate(order)}
    everybody = tuple(range(count))
    parts = [Part("all", 0, everybody, ())]
    for k in range(plan.folds):
        kept = tuple(i for i in everybody if fold[i] != k)
        parts.append(Part(f"fold-{k + 1}", k + 1, kept, tuple(i for i in everybody if fold[i] == k)))
    return tuple(parts)


Say = Callable[[str], None]


def train_dysmorphic(
    training: TrainingSet,
    folder: Path,
    *,
    plan: Plan,
    source: str,
    resume: bool = False,
    only: Sequence[str] = (),
    threads: int | None = None,
    now: Callable[[], dt.datetime],
    say: Say = lambda _: None,
) -> tuple[Path, ...]:
    """Train the parts of a run, each in its own folder, and write the page of the whole; return the encoders.

    Parameters
    ----------
    training
        Upright frontal photos with templates, one per person.
    folder
        New, or that of a run to go on with (`resume`): finished parts stay, an unfinished one goes on from its last
        epoch.
    plan, source
        How much; where the photos come from, kept in every card.
    only
        Names of the parts wished; all when left out.
    threads
        All cores when left out.
    now, say
        The clock; told in one line what happens.

    Raises
    ------
    OptionError
        A folder with other files, or a part that does not exist.
    InputError
        Photos or templates that cannot be used.
    ModelError, MismatchError
        PyTorch missing; a run begun with other photos or another plan.
    """
    parts = parts_of(training, plan)
    if unknown := sorted(set(only) - {part.name for part in parts}):
        raise OptionError(f"part '{unknown[0]}'; there are {', '.join(part.name for part in parts)}")
    whole = open_run(folder, resume=resume)
    document: dict[str, Any] = {
        "recipe": "dysmorphic",
        "notices": [RESEARCH_USE_ONLY, "Trained on simulated features."],
        "plan": asdict(plan),
        "source": source,
        "digest": training.digest,
        "features": list(FEATURE_NAMES),
        "parts": {part.name: {"held_out": [training.photos[i].stem for i in part.held_out]} for part in parts},
    }
    _refuse_another(folder, document)
    whole.write_manifest(document)
    made = []
    for part in parts:
        if only and part.name not in only:
            continue
        own = RunFolder(folder / part.name)
        own.path.mkdir(exist_ok=True)
        if not (own.path / MODEL_FILE).is_file():
            _train_part(training, part, own, plan=plan, source=source, threads=threads, now=now, say=say)
        made.append(own.path / MODEL_FILE)
        path = folder / finished(folder, document)[0] / CARD_FILE
        card = card_from(read_card_fields(path), origin=str(path))
        whole.write(REPORT_FILE, render(dysmorphic_report(training, folder, document, card), now=now()))
    return tuple(made)


def _refuse_another(folder: Path, document: Mapping[str, Any]) -> None:
    """Parts of one run hold each other's people out; of two plans, or of other photos, they would not."""
    path = folder / RUN_FILE
    if not path.is_file():
        return
    begun = json.loads(path.read_text("utf-8"))
    for key in ("recipe", "plan", "source", "digest", "features", "parts"):
        if begun.get(key) != document[key]:
            what = {"digest": "set of photos, templates or groups", "parts": "division of people"}.get(key, key)
            given = {k: v for k, v in document["plan"].items() if v != dict(begun.get("plan") or {}).get(k)}
            also = f" ({', '.join(f'{k} = {v}' for k, v in given.items())})" if key == "plan" else ""
            raise MismatchError(
                f"'{folder}' was begun with another {what}{also}; go on with the photos and options it was begun with, "
                "or name a new folder"
            )


def _train_part(
    training: TrainingSet,
    part: Part,
    folder: RunFolder,
    *,
    plan: Plan,
    source: str,
    threads: int | None,
    now: Callable[[], dt.datetime],
    say: Say,
) -> None:
    started = now()
    cores = threads or available_cores()
    model = _appearance(training, part, folder, source=source, say=say)
    sittings = _sittings(training, part, plan)
    shots = _shots(model, sittings, folder, cores=cores, say=lambda text: say(f"{part.name}: {text}"))
    choosing = np.repeat(
        [s.photo is None and i % CHOOSING == 0 for i, s in enumerate(sittings)], [s.shots for s in sittings]
    )
    recipe = dysmorphic_recipe(epochs=plan.epochs, rate=plan.rate, seed=plan.seed + part.number, threads=cores)
    _seed(recipe.seed)
    task = AmountTask(
        shots,
        learn=np.flatnonzero(~choosing),
        choose=np.flatnonzero(choosing),
        mean_shape=model.mean_shape,
        batch=plan.batch,
    )
    checkpoint = folder.path / CHECKPOINT
    epochs = run(
        task,
        recipe,
        checkpoint=checkpoint,
        identity=identity_of(recipe, asdict(plan) | {"part": part.name}, model.sha256),
        advance=lambda epoch: say(f"{part.name}: {_line(epoch)}"),
    )
    about = {
        "notice": RESEARCH_USE_ONLY,
        "features": ",".join(FEATURE_NAMES),
        "trained_on": "simulated features",
        "held_out": ",".join(training.photos[i].stem for i in part.held_out),
    }
    content = encoder_onnx(task.network, about)
    card = dysmorphic_card(content, people=len(part.kept), simulated=plan.people, shots=len(shots.crops))
    folder.write(CURVES_FILE, curves_table(epochs))
    folder.write(CARD_FILE, card_text(card))
    results = {"epochs": [asdict(e) for e in epochs], "shots": len(shots.crops)}
    times = {"started": started.isoformat(timespec="seconds"), "ended": now().isoformat(timespec="seconds")}
    manifest = {"part": part.name, **times, "training": recipe_as_document(recipe), "appearance_sha256": model.sha256}
    folder.write(RUN_FILE, json.dumps(manifest | results, indent=2) + "\n")
    folder.write(MODEL_FILE, content)
    for scratch in (SHOTS_FILE, CHECKPOINT):
        (folder.path / scratch).unlink(missing_ok=True)


def _appearance(training: TrainingSet, part: Part, folder: RunFolder, *, source: str, say: Say) -> AppearanceModel:
    """The appearance model of the people kept, and of nobody else."""
    path = folder.path / APPEARANCE_FILE
    if path.is_file():
        return AppearanceModel.load(path)
    say(f"{part.name}: fitting the appearance model to {len(part.kept)} people")
    model = fit(
        [training.photos[i] for i in part.kept],
        [training.templates[i] for i in part.kept],
        [training.groups[i] for i in part.kept],
        source=source,
    )
    model.save(path)
    return model


def _sittings(training: TrainingSet, part: Part, plan: Plan) -> list[Sitting]:
    base = 1_000_000 * (1 + part.number + 100 * plan.seed)
    simulated = [Sitting(base + k, plan.shots) for k in range(plan.people)]
    if not plan.photo_shots:
        return simulated
    return simulated + [
        Sitting(base + 500_000 + i, plan.photo_shots, training.photos[i], training.templates[i]) for i in part.kept
    ]


def _shots(model: AppearanceModel, sittings: Sequence[Sitting], folder: RunFolder, *, cores: int, say: Say) -> Shots:
    """Show everybody; kept on disk until the part is trained, so that an interrupted run does not begin anew."""
    path = folder.path / SHOTS_FILE
    if path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            return Shots(kept["crops"], kept["amounts_sd"], kept["landmarks_px"])
    say(f"showing {len(sittings)} people {sum(s.shots for s in sittings)} times")
    shots = all_shots(model, sittings, workers=cores)
    part = path.with_suffix(".part.npz")
    np.savez(part, crops=shots.crops, amounts_sd=shots.amounts_sd, landmarks_px=shots.landmarks_px)
    part.replace(path)
    return shots


def _seed(seed: int) -> None:
    from deciface.encoders.iresnet import import_torch

    import_torch().manual_seed(seed)


def _line(epoch: Epoch) -> str:
    error = epoch.measures["landmark error px"]
    return f"epoch {epoch.number}: loss {epoch.loss:.3f}, correlation {epoch.score:.3f}, landmarks {error:.2f} px"


def dysmorphic_card(content: bytes, *, people: int, simulated: int, shots: int) -> ModelCard:
    """Card of a trained encoder."""
    import hashlib

    return ModelCard(
        id=MODEL_ID,
        name="DeciFace dysmorphic features, 16 dimensions",
        file=MODEL_FILE,
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        kind=Kind.FACE_ENCODER,
        runtime=Runtime.ONNX,
        input_px=(INPUT_PX, INPUT_PX),
        channels=1,
        colour=Colour.GREY,
        layout=Layout.NCHW,
        mean=(0.0,),
        std=(255.0,),
        alignment=WIDE_GREY.alignment,
        dimensions=len(FEATURE_NAMES) + 1,
        views=(CardView(flip=False, grey=False), CardView(flip=True, grey=False)),
        licence=f"Apache-2.0; learnt from photos under {LONDON_LICENCE}",
        trained_on=(
            f"trained on simulated features: {shots:,} crops of {simulated:,} simulated adults and of {people} "
            f"photographed ones (Face Research Lab London Set, CC BY 4.0, warped), with up to five of "
            f"{len(FEATURE_NAMES)} features planted"
        ),
        citation=LONDON_CITATION,
        intended_use=(
            "Finding the features it was taught in adult faces, whoever shows them. Its values are amounts of "
            f"{', '.join(FEATURE_NAMES)} in SD and a constant. Never measured on patients; no use on children; never "
            "for comparing populations, whose differences it is built to ignore."
        ),
    )
