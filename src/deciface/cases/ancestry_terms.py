"""The vocabulary of ancestry, and how GMDB's two columns become statements and columns again. Pure functions.

Three lists in one table (``data/ancestry_terms.csv``): the categories and sub-categories of the GestaltMatcher Database
(``GMDB:Asian/East Asian``), terms of the Human Ancestry Ontology (``HANCESTRO:0027``, ids of release 2024-08-19), and
groups of Taiwan that neither has (``TW:hakka``). A term is found by its names; where GMDB and HANCESTRO name a thing
alike, the bare name is GMDB's and HANCESTRO's says "ancestry". Terms are not ordered: no term is another one's parent.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from deciface.cases.people import Ancestry, AncestrySource, Side
from deciface.errors import InputError

_GMDB = "GMDB:"


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the vocabulary.

    Parameters
    ----------
    code
        ``GMDB:<category>`` or ``GMDB:<category>/<sub-category>``, ``HANCESTRO:<id>``, ``TW:<name>``.
    name, name_zh_hant
        In English and, where customary, in Chinese of Taiwan; the latter may be empty.
    gmdb
        (category, sub-category) under which GMDB would list it; the second may be empty, both where it has no place.
    other_names
        Further spellings that are read.
    note
        What has to be known to use it well.
    """

    code: str
    name: str
    name_zh_hant: str = ""
    gmdb: tuple[str, str] = ("", "")
    other_names: tuple[str, ...] = ()
    note: str = ""


@cache
def terms() -> Mapping[str, Term]:
    """All terms by code, in the order of the table."""
    text = (files("deciface.cases") / "data" / "ancestry_terms.csv").read_text(encoding="utf-8")
    return MappingProxyType(
        {
            row["code"]: Term(
                row["code"],
                row["name"],
                row["name_zh_hant"],
                (row["gmdb_category"], row["gmdb_sub_category"]),
                tuple(filter(None, row["other_names"].split("|"))),
                row["note"],
            )
            for row in csv.DictReader(text.splitlines())
        }
    )


def find_term(text: str) -> Term | None:
    """Find a term by its code, its English name or its Chinese name; None when the vocabulary has it not.

    Case, spaces, hyphens and 台 for 臺 do not matter, nor 族 or 人 at the end of a Chinese name.

    >>> [term.code for text in ("hakka", "台灣漢人", "Southeast Asian", "阿美族") if (term := find_term(text))]
    ['TW:hakka', 'HANCESTRO:0583', 'GMDB:Asian/South-East Asian', 'TW:amis']
    >>> find_term("Ruritanian") is None
    True
    """
    return _by_spelling().get(_key(text))


def ancestry(text: str, *, side: Side = Side.SELF, source: AncestrySource = AncestrySource.UNKNOWN) -> Ancestry:
    """Make a statement from the words it was written in; a known term adds its code, a bare code its name.

    A code of HANCESTRO or GMDB that the vocabulary has not is kept as it is.

    Raises
    ------
    InputError
        Nothing was written.

    >>> ancestry("客家人")
    Ancestry(term='客家人', side=<Side.SELF: 'self'>, source=<AncestrySource.UNKNOWN: 'unknown'>, code='TW:hakka')
    """
    words = text.strip()
    if not words:
        raise InputError("an ancestry without words; write a term such as 'Han Chinese', or leave it out")
    if term := find_term(words):
        return Ancestry(term.name if _is_code(words) else words, side, source, term.code)
    is_foreign_code = re.fullmatch(r"HANCESTRO:[0-9]{4}|GMDB:.+", words) is not None
    return Ancestry(words, side, source, words if is_foreign_code else None)


def from_gmdb(category: str, sub_category: str) -> tuple[Ancestry, ...]:
    """Statement that GMDB's ``ethnicity_category`` and ``ethnicity_sub_category`` make; none when both are blank.

    Values are kept as they are, those the vocabulary has not too, so that `to_gmdb` gives them back. Spaces around a
    value do not belong to it.

    >>> [(a.term, a.code) for a in from_gmdb("Asian", "East Asian")]
    [('East Asian', 'GMDB:Asian/East Asian')]
    """
    category, sub_category = category.strip(), sub_category.strip()
    if not category and not sub_category:
        return ()
    code = _gmdb_code(category, sub_category)
    known = terms().get(code)
    return (Ancestry(known.name if known else sub_category or category, code=code),)


def to_gmdb(ancestry: Sequence[Ancestry]) -> tuple[str, str]:
    """GMDB's category and sub-category for a person: the inverse of `from_gmdb`.

    The person's own statements count, those about the parents only where there is none. Several statements yield what
    all of them agree on: the pair, the category alone, or nothing. A statement GMDB has no place for yields nothing.

    >>> to_gmdb([Ancestry("Hakka", code="TW:hakka"), Ancestry("Japanese", code="HANCESTRO:0019")])
    ('Asian', 'East Asian')
    """
    own = [statement for statement in ancestry if statement.side is Side.SELF] or ancestry
    pairs = list(dict.fromkeys(_gmdb_pair(statement) for statement in own))
    if len(pairs) == 1:
        return pairs[0]
    categories = {category for category, _ in pairs}
    return (categories.pop(), "") if len(categories) == 1 else ("", "")


def _gmdb_pair(statement: Ancestry) -> tuple[str, str]:
    if statement.code and statement.code.startswith(_GMDB):
        category, _, sub_category = statement.code.removeprefix(_GMDB).partition("/")
        return category.replace("%2F", "/").replace("%25", "%"), sub_category
    term = terms().get(statement.code) if statement.code else find_term(statement.term)
    return term.gmdb if term else ("", "")


def _gmdb_code(category: str, sub_category: str) -> str:
    """The first slash separates; one within a category is written %2F."""
    escaped = category.replace("%", "%25").replace("/", "%2F")
    return f"{_GMDB}{escaped}/{sub_category}" if sub_category else f"{_GMDB}{escaped}"


@cache
def _by_spelling() -> Mapping[str, Term]:
    return {
        _key(spelling): term
        for term in terms().values()
        for spelling in (term.code, term.name, term.name_zh_hant, *term.other_names)
        if spelling
    }


def _key(text: str) -> str:
    """Letters and digits only, without case; 台 as 臺, without 族 or 人 at the end. Codes keep their colon."""
    plain = unicodedata.normalize("NFKC", text).casefold().strip()
    plain = plain.replace("台", "臺").replace("hancestro_", "hancestro:")
    letters = "".join(c for c in plain if c.isalnum() or (c == ":" and _is_code(plain)))
    return letters[:-1] if len(letters) > 1 and letters[-1] in "族人" else letters


def _is_code(text: str) -> bool:
    return re.match(r"(gmdb|tw):|hancestro[:_]", text, re.IGNORECASE) is not None
