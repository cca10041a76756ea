"""The 12-view ensemble of GestaltMatcher-Arc: batched and in reduced precision, against one image at a time.

The networks are those of the ensemble (iResNet-50 and two iResNet-100) with random weights: speed does not depend on
them. So that distances between faces mean something, the statistics of the batch norms are taken from simulated faces;
whether a *trained* network keeps its ranking in bfloat16 only its own weights and photos can tell
(`deciface.encoders.precision.check_precision`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deciface.benchmarks.result import Row
from deciface.cases import Sex
from deciface.encoders import (
    GESTALTMATCHER_VIEWS,
    Encoder,
    Ensemble,
    Member,
    OnnxEncoder,
    available_cores,
    encode_views,
)
from deciface.encoders.iresnet import DIMENSIONS, INPUT_PX, Weights, build_iresnet, import_torch, load_weights
from deciface.encoders.iresnet_weights import random_weights
from deciface.encoders.onnx_export import onnx_from_iresnet
from deciface.encoders.precision import Precision, PrecisionReport, check_precision
from deciface.encoders.torch_encoder import TorchEncoder
from deciface.encoders.views import augment
from deciface.errors import ModelError
from deciface.faces import FaceFinder, align
from deciface.models import CardView, Colour, Layout, ModelCard, ModelStore, Runtime
from deciface.simulate import AppearanceModel, simulate_face

MEMBERS = (("m0", "iresnet50"), ("m1", "iresnet100"), ("m2", "iresnet100"))
VIEWS: tuple[CardView, ...] = GESTALTMATCHER_VIEWS
ALIGNMENT = "arcface-112"
PHOTOS = 4
"""Photos per timed run; their views fill one batch of each network."""
SAMPLE = 24
"""Photos whose rankings are compared."""
ROUNDS = 3
FP32_TARGET, BF16_TARGET = 1.05, 2.2
Crops = NDArray[np.uint8]


def median_seconds(runs: dict[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Median seconds of each run, taken in turns so that a busy moment hits all of them alike."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - start)
    return {name: float(np.median(times)) for name, times in taken.items()}


def simulated_crops(store: ModelStore, count: int) -> Crops:
    """Aligned crops of so many simulated people, (count, 112, 112, 3)."""
    model, finder = AppearanceModel.shipped(), FaceFinder.from_store(store)
    crops = []
    for seed in range(count):
        sex, ancestry = (Sex.FEMALE, Sex.MALE)[seed % 2], model.ancestries[seed % len(model.ancestries)]
        pixels = simulate_face(model, seed, sex=sex, ancestry=ancestry).pixels
        crops.append(align(pixels, finder.find(pixels).choose(), ALIGNMENT))
    return np.stack(crops)


def untrained(architecture: str, seed: int, crops: Crops | None) -> Weights:
    """Random weights; with crops, and PyTorch, the statistics of the batch norms are theirs."""
    drawn = random_weights(architecture, np.random.default_rng(seed))
    if crops is None:
        return drawn
    torch = import_torch()
    network = build_iresnet(architecture)
    load_weights(network, drawn)
    for part in network.modules():
        if hasattr(part, "momentum"):
            part.momentum = None  # the plain mean of what was seen
    with torch.no_grad():
        network.train()(torch.from_numpy((crops.transpose(0, 3, 1, 2) - np.float32(127.5)) / np.float32(127.5)))
    state = network.state_dict()
    return {key: state[key].numpy() for key in drawn}


def _card(store: ModelStore, model: str, architecture: str) -> ModelCard:
    return replace(
        store.card("dlib-resnet"),
        id=model,
        runtime=Runtime.TORCH,
        architecture=architecture,
        input_px=(INPUT_PX, INPUT_PX),
        colour=Colour.RGB,
        layout=Layout.NCHW,
        mean=(127.5,) * 3,
        std=(127.5,) * 3,
        alignment=ALIGNMENT,
        dimensions=DIMENSIONS,
    )


def _one_at_a_time(ensemble: Ensemble, crops: Crops) -> None:
    """Every view of every photo by itself, as a straightforward script does it."""
    for crop in crops:
        for member in ensemble.members:
            for view in member.views:
                member.encoder.encode(augment(crop[None], view))


def _ensembles(store: ModelStore, crops: Crops, *, threads: int) -> dict[str, Ensemble]:
    """Build the same networks for onnxruntime and, where it is installed, PyTorch in both precisions."""
    try:
        import_torch()
        with_torch = True
    except ModelError:
        with_torch = False
    members: dict[str, list[Member]] = {}

    def add(name: str, encoder: Encoder) -> None:
        members.setdefault(name, []).append(Member(encoder, VIEWS))

    for seed, (model, architecture) in enumerate(MEMBERS):
        card = _card(store, model, architecture)
        weights = untrained(architecture, seed, crops[:16] if with_torch else None)
        add("onnxruntime", OnnxEncoder(onnx_from_iresnet(weights, architecture), card, threads=threads))
        if with_torch:
            add("PyTorch", TorchEncoder(weights, card, threads=threads))
            add("bf16", TorchEncoder(weights, card, threads=threads, precision=Precision.BF16))
    return {name: Ensemble(tuple(those)) for name, those in members.items()}


def ensemble_rows(store: ModelStore) -> list[Row]:
    """Measure; takes about a minute on two cores.

    Raises
    ------
    ModelError
        When the model files that find faces are missing.
    """
    threads = available_cores()
    crops = simulated_crops(store, SAMPLE)
    ensembles = _ensembles(store, crops, threads=threads)
    full, few = ensembles["onnxruntime"], crops[:PHOTOS]
    runs: dict[str, Callable[[], object]] = {
        f"{name}, one image at a time": lambda ensemble=ensemble: _one_at_a_time(ensemble, few)  # type: ignore[misc]
        for name, ensemble in ensembles.items()
        if name != "bf16"
    }
    runs["fp32"] = lambda: encode_views({ALIGNMENT: few}, full)
    if "bf16" in ensembles:
        runs["bf16"] = lambda: encode_views({ALIGNMENT: few}, ensembles["bf16"])
    rates = {name: PHOTOS / seconds for name, seconds in median_seconds(runs, rounds=ROUNDS).items()}
    peer = max((name for name in rates if "one image" in name), key=rates.__getitem__)
    names = " + ".join(architecture for _, architecture in MEMBERS)
    what = (
        f"{len(full.views)} views ({names}, random weights), {threads} threads, views of {PHOTOS} photos in one batch"
    )
    beside = (f"the same networks in fp32 by {peer}", rates[peer])

    ratio = rates["fp32"] / rates[peer]
    rows = [
        Row(f"{what}, fp32", rates["fp32"], "photos/s", f">= {FP32_TARGET} x", ratio >= FP32_TARGET, *beside, ratio)
    ]
    if "bf16" not in ensembles:
        return [replace(rows[0], name=f"{rows[0].name} (bf16 needs PyTorch: pip install 'deciface[torch]')")]
    report = check_precision({ALIGNMENT: crops}, full=full, reduced=ensembles["bf16"])
    ratio, target = rates["bf16"] / rates[peer], f">= {BF16_TARGET} x, ranking unchanged"
    holds = ratio >= BF16_TARGET and report.keeps_ranking
    rows.append(Row(f"{what}, bf16", rates["bf16"], "photos/s", target, holds, *beside, ratio))
    return [*rows, *_check_rows(report)]


def _check_rows(report: PrecisionReport) -> list[Row]:
    """The check of the ranking, simulated faces said so: in one precision throughout, and mixed."""
    name = f"bf16 on simulated faces: {report.as_text()}"
    unit = f"% of the nearest {report.top}"
    same, mixed = (100 * ranking.top_overlap for ranking in report.rankings)
    return [
        Row(name, same, unit, "ranking unchanged", report.keeps_ranking),
        Row("bf16 queries against a gallery in fp32: the same nearest", mixed, unit),
    ]
