"""Measure a face: its points with their uncertainty, ratios and angles, z-scores, and what to ask the clinician."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deciface import __version__
from deciface.cases import Sex
from deciface.errors import InputError
from deciface.faces.face import Pose
from deciface.faces.landmark_model import LandmarkModel
from deciface.faces.landmarks import FACE_POINTS, Landmarks, named
from deciface.faces.measurements import Measured, measure
from deciface.faces.millimetres import Scale, iris_scale
from deciface.faces.norms import Norms, ZScore
from deciface.faces.questions import Question, questions
from deciface.reports.measured_photo import MeasuredReport, render
from deciface.reports.page import Head
from deciface.whole_files import write_whole
from deciface.workflows.looking import SeenPhoto

ASKED = "question to the clinician"


@dataclass(frozen=True, slots=True)
class Described:
    """What is said of the person measured: decides which norm is theirs, nothing else."""

    sex: Sex = Sex.UNKNOWN
    age_years: float | None = None
    ancestry: str | None = None


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


def measure_face(
    landmarks: Landmarks, *, pose: Pose | None, norms: Norms | None = None, who: Described | None = None
) -> MeasuredFace:
    """Measure a face; what cannot be measured is told, not raised.

    Parameters
    ----------
    landmarks, pose
        Points, and how the head is held.
    norms, who
        Norms to compare with, and what is said of the person: without sex, age and ancestry nothing is compared.
    """
    who = who or Described()
    refused, no_scale, scale = "", "", None
    measured: tuple[Measured, ...] = ()
    try:
        measured = measure(landmarks, pose=pose)
    except InputError as error:
        refused = str(error)
    try:
        scale = iris_scale(landmarks, age_years=who.age_years)
    except InputError as error:
        no_scale = str(error)
    scores: tuple[ZScore, ...] = ()
    if norms and measured and who.ancestry:
        scores = norms.z_scores(measured, sex=who.sex, ancestry=who.ancestry, age_years=who.age_years)
    return MeasuredFace(landmarks, measured, refused, scale, no_scale, scores, questions(scores))


def place_and_measure(
    seen: SeenPhoto, model: LandmarkModel, *, norms: Norms | None = None, who: Described | None = None
) -> MeasuredFace:
    """Place the points of a photo that was looked at, and measure."""
    return measure_face(model.place(seen.pyramid, seen.face), pose=seen.face.pose, norms=norms, who=who)


def lines_of(found: MeasuredFace) -> list[str]:
    """What a terminal shows: every measurement with its error, and the questions."""
    if found.refused:
        return [f"not measured: {found.refused}"]
    score = {s.measured.measurement.name: s for s in found.scores}
    lines = []
    for m in found.measured:
        digits = 1 if m.measurement.unit == "degrees" else 3
        unit = " degrees" if m.measurement.unit == "degrees" else ""
        text = f"{m.measurement.name}: {m.value:.{digits}f} +- {m.se:.{digits}f}{unit}"
        if m.measurement.name in score:
            s = score[m.measurement.name]
            text += f"; z = {s.z:+.1f} +- {s.se:.1f}"
        lines.append(text)
    return [*lines, *(f"{ASKED}: {q}" for q in found.questions)]


def write_measured(
    seen: SeenPhoto, found: MeasuredFace, path: Path, *, norms_source: str, who: Described, now: dt.datetime
) -> None:
    """Write the page of one photo: quality, points with their confidence on the face, measurements, questions.

    Raises
    ------
    StorageError
        The file cannot be written.
    """
    said = [str(who.sex)] if who.sex is not Sex.UNKNOWN else []
    said += [] if who.age_years is None else [f"{who.age_years:g} years"]
    said += [who.ancestry] if who.ancestry else []
    head = Head(
        title=f"Measurements of {seen.name}",
        facts=(("quality", str(seen.quality.verdict)), ("person", ", ".join(said) or "nothing stated")),
        notices=_notices(seen, found, norms_source, who),
        provenance=(
            ("DeciFace", __version__),
            ("points", found.landmarks.source),
            ("norms", norms_source or "none given"),
            ("photo sha256", seen.photo.pixel_sha256),
        ),
    )
    report = MeasuredReport(
        head=head,
        pixels=seen.photo.pixels,
        landmarks=found.landmarks,
        measured=found.measured,
        refused=found.refused,
        scale=found.scale,
        no_scale=found.no_scale,
        scores=found.scores,
        questions=found.questions,
        quality=seen.quality,
    )
    write_whole(path, render(report, now=now).encode())


def _notices(seen: SeenPhoto, found: MeasuredFace, norms_source: str, who: Described) -> tuple[str, ...]:
    said: list[str] = [f"Not measured: {found.refused}."] if found.refused else []
    if norms_source and not found.scores and not found.refused:
        missing = [
            name
            for name, known in (
                ("sex", who.sex is not Sex.UNKNOWN),
                ("age", who.age_years is not None),
                ("ancestry", bool(who.ancestry)),
            )
            if not known
        ]
        said.append(
            f"No z-scores: {' and '.join(missing)} of the person not stated."
            if missing
            else "No z-scores: the norms have no group of this sex, age and ancestry."
        )
    return (*said, *(remark[0].upper() + remark[1:] + "." for remark in seen.remarks))
