"""The report of one face diagnosis: what was given, how good it is, who is near, and what all this does not say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface.cases import RESEARCH_USE_ONLY, SIMULATED
from deciface.faces import Face, Quality, Verdict
from deciface.models import ModelCard
from deciface.reports.pictures import data_uri, shrunk
from deciface.space import Ranking, SyndromicEvidence, Unusualness

LIMITS = (
    "A distance says how alike two encoded faces are. It is not a probability of a disorder, and a list appears for "
    "every face, also for unaffected ones.",
    "Only disorders in the gallery can appear. A disorder with many photos has more chances to be near than one with a "
    "single photo.",
    "Encoders of faces also see ancestry, age, sex, light and expression. Compare with who the gallery consists of.",
    "Accuracy on patients depends on the encoder and the gallery, and has to be measured on the site's own cases.",
)


@dataclass(frozen=True, slots=True)
class ReportedPhoto:
    """One photo as the report shows it.

    Parameters
    ----------
    name, remarks
        Its name, and what was changed when it was read.
    pixels
        (h, w, 3) uint8 sRGB.
    face, quality
        The chosen face and its checks.
    crop
        (s, s, 3) uint8, the aligned crop.
    """

    name: str
    remarks: tuple[str, ...]
    pixels: NDArray[np.uint8]
    face: Face
    quality: Quality
    crop: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class CaseReport:
    """Everything the page shows.

    Parameters
    ----------
    title, facts
        Head of the page; facts are pairs of label and value.
    photos
        The patient's photos.
    ranking, unusualness, cards, gallery_name
        The answer, and what it was computed with.
    thumbnails
        (s, s, 3) uint8 pictures of gallery photos that may be shown, by photo id. Simulated people only: showing a
        patient's photo needs their consent.
    provenance
        Pairs of label and value.
    remarks
        What a person should know before reading the ranking.
    syndromic
        Evidence for a patient of some disorder against an unaffected person, where it was asked for.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    photos: tuple[ReportedPhoto, ...]
    ranking: Ranking
    unusualness: Unusualness
    cards: tuple[ModelCard, ...]
    gallery_name: str
    thumbnails: Mapping[str, NDArray[np.uint8]]
    provenance: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...] = ()
    syndromic: SyndromicEvidence | None = None


def _photo(photo: ReportedPhoto) -> dict[str, Any]:
    picture, scale = shrunk(photo.pixels)
    h, w = picture.shape[:2]
    x0, y0, x1, y1 = (v * scale for v in photo.face.box_px)
    return {
        "name": photo.name,
        "uri": data_uri(picture),
        "crop": data_uri(photo.crop),
        "remarks": photo.remarks,
        "width": w,
        "height": h,
        "box": (round(x0, 1), round(y0, 1), round(x1 - x0, 1), round(y1 - y0, 1)),
        "verdict": str(photo.quality.verdict),
        "tone": _tone(photo.quality.verdict),
        "checks": [
            {
                "name": c.name,
                "value": f"{c.value:g}",
                "unit": c.unit,
                "limit": c.limit,
                "advice": c.advice,
                "verdict": str(c.verdict),
                "tone": _tone(c.verdict),
            }
            for c in photo.quality.checks
        ],
    }


def _tone(verdict: Verdict) -> str:
    return {Verdict.PASS: "ok", Verdict.CARE: "care", Verdict.RETAKE: "retake"}[verdict]


def _bars(distances: list[float]) -> list[float]:
    """Length of each bar in percent: the nearest distance over this one, so that near ties look like near ties."""
    low = min(distances, default=0.0)
    return [round(100 * low / d, 1) if d > 0 else 100.0 for d in distances]


def _counts(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    total = max(sum(counts.values()), 1)
    return [
        {"label": label, "count": count, "share": round(100 * count / total, 1)}
        for label, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def render(report: CaseReport, *, now: dt.datetime) -> str:
    """Render the page as one self-contained HTML document.

    Parameters
    ----------
    report
        What to show.
    now
        Printed as the time of the report.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("deciface.reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    r = report.ranking
    names = {d.disorder.id: d.disorder.name for d in r.disorders}
    composition = r.composition
    return environment.get_template("case.html.j2").render(
        title=report.title,
        notice=RESEARCH_USE_ONLY,
        simulated=SIMULATED if composition.simulated else "",
        facts=report.facts,
        remarks=report.remarks,
        photos=[_photo(p) for p in report.photos],
        unusualness=report.unusualness,
        syndromic=report.syndromic,
        ranking=r,
        bars=_bars([d.distance for d in r.disorders]),
        gallery_name=report.gallery_name,
        composition=composition,
        groups=[
            ("Ancestry", _counts(composition.by_ancestry)),
            ("Sex", _counts(composition.by_sex)),
            ("Age in the photo, years", _counts(composition.by_age_years)),
        ],
        disorders=[{**row, "label": names.get(row["label"], row["label"])} for row in _counts(composition.by_disorder)],
        thumbnails={photo_id: data_uri(pixels) for photo_id, pixels in report.thumbnails.items()},
        cards=report.cards,
        provenance=report.provenance,
        limits=LIMITS,
        now=now.strftime("%Y-%m-%d %H:%M %Z").strip(),
    )
