"""What a ranking says: hits, who was left out, and what it was computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from deciface.cases import Disorder, Sex, View
from deciface.space.restriction import Composition, Restriction


class Rule(StrEnum):
    """How photos become a list of disorders.

    Distances of the first three are means of 1 - cosine, 0 to 2; those of `HYBRID` are shares of an average group's, 0
    and up; those of `NEAREST_PATIENTS` are logarithms of shares, 0 and below; those of `DISCRIMINANT` are squared
    Mahalanobis distances per dimension, 0 and up. Distances of different rules are not comparable.
    """

    NEAREST_IMAGE = "nearest-image"
    """A patient, disorder or gene is as near as its nearest photo (GestaltMatcher's rule)."""
    PATIENT_MEAN = "patient-mean"
    """A patient is the mean of their photos; a disorder or gene is as near as its nearest patient."""
    DISORDER_CENTROID = "disorder-centroid"
    """A disorder or gene is the mean of its patients' means."""
    HYBRID = "hybrid"
    """Half nearest-image, half disorder-centroid, each divided by its mean over all groups compared
    (`deciface.space.aggregation`). Photos and patients are listed as under patient-mean."""
    NEAREST_PATIENTS = "nearest-patients"
    """A disorder or gene is as near as its third nearest patient (or its last), said as the common logarithm of the
    share of random groups of the same size that come as near: a disorder with 300 patients has no 300 chances
    (`deciface.space.aggregation`). Photos and patients are listed as under patient-mean."""
    DISCRIMINANT = "discriminant"
    """A disorder or gene is the mean of its patients' means, and differences that are common among patients of one
    disorder count less (regularised discriminant analysis, Friedman 1989, with the shrinkage of Ledoit and Wolf 2004;
    `deciface.space.discriminant`). Photos and patients are listed as under patient-mean."""


class Reason(StrEnum):
    """Why a gallery photo was left out of a ranking."""

    SAME_PATIENT = "same patient id as the query"
    SAME_PIXELS = "same pixels as a query photo"
    SELF_MATCH_CUT = "nearer than the published self-match cut"
    """In the compatibility mode only (`deciface.space.compatibility`)."""


@dataclass(frozen=True)
class LeftOut:
    """A gallery photo that was not compared."""

    photo_id: str
    patient_id: str
    reason: Reason


@dataclass(frozen=True)
class PhotoHit:
    """A neighbour. `rank` counts from 1; equal distances share a rank and the next is skipped (1, 2, 2, 4).

    `distance`: mean of 1 - cosine (0 to 2) under every rule.
    """

    rank: int
    distance: float
    photo_id: str
    patient_id: str
    disorders: tuple[Disorder, ...]
    genes: tuple[str, ...]
    ancestry: str
    sex: Sex
    age_years: float | None
    unaffected: bool
    simulated: bool


@dataclass(frozen=True)
class PatientHit:
    """A patient; `nearest_photo_id` gave the distance under nearest-image and is None under the other rules.

    `distance`: mean of 1 - cosine (0 to 2) under every rule; that of the patient's mean unless under nearest-image.
    """

    rank: int
    distance: float
    patient_id: str
    disorders: tuple[Disorder, ...]
    genes: tuple[str, ...]
    ancestry: str
    sex: Sex
    photos: int
    nearest_photo_id: str | None
    unaffected: bool
    simulated: bool


@dataclass(frozen=True)
class DisorderHit:
    """A disorder, how many patients and photos stood for it, and the patient (and photo) that gave the distance.

    `nearest_photo_id` is None unless the rule is nearest-image; `nearest_patient_id` is None under disorder-centroid,
    hybrid and discriminant, and the nearest patient of the disorder under nearest-patients. `distance`: as the rule
    says (`Rule`), small is close.
    """

    rank: int
    distance: float
    disorder: Disorder
    patients: int
    photos: int
    nearest_photo_id: str | None
    nearest_patient_id: str | None
    simulated: bool


@dataclass(frozen=True)
class GeneHit:
    """As `DisorderHit`, for a gene; `stands_for_disorder`: no gene is known and the name is the disorder's."""

    rank: int
    distance: float
    gene: str
    stands_for_disorder: bool
    patients: int
    photos: int
    nearest_photo_id: str | None
    nearest_patient_id: str | None
    simulated: bool


@dataclass(frozen=True)
class Ranking:
    """The answer to one query. Distances: small is close, not a probability.

    Those of photos and patients are means of 1 - cosine, 0 to 2, under every rule. Those of disorders and genes are the
    same under nearest-image, patient-mean and disorder-centroid; under discriminant they are squared Mahalanobis
    distances divided by the number of dimensions (a new patient of the disorder is at about 1 where the covariance is
    right), and under hybrid and nearest-patients what `deciface.space.aggregation` defines; these are comparable within
    this answer and not with the other lists or rules.

    Parameters
    ----------
    rule, top
        As asked for.
    photos, patients, disorders, genes
        At most `top` each, nearest first. Unaffected and undiagnosed people are among photos and patients, never among
        disorders and genes.
    query_photos
        Ids of the photos asked about.
    views_used, views_ignored
        Views that entered the distance; views that did not, each with the reason.
    left_out
        Gallery photos that were not compared. Similarity of faces is never a reason, save in the compatibility mode.
    restriction, composition, gallery_digest
        Who was compared with, before `left_out`.
    encoder_sha256, crop_version
        Per model in use; ``unknown`` where the encodings' file did not say.
    unverified
        Models in use whose weights or crops are unknown both in the gallery and in the query: that these are the same
        was assumed and could not be checked.
    k
        Under nearest-patients: which nearest patient of a group counted.
    """

    rule: Rule
    top: int
    photos: tuple[PhotoHit, ...]
    patients: tuple[PatientHit, ...]
    disorders: tuple[DisorderHit, ...]
    genes: tuple[GeneHit, ...]
    query_photos: tuple[str, ...]
    views_used: tuple[View, ...]
    views_ignored: tuple[tuple[View, str], ...]
    left_out: tuple[LeftOut, ...]
    restriction: Restriction
    composition: Composition
    gallery_digest: str
    encoder_sha256: Mapping[str, str]
    crop_version: Mapping[str, str]
    unverified: tuple[str, ...]
    k: int | None = None
