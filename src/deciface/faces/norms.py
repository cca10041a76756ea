"""Norms of measurements by age, sex and ancestry, and z-scores that name whom they compare with.

Norms are never pooled over groups and none is shipped: published ones hold for the population they were measured in,
and those of one population make features of ordinary faces of another. They are a table that the user supplies, or
come from the site's own unaffected people.

The table is CSV with the columns ``measurement, sex, ancestry, age_from, age_to, people, source`` and either ``l, m,
s`` (Cole & Green 1992, Stat Med 11:1305) or ``mean, sd``. Ages are years, from included, to excluded.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deciface.cases import Sex
from deciface.errors import InputError, TableError
from deciface.faces.measurement_definitions import MEASUREMENTS
from deciface.faces.measurements import Measured

NOT_RECORDED = "not recorded"
"""What `deciface.cases.Patient.ancestry_label` says of people whose ancestry is not known."""
LEAST_PEOPLE = 10
"""Own norms of fewer people are not made."""
_KEYS = ("measurement", "sex", "ancestry", "age_from", "age_to", "people", "source")


@dataclass(frozen=True, slots=True)
class Group:
    """Whom a norm holds for: sex, ancestry as the case table writes it, and ages in years, the last one excluded."""

    sex: Sex
    ancestry: str
    age_from: float
    age_to: float

    def __str__(self) -> str:
        return f"{self.sex}, {self.ancestry}, {self.age_from:g} to below {self.age_to:g} years"

    def holds_for(self, sex: Sex, ancestry: str, age_years: float | None) -> bool:
        """Whether somebody belongs to it; nobody of unknown age does."""
        known = age_years is not None and self.age_from <= age_years < self.age_to
        return known and sex is self.sex and ancestry.casefold() == self.ancestry.casefold()


@dataclass(frozen=True, slots=True)
class Norm:
    """Distribution of a measurement in a group, by skewness, median and coefficient of variation.

    Parameters
    ----------
    measurement
        Its name.
    group
        Whom it holds for.
    l, m, s
        z = ((x / m)^l - 1) / (l s); with `l` of 1, m is the mean and m s the SD.
    sd
        Given instead of `s` where the mean may be near 0 or below: z = (x - m) / sd.
    people
        How many were measured; None where the source does not say.
    source
        Citation, or whose own people.
    """

    measurement: str
    group: Group
    l: float  # noqa: E741 - as the method writes it
    m: float
    s: float
    sd: float | None
    people: int | None
    source: str

    def z(self, value: float) -> float:
        """Standard deviations from the median.

        Raises
        ------
        InputError
            An LMS norm and a value of 0 or below.
        """
        if self.sd is not None:
            return (value - self.m) / self.sd
        if value <= 0:
            raise InputError(f"{self.measurement} of {value:g}; norms by l, m, s need a value above 0")
        if abs(self.l) < 1e-9:
            return math.log(value / self.m) / self.s
        return float(((value / self.m) ** self.l - 1) / (self.l * self.s))


@dataclass(frozen=True, slots=True)
class ZScore:
    """A measurement beside its norm.

    Parameters
    ----------
    measured, norm
        What was compared with what.
    z, se
        Standard deviations from the norm's median; the error of the measurement and, where the number of people is
        known, of the norm itself.
    """

    measured: Measured
    norm: Norm
    z: float
    se: float


def z_score(measured: Measured, norm: Norm) -> ZScore:
    """Compare a measurement with a norm."""
    z = norm.z(measured.value)
    variance = 0.0
    if measured.se:
        step = 1e-6 * max(abs(measured.value), 1e-3)
        variance = ((norm.z(measured.value + step) - z) / step * measured.se) ** 2
    if norm.people is not None:  # of a mean and of an SD, in its own units
        variance += 1 / norm.people + z * z / (2 * (norm.people - 1))
    return ZScore(measured, norm, z, math.sqrt(variance))


@dataclass(frozen=True)
class Norms:
    """A table of norms."""

    rows: tuple[Norm, ...]

    def of(self, measurement: str, sex: Sex, ancestry: str, age_years: float | None) -> Norm | None:
        """The norm for somebody; None where there is none for their very group."""
        for norm in self.rows:
            if norm.measurement == measurement and norm.group.holds_for(sex, ancestry, age_years):
                return norm
        return None

    def z_scores(
        self, measured: Sequence[Measured], *, sex: Sex, ancestry: str, age_years: float | None
    ) -> tuple[ZScore, ...]:
        """Compare what has a norm."""
        found = ((m, self.of(m.measurement.name, sex, ancestry, age_years)) for m in measured)
        return tuple(z_score(m, norm) for m, norm in found if norm)


def read_norms(path: Path) -> Norms:
    """Read a table of norms.

    Raises
    ------
    InputError
        The file cannot be read.
    TableError
        A column is missing, a measurement is not known, a number is none, or two norms hold for the same people.
    """
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"'{path}' cannot be read ({error}); give a UTF-8 CSV of norms") from error
    header = list(rows[0]) if rows else []
    if missing := [key for key in _KEYS if key not in header]:
        raise TableError(f"column missing; there are {', '.join(header) or 'none'}", file=str(path), column=missing[0])
    if not {"l", "m", "s"} <= set(header) and not {"mean", "sd"} <= set(header):
        raise TableError("give l, m and s, or mean and sd", file=str(path), column="l")
    norms = [_norm(row, str(path), number) for number, row in enumerate(rows, start=2)]
    for number, norm in enumerate(norms):
        for other in norms[:number]:
            if norm.measurement == other.measurement and _overlap(norm.group, other.group):
                raise TableError(
                    f"two norms of {norm.measurement} for the same people ({norm.group}); leave one",
                    file=str(path),
                    row=number + 2,
                )
    return Norms(tuple(norms))


def _overlap(one: Group, other: Group) -> bool:
    same = one.sex is other.sex and one.ancestry.casefold() == other.ancestry.casefold()
    return same and one.age_from < other.age_to and other.age_from < one.age_to


def _norm(row: Mapping[str, str], file: str, number: int) -> Norm:
    name = row["measurement"].strip()
    if name not in MEASUREMENTS:
        raise TableError(
            f"'{name}' is not measured; allowed are {', '.join(MEASUREMENTS)}",
            file=file,
            row=number,
            column="measurement",
        )
    try:
        sex = Sex(row["sex"].strip().lower())
    except ValueError:
        raise TableError(
            f"'{row['sex']}'; female or male is needed, never both", file=file, row=number, column="sex"
        ) from None
    if sex not in (Sex.FEMALE, Sex.MALE) or not row["ancestry"].strip():
        raise TableError("a norm holds for one sex and one ancestry; name both", file=file, row=number, column="sex")

    def cell(column: str, *, above: float = -math.inf) -> float:
        try:
            value = float(row[column])
        except (ValueError, TypeError):
            value = math.nan
        if not math.isfinite(value) or value <= above:
            what = f"a number above {above:g}" if above > -math.inf else "a number"
            raise TableError(f"'{row[column]}'; {what} is needed", file=file, row=number, column=column)
        return value

    group = Group(sex, row["ancestry"].strip(), cell("age_from"), cell("age_to", above=cell("age_from")))
    people = int(cell("people", above=1)) if row["people"].strip() else None
    by_lms = bool((row.get("l") or "").strip())
    return Norm(
        name,
        group,
        l=cell("l") if by_lms else 1.0,
        m=cell("m", above=0) if by_lms else cell("mean"),
        s=cell("s", above=0) if by_lms else 1.0,
        sd=None if by_lms else cell("sd", above=0),
        people=people,
        source=row["source"].strip(),
    )


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody unaffected, measured once."""

    sex: Sex
    ancestry: str
    age_years: float
    measured: tuple[Measured, ...]


def own_norms(people: Sequence[Person], ages: Sequence[tuple[float, float]], *, source: str) -> Norms:
    """Means and SDs of one's own unaffected people, by sex, ancestry and ages; groups too small have none.

    The SD holds the error of measuring too: faces are compared with it as they are measured.

    Parameters
    ----------
    people
        One entry a person.
    ages
        Bands in years, (from, to), to excluded.
    source
        Whose people they are.
    """
    rows = []
    known = {(p.sex, p.ancestry) for p in people if p.sex in (Sex.FEMALE, Sex.MALE) and p.ancestry != NOT_RECORDED}
    for sex, ancestry in sorted(known):
        for low, high in ages:
            group = Group(sex, ancestry, low, high)
            those = [p for p in people if group.holds_for(p.sex, p.ancestry, p.age_years)]
            if len(those) < LEAST_PEOPLE:
                continue
            values = np.array([[m.value for m in person.measured] for person in those])
            for column, measured in enumerate(those[0].measured):
                mean, sd = float(values[:, column].mean()), float(values[:, column].std(ddof=1))
                rows.append(Norm(measured.measurement.name, group, 1.0, mean, 1.0, sd, len(those), source))
    return Norms(tuple(rows))


def table_of(norms: Norms) -> str:
    """The table that `read_norms` reads, as CSV."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow([*_KEYS, "l", "m", "s", "mean", "sd"])
    for norm in norms.rows:
        group = norm.group
        whom = [norm.measurement, group.sex, group.ancestry, f"{group.age_from:g}", f"{group.age_to:g}"]
        by_lms = ["", "", "", f"{norm.m:.6g}", f"{norm.sd:.6g}"] if norm.sd is not None else []
        values = by_lms or [f"{norm.l:.6g}", f"{norm.m:.6g}", f"{norm.s:.6g}", "", ""]
        rows.writerow([*whom, "" if norm.people is None else norm.people, norm.source, *values])
    return out.getvalue()
