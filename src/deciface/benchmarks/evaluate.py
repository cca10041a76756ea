"""How long an evaluation takes, beside the same distances computed pair by pair in numpy in the same run.

Simulated vectors, no faces: a gallery of the shape of the GestaltMatcher Database (about 200 frequent and 250 rare
disorders, 1.3 photos a patient). The pair-by-pair figure is measured on a sample of pairs and scaled to all of them,
which its rows say; all pairs would take hours.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
from numpy.typing import NDArray

from deciface.benchmarks.result import Bench, Row, machine
from deciface.cases import Diagnosis, Disorder, Patient, Photo, View
from deciface.evaluation.accuracy import per_patient, published
from deciface.evaluation.leakage import find_leakage
from deciface.evaluation.protocol import PUBLISHED, Experiment, Protocol, Run, make_protocol
from deciface.evaluation.ranks import rank_all
from deciface.space import Gallery

RANK_S = 20.0
FOUR_S = 60.0
PEAK_MB = 2048.0
RATIO = 100.0
_ROUNDS = 3
_MODELS = ("m0", "m1", "glint360k")
"""The last is by its name an ArcFace of identities, so that near-duplicate people are looked for."""
_SAMPLE = (10, 400)
"""Queries and gallery photos of the pairs that are measured one by one, per round."""


@dataclass(frozen=True)
class Size:
    """What to measure.

    Parameters
    ----------
    photos, queries
        In the gallery, and asked about besides.
    views, dimensions
        Of every photo.
    disorders
        Frequent and rare ones.
    """

    photos: int = 10_000
    queries: int = 1_000
    views: int = 12
    dimensions: int = 512
    disorders: tuple[int, int] = (204, 246)


def run(size: Size | None = None) -> Bench:
    """Measure; about two minutes and 1.5 GB of memory at full size."""
    size = size or Size()
    rng = np.random.default_rng(7)
    gallery = _gallery(size, rng)
    labels = [tuple(d.disorder.id for d in photo.diagnoses) for photo in gallery.photos]
    what = f"{size.queries:,} queries x {size.photos:,} photos x {size.views} x {size.dimensions}"
    apart = Run(
        Experiment.FREQUENT, None, np.arange(size.photos, len(gallery)), np.arange(size.photos), own_left_out=False
    )
    alone = Protocol((apart,), tuple(labels), (), (), "benchmark", None)
    ours, formula, pair, one = [], [], [], []
    for _ in range(_ROUNDS):  # interleaved, so that a busy moment of the machine meets all of them
        ours.append(_seconds(lambda: rank_all(gallery, alone)))
        formula.append(_pair_seconds(gallery, size, rng, distance=_cosine_distance) * size.queries * size.photos)
        pair.append(_pair_seconds(gallery, size, rng, distance=_unit_distance) * size.queries * size.photos)
        one.append(_query_seconds(gallery, size, rng) * size.queries)
    inside = gallery.subset(patients={photo.patient.id for photo in gallery.photos[: size.photos]})
    four, tests, rows = _four(inside)
    value = median(ours)
    scaled = f"{_SAMPLE[0] * _SAMPLE[1]:,} pairs scaled to {size.queries * size.photos:,}"
    peak = _peak_mb()
    return Bench(
        "evaluate",
        machine(),
        (
            Row(
                f"rank {what}",
                value,
                "s",
                f"<= {RANK_S:g}",
                value <= RANK_S,
                f"numpy pair by pair, the cosine as its formula stands, {scaled}",
                median(formula),
                value / median(formula),
            ),
            Row(
                "how many times faster than pair by pair (scaled)",
                median(formula) / value,
                "times",
                f">= {RATIO:g}",
                median(formula) / value >= RATIO,
            ),
            Row(
                "the same",
                value,
                "s",
                peer=f"numpy pair by pair, rows of length 1 made beforehand, {scaled}",
                peer_value=median(pair),
                ratio=value / median(pair),
            ),
            Row(
                "the same",
                value,
                "s",
                peer=f"numpy float32, one product a query, {_SAMPLE[0]} queries scaled to {size.queries:,}",
                peer_value=median(one),
                ratio=value / median(one),
            ),
            Row(
                f"all four experiments, ten splits: {tests:,} tests x {rows:,} photos, leakage checks and intervals",
                four,
                "s",
                f"<= {FOUR_S:g}",
                four <= FOUR_S,
            ),
            Row("peak memory of this process, the vectors included", peak, "MB", f"<= {PEAK_MB:g}", peak <= PEAK_MB),
        ),
    )


def _four(gallery: Gallery) -> tuple[float, int, int]:
    """Seconds of the published protocol from the gallery to the tables, tests of all runs, photos."""
    begun = time.perf_counter()
    patients = [photo.patient.id for photo in gallery.photos]
    labels = [tuple(d.disorder.id for d in photo.diagnoses) for photo in gallery.photos]
    protocol = make_protocol(patients, labels, experiments=PUBLISHED)
    find_leakage(gallery, protocol).refuse()
    ranked = rank_all(gallery, protocol)
    published(ranked, protocol, gallery.patient_of_row)
    per_patient(ranked, protocol, seed=1)
    return time.perf_counter() - begun, sum(len(r.test) for r in protocol.runs), len(gallery)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _cosine_distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(1 - np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def _unit_distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Of rows that have length 1 already."""
    return float(1 - np.dot(a, b))


def _pair_seconds(
    gallery: Gallery,
    size: Size,
    rng: np.random.Generator,
    *,
    distance: Callable[[NDArray[np.float32], NDArray[np.float32]], float],
) -> float:
    """Seconds of one pair as a user would write it: the mean distance over views, the nearest of every disorder."""
    queries, photos = min(_SAMPLE[0], size.queries), min(_SAMPLE[1], size.photos)
    rows = rng.choice(size.photos, photos, replace=False).tolist()
    blocks = [gallery.vectors.matrix[:, b.start : b.stop] for b in gallery.vectors.blocks]
    owner = [gallery.photos[row].diagnoses[0].disorder.id for row in rows]
    begun = time.perf_counter()
    for query in range(size.photos, size.photos + queries):
        nearest: dict[str, float] = {}
        for row, disorder in zip(rows, owner, strict=True):
            away = sum(distance(block[query], block[row]) for block in blocks) / len(blocks)
            if away < nearest.get(disorder, np.inf):
                nearest[disorder] = away
        sorted(nearest, key=nearest.__getitem__)
    return (time.perf_counter() - begun) / (queries * photos)


def _query_seconds(gallery: Gallery, size: Size, rng: np.random.Generator) -> float:
    """Seconds of one query by someone who knows numpy: one product with the gallery, a sort, the first of each."""
    queries = rng.choice(np.arange(size.photos, len(gallery)), min(_SAMPLE[0], size.queries), replace=False)
    owner = [photo.diagnoses[0].disorder.id for photo in gallery.photos[: size.photos]]
    inside = gallery.vectors.matrix[: size.photos]
    begun = time.perf_counter()
    for row in queries.tolist():
        away = 1 - inside @ gallery.vectors.matrix[row] / np.float32(size.views)
        first: dict[str, float] = {}
        for i in np.argsort(away).tolist():
            first.setdefault(owner[i], float(away[i]))
    return (time.perf_counter() - begun) / len(queries)


def _peak_mb() -> float:
    """Largest resident memory this process ever had; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024.0 if sys.platform != "darwin" else 1024.0**2)


def _gallery(size: Size, rng: np.random.Generator) -> Gallery:
    """Gallery photos, and after them the queries: further patients of the same disorders."""
    frequent, rare = size.disorders
    of_patient = np.repeat(np.arange(frequent, frequent + rare), rng.integers(2, 7, rare))
    people = int((size.photos + size.queries) / 1.3)
    shares = rng.exponential(size=frequent) + 0.4
    more = rng.choice(frequent, max(0, people - len(of_patient)), p=shares / shares.sum())
    of_patient = rng.permutation(np.concatenate([of_patient, more]))
    owners = np.sort(rng.integers(0, len(of_patient), size.photos + size.queries))
    matrix_views = tuple(
        View(_MODELS[v // 4 % len(_MODELS)], flip=v % 4 > 1, grey=v % 2 == 1) for v in range(size.views)
    )
    disorder = of_patient[owners]
    latent = rng.standard_normal((frequent + rare, 64), dtype=np.float32)[disorder]
    latent += rng.standard_normal((len(of_patient), 64), dtype=np.float32)[owners] * np.float32(1.5)
    blocks: list[NDArray[np.float32]] = []
    for _ in matrix_views:
        block = latent @ (rng.standard_normal((64, size.dimensions), dtype=np.float32) / np.float32(8))
        block += rng.standard_normal(block.shape, dtype=np.float32) * np.float32(0.7)
        blocks.append(block)
    names = [Diagnosis(Disorder(f"D{d}", f"disorder {d}")) for d in range(frequent + rare)]
    someone = Patient("", simulated=True)
    photos = [
        Photo(f"{i:06d}", replace(someone, id=f"p{owner}"), f"{i:064x}", 5.0, (names[d],))
        for i, (owner, d) in enumerate(zip(owners.tolist(), disorder.tolist(), strict=True))
    ]
    models = {view.model for view in matrix_views}
    return Gallery.from_arrays(
        photos,
        matrix_views,
        blocks,
        encoder_sha256=dict.fromkeys(models, "e" * 64),
        crop_version=dict.fromkeys(models, "crop/1"),
    )
