"""What makes an accuracy look better than it is: people or pictures that are on both sides, or were trained on.

Checked for every run: the same patient in test and gallery, however the id is spelled; the same pixels in test and
gallery, by their hash or by equal vectors; people in the test whom the encoder was trained on, in this photo or in
another one; and near-duplicate people. The last is an ArcFace cosine distance of at most 0.21
between photos of different patients, the constant with which the GestaltMatcher Database finds people recorded twice.
It belongs to encoders of identity of that family: with other encoders strangers are nearer than that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from deciface.cases import NOT_STATED
from deciface.errors import MismatchError, OptionError
from deciface.evaluation.group_distances import raw_distances
from deciface.evaluation.identity import Numbers, people_of_rows, photos_of_rows
from deciface.evaluation.protocol import Protocol, Run
from deciface.evaluation.training_sets import Recognised, TrainingSet, recognise
from deciface.space import Gallery

NEAR_DUPLICATE = 0.21
"""Largest ArcFace cosine distance of two photos that are taken for one person's."""
_IDENTITY_MODELS = ("arcface", "glint360k")
_NAMED = 3
"""Cases a message names."""

Inside = NDArray[np.bool_]
"""(n,) which photos are in the gallery of a run."""


class Leak(StrEnum):
    """What was found."""

    SAME_PATIENT = "same patient in test and gallery"
    SAME_PIXELS = "same pixels in test and gallery"
    TRAINED_ON = "test patient that the encoder was trained on"
    NEAR_DUPLICATE = "near-duplicate person in test and gallery"


@dataclass(frozen=True, slots=True)
class LeakedPhoto:
    """One case of it.

    Parameters
    ----------
    leak
        What.
    test_photo, test_patient
        In the test.
    gallery_photo, gallery_patient
        Its counterpart in the gallery. Of `Leak.TRAINED_ON` the other photo of the patient that was trained on; empty
        where it was this one, or is not known.
    distance
        Of near-duplicates; else None.
    """

    leak: Leak
    test_photo: str
    test_patient: str
    gallery_photo: str = ""
    gallery_patient: str = ""
    distance: float | None = None

    def __str__(self) -> str:
        """E.g. ``photo 'a' of p1 and photo 'b' of p2 (distance 0.120)``."""
        text = f"photo '{self.test_photo}' of {self.test_patient}"
        if self.gallery_photo:
            other = f"photo '{self.gallery_photo}' of {self.gallery_patient}"
            text += f" (trained on {other})" if self.leak is Leak.TRAINED_ON else f" and {other}"
        return text if self.distance is None else f"{text} (distance {self.distance:.3f})"


@dataclass(frozen=True)
class Leakage:
    """What was found, each pair once whatever the number of runs it is in.

    Parameters
    ----------
    found
        Sorted.
    not_checked
        Checks that could not be done, and why, in words.
    limits
        What checks that were done could not see, in words.
    compared
        Training sets that were compared, and how much of each is in the gallery, in words.
    """

    found: tuple[LeakedPhoto, ...]
    not_checked: tuple[tuple[Leak, str], ...]
    limits: tuple[tuple[Leak, str], ...] = ()
    compared: tuple[str, ...] = ()

    def of(self, leak: Leak) -> tuple[LeakedPhoto, ...]:
        """Those of one kind."""
        return tuple(one for one in self.found if one.leak is leak)

    def in_words(self) -> tuple[str, ...]:
        """One sentence for each kind that was found, with its number and the first cases."""
        return tuple(
            f"{leak}: {len(some)} case(s), first {'; '.join(map(str, some[:_NAMED]))}"
            for leak in Leak
            if (some := self.of(leak))
        )

    def refuse(self) -> None:
        """Stop where anything was found.

        Raises
        ------
        MismatchError
            With every kind, its number and the first cases.
        """
        if self.found:
            raise MismatchError(
                f"leakage: {'. '.join(self.in_words())}. Correct the ids or leave these photos out; "
                "--allow-leakage evaluates all the same and says so in every table"
            )


def find_leakage(
    gallery: Gallery,
    protocol: Protocol,
    *,
    trained_on: Sequence[TrainingSet] = (),
    identity_model: str | None = None,
) -> Leakage:
    """Check every run of a protocol; O(tests x photos x d) for the near-duplicates.

    Parameters
    ----------
    gallery, protocol
        As for `deciface.evaluation.ranks.rank_all`.
    trained_on
        Whom the encoders of the gallery learnt from, as far as anybody says.
    identity_model
        Which of the gallery's models is an ArcFace of identities, not fine-tuned; when left out, one whose name says
        ``arcface`` or ``glint360k``.

    Raises
    ------
    OptionError
        An `identity_model` that the gallery does not have.
    """
    people, photos = people_of_rows(gallery), photos_of_rows(gallery)
    training = _trained_on(gallery, protocol.runs, trained_on, people=people, photos=photos)
    found = {*training.found}
    for run, inside in _sides(protocol.runs, len(gallery)):
        found |= set(_same_patient(gallery, run, inside, people))
        found |= set(_same_pixels(gallery, run, inside, photos))
    not_checked, limits = list(training.not_checked), list(training.limits)
    if silent := sum(photo.sha256 == NOT_STATED for photo in gallery.photos):
        limits.append(
            (
                Leak.SAME_PIXELS,
                f"{silent} of {len(gallery)} photos do not say which pixels they were made from; "
                "among them only equal vectors are found",
            )
        )
    model = _identity_model(gallery, identity_model)
    if model is None:
        not_checked.append((Leak.NEAR_DUPLICATE, "no ArcFace model of identities is among the encodings"))
    else:
        found |= set(_near_duplicates(gallery, protocol.runs, model, people))
    order = list(Leak)
    return Leakage(
        tuple(sorted(found, key=lambda x: (order.index(x.leak), x.distance or 0.0, x.test_photo, x.gallery_photo))),
        tuple(not_checked),
        tuple(limits),
        training.compared,
    )


def _same_patient(gallery: Gallery, run: Run, inside: Inside, people: Numbers) -> Iterable[LeakedPhoto]:
    owner = gallery.patient_of_row

    def left_out(test: int, row: int) -> bool:
        return run.own_left_out and bool(owner[test] == owner[row])  # by id: another spelling of it is not left out

    for test, row in _twins(people, run.test, inside, left_out):
        yield _leaked(gallery, Leak.SAME_PATIENT, test, row)


def _same_pixels(gallery: Gallery, run: Run, inside: Inside, photos: Numbers) -> Iterable[LeakedPhoto]:
    owner = gallery.patient_of_row

    def itself(test: int, row: int) -> bool:
        return test == row or (run.own_left_out and bool(owner[test] == owner[row]))

    for test, row in _twins(photos, run.test, inside, itself):
        yield _leaked(gallery, Leak.SAME_PIXELS, test, row)


def _twins(
    numbers: Numbers, tests: Numbers, inside: Inside, apart: Callable[[int, int], bool]
) -> Iterator[tuple[int, int]]:
    """Every test row with the first gallery row of its number, but for pairs that are `apart`."""
    rows = np.flatnonzero(inside)
    rows = rows[np.argsort(numbers[rows], kind="stable")]
    keys = numbers[rows]
    low, high = (np.searchsorted(keys, numbers[tests], side).tolist() for side in ("left", "right"))
    for test, start, stop in zip(tests.tolist(), low, high, strict=True):
        if start < stop:
            twin = next((row for row in rows[start:stop].tolist() if not apart(test, row)), None)
            if twin is not None:
                yield test, twin


def _leaked(gallery: Gallery, leak: Leak, test: int, row: int | None, distance: float | None = None) -> LeakedPhoto:
    one = gallery.photos[test]
    if row is None:
        return LeakedPhoto(leak, one.id, one.patient.id)
    return LeakedPhoto(leak, one.id, one.patient.id, gallery.photos[row].id, gallery.photos[row].patient.id, distance)


def _trained_on(
    gallery: Gallery, runs: Sequence[Run], sets: Sequence[TrainingSet], *, people: Numbers, photos: Numbers
) -> Leakage:
    """Tests whose photo, or whose patient in another photo, is in a training set; and what that cannot tell."""
    tests = sorted({row for run in runs for row in run.test.tolist()})
    found: set[LeakedPhoto] = set()
    undone: list[str] = []
    limits: list[str] = []
    compared: list[str] = []
    for training in sets:
        known = recognise(gallery, training, people=people, photos=photos)
        for test in tests:
            if int(photos[test]) in known.photos:
                found.add(_leaked(gallery, Leak.TRAINED_ON, test, None))
            elif (person := int(people[test])) in known.people:
                found.add(_leaked(gallery, Leak.TRAINED_ON, test, known.people[person]))
        if training.photos and not known.entries and not training.ids_of_gallery:
            undone.append(
                f"none of {len(training.photos)} listed in {training.source} is in the gallery, first "
                f"'{training.photos[0]}'; they are probably spelled in another way"
            )
        limits += _limits(training, known)
        compared.append(f"{training.source}: {known.entries} of {len(training.photos)} listed are in the gallery")
    if unknown := _models_without(gallery, sets):
        undone.append(f"no training manifest of {', '.join(unknown)} was given")
    if found:
        undone, limits = [], undone + limits
    return Leakage(
        tuple(found),
        tuple((Leak.TRAINED_ON, "; ".join(some)) for some in (undone,) if some),
        tuple((Leak.TRAINED_ON, "; ".join(some)) for some in (limits,) if some),
        tuple(compared),
    )


def _models_without(gallery: Gallery, sets: Sequence[TrainingSet]) -> list[str]:
    """Models of which nobody says whom they learnt from."""
    models = {view.model for view in gallery.views}
    return sorted(models.difference(*(models if one.models is None else one.models for one in sets)))


def _limits(training: TrainingSet, known: Recognised) -> Iterator[str]:
    if known.ambiguous:
        yield (
            f"{len(known.ambiguous)} names in {training.source} could be photos of several people, first "
            f"'{known.ambiguous[0]}'; they were taken for none"
        )
    if training.forgotten:
        yield f"{training.forgotten} photos of {training.source} were withdrawn since; whose they were is not known"


def _identity_model(gallery: Gallery, wanted: str | None) -> str | None:
    models = sorted({view.model for view in gallery.views})
    if wanted is None:
        return next((m for m in models if any(name in m.casefold() for name in _IDENTITY_MODELS)), None)
    if wanted not in models:
        raise OptionError(f"--identity-model {wanted}: the encodings are of {', '.join(models)}; name one of them")
    return wanted


def _near_duplicates(gallery: Gallery, runs: Sequence[Run], model: str, people: Numbers) -> Iterable[LeakedPhoto]:
    """Pairs of different patients across the two sides of any run, by the model's plainest view."""
    view = min((v for v in gallery.views if v.model == model), key=lambda v: (v.flip, v.grey, v))
    block = gallery.vectors.blocks[gallery.views.index(view)]
    rows = np.ascontiguousarray(gallery.vectors.matrix[gallery.rows, block.start : block.stop])
    pairs: dict[tuple[int, int], float] = {}
    for run, inside in _sides(runs, len(gallery)):
        for start in range(0, len(run.test), 1024):
            some = run.test[start : start + 1024]
            away = raw_distances(rows[some].astype(np.float64), rows).round(6)
            away[:, ~inside] = np.inf
            near = (away <= NEAR_DUPLICATE) & (people[some][:, None] != people[None, :])
            for i, j in np.argwhere(near).tolist():
                pairs[int(some[i]), j] = float(away[i, j])
    for (i, j), distance in pairs.items():
        yield _leaked(gallery, Leak.NEAR_DUPLICATE, i, j, distance)


def _sides(runs: Sequence[Run], photos: int) -> Iterator[tuple[Run, Inside]]:
    """Runs of distinct tests and galleries: ten splits among everybody are looked at once where they agree."""
    seen = set()
    for run in runs:
        key = (run.test.tobytes(), run.gallery.tobytes(), run.own_left_out)
        if key not in seen:
            seen.add(key)
            inside = np.zeros(photos, bool)
            inside[run.gallery] = True
            yield run, inside
