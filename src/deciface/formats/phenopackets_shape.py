"""The shape of one phenopacket while it is read: typed access by JSON path, and everything that was found amiss."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import Any

from deciface.cases import ages, identifiers
from deciface.formats.text import Problem, in_one_line

LONGEST_SHOWN = 60
"""Characters of a source's text that a problem shows."""

_hpo_id = functools.lru_cache(maxsize=65536)(identifiers.hpo_id)
_iso_age = functools.lru_cache(maxsize=65536)(ages.iso_age)


def shown(text: object) -> str:
    """Give a source's value as it may stand in a message."""
    return f"'{in_one_line(str(text), LONGEST_SHOWN)}'"


def below(path: str, key: str) -> str:
    """Give the path of a key.

    >>> below("", "subject"), below("subject", "sex")
    ('subject', 'subject.sex')
    """
    return f"{path}.{key}" if path else key


class Record:
    """One record of a file: its problems, and what it said in words that were normalised.

    Parameters
    ----------
    file, row
        Where it stands.
    """

    def __init__(self, file: str, row: int) -> None:
        self.file, self.row = file, row
        self.problems: list[Problem] = []
        self.as_written: list[tuple[str, str]] = []
        self._not_held: Counter[str] = Counter()

    def tell(self, path: str, message: str) -> None:
        """Report a problem; JSON path as column."""
        self.problems.append(Problem(self.file, self.row, path, message))

    def keep(self, path: str, text: object) -> None:
        """Keep what the source said."""
        self.as_written.append((path, str(text)))

    def text(self, parent: dict[str, Any], key: str, path: str) -> str:
        """Text at a key without outer white space, which is kept as written; empty when it is not there."""
        value = parent.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.tell(below(path, key), f"{shown(value)} is left out; text is needed here")
            return ""
        stripped = value.strip()
        if stripped != value:
            self.keep(below(path, key), value)
        return stripped

    def object(self, parent: dict[str, Any], key: str, path: str) -> dict[str, Any]:
        """Object at a key; empty when it is not there."""
        value = parent.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.tell(below(path, key), f"{shown(value)} is left out; an object is needed here")
            return {}
        return value

    def objects(self, parent: dict[str, Any], key: str, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Path and content of every object in the array at a key."""
        value = parent.get(key)
        if value is None:
            return
        place = below(path, key)
        if not isinstance(value, list):
            self.tell(place, f"{shown(value)} is left out; an array is needed here")
            return
        for i, item in enumerate(value):
            if isinstance(item, dict):
                yield f"{place}[{i}]", item
            else:
                self.tell(f"{place}[{i}]", f"{shown(item)} is left out; an object is needed here")

    def texts(self, parent: dict[str, Any], key: str, path: str) -> Iterator[tuple[str, str]]:
        """Path and content of every text in the array at a key."""
        value = parent.get(key)
        if value is not None and not isinstance(value, list):
            self.tell(below(path, key), f"{shown(value)} is left out; an array is needed here")
            return
        for i, item in enumerate(value or ()):
            if isinstance(item, str):
                yield f"{below(path, key)}[{i}]", item
            else:
                self.tell(f"{below(path, key)}[{i}]", f"{shown(item)} is left out; text is needed here")

    def flag(self, parent: dict[str, Any], key: str, path: str) -> bool:
        """Truth at a key; false when it is not there."""
        value = parent.get(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        self.tell(below(path, key), f"{shown(value)} is taken as false; write true or false")
        return False

    def whole_number(self, parent: dict[str, Any], key: str, path: str) -> int | None:
        """Whole number at a key; protobuf writes large ones as text."""
        value = parent.get(key)
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19:
            return int(value)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
            return value
        self.tell(below(path, key), f"{shown(value)} is left out; a whole number is needed here")
        return None

    def left_over(self, parent: dict[str, Any], path: str, taken: Collection[str]) -> None:
        """Keep single values that nothing here holds as written; count objects and arrays to be reported."""
        for key, value in parent.items():
            if key in taken:
                continue
            if isinstance(value, dict | list):
                if value:
                    self.not_held(below(path, key))
            elif value is not None:
                self.keep(below(path, key), {True: "true", False: "false"}.get(value, value))

    def not_held(self, path: str) -> None:
        """Count something that is reported once per record and kind."""
        self._not_held[_general(path)] += 1

    def finish(self) -> None:
        """Report what was counted."""
        for path, count in sorted(self._not_held.items()):
            times = f" ({count} times)" if count > 1 else ""
            self.tell(path, f"not taken over{times}; a case has no place for it, keep the source")
        self._not_held.clear()

    def hpo_class(self, value: dict[str, Any], path: str) -> tuple[str, str] | None:
        """Id and label of an HPO class, or None and a problem; an id and a label that changed places are told."""
        self.left_over(value, path, ("id", "label"))
        written = value.get("id")
        label = self.text(value, "label", path)
        if not isinstance(written, str) or not written:
            self.tell(below(path, "id"), f"left out: no id{f' beside {shown(label)}' if label else ''}; give an HPO id")
            return None
        found = _hpo_id(written)
        if found is None and (swapped := _hpo_id(label)) is not None:
            self.tell(path, f"id {shown(written)} and label {shown(label)} changed places, read as meant; correct them")
            self.keep(below(path, "id"), written)
            self.keep(below(path, "label"), label)
            return swapped, written
        if found is None:
            self.tell(below(path, "id"), f"{shown(written)} is left out; write an HPO id such as HP:0000316")
            self.keep(below(path, "id"), written)
            return None
        if found != written:
            self.keep(below(path, "id"), written)
        return found, label

    def time(self, parent: dict[str, Any], key: str, path: str) -> str | None:
        """Read a TimeElement: ISO 8601 age, HPO onset class, or gestational age such as ``13w0d``."""
        element = self.object(parent, key, path)
        if not element:
            return None
        place = below(path, key)
        for kind, read in _TIMES.items():
            if kind in element:
                return read(self, element, place)
        kinds = ", ".join(_TIMES)
        self.tell(place, f"{shown(', '.join(element))} is left out: dates and ranges are not stored; give {kinds}")
        return None


def _general(path: str) -> str:
    """Take the indices out of a path.

    >>> _general("a[3].b[0]")
    'a[].b[]'
    """
    return "[".join(part.lstrip("0123456789") if i else part for i, part in enumerate(path.split("[")))


def _age(record: Record, element: dict[str, Any], path: str) -> str | None:
    place = below(path, "age")
    written = record.text(record.object(element, "age", path), "iso8601duration", place)
    age = _iso_age(written)
    if age is None:
        record.tell(place, f"{shown(written)} is left out; write an ISO 8601 age of at most 120 years such as P1Y6M")
    if written and age != written:
        record.keep(below(place, "iso8601duration"), written)
    return age


def _onset_class(record: Record, element: dict[str, Any], path: str) -> str | None:
    term = record.hpo_class(record.object(element, "ontologyClass", path), below(path, "ontologyClass"))
    return term[0] if term else None


def _gestation(record: Record, element: dict[str, Any], path: str) -> str | None:
    age, place = record.object(element, "gestationalAge", path), below(path, "gestationalAge")
    weeks, days = record.whole_number(age, "weeks", place), record.whole_number(age, "days", place) or 0
    if weeks is None or weeks > 45 or days > 6:
        record.tell(place, f"{weeks} weeks {days} days is left out; up to 45 weeks and 6 days are possible")
        return None
    return f"{weeks}w{days}d"


_TIMES: dict[str, Callable[[Record, dict[str, Any], str], str | None]] = {
    "age": _age,
    "ontologyClass": _onset_class,
    "gestationalAge": _gestation,
}
