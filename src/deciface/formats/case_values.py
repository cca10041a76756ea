r"""Values in the cells of a case table, each read and written: lists, features, ancestry, variants, consents.

In a cell with several values they are separated by ``;``. A value that holds a separator has a backslash before it
(``\;`` ``\|`` ``\\``); any other backslash stands for itself.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import re
from collections.abc import Iterable

from deciface.cases import (
    Ancestry,
    AncestrySource,
    Phenotype,
    Scope,
    Side,
    TermState,
    Variant,
    Zygosity,
    ancestry_terms,
)
from deciface.cases.identifiers import hgvs, hpo_id
from deciface.cases.table import CONSENT_WORDS

RUN_BY_SPREADSHEETS = "=+-@＝＋－＠"
"""Characters with which a cell begins that a spreadsheet program may run as a formula."""
_GUARDED = re.compile(f"'(?='*[{re.escape(RUN_BY_SPREADSHEETS)}])")
_TO_GUARD = re.compile(f"'*[{re.escape(RUN_BY_SPREADSHEETS)}]")

_MARKS = {"": TermState.PRESENT, "!": TermState.EXCLUDED, "?": TermState.NOT_ASSESSED}
_MARK_OF = {state: mark for mark, state in _MARKS.items()}
_FEATURE = re.compile(r"([!?-]?)\s*(\S+)(?:\s+(.*))?", re.DOTALL)
_ANCESTRY = re.compile(
    rf"(?:({'|'.join(Side)}):\s*)?(.*?)(?:\s*\[(\S+)\])?(?:\s*\(({'|'.join(AncestrySource)})\))?",
    re.IGNORECASE | re.DOTALL,
)
_LONGEST_ANCESTRY = 500
_BRACKETS_AT_END = re.compile(r"(?:^|\s)\(([^()]*)\)$")
_QUOTED = re.compile(r'"([^"]*)"')
_PLACE = re.compile(r"([^:\s]+):([^:\s]+):(\d{1,10}):([^:\s]*):([^:\s]*)")
_HGVS_LIKE = re.compile(r"(?:^|:)[cgmnpr]\.")
_SCOPES = {word.casefold(): scope for scope, word in CONSENT_WORDS.items()}
ONSET_OR_GESTATION = re.compile(r"HP:\d{7}|\d{1,2}w\d?d?", re.ASCII)
"""Ages that are not durations: an HPO onset class, or weeks and days of pregnancy (``13w0d``)."""
_DAY = re.compile(r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})", re.ASCII)
_DAY_FIRST = re.compile(r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})", re.ASCII)
_ESCAPED = re.compile(r"\\([\\;|])")
_SEPARATORS = re.compile(r"[\\;|]")


def photo_id_of(patient_id: str, file_name: str) -> str:
    """The id of a photo that is given none: the patient's, and a hash of the file's name.

    File names may hold names of people; ids stay in the audit trail for ever.

    >>> photo_id_of("N10", "img/n10_1.jpg")
    'N10-15d9914e'
    """
    return f"{patient_id}-{hashlib.sha256(file_name.encode()).hexdigest()[:8]}"


def guard(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet program would run; `unguard` takes it away.

    >>> guard("=1+1"), guard("Han"), unguard(guard("'=x")) == "'=x"
    ("'=1+1", 'Han', True)
    """
    return f"'{text}" if _TO_GUARD.match(text) else text


def unguard(text: str) -> str:
    """Take away the apostrophe that `guard` put before a text."""
    return text[1:] if text.startswith("'") and _GUARDED.match(text) else text


def split(cell: str, separator: str = ";") -> tuple[str, ...]:
    r"""Take a cell apart; outer spaces go, empty values stay.

    >>> split(r"Han; Hakka ;a\;b;")
    ('Han', 'Hakka', 'a;b', '')
    """
    if not cell:
        return ("",)
    if "\\" not in cell:
        return tuple(unguard(part.strip()) for part in cell.split(separator))
    return tuple(unguard(_ESCAPED.sub(r"\1", part.strip())) for part in split_raw(cell, separator))


def split_raw(cell: str, separator: str) -> list[str]:
    """Take a cell apart at a separator without a backslash, leaving backslashes as they are."""
    parts, start, at = [], 0, 0
    while at < len(cell):
        if cell[at] == "\\" and cell[at + 1 : at + 2] in ("\\", ";", "|"):
            at += 2
            continue
        if cell[at] == separator:
            parts.append(cell[start:at])
            start = at + 1
        at += 1
    return [*parts, cell[start:]]


def values(cell: str) -> tuple[str, ...]:
    """Give the values of a cell, each once, without empty ones."""
    return tuple(dict.fromkeys(part for part in split(cell) if part))


def join(parts: Iterable[str]) -> str:
    """Write values into one cell; the inverse of `split` for values without outer space."""
    return ";".join(_SEPARATORS.sub(lambda m: f"\\{m[0]}", guard(part)) for part in parts)


def one_or_each(cell: str, count: int) -> tuple[str, ...] | None:
    """Give `count` values: the cell's own, or its only one for all; None when it has another number of them."""
    parts = split(cell)
    if len(parts) == 1:
        return parts * count
    return parts if len(parts) == count else None


def join_one_or_each(parts: Iterable[str]) -> str:
    """Write values as `one_or_each` reads them: one when all are equal."""
    parts = tuple(parts)
    return join(parts[:1] if len(set(parts)) == 1 else parts)


def read_day(text: str) -> dt.date | None:
    """Read ``2026-03-01``, ``2026/3/1`` or ``1.3.2026``; None when it is no such day. ``1/3/2026`` could be two days.

    >>> read_day("2026-03-01") == read_day("1.3.2026"), read_day("1/3/2026"), read_day("2026-02-30")
    (True, None, None)
    """
    match = _DAY.fullmatch(text.strip()) or _DAY_FIRST.fullmatch(text.strip())
    try:
        return dt.date(int(match["y"]), int(match["m"]), int(match["d"])) if match else None
    except ValueError:
        return None


@functools.lru_cache(maxsize=65536)
def read_feature(text: str) -> Phenotype | None:
    """Read ``HP:0000316``, ``!HP:0000252`` (looked for, not seen) or ``?HP:..`` (not assessed), a name may follow.

    >>> read_feature("!HP:0000252 Microcephaly")
    Phenotype(term='HP:0000252', state=<TermState.EXCLUDED: 'excluded'>, onset=None, severity=None, modifiers=(), \
label='Microcephaly')
    """
    match = _FEATURE.fullmatch(text)
    if match is None:
        return None
    whole, first = hpo_id(f"{match[2]} {match[3] or ''}"), hpo_id(match[2])
    term = whole or first
    if term is None:
        return None
    label = "" if whole else match[3] or ""
    return Phenotype(term, _MARKS["!" if match[1] == "-" else match[1]], label=label)


def write_feature(phenotype: Phenotype) -> str:
    """Write what `read_feature` reads."""
    return f"{_MARK_OF[phenotype.state]}{phenotype.term} {phenotype.label}".rstrip()


@functools.lru_cache(maxsize=4096)
def read_ancestry(text: str) -> Ancestry:
    """Read ``Hakka``, ``maternal:Hakka (self-report)`` or ``Hakka [TW:hakka]``; a known term gets its code.

    >>> read_ancestry("maternal:Somewhere (clinician)").side
    <Side.MATERNAL: 'maternal'>
    """
    if not text.strip():
        return Ancestry(text)
    # the expression takes quadratic time, and no statement is this long
    match = _ANCESTRY.fullmatch(text) if len(text) <= _LONGEST_ANCESTRY else None
    if match is None or not match[2]:
        return ancestry_terms.ancestry(text)
    side = Side(match[1].casefold()) if match[1] else Side.SELF
    source = AncestrySource(match[4].casefold()) if match[4] else AncestrySource.UNKNOWN
    if match[3]:
        return Ancestry(match[2], side, source, match[3])
    return ancestry_terms.ancestry(match[2], side=side, source=source)


def write_ancestry(ancestry: Ancestry) -> str:
    """Write what `read_ancestry` reads; a code is written only when the term alone would not give it."""
    side = "" if ancestry.side is Side.SELF else f"{ancestry.side}:"
    source = "" if ancestry.source is AncestrySource.UNKNOWN else f" ({ancestry.source})"
    text = f"{side}{ancestry.term}{source}"
    if ancestry.code and read_ancestry(text) != ancestry:
        text = f"{side}{ancestry.term} [{ancestry.code}]{source}"
    return text


def read_variant(text: str) -> tuple[Variant, tuple[str, ...]]:
    """Read ``GENE NM_..:c... NP_..:p... (heterozygous)``, and give what of it was kept as description only.

    Also read are ``HGNC:25662``, a position ``GRCh38:17:43045712:A:G``, the class after the zygosity
    (``heterozygous, PATHOGENIC``) and a description in double quotes.
    """
    zygosity, acmg = Zygosity.UNKNOWN, ""
    rest = text
    if match := _BRACKETS_AT_END.search(rest):
        parts = [part.strip() for part in match[1].split(",")]
        known = [part.casefold() for part in parts if part.casefold() in set(Zygosity)]
        zygosity = Zygosity(known[0]) if known else zygosity
        acmg = ", ".join(part for part in parts if part and part.casefold() not in set(Zygosity))
        rest = rest[: match.start()]
    rest = re.sub(r":\s+", ":", rest)
    label = " ".join(_QUOTED.findall(rest))
    gene = gene_id = ""
    found: list[str] = []
    other: list[str] = []
    place: re.Match[str] | None = None
    for token in _QUOTED.sub(" ", rest).split():
        if token.upper().startswith("HGNC:"):
            gene_id = token.upper()
        elif _HGVS_LIKE.search(token) and (description := hgvs(token)):
            found.append(description)
        elif place is None and (match := _PLACE.fullmatch(token)):
            place = match
        elif not gene and not other and ":" not in token and not _HGVS_LIKE.search(token):
            gene = token
        else:
            other.append(token)
    if other and gene and not found and place is None and not label:
        other, gene = [gene, *other], ""
    label = " ".join(filter(None, [label, " ".join(other)]))
    position = (place[1], place[2], int(place[3]), place[4], place[5]) if place else ("", "", None, "", "")
    assembly, chromosome, at, ref, alt = position
    return (
        Variant(gene, gene_id, tuple(found), assembly, chromosome, at, ref, alt, zygosity, acmg, label=label),
        tuple(other),
    )


def write_variant(variant: Variant) -> str:
    """Write what `read_variant` reads; a structural type has no place in the table."""
    place = ""
    if variant.position is not None:
        place = ":".join((variant.assembly, variant.chromosome, str(variant.position), variant.ref, variant.alt))
    brackets = [str(variant.zygosity)] if variant.zygosity is not Zygosity.UNKNOWN else []
    brackets += [variant.acmg] if variant.acmg else []
    parts = (
        variant.gene,
        variant.gene_id,
        *variant.hgvs,
        place,
        f'"{variant.label}"' if variant.label else "",
        f"({', '.join(brackets)})" if brackets else "",
    )
    return " ".join(part for part in parts if part)


def read_scope(text: str) -> tuple[Scope, str | None] | None:
    """Read ``study`` or ``sharing:SITE``; None when it is no scope, or a sharing that names no site."""
    word, colon, site = (part.strip() for part in text.partition(":"))
    scope = _SCOPES.get(word.casefold())
    if scope is None or (scope is Scope.SHARING) != bool(colon and site):
        return None
    return scope, site or None


def write_scope(scope: Scope, site: str | None) -> str:
    """Write what `read_scope` reads."""
    return f"{CONSENT_WORDS[scope]}:{site}" if scope is Scope.SHARING else CONSENT_WORDS[scope]
