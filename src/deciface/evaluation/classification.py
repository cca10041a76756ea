"""Accuracy of a classifier whose classes are known: one disorder against the rest, genes of a disorder, many disorders.

The unit is the patient: the scores of a patient's photos are averaged first. Scores must come from models that saw no
photo of the patient (cross-validation by patient). The classes are those of the training cohort, so that none of this
says how often a disorder outside of it would be recognised as such.

Equal scores stand in the order of the classes, as in every list that is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deciface.errors import OptionError
from deciface.evaluation.accuracy import Figure, figures_of
from deciface.evaluation.classification_predictions import Indices, Predictions
from deciface.stats.proportions import FEWEST_FOR_WILSON, Interval, proportion_interval
from deciface.stats.roc import Auc, Roc, auc, roc

TOP = (1, 5, 10)
POSITIVE = 1
"""Number of the class of the disorder in a binary model; class 0 is the rest."""
CALLED_FROM = 0.5
"""A patient is called positive from this mean score on; fixed beforehand, not chosen on the results."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many patients, with a 95 % interval: Clopper-Pearson below 20 patients, else Wilson."""

    hits: int
    of: int
    interval: Interval

    @property
    def value(self) -> float:
        """Hits over patients."""
        return self.hits / self.of

    @property
    def method(self) -> str:
        """Of the interval."""
        return "Clopper-Pearson" if self.of < FEWEST_FOR_WILSON else "Wilson"

    def __str__(self) -> str:
        """E.g. ``80 % (8 of 10; 44-97 %)``."""
        low, high = self.interval
        return f"{100 * self.value:.0f} % ({self.hits} of {self.of}; {100 * low:.0f}-{100 * high:.0f} %)"


@dataclass(frozen=True, eq=False)
class BinaryAccuracy:
    """One disorder against the rest.

    Parameters
    ----------
    disorder
        Id of the disorder.
    patients, with_disorder, photos
        How many were tested.
    accuracy, sensitivity, specificity
        Of calling everybody with a mean score of at least `threshold` positive.
    larger_group
        Accuracy of calling everybody what most people are.
    auc, curve
        Of the mean scores; the interval is DeLong's. Scores of different folds are ranked together.
    threshold
        `CALLED_FROM`.
    """

    disorder: str
    patients: int
    with_disorder: int
    photos: int
    accuracy: Share
    sensitivity: Share
    specificity: Share
    larger_group: float
    auc: Auc
    curve: Roc
    threshold: float = CALLED_FROM


@dataclass(frozen=True, eq=False)
class SpecialisedAccuracy:
    """Which of a few genes is behind a disorder.

    Parameters
    ----------
    classes
        Genes, in the order of the matrix.
    patients, photos
        How many were tested.
    confusion
        (c, c) patients by true (row) and first-ranked (column) class.
    top_1
        Share of patients whose own class comes first.
    chance, largest_class
        Top-1 of a random order, and of always naming the most frequent class.
    p
        Exact one-sided binomial p against the larger of the two: no rule that looks at nothing does better on average.
    per_class
        Share found of every class.
    """

    classes: tuple[str, ...]
    patients: int
    photos: int
    confusion: Indices
    top_1: Share
    chance: float
    largest_class: float
    p: float
    per_class: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class TopAccuracy:
    """Own class among the first k: share of patients (micro), mean over classes (macro), and that of a random order."""

    k: int
    micro: Figure
    macro: Figure
    chance: float


@dataclass(frozen=True, eq=False)
class MulticlassAccuracy:
    """Many disorders.

    Parameters
    ----------
    classes
        Ids of the disorders, in the order of the matrix.
    patients, photos
        How many were tested.
    top
        For every k of `TOP` below the number of classes.
    confusion
        (c, c) patients by true (row) and first-ranked (column) class.
    seed, replicates
        Of the bootstrap.
    """

    classes: tuple[str, ...]
    patients: int
    photos: int
    top: tuple[TopAccuracy, ...]
    confusion: Indices
    seed: int
    replicates: int


Classification = BinaryAccuracy | SpecialisedAccuracy | MulticlassAccuracy


def binary_accuracy(predictions: Predictions) -> BinaryAccuracy:
    """Accuracy, sensitivity, specificity and ROC of class `POSITIVE` against class 0, by patient.

    Raises
    ------
    OptionError
        When there are not exactly two classes, or one of them has nobody.
    """
    _need_patients(predictions)
    if len(predictions.classes) != 2:
        raise OptionError(f"{len(predictions.classes)} classes; a binary model has 2: the rest and the disorder")
    scores, own = predictions.by_patient()
    positive, called = own == POSITIVE, scores[:, POSITIVE] >= CALLED_FROM
    return BinaryAccuracy(
        disorder=predictions.classes[POSITIVE],
        patients=len(own),
        with_disorder=int(positive.sum()),
        photos=len(predictions.patients),
        accuracy=_share(called == positive),
        sensitivity=_share(called[positive]),
        specificity=_share(~called[~positive]),
        larger_group=float(max(positive.mean(), 1 - positive.mean())),
        auc=auc(scores[:, POSITIVE], positive),
        curve=roc(scores[:, POSITIVE], positive),
    )


def specialised_accuracy(predictions: Predictions) -> SpecialisedAccuracy:
    """Top-1 against chance and confusion of the genes of a disorder, by patient.

    Raises
    ------
    OptionError
        When a class has nobody.
    """
    from scipy.stats import binomtest

    _need_patients(predictions)
    scores, own = predictions.by_patient()
    first = np.argmax(scores, axis=1)
    chance, largest = 1 / len(predictions.classes), float(np.bincount(own).max() / len(own))
    found = _share(first == own)
    return SpecialisedAccuracy(
        classes=predictions.classes,
        patients=len(own),
        photos=len(predictions.patients),
        confusion=_confusion(own, first, len(predictions.classes)),
        top_1=found,
        chance=chance,
        largest_class=largest,
        p=float(binomtest(found.hits, found.of, max(chance, largest), alternative="greater").pvalue),
        per_class=tuple(_share(first[own == c] == c) for c in range(len(predictions.classes))),
    )


def multiclass_accuracy(
    predictions: Predictions, *, seed: int, replicates: int = 2000, top: Sequence[int] = TOP
) -> MulticlassAccuracy:
    """Top-k, micro and macro, by patient, with the intervals of `deciface.evaluation.accuracy.figures_of`.

    For macro a patient weighs 1 / (patients of the class).

    Raises
    ------
    OptionError
        When a class has nobody, or no k is below the number of classes.
    """
    _need_patients(predictions)
    scores, own = predictions.by_patient()
    c = len(predictions.classes)
    asked = [k for k in top if 0 < k < c]
    if not asked:
        raise OptionError(f"top {', '.join(map(str, top))} of {c} classes; give at least one k from 1 to {c - 1}")
    order = np.argsort(-scores, axis=1, kind="stable")
    rank = 1 + np.argmax(order == own[:, None], axis=1)
    hits = np.column_stack([rank <= k for k in asked]).astype(np.float64)
    people = np.arange(len(own))
    micro = figures_of(hits, np.ones(len(own)), people, seed, replicates)
    macro = figures_of(hits, 1.0 / np.bincount(own)[own], people, seed, replicates)
    return MulticlassAccuracy(
        classes=predictions.classes,
        patients=len(own),
        photos=len(predictions.patients),
        top=tuple(TopAccuracy(k, a, b, k / c) for k, a, b in zip(asked, micro, macro, strict=True)),
        confusion=_confusion(own, order[:, 0], c),
        seed=seed,
        replicates=replicates,
    )


def _need_patients(predictions: Predictions) -> None:
    count = np.bincount(predictions.class_of, minlength=len(predictions.classes))
    if not count.all():
        raise OptionError(f"class '{predictions.classes[int(np.argmin(count))]}' has no photo; leave the class out")


def _share(hit: NDArray[np.bool_]) -> Share:
    hits, of = int(hit.sum()), len(hit)
    return Share(hits, of, proportion_interval(hits, of))


def _confusion(own: Indices, first: Indices, classes: int) -> Indices:
    matrix = np.zeros((classes, classes), np.intp)
    np.add.at(matrix, (own, first), 1)
    return matrix


@dataclass(frozen=True, slots=True)
class PublishedFigure:
    """A share, 0 to 1, that others printed for the same quantity on other data: beside ours, never compared with it."""

    quantity: str
    value: float
    data: str


PUBLISHED_SOURCE = "DeepGestalt, Gurovich et al. 2019, Nat Med 25:60; its own patients, not these"
_SYNDROMES: Mapping[str, tuple[float, float, float]] = {
    "502 clinical photos, 92 syndromes": (0.613, 0.854, 0.906),
    "photos of publications": (0.687, 0.832, 0.894),
}
_BINARY: Mapping[str, tuple[frozenset[str], tuple[float, float, float]]] = {
    "Cornelia de Lange syndrome": (frozenset({"OMIM:122470", "OMIMPS:122470"}), (0.9688, 0.9567, 1.0)),
    "Angelman syndrome": (frozenset({"OMIM:105830"}), (0.92, 0.8, 1.0)),
}
_NOONAN = frozenset({"OMIM:163950", "OMIMPS:163950"})
_NOONAN_GENES, _NOONAN_TOP_1 = 5, 0.64


def published_beside(result: Classification, disorders: Sequence[str] = ()) -> tuple[PublishedFigure, ...]:
    """Return the published figures of the very quantities in a result; none where nobody printed the same.

    Parameters
    ----------
    result
        What was measured here.
    disorders
        Ids of the disorders whose genes a specialised model tells apart.
    """
    if isinstance(result, MulticlassAccuracy):
        measured = {row.k for row in result.top}
        return tuple(
            PublishedFigure(f"top-{k}", value, data)
            for data, values in _SYNDROMES.items()
            for k, value in zip(TOP, values, strict=True)
            if k in measured
        )
    if isinstance(result, BinaryAccuracy):
        names = ("accuracy", "sensitivity", "specificity")
        return tuple(
            PublishedFigure(name, value, data)
            for data, (ids, values) in _BINARY.items()
            if result.disorder in ids
            for name, value in zip(names, values, strict=True)
        )
    if _NOONAN.intersection(disorders) and len(result.classes) == _NOONAN_GENES:
        return (PublishedFigure("top-1", _NOONAN_TOP_1, "five genes of Noonan syndrome, chance 20 %"),)
    return ()
