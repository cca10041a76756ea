"""Exact ranking of photos, patients, disorders and genes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from deciface.cases import NOT_STATED, Diagnosis
from deciface.errors import NoGalleryError, OptionError
from deciface.space.aggregation import NEAREST_PATIENTS
from deciface.space.answer import (
    DisorderHit,
    GeneHit,
    LeftOut,
    PatientHit,
    PhotoHit,
    Ranking,
    Reason,
    Rule,
)
from deciface.space.gallery import Gallery
from deciface.space.groups import Groups, Indices, disorders_of
from deciface.space.query import JoinedQuery, Query, join
from deciface.space.restriction import Restriction
from deciface.space.scoring import Prepared, Score, by_means, by_nearest_image


def rank(
    gallery: Gallery,
    query: Query,
    *,
    rule: Rule = Rule.NEAREST_IMAGE,
    top: int = 30,
    subset: Restriction | None = None,
    k: int = NEAREST_PATIENTS,
) -> Ranking:
    """Rank a gallery by closeness to a face.

    The distance of a photo is the mean over the views in use of (1 - cosine), as in GestaltMatcher (Hsieh et al.,
    Nature Genetics 54, 2022); with several query photos it is the mean of their distances. Views in use are those that
    every query photo and every gallery row have, joined by name. Distances are rounded to 6 decimals; equal ones share
    a rank and are listed by id. Unlike GestaltMatcher, which drops gallery photos that look too similar, only the
    query's own patient (by id) and photos with the query's very pixels (by hash) are left out, and named.

    patient-mean: per view the mean of a patient's unit vectors, scaled to unit length. disorder-centroid: per view the
    mean over patients of those, scaled to unit length. Both without whoever is left out, and within the restriction. A
    view in which a mean has no direction counts as a distance of 1.

    hybrid and nearest-patients: see `deciface.space.aggregation`. A disorder with one photo is ranked under every rule
    (under discriminant when the others give it a covariance).

    discriminant: disorders and genes by squared Mahalanobis distance per dimension to the mean of their patients, under
    the shrunken covariance of patients around their disorders' means; photos and patients as under patient-mean. The
    covariance and the means are those of the restricted gallery without whoever is left out: statistics that contain
    the query's own person make every accuracy look better than it is. Which rule serves best depends on the encoder
    and the gallery; this one needs many patients, and more of them per disorder. See `deciface.space.discriminant`.

    Encodings whose weights or crops are unknown are compared with their like only, and `Ranking.unverified` says so.

    Parameters
    ----------
    gallery
        Whom to compare with.
    query
        One photo, or several photos of one patient.
    rule
        How photos become patients, disorders and genes.
    top
        How many of each to list, at least 1.
    subset
        Compare only with these.
    k
        Under nearest-patients: which nearest patient of a disorder counts, the last one where it has fewer.

    Raises
    ------
    MismatchError
        Other weights or crops than the gallery's, or no view in common.
    NoGalleryError
        Nobody is left to compare with.
    OptionError
        `top` or `k` below 1; under discriminant fewer than 20 residual degrees of freedom (memberships of patients in
        disorders minus disorders, the unaffected people being one more), or patients who do not differ at all.
    """
    if top < 1:
        raise OptionError(f"top is {top}; ask for at least 1 hit")
    if k < 1:
        raise OptionError(f"k is {k}; the nearest patient is number 1")
    joined = join(gallery, query)
    searched = gallery.restricted(subset) if subset is not None else gallery
    left_out = own_rows(searched, query)
    if len(left_out) == len(searched):
        raise NoGalleryError(
            f"all {len(searched)} photos of the gallery ({searched.restriction}) belong to the query's own patient or "
            "are the query photo itself; add other people"
        )
    return ranking_without(searched, joined, left_out, query=query, rule=rule, top=top, k=k)


def ranking_without(
    searched: Gallery,
    joined: JoinedQuery,
    left_out: Mapping[int, Reason],
    *,
    query: Query,
    rule: Rule,
    top: int,
    k: int = NEAREST_PATIENTS,
) -> Ranking:
    """Rank all rows but those left out. The caller has checked the options and that somebody is left."""
    prepared: Prepared = searched.kept.get("ranking") or searched.kept.setdefault("ranking", Prepared(searched))
    excluded = np.array(sorted(left_out), dtype=np.intp)
    if rule is Rule.NEAREST_IMAGE:
        scores = by_nearest_image(prepared, joined, top=top, excluded=excluded)
    else:
        scores = by_means(prepared, joined, rule=rule, top=top, excluded=excluded, k=k)
    names = _Names(searched, excluded)
    models = sorted({view.model for view in joined.views_used})
    return Ranking(
        rule=rule,
        top=top,
        photos=tuple(names.photo(r, s) for r, s in _ranked(scores.photos)),
        patients=tuple(names.patient(r, s) for r, s in _ranked(scores.patients)),
        disorders=tuple(names.disorder(r, s) for r, s in _ranked(scores.disorders)),
        genes=tuple(names.gene(r, s) for r, s in _ranked(scores.genes)),
        query_photos=query.photo_ids,
        views_used=joined.views_used,
        views_ignored=joined.views_ignored,
        left_out=tuple(
            LeftOut(searched.photos[row].id, searched.photos[row].patient.id, left_out[row])
            for row in excluded.tolist()
        ),
        restriction=searched.restriction,
        composition=searched.composition(),
        gallery_digest=searched.digest,
        encoder_sha256={m: searched.encoder_sha256[m] for m in models},
        crop_version={m: searched.crop_version[m] for m in models},
        unverified=tuple(m for m in models if NOT_STATED in (searched.encoder_sha256[m], searched.crop_version[m])),
        k=k if rule is Rule.NEAREST_PATIENTS else None,
    )


def own_rows(gallery: Gallery, query: Query) -> dict[int, Reason]:
    """Rows of the query's own patient or with its very pixels, with the reason."""
    rows: dict[int, Reason] = {}
    for sha in query.pixel_sha256:
        rows |= dict.fromkeys(gallery.rows_of_pixels.get(sha, []), Reason.SAME_PIXELS)
    if query.patient_id is not None and (group := gallery.by_patient.number.get(query.patient_id)) is not None:
        rows |= dict.fromkeys(gallery.by_patient.rows(group).tolist(), Reason.SAME_PATIENT)
    return rows


def _ranked(scores: Sequence[Score]) -> Iterator[tuple[int, Score]]:
    """Ranks from 1; equal distances share one and the next is skipped."""
    rank_now = 0
    for place, score in enumerate(scores, start=1):
        if place == 1 or score.distance > scores[place - 2].distance:
            rank_now = place
        yield rank_now, score


class _Names:
    """Turns numbers of rows and groups into hits."""

    def __init__(self, gallery: Gallery, excluded: Indices) -> None:
        self._gallery = gallery
        self._excluded = excluded
        self._touched = {
            id(groups): {group for row in excluded.tolist() for group in groups.of_row.get(row, ())}
            for groups in (gallery.by_patient, gallery.by_disorder, gallery.by_gene)
        }

    def photo(self, place: int, score: Score) -> PhotoHit:
        photo = self._gallery.photos[score.group]
        return PhotoHit(
            rank=place,
            distance=score.distance,
            photo_id=photo.id,
            patient_id=photo.patient.id,
            disorders=disorders_of(photo.diagnoses),
            genes=_genes(photo.diagnoses),
            ancestry=photo.patient.ancestry_label,
            sex=photo.patient.sex,
            age_years=photo.age_years,
            unaffected=photo.unaffected,
            simulated=photo.patient.simulated,
        )

    def patient(self, place: int, score: Score) -> PatientHit:
        rows = self._rows(self._gallery.by_patient, score.group)
        photos = [self._gallery.photos[row] for row in rows.tolist()]
        diagnoses = [diagnosis for photo in photos for diagnosis in photo.diagnoses]
        patient = photos[0].patient
        return PatientHit(
            rank=place,
            distance=score.distance,
            patient_id=patient.id,
            disorders=disorders_of(diagnoses),
            genes=_genes(diagnoses),
            ancestry=patient.ancestry_label,
            sex=patient.sex,
            photos=len(photos),
            nearest_photo_id=self._photo_id(score),
            unaffected=not diagnoses and any(photo.unaffected for photo in photos),
            simulated=patient.simulated,
        )

    def disorder(self, place: int, score: Score) -> DisorderHit:
        groups = self._gallery.by_disorder
        patients, photos, simulated = self._counts(groups, score.group)
        return DisorderHit(
            rank=place,
            distance=score.distance,
            disorder=self._gallery.disorders[groups.keys[score.group]],
            patients=patients,
            photos=photos,
            nearest_photo_id=self._photo_id(score),
            nearest_patient_id=self._patient_id(score),
            simulated=simulated,
        )

    def gene(self, place: int, score: Score) -> GeneHit:
        groups = self._gallery.by_gene
        label = self._gallery.genes[groups.keys[score.group]]
        patients, photos, simulated = self._counts(groups, score.group)
        return GeneHit(
            rank=place,
            distance=score.distance,
            gene=label.name,
            stands_for_disorder=label.stands_for_disorder,
            patients=patients,
            photos=photos,
            nearest_photo_id=self._photo_id(score),
            nearest_patient_id=self._patient_id(score),
            simulated=simulated,
        )

    def _rows(self, groups: Groups, group: int) -> Indices:
        rows = groups.rows(group)
        return np.setdiff1d(rows, self._excluded) if group in self._touched[id(groups)] else rows

    def _counts(self, groups: Groups, group: int) -> tuple[int, int, bool]:
        """Patients, photos, and whether any of them is simulated."""
        if group not in self._touched[id(groups)]:
            return self._gallery.group_counts(groups)[group]
        rows = self._rows(groups, group)
        patients = np.unique(self._gallery.patient_of_row[rows])
        return len(patients), len(rows), bool(self._gallery.simulated_rows[rows].any())

    def _photo_id(self, score: Score) -> str | None:
        return None if score.row is None else self._gallery.photos[score.row].id

    def _patient_id(self, score: Score) -> str | None:
        if score.row is not None:
            return self._gallery.photos[score.row].patient.id
        return None if score.patient is None else self._gallery.by_patient.keys[score.patient]


def _genes(diagnoses: Sequence[Diagnosis]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(gene for diagnosis in diagnoses for gene in diagnosis.genes))
