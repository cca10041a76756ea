"""Explain: which parts of a patient's face speak for a disorder, beside its patients and matched controls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deciface import __version__
from deciface.cases import RESEARCH_USE_ONLY, SIMULATED, Disorder, Photo, Sex, Side
from deciface.encoders import Ensemble, encode_views
from deciface.errors import NoGalleryError, OptionError
from deciface.explain import (
    Contrast,
    Matched,
    OcclusionMap,
    RegionSimilarity,
    Verdict,
    match_controls,
    mean_face,
    occlusion_map,
    region_vectors,
    regional_similarity,
    regions_of,
)
from deciface.explain.composites import Crops, Encode
from deciface.faces import align
from deciface.models import ModelCard
from deciface.workflows.compared_people import Looked, Looks, drawn
from deciface.workflows.diagnosing import PatientFacts
from deciface.workflows.encoding import PhotoEncoder
from deciface.workflows.looking import SeenPhoto, look
from deciface.workflows.photo_galleries import PhotoGallery


@dataclass(frozen=True, eq=False)
class Explanation:
    """The answer.

    Parameters
    ----------
    seen, crop, disorder
        The photo, its aligned crop (h, w, 3) uint8, what was asked about.
    occlusion, regions
        The map, and every region's judgement.
    matched
        How controls were chosen.
    patients, controls
        Photos that were compared with.
    cards, views, gallery_name
        With what, and where from.
    remarks
        What a person should know before reading it, the choice of controls first.
    own_patients
        Under which ids the patient is known; left out.
    """

    seen: SeenPhoto
    crop: Crops
    disorder: Disorder
    occlusion: OcclusionMap
    regions: tuple[RegionSimilarity, ...]
    matched: Matched
    patients: tuple[Photo, ...]
    controls: tuple[Photo, ...]
    cards: tuple[ModelCard, ...]
    views: tuple[str, ...]
    gallery_name: str
    remarks: tuple[str, ...]
    own_patients: tuple[str, ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether anybody who was compared with is simulated."""
        return any(p.patient.simulated for p in (*self.patients, *self.controls))

    def named(self, verdict: Verdict) -> tuple[str, ...]:
        """Regions of which this can be said."""
        return tuple(r.region for r in self.regions if r.verdict is verdict)

    def as_document(self) -> dict[str, Any]:
        """Return what `deciface explain --json` prints."""
        return {
            "notice": RESEARCH_USE_ONLY,
            "gallery_notice": SIMULATED if self.simulated else None,
            "photo": self.seen.as_document(),
            "disorder": asdict(self.disorder),
            "speaks_for": list(self.named(Verdict.FOR)),
            "speaks_against": list(self.named(Verdict.AGAINST)),
            "regions": [
                {
                    "region": r.region,
                    "verdict": str(r.verdict),
                    "words": r.words,
                    "score": r.score,
                    "interval": r.interval,
                    "among_controls": r.among_controls and asdict(r.among_controls),
                    "among_patients": r.among_patients and asdict(r.among_patients),
                    "contrast_lost_when_covered": self.occlusion.regions[r.region],
                }
                for r in self.regions
            ],
            "occlusion_map": {
                "contrast": self.occlusion.contrast,
                "patches": self.occlusion.patches,
                "peak_px": list(self.occlusion.peak_px),
                "heat": np.round(self.occlusion.heat, 6).tolist(),
            },
            "compared_with": {
                "patients": people_counts(self.patients),
                "patient_photos": len(self.patients),
                "controls": people_counts(self.controls),
                "matched_on": list(self.matched.matched_on),
                "relaxed": list(self.matched.relaxed),
                "not_stated": list(self.matched.not_stated),
            },
            "remarks": list(self.remarks),
            "provenance": {
                "deciface": __version__,
                "gallery": self.gallery_name,
                "encoders": {c.id: c.sha256 for c in self.cards},
                "views": list(self.views),
            },
        }


def explain(
    photo: Path,
    disorder: str,
    gallery: PhotoGallery,
    *,
    encoder: PhotoEncoder,
    rng: np.random.Generator,
    facts: PatientFacts | None = None,
    face_number: int | None = None,
    advance: Callable[[int, int], object] = lambda _done, _total: None,
) -> Explanation:
    """Explain one photo in terms of one disorder.

    Parameters
    ----------
    photo, disorder
        The photo; id or name of a disorder in the gallery.
    gallery
        Of `deciface.workflows.photo_galleries`. The photo's own patient is never among those compared with.
    encoder
        Every encoder of its ensemble must take the same crop.
    rng
        Chooses people where there are more than `MOST_PEOPLE`.
    facts
        Of the patient, for the matching of controls; as the gallery has them when the photo is in it.
    advance
        Called with 1 and the number of photos to look at, after each.

    Raises
    ------
    PhotoError, NoFaceError, OptionError
        For a photo, face or ensemble that cannot be used.
    NoGalleryError
        When nobody with the disorder, or nobody unaffected, is left.
    """
    alignment = _one_alignment(encoder.ensemble)
    seen = look(photo, encoder.finder, name=photo.name, face_number=face_number)
    sha256 = seen.photo.pixel_sha256
    own = gallery.owners_of(photo, sha256) | ({facts.id} if facts and facts.id else set())
    whole = _known(facts, [p for p in gallery.photos if p.patient.id in own])
    others = [p for p in gallery.photos if p.patient.id not in own]
    which, affected = _with_disorder(others, disorder)
    matched = match_controls(
        [p for p in others if p.unaffected and p.patient.id not in gallery.diagnosed],
        age_years=whole.age_years,
        sex=Sex(whole.sex) if whole.sex else None,
        ancestry=whole.ancestry.split(" / ") if whole.ancestry else (),
    )
    chosen = [drawn(affected, rng), drawn(matched.photos, rng)]
    total = sum(map(len, chosen))
    looked = Looked(gallery, encoder, alignment, sha256, lambda: advance(1, total))
    patients, controls = (looked.without_own(part) for part in [looked.at(some) for some in chosen])
    if not patients or not controls:
        raise NoGalleryError(
            f"{len(patients)} patients with {which.id} and {len(controls)} controls are left whose photos could be "
            "used; at least one of each is needed: choose another gallery"
        )
    crop = align(seen.pyramid, seen.face, alignment)
    occlusion, regions = _explained(encoder.ensemble, alignment, crop, patients, controls)
    return Explanation(
        seen=seen,
        crop=crop,
        disorder=which,
        occlusion=occlusion,
        regions=regions,
        matched=matched,
        patients=tuple(p for p, _ in patients),
        controls=tuple(p for p, _ in controls),
        cards=tuple(m.encoder.card for m in encoder.ensemble.members),
        views=tuple(map(str, encoder.ensemble.views)),
        gallery_name=gallery.name,
        remarks=tuple(_remarks(gallery, looked, facts, own, matched, len(controls))),
        own_patients=tuple(sorted(own | looked.same_pixels)),
    )


def _explained(
    ensemble: Ensemble, alignment: str, crop: Crops, patients: Looks, controls: Looks
) -> tuple[OcclusionMap, tuple[RegionSimilarity, ...]]:
    """Both explanations, in the crops of one template."""
    encode, regions = encode_with(ensemble, alignment), regions_of(alignment)
    affected, unaffected = (np.stack([c for _, c in group]) for group in (patients, controls))
    contrast = Contrast.between(encode(affected), encode(unaffected))
    occlusion = occlusion_map(encode, crop, filling=mean_face(unaffected), contrast=contrast, regions=regions)
    # the patient's crop is in the mean face as every control's is, so that nothing but the face sets it apart from them
    filling = mean_face(np.concatenate([crop[None], unaffected]))
    query, *others = (
        region_vectors(encode, crops, filling=filling, regions=regions).astype(np.float64)
        for crops in (crop[None], affected, unaffected)
    )
    return occlusion, regional_similarity(regions.names, query[:, 0], patients=others[0], controls=others[1])


def encode_with(ensemble: Ensemble, alignment: str) -> Encode:
    """Join all views of an ensemble to one unit row, whose cosine is the mean of the views' cosines."""

    def encode(crops: Crops) -> NDArray[np.float32]:
        views = [matrix for _, matrix in encode_views({alignment: crops}, ensemble)]
        return np.concatenate(views, axis=1) / np.float32(np.sqrt(len(views)))

    return encode


def _one_alignment(ensemble: Ensemble) -> str:
    if len(ensemble.alignments) > 1:
        raise OptionError(
            f"the ensemble takes crops of {', '.join(ensemble.alignments)}; parts of a face can be exchanged in one "
            "crop only: give encoders of one of them, --encoder"
        )
    return ensemble.alignments[0]


def _known(facts: PatientFacts | None, own: Sequence[Photo]) -> PatientFacts:
    """What was said about the patient, else what the gallery says."""
    given = facts or PatientFacts()
    if not own:
        return given
    patient = own[0].patient
    terms = [a.term for a in patient.ancestry if a.side is Side.SELF] or [a.term for a in patient.ancestry]
    return PatientFacts(
        id=patient.id,
        age_years=own[0].age_years if given.age_years is None else given.age_years,
        sex=given.sex or str(patient.sex),
        ancestry=given.ancestry or " / ".join(terms) or None,
    )


def _with_disorder(photos: Sequence[Photo], asked: str) -> tuple[Disorder, list[Photo]]:
    """The disorder of that id or name, and the photos of its patients."""
    known = {d.disorder.id: d.disorder for p in photos for d in p.diagnoses}
    wanted = asked.strip().casefold()
    hits = [d for d in known.values() if wanted in (d.id.casefold(), d.name.casefold())]
    if not hits:
        listed = ", ".join(sorted(known)[:12]) + (" ..." if len(known) > 12 else "")
        raise NoGalleryError(
            f"nobody else in the gallery has '{asked}'; there are {listed or 'no diagnoses'}: give one of these ids"
        )
    return hits[0], [p for p in photos if any(d.disorder.id == hits[0].id for d in p.diagnoses)]


def _remarks(
    gallery: PhotoGallery,
    looked: Looked,
    facts: PatientFacts | None,
    own: set[str],
    matched: Matched,
    controls: int,
) -> Iterator[str]:
    yield str(matched)
    if matched.people > controls:
        yield f"{controls} of the {matched.people} controls were looked at, drawn at random"
    known = {p.patient.id for p in gallery.photos}
    if facts and facts.id and facts.id not in known:
        yield f"patient '{facts.id}' is not in the gallery: nobody was left out by that id"
    left_out = (own & known) | looked.same_pixels
    if left_out:
        yield f"{', '.join(sorted(left_out))}: the patient's own, not compared with"
    elif not (facts and facts.id):
        yield "the patient was not named: if other photos of theirs are in the gallery, give --patient"
    if looked.problems:
        yield f"{len(looked.problems)} photos of the gallery could not be used; the first: {looked.problems[0]}"


def people_counts(photos: Sequence[Photo]) -> dict[str, Any]:
    """Count people, and by ancestry and sex."""
    people = {p.patient.id: p.patient for p in photos}.values()

    def counts(labels: Sequence[str]) -> Mapping[str, int]:
        return {label: labels.count(label) for label in sorted(set(labels))}

    return {
        "people": len(people),
        "by_ancestry": counts([p.ancestry_label for p in people]),
        "by_sex": counts([str(p.sex) for p in people]),
    }
