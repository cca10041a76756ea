"""`deciface bench explain`: do maps point at what was planted.

One feature of 3 SD is planted in each face; a disorder's mean direction is made of 20 other people with the same
feature, the controls are 40 others without any. An occlusion map is right when its highest place lies where the feature
changes the picture (`deciface.benchmarks.planted_regions`), regional similarity when the region that exceeds the
controls most is the one that holds most of that. What they are compared with: `deciface.benchmarks.explain_pointing`.
Grid and size of the patches were chosen on other simulated people and another division of the London people.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deciface.benchmarks.explain_pointing import Pointing, best_place, pointing_rows
from deciface.benchmarks.explain_rates import rate_rows
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
from deciface.processes import in_processes
from deciface.simulate import AppearanceModel

ENCODERS = ("dlib-resnet", "deciface-dysmorphic")
"""Measured where the model store has them."""
LEARNT_FROM_LONDON = frozenset({"deciface-dysmorphic"})
"""Not measured on the London photos: these people were in its training."""
MEMBERS, CONTROLS = 20, 40
SIMULATED_TESTS, LONDON_TESTS = 50, 30
SPLIT_SEED = 41
Floats = NDArray[np.float64]
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
    """Everybody of one source: controls, members by feature, where theirs lie, and the tested with their feature."""

    where: str
    controls: NDArray[np.uint8]
    members: dict[str, NDArray[np.uint8]]
    member_truths: NDArray[np.bool_]
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
    made = list(in_processes(_make, tasks, processes=available_cores(), start=_start, given=(ModelStore().root,)))
    affected = made[CONTROLS : CONTROLS + MEMBERS * len(names)]
    grouped = np.stack([one.crop for one in affected])
    grouped = grouped.reshape(len(names), MEMBERS, *grouped.shape[1:])
    last = [(feature, one) for (_, feature), one in zip(roles[-tests:], made[-tests:], strict=True)]
    return _Faces(
        where,
        np.stack([one.crop for one in made[:CONTROLS]]),
        dict(zip(names, grouped, strict=True)),
        np.stack([one.truth for one in affected]),
        tuple(last),
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


@dataclass(frozen=True, eq=False)
class _Answers:
    """Of every tested face asked about every feature, in the order of the faces and of `SINGLE_FEATURES`.

    Parameters
    ----------
    places
        By kind of map: (n, k) flat index of the highest place in the crop; k = 1 where only its own was asked.
    regions
        (n, k) number of the region that exceeds the controls most.
    controls, members, tested
        Region vectors: (r, c, d), by feature (r, m, d), and (r, n, d).
    """

    places: dict[str, NDArray[np.intp]]
    regions: NDArray[np.intp]
    controls: Floats
    members: dict[str, Floats]
    tested: Floats


def _answers(encoder: Encoder, faces: _Faces, gradient: Gradient | None) -> _Answers:
    """Ask both explanations, and gradients where there are any, about every tested face."""
    cut = regions_of(str(encoder.card.alignment))
    encode, filling = _remembering(encoder.encode), mean_face(faces.controls)
    controls = encode(faces.controls)
    contrasts = {name: Contrast.between(encode(crops), controls) for name, crops in faces.members.items()}

    def parts(crops: NDArray[np.uint8]) -> Floats:
        return region_vectors(encode, crops, filling=filling, regions=cut).astype(np.float64)

    control_parts, member_parts = parts(faces.controls), {name: parts(crops) for name, crops in faces.members.items()}
    tested_parts = parts(np.stack([planted.crop for _, planted in faces.tested]))
    places: dict[str, list[list[int]]] = {}
    for feature, planted in faces.tested:
        maps = [occlusion_map(encode, planted.crop, filling=filling, contrast=c).heat for c in contrasts.values()]
        places.setdefault("occlusion map", []).append([int(np.argmax(heat)) for heat in maps])
        if gradient is not None:
            raw = gradient(planted.crop, filling, contrasts[feature])
            places.setdefault("integrated gradients", []).append([int(np.argmax(raw))])
            smooth = feathered(raw, PATCH / 4 * len(planted.crop))
            places.setdefault("integrated gradients, smoothed", []).append([int(np.argmax(smooth))])
    regions = [
        [_most_like(cut.names, query, affected, control_parts) for affected in member_parts.values()]
        for query in tested_parts.transpose(1, 0, 2)
    ]
    found = {kind: np.array(chosen) for kind, chosen in places.items()}
    return _Answers(found, np.array(regions), control_parts, member_parts, tested_parts)


def _most_like(names: Sequence[str], query: Floats, affected: Floats, controls: Floats) -> int:
    judged = regional_similarity(names, query, patients=affected, controls=controls)
    return int(np.argmax([r.among_controls.difference if r.among_controls else 0.0 for r in judged]))


def _rows(encoder: str, template: str, faces: _Faces, answers: _Answers) -> Iterator[Row]:
    """All figures of one encoder on one source."""
    about, cut = f"{faces.where}, {encoder}", regions_of(template)
    names = list(SINGLE_FEATURES)
    asked = [names.index(feature) for feature, _ in faces.tested]
    truths = np.stack([planted.truth for _, planted in faces.tested])
    yield from _fixed_rows(about, faces)
    row, column = best_place(faces.member_truths)
    flat, blind = truths.reshape(len(truths), -1), truths[:, row, column]
    for kind, places in answers.places.items():
        if places.shape[1] == 1:
            found = Pointing(flat[np.arange(len(flat)), places[:, 0]], blind)
        else:
            found = Pointing.of(flat[:, places], asked, blind=blind)
        promised = kind == "occlusion map"
        yield from pointing_rows(about, kind, found, blind="the best fixed place", promised=promised)
    held, usual = (np.einsum("nhw,rhw->nr", t, cut.masks).argmax(axis=1) for t in (truths, faces.member_truths))
    right = answers.regions[None] == held[:, None, None]
    found = Pointing.of(right, asked, blind=held == np.bincount(usual).argmax())
    yield from pointing_rows(about, "regional similarity", found, blind="the best fixed region", promised=True)
    tested = [(feature, answers.tested[:, i], cut.names[held[i]]) for i, (feature, _) in enumerate(faces.tested)]
    yield from rate_rows(about, cut.names, controls=answers.controls, members=answers.members, tested=tested)


def _fixed_rows(about: str, faces: _Faces) -> Iterator[Row]:
    """How large the truth is: what a random place of the face hits."""
    area = [planted.truth.sum() / planted.face.sum() for _, planted in faces.tested]
    yield Row(f"{about}, a random place of the face", 100 * float(np.mean(area)), "% by area")


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
            faces = made[where, template]
            rows.extend(_rows(encoder.card.id, template, faces, _answers(encoder, faces, gradient)))
    return Bench("explain", machine(), tuple(rows))
