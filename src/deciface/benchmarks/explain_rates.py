"""How often regional similarity says something: of the unaffected, of patients, and of people with another feature.

What it may say wrongly is bounded by its construction; how often it says something right is not, and is measured here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deciface.benchmarks.result import Row
from deciface.explain import RegionSimilarity, Verdict, regional_similarity
from deciface.stats.proportions import clopper_pearson

Floats = NDArray[np.float64]
PROMISED = 5.0
"""Percent; see `deciface.explain.similarity`."""


@dataclass(eq=False)
class Judged:
    """Answers about one kind of people: whether some region spoke for, or against; which regions spoke for."""

    people: int
    spoke_for: list[bool] = field(default_factory=list)
    spoke_against: list[bool] = field(default_factory=list)
    named: list[str] = field(default_factory=list)

    def add(self, regions: Sequence[RegionSimilarity]) -> None:
        """Count one answer."""
        self.named.extend(r.region for r in regions if r.verdict is Verdict.FOR)
        self.spoke_for.append(any(r.verdict is Verdict.FOR for r in regions))
        self.spoke_against.append(any(r.verdict is Verdict.AGAINST for r in regions))


def rate_rows(
    about: str,
    names: Sequence[str],
    *,
    controls: Floats,
    members: Mapping[str, Floats],
    tested: Sequence[tuple[str, Floats, str]],
) -> Iterator[Row]:
    """Judge everybody.

    Parameters
    ----------
    about, names
        Faces and encoder; the regions.
    controls, members
        (r, c, d), and by feature (r, m, d). Each control is asked about every feature, compared with all the others.
    tested
        Feature, (r, d) and the region that holds most of the feature, of people who are nobody else.
    """
    healthy, patients, strangers = Judged(controls.shape[1]), Judged(len(tested)), Judged(len(tested))
    right = 0
    for feature, affected in members.items():
        for left_out in range(controls.shape[1]):
            query, rest = controls[:, left_out], np.delete(controls, left_out, axis=1)
            healthy.add(regional_similarity(names, query, patients=affected, controls=rest))
        for has, query, region in tested:
            answer = regional_similarity(names, query, patients=affected, controls=controls)
            (patients if has == feature else strangers).add(answer)
            right += has == feature and any(r.region == region and r.verdict is Verdict.FOR for r in answer)
    for who, judged in (
        ("an unaffected person", healthy),
        ("a patient", patients),
        ("a person with another feature", strangers),
    ):
        yield _row(f"{about}, {who}: some region speaks for", judged, judged.spoke_for, bounded=judged is healthy)
        yield _row(
            f"{about}, {who}: some region speaks against", judged, judged.spoke_against, bounded=judged is patients
        )
    if patients.named:
        share = 100 * right / len(patients.named)
        yield Row(
            f"{about}, a patient: regions that speak for and hold most of the feature",
            share,
            f"% of {len(patients.named)}",
        )


def _row(name: str, judged: Judged, said: Sequence[bool], *, bounded: bool) -> Row:
    """One rate; its interval where every answer is of another person. A promise is broken when all of it is above."""
    share, low, high = 100 * float(np.mean(said)), *clopper_pearson(sum(said), len(said))
    alone = len(said) == judged.people
    unit = f"% of {len(said)}" + (
        f" (95 % interval {100 * low:.0f}-{100 * high:.0f})" if alone else f" answers about {judged.people} people"
    )
    kept = 100 * low <= PROMISED if alone else share <= PROMISED
    return Row(name, share, unit, f"<= {PROMISED:g}" if bounded else None, kept if bounded else None)
