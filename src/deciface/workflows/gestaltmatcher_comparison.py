"""An encoder that was trained beside the one it began as, on people whom neither learnt from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deciface.cases import Encoding, View
from deciface.errors import OptionError
from deciface.space import Gallery, Query, Rule, rank
from deciface.training.photos import TrainingPhotos, settled
from deciface.workflows.gestaltmatcher_run import HeldOut, Rows

RULES = (Rule.NEAREST_IMAGE, Rule.DISORDER_CENTROID, Rule.DISCRIMINANT)


def compare(
    material: TrainingPhotos,
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    *,
    test: Rows,
    unseen: Collection[str],
) -> tuple[tuple[HeldOut, ...], tuple[str, ...]]:
    """Rank every held-out patient against everybody else by both encoders; say which rules the cohort is too small for.

    Parameters
    ----------
    before, after
        (n, d) unit rows of all photos.
    test
        Rows of held-out people.
    unseen
        Disorders without training photos, counted apart.
    """
    galleries = [_gallery(material, vectors) for vectors in (before, after)]
    people: dict[str, list[int]] = {}
    for row in test.tolist():
        people.setdefault(material.patients[row], []).append(row)
    results: list[HeldOut] = []
    refused: list[str] = []
    groups = {"trained disorders": False, "unseen disorders": True}
    for rule in RULES:
        try:
            for who, is_unseen in groups.items():
                asked = [rows for rows in people.values() if (material.labels[rows[0]] in unseen) is is_unseen]
                if asked:
                    hits = [sum(_first(*gallery, material, rows, rule) for rows in asked) for gallery in galleries]
                    chance = float(np.mean([_chance(galleries[0][0], material, rows, rule) for rows in asked]))
                    results.append(HeldOut(who, rule, len(asked), hits[1], hits[0], chance))
        except OptionError as error:  # the rule needs more patients than the cohort has
            refused.append(str(error))
    return tuple(results), tuple(refused)


def _gallery(material: TrainingPhotos, vectors: NDArray[np.float32]) -> tuple[Gallery, list[Encoding]]:
    known = [replace(photo, diagnoses=settled(photo)) for photo in material.photos]
    encodings = [
        Encoding(photo.id, photo.sha256, "training", "training", View("trained"), vector)
        for photo, vector in zip(material.photos, vectors, strict=True)
    ]
    kept = [i for i, photo in enumerate(known) if photo.diagnoses]
    return Gallery.build([known[i] for i in kept], [encodings[i] for i in kept]), encodings


def _first(
    gallery: Gallery, encodings: Sequence[Encoding], material: TrainingPhotos, rows: Sequence[int], rule: Rule
) -> bool:
    """Whether the patient's own disorder alone comes first."""
    answer = rank(
        gallery, Query.of([encodings[i] for i in rows], patient_id=material.patients[rows[0]]), rule=rule, top=2
    )
    return [d.disorder.id for d in answer.disorders if d.rank == 1] == [material.labels[rows[0]]]


def _chance(gallery: Gallery, material: TrainingPhotos, rows: Sequence[int], rule: Rule) -> float:
    """Chance of the own disorder to come first in a random order of the photos, or of the disorders, of others."""
    others = [photo for photo in gallery.photos if photo.patient.id != material.patients[rows[0]]]
    theirs = [{d.disorder.id for d in photo.diagnoses} for photo in others]
    if rule is Rule.NEAREST_IMAGE:
        own = {material.labels[rows[0]]}
        return sum(ids == own for ids in theirs) / len(theirs)
    return 1 / len(set().union(*theirs))
