"""`deciface bench encode`: photos per second beside dlib and one-at-a-time passes, and the identity smoke test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deciface.benchmarks.ensemble import ensemble_rows, median_seconds
from deciface.benchmarks.reference import Person, london, reference_root
from deciface.benchmarks.result import Bench, Row, machine
from deciface.encoders import Encoder, Ensemble, Member, OnnxEncoder, encode_views, open_encoder
from deciface.errors import NothingFoundError
from deciface.faces import FaceFinder, align
from deciface.models import Colour, Layout, ModelStore, Runtime
from deciface.photos import read_photo

BATCHES = (1, 32)
THREADS = (1, 2)
ROUNDS = 5
PEER = "dlib-bin, one thread"
Crops = NDArray[np.uint8]


def _crops(count: int, side_px: int) -> Crops:
    """Noise: an encoder's speed does not depend on what it sees."""
    return np.random.default_rng(1).integers(0, 256, (count, side_px, side_px, 3), dtype=np.uint8)


def _dlib(store: ModelStore) -> Callable[[Crops], NDArray[np.float64]] | None:
    """Open dlib's own run of the same file; None where dlib-bin is not installed."""
    try:
        import dlib
    except ImportError:
        return None
    network = dlib.face_recognition_model_v1(str(store.path("dlib-resnet")))
    return lambda crops: np.array([network.compute_face_descriptor(crop) for crop in crops])


def _beside_dlib(store: ModelStore) -> list[Row]:
    peer = _dlib(store)
    few, crops = _crops(4, 150), _crops(max(BATCHES), 150)
    runs: dict[str, Callable[[], object]] = {}
    sizes: dict[str, int] = {}
    for threads in THREADS:
        encoder = open_encoder(store, "dlib-resnet", threads=threads)
        for batch in BATCHES:
            name = f"dlib-resnet: batch {batch}, {threads} thread{'s' if threads > 1 else ''}"
            sizes[name] = batch
            runs[name] = lambda encoder=encoder, batch=batch: encoder.encode(crops[:batch])  # type: ignore[misc]
    if peer:
        runs[PEER], sizes[PEER] = lambda: peer(few), len(few)
    rate = {name: sizes[name] / seconds for name, seconds in median_seconds(runs, rounds=ROUNDS).items()}
    beside = rate.pop(PEER, None)
    label = PEER if peer else "dlib-bin is not installed (pip install 'deciface[dlib]')"
    rows = [Row(n, v, "photos/s", None, None, label, beside, v / beside if beside else None) for n, v in rate.items()]
    if peer:
        raw = peer(few)
        unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        gap = float(np.abs(open_encoder(store, "dlib-resnet").encode(few) - unit).max())
        rows.append(Row("dlib-resnet: largest difference from dlib-bin", gap, "per value", "<= 1e-5", gap <= 1e-5))
    return rows


def _mobilefacenet(store: ModelStore) -> list[Row]:
    """Rows of the MobileFaceNet that lies with the reference data, if it does."""
    try:
        path = reference_root() / "models" / "mobilefacenet_foamliu.onnx"
    except NothingFoundError:
        return []
    if not path.exists():
        return []
    card = replace(
        store.card("dlib-resnet"),
        id="mobilefacenet",
        runtime=Runtime.ONNX,
        input_px=(112, 112),
        colour=Colour.RGB,
        layout=Layout.NCHW,
        mean=(123.675, 116.28, 103.53),
        std=(58.395, 57.12, 57.375),
        alignment="arcface-112",
    )
    return [_rate(OnnxEncoder(path, card, threads=threads), threads) for threads in THREADS]


def _rate(encoder: Encoder, threads: int) -> Row:
    crops = _crops(max(BATCHES), encoder.card.input_px[0])
    seconds = median_seconds({"": lambda: encoder.encode(crops)}, rounds=ROUNDS)[""]
    name = f"{encoder.card.id}: batch {len(crops)}, {threads} thread{'s' if threads > 1 else ''}"
    return Row(name, len(crops) / seconds, "photos/s")


def _encode_photos(paths: list[Path], store: ModelStore) -> NDArray[np.float32]:
    finder, encoder = FaceFinder.from_store(store), open_encoder(store, "dlib-resnet")
    crops = []
    for path in paths:
        pixels = read_photo(path).pixels
        crops.append(align(pixels, finder.find(pixels).choose(), str(encoder.card.alignment)))
    ensemble = Ensemble((Member(encoder, encoder.card.views),))
    views = encode_views({str(encoder.card.alignment): np.stack(crops)}, ensemble)
    joined: NDArray[np.float32] = np.concatenate([matrix for _, matrix in views], axis=1)
    return joined / np.float32(np.sqrt(len(views)))


def _identity(store: ModelStore, people: list[Person]) -> Row:
    """Whether each smiling photo is nearest to the same person's neutral one: a smoke test of the path, no more."""
    smiling = [i for i, person in enumerate(people) if person.smiling]
    neutral = _encode_photos([person.neutral for person in people], store)
    queries = _encode_photos([p.smiling for p in people if p.smiling], store)
    found = 100 * float((np.argmax(queries @ neutral.T, axis=1) == smiling).mean())
    name = f"dlib-resnet: {len(smiling)} smiling photos find their own person first among {len(people)}"
    return Row(name, found, "%", "100", found == 100)


def run() -> Bench:
    """Measure; without the London photos only speed.

    Raises
    ------
    ModelError
        When model files are missing.
    """
    store = ModelStore()
    rows = [*_beside_dlib(store), *_mobilefacenet(store), *ensemble_rows(store)]
    try:
        people = london()
    except NothingFoundError:
        people = []
    if people:
        rows.append(_identity(store, people))
    return Bench("encode", machine(), tuple(rows))
