"""Cohorts in a gallery: every rule side by side, matrices, clusters, matches, and the tests of one or two cohorts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deciface import __version__
from deciface.cases import RESEARCH_USE_ONLY, SIMULATED, Encoding
from deciface.errors import NothingFoundError, OptionError, StorageError
from deciface.figures.matrix import distance_panel, draw_matrices, draw_pairs
from deciface.space import Gallery, Query, Ranking, Rule, rank
from deciface.space.clusters import Clusters
from deciface.space.cohort_test import CohortTest
from deciface.space.compatibility import CompatibleRanking, rank_as_published
from deciface.space.lumping import CohortComparison
from deciface.space.matching import Matches
from deciface.space.matrices import ITSELF, PairMatrices
from deciface.whole_files import write_whole
from deciface.workflows.ranked_lists import ranked_lists

GENE, DISORDER = "gene:", "disorder:"


@dataclass(frozen=True)
class SideBySide:
    """One query under several rules.

    Parameters
    ----------
    rankings
        In the order of the rules asked for.
    refused
        Rules that this gallery does not allow, each with the reason.
    published
        With the published self-match cut, when that was asked for.
    """

    rankings: tuple[Ranking, ...]
    refused: tuple[tuple[Rule, str], ...]
    published: CompatibleRanking | None

    def as_document(self) -> dict[str, Any]:
        """Return what `deciface gallery rank --json` prints."""
        first = self.rankings[0]
        return {
            **_heading(first.gallery_digest, simulated=first.composition.simulated > 0),
            "query_photos": list(first.query_photos),
            "rules": {str(r.rule): ranked_lists(r) for r in self.rankings},
            "refused": {str(rule): why for rule, why in self.refused},
            "published": None
            if self.published is None
            else {
                "cut": self.published.cut,
                "dropped_photos": self.published.dropped_photos,
                "dropped_patients": self.published.dropped_patients,
                **ranked_lists(self.published.ranking),
            },
            "left_out": [
                {"photo": o.photo_id, "patient": o.patient_id, "reason": str(o.reason)} for o in first.left_out
            ],
            "gallery": {"patients": first.composition.patients, "photos": first.composition.photos},
            "views_used": [str(v) for v in first.views_used],
            "unverified": list(first.unverified),
        }


def _heading(digest: str, *, simulated: bool) -> dict[str, Any]:
    return {
        "notice": RESEARCH_USE_ONLY,
        "gallery_notice": SIMULATED if simulated else None,
        "gallery_digest": digest,
        "deciface": __version__,
    }


def query_of_patient(gallery: Gallery, patient: str) -> Query:
    """All photos of somebody in the gallery, to be ranked against everybody else.

    Raises
    ------
    NothingFoundError
        Nobody of that id.
    """
    if patient not in gallery.by_patient.number:
        raise NothingFoundError(
            f"patient '{patient}' is not in the gallery of {len(gallery.by_patient)} patients; give an id as the case "
            "table has it, or their encodings with --query"
        )
    encodings = []
    for row in gallery.by_patient.rows(gallery.by_patient.number[patient]).tolist():
        photo, vector = gallery.photos[row], gallery.vectors.matrix[gallery.rows[row]]
        for view, block in zip(gallery.views, gallery.vectors.blocks, strict=True):
            encodings.append(
                Encoding(
                    photo.id,
                    photo.sha256,
                    gallery.crop_version[view.model],
                    gallery.encoder_sha256[view.model],
                    view,
                    vector[block.start : block.stop],
                )
            )
    return Query.of(encodings, patient_id=patient)


def rank_side_by_side(
    gallery: Gallery, query: Query, *, rules: Sequence[Rule] = (), top: int = 30, published_cut: float | None = None
) -> SideBySide:
    """Rank under several rules; under all when none is named, discriminant only where the gallery is large enough.

    Raises
    ------
    OptionError
        A named rule needs more people than there are; `top` or the cut is out of range.
    NoGalleryError, MismatchError
        As `deciface.space.rank`.
    """
    rankings, refused = [], []
    for rule in dict.fromkeys(rules) or Rule:
        try:
            rankings.append(rank(gallery, query, rule=rule, top=top))
        except OptionError as error:
            if rules or rule is not Rule.DISCRIMINANT:
                raise
            refused.append((rule, str(error)))
    published = None if published_cut is None else rank_as_published(gallery, query, cut=published_cut, top=top)
    return SideBySide(tuple(rankings), tuple(refused), published)


def patients_named(gallery: Gallery, cohort: str) -> tuple[str, ...]:
    """Who is meant by ``p1,p2,p3``, ``gene:NAA10`` or ``disorder:OMIM:300855``.

    Raises
    ------
    OptionError
        Nothing is named.
    NothingFoundError
        Nobody has that gene or disorder.
    """
    if cohort.startswith(DISORDER):
        wanted = cohort.removeprefix(DISORDER)
        found = {p.patient.id for p in gallery.photos if any(d.disorder.id == wanted for d in p.diagnoses)}
    elif cohort.startswith(GENE):
        wanted = cohort.removeprefix(GENE)
        found = {p.patient.id for p in gallery.photos if any(wanted in d.genes for d in p.diagnoses)}
    else:
        named = tuple(filter(None, (part.strip() for part in cohort.split(","))))
        if not named:
            raise OptionError(f"cohort '{cohort}': name patients as p1,p2,p3, or give gene:SYMBOL or disorder:ID")
        return named
    if not found:
        raise NothingFoundError(
            f"nobody in the gallery of {len(gallery.by_patient)} patients has {cohort}; see the disorders and genes of "
            "`deciface gallery rank`"
        )
    return tuple(sorted(found))


def write_matrices(pairs: PairMatrices, folder: Path, *, title: str) -> tuple[Path, Path, Path]:
    """Write ``distance_matrix.tsv``, ``rank_matrix.tsv`` (both with ids, in the order of the tree) and ``matrix.png``.

    Raises
    ------
    StorageError
        The folder cannot be made or written.
    """
    _make(folder)
    order = pairs.order.tolist()
    names = [pairs.photo_ids[i] for i in order]
    paths = folder / "distance_matrix.tsv", folder / "rank_matrix.tsv", folder / "matrix.png"
    distances = [[f"{pairs.distances[i, j]:.6f}" for j in order] for i in order]
    ranks = [["" if pairs.ranks[i, j] == ITSELF else str(pairs.ranks[i, j]) for j in order] for i in order]
    write_whole(paths[0], _table(names, distances))
    write_whole(paths[1], _table(names, ranks))
    note = f"{RESEARCH_USE_ONLY}{' The gallery holds ' + SIMULATED + '.' if pairs.simulated else ''}"
    write_whole(paths[2], draw_pairs(pairs, title=title, note=note))
    return paths


def write_clusters(found: Clusters, folder: Path) -> tuple[Path, Path]:
    """Write ``clusters.tsv`` (patient, number of the cluster or nothing) and ``clusters.png``.

    Raises
    ------
    StorageError
        The folder cannot be made or written.
    """
    _make(folder)
    number = {p: str(n) for n, cluster in enumerate(found.clusters, start=1) for p in cluster.patient_ids}
    lines = ["patient\tcluster", *(f"{p}\t{number.get(p, '')}" for p in found.patient_ids)]
    paths = folder / "clusters.tsv", folder / "clusters.png"
    write_whole(paths[0], ("\n".join(lines) + "\n").encode())
    note = f"{RESEARCH_USE_ONLY}{' The gallery holds ' + SIMULATED + '.' if found.simulated else ''}"
    picture = draw_matrices(
        (distance_panel(found.distances),),
        tree=found.tree,
        order=found.order,
        labels=[f"{p} [{number[p]}]" if p in number else p for p in found.patient_ids],
        title=f"{len(found.patient_ids)} unsolved patients, [cluster] at distance {found.cut:.3f}",
        note=note,
    )
    write_whole(paths[1], picture)
    return paths


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"folder '{folder}' cannot be made ({error.strerror}); give one that can be written"
        ) from error


def _table(names: Sequence[str], cells: Sequence[Sequence[str]]) -> bytes:
    lines = ["\t".join(["photo", *names]), *("\t".join([name, *row]) for name, row in zip(names, cells, strict=True))]
    return ("\n".join(lines) + "\n").encode()


def matrices_document(pairs: PairMatrices, files: Sequence[Path], *, digest: str) -> dict[str, Any]:
    """Return what `deciface gallery matrix --json` prints; rows and columns in the order of the tree."""
    order = pairs.order
    ranks = pairs.ranks[np.ix_(order, order)].tolist()
    return {
        **_heading(digest, simulated=pairs.simulated),
        "photos": [pairs.photo_ids[i] for i in order.tolist()],
        "patients": [pairs.patient_ids[i] for i in order.tolist()],
        "distances": pairs.distances[np.ix_(order, order)].tolist(),
        "ranks": [[None if r == ITSELF else r for r in row] for row in ranks],
        "compared": pairs.compared,
        "files": [str(f) for f in files],
    }


def clusters_document(
    found: Clusters, matches: Matches, files: Sequence[Path], *, digest: str, seed: int
) -> dict[str, Any]:
    """Return what `deciface gallery clusters --json` prints."""
    return {
        **_heading(digest, simulated=found.simulated),
        "clusters": [asdict(c) for c in found.clusters],
        "alone": list(found.alone),
        "cut": found.cut,
        "percentile": found.percentile,
        "reference": found.reference,
        "reference_pairs": found.reference_pairs,
        "matches": [asdict(m) for m in matches.matches],
        "unsolved": matches.unsolved,
        "seed": seed,
        "files": [str(f) for f in files],
    }


def cohort_document(found: CohortTest, *, seed: int) -> dict[str, Any]:
    """Return what `deciface gallery cohort-test --json` prints."""
    document = asdict(found)
    document.pop("null")  # thousands of numbers that follow from the seed
    digest, simulated = document.pop("gallery_digest"), document.pop("simulated")
    return {**_heading(digest, simulated=simulated), **document, "seed": seed}


def comparison_document(found: CohortComparison, *, seed: int) -> dict[str, Any]:
    """Return what `deciface gallery cohort-test --against --json` prints."""
    document = asdict(found)
    digest, simulated = document.pop("gallery_digest"), document.pop("simulated")
    return {**_heading(digest, simulated=simulated), **document, "seed": seed}
