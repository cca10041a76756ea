"""What GMDB's columns ``consent`` and ``private`` allow, as consents.

The database keeps an entry private or FAIR, as its consent says. The two columns have no published list of words, so
the ones below are read and others are told. Read cautiously:

* FAIR (or private: no) is consent to the reference gallery;
* private is consent to care alone;
* consent: no is no consent to anything, whatever else the row says;
* a publication (``pmid``, ``doi``) is consent to publication, with it as evidence, as in every published case;
* nothing stated, or words not known, is nothing.

When rows of one patient differ, the strictest counts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from enum import IntEnum

from deciface.cases import Consent, Scope

FAIR_EVIDENCE = "GMDB: FAIR"
PRIVATE_EVIDENCE = "GMDB: private"
SIMULATED_WORD = "simulated"
"""Stands in ``consent`` for people who do not exist; written and read by DeciFace alone."""
_CONSENT = {
    **dict.fromkeys(("no", "false", "0", "refused", "withdrawn"), "refused"),
    **dict.fromkeys(("yes", "true", "1", "given"), "given"),
    **dict.fromkeys(("fair", "public", "open"), "fair"),
    **dict.fromkeys(("private", "restricted"), "private"),
    SIMULATED_WORD: "simulated",
}
_PRIVATE = {
    **dict.fromkeys(("yes", "true", "1", "private"), "private"),
    **dict.fromkeys(("no", "false", "0", "fair", "public"), "fair"),
}
CONSENT_WORDS = tuple(_CONSENT)
PRIVATE_WORDS = tuple(_PRIVATE)


class Openness(IntEnum):
    """How far a patient's rows open the record, the strictest first."""

    REFUSED = 1
    UNSTATED = 2
    PRIVATE = 3
    FAIR = 4
    UNHEARD = 5
    """No row has been read yet; any row is stricter."""


def is_known(consent: str, private: str) -> tuple[bool, bool]:
    """Whether the words of the two columns are known; blank ones are."""
    return not consent or consent.casefold() in _CONSENT, not private or private.casefold() in _PRIVATE


def openness(consent: str, private: str) -> Openness:
    """Read the two columns of one row.

    >>> openness("yes", "no").name, openness("", "").name, openness("yes", "").name, openness("no", "no").name
    ('FAIR', 'UNSTATED', 'PRIVATE', 'REFUSED')
    """
    stated = {_CONSENT.get(consent.casefold(), ""), _PRIVATE.get(private.casefold(), "")}
    if "refused" in stated:
        return Openness.REFUSED
    if not all(is_known(consent, private)):
        return Openness.UNSTATED
    if "private" in stated:
        return Openness.PRIVATE
    if "fair" in stated:
        return Openness.FAIR
    return Openness.PRIVATE if "given" in stated else Openness.UNSTATED


def consents_of(open_to: Openness, references: Sequence[str]) -> tuple[Consent, ...]:
    """Consents of a patient, from the strictest of their rows and their publications."""
    if open_to is Openness.REFUSED:
        return ()
    found = {
        Openness.FAIR: [Consent(Scope.GALLERY, evidence=FAIR_EVIDENCE)],
        Openness.PRIVATE: [Consent(Scope.CARE, evidence=PRIVATE_EVIDENCE)],
    }.get(open_to, [])
    published = [Consent(Scope.PUBLICATION, evidence=references[0])] if references else []
    return (*found, *published)


def words_of(consents: Sequence[Consent], *, on: dt.date) -> tuple[str, str]:
    """Words for the two columns that allow no more than these consents do on a day."""
    scopes = {consent.scope for consent in consents if consent.holds(on)}
    if Scope.GALLERY in scopes:
        return "yes", "no"
    if Scope.CARE in scopes:
        return "yes", "yes"
    return ("", "") if Scope.PUBLICATION in scopes else ("no", "")
