"""Who a photo shows: patient, sex, ancestry. Frozen, no input or output."""

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


@dataclass(frozen=True, slots=True)
class Ancestry:
    """One statement about ancestry: a term, whose side it is, and who stated it."""

    term: str
    side: Side = Side.SELF
    source: AncestrySource = AncestrySource.UNKNOWN


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
    """

    id: str
    sex: Sex = Sex.UNKNOWN
    ancestry: tuple[Ancestry, ...] = ()
    country: str | None = None
    simulated: bool = False

    @property
    def ancestry_label(self) -> str:
        """The person's own terms joined by ' / ', or 'not recorded'."""
        terms = [a.term for a in self.ancestry if a.side is Side.SELF] or [a.term for a in self.ancestry]
        return " / ".join(dict.fromkeys(terms)) or "not recorded"
