"""The shape of HGVS variant descriptions: reference, kind, location, change. Pure functions.

Written from the HGVS nomenclature (hgvs-nomenclature.org, version 21): whether a description has a correct form, not
whether it is true; no sequence is looked at. Accepted beyond the recommendations, because records have them: a gene
symbol or an accession without version as reference, the deleted or duplicated bases spelled out (``c.12delA``), and
unknown offsets (``c.76-?_923+?del``).
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 5000
"""Longer texts are not descriptions; they are not even looked at."""

_ACCESSION = r"(?:[NX][CGMPRTW]_[0-9]+(?:\.[0-9]+)?|LRG_[0-9]+(?:[tp][0-9]+)?|ENS[TPG][0-9]+(?:\.[0-9]+)?)"
_SYMBOL = r"[A-Za-z][A-Za-z0-9-]*(?:\.[0-9]+)?"
_INSIDE = rf"(?:\((?:{_ACCESSION}|{_SYMBOL})\))?"
_REFERENCE = re.compile(rf"(?:{_ACCESSION}{_INSIDE}:?|{_SYMBOL}{_INSIDE}:)(?=[cgmnrp]\.)")
_WRONG_REFERENCES = {
    "c": ("NP_", "XP_", "NR_", "XR_", "NT_", "NW_", "ENSP"),
    "g": ("NM_", "NP_", "NR_", "XM_", "XP_", "XR_", "ENST", "ENSP"),
    "m": ("NM_", "NP_", "NR_", "XM_", "XP_", "XR_", "ENST", "ENSP"),
    "n": ("NP_", "XP_", "ENSP"),
    "r": ("NP_", "XP_", "ENSP"),
    "p": ("NC_", "NG_", "NR_", "XR_", "NT_", "NW_"),
}

_IN_TRANSCRIPT = r"(?:[-*]?[1-9][0-9]*(?:[+-](?:[1-9][0-9]*|\?))?|\?)"
_IN_GENOME = r"(?:[1-9][0-9]*|\?)"
_BASE = "[ACGTUNRYSWKMBDHV]"
_MANY = r"\((?:[0-9]+|\?)(?:_(?:[0-9]+|\?))?\)"
_COUNT = rf"\[(?:[0-9]+|\?|{_MANY})\]"
_SIZE = rf"(?:[0-9]+|{_BASE}+|{_MANY})?"


def _nucleotide_changes(point: str, whole: str) -> re.Pattern[str]:
    """Changes of DNA or RNA whose positions have this form; `whole` are the changes that need no location."""
    end = rf"(?:{point}|\({point}_{point}\)|pter|qter|cen)"
    span = rf"(?:{end}_{end}|\({point}_{point}\))"
    place = rf"(?:{span}|{end})"
    elsewhere = rf"(?:(?:{_ACCESSION}|{_SYMBOL}){_INSIDE}:[cgmnr]\.)?{_IN_TRANSCRIPT}_{_IN_TRANSCRIPT}(?:inv)?"
    part = rf"(?:{_BASE}+(?:{_COUNT})?|{elsewhere})"
    inserted = rf"(?:{part}|\[{part}(?:;{part})*\]|{_MANY}|[0-9]+|\?)"
    return re.compile(
        "|".join(
            (
                rf"{end}{_BASE}>{_BASE}",
                rf"{place}del{_SIZE}(?:ins{inserted})?",
                rf"{place}dup{_SIZE}",
                rf"{span}ins{inserted}",
                rf"{span}inv{_SIZE}",
                rf"{span}con{elsewhere}",
                rf"{place}{_BASE}*{_COUNT}(?:{_BASE}+{_COUNT})*",
                rf"{place}{_BASE}?=(?:/{{1,2}}{_BASE}>{_BASE})?",
                whole,
            )
        )
    )


_THREE_LETTERS = (
    "Ala|Arg|Asn|Asp|Asx|Cys|Gln|Glu|Glx|Gly|His|Ile|Leu|Lys|Met|Phe|Pro|Pyl|Sec|Ser|Thr|Trp|Tyr|Val|Xaa|Xle|Ter"
)
_RESIDUE = rf"(?:{_THREE_LETTERS}|[A-IK-Z*])"
_AT = rf"{_RESIDUE}[1-9][0-9]*"
_STOP = r"(?:Ter|\*|X)(?:[1-9][0-9]*|\?)?"
_RESIDUES = rf"(?:{_RESIDUE}+|[0-9]+|\([0-9]+\)|(?:Xaa|X){_COUNT})"
_PROTEIN_CHANGES = re.compile(
    "|".join(
        (
            rf"{_AT}(?:{_RESIDUE}(?:\^{_RESIDUE})*|=|\?)",
            rf"{_AT}(?:_{_AT})?(?:del|dup|{_COUNT}|delins{_RESIDUES})",
            rf"{_AT}_{_AT}ins{_RESIDUES}",
            rf"{_AT}{_RESIDUE}?fs(?:{_STOP})?",
            rf"(?:Ter|\*|X)[1-9][0-9]*{_RESIDUE}?ext{_STOP}",
            rf"(?:Met|M)1{_RESIDUE}?ext-[1-9][0-9]*",
            r"=|\?|0\??",
        )
    )
)
_GRAMMARS = {
    **dict.fromkeys("cn", _nucleotide_changes(_IN_TRANSCRIPT, r"=|\?")),
    **dict.fromkeys("gm", _nucleotide_changes(_IN_GENOME, r"=|\?")),
    "r": _nucleotide_changes(_IN_TRANSCRIPT, r"=|0\??|spl\??|\?"),
    "p": _PROTEIN_CHANGES,
}
_KEYWORDS = "delins|del|dup|ins|inv|con|pter|qter|cen|spl"
_WORD = re.compile(rf"(?P<keyword>{_KEYWORDS})|{_BASE}+", re.IGNORECASE)
_AMINO_ACID = re.compile(_THREE_LETTERS, re.IGNORECASE)


def hgvs(text: str) -> str | None:
    """Check one HGVS description and write it without spaces; None when it has not the shape of one.

    Bases are written in capitals (small letters in ``r.``), amino acids as ``Arg``; nothing else is changed: ``Ter``
    and ``*`` both stay. A description without its kind (``174del``) is none, nor is one whose reference cannot bear it
    (``NP_..:c.``).

    >>> hgvs("NM_024666.5 : c.174 del"), hgvs("NM_024666.5(AAGAB):c.123+4a>g"), hgvs("p.(arg97profsTer23)")
    ('NM_024666.5:c.174del', 'NM_024666.5(AAGAB):c.123+4A>G', 'p.(Arg97ProfsTer23)')
    >>> hgvs("174del"), hgvs("c.0A>G"), hgvs("NP_078942.3:c.174del")
    (None, None, None)
    """
    if len(text) > LONGEST:
        return None
    text = "".join(unicodedata.normalize("NFKC", text).replace("&gt;", ">").split())
    text = re.sub("[\u2010-\u2015\u2212]", "-", text).replace("→", ">")
    text = re.sub(r"(^|:)([CGMNRP])\.", lambda found: found[1] + found[2].lower() + ".", text)
    reference = _REFERENCE.match(text)
    before, rest = (reference[0].rstrip(":"), text[reference.end() :]) if reference else ("", text)
    kind, change = rest[:1], rest[2:]
    if rest[1:2] != "." or kind not in _GRAMMARS or before.startswith(_WRONG_REFERENCES[kind]):
        return None
    for spelled in _spellings(kind, change):
        if _is_description(_GRAMMARS[kind], spelled):
            written = _in_letters(spelled, lower=True) if kind == "r" else spelled
            return f"{before}:{kind}.{written}" if before else f"{kind}.{written}"
    return None


def _spellings(kind: str, change: str) -> tuple[str, ...]:
    """As written, then with the letters of the nomenclature."""
    if kind == "p":
        return change, _AMINO_ACID.sub(lambda found: found[0].capitalize(), change)
    return change, _in_letters(change)


def _in_letters(change: str, *, lower: bool = False) -> str:
    """Keywords in small letters, bases in capitals or small letters; references of inserted sequences untouched."""
    if ":" in change:
        return change

    def spelled(word: re.Match[str]) -> str:
        return word[0].lower() if lower or word["keyword"] else word[0].upper()

    return _WORD.sub(spelled, change)


def _is_description(grammar: re.Pattern[str], change: str) -> bool:
    """One change, or several on one or two chromosomes: ``[76A>C;83G>C]``, ``[76A>C];[83G>C]``, ``76A>C(;)83G>C``."""
    if _is_change(grammar, change):
        return True
    chromosomes = re.fullmatch(r"(\[.+?\])(?:(?:;|\(;\))(\[.+\]))?", change)
    if chromosomes:
        parts = [part for one in chromosomes.groups() if one for part in re.split(r"\(;\)|;", one[1:-1])]
    else:
        parts = change.split("(;)")
    return (chromosomes is not None or len(parts) > 1) and all(_is_change(grammar, part) for part in parts)


def _is_change(grammar: re.Pattern[str], change: str) -> bool:
    """One change, perhaps in the parentheses that mark it as predicted or uncertain."""
    if grammar.fullmatch(change):
        return True
    return change.startswith("(") and change.endswith(")") and grammar.fullmatch(change[1:-1]) is not None
