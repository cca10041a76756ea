"""How unusual a face is among unaffected faces of its age, sex and ancestry: a percentile, or "cannot tell"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

import numpy as np

from deciface.space.answer import LeftOut, Reason
from deciface.space.gallery import Gallery
from deciface.space.query import JoinedQuery, Query, join
from deciface.space.restriction import NOT_RECORDED, Restriction
from deciface.space.unusual_background import FEWEST_ALIKE, Background, Covariate, Design, Support, people_alike
from deciface.space.unusual_distance import NEIGHBOURS, Fit
from deciface.space.vectors import DISTANCE_DECIMALS, Floats, Indices

FEWEST_PATIENTS = 40
"""Below this many unaffected people the answer is "cannot tell".

With n people the smallest possible p is 1 / (n + 1): from 39 on it is at most .025, so that the .05 line lies
at least two people inside the scale, and the 95 % interval of an extreme percentile is no wider than 9 points (with 40
of 40 less unusual: 91 to 100).
"""
MOST_PEOPLE = 2000
"""Of more unaffected people every so many-th is compared with, by id: a percentile needs no more."""
ALPHA = 0.05


class Verdict(StrEnum):
    """What can be said."""

    UNUSUAL = "more unusual than at least 95 % of unaffected faces"
    WITHIN = "within the range of unaffected faces"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Unusualness:
    """Where a face stands among unaffected faces.

    Parameters
    ----------
    verdict, reason
        What can be said; the reason is empty unless the verdict is "cannot tell".
    mean_distance
        To the `NEIGHBOURS` nearest unaffected people, not adjusted; None when there are fewer.
    percentile, interval
        Share (0 to 1) of the people ranked among who are less unusual, with the exact 95 % Clopper-Pearson interval.
        None together with `mean_distance`.
    p
        Of the hypothesis that the face comes from the same population as these, (k + 1) / (n + 1), k of n
        being at least as unusual. Not the probability of a disorder.
    people
        n, the unaffected people ranked among.
    reference
        All unaffected people, whose faces the adjustment and the distances are from.
    background
        Age, sex and ancestry that were asked with.
    shared, relaxed
        What the n people have in common with the face; what was let go for want of people, in that order.
    adjusted
        What the regression takes out.
    remarks
        What was not recorded, and what that means.
    left_out, restriction, gallery_digest
        As in a `Ranking`.
    """

    verdict: Verdict
    reason: str
    mean_distance: float | None
    percentile: float | None
    interval: tuple[float, float] | None
    p: float | None
    people: int
    reference: int
    background: Background
    shared: tuple[Covariate, ...]
    relaxed: tuple[Covariate, ...]
    adjusted: tuple[Covariate, ...]
    remarks: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    restriction: Restriction
    gallery_digest: str

    @property
    def alike(self) -> str:
        """Who the people are, e.g. ``east asian, 2-6 years``; empty when they share nothing that is known."""
        return self.background.in_words(self.shared)


def unusualness(
    gallery: Gallery, query: Query, *, background: Background | None = None, subset: Restriction | None = None
) -> Unusualness:
    """Say how far a face is from unaffected faces, compared with how far these are from each other.

    The statistic is the mean distance to the nearest `NEIGHBOURS` people, of faces adjusted for ancestry, sex and age
    (`deciface.space.unusual_distance`), computed for the query and every unaffected person in the same way, each
    against all others *including the query*, so that under the null hypothesis all values are exchangeable and p is
    exact. The face is ranked among people of its ancestry, age band and sex. Where these are fewer than
    `FEWEST_PATIENTS`, sex is let go, then age, then ancestry; the adjustment stands for them. The person is the unit:
    everybody enters with one photo, the first by id, the query too: of several photos the others are not looked at. A
    mean over them would be held against single photos (their nearest few are nearer than those of a mean: p is at most
    .05 in .14 of unaffected people with six photos), and ways to put their p together that are valid, such as twice the
    median, find fewer unusual faces than one photo does.

    "Cannot tell" is the answer below `FEWEST_PATIENTS` unaffected people; below `FEWEST_ALIKE` of the query's own
    ancestry, age band or sex; and where one of these is not known for the query and the verdict hangs on it: it is
    found for each value in turn.

    O(n d + n^2) per query and O(n^2 d) once per gallery and set of views, n being at most `MOST_PEOPLE`.

    Parameters
    ----------
    gallery
        Its photos with `unaffected` set are the reference; the others are not looked at.
    query
        Whose face. The person's own photos and identical pixels are left out.
    background
        Age, sex and ancestry of the face.
    subset
        Compare only with these.

    Raises
    ------
    MismatchError
        Other weights or crops than the gallery's, or no view in common.
    """
    first = query.photo_ids[0]
    joined = join(gallery, Query({first: query.encodings[first]}, query.patient_id, query.pixel_sha256))
    whom = background or Background()
    searched = gallery.restricted(subset) if subset is not None else gallery
    everybody = Reference.of(searched)
    reference = everybody.without(query)
    enough = len(reference.rows) >= FEWEST_PATIENTS
    shared = frozenset(c for c in Covariate if whom.knows(c) and reference.records(c)) if enough else frozenset()
    measured = _measure(reference, joined, whom, shared) if len(reference.rows) >= NEIGHBOURS else None
    reasons = _reasons(reference, joined, whom, shared)
    verdict = measured.verdict if measured else Verdict.CANNOT_TELL
    reason = next(reasons, "")
    return Unusualness(
        verdict=Verdict.CANNOT_TELL if reason else verdict,
        reason=reason,
        mean_distance=measured.mean_distance if measured else None,
        percentile=measured.percentile if measured else None,
        interval=measured.interval if measured else None,
        p=measured.p if measured else None,
        people=measured.people if measured else len(reference.rows),
        reference=len(reference.rows),
        background=whom,
        shared=measured.shared if measured else (),
        relaxed=measured.relaxed if measured else (),
        adjusted=tuple(c for c in Covariate if c in shared),
        remarks=tuple(_remarks(reference, query, whom)) if enough else (),
        left_out=everybody.left_out(query),
        restriction=searched.restriction,
        gallery_digest=searched.digest,
    )


@dataclass(frozen=True, eq=False)
class Reference:
    """One photo of every unaffected person of a gallery.

    Parameters
    ----------
    gallery, rows
        Their rows.
    people
        Their backgrounds.
    left_unused
        How many more there are, beyond `MOST_PEOPLE`.
    """

    gallery: Gallery
    rows: Indices
    people: tuple[Background, ...]
    left_unused: int = 0

    @classmethod
    def of(cls, gallery: Gallery) -> Reference:
        """Made once a gallery: nobody who has a diagnosis in any photo."""
        kept: Reference | None = gallery.kept.get("unaffected")
        if kept is not None:
            return kept
        diagnosed = {photo.patient.id for photo in gallery.photos if photo.diagnoses}
        first: dict[str, int] = {}
        for row, photo in enumerate(gallery.photos):
            if photo.unaffected and photo.patient.id not in diagnosed:
                first.setdefault(photo.patient.id, row)
        rows = np.array([first[patient] for patient in sorted(first)], dtype=np.intp)
        spaced = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_PEOPLE)).round().astype(np.intp))
        made = cls._at(gallery, np.sort(rows[spaced]), len(rows) - len(spaced))
        gallery.kept["unaffected"] = made
        return made

    @classmethod
    def _at(cls, gallery: Gallery, rows: Indices, left_unused: int) -> Reference:
        return cls(gallery, rows, tuple(Background.of(gallery.photos[i]) for i in rows.tolist()), left_unused)

    def without(self, query: Query) -> Reference:
        """Without the query's own person and pixels; itself where these are not in it."""
        kept = np.array([self._why(row, query) is None for row in self.rows.tolist()], bool)
        return self if kept.all() else self._at(self.gallery, self.rows[kept], self.left_unused)

    def left_out(self, query: Query) -> tuple[LeftOut, ...]:
        """Who `without` leaves out, by row."""
        photos = self.gallery.photos
        found = [(photos[row], self._why(row, query)) for row in self.rows.tolist()]
        return tuple(LeftOut(photo.id, photo.patient.id, why) for photo, why in found if why is not None)

    def _why(self, row: int, query: Query) -> Reason | None:
        photo = self.gallery.photos[row]
        if photo.patient.id == query.patient_id:
            return Reason.SAME_PATIENT
        return Reason.SAME_PIXELS if photo.sha256 in query.pixel_sha256 else None

    @cached_property
    def support(self) -> Support:
        """How many there are of each kind."""
        return Support.of(self.people)

    def records(self, covariate: Covariate) -> bool:
        """Whether it is recorded for anybody."""
        return self.support.counts[covariate][NOT_RECORDED] < len(self.people)

    def vectors(self, used: Sequence[int]) -> Floats:
        """(n, d) float64, views in use side by side."""
        g = self.gallery
        taken: Floats = g.vectors.matrix[g.rows[self.rows]][:, columns_of(g, used)].astype(np.float64)
        return taken

    def fit_on(self, used: tuple[int, ...], covariates: frozenset[Covariate]) -> tuple[Design, Fit]:
        """Regression of some views on these covariates; kept with the gallery unless somebody was left out."""
        key = ("unusualness", used, covariates)
        whole = self is self.gallery.kept.get("unaffected")
        found: tuple[Design, Fit] | None = self.gallery.kept.get(key) if whole else None
        if found is None:
            design = Design.of(self.people, covariates)
            found = design, Fit.of(self.vectors(used), design.rows(self.people), views=len(used))
            if whole:
                self.gallery.kept[key] = found
        return found


def columns_of(gallery: Gallery, used: Iterable[int]) -> Indices:
    """Columns of the views in use."""
    blocks = [gallery.vectors.blocks[i] for i in used]
    return np.concatenate([np.arange(b.start, b.stop) for b in blocks])


@dataclass(frozen=True)
class _Measured:
    mean_distance: float
    percentile: float
    interval: tuple[float, float]
    p: float
    people: int
    shared: tuple[Covariate, ...]
    relaxed: tuple[Covariate, ...]

    @property
    def verdict(self) -> Verdict:
        return Verdict.UNUSUAL if self.p <= ALPHA else Verdict.WITHIN


def _measure(
    reference: Reference, joined: JoinedQuery, whom: Background, covariates: frozenset[Covariate]
) -> _Measured:
    """Rank of a face among the people like it."""
    from scipy.stats import binomtest

    design, fit = reference.fit_on(joined.used, covariates)
    vector = joined.vector[columns_of(reference.gallery, joined.used)]
    theirs, mine = fit.statistics(vector, design.rows([whom])[0])
    held = [c for c in Covariate if c in covariates]
    alike = people_alike(reference.people, whom, held, wanted=FEWEST_PATIENTS)
    n = len(alike.members)
    less = int((theirs[alike.members] < mine).sum())
    interval = binomtest(less, n).proportion_ci(confidence_level=0.95, method="exact")
    away = np.sort(1.0 - fit.matrix @ vector / fit.views)[:NEIGHBOURS]
    return _Measured(
        mean_distance=round(float(away.mean()), DISTANCE_DECIMALS),
        percentile=less / n,
        interval=(float(interval.low), float(interval.high)),
        p=(n - less + 1) / (n + 1),
        people=n,
        shared=alike.shared,
        relaxed=alike.relaxed,
    )


def _reasons(
    reference: Reference, joined: JoinedQuery, whom: Background, shared: frozenset[Covariate]
) -> Iterator[str]:
    """Why nothing can be said, the plainest reason first; nothing when something can."""
    n = len(reference.rows)
    if n < FEWEST_PATIENTS:
        where = reference.gallery.restriction
        yield f"{n} unaffected people to compare with ({where}); {FEWEST_PATIENTS} are needed"
        return
    if lacking := reference.support.lacking(whom, [c for c in Covariate if c in shared]):
        yield lacking
    for covariate in (c for c in Covariate if not whom.knows(c)):
        verdicts = {
            supposed.in_words([covariate]): _measure(reference, joined, supposed, shared | {covariate}).verdict
            for supposed in _supposed(reference, whom, covariate)
        }
        if len(set(verdicts.values())) > 1:
            unusual = [text for text, verdict in verdicts.items() if verdict is Verdict.UNUSUAL]
            others = [text for text in verdicts if text not in unusual]
            yield (
                f"{covariate} is not known and the answer hangs on it: unusual if {' or '.join(unusual)}, "
                f"within the range if {' or '.join(others)}"
            )


def _supposed(reference: Reference, whom: Background, covariate: Covariate) -> Iterator[Background]:
    """Yield the face's background with each value in turn that `FEWEST_ALIKE` people have."""
    for value, n in sorted(reference.support.counts[covariate].items()):
        if value == NOT_RECORDED or n < FEWEST_ALIKE:
            continue
        same = [person for person in reference.people if person.value(covariate) == value]
        if covariate is Covariate.ANCESTRY:
            yield replace(whom, ancestry=same[0].ancestry)
        elif covariate is Covariate.SEX:
            yield replace(whom, sex=same[0].sex)
        else:
            yield replace(whom, age_years=sorted(p.age_years or 0.0 for p in same)[n // 2])


def _remarks(reference: Reference, query: Query, whom: Background) -> Iterator[str]:
    if len(query.photo_ids) > 1:
        yield (
            f"of {len(query.photo_ids)} photos the first by id, '{query.photo_ids[0]}', is compared: unaffected people "
            "enter with one photo too"
        )
    for covariate in Covariate:
        if not reference.records(covariate):
            yield f"{covariate} is recorded for no unaffected person: the answer is not adjusted for it"
        elif not whom.knows(covariate):
            yield f"{covariate} of the patient is not given: the answer is not adjusted for it"
    if reference.left_unused:
        yield f"{reference.left_unused} more unaffected people were not compared with: {len(reference.rows)} are enough"
