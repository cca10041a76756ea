"""Identifiers as records spell them, in one canonical form each; None for what is not understood. Pure functions.

`country` and `hgvs` stand in modules of their own and are offered here too.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

from deciface.cases.countries import country
from deciface.cases.hgvs_grammar import hgvs

__all__ = ["country", "disorder_id", "hgvs", "hpo_id", "reference_id"]

_LONGEST = 500
_OMIM = re.compile(
    r"(?:(?:https?://)?(?:www\.)?omim\.org/(?:entry|mim)/|(?:https?://)?identifiers\.org/(?:omim|mim)[/:]"
    r"|(?:omim|mim)\s*(?:no\.?|number)?\s*[:_#%+]*\s*[#%+]?|[#%+])?\s*([1-6]\d{5})(?:\.0)?",
    re.IGNORECASE | re.ASCII,
)
_OMIM_SERIES = re.compile(
    r"(?:(?:https?://)?(?:www\.)?omim\.org/phenotypicseries/|(?:omimps|omim|mim)\s*[:_]?\s*)?(?:ps)?\s*(\d{6})",
    re.IGNORECASE | re.ASCII,
)
_ORPHA = re.compile(
    r"(?:(?:https?://)?(?:www\.)?orpha\.net/\S*?(?:expert=|disease/detail/|ordo/orphanet_)"
    r"|(?:orphanet|orpha|ordo)\s*(?:code|no\.?|number)?\s*[:_#]*\s*(?:orpha\s*[:_]?\s*)?)0*([1-9]\d{0,6})(?:\?\S*|&\S*)?",
    re.IGNORECASE | re.ASCII,
)
_MONDO = re.compile(r"(?:(?:https?://)?purl\.obolibrary\.org/obo/)?mondo\s*[:_#]?\s*(\d{7})", re.IGNORECASE | re.ASCII)
_HPO = re.compile(
    r"(?:(?:https?://)?purl\.obolibrary\.org/obo/|(?:https?://)?hpo\.jax\.org/\S*?term/)?(?:hpo?\s*[:_#-]?\s*)?(\d{7})",
    re.IGNORECASE | re.ASCII,
)
_PMID = re.compile(
    r"(?:(?:https?://)?(?:www\.)?(?:pubmed\.ncbi\.nlm\.nih\.gov|ncbi\.nlm\.nih\.gov/pubmed)/"
    r"|(?:pmid|pubmed)(?:\s*id)?\s*[:_#]?\s*(?=\d))0*([1-9]\d{0,8})/?(?:\?\S*)?",
    re.IGNORECASE | re.ASCII,
)
_BARE_PMID = re.compile(r"([1-9]\d{5,7})(?:\.0)?", re.ASCII)
_DOI = re.compile(
    r"(?:(?P<link>(?:https?://)?(?:dx\.|www\.)?doi\.org/)|doi\s*[:_]?\s*)?(?:doi:)?(10\.\d{4,9}(?:\.\d+)*/\S+)",
    re.IGNORECASE | re.ASCII,
)


def _plain(text: str) -> str:
    """Half-width, with single spaces; empty when too long for an identifier, so that no pattern meets a novel."""
    return "" if len(text) > _LONGEST else " ".join(unicodedata.normalize("NFKC", text).split())


def disorder_id(text: str) -> str | None:
    """``OMIM:148600``, ``OMIMPS:163950`` (a phenotypic series), ``ORPHA:821`` or ``MONDO:0007254``.

    A bare number is an OMIM number when it has six digits and begins with 1 to 6. OMIM's signs are read: ``#``, ``%``
    and ``+`` stand before disorders; ``*`` before genes and ``^`` before withdrawn entries, which are refused. An id of
    another kind, a site's own for example, is not an error: it is None here and may stay as it is.

    >>> [disorder_id(text) for text in ("MIM 148600", "#148600", "Orphanet:821", "orpha821", "148600", "mondo_0007254")]
    ['OMIM:148600', 'OMIM:148600', 'ORPHA:821', 'ORPHA:821', 'OMIM:148600', 'MONDO:0007254']
    >>> disorder_id("PS163950"), disorder_id("*300624"), disorder_id("MONDO:7254")
    ('OMIMPS:163950', None, None)
    """
    text = _plain(text)
    if match := _OMIM.fullmatch(text):
        return f"OMIM:{match[1]}"
    if (match := _OMIM_SERIES.fullmatch(text)) and "ps" in text.casefold().replace("https", ""):
        return f"OMIMPS:{match[1]}"
    if match := _ORPHA.fullmatch(text):
        return f"ORPHA:{match[1]}"
    if match := _MONDO.fullmatch(text):
        return f"MONDO:{match[1]}"
    return None


def hpo_id(text: str) -> str | None:
    """``HP:0000316`` from any usual spelling of its seven digits; their leading zeros are needed.

    >>> [hpo_id(text) for text in ("HP:0000316", "hp_0000316", "0000316", "HP:316")]
    ['HP:0000316', 'HP:0000316', 'HP:0000316', None]
    """
    match = _HPO.fullmatch(_plain(text))
    return f"HP:{match[1]}" if match else None


def reference_id(text: str) -> str | None:
    """``PMID:24573067`` or ``doi:10.1002/ajmg.a.12345`` (small letters: a DOI has no case).

    A bare number of six to eight digits is a PubMed id; links to PubMed and doi.org are read.

    >>> reference_id("pmid 24573067"), reference_id("https://doi.org/10.1002/AJMG.A.12345"), reference_id("in press")
    ('PMID:24573067', 'doi:10.1002/ajmg.a.12345', None)
    """
    text = _plain(text)
    if match := _PMID.fullmatch(text) or _BARE_PMID.fullmatch(text):
        return f"PMID:{match[1]}"
    if match := _DOI.fullmatch(text):
        doi = unquote(match[2]) if match["link"] else match[2]
        return f"doi:{doi.rstrip('.,;').casefold()}"
    return None
