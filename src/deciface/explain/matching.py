"""Matched controls: unaffected people of the patient's age band, sex and ancestry, as far as there are enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from deciface.cases import Photo, Sex
from deciface.errors import NoGalleryError
from deciface.space.restriction import age_band, ancestry_terms

ENOUGH = 20
"""Conditions are given up until there are so many people: from 19 on a rank can say something."""
_IN_ORDER = ("sex", "age band", "ancestry")
"""What is given up first; ancestry last, because encoders carry it most strongly."""


@dataclass(frozen=True, slots=True)
class Matched:
    """Who the controls are.

    Parameters
    ----------
    photos
        Of unaffected people, by patient and photo id.
    matched_on, relaxed, not_stated
        Conditions that hold for all of them, that were given up to have enough, and that could not be applied because
        nothing was said about the patient.
    """

    photos: tuple[Photo, ...]
    matched_on: tuple[str, ...]
    relaxed: tuple[str, ...]
    not_stated: tuple[str, ...]

    @property
    def people(self) -> int:
        """How many."""
        return len({photo.patient.id for photo in self.photos})

    def __str__(self) -> str:
        """E.g. ``24 controls matched on age band and ancestry; sex relaxed``."""
        said = f"{self.people} controls " + (
            f"matched on {_listed(self.matched_on)}" if self.matched_on else "not matched on anything"
        )
        said += f"; {_listed(self.relaxed)} relaxed to have {ENOUGH}" if self.relaxed else ""
        return said + (f"; {_listed(self.not_stated)} of the patient not stated" if self.not_stated else "")


def match_controls(
    photos: Sequence[Photo], *, age_years: float | None, sex: Sex | None, ancestry: Sequence[str]
) -> Matched:
    """Choose controls among photos of unaffected people.

    Conditions are given up until at least `ENOUGH` people are left: sex, else the age band, else both, and ancestry
    only when that does not do either.

    Parameters
    ----------
    photos
        Of unaffected people; the patient in question not among them.
    age_years, sex, ancestry
        Of the patient; None, unknown or empty where not stated.

    Raises
    ------
    NoGalleryError
        Without photos.
    """
    if not photos:
        raise NoGalleryError("no unaffected people to compare with; choose a gallery that has photos of some")
    terms = frozenset(term.strip().casefold() for term in ancestry)
    stated = {"sex": sex not in (None, Sex.UNKNOWN), "age band": age_years is not None, "ancestry": bool(terms)}

    def meets(photo: Photo, condition: str) -> bool:
        if condition == "sex":
            return photo.patient.sex is sex
        if condition == "age band":
            return age_band(photo.age_years) == age_band(age_years)
        return bool(terms & ancestry_terms(photo.patient))

    asked = [name for name in _IN_ORDER if stated[name]]
    for flags in product((False, True), repeat=len(asked)):  # the first flag, ancestry's, changes last
        given_up = tuple(name for name, gone in zip(asked, reversed(flags), strict=True) if gone)
        kept = [name for name in asked if name not in given_up]
        left = [photo for photo in photos if all(meets(photo, name) for name in kept)]
        if len({photo.patient.id for photo in left}) >= ENOUGH or not kept:
            left.sort(key=lambda photo: (photo.patient.id, photo.id))
            return Matched(tuple(left), tuple(kept), given_up, tuple(n for n in _IN_ORDER if not stated[n]))
    raise AssertionError("giving up every condition always ends the search")


def _listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
