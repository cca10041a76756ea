"""How long one query takes, exactly and on one thread, beside plain numpy in the same run.

Simulated vectors, no faces: 450 disorders, 1.3 photos a patient, a shared mean, and views that agree about a face as
well as the views of one encoder do. The last space is the hardest there is: independent random numbers in every view,
which no encoder makes and in which hardly any row can be ruled out early.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np
from numpy.typing import NDArray

from deciface.benchmarks.result import Bench, Row, machine
from deciface.cases import Diagnosis, Disorder, Encoding, Patient, Photo, View
from deciface.space import Gallery, Query, rank
from deciface.space.vectors import one_thread

TARGET_MS = 8.0
QUERIES = 15
_DISORDERS = 450


@dataclass(frozen=True)
class _Space:
    name: str
    photos: int
    views: int
    dimensions: int
    independent: bool
    promised: bool


SPACES = (
    _Space("10,000 photos x 12 views x 512", 10_000, 12, 512, independent=False, promised=True),
    _Space("100,000 photos x 512", 100_000, 1, 512, independent=False, promised=True),
    _Space("10,000 photos x 12 independent random views x 512", 10_000, 12, 512, independent=True, promised=False),
)


def run(spaces: tuple[_Space, ...] = SPACES) -> Bench:
    """Measure; about a minute and 1.5 GB of memory."""
    rows: list[Row] = []
    for space in spaces:
        rows += _measure(space)
    return Bench("search", machine(), tuple(rows))


def _measure(space: _Space) -> list[Row]:
    rng = np.random.default_rng(7)
    owners = rng.integers(0, int(space.photos / 1.3), space.photos)
    blocks = _blocks(space, owners, rng)
    gallery = _gallery(space, owners, blocks)
    queries = [_query(gallery, blocks, i, rng) for i in rng.integers(0, space.photos, QUERIES).tolist()]
    begun = time.perf_counter()
    rank(gallery, queries[0])
    prepared_s = time.perf_counter() - begun
    # Interleaved, so that a busy moment of the machine meets all of them.
    ours: list[float] = []
    per_view: list[float] = []
    one_product: list[float] = []
    read: list[float] = []
    bits = gallery.vectors.matrix.view(np.uint64)
    for query in queries[1:]:
        vectors = [query.encodings["query"][view].vector for view in gallery.views]
        whole = np.concatenate(vectors)
        ours.append(_ms(partial(rank, gallery, query)))
        with one_thread():
            per_view.append(_ms(partial(_per_view, blocks, vectors)))
            one_product.append(_ms(partial(_one_product, gallery.vectors.matrix, whole)))
            read.append(_ms(partial(np.bitwise_or.reduce, bits, axis=None)))
    value, first = median(ours), gallery.vectors.searched_by
    gigabytes = gallery.vectors.matrix.nbytes / 1e9
    return [
        Row(
            name=f"{space.name}: rank photos, patients, disorders, genes ({first})",
            value=value,
            unit="ms",
            target=f"<= {TARGET_MS:g}" if space.promised else None,
            holds=value <= TARGET_MS if space.promised else None,
            peer="numpy, 1 - cosine view by view, and a sort",
            peer_value=median(per_view),
            ratio=value / median(per_view),
        ),
        Row(
            name=f"{space.name}: the same, best of {len(ours)}",
            value=min(ours),
            unit="ms",
            peer="numpy, one product and a sort, best",
            peer_value=min(one_product),
            ratio=min(ours) / min(one_product),
        ),
        Row(
            name=f"{space.name}: the same against the limit of any float32 search, best",
            value=min(ours),
            unit="ms",
            peer=f"reading the vectors once ({gigabytes:.2f} GB)",
            peer_value=min(read),
            ratio=min(ours) / min(read),
        ),
        Row(name=f"{space.name}: first query, which prepares the gallery", value=prepared_s * 1e3, unit="ms"),
    ]


def _ms(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1e3


def _per_view(blocks: list[NDArray[np.float32]], vectors: list[NDArray[np.float32]]) -> NDArray[np.intp]:
    """Search as a user would write it."""
    total = np.zeros(len(blocks[0]), np.float32)
    for block, vector in zip(blocks, vectors, strict=True):
        total += 1 - block @ vector
    return np.argsort(total / len(blocks))


def _one_product(matrix: NDArray[np.float32], vector: NDArray[np.float32]) -> NDArray[np.intp]:
    """Search with all views in one product."""
    return np.argsort(1 - matrix @ vector)


def _blocks(space: _Space, owners: NDArray[np.int64], rng: np.random.Generator) -> list[NDArray[np.float32]]:
    """Make unit rows per view; row i shows the patient `owners[i]`."""
    n, d = space.photos, space.dimensions
    common = rng.standard_normal((int(owners.max()) + 1, 64), dtype=np.float32) * np.float32(0.6)
    common += rng.standard_normal((_DISORDERS, 64), dtype=np.float32)[np.arange(len(common)) % _DISORDERS]
    face = common[owners] + rng.standard_normal((n, 64), dtype=np.float32) * np.float32(0.5)
    blocks = []
    for _ in range(space.views):
        block = rng.standard_normal((n, d), dtype=np.float32)
        if not space.independent:
            block *= np.float32(0.5)
            block += face @ (rng.standard_normal((64, d), dtype=np.float32) / np.float32(8))
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        blocks.append(block)
    return blocks


def _gallery(space: _Space, owners: NDArray[np.int64], blocks: list[NDArray[np.float32]]) -> Gallery:
    disorders = [(Diagnosis(Disorder(f"D{i}", f"disorder {i}"), (f"G{i}",)),) for i in range(_DISORDERS)]
    photos = [
        Photo(f"{i:06d}", Patient(f"p{p}", simulated=True), f"{i:064x}", 5.0, disorders[p % _DISORDERS])
        for i, p in enumerate(owners.tolist())
    ]
    views = tuple(View(f"m{v // 4}", flip=v % 2 == 1, grey=v % 4 > 1) for v in range(space.views))
    models = {view.model for view in views}
    return Gallery.from_arrays(
        photos,
        tuple(sorted(views)),
        blocks,
        encoder_sha256=dict.fromkeys(models, "e" * 64),
        crop_version=dict.fromkeys(models, "crop/1"),
    )


def _query(gallery: Gallery, blocks: list[NDArray[np.float32]], row: int, rng: np.random.Generator) -> Query:
    """Another photo of somebody in the gallery."""
    encodings = []
    for view, block in zip(gallery.views, blocks, strict=True):
        vector = block[row] + rng.standard_normal(block.shape[1], dtype=np.float32) * np.float32(0.02)
        unit = (vector / np.linalg.norm(vector)).astype(np.float32)
        encodings.append(Encoding("query", "pixels", "crop/1", "e" * 64, view, unit))
    return Query.of(encodings, patient_id=gallery.photos[row].patient.id)
