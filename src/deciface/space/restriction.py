"""Who is compared with: a restriction of the gallery, and what a gallery consists of."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deciface.cases import Patient, Photo, Sex, Side
from deciface.errors import OptionError

AGE_BANDS_YEARS = (0.0, 2.0, 6.0, 12.0, 18.0, 40.0)
"""Lower edges of the age bands of a composition; the last is open."""
NOT_RECORDED = "not recorded"


def ancestry_terms(patient: Patient) -> frozenset[str]:
    """Return the person's own terms in lower case, or the parents' when there are none of their own."""
    own = [a.term for a in patient.ancestry if a.side is Side.SELF] or [a.term for a in patient.ancestry]
    return frozenset(term.strip().casefold() for term in own)


@dataclass(frozen=True)
class Restriction:
    """Which part of a gallery is compared with; everything that is given must hold.

    Parameters
    ----------
    ancestry
        Any of these terms, upper or lower case. People whose ancestry is not recorded are left out.
    sex
        As recorded.
    age_years
        Lowest and highest age in the photo, both included. Photos without an age are left out.
    patients
        Only these patients.

    Raises
    ------
    OptionError
        An age range that is upside down, negative or not a number.
    """

    ancestry: tuple[str, ...] = ()
    sex: Sex | None = None
    age_years: tuple[float, float] | None = None
    patients: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if self.age_years is not None:
            low, high = self.age_years
            if not (0 <= low <= high) or math.isnan(high):
                raise OptionError(f"age range {low:g} to {high:g} years; give two ages from 0 up, the lower one first")

    def admits(self, photo: Photo) -> bool:
        """Whether a photo belongs to the restricted gallery."""
        wanted = {term.strip().casefold() for term in self.ancestry}
        if wanted and not wanted & ancestry_terms(photo.patient):
            return False
        if self.sex is not None and photo.patient.sex is not self.sex:
            return False
        if self.age_years is not None:
            low, high = self.age_years
            if photo.age_years is None or not low <= photo.age_years <= high:
                return False
        return self.patients is None or photo.patient.id in self.patients

    def __str__(self) -> str:
        """E.g. ``ancestry East Asian; female; 0 to 6 years``, or ``everybody``."""
        parts = [f"ancestry {' or '.join(self.ancestry)}"] if self.ancestry else []
        if self.sex is not None:
            parts.append(str(self.sex))
        if self.age_years is not None:
            parts.append(f"{self.age_years[0]:g} to {self.age_years[1]:g} years")
        if self.patients is not None:
            parts.append(f"{len(self.patients)} named patients")
        return "; ".join(parts) or "everybody"


@dataclass(frozen=True)
class Composition:
    """Who a gallery consists of; counts of patients unless the name says photos.

    A patient counts once in every disorder and in every age band in which there is a photo of theirs, so these two can
    add up to more than `patients`.
    """

    patients: int
    photos: int
    by_ancestry: dict[str, int]
    by_sex: dict[str, int]
    by_age_years: dict[str, int]
    by_disorder: dict[str, int]
    unaffected: int
    undiagnosed: int
    simulated: int


def age_band(age_years: float | None) -> str:
    """E.g. ``2-6`` for 2 up to but not including 6 years, ``40+``, or ``not recorded``."""
    if age_years is None:
        return NOT_RECORDED
    edges = AGE_BANDS_YEARS
    for low, high in itertools.pairwise(edges):
        if age_years < high:
            return f"{low:g}-{high:g}"
    return f"{edges[-1]:g}+"


def composition_of(photos: Sequence[Photo]) -> Composition:
    """Count who is in a set of photos."""
    patients = {p.patient.id: p.patient for p in photos}

    def patients_by(pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
        return dict(sorted(Counter(label for label, _ in set(pairs)).items()))

    diagnosed = {p.patient.id for p in photos if p.diagnoses}
    unaffected = {p.patient.id for p in photos if p.unaffected} - diagnosed
    bands = patients_by((age_band(p.age_years), p.patient.id) for p in photos)
    order = [age_band(edge) for edge in AGE_BANDS_YEARS] + [NOT_RECORDED]
    return Composition(
        patients=len(patients),
        photos=len(photos),
        by_ancestry=patients_by((p.ancestry_label, p.id) for p in patients.values()),
        by_sex=patients_by((str(p.sex), p.id) for p in patients.values()),
        by_age_years={band: bands[band] for band in order if band in bands},
        by_disorder=patients_by((d.disorder.id, p.patient.id) for p in photos for d in p.diagnoses),
        unaffected=len(unaffected),
        undiagnosed=len(patients) - len(diagnosed | unaffected),
        simulated=sum(p.simulated for p in patients.values()),
    )
