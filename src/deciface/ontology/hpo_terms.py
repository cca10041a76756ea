"""The terms of the Human Phenotype Ontology: current, alternative and obsolete ids, names and synonyms.

Read from `hp.obo` (OBO flat file format 1.4; Köhler et al. 2021, Nucleic Acids Research 49:D1207).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deciface.errors import InputError

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s+(EXACT|BROAD|NARROW|RELATED)')
_ID = re.compile(r"HP:\d{7}")


@dataclass(frozen=True, slots=True)
class FoundTerm:
    """A current term, and how it was found where that is worth knowing.

    Parameters
    ----------
    id, name
        Of the current term.
    note
        Empty when the id or the name itself was asked for; else e.g. ``HP:0004715 is an alternative id``.
    """

    id: str
    name: str
    note: str = ""


@dataclass(frozen=True)
class HpoTerms:
    """All terms of one release.

    Parameters
    ----------
    release
        ``data-version`` of the file, e.g. ``hp/releases/2025-01-16``.
    names
        By current id.
    moved
        Alternative and replaced ids, to the current id.
    ended
        Obsolete ids that nothing replaces, with their former name.
    by_text
        Current id by name or exact synonym, in lower case and single spaces. A synonym that several terms share is in
        here only when it is the name of one of them.
    """

    release: str
    names: Mapping[str, str]
    moved: Mapping[str, str]
    ended: Mapping[str, str]
    by_text: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> HpoTerms:
        """Read `hp.obo`, about a second.

        Raises
        ------
        InputError
            When the file cannot be read or is no HPO file.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read ({error}); give the folder that holds hp.obo") from error
        return cls.parse(text, name=path.name)

    @classmethod
    def parse(cls, text: str, *, name: str = "hp.obo") -> HpoTerms:
        """Read the text of `hp.obo`; `name` is what an error calls it.

        Raises
        ------
        InputError
            When it holds no HPO term.
        """
        head, _, body = f"\n{text}".partition("\n[Term]")
        release = next((line[13:].strip() for line in head.splitlines() if line.startswith("data-version:")), "unknown")
        names: dict[str, str] = {}
        moved: dict[str, str] = {}
        ended: dict[str, str] = {}
        synonyms: dict[str, set[str]] = {}
        replaced: dict[str, str] = {}
        for stanza in _stanzas(body):
            term = stanza["id"][0]
            label = stanza.get("name", [""])[0].removeprefix("obsolete ")
            if stanza.get("is_obsolete") == ["true"]:
                (replaced if "replaced_by" in stanza else ended)[term] = stanza.get("replaced_by", [label])[0]
                continue
            names[term] = label
            moved |= dict.fromkeys(stanza.get("alt_id", ()), term)
            for line in stanza.get("synonym", ()):
                if (found := _QUOTED.match(line)) and found[2] == "EXACT":
                    synonyms.setdefault(_key(found[1].replace('\\"', '"')), set()).add(term)
        if not names:
            raise InputError(f"{name} holds no HPO term; hp.obo of the Human Phenotype Ontology is needed")
        moved |= {old: new for old, new in replaced.items() if new in names}
        ended |= {old: "" for old, new in replaced.items() if new not in names}
        by_text = {text: min(terms) for text, terms in synonyms.items() if len(terms) == 1}
        by_text |= {_key(label): term for term, label in names.items()}
        return cls(release, names, moved, ended, by_text)

    def find(self, text: str) -> FoundTerm | None:
        """Find the current term of an id, a name or an exact synonym; None when there is none."""
        asked = text.strip()
        if _ID.fullmatch(asked):
            if asked in self.names:
                return FoundTerm(asked, self.names[asked])
            if asked in self.moved:
                now = self.moved[asked]
                return FoundTerm(now, self.names[now], f"{asked} is now {now}")
            return None
        term = self.by_text.get(_key(asked))
        if term is None:
            return None
        same = _key(self.names[term]) == _key(asked)
        return FoundTerm(term, self.names[term], "" if same else f"'{asked}' is a synonym")


def _key(text: str) -> str:
    return " ".join(text.casefold().split())


def _stanzas(body: str) -> Iterator[dict[str, list[str]]]:
    """Tag-value pairs of every [Term] whose id is one of HPO."""
    for block in body.split("\n[Term]"):
        stanza: dict[str, list[str]] = {}
        for line in block.split("\n[", 1)[0].splitlines():
            tag, separator, value = line.partition(": ")
            if separator:
                stanza.setdefault(tag, []).append(value.split(" ! ", 1)[0].strip() if tag != "synonym" else value)
        if _ID.fullmatch(stanza.get("id", [""])[0]):
            yield stanza
