"""Norms from the site's own unaffected people: measured by the same network, on photos like those to be judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from deciface.cases import RESEARCH_USE_ONLY, SIMULATED, Photo
from deciface.errors import DeciFaceError, NothingFoundError, OptionError
from deciface.faces import FaceFinder
from deciface.faces.landmark_model import LandmarkModel
from deciface.faces.measurements import measure
from deciface.faces.norms import LEAST_PEOPLE, NOT_RECORDED, Norms, Person, own_norms
from deciface.workflows.frontal_photos import first_frontal
from deciface.workflows.photo_galleries import PhotoGallery

AGES = ((18.0, 30.0), (30.0, 45.0), (45.0, 65.0))
"""Bands where none are named: of adults, in years, the last one excluded."""


@dataclass(frozen=True, slots=True)
class OwnNorms:
    """Norms, and who they rest on.

    Parameters
    ----------
    norms
        By sex, ancestry and ages.
    people, unaffected
        Who were measured, of how many unaffected people.
    left_out
        Why the others were not, one line each.
    too_few
        Groups of fewer than `LEAST_PEOPLE`, which have no norm, with their numbers.
    simulated
        Whether anybody is simulated.
    """

    norms: Norms
    people: int
    unaffected: int
    left_out: tuple[str, ...]
    too_few: tuple[str, ...]
    simulated: bool

    @property
    def groups(self) -> dict[str, int]:
        """People of each group that has norms."""
        return {str(norm.group): norm.people or 0 for norm in self.norms.rows}

    def as_document(self) -> dict[str, Any]:
        """Plain types, for programs."""
        return {
            "notice": RESEARCH_USE_ONLY,
            "simulated": SIMULATED if self.simulated else None,
            "people": self.people,
            "unaffected": self.unaffected,
            "groups": self.groups,
            "too_few": list(self.too_few),
            "left_out": list(self.left_out),
        }


def norms_of_gallery(
    gallery: PhotoGallery,
    finder: FaceFinder,
    model: LandmarkModel,
    *,
    ages: Sequence[tuple[float, float]] = AGES,
    advance: Callable[[int], None] = lambda _: None,
) -> OwnNorms:
    """Measure every unaffected person once, on their first photo that can be measured, and make norms of them.

    Points that are stored in the gallery, corrected by hand, come before those that the model would place.

    Parameters
    ----------
    gallery
        Its people; whoever has a diagnosis in any photo is left out.
    finder, model
        Find faces, and place points where the gallery has none.
    ages
        Bands in years, (from, to), to excluded.
    advance
        Called after every person with their number in all.

    Raises
    ------
    OptionError
        Bands that are empty or overlap.
    NothingFoundError
        No group has enough people.
    """
    ordered = sorted(ages)
    if not ordered or any(low >= high for low, high in ordered):
        raise OptionError(f"ages {_bands(ages)}; each must be FROM-TO with FROM below TO")
    if any(one[1] > other[0] for one, other in pairwise(ordered)):
        raise OptionError(f"ages {_bands(ages)} overlap; somebody would be in two groups")
    of: dict[str, list[Photo]] = {}
    for photo in gallery.photos:
        if photo.unaffected and photo.patient.id not in gallery.diagnosed:
            of.setdefault(photo.patient.id, []).append(photo)
    people, left_out, with_stored_points = [], [], 0
    for who, photos in of.items():
        found, why, stored = _first_measured(photos, gallery, finder, model)
        if found is None:
            left_out.append(f"{who}: {why}")
        else:
            people.append(found)
            with_stored_points += stored
        advance(len(of))
    as_stored = f", points of {with_stored_points} as stored" if with_stored_points else ""
    source = f"own unaffected people of {gallery.name}, {model.source}{as_stored}"
    norms = own_norms(people, ordered, source=source)
    too_few = _too_few(people, ordered)
    if not norms.rows:
        few = f" ({'; '.join(too_few)})" if too_few else ""
        raise NothingFoundError(
            f"{len(people)} of {len(of)} unaffected people could be measured, and no group of one sex, ancestry and "
            f"age band has {LEAST_PEOPLE}{few}; add people, or give wider --ages"
        )
    simulated = any(photo.patient.simulated for photos in of.values() for photo in photos)
    return OwnNorms(norms, len(people), len(of), tuple(left_out), too_few, simulated)


def _first_measured(
    photos: Sequence[Photo], gallery: PhotoGallery, finder: FaceFinder, model: LandmarkModel
) -> tuple[Person | None, str, bool]:
    """Somebody as measured, or why not, and whether their points were stored in the gallery."""
    described = [p for p in photos if p.age_years is not None and p.patient.ancestry_label != NOT_RECORDED]
    if not described:
        return None, "age or ancestry not recorded", False
    found, why = first_frontal(described, gallery, finder, model)
    if found is None or found.photo.age_years is None:
        return None, why, False
    try:
        measured = measure(found.landmarks, pose=found.seen.face.pose)
    except DeciFaceError as error:
        return None, str(error), False
    who = found.photo.patient
    return Person(who.sex, who.ancestry_label, found.photo.age_years, measured), "", found.stored


def _too_few(people: Sequence[Person], ages: Sequence[tuple[float, float]]) -> tuple[str, ...]:
    counts: dict[str, int] = {}
    for person in people:
        band = next((f"{low:g}-{high:g}" for low, high in ages if low <= person.age_years < high), "other ages")
        key = f"{person.sex}, {person.ancestry}, {band}"
        counts[key] = counts.get(key, 0) + 1
    return tuple(f"{key}: {count}" for key, count in sorted(counts.items()) if count < LEAST_PEOPLE)


def _bands(ages: Sequence[tuple[float, float]]) -> str:
    return ", ".join(f"{low:g}-{high:g}" for low, high in ages) or "none"
