"""Whom an encoder learnt from, as somebody noted it, and which photos and people of a gallery that is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deciface.cases import NOT_STATED
from deciface.evaluation.identity import Numbers, spelled_alike
from deciface.space import Gallery

_IMAGE = re.compile(r"\.(jpe?g|png|bmp|tiff?|webp|gif|heic|dcm)$")
_PROCESSED = re.compile(r"(\d+)(_[^\W\d_]+)+")


@dataclass(frozen=True, slots=True)
class LearntPhoto:
    """One photo of a training set; what is not stated is empty.

    Parameters
    ----------
    photo
        Id, file name or path.
    sha256
        Of the decoded pixels.
    patient
        Id.
    """

    photo: str = ""
    sha256: str = ""
    patient: str = ""

    def __str__(self) -> str:
        """Whatever is stated first."""
        return self.photo or self.sha256 or self.patient


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Photos that an encoder learnt from.

    Parameters
    ----------
    source
        Who says so, e.g. ``manifest 'run.json'``.
    photos
        Which.
    models
        Models of the gallery that learnt from them; None: any.
    ids_of_gallery
        Whether its ids are the gallery's own, so that finding none of them is no sign of another spelling.
    forgotten
        Photos that were learnt from, too, but withdrawn since: nobody knows any more whose they were.
    """

    source: str
    photos: tuple[LearntPhoto, ...]
    models: frozenset[str] | None = None
    ids_of_gallery: bool = False
    forgotten: int = 0


@dataclass(frozen=True, eq=False)
class Recognised:
    """What of a training set is in a gallery.

    Parameters
    ----------
    photos
        Numbers (of `photos_of_rows`) of photos that were learnt from.
    people
        By number of a person that was learnt from: a row that shows it, None where the person alone is named.
    entries
        How many photos of the set were recognised, by themselves or by their patient.
    ambiguous
        Entries whose name could be photos of several people, which are taken for none.
    """

    photos: set[int] = field(default_factory=set)
    people: dict[int, int | None] = field(default_factory=dict)
    entries: int = 0
    ambiguous: tuple[LearntPhoto, ...] = ()


class PhotoNames:
    """What the photos of a gallery may be called elsewhere.

    A name is a photo's if it is its id or file name, or is so but for capitals, folders or the suffix of an image, or
    if one of both ends at the first ``_`` of the other (``12``, ``12_aligned.jpg``), or if both are one number followed
    by words (``12_rot``, ``12_rot_aligned``). Of these the closest that anything answers to is taken.
    """

    def __init__(self, gallery: Gallery, people: Numbers) -> None:
        self._people = people
        self._row_of_id = {photo.id: row for row, photo in enumerate(gallery.photos)}
        self._called: dict[tuple[str, str], dict[int, tuple[str, ...]]] = defaultdict(dict)
        for row, photo in enumerate(gallery.photos):
            for name in filter(None, dict.fromkeys((photo.id, photo.file_name))):
                called = _Name.of(name)
                for how in called.answers_to():
                    self._called[how].setdefault(row, called.folders)

    def rows(self, name: str) -> list[int]:
        """Rows that a name means; several where it could be more than one photo."""
        if name in self._row_of_id:
            return [self._row_of_id[name]]
        called = _Name.of(name)
        for how in called.looks_for():
            found = self._called.get(how, {})
            if rows := [row for row, folders in found.items() if _one_ends_in_other(folders, called.folders)]:
                return rows
        return []

    def one_person(self, rows: Sequence[int]) -> bool:
        """Whether all of these rows show one person."""
        return len({int(self._people[row]) for row in rows}) == 1


@dataclass(frozen=True, slots=True)
class _Name:
    folders: tuple[str, ...]
    file: str
    stem: str
    short: str
    number: str

    @classmethod
    def of(cls, name: str) -> _Name:
        *folders, file = [
            part for part in spelled_alike(name).replace("\\", "/").split("/") if part not in ("", ".")
        ] or [""]
        stem = _IMAGE.sub("", file)
        processed = _PROCESSED.fullmatch(stem)
        number = processed[1] if processed else ""
        return cls(tuple(folders), file, stem, stem.split("_", 1)[0], number)

    def answers_to(self) -> Iterable[tuple[str, str]]:
        yield "file", self.file
        yield "stem", self.stem
        if self.short != self.stem:
            yield "short", self.short
        if self.number:
            yield "number", self.number

    def looks_for(self) -> Iterable[tuple[str, str]]:
        yield "file", self.file
        yield "stem", self.stem
        yield "short", self.stem
        if self.short:
            yield "stem", self.short
        if self.number:
            yield "number", self.number


def _one_ends_in_other(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two lists of folders agree as far as both go, from the last one on."""
    return all(a == b for a, b in zip(reversed(one), reversed(other), strict=False))


def recognise(gallery: Gallery, training: TrainingSet, *, people: Numbers, photos: Numbers) -> Recognised:
    """Find a training set in a gallery: photos by name and pixel hash, and their patients by these and by id.

    Parameters
    ----------
    gallery, training
        Where to look for whom.
    people, photos
        (n,) as `deciface.evaluation.identity` numbers them.
    """
    names = PhotoNames(gallery, people)
    by_hash = {p.sha256.casefold(): row for row, p in enumerate(gallery.photos) if p.sha256 != NOT_STATED}
    by_patient = {spelled_alike(p.patient.id): int(people[row]) for row, p in enumerate(gallery.photos)}
    learnt: set[int] = set()
    named: set[int] = set()
    entries, ambiguous = 0, []
    for entry in training.photos:
        rows = names.rows(entry.photo) if entry.photo else []
        if len(rows) > 1 and not names.one_person(rows):
            ambiguous.append(entry)
            rows = []
        if (row := by_hash.get(entry.sha256.casefold())) is not None:
            rows.append(row)
        person = by_patient.get(spelled_alike(entry.patient)) if entry.patient else None
        learnt.update(rows)
        named.update([] if person is None else [person])
        entries += bool(rows) or person is not None
    numbers = set(photos[sorted(learnt)].tolist())
    shown: NDArray[np.intp] = np.flatnonzero(np.isin(photos, sorted(numbers)))
    whose: dict[int, int | None] = dict.fromkeys(sorted(named))
    for row in shown[::-1].tolist():
        whose[int(people[row])] = row
    return Recognised(numbers, whose, entries, tuple(ambiguous))
