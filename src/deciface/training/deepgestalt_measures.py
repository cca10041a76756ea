"""How a cross-validated DeepGestalt-type model does on patients that its networks never saw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deciface.encoders.deepgestalt import ModelKind, aggregate
from deciface.evaluation.classification import (
    Classification,
    binary_accuracy,
    multiclass_accuracy,
    specialised_accuracy,
)
from deciface.evaluation.classification_predictions import Predictions
from deciface.training.deepgestalt_folds import CrossValidated, TrainingMaterial, TrainingPlan
from deciface.training.deepgestalt_labels import Labelled

ALL_REGIONS = "all regions"
Measured = tuple[str, Classification]
"""`ALL_REGIONS` or the name of a region, and its result."""


def measure(
    material: TrainingMaterial, labelled: Labelled, validated: CrossValidated, plan: TrainingPlan
) -> list[Measured]:
    """Results by the averaged scores (`ALL_REGIONS`), then by each region alone."""
    classes = tuple(label.id for label in labelled.labels)

    def result(scores: NDArray[np.floating]) -> Classification:
        predictions = Predictions(material.patients, classes, material.class_of, scores.astype(np.float64))
        if labelled.kind is ModelKind.BINARY:
            return binary_accuracy(predictions)
        if labelled.kind is ModelKind.SPECIALISED:
            return specialised_accuracy(predictions)
        return multiclass_accuracy(predictions, seed=plan.seed)

    alone = [(str(region), result(validated.scores[:, number])) for number, region in enumerate(plan.regions)]
    return [(ALL_REGIONS, result(aggregate(validated.scores))), *alone]
