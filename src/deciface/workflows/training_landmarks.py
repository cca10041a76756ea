"""Train ``deciface-landmarks`` (`deciface.workflows.cross_fitted`): what it learns, and the card of what comes out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from deciface.faces.landmark_model import LANDMARKS_ID
from deciface.faces.landmarks import FACE_POINTS
from deciface.models import ModelCard
from deciface.models.card import Colour, Kind, Layout, Runtime
from deciface.simulate.appearance import AppearanceModel
from deciface.simulate.training_set import LONDON_CITATION, LONDON_LICENCE, TrainingSet
from deciface.training.landmark_network import INPUT_PX
from deciface.training.landmarks import LandmarkTask, landmark_recipe, landmarks_onnx
from deciface.training.planted_crops import WIDE_COLOUR, Shots
from deciface.training.recipe import Epoch, Recipe, Rows
from deciface.workflows.cross_fitted import Learner, Part, Plan, Say, train_cross_fitted
from deciface.workflows.landmark_sigmas import write_sigmas

MODEL_ID = LANDMARKS_ID
PLAN = Plan(folds=3, people=800, shots=10, photo_shots=140, epochs=14, rate=2e-3, batch=32)


def _task(shots: Shots, learn: Rows, choose: Rows, model: AppearanceModel, plan: Plan) -> LandmarkTask:
    points = np.array(FACE_POINTS)
    return LandmarkTask(shots, points, learn=learn, choose=choose, mean_shape=model.mean_shape, batch=plan.batch)


def _schedule(plan: Plan, seed: int, threads: int) -> Recipe:
    return landmark_recipe(epochs=plan.epochs, rate=plan.rate, seed=seed, threads=threads)


def _write(network: Any, about: Mapping[str, str]) -> bytes:  # noqa: ANN401 - a torch.nn.Module
    return landmarks_onnx(network, {**about, "points": ",".join(map(str, FACE_POINTS))})


def _line(epoch: Epoch) -> str:
    error, within = epoch.measures["landmark error px"], epoch.measures["share within one sigma"]
    return f"loss {epoch.loss:.3f}, landmarks {error:.2f} px, {100 * within:.0f} % within one sigma"


def _card(content: bytes, people: int, shots: int, plan: Plan) -> ModelCard:
    return ModelCard(
        id=MODEL_ID,
        name=f"DeciFace landmarks, {len(FACE_POINTS)} points with uncertainty",
        file=f"{MODEL_ID}.onnx",
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        kind=Kind.LANDMARKS,
        runtime=Runtime.ONNX,
        input_px=(INPUT_PX, INPUT_PX),
        channels=3,
        colour=Colour.RGB,
        layout=Layout.NCHW,
        mean=(0.0, 0.0, 0.0),
        std=(255.0, 255.0, 255.0),
        alignment=WIDE_COLOUR.alignment,
        dimensions=4 * len(FACE_POINTS),
        views=(),
        licence=f"Apache-2.0; learnt from photos under {LONDON_LICENCE}",
        trained_on=(
            f"{shots:,} crops of {plan.people:,} simulated adults and of {people} photographed ones (Face Research Lab "
            "London Set, CC BY 4.0, warped), with features planted up to 4 SD, heads turned, parts covered"
        ),
        citation=LONDON_CITATION,
        intended_use=(
            "Placing points on adult faces seen from the front, unusual proportions included. Never measured on "
            "patients; no use on children."
        ),
    )


def _finish(training: TrainingSet, folder: Path, parts: Sequence[Part], say: Say) -> None:
    folds = [(part.name, part.held_out) for part in parts if part.held_out]
    write_sigmas(training, folder, folds, model_file=f"{MODEL_ID}.onnx", say=say)


LANDMARKS = Learner(
    recipe="landmarks",
    model_id=MODEL_ID,
    framing=WIDE_COLOUR,
    task=_task,
    schedule=_schedule,
    write=_write,
    card=_card,
    line=_line,
    tested_by="People held out of a fold are tested by deciface bench landmarks, by the part that never saw them.",
    limits=(
        "The simulated people of the curves chose the epoch, and come of the same model of faces as those learnt from.",
        "Planted features are not patients: how well points are placed on patients is not known.",
    ),
    finish=_finish,
)

train_landmarks = partial(train_cross_fitted, LANDMARKS)
"""`train_cross_fitted` for this learner."""
