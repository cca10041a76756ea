"""Whom a patient is compared with when a face is explained: people drawn at random, one usable photo of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np

from deciface.cases import NOT_STATED, Photo
from deciface.errors import DeciFaceError
from deciface.explain.composites import Crops
from deciface.faces import align
from deciface.photos import read_photo
from deciface.workflows.encoding import PhotoEncoder
from deciface.workflows.looking import look
from deciface.workflows.photo_galleries import PhotoGallery

MOST_PEOPLE = 60
"""So many patients, and so many controls, are looked at; of more, a random sample. One photo of each, drawn at random:
the patient in question has one photo too, and is ranked among people who were seen in the same way."""
Looks = list[tuple[Photo, Crops]]


def drawn(photos: Sequence[Photo], rng: np.random.Generator) -> list[list[Photo]]:
    """Up to `MOST_PEOPLE` people in the order of their ids, each with all their photos in random order."""
    of: dict[str, list[Photo]] = {}
    for photo in sorted(photos, key=lambda p: (p.patient.id, p.id)):
        of.setdefault(photo.patient.id, []).append(photo)
    people = list(of)
    if len(people) > MOST_PEOPLE:
        people = [people[i] for i in sorted(rng.choice(len(people), MOST_PEOPLE, replace=False).tolist())]
    return [[of[who][i] for i in rng.permutation(len(of[who])).tolist()] for who in people]


class Looked:
    """Looks at photos of the gallery and remembers what could not be used."""

    def __init__(
        self, gallery: PhotoGallery, encoder: PhotoEncoder, alignment: str, sha256: str, advance: Callable[[], object]
    ) -> None:
        self._gallery, self._encoder, self._alignment = gallery, encoder, alignment
        self._sha256, self._advance = sha256, advance
        self.problems: list[str] = []
        self.same_pixels: set[str] = set()

    def at(self, people: Sequence[Sequence[Photo]]) -> Looks:
        """The first photo of each person that could be used, with its crop."""
        found: Looks = []
        for photos in people:
            found.extend(islice(self._usable(photos), 1))
            if any(self._same(photo) for photo in photos):
                self.same_pixels.add(photos[0].patient.id)
            self._advance()
        return found

    def _same(self, photo: Photo) -> bool:
        """Whether it is the photo in question, also where the gallery states no hash and where it was not drawn."""
        try:
            seen = (
                read_photo(self._gallery.image(photo.id), name=photo.id).pixel_sha256
                if photo.sha256 == NOT_STATED
                else photo.sha256
            )
        except DeciFaceError:  # told of where the photo is looked at
            return False
        return seen == self._sha256

    def _usable(self, photos: Sequence[Photo]) -> Iterator[tuple[Photo, Crops]]:
        for photo in photos:
            try:
                seen = look(self._gallery.image(photo.id), self._encoder.finder, name=photo.id)
            except DeciFaceError as error:
                self.problems.append(str(error))
            else:
                yield photo, align(seen.pyramid, seen.face, self._alignment)

    def without_own(self, looks: Looks) -> Looks:
        """Leave out people one of whose photos has the pixels of the one in question."""
        return [(photo, crop) for photo, crop in looks if photo.patient.id not in self.same_pixels]
