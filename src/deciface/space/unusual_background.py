"""Age, sex and ancestry of the people a face is compared with: who is like the patient, and what the rest have to say.

Faces differ by age, sex and ancestry, and a group of which the gallery has few looks unusual, or usual, for that alone.
Two things are done about it. A regression of faces on ancestry, sex, log age and its square takes the group means out
(`Design`); and a face is ranked among people of its own ancestry, age band and sex, as far as there are enough
(`people_alike`). What is not held equal is let go in a fixed order, sex first and ancestry last, and is named.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from deciface.cases import Photo, Sex
from deciface.errors import OptionError
from deciface.space.restriction import NOT_RECORDED, age_band, ancestry_terms
from deciface.space.vectors import Floats, Indices

FEWEST_ALIKE = 10
"""Below this many people with one ancestry, age band or sex, what is usual there is not known."""
_PSEUDO_PEOPLE = 1.0
"""Weight of the belief that an effect is nil, in people: the mean of a small group is not taken at its word."""


class Covariate(StrEnum):
    """What moves faces beside a disorder; in the order in which they are let go, first to last, see `RELAXED_FIRST`."""

    ANCESTRY = "ancestry"
    AGE = "age"
    SEX = "sex"


RELAXED_FIRST = (Covariate.SEX, Covariate.AGE, Covariate.ANCESTRY)


@dataclass(frozen=True)
class Background:
    """Age, sex and ancestry of a face, as far as they are known.

    Parameters
    ----------
    age_years
        In the photo.
    sex
        As recorded.
    ancestry
        The person's terms; none where not recorded. Upper and lower case do not matter.

    Raises
    ------
    OptionError
        A negative age, or none at all (NaN).
    """

    age_years: float | None = None
    sex: Sex = Sex.UNKNOWN
    ancestry: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if self.age_years is not None and not 0 <= self.age_years < math.inf:
            raise OptionError(f"age {self.age_years:g} years; give one from 0 up, or leave it out")
        object.__setattr__(self, "ancestry", frozenset(t.strip().casefold() for t in self.ancestry if t.strip()))

    @classmethod
    def of(cls, photo: Photo) -> Background:
        """Return what is recorded about the person in a photo."""
        return cls(photo.age_years, photo.patient.sex, ancestry_terms(photo.patient))

    def value(self, covariate: Covariate) -> str:
        """E.g. ``east asian``, ``2-6`` (years), ``female``, or ``not recorded``."""
        if covariate is Covariate.ANCESTRY:
            return " / ".join(sorted(self.ancestry)) or NOT_RECORDED
        if covariate is Covariate.AGE:
            return age_band(self.age_years)
        return NOT_RECORDED if self.sex is Sex.UNKNOWN else str(self.sex)

    def knows(self, covariate: Covariate) -> bool:
        """Whether it is recorded."""
        return self.value(covariate) != NOT_RECORDED

    def in_words(self, covariates: Iterable[Covariate] = tuple(Covariate)) -> str:
        """E.g. ``east asian, 2-6 years, female``; what is not recorded is not said."""
        said = [(c, self.value(c)) for c in covariates if self.knows(c)]
        return ", ".join(f"{text} years" if c is Covariate.AGE else text for c, text in said)


@dataclass(frozen=True, eq=False)
class Design:
    """Backgrounds as columns of a regression; made of the people compared with, applied to anybody.

    Parameters
    ----------
    covariates
        Which enter.
    ancestries
        With `FEWEST_ALIKE` people or more; others share a column.
    centre
        Mean of log(1 + years).
    """

    covariates: frozenset[Covariate]
    ancestries: tuple[str, ...]
    centre: float

    @classmethod
    def of(cls, people: Sequence[Background], covariates: Iterable[Covariate]) -> Design:
        """Of the people compared with; a covariate that is recorded for nobody is left out."""
        used = frozenset(c for c in covariates if any(p.knows(c) for p in people))
        counts = Counter(p.value(Covariate.ANCESTRY) for p in people)
        ages = [math.log1p(p.age_years) for p in people if p.age_years is not None]
        return cls(
            used,
            tuple(sorted(term for term, n in counts.items() if n >= FEWEST_ALIKE)),
            sum(ages) / len(ages) if ages else 0.0,
        )

    def rows(self, people: Sequence[Background]) -> Floats:
        """(n, columns) float64, a constant first; what is not recorded has a column of its own."""
        columns = [np.ones(len(people))]
        if Covariate.SEX in self.covariates:
            sexes = {Sex.FEMALE: -0.5, Sex.MALE: 0.5}
            columns.append(np.array([sexes.get(p.sex, 0.0) for p in people]))
        if Covariate.AGE in self.covariates:
            known = np.array([p.age_years is not None for p in people], np.float64)
            log = np.array([0.0 if p.age_years is None else math.log1p(p.age_years) - self.centre for p in people])
            columns += [1.0 - known, log, log**2]
        if Covariate.ANCESTRY in self.covariates:
            terms = [p.value(Covariate.ANCESTRY) for p in people]
            columns += [np.array([term == a for term in terms], np.float64) for a in self.ancestries]
            columns.append(np.array([term not in self.ancestries for term in terms], np.float64))
        return np.column_stack(columns)


def inverse_of(rows: Floats) -> Floats:
    """(n, p) design -> (p, p) inverse of its normal matrix, with a ridge on everything but the constant."""
    ridge = np.full(rows.shape[1], _PSEUDO_PEOPLE)
    ridge[0] = 0.0
    return np.linalg.inv(rows.T @ rows + np.diag(ridge)).astype(np.float64, copy=False)


def residuals(rows: Floats, values: Floats) -> Floats:
    """What a regression of (n,) or (n, d) values on (n, p) rows leaves over."""
    left: Floats = values - rows @ (inverse_of(rows) @ (rows.T @ values))
    return left


@dataclass(frozen=True, eq=False)
class Alike:
    """The people a face is ranked among.

    Parameters
    ----------
    members
        Their numbers.
    shared
        What they have in common with the face.
    relaxed
        What was let go for want of people, in that order.
    """

    members: Indices
    shared: tuple[Covariate, ...]
    relaxed: tuple[Covariate, ...]


def people_alike(
    people: Sequence[Background], whom: Background, covariates: Iterable[Covariate], *, wanted: int
) -> Alike:
    """Find the people like a face: of all covariates given, or of as many as leave `wanted` people.

    Parameters
    ----------
    people
        To choose from.
    whom
        The face; a covariate that is not recorded for it cannot be held equal.
    covariates
        What to hold equal.
    wanted
        How many people are enough.
    """
    held = [c for c in covariates if whom.knows(c)]
    same = {c: np.array([p.value(c) == whom.value(c) for p in people], bool) for c in held}
    gone: list[Covariate] = []
    for let_go in (None, *(c for c in RELAXED_FIRST if c in held)):
        if let_go is not None:
            gone.append(let_go)
        shared = tuple(c for c in held if c not in gone)
        inside = np.logical_and.reduce([np.ones(len(people), bool), *(same[c] for c in shared)])
        if int(inside.sum()) >= wanted:
            break
    return Alike(np.flatnonzero(inside), shared, tuple(gone))


@dataclass(frozen=True, eq=False)
class Support:
    """How many people there are of each ancestry, age band and sex."""

    counts: dict[Covariate, Counter[str]]
    people: int

    @classmethod
    def of(cls, people: Sequence[Background]) -> Support:
        """Count them."""
        return cls({c: Counter(person.value(c) for person in people) for c in Covariate}, len(people))

    def lacking(self, whom: Background, covariates: Iterable[Covariate]) -> str:
        """Say which of these covariates fewer than `FEWEST_ALIKE` people share with a face; empty when none is."""
        for covariate in covariates:
            same = self.counts[covariate][whom.value(covariate)]
            if whom.knows(covariate) and same < FEWEST_ALIKE:
                return (
                    f"{same} of {self.people} unaffected people are of {covariate} {whom.in_words([covariate])}; "
                    f"{FEWEST_ALIKE} are needed to know what is usual there"
                )
        return ""
