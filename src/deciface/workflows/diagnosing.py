"""Diagnose: one patient's photos against a gallery. Face only; other evidence joins in its own rooms."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deciface import __version__
from deciface.cases import RESEARCH_USE_ONLY, SIMULATED, Sex
from deciface.encoders.precision import Precision
from deciface.errors import MismatchError
from deciface.faces import Verdict
from deciface.models import ModelCard
from deciface.space import (
    Background,
    Gallery,
    Query,
    Ranking,
    Restriction,
    Rule,
    SyndromicEvidence,
    Unusualness,
    rank,
    syndromic_evidence,
    unusualness,
)
from deciface.workflows.encoding import PhotoEncoder
from deciface.workflows.looking import SeenPhoto, look
from deciface.workflows.ranked_lists import ranked_lists


@dataclass(frozen=True, slots=True)
class PatientFacts:
    """What the user says about the patient. Shown beside the gallery; never a prior for a disorder.

    Age, sex and ancestry choose the unaffected people that the face is compared with for its unusualness.
    """

    id: str | None = None
    age_years: float | None = None
    sex: str | None = None
    ancestry: str | None = None
    recorded_disorder: str | None = None


@dataclass(frozen=True, slots=True)
class FaceDiagnosis:
    """The answer to one patient's photos.

    Parameters
    ----------
    seen
        The photos and the faces chosen in them.
    facts
        What was said about the patient.
    ranking
        Against the whole gallery, or the part that was asked for.
    unusualness
        Against unaffected faces of the same gallery and the patient's age, sex and ancestry.
    syndromic
        Evidence for "patient of some disorder" against "unaffected", of the whole gallery.
    cards
        Of the encoders in use.
    gallery_name
        Where the gallery came from.
    remarks
        What a person should know before reading the ranking, one sentence each.
    """

    seen: tuple[SeenPhoto, ...]
    facts: PatientFacts
    ranking: Ranking
    unusualness: Unusualness
    syndromic: SyndromicEvidence
    cards: tuple[ModelCard, ...]
    gallery_name: str
    remarks: tuple[str, ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether anybody in the gallery is simulated."""
        return self.ranking.composition.simulated > 0

    def as_document(self) -> dict[str, Any]:
        """Return what `deciface diagnose --json` prints."""
        r, u = self.ranking, self.unusualness
        return {
            "notice": RESEARCH_USE_ONLY,
            "gallery_notice": SIMULATED if self.simulated else None,
            "patient": asdict(self.facts),
            "photos": [s.as_document() for s in self.seen],
            "remarks": list(self.remarks),
            "unusualness": {
                "verdict": str(u.verdict),
                "reason": u.reason,
                "percentile": None if u.reason else u.percentile,
                "interval": None if u.reason else u.interval,
                "p": None if u.reason else u.p,
                "people": u.people,
                "people_share": {str(c): u.background.value(c) for c in u.shared},
                "let_go": [str(c) for c in u.relaxed],
                "adjusted_for": [str(c) for c in u.adjusted],
                "reference_people": u.reference,
                "remarks": list(u.remarks),
                "mean_distance": u.mean_distance,
            },
            "syndromic": _syndromic(self.syndromic),
            "rule": str(r.rule),
            **ranked_lists(r),
            "neighbours": [
                {
                    "rank": p.rank,
                    "photo": p.photo_id,
                    "patient": p.patient_id,
                    "distance": p.distance,
                    "disorders": [d.name for d in p.disorders],
                    "unaffected": p.unaffected,
                    "ancestry": p.ancestry,
                    "sex": str(p.sex),
                    "age_years": p.age_years,
                    "simulated": p.simulated,
                }
                for p in r.photos
            ],
            "left_out": [
                {"photo": out.photo_id, "patient": out.patient_id, "reason": str(out.reason)} for out in r.left_out
            ],
            "gallery": {
                "name": self.gallery_name,
                "digest": r.gallery_digest,
                "restriction": str(r.restriction),
                **asdict(r.composition),
            },
            "provenance": {
                "deciface": __version__,
                "encoders": {c.id: c.sha256 for c in self.cards},
                "crops": dict(r.crop_version),
                "views_used": [str(v) for v in r.views_used],
                "views_ignored": {str(v): why for v, why in r.views_ignored},
                "unverified": list(r.unverified),
            },
        }


def _syndromic(evidence: SyndromicEvidence) -> dict[str, Any]:
    """As JSON: the log likelihood ratio of "patient of some disorder" against "unaffected", and from whom it is."""
    c = evidence.calibration
    return {
        "verdict": str(evidence.side),
        "reason": evidence.reason,
        "log_likelihood_ratio": evidence.log_likelihood_ratio,
        "interval": evidence.interval,
        "reasons": [asdict(share) for share in evidence.shares],
        "calibration": c
        and {
            "patients": c.patients,
            "disorders": c.disorders,
            "unaffected": c.unaffected,
            "patients_not_used": c.not_used,
            "slope": c.slope,
            "auroc_disorder_known": {"value": c.known.value, "interval": c.known.interval},
            "auroc_disorder_unseen": {"value": c.unseen.value, "interval": c.unseen.interval},
        },
    }


def ensemble_of(gallery: Gallery) -> str:
    """Name the ensemble that gives a query every view of a gallery."""
    by_model: dict[str, list[str]] = {}
    for view in gallery.views:
        name = "-".join(n for n, on in (("flip", view.flip), ("grey", view.grey)) if on) or "straight"
        by_model.setdefault(view.model, []).append(name)
    return "+".join(f"{model}:{','.join(views)}" for model, views in by_model.items())


def diagnose(
    photos: Sequence[Path],
    gallery: Gallery,
    *,
    encoder: PhotoEncoder,
    gallery_name: str,
    facts: PatientFacts | None = None,
    rule: Rule = Rule.NEAREST_IMAGE,
    restriction: Restriction | None = None,
    face_number: int | None = None,
    top: int = 30,
) -> FaceDiagnosis:
    """Rank a gallery for one patient, given by one or several photos.

    An encoder in reduced precision is checked: its ranking is compared with that in full precision, which is taken
    where the two differ.

    Raises
    ------
    PhotoError, NoFaceError, OptionError
        For a photo that cannot be used.
    MismatchError
        When the gallery was made with another encoder or crop.
    NoGalleryError
        When nobody is left to compare with.
    """
    facts = facts or PatientFacts()
    seen = tuple(look(p, encoder.finder, name=str(p), face_number=face_number) for p in photos)
    if len({s.photo.pixel_sha256 for s in seen}) < len(seen):
        raise MismatchError("the same photo is given twice; give each photo of the patient once")
    shown = {s.photo.pixel_sha256 for s in seen}
    owners = {p.patient.id for p in gallery.photos if p.sha256 in shown}
    patient = facts.id or (next(iter(owners)) if len(owners) == 1 else None)

    def ask(by: PhotoEncoder) -> tuple[Query, Ranking]:
        query = Query.of([e for s in seen for e in by.encode(s)], patient_id=patient)
        return query, rank(gallery, query, rule=rule, top=top, subset=restriction)

    query, ranking = ask(encoder)
    said = []
    if encoder.arithmetic.precision is not Precision.FP32:
        exact = ask(encoder.in_full_precision())
        said = [_of_precisions(ranking, exact[1], encoder.arithmetic.precision)]
        query, ranking = (query, ranking) if _same_order(ranking, exact[1]) else exact
    background = _background(facts, gallery, shown)
    return FaceDiagnosis(
        seen=seen,
        facts=facts,
        ranking=ranking,
        unusualness=unusualness(gallery, query, background=background, subset=restriction),
        syndromic=syndromic_evidence(gallery, query, background=background),
        cards=tuple(m.encoder.card for m in encoder.ensemble.members),
        gallery_name=gallery_name,
        remarks=(*said, *_remarks(seen, facts, gallery, ranking, patient)),
    )


def _background(facts: PatientFacts, gallery: Gallery, shown: Collection[str]) -> Background:
    """Age, sex and ancestry as given, else as the gallery has them of the very photo."""
    recorded = next((Background.of(p) for p in gallery.photos if p.sha256 in shown), Background())
    terms = (facts.ancestry or "").split(" / ")
    return Background(
        recorded.age_years if facts.age_years is None else facts.age_years,
        Sex(facts.sex) if facts.sex else recorded.sex,
        frozenset(terms) if facts.ancestry else recorded.ancestry,
    )


def _same_order(reduced: Ranking, exact: Ranking) -> bool:
    """Whether disorders and photos are listed alike."""
    return [d.disorder.id for d in reduced.disorders] == [d.disorder.id for d in exact.disorders] and [
        p.photo_id for p in reduced.photos
    ] == [p.photo_id for p in exact.photos]


def _of_precisions(reduced: Ranking, exact: Ranking, precision: Precision) -> str:
    n, m = len(exact.disorders), len(exact.photos)
    if _same_order(reduced, exact):
        return f"precision {precision} gives the same {n} disorders and {m} nearest photos in the same order as fp32"
    return f"precision {precision} changes the order of the {n} disorders or {m} nearest photos: fp32 was used"


def _remarks(
    seen: Sequence[SeenPhoto], facts: PatientFacts, gallery: Gallery, ranking: Ranking, patient: str | None
) -> Iterator[str]:
    """What a person should know before reading the ranking."""
    for s in seen:
        if s.quality.verdict is Verdict.RETAKE:
            yield f"'{Path(s.name).name}' should be retaken ({s.quality.advice[0]}): do not rely on what follows"
    if len(seen) > 1:
        yield f"the {len(seen)} photos are taken as one patient's, and their distances averaged"
    known = {p.patient.id for p in gallery.photos}
    if facts.id is not None and facts.id not in known:
        yield f"patient '{facts.id}' is not in the gallery: nobody was left out by that id"
    if facts.id is None and patient is not None:
        yield f"the photo is in the gallery, as patient '{patient}': all photos of that patient were left out"
    for view, why in ranking.views_ignored:
        yield f"view {view} was not used: {why}"
