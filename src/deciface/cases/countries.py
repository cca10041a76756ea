"""Countries of ISO 3166-1. Pure functions over a table that comes with the package."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Country:
    """One entry of ISO 3166-1.

    Parameters
    ----------
    alpha_2, alpha_3
        Its codes: ``TW``, ``TWN``.
    name
        English short name. For TW it is shown as Taiwan; the standard's longer wording is read as well.
    other_names
        Other usual names, German and Chinese ones of the countries met most often.
    """

    alpha_2: str
    alpha_3: str
    name: str
    other_names: tuple[str, ...] = ()


@cache
def countries() -> Mapping[str, Country]:
    """All entries by alpha-2 code."""
    text = (files("deciface.cases") / "data" / "countries.csv").read_text(encoding="utf-8")
    return MappingProxyType(
        {
            row["alpha_2"]: Country(
                row["alpha_2"], row["alpha_3"], row["name"], tuple(filter(None, row["other_names"].split("|")))
            )
            for row in csv.DictReader(text.splitlines())
        }
    )


def country(text: str) -> str | None:
    """ISO 3166-1 alpha-2 code from an alpha-2 code, an alpha-3 code or a usual name; None when not understood.

    Case, accents, punctuation and a leading "the" do not matter. ``UK`` is read as GB, because everybody writes it.

    >>> [country(text) for text in ("tw", "DEU", "Viet Nam", "the Netherlands", "台灣", "Atlantis")]
    ['TW', 'DE', 'VN', 'NL', 'TW', None]
    """
    return _codes().get(_key(text))


@cache
def _codes() -> Mapping[str, str]:
    return {
        _key(spelling): entry.alpha_2
        for entry in countries().values()
        for spelling in (entry.alpha_2, entry.alpha_3, entry.name, *entry.other_names)
    }


def _key(text: str) -> str:
    """Words without case, accents, punctuation, "the" and "and" (unless alone: AND is Andorra); 台 as 臺."""
    plain = unicodedata.normalize("NFKD", text.replace("&", " and ")).casefold().replace("台", "臺").replace("'", "")
    words = "".join(c if c.isalnum() else "" if unicodedata.combining(c) or c in ".’" else " " for c in plain).split()
    return " ".join([word for word in words if word not in ("the", "and")] or words)
