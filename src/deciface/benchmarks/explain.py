"""`deciface bench explain`: do maps point at what was planted.

One feature of 3 SD is planted in each face; a disorder's mean direction is made of 20 other people with the same
feature, the controls are 40 others without any. A map hits when its highest place lies where the feature is
(`deciface.benchmarks.planted_regions`). Chance is the feature's share of the face; a map of another feature on the same
person shows how often a map hits because of the person and not of the feature. Settings of the maps were chosen on
other simulated people and another division of the London people than those here.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deciface.benchmarks.planted_regions import SINGLE_FEATURES, PlantedCrop, simulated_crop, split, warped_crop
from deciface.benchmarks.reference import Person, london
from deciface.benchmarks.result import Bench, Row, machine
from deciface.encoders import Encoder, available_cores, open_encoder
from deciface.encoders.dlib_torch import build_dlib_resnet
from deciface.encoders.iresnet import import_torch
from deciface.errors import ModelError, NothingFoundError
from deciface.explain import (
    Contrast,
    Encode,
    gradient_map,
    mean_face,
    occlusion_map,
    region_vectors,
    regional_similarity,
    regions_of,
)
from deciface.explain.occlusion import PATCH
from deciface.explain.regions import feathered
from deciface.faces import FaceFinder
from deciface.models import ModelStore
from deciface.simulate import AppearanceModel
from deciface.stats.proportions import clopper_pearson

ENCODERS = ("dlib-resnet", "deciface-dysmorphic")
"""Measured where the model store has them."""
LEARNT_FROM_LONDON = frozenset({"deciface-dysmorphic"})
"""Not measured on the London photos: these people were in its training."""
MEMBERS, CONTROLS = 20, 40
SIMULATED_TESTS, LONDON_TESTS = 50, 30
SPLIT_SEED = 41
Maps = dict[str, NDArray[np.floating]]
Gradient = Callable[[NDArray[np.uint8], NDArray[np.uint8], Contrast], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class _Task:
    """One face to make: a London person, or simulated person `number`; `feature` is empty for a control."""

    person: Person | None
    number: int
    feature: str
    template: str


@dataclass(frozen=True, eq=False)
class _Faces:
    """Everybody of one source: controls, members by feature, and the tested with their feature."""

    where: str
    controls: NDArray[np.uint8]
    members: dict[str, NDArray[np.uint8]]
    tested: tuple[tuple[str, PlantedCrop], ...]


_worker: tuple[FaceFinder, AppearanceModel] | None = None


def _start(root: Path) -> None:
    import cv2

    global _worker
    cv2.setNumThreads(1)
    _worker = FaceFinder.from_store(ModelStore(root)), AppearanceModel.shipped()


def _make(task: _Task) -> PlantedCrop:
    if _worker is None:
        raise RuntimeError("the worker was not started")
    finder, model = _worker
    features = {task.feature: SINGLE_FEATURES[task.feature]} if task.feature else {}
    if task.person is not None:
        return warped_crop(task.person, finder, task.template, features=features)
    return simulated_crop(model, finder, task.template, number=task.number, features=features)


def _faces(where: str, people: Sequence[Person | None], *, tests: int, template: str) -> _Faces:
    """Make all faces of one source, on all cores."""
    order = np.random.default_rng(SPLIT_SEED).permutation(len(people)).tolist()
    tested, members, controls = split(order, tests=tests, members=MEMBERS)
    names = list(SINGLE_FEATURES)
    roles = [
        *((n, "") for n in controls[:CONTROLS]),
        *((n, name) for name in names for n in members),
        *((n, names[i % len(names)]) for i, n in enumerate(tested)),
    ]
    tasks = [_Task(people[n], n, feature, template) for n, feature in roles]
    context = multiprocessing.get_context("spawn")
    with context.Pool(available_cores(), initializer=_start, initargs=(ModelStore().root,)) as pool:
        made = pool.map(_make, tasks, chunksize=4)
    grouped = np.stack([one.crop for one in made[CONTROLS : CONTROLS + MEMBERS * len(names)]])
    grouped = grouped.reshape(len(names), MEMBERS, *grouped.shape[1:])
    last = [(feature, one) for (_, feature), one in zip(roles[-tests:], made[-tests:], strict=True)]
    return _Faces(
        where, np.stack([one.crop for one in made[:CONTROLS]]), dict(zip(names, grouped, strict=True)), tuple(last)
    )


def _dlib_gradient(store: ModelStore) -> Gradient | None:
    """Gradients of dlib's network, where PyTorch is installed."""
    try:
        torch = import_torch()
    except ModelError:
        return None
    torch.set_num_threads(available_cores())
    network = build_dlib_resnet(store.path("dlib-resnet").read_bytes()).eval().requires_grad_(requires_grad=False)
    card = store.card("dlib-resnet")

    def fed(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(((crop - np.array(card.mean)) / np.array(card.std)).transpose(2, 0, 1), np.float32)

    def gradient(crop: NDArray[np.uint8], filling: NDArray[np.uint8], contrast: Contrast) -> NDArray[np.float64]:
        return gradient_map(network, fed(crop), fed_filling=fed(filling), contrast=contrast)

    return gradient


def _remembering(encode: Encode) -> Encode:
    """Keep the last batch: one face is covered in the same way for every contrast."""
    last: list[tuple[NDArray[np.uint8], NDArray[np.float32]]] = []

    def remembered(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        if not last or not np.array_equal(last[0][0], crops):
            last[:] = [(crops, encode(crops))]
        return last[0][1]

    return remembered


def _hits(encoder: Encoder, faces: _Faces, gradient: Gradient | None) -> dict[str, list[float]]:
    """By kind of map, for every tested face whether it hit; for ``chance`` the feature's share of the face."""
    regions = regions_of(str(encoder.card.alignment))
    encode, filling = _remembering(encoder.encode), mean_face(faces.controls)
    controls = encode(faces.controls)
    contrasts = {name: Contrast.between(encode(crops), controls) for name, crops in faces.members.items()}

    def parts(crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        return region_vectors(encode, crops, filling=filling, regions=regions).astype(np.float64)

    control_parts, member_parts = parts(faces.controls), {name: parts(crops) for name, crops in faces.members.items()}
    names = list(SINGLE_FEATURES)
    found: dict[str, list[float]] = {}
    for feature, planted in faces.tested:
        truth, crop = planted.truth(feature), planted.crop
        other = names[(names.index(feature) + 1 + len(found.get("chance", [])) % (len(names) - 1)) % len(names)]
        maps: Maps = {
            kind: occlusion_map(encode, crop, filling=filling, contrast=contrasts[name]).heat
            for kind, name in (("occlusion map", feature), ("occlusion map of another feature", other))
        }
        if gradient is not None:
            raw = gradient(crop, filling, contrasts[feature])
            maps["integrated gradients"] = raw
            maps["integrated gradients, smoothed"] = feathered(raw, PATCH / 4 * len(crop))
        for kind, heat in maps.items():
            found.setdefault(kind, []).append(float(truth[np.unravel_index(int(np.argmax(heat)), heat.shape)]))
        judged = regional_similarity(
            regions.names, parts(crop[None])[:, 0], patients=member_parts[feature], controls=control_parts
        )
        beside = [r.among_controls.difference if r.among_controls else 0.0 for r in judged]
        x, y = regions.centres_px[int(np.argmax(beside))].astype(int)
        found.setdefault("regional similarity", []).append(float(truth[y, x]))
        found.setdefault("chance", []).append(float(truth.sum() / planted.face().sum()))
    return found


def _rows(encoder: str, where: str, hits: dict[str, list[float]]) -> Iterator[Row]:
    chance = float(np.mean(hits["chance"]))
    for kind, found in hits.items():
        if kind == "chance":
            continue
        low, high = clopper_pearson(int(sum(found)), len(found))
        promised = kind in ("occlusion map", "regional similarity")
        share = float(np.mean(found))
        yield Row(
            f"{where}, {encoder}, {kind}: pointing hits",
            100 * share,
            f"% of {len(found)} (95 % interval {100 * low:.0f}-{100 * high:.0f})",
            "interval above chance" if promised else None,
            low > chance if promised else None,
            "chance by area, %",
            100 * chance,
            share / chance,
        )


def run() -> Bench:
    """Measure every encoder that is there, on simulated faces and, where it may be, on warped London photos."""
    store = ModelStore()
    sources: list[tuple[str, Sequence[Person | None], int]] = [
        ("simulated faces", [None] * (SIMULATED_TESTS + MEMBERS + CONTROLS), SIMULATED_TESTS)
    ]
    with contextlib.suppress(NothingFoundError):  # not everybody has the London photos
        sources.append(("London photos", london(), LONDON_TESTS))
    encoders = []
    for name in ENCODERS:
        with contextlib.suppress(ModelError):  # one that is not in the store is left out
            store.path(name)
            encoders.append(open_encoder(store, name, threads=available_cores()))
    rows: list[Row] = []
    made: dict[tuple[str, str], _Faces] = {}
    for encoder in encoders:
        template = str(encoder.card.alignment)
        gradient = _dlib_gradient(store) if encoder.card.id == "dlib-resnet" else None
        for where, people, tests in sources:
            if people[0] is not None and encoder.card.id in LEARNT_FROM_LONDON:
                continue
            if (where, template) not in made:
                made[where, template] = _faces(where, people, tests=tests, template=template)
            rows.extend(_rows(encoder.card.id, where, _hits(encoder, made[where, template], gradient)))
    return Bench("explain", machine(), tuple(rows))
