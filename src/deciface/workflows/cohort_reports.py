"""Write what is found about cohorts as HTML pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deciface import __version__
from deciface.cases import SIMULATED
from deciface.figures.chart import shortened
from deciface.figures.discrimination import Band, band_of
from deciface.reports import clusters as clusters_page
from deciface.reports import cohort as cohort_page
from deciface.reports import ranking as ranking_page
from deciface.reports.page import Head, Pairs
from deciface.space import Gallery
from deciface.space.clusters import Clusters
from deciface.space.cohort_test import CohortTest
from deciface.space.lumping import CohortComparison, Controls, controls
from deciface.space.matching import Matches
from deciface.space.matrices import PairMatrices
from deciface.space.people import people_of
from deciface.space.restriction import NOT_RECORDED
from deciface.stats.roc import Roc, roc
from deciface.whole_files import write_whole
from deciface.workflows.cohorts import SideBySide

BAND_CURVES = 200


@dataclass(frozen=True, eq=False)
class Asked:
    """What a page is about.

    Parameters
    ----------
    gallery, gallery_name
        Whom it was asked of, and what to call it.
    about
        The patient, the cohort or both cohorts, as they were written.
    settings
        Labels and values of the options that change the answer.
    """

    gallery: Gallery
    gallery_name: str
    about: tuple[str, ...]
    settings: Pairs = ()

    @property
    def briefly(self) -> str:
        """Whom it is about as it fits a title: many patients are counted and not named."""
        named = (f"{len(ids)} patients" if len(ids := a.split(",")) > 3 else ", ".join(ids) for a in self.about)
        return shortened(" against ".join(named), 80)

    def head(self, title: str) -> Head:
        """Title, notices and provenance."""
        gallery = self.gallery
        who = gallery.composition()
        unused = [f"view {view}: some photos lack it" for view in gallery.dropped_views]
        return Head(
            title=title,
            facts=(
                ("gallery", self.gallery_name),
                ("people", f"{who.patients:,}"),
                ("photos", f"{who.photos:,}"),
                ("disorders", f"{len(who.by_disorder):,}"),
            ),
            notices=(f"The gallery holds {SIMULATED}.",) if who.simulated else (),
            provenance=(
                ("DeciFace", __version__),
                ("asked for", " against ".join(self.about)),
                *self.settings,
                ("gallery", f"{self.gallery_name} ({gallery.restriction})"),
                ("gallery digest", gallery.digest),
                ("views", ", ".join(map(str, gallery.views))),
                *((("not used", "; ".join(unused)),) if unused else ()),
                *((f"weights of {model}, sha256", sha) for model, sha in sorted(gallery.encoder_sha256.items())),
            ),
        )

    def members(self, patients: Collection[str]) -> tuple[cohort_page.Member, ...]:
        """What is recorded about some patients, in the order of their ids."""
        found = []
        for who in sorted(set(patients)):
            rows = self.gallery.by_patient.rows(self.gallery.by_patient.number[who]).tolist()
            photos = [self.gallery.photos[row] for row in rows]
            ages = sorted({p.age_years for p in photos if p.age_years is not None})
            names = dict.fromkeys(d.disorder.name for p in photos for d in p.diagnoses)
            found.append(
                cohort_page.Member(
                    who,
                    len(photos),
                    str(photos[0].patient.sex),
                    ", ".join(f"{age:g}" for age in ages) or NOT_RECORDED,
                    photos[0].patient.ancestry_label,
                    ", ".join(names) or ("unaffected" if any(p.unaffected for p in photos) else "undiagnosed"),
                )
            )
        return tuple(found)


def write_ranking_report(answer: SideBySide, path: Path, *, asked: Asked, now: dt.datetime) -> None:
    """Write one patient under several rules; a StorageError where the file cannot be written, as in all of these."""
    report = ranking_page.RankingReport(
        asked.head(f"{asked.briefly}, every rule side by side"), answer.rankings, answer.refused, answer.published
    )
    write_whole(path, ranking_page.render(report, now=now).encode())


def write_matrix_report(pairs: PairMatrices, path: Path, *, asked: Asked, now: dt.datetime) -> None:
    """Write a cohort's distances and ranks."""
    who = set(pairs.patient_ids)
    title = f"{asked.briefly}: {len(pairs.photo_ids)} photos of {len(who)} patients"
    report = cohort_page.MatrixReport(asked.head(title), asked.members(who), pairs)
    write_whole(path, cohort_page.render_matrix(report, now=now).encode())


def write_clusters_report(
    found: Clusters, matches: Matches, path: Path, *, asked: Asked, resamples: int, now: dt.datetime
) -> None:
    """Write clusters and mutual nearest pairs of unsolved patients."""
    head, members = asked.head("Unsolved patients who look alike"), asked.members(found.patient_ids)
    report = clusters_page.ClustersReport(head, found, matches, resamples, members)
    write_whole(path, clusters_page.render(report, now=now).encode())


def write_test_report(found: CohortTest, path: Path, *, asked: Asked, now: dt.datetime) -> None:
    """Write the test of one cohort."""
    report = cohort_page.CohortTestReport(
        asked.head(f"{asked.briefly}: more alike than chance?"),
        asked.members(found.patients),
        found,
    )
    write_whole(path, cohort_page.render_test(report, now=now).encode())


def write_comparison_report(found: CohortComparison, path: Path, *, asked: Asked, seed: int, now: dt.datetime) -> None:
    """Write the comparison of two cohorts; `seed` is that of the comparison."""
    pairs = controls_of(asked.gallery, found, seed=seed)
    report = cohort_page.ComparisonReport(
        asked.head(f"{asked.briefly}: same or different?"),
        asked.members(found.first),
        asked.members(found.second),
        found,
        pairs,
        None if pairs is None or found.threshold is None else _band(pairs, seed=seed),
    )
    write_whole(path, cohort_page.render_comparison(report, now=now).encode())


def controls_of(gallery: Gallery, found: CohortComparison, *, seed: int) -> Controls | None:
    """Return the control pairs that a comparison rests on, drawn again from its seed; None where there are none."""
    people = people_of(gallery)
    one, other = people.find(found.first, what="first cohort"), people.find(found.second, what="second cohort")
    taken, sizes = np.concatenate([one, other]), (len(one), len(other))
    return controls(people, taken, sizes=sizes, rng=np.random.default_rng(seed))


def _band(pairs: Controls, *, seed: int) -> Band:
    """Of curves over bootstrap samples of disorders: pairs share patients, and disorders are what was sampled."""
    rng, n = np.random.default_rng([seed, BAND_CURVES]), len(pairs.names)
    curves: list[Roc] = []
    while len(curves) < BAND_CURVES:
        times = np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64)
        weights = times[pairs.disorders[:, 0]] * np.where(pairs.different, times[pairs.disorders[:, 1]], 1.0)
        if weights[pairs.different].any() and weights[~pairs.different].any():
            curves.append(roc(pairs.distances, pairs.different, weights=weights))
    return band_of(curves)
