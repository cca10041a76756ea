"""What a patient agreed to, and what the study knows about a participant. Frozen, no input or output."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a consent allows. Each is given, and withdrawn, on its own."""

    CARE = "care"
    STUDY = "study"
    GALLERY = "reference gallery"
    READER_STUDY = "reader study"
    SHARING = "sharing with a named site"
    PUBLICATION = "publication"


class Signer(StrEnum):
    """Who signed, seen from the patient."""

    PATIENT = "patient"
    PARENT = "parent"
    GUARDIAN = "guardian"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Consent:
    """One scope that was agreed to.

    Parameters
    ----------
    scope
        What it allows.
    site
        With `Scope.SHARING`: which site may receive the record. Else None.
    text_version, language
        Which version of the consent text was signed, in which language (BCP 47: ``zh-Hant-TW``); empty: not stated.
    signer
        Who signed.
    signed_on
        When, or None when the source does not say.
    withdrawn_on
        When it was withdrawn; None while it holds.
    evidence
        Where the agreement can be seen: a form's number, ``PMID:24573067`` for a published case; empty: not stated.
    """

    scope: Scope
    site: str | None = None
    text_version: str = ""
    language: str = ""
    signer: Signer = Signer.UNKNOWN
    signed_on: dt.date | None = None
    withdrawn_on: dt.date | None = None
    evidence: str = ""

    def holds(self, on: dt.date) -> bool:
        """Whether it is in force on a day: signed by then (or on an unstated day) and not withdrawn by then."""
        begun = self.signed_on is None or self.signed_on <= on
        return begun and (self.withdrawn_on is None or on < self.withdrawn_on)


@dataclass(frozen=True, slots=True)
class Participant:
    """A patient as the study sees them; None stands for not assessed yet.

    Parameters
    ----------
    site
        Where they take part.
    abnormal_appearance, suspected_genetic_disease
        The two criteria of inclusion; both are needed.
    unable_to_cooperate
        The criterion of exclusion.
    enrolled_on
        Day of enrolment, or None while only screened.
    """

    site: str
    abnormal_appearance: bool | None = None
    suspected_genetic_disease: bool | None = None
    unable_to_cooperate: bool | None = None
    enrolled_on: dt.date | None = None

    @property
    def eligible(self) -> bool | None:
        """True or False as soon as the criteria decide it, None while they do not."""
        if self.unable_to_cooperate or self.abnormal_appearance is False or self.suspected_genetic_disease is False:
            return False
        if self.abnormal_appearance and self.suspected_genetic_disease and self.unable_to_cooperate is False:
            return True
        return None
