"""Measure a face: its points with their uncertainty, ratios and angles, z-scores, and what to ask the clinician."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from deciface import __version__
from deciface.cases import Sex
from deciface.errors import InputError
from deciface.faces.face import Pose
from deciface.faces.landmark_model import LandmarkModel
from deciface.faces.landmarks import Landmarks
from deciface.faces.measured_face import MeasuredFace
from deciface.faces.measurements import Measured, measure
from deciface.faces.millimetres import iris_scale
from deciface.faces.norms import Norms, ZScore
from deciface.faces.questions import questions
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
        digits = m.measurement.unit.decimals
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
        found=found,
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
