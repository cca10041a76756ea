"""Train ``deciface-dysmorphic`` (`deciface.workflows.cross_fitted`): what it learns, and the card of what comes out.

All parts of a run read the same named amounts, so that encodings of different parts can stand in one gallery.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Any

from deciface.models import ModelCard
from deciface.models.card import CardView, Colour, Kind, Layout, Runtime
from deciface.simulate.appearance import AppearanceModel
from deciface.simulate.training_set import LONDON_CITATION, LONDON_LICENCE
from deciface.training.dysmorphic import AmountTask, dysmorphic_recipe, encoder_onnx
from deciface.training.dysmorphic_network import INPUT_PX
from deciface.training.planted_crops import FEATURE_NAMES, WIDE_GREY, Shots
from deciface.training.recipe import Epoch, Recipe, Rows
from deciface.workflows.cross_fitted import Learner, Plan, train_cross_fitted

MODEL_ID = "deciface-dysmorphic"
PLAN = Plan(folds=3, people=1200, shots=10, photo_shots=80, epochs=8, rate=2e-3, batch=96)


def _task(shots: Shots, learn: Rows, choose: Rows, model: AppearanceModel, plan: Plan) -> AmountTask:
    return AmountTask(shots, learn=learn, choose=choose, mean_shape=model.mean_shape, batch=plan.batch)


def _schedule(plan: Plan, seed: int, threads: int) -> Recipe:
    return dysmorphic_recipe(epochs=plan.epochs, rate=plan.rate, seed=seed, threads=threads)


def _write(network: Any, about: Mapping[str, str]) -> bytes:  # noqa: ANN401 - a torch.nn.Module
    return encoder_onnx(network, {**about, "features": ",".join(FEATURE_NAMES)})


def _line(epoch: Epoch) -> str:
    error = epoch.measures["landmark error px"]
    return f"loss {epoch.loss:.3f}, correlation {epoch.score:.3f}, landmarks {error:.2f} px"


def _card(content: bytes, people: int, shots: int, plan: Plan) -> ModelCard:
    return ModelCard(
        id=MODEL_ID,
        name="DeciFace dysmorphic features, 16 dimensions",
        file=f"{MODEL_ID}.onnx",
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
            f"trained on simulated features: {shots:,} crops of {plan.people:,} simulated adults and of {people} "
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


DYSMORPHIC = Learner(
    recipe="dysmorphic",
    model_id=MODEL_ID,
    framing=WIDE_GREY,
    task=_task,
    schedule=_schedule,
    write=_write,
    card=_card,
    line=_line,
    tested_by="People held out of a fold are tested by deciface bench dysmorphic, by the part that never saw them.",
    limits=(
        "The simulated people of the curves chose the epoch, and come of the same model of faces as those learnt from.",
        "Planted features are not patients: what the encoder does on patients is not known.",
    ),
    facts={"features": list(FEATURE_NAMES)},
)
MODEL_FILE = DYSMORPHIC.model_file

train_dysmorphic = partial(train_cross_fitted, DYSMORPHIC)
"""`train_cross_fitted` for this learner."""
