"""Patient of some disorder, or unaffected? A likelihood ratio of two groups of faces, with interval, or "cannot tell".

Three features of a face (`deciface.space.unusual_features`), less what its ancestry, sex and age alone make of them,
enter a logistic regression of patients against unaffected people. A patient is entered twice with half the weight: as
if the gallery knew their disorder, and as if it did not (everybody with the disorder hidden), since either may be so of
the next one. Scores of people who were not in the regression (five folds, in which a disorder is never divided) are
calibrated by a second logistic regression (Platt, 1999), whose logit less the logarithm of patients per unaffected
person is the log likelihood ratio. It is held within the logarithm of the smaller group's size: n people cannot show
more. The interval draws people with replacement and makes both regressions again.

The distance alone tells little: published systems separate patients from controls at an area of .55 (nearest image),
.73 (DeepGestalt) and .86 (a network made for it; Reiter and others, JMIR 2024). Patients and unaffected people of a
gallery may differ in more than disorders, such as in where the photos are from, and all of it is in this ratio.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from deciface.errors import OptionError
from deciface.space.gallery import Gallery
from deciface.space.query import Query, join
from deciface.space.ranking import own_rows
from deciface.space.unusual import FEWEST_PATIENTS, MOST_PEOPLE, Reference, columns_of
from deciface.space.unusual_background import Background, Covariate, inverse_of
from deciface.space.unusual_calibration import FOLDS, People, kindred
from deciface.space.unusual_features import FEATURES, Space
from deciface.space.vectors import Block, Floats, Indices
from deciface.stats.roc import Auc, auc

LITTLE = float(np.log(2.0))
"""Likelihood ratios from 1/2 to 2 "alter probability to a small (and rarely important) degree" (Jaeschke, Guyatt and
Sackett, JAMA 271:703, 1994)."""
REPLICATES = 200
SEED = 1234


class Side(StrEnum):
    """For which group a face speaks."""

    PATIENT = "speaks for a patient of some disorder"
    UNAFFECTED = "speaks for an unaffected person"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Share:
    """What one feature adds to the log likelihood ratio.

    Parameters
    ----------
    feature
        One of `deciface.space.unusual_features.FEATURES`.
    log_likelihood_ratio
        Its part; the parts and a constant add up to the whole, before it is held in bounds.
    above_unaffected, above_patients
        Share (0 to 1) of either group with a smaller value.
    """

    feature: str
    log_likelihood_ratio: float
    above_unaffected: float
    above_patients: float

    def __str__(self) -> str:
        return (
            f"{self.feature}: larger than in {100 * self.above_unaffected:.0f} % of unaffected people and "
            f"{100 * self.above_patients:.0f} % of patients ({self.log_likelihood_ratio:+.2f})"
        )


@dataclass(frozen=True)
class Calibration:
    """How well the gallery's own patients and unaffected people are told apart, out of fold.

    Parameters
    ----------
    patients, unaffected, disorders
        How many people of each kind, and disorders.
    not_used
        Patients whose age band, sex or ancestry too few unaffected people share.
    known, unseen
        Area under the curve with the patients' disorders in the gallery, and with everybody of the disorder hidden.
    slope
        Of the second regression: below 1 the first was too sure of itself.
    """

    patients: int
    unaffected: int
    disorders: int
    not_used: int
    known: Auc
    unseen: Auc
    slope: float


@dataclass(frozen=True)
class SyndromicEvidence:
    """Evidence for "patient of some disorder" against "unaffected".

    Parameters
    ----------
    side, reason
        What can be said; the reason is empty unless it is "cannot tell".
    log_likelihood_ratio, interval
        Natural logarithm and 95 % interval; None where nothing could be calibrated. A missing number stands for 0.
    shares
        What each feature adds.
    calibration
        From whom this was learnt; None with `log_likelihood_ratio`.
    """

    side: Side
    reason: str
    log_likelihood_ratio: float | None = None
    interval: tuple[float, float] | None = None
    shares: tuple[Share, ...] = ()
    calibration: Calibration | None = None


def syndromic_evidence(gallery: Gallery, query: Query, *, background: Background | None = None) -> SyndromicEvidence:
    """Weigh "patient of some disorder" against "unaffected" by where a face stands among both.

    Everybody enters with one photo. Several query photos are measured one by one and their features averaged. O(n^2 d)
    once per gallery and set of views, O((n + m) d) per query.

    Parameters
    ----------
    gallery
        With unaffected people and patients.
    query
        Whose face; their own photos and identical pixels are left out.
    background
        Age, sex and ancestry of the face.

    Raises
    ------
    MismatchError
        Other weights or crops than the gallery's, or no view in common.
    """
    joined = join(gallery, query)
    whom = background or Background()
    reference = Reference.of(gallery).without(query)
    own = own_rows(gallery, query)
    covariates = tuple(c for c in Covariate if whom.knows(c) and reference.records(c))
    if lacking := reference.support.lacking(whom, covariates):
        return SyndromicEvidence(Side.CANNOT_TELL, lacking)
    key = ("syndromic", joined.used, covariates)
    learnt: _Learnt | str | None = gallery.kept.get(key) if not own else None
    if learnt is None:
        learnt = _learnt(reference, _patients(gallery, own), joined.used, covariates)
        if not own:
            gallery.kept[key] = learnt
    if isinstance(learnt, str):
        return SyndromicEvidence(Side.CANNOT_TELL, learnt)
    columns = columns_of(gallery, joined.used)
    single = [Query({photo: views}, query.patient_id, query.pixel_sha256) for photo, views in query.encodings.items()]
    faces = [join(gallery, one) for one in single]
    vectors = np.array([face.vector[columns] for face in faces])
    return learnt.evidence(vectors, whom)


@dataclass(frozen=True, eq=False)
class _Patients:
    """One photo of every patient with a diagnosis: row, background, disorders."""

    gallery: Gallery
    rows: Indices
    people: tuple[Background, ...]
    disorders: tuple[frozenset[str], ...]

    def at(self, numbers: Sequence[int]) -> _Patients:
        return _Patients(
            self.gallery,
            self.rows[list(numbers)],
            tuple(self.people[i] for i in numbers),
            tuple(self.disorders[i] for i in numbers),
        )


def _patients(gallery: Gallery, own: Collection[int]) -> _Patients:
    """All patients but those with the query's own rows; at most `MOST_PEOPLE`, evenly by id."""
    first: dict[str, int] = {}
    for row, photo in enumerate(gallery.photos):
        if photo.diagnoses and row not in own:
            first.setdefault(photo.patient.id, row)
    ids = sorted(first)
    spaced = np.unique(np.linspace(0, len(ids) - 1, min(len(ids), MOST_PEOPLE)).round().astype(np.intp)).tolist()
    rows = np.array([first[ids[i]] for i in spaced], dtype=np.intp)
    photos = [gallery.photos[row] for row in rows.tolist()]
    return _Patients(
        gallery,
        rows,
        tuple(Background.of(photo) for photo in photos),
        tuple(frozenset(d.disorder.id for d in photo.diagnoses) for photo in photos),
    )


def _too_few(reference: Reference, patients: _Patients) -> str:
    groups = len(np.unique(kindred(patients.disorders))) if patients.disorders else 0
    if len(reference.rows) < FEWEST_PATIENTS or len(patients.rows) < FEWEST_PATIENTS or groups < FOLDS:
        return (
            f"{len(patients.rows)} patients of {groups} disorders and {len(reference.rows)} unaffected people to "
            f"learn from; {FEWEST_PATIENTS} of {FOLDS} and {FEWEST_PATIENTS} are needed"
        )
    return ""


@dataclass(frozen=True, eq=False)
class _Learnt:
    """Both regressions, as made, and as made again from people drawn with replacement.

    Parameters
    ----------
    space, reference, covariates
        What features are measured from.
    spread
        (p, 3) what a background alone makes of the features.
    unaffected, patients
        (n, 3) and (m, 3) features, less that.
    weights
        (1 + replicates, 4) coefficients of the log likelihood ratio, a constant first.
    bound
        Largest absolute log likelihood ratio.
    """

    space: Space
    reference: Reference
    covariates: frozenset[Covariate]
    views: tuple[int, ...]
    spread: Floats
    unaffected: Floats
    patients: Floats
    weights: Floats
    bound: float
    calibration: Calibration

    def evidence(self, vectors: Floats, whom: Background) -> SyndromicEvidence:
        """Of (k, d) photos of one person."""
        design, _ = self.reference.fit_on(self.views, self.covariates)
        rows = np.repeat(design.rows([whom]), len(vectors), axis=0)
        mine = (self.space.of_faces(vectors, rows) - rows @ self.spread).mean(axis=0)
        ratios = np.clip(self.weights @ np.append(1.0, mine), -self.bound, self.bound)
        value = float(ratios[0])
        low, high = (float(end) for end in np.quantile(ratios[1:], [0.025, 0.975]))
        low, high = min(low, value), max(high, value)
        side, reason = Side.CANNOT_TELL, ""
        if low > 0 and value >= LITTLE:
            side = Side.PATIENT
        elif high < 0 and value <= -LITTLE:
            side = Side.UNAFFECTED
        else:
            why = "its interval includes 1" if low <= 0 <= high else "it is between 1/2 and 2"
            reason = f"the likelihood ratio is {np.exp(value):.2f} ({np.exp(low):.2f} to {np.exp(high):.2f}): {why}"
        middle = np.vstack([self.unaffected, self.patients]).mean(axis=0)
        shares = tuple(
            Share(
                name,
                float(self.weights[0, 1 + j] * (mine[j] - middle[j])),
                float((self.unaffected[:, j] < mine[j]).mean()),
                float((self.patients[:, j] < mine[j]).mean()),
            )
            for j, name in enumerate(FEATURES)
        )
        return SyndromicEvidence(side, reason, value, (low, high), shares, self.calibration)


def _learnt(
    reference: Reference, patients: _Patients, used: tuple[int, ...], covariates: tuple[Covariate, ...]
) -> _Learnt | str:
    """From the patients whose kind of people is known; or why nothing can be learnt."""
    usable = [i for i, person in enumerate(patients.people) if not reference.support.lacking(person, covariates)]
    chosen = patients.at(usable)
    if few := _too_few(reference, chosen):
        return few
    try:
        return _learn(reference, chosen, used, frozenset(covariates), not_used=len(patients.rows) - len(usable))
    except OptionError:
        return "all unaffected people have the same vector"


def _learn(
    reference: Reference, patients: _Patients, used: tuple[int, ...], covariates: frozenset[Covariate], *, not_used: int
) -> _Learnt:
    """Measure everybody, fit, calibrate, and again for each replicate."""
    design, fit = reference.fit_on(used, covariates)
    gallery = reference.gallery
    rows = design.rows(patients.people)
    vectors = gallery.vectors.matrix[gallery.rows[patients.rows]][:, columns_of(gallery, used)].astype(np.float64)
    space = Space.of(fit, _side_by_side(gallery, used), vectors, rows)
    usual = space.of_unaffected()
    spread = inverse_of(fit.rows) @ (fit.rows.T @ usual)
    usual = usual - fit.rows @ spread
    same = np.array([[bool(a & b) for b in patients.disorders] for a in patients.disorders])
    seen, unseen = (space.of_patients(hidden) - rows @ spread for hidden in (np.eye(len(rows), dtype=bool), same))
    people = People.of(usual, seen, unseen, kindred(patients.disorders))
    scores = people.out_of_fold()
    n, m = len(usual), len(seen)
    rng = np.random.default_rng(SEED)
    counts = [np.ones(n + m)]
    for _ in range(REPLICATES):
        drawn = np.bincount(rng.integers(0, n, n), minlength=n)
        counts.append(np.concatenate([drawn, np.bincount(rng.integers(0, m, m), minlength=m)]).astype(np.float64))
    weights, slopes = zip(*(people.coefficients(scores, count) for count in counts), strict=True)
    labels = np.arange(n + m) >= n
    calibration = Calibration(
        patients=m,
        unaffected=n,
        disorders=len(frozenset().union(*patients.disorders)),
        not_used=not_used,
        known=auc(scores[: n + m], labels),
        unseen=auc(np.delete(scores, np.s_[n : n + m]), np.delete(people.patient, np.s_[n : n + m])),
        slope=slopes[0],
    )
    bound = float(np.log(min(n, m)))
    return _Learnt(space, reference, covariates, used, spread, usual, seen, np.array(weights), bound, calibration)


def _side_by_side(gallery: Gallery, used: Sequence[int]) -> list[Block]:
    """Blocks of the views in use when these alone stand side by side."""
    widths = [gallery.vectors.blocks[i].stop - gallery.vectors.blocks[i].start for i in used]
    ends = np.cumsum([0, *widths]).tolist()
    return [Block(a, b) for a, b in itertools.pairwise(ends)]
