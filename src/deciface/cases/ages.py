"""Ages as clinicians write them, as years and as ISO 8601 durations. Pure functions.

Understood: a bare number (years), ``1y 6m``, ``18 months``, ``3 weeks``, ``10 d``, ``P1Y6M``, years;months as in
``4;6``, twelfths and halves as in ``4 6/12`` and ``4 1/2``, decimal point or comma, German (``2 Jahre 3 Monate``) and
Chinese (``2歲3個月``, ``2歲半``) units, full-width digits.

A comma is a decimal comma, save that ``1,200 days``, which could mean either, is refused.

Refused, with None: anything negative or above 120 years, words for numbers (``four``), ranges and estimates (``4-5``,
``~4``), a decimal before another unit (``1.5y 6m``), and a handwritten smaller unit that overflows the larger one
(``1y 14m``), because that is as likely to be a slip as an age. ISO 8601 durations may overflow (``P1Y14M``): machines
write them and mean it.

A year has 365.25 days, a month is a twelfth of a year, a week seven days.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

OLDEST_YEARS = 120.0
"""The highest age that is accepted, in years."""

_LONGEST = 400  # an exact decimal of the smallest float has 330 characters
_DAYS_PER_YEAR = Fraction(1461, 4)
_UNITS = "YMWD"
_UNIT_WORDS = {
    "Y": "years?|yrs?|y|jahren?|jahre?|j|歲|岁|年",
    "M": "months?|mos?|mths?|mon|m|monaten?|monate?|個月|个月|月",
    "W": "weeks?|wks?|w|wochen?|wo|週|周|星期",
    "D": "days?|d|tagen?|tage?|t|天|日",
}
_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{0,350})?|\.[0-9]{1,350}"
_ISO = re.compile(
    "P(?=.)" + "".join(rf"(?:({_NUMBER}){unit})?" for unit in _UNITS) + r"(?:T(?=.)(?:0+H)?(?:0+M)?(?:0+S)?)?",
    re.IGNORECASE,
)
_JOINT = r"(?:\s|,|&|and\b|und\b|又)*"
_WRITTEN = re.compile(
    "(?=.)"
    + _JOINT.join(rf"(?:({_NUMBER})\s*(?:{words})(?![a-z])\.?)?" for words in _UNIT_WORDS.values())
    + r"\s*(?:old|alt|大)?",
    re.IGNORECASE,
)
_SEMICOLON = re.compile(r"([0-9]{1,3})\s*;\s*([0-9]{1,2})(?:\.([0-9]{1,2}))?")
_FRACTION = re.compile(
    r"(?:([0-9]{1,3})\s+)?([0-9]{1,2})\s*/\s*(2|4|12|52)(?:\s*(?:years?|yrs?|y|jahre?|歲|岁))?", re.IGNORECASE
)
_THOUSANDS = re.compile(r"(?<![0-9,.])[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9])")
_VULGAR = {"¼": " 1/4", "½": " 1/2", "¾": " 3/4"}
_MOST_BESIDE_LARGER = {("Y", "M"): 11, ("Y", "W"): 52, ("Y", "D"): 365, ("M", "W"): 4, ("M", "D"): 31, ("W", "D"): 6}


@dataclass(frozen=True, slots=True)
class _Age:
    """Years, months, weeks and days, exactly as stated."""

    counts: tuple[Fraction, Fraction, Fraction, Fraction]

    @property
    def years(self) -> Fraction:
        years, months, weeks, days = self.counts
        return years + months / 12 + (7 * weeks + days) / _DAYS_PER_YEAR

    @property
    def iso(self) -> str:
        """Months below 12, weeks only on their own, a fraction only where whole smaller units cannot say it."""
        years, months, weeks, days = self.counts
        in_months = 12 * years + months
        if in_months.denominator == 1 or months:
            years = Fraction(in_months // 12)
            months = in_months - 12 * years
        if weeks and (years or months or days or weeks.denominator != 1) and (7 * weeks).denominator == 1:
            weeks, days = Fraction(0), 7 * weeks + days
        parts = zip((years, months, weeks, days), _UNITS, strict=True)
        return "P" + ("".join(f"{_decimal(n)}{unit}" for n, unit in parts if n) or "0D")


def parse_age_years(text: str) -> float | None:
    """Age in years, 0 to 120, or None when the text is not understood.

    >>> [parse_age_years(age) for age in ("4", "4,5", "1y 6m", "P1Y6M", "18 months", "4;6", "2歲3個月", "four")]
    [4.0, 4.5, 1.5, 1.5, 1.5, 4.5, 2.25, None]
    """
    age = _parse(text)
    return None if age is None else float(age.years)


def iso_age(text: str) -> str | None:
    """Age as a normalised ISO 8601 duration, or None when the text is not understood.

    Months are below 12 (``P18M`` is ``P1Y6M``), days are not turned into months, zero is ``P0D``. What whole units
    cannot say keeps its decimals (``P4.3Y``), so that no precision is invented and `years_of` gives the same age.

    >>> [iso_age(age) for age in ("1y 6m", "P18M", "4.5", "3 weeks", "0", "4.3", "1y 14m")]
    ['P1Y6M', 'P1Y6M', 'P4Y6M', 'P3W', 'P0D', 'P4.3Y', None]
    """
    age = _parse(text)
    return None if age is None else age.iso


def years_of(iso: str) -> float | None:
    """Years of an ISO 8601 duration of years, months, weeks and days; None for any other text.

    >>> years_of("P1Y6M"), years_of("P1461D"), years_of("18 months")
    (1.5, 4.0, None)
    """
    age = _parse_iso(iso.strip())
    return None if age is None or age.years > OLDEST_YEARS else float(age.years)


def iso_of_years(years: float) -> str | None:
    """ISO 8601 duration from which `years_of` gives exactly these years; None below 0 or above 120.

    Whole months and days are preferred; other ages keep their decimals.

    >>> iso_of_years(1.5), iso_of_years(10 / 365.25), iso_of_years(4.3)
    ('P1Y6M', 'P10D', 'P4.3Y')
    """
    if not 0 <= years <= OLDEST_YEARS:
        return None
    whole_months = _Age((Fraction(0), Fraction(round(12 * years)), Fraction(0), Fraction(0)))
    months = Fraction(int(12 * years))
    days = Fraction(round((Fraction(years) - months / 12) * _DAYS_PER_YEAR))
    months_and_days = _Age((Fraction(0), months, Fraction(0), days))
    for age in (whole_months, months_and_days):
        if float(age.years) == years:
            return age.iso
    return _Age((Fraction(Decimal(repr(float(years)))), Fraction(0), Fraction(0), Fraction(0))).iso


def _parse(text: str) -> _Age | None:
    if len(text) > _LONGEST:
        return None
    for vulgar, plain in _VULGAR.items():
        text = text.replace(vulgar, plain)
    text = unicodedata.normalize("NFKC", text).strip()
    if _THOUSANDS.search(text):
        return None
    text = re.sub(r"(?<=[0-9]),(?=[0-9])", ".", text)
    text = re.sub(r"([0-9]+)\s*([歲岁年])半", r"\1.5\2", re.sub(r"^半([歲岁年])", r"0.5\1", text))
    text = re.sub(r"(?<![a-z])y\.?\s?/?\s?o\.?(?![a-z])", "y", text, flags=re.IGNORECASE)
    age = _parse_number(text) or _parse_iso(text) or _parse_fraction(text) or _parse_written(text)
    return age if age is not None and age.years <= OLDEST_YEARS else None


def _parse_number(text: str) -> _Age | None:
    return _age(text) if re.fullmatch(_NUMBER, text) else None


def _parse_iso(text: str) -> _Age | None:
    match = _ISO.fullmatch(text)
    if not match or not any(match.groups()):
        return None
    counts = [count for count in match.groups() if count is not None]
    return None if any("." in count for count in counts[:-1]) else _age(*match.groups())


def _parse_fraction(text: str) -> _Age | None:
    if match := _SEMICOLON.fullmatch(text):
        years, months, days = (int(part or 0) for part in match.groups())
        return _age(str(years), str(months), None, str(days)) if months < 12 and days <= 31 else None
    if (match := _FRACTION.fullmatch(text)) is None or int(match[2]) >= int(match[3]):
        return None
    if match[3] in ("12", "52"):
        return _age(match[1], match[2]) if match[3] == "12" else _age(match[1], None, match[2])
    return _age(match[1], str(int(match[2]) * 12 // int(match[3]))) if match[1] else None


def _parse_written(text: str) -> _Age | None:
    match = _WRITTEN.fullmatch(text)
    if not match or not any(match.groups()):
        return None
    stated = [(unit, Fraction(count)) for unit, count in zip(_UNITS, match.groups(), strict=True) if count is not None]
    if any(count.denominator != 1 for _, count in stated[:-1]):
        return None
    for (larger, _), (smaller, count) in pairwise(stated):
        if count > _MOST_BESIDE_LARGER[larger, smaller]:
            return None
    return _age(*match.groups())


def _age(years: str | None, months: str | None = None, weeks: str | None = None, days: str | None = None) -> _Age:
    return _Age((Fraction(years or 0), Fraction(months or 0), Fraction(weeks or 0), Fraction(days or 0)))


def _decimal(number: Fraction) -> str:
    if number.denominator == 1:
        return str(number.numerator)
    return f"{Decimal(number.numerator) / Decimal(number.denominator):f}"
