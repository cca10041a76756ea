"""Regional similarity: which regions are more like those of a disorder's patients than controls' regions are.

Each region is put alone into the mean face of controls, the query's and everybody else's, so that the encoder sees a
whole face in which nothing else differs. A face's score in a region is its mean cosine to the disorder's patients minus
its mean cosine to the controls. Two questions are asked, each with its own error that is held at 5 % over all regions:

* is the query's score higher than the controls' are? Then the region speaks for the disorder. It does so in at most 5 %
  of people like the controls; of people with another disorder, who are not, more can be claimed.
* is it lower than the patients' are? Then the region speaks against it. It does so in at most 5 % of people like the
  patients; how often in people without the disorder is how well it tells them apart.

Each time everybody's score, the query's too, leaves out oneself and counts all others. The query must be of the kind of
those it is ranked among: one photo a person, for the mean of several is nearer to everybody than a single photo is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from deciface.errors import NothingFoundError
from deciface.explain.composites import Crops, Encode, Floats, blend
from deciface.explain.regions import Regions
from deciface.explain.standing import FEWEST, Standing, Tail, standings


class Verdict(StrEnum):
    """What can be said of a region."""

    FOR = "speaks for"
    AGAINST = "speaks against"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class RegionSimilarity:
    """A region of the query beside those of patients and of controls.

    Parameters
    ----------
    region
        Its name.
    score, interval
        Mean cosine to patients minus mean cosine to controls, of the query's region in the mean face, with Welch's 95 %
        interval over people; None with a single patient or control.
    among_controls, among_patients
        Where the score stands; None where all scores are alike.
    verdict, words
        What can be said, and why, in a sentence.
    """

    region: str
    score: float
    interval: tuple[float, float] | None
    among_controls: Standing | None
    among_patients: Standing | None
    verdict: Verdict
    words: str


def region_vectors(encode: Encode, crops: Crops, *, filling: Crops, regions: Regions) -> NDArray[np.float32]:
    """Encode every region of every crop, each alone in the mean face.

    Parameters
    ----------
    crops, filling
        (n, h, w, 3) and (h, w, 3) uint8.

    Returns
    -------
    (r, n, d) unit rows. O(r n) passes of the encoder, one crop's regions a batch.
    """
    parts = [encode(blend(crop, filling, regions.masks)) for crop in crops]
    if not parts:
        raise NothingFoundError("no crops to compare the regions of; choose a gallery with photos")
    return np.stack(parts, axis=1)


def regional_similarity(
    names: Sequence[str], query: Floats, *, patients: Floats, controls: Floats
) -> tuple[RegionSimilarity, ...]:
    """Judge every region.

    Parameters
    ----------
    names
        Of the r regions.
    query
        (r, d) of the person in question.
    patients, controls
        (r, p, d) and (r, c, d), one photo a person, the query's person not among them.

    Raises
    ------
    NothingFoundError
        Without patients or controls.
    """
    if not patients.shape[1] or not controls.shape[1]:
        raise NothingFoundError(
            f"{patients.shape[1]} patients and {controls.shape[1]} controls to compare the regions with; at least one "
            "of each is needed: choose a gallery that has both"
        )
    of_controls = _scores(query, controls, toward=patients, own_is_toward=False)
    of_patients = _scores(query, patients, toward=controls, own_is_toward=True)
    beside = zip(names, standings(of_controls, Tail.HIGH), standings(of_patients, Tail.LOW), strict=True)
    rows = []
    for r, (name, among_controls, among_patients) in enumerate(beside):
        near = [np.einsum("nd,d->n", group[r], query[r]) for group in (patients, controls)]
        verdict, words = _judge(among_controls, among_patients, patients.shape[1], controls.shape[1])
        score = float(near[0].mean() - near[1].mean())
        rows.append(
            RegionSimilarity(
                name, score, _welch(*near), among_controls, among_patients, verdict, f"{name}: {verdict}{words}"
            )
        )
    return tuple(rows)


def _scores(query: Floats, own: Floats, *, toward: Floats, own_is_toward: bool) -> Floats:
    """Score of the query and of every member of its pool, (r, 1 + n): all are treated alike, so that ranks are exact.

    `own` is the group that the query is ranked among; its likeness to that group leaves out oneself.
    """
    pool = np.concatenate([query[:, None], own], axis=1)
    to_other = np.einsum("rnd,rd->rn", pool, toward.mean(axis=1))
    to_pool = np.einsum("rnd,rd->rn", pool, pool.sum(axis=1)) - np.einsum("rnd,rnd->rn", pool, pool)
    to_own = to_pool / own.shape[1]
    return np.asarray(to_own - to_other if own_is_toward else to_other - to_own)


def _welch(first: Floats, second: Floats) -> tuple[float, float] | None:
    """95 % interval of the difference of two means (Welch, Biometrika 34:28, 1947)."""
    if min(len(first), len(second)) < 2:
        return None
    from scipy.stats import t as student

    parts = [x.var(ddof=1) / len(x) for x in (first, second)]
    centre, squared = float(first.mean() - second.mean()), float(sum(parts))
    if squared <= 0:
        return centre, centre
    freedom = squared**2 / sum(part**2 / (len(x) - 1) for part, x in zip(parts, (first, second), strict=True))
    half = float(student.ppf(0.975, freedom)) * squared**0.5
    return centre - half, centre + half


def _judge(
    controls: Standing | None, patients: Standing | None, patient_count: int, control_count: int
) -> tuple[Verdict, str]:
    """Turn the two ranks into one statement."""
    if controls is None and patients is None:
        return Verdict.CANNOT_TELL, ": the encoder sees no difference between people here"
    counts = []
    if controls is not None:
        counts.append(f"more like the patients than {controls.below} of {controls.of} controls are")
    if patients is not None:
        counts.append(f"than {patients.below} of {patients.of} patients are")
    seen = " and ".join(counts)
    above, under = (standing is not None and standing.stands_out for standing in (controls, patients))
    if above and under:
        return Verdict.CANNOT_TELL, f": between both, {seen}"
    if above:
        return Verdict.FOR, f" the disorder: {seen} ({_p(controls)})"
    if under:
        return Verdict.AGAINST, f" the disorder: {seen} ({_p(patients)})"
    groups = ((control_count, "controls", "for"), (patient_count, "patients", "against"))
    few = [f"{FEWEST} {who} are needed to speak {how}" for count, who, how in groups if count < FEWEST]
    return Verdict.CANNOT_TELL, "; ".join([f": {seen}", *few])


def _p(standing: Standing | None) -> str:
    """The p-value over all regions."""
    return "" if standing is None else f"p = {standing.p_regions:.3f} over all regions".replace("0.", ".")
