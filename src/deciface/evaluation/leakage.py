"""What makes an accuracy look better than it is: people or pictures that are on both sides, or were trained on.

Checked for every run: the same patient in test and gallery; the same pixels in test and gallery; photos in the test
that the encoder was trained on; and near-duplicate people. The last is an ArcFace cosine distance of at most 0.21
between photos of different patients, the constant with which the GestaltMatcher Database finds people recorded twice.
It belongs to encoders of identity of that family: with other encoders strangers are nearer than that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from deciface.cases import NOT_STATED
from deciface.errors import MismatchError, OptionError
from deciface.evaluation.group_distances import raw_distances
from deciface.evaluation.protocol import Protocol, Run
from deciface.space import Gallery

NEAR_DUPLICATE = 0.21
"""Largest ArcFace cosine distance of two photos that are taken for one person's."""
_IDENTITY_MODELS = ("arcface", "glint360k")
_NAMED = 3
"""Cases a message names."""


class Leak(StrEnum):
    """What was found."""

    SAME_PATIENT = "same patient in test and gallery"
    SAME_PIXELS = "same pixels in test and gallery"
    TRAINED_ON = "test photo that the encoder was trained on"
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
        Its counterpart in the gallery; empty for `Leak.TRAINED_ON`.
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
            text += f" and photo '{self.gallery_photo}' of {self.gallery_patient}"
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
    """

    found: tuple[LeakedPhoto, ...]
    not_checked: tuple[tuple[Leak, str], ...]

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
    trained_on: Collection[str] | None = None,
    identity_model: str | None = None,
) -> Leakage:
    """Check every run of a protocol; O(tests x photos x d) for the near-duplicates.

    Parameters
    ----------
    gallery, protocol
        As for `deciface.evaluation.ranks.rank_all`.
    trained_on
        Photo ids and pixel hashes in the encoder's training manifest; None when there is none.
    identity_model
        Which of the gallery's models is an ArcFace of identities, not fine-tuned; when left out, one whose name says
        ``arcface`` or ``glint360k``.

    Raises
    ------
    OptionError
        An `identity_model` that the gallery does not have.
    """
    found: set[LeakedPhoto] = set()
    for run in protocol.runs:
        found |= set(_same_patient(gallery, run))
        found |= set(_same_pixels(gallery, run))
        if trained_on is not None:
            found |= set(_trained_on(gallery, run, trained_on))
    not_checked = []
    if trained_on is None:
        not_checked.append((Leak.TRAINED_ON, "no training manifest was given"))
    if all(photo.sha256 == NOT_STATED for photo in gallery.photos):
        not_checked.append((Leak.SAME_PIXELS, "the encodings do not say which pixels they were made from"))
    model = _identity_model(gallery, identity_model)
    if model is None:
        not_checked.append((Leak.NEAR_DUPLICATE, "no ArcFace model of identities is among the encodings"))
    else:
        found |= set(_near_duplicates(gallery, protocol.runs, model))
    order = list(Leak)
    return Leakage(
        tuple(sorted(found, key=lambda x: (order.index(x.leak), x.distance or 0.0, x.test_photo, x.gallery_photo))),
        tuple(not_checked),
    )


def _same_patient(gallery: Gallery, run: Run) -> Iterable[LeakedPhoto]:
    if run.own_left_out:
        return
    inside: dict[str, str] = {}
    for row in run.gallery.tolist():
        inside.setdefault(gallery.photos[row].patient.id, gallery.photos[row].id)
    for row in run.test.tolist():
        photo = gallery.photos[row]
        if photo.patient.id in inside:
            yield LeakedPhoto(Leak.SAME_PATIENT, photo.id, photo.patient.id, inside[photo.patient.id], photo.patient.id)


def _same_pixels(gallery: Gallery, run: Run) -> Iterable[LeakedPhoto]:
    inside = set(run.gallery.tolist())
    for row in run.test.tolist():
        photo = gallery.photos[row]
        if photo.sha256 == NOT_STATED:
            continue
        for other in gallery.rows_of_pixels[photo.sha256]:
            twin = gallery.photos[other]
            own = run.own_left_out and twin.patient.id == photo.patient.id
            if other in inside and not own:
                yield LeakedPhoto(Leak.SAME_PIXELS, photo.id, photo.patient.id, twin.id, twin.patient.id)


def _trained_on(gallery: Gallery, run: Run, trained_on: Collection[str]) -> Iterable[LeakedPhoto]:
    for row in run.test.tolist():
        photo = gallery.photos[row]
        if photo.id in trained_on or (photo.sha256 != NOT_STATED and photo.sha256 in trained_on):
            yield LeakedPhoto(Leak.TRAINED_ON, photo.id, photo.patient.id)


def _identity_model(gallery: Gallery, wanted: str | None) -> str | None:
    models = sorted({view.model for view in gallery.views})
    if wanted is None:
        return next((m for m in models if any(name in m.casefold() for name in _IDENTITY_MODELS)), None)
    if wanted not in models:
        raise OptionError(f"--identity-model {wanted}: the encodings are of {', '.join(models)}; name one of them")
    return wanted


def _near_duplicates(gallery: Gallery, runs: Sequence[Run], model: str) -> Iterable[LeakedPhoto]:
    """Pairs of different patients across the two sides of any run, by the model's plainest view."""
    view = min((v for v in gallery.views if v.model == model), key=lambda v: (v.flip, v.grey, v))
    block = gallery.vectors.blocks[gallery.views.index(view)]
    rows = np.ascontiguousarray(gallery.vectors.matrix[gallery.rows, block.start : block.stop])
    owner = gallery.patient_of_row
    pairs: dict[tuple[int, int], float] = {}
    for tests, inside in _sides(runs, len(gallery)):
        for start in range(0, len(tests), 1024):
            some = tests[start : start + 1024]
            away = raw_distances(rows[some].astype(np.float64), rows).round(6)
            away[:, ~inside] = np.inf
            near = (away <= NEAR_DUPLICATE) & (owner[some][:, None] != owner[None, :])
            for i, j in np.argwhere(near).tolist():
                pairs[int(some[i]), j] = float(away[i, j])
    for (i, j), distance in pairs.items():
        test, twin = gallery.photos[i], gallery.photos[j]
        yield LeakedPhoto(Leak.NEAR_DUPLICATE, test.id, test.patient.id, twin.id, twin.patient.id, distance)


def _sides(runs: Sequence[Run], photos: int) -> Iterable[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
    """Distinct test and gallery sides: ten splits among everybody are looked at once where they agree."""
    seen = set()
    for run in runs:
        key = (run.test.tobytes(), run.gallery.tobytes())
        if key not in seen:
            seen.add(key)
            inside = np.zeros(photos, bool)
            inside[run.gallery] = True
            yield run.test, inside
