"""Whom a photo shows: patient, sex, ancestry, countries. Frozen, no input or output."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Sex(StrEnum):
    """Sex as recorded; `UNKNOWN` is neither male nor female nor missing data to be guessed."""

    FEMALE = "female"
    MALE = "male"
    UNKNOWN = "unknown"


class Side(StrEnum):
    """Whose ancestry a statement is about."""

    SELF = "self"
    MATERNAL = "maternal"
    PATERNAL = "paternal"


class AncestrySource(StrEnum):
    """Who said so."""

    SELF_REPORT = "self-report"
    CLINICIAN = "clinician"
    GENETIC = "genetic"
    UNKNOWN = "unknown"


class VitalStatus(StrEnum):
    """Whether the patient was alive when last heard of."""

    ALIVE = "alive"
    DECEASED = "deceased"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Ancestry:
    """One statement about ancestry.

    Parameters
    ----------
    term
        In the words it was stated in, or the name that belongs to `code`.
    side
        Whose it is: the person's own, or one parent's.
    source
        Who stated it.
    code
        Where a vocabulary knows the term: ``HANCESTRO:0583``, ``GMDB:Asian/East Asian``, ``TW:hakka``; else None.
        Codes are compared as they are: nothing is rolled up along is_a (Han Chinese is not "a" Chinese).
    """

    term: str
    side: Side = Side.SELF
    source: AncestrySource = AncestrySource.UNKNOWN
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Patient:
    """A person. Age is not here: it belongs to the photo.

    Parameters
    ----------
    id
        Pseudonymous id, unique within a workspace or gallery.
    sex
        As recorded.
    ancestry
        Any number of statements; empty means not recorded.
    country
        ISO 3166-1 alpha-2 country of residence, or None.
    simulated
        True for people made by `deciface.simulate`; carried into every answer they appear in.
    country_of_birth
        ISO 3166-1 alpha-2, or None.
    family
        Pseudonymous id shared by relatives, or None.
    """

    id: str
    sex: Sex = Sex.UNKNOWN
    ancestry: tuple[Ancestry, ...] = ()
    country: str | None = None
    simulated: bool = False
    country_of_birth: str | None = None
    family: str | None = None

    @property
    def ancestry_label(self) -> str:
        """The person's own terms joined by ' / ', or 'not recorded'."""
        terms = [a.term for a in self.ancestry if a.side is Side.SELF] or [a.term for a in self.ancestry]
        return " / ".join(dict.fromkeys(terms)) or "not recorded"
