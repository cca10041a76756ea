"""Train our own networks on simulated people and warped photos, every person of the photos held out once.

A run has parts: ``all`` learns from everybody and is what is shipped; of each fold's part, appearance model and photos
know nothing of the people of that fold, on whom it alone is then tested (`deciface.benchmarks`). Parts of one run are
of one plan and of the same photos, or they would not hold each other's people out: anything else is refused.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from deciface.cases import RESEARCH_USE_ONLY
from deciface.encoders import available_cores
from deciface.encoders.iresnet import import_torch
from deciface.errors import InputError, MismatchError, OptionError, StorageError
from deciface.models import ModelCard
from deciface.models.card import read_card
from deciface.reports.training import render
from deciface.simulate.appearance import AppearanceModel
from deciface.simulate.fitting import fit
from deciface.simulate.training_set import TrainingSet
from deciface.training.loop import run
from deciface.training.manifest import CARD_FILE, CURVES_FILE, RUN_FILE, card_text, curves_table, identity_of
from deciface.training.manifest import recipe_as_document as as_document
from deciface.training.planted_crops import Framing, Shots, Sitting, all_shots
from deciface.training.recipe import Epoch, Recipe, Rows, Task
from deciface.workflows.cross_fitted_report import cross_fitted_report, finished
from deciface.workflows.training_runs import RunFolder, open_run

APPEARANCE_FILE, SHOTS_FILE, CHECKPOINT = "appearance.npz", "shots.npz", "checkpoint.pt"
REPORT_FILE = "report.html"
CHOOSING = 20
"""One of so many simulated people chooses the epoch instead of being learnt from."""

Say = Callable[[str], None]


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
        Of the training.
    seed
        Of everything.
    """

    folds: int
    people: int
    shots: int
    photo_shots: int
    epochs: int
    rate: float
    batch: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds < 2 or min(self.people, self.shots, self.epochs) < 1 or self.photo_shots < 0 or self.seed < 0:
            raise OptionError(
                f"{self.folds} folds, {self.people} people, {self.shots} and {self.photo_shots} shots, {self.epochs} "
                f"epochs, seed {self.seed}; at least 2 folds, 1 person, 1 shot and 1 epoch are needed, the rest from 0"
            )


@dataclass(frozen=True)
class Part:
    """One part of a run: ``all``, or a fold and whom it never saw."""

    name: str
    number: int
    kept: tuple[int, ...]
    held_out: tuple[int, ...]


@dataclass(frozen=True)
class Learner:
    """What a run makes.

    Parameters
    ----------
    recipe, model_id
        Names of the recipe, and of the model and its file.
    framing
        How people are shown.
    task
        From shots, rows to learn from, rows to choose the epoch on, appearance model and plan.
    schedule
        From plan, seed and threads.
    write
        The model's file, from the trained network and what its file is to say of itself.
    card
        From the file, people kept, shots and plan.
    line
        What an epoch says in a line.
    tested_by, limits
        For the page: where people held out are tested, and what the page does not say.
    facts
        What else the manifest says.
    finish
        What is done to a run of which every part is there; gives the same when done again.
    """

    recipe: str
    model_id: str
    framing: Framing
    task: Callable[[Shots, Rows, Rows, AppearanceModel, Plan], Task]
    schedule: Callable[[Plan, int, int], Recipe]
    write: Callable[[Any, Mapping[str, str]], bytes]
    card: Callable[[bytes, int, int, Plan], ModelCard]
    line: Callable[[Epoch], str]
    tested_by: str
    limits: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    finish: Callable[[TrainingSet, Path, Sequence[Part], Say], None] | None = None

    @property
    def model_file(self) -> str:
        """Name of the model's file."""
        return f"{self.model_id}.onnx"


def parts_of(training: TrainingSet, folds: int) -> tuple[Part, ...]:
    """Divide the people of the photos.

    Raises
    ------
    InputError
        Fewer people than folds.
    """
    count = len(training.photos)
    if count < 2 * folds:
        raise InputError(f"{count} photos for {folds} folds; at least {2 * folds} are needed")
    groups = training.groups
    order = sorted(range(count), key=lambda i: (groups[i].ancestry, groups[i].sex.value, training.photos[i].name))
    fold = {i: rank % folds for rank, i in enumerate(order)}
    everybody = tuple(range(count))
    parts = [Part("all", 0, everybody, ())]
    for k in range(folds):
        kept = tuple(i for i in everybody if fold[i] != k)
        parts.append(Part(f"fold-{k + 1}", k + 1, kept, tuple(i for i in everybody if fold[i] == k)))
    return tuple(parts)


def train_cross_fitted(
    learner: Learner,
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
    """Train the parts of a run, each in its own folder, and write the page of the whole; return the models.

    Parameters
    ----------
    learner
        What is made.
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
    import_torch()
    parts = parts_of(training, plan.folds)
    if unknown := sorted(set(only) - {part.name for part in parts}):
        raise OptionError(f"part '{unknown[0]}'; there are {', '.join(part.name for part in parts)}")
    document: dict[str, Any] = {
        "recipe": learner.recipe,
        "notices": [RESEARCH_USE_ONLY, "Trained on simulated features."],
        "plan": asdict(plan),
        "source": source,
        "digest": training.digest,
        **learner.facts,
        "parts": {part.name: {"held_out": [training.photos[i].stem for i in part.held_out]} for part in parts},
    }
    _refuse_another(folder, document)
    whole = open_run(folder, resume=resume)
    whole.write_manifest(document)
    made = []
    for part in parts:
        if only and part.name not in only:
            continue
        own = RunFolder(folder / part.name)
        own.path.mkdir(exist_ok=True)
        if not (own.path / learner.model_file).is_file():
            _train_part(learner, training, part, own, plan=plan, source=source, threads=threads, now=now, say=say)
        made.append(own.path / learner.model_file)
        path = folder / finished(folder, document)[0] / CARD_FILE
        card = read_card(path)
        page = cross_fitted_report(training, folder, document, card, tested_by=learner.tested_by, limits=learner.limits)
        whole.write(REPORT_FILE, render(page, now=now()))
    if learner.finish and all((folder / part.name / learner.model_file).is_file() for part in parts):
        learner.finish(training, folder, parts, say)
    return tuple(made)


def _refuse_another(folder: Path, document: Mapping[str, Any]) -> None:
    """Parts of one run hold each other's people out; of two plans, or of other photos, they would not."""
    path = folder / RUN_FILE
    if not path.is_file():
        return
    try:
        begun = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' cannot be read; name a new folder, or put back what the run wrote there") from error
    if not isinstance(begun, dict):
        raise InputError(f"'{path}' describes no run; name a new folder, or put back what the run wrote there")
    for key in document:
        if begun.get(key) != document[key]:
            what = {"digest": "set of photos, templates or groups", "parts": "division of people"}.get(key, key)
            planned: dict[str, Any] = begun["plan"] if isinstance(begun.get("plan"), dict) else {}
            given = {k: v for k, v in document["plan"].items() if v != planned.get(k)}
            also = f" ({', '.join(f'{k} = {v}' for k, v in given.items())})" if key == "plan" else ""
            raise MismatchError(
                f"'{folder}' was begun with another {what}{also}; go on with the photos and options it was begun with, "
                "or name a new folder"
            )


def _train_part(
    learner: Learner,
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
    shots = _shots(learner.framing, model, sittings, folder, cores=cores, say=lambda text: say(f"{part.name}: {text}"))
    choosing = np.repeat(
        [s.photo is None and i % CHOOSING == 0 for i, s in enumerate(sittings)], [s.shots for s in sittings]
    )
    recipe = learner.schedule(plan, plan.seed + part.number, cores)
    import_torch().manual_seed(recipe.seed)
    task = learner.task(shots, np.flatnonzero(~choosing), np.flatnonzero(choosing), model, plan)
    epochs = run(
        task,
        recipe,
        checkpoint=folder.path / CHECKPOINT,
        identity=identity_of(recipe, asdict(plan) | {"part": part.name}, model.sha256),
        advance=lambda epoch: say(f"{part.name}: epoch {epoch.number}: {learner.line(epoch)}"),
    )
    about = {
        "notice": RESEARCH_USE_ONLY,
        "trained_on": "simulated features",
        "made_on": f"{recipe.device}, {recipe.threads} threads" + (", bfloat16" if recipe.mixed else ""),
        "held_out": ",".join(training.photos[i].stem for i in part.held_out),
    }
    content = learner.write(task.network, about)
    card = learner.card(content, len(part.kept), len(shots.crops), plan)
    folder.write(CURVES_FILE, curves_table(epochs))
    folder.write(CARD_FILE, card_text(card))
    results = {"epochs": [asdict(e) for e in epochs], "shots": len(shots.crops)}
    times = {"started": started.isoformat(timespec="seconds"), "ended": now().isoformat(timespec="seconds")}
    manifest = {"part": part.name, **times, "training": as_document(recipe), "appearance_sha256": model.sha256}
    folder.write(RUN_FILE, json.dumps(manifest | results, indent=2) + "\n")
    folder.write(learner.model_file, content)
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


def _shots(
    framing: Framing, model: AppearanceModel, sittings: Sequence[Sitting], folder: RunFolder, *, cores: int, say: Say
) -> Shots:
    """Show everybody; kept on disk until the part is trained, so that an interrupted run does not begin anew."""
    path = folder.path / SHOTS_FILE
    if path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            return Shots(kept["crops"], kept["amounts_sd"], kept["landmarks_px"])
    say(f"showing {len(sittings)} people {sum(s.shots for s in sittings)} times")
    shots = all_shots(model, sittings, framing=framing, workers=cores)
    part = path.with_suffix(".part.npz")
    try:
        np.savez(part, crops=shots.crops, amounts_sd=shots.amounts_sd, landmarks_px=shots.landmarks_px)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageError(
            f"'{path}' cannot be written ({error.strerror}); {shots.crops.nbytes >> 20:,} MB are needed"
        ) from error
    return shots
