"""From z-scores to questions to the clinician: what a measurement suggests is asked, never stated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deciface.faces.measurement_definitions import Term
from deciface.faces.norms import ZScore

UNUSUAL_Z = 2.0
"""Elements of Morphology calls a measured feature present beyond two standard deviations."""
SURE = 1.645
"""Standard errors that a z-score must lie from 0 before anything is asked: else the error of measuring asks."""
TELECANTHUS, HYPERTELORISM = "HP:0000506", "HP:0000316"


@dataclass(frozen=True, slots=True)
class Question:
    """Whether a feature is present.

    Parameters
    ----------
    term
        The feature.
    scores
        Measurements that stand for it, the most unusual first.
    """

    term: Term
    scores: tuple[ZScore, ...]

    def __str__(self) -> str:
        """E.g. ``Telecanthus, HP:0000506? inner canthal distance / face width: z = 2.4 +- 0.5 against ...``."""
        parts = (
            f"{s.measured.measurement.name}: z = {s.z:.1f} +- {s.se:.1f} against {s.norm.group}, {s.norm.source}"
            for s in self.scores
        )
        return f"{self.term}? {'; '.join(parts)}"


def questions(scores: Sequence[ZScore]) -> tuple[Question, ...]:
    """Ask for each feature of which a measurement is unusual and is sure to be, the most unusual first.

    Inner canthi that lie far apart are asked about as telecanthus only where the distance of the pupils is known and
    is not itself unusual: else the eyes lie far apart as a whole, and that is hypertelorism.
    """
    by_term: dict[Term, list[tuple[float, ZScore]]] = {}
    for score in scores:
        measurement = score.measured.measurement
        for term, toward in ((measurement.large, score.z), (measurement.small, -score.z)):
            if term:
                by_term.setdefault(term, []).append((toward, score))
    asked = {}
    for term, found in by_term.items():
        ordered = sorted(found, key=lambda pair: -pair[0])
        if any(toward >= max(UNUSUAL_Z, SURE * score.se) for toward, score in ordered):
            asked[term] = (ordered[0][0], Question(term, tuple(score for _, score in ordered)))
    pupils = [toward for term, found in by_term.items() if term.id == HYPERTELORISM for toward, _ in found]
    if not pupils or max(pupils) >= UNUSUAL_Z:
        asked = {term: question for term, question in asked.items() if term.id != TELECANTHUS}
    return tuple(question for _, question in sorted(asked.values(), key=lambda pair: -pair[0]))
