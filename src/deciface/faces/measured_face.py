"""Everything that was measured on a face, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from deciface.faces.landmarks import FACE_POINTS, Landmarks, named
from deciface.faces.measurements import Measured
from deciface.faces.millimetres import Scale
from deciface.faces.norms import ZScore
from deciface.faces.questions import Question


@dataclass(frozen=True, slots=True)
class MeasuredFace:
    """What was measured on a face.

    Parameters
    ----------
    landmarks
        Its points.
    measured
        All measurements; empty where they are refused.
    refused
        Why nothing was measured; empty where it was.
    scale, no_scale
        Millimetres a px, or why none are given.
    scores, questions
        Against norms of the person's own group, where there are any.
    """

    landmarks: Landmarks
    measured: tuple[Measured, ...]
    refused: str
    scale: Scale | None
    no_scale: str
    scores: tuple[ZScore, ...]
    questions: tuple[Question, ...]

    def as_document(self) -> dict[str, Any]:
        """Plain types, for programs."""
        score = {s.measured.measurement.name: s for s in self.scores}
        return {
            "landmarks": {
                "source": self.landmarks.source,
                "points": [
                    {
                        "template": index,
                        "x_px": round(float(x), 2),
                        "y_px": round(float(y), 2),
                        "sigma_px": round(float(np.sqrt(np.trace(covariance) / 2)), 3),
                    }
                    for index, (x, y), covariance in zip(
                        FACE_POINTS, self.landmarks.points_px, self.landmarks.covariance_px2, strict=True
                    )
                ],
                "names": {name: point.template for name, point in named().items()},
            },
            "measurements": [
                {
                    "name": m.measurement.name,
                    "value": round(m.value, 5),
                    "se": round(m.se, 5),
                    "unit": str(m.measurement.unit),
                    "definition": m.measurement.definition,
                    **(_score(score[m.measurement.name]) if m.measurement.name in score else {}),
                }
                for m in self.measured
            ],
            "measurements_refused": self.refused or None,
            "mm_per_px": self.scale and round(self.scale.mm_per_px, 5),
            "mm_relative_se": self.scale and round(self.scale.relative_se, 4),
            "no_mm": self.no_scale or None,
            "questions": [
                {"hpo": q.term.id, "label": q.term.label, "asked": str(q), "z": round(q.scores[0].z, 2)}
                for q in self.questions
            ],
        }


def _score(score: ZScore) -> dict[str, Any]:
    return {
        "z": round(score.z, 3),
        "z_se": round(score.se, 3),
        "reference": f"{score.norm.group}; {score.norm.source}",
        "reference_people": score.norm.people,
    }
