"""`deciface bench faces`: found faces, mesh error, occlusion flags and speed on the London photos."""

from __future__ import annotations

import time
from collections import defaultdict

import numpy as np

from deciface.benchmarks.conditions import CONDITIONS
from deciface.benchmarks.reference import OUTER_CANTHI_TEM, Person, london
from deciface.benchmarks.result import Bench, Row, machine
from deciface.faces import Face, FaceFinder, Pyramid, align, assess
from deciface.faces.detect import BlazeFace
from deciface.faces.named_points import named_points
from deciface.models import ModelStore
from deciface.simulate.occluders import COVERS_EYES, COVERS_MOUTH, Occluder, occlude
from deciface.training.named_points import TEMPLATE_INDEX

WRONG = 0.15
"""A mesh farther off than this (of the outer-canthal distance) is wrong, whatever it says of itself."""


def mesh_error(face: Face, points_px: np.ndarray) -> float:
    """Mean distance of the 13 named points from the manual ones, in outer-canthal distances."""
    a, b = points_px[list(OUTER_CANTHI_TEM)]
    gap = named_points(face.mesh_px) - points_px[list(TEMPLATE_INDEX)]
    return float(np.hypot(*gap.T).mean() / np.hypot(*(b - a)))


def _geometry(people: list[Person], finder: FaceFinder, store: ModelStore) -> list[Row]:
    rows = []
    alone = BlazeFace(store.path("mediapipe-face-short"), "short")
    for name, worsen in CONDITIONS.items():
        errors, peer = [], 0
        for person in people:
            image, points = worsen(person.pixels(), person.points_px)
            centre, unit = (
                points[list(OUTER_CANTHI_TEM)].mean(0),
                np.hypot(*np.diff(points[list(OUTER_CANTHI_TEM)], axis=0)[0]),
            )
            boxes = [d.box_px for d in alone.find(Pyramid(image))]
            peer += any(
                np.hypot((b[0] + b[2]) / 2 - centre[0], (b[1] + b[3]) / 2 - centre[1]) < 0.8 * unit for b in boxes
            )
            faces = finder.find(image).faces
            if faces:
                errors.append(mesh_error(faces[0], points))
        found, wrong = len(errors), sum(e > WRONG for e in errors)
        n = len(people)
        rows += [
            Row(
                f"{name}: found",
                100 * found / n,
                "%",
                "100",
                found == n,
                "short-range detector alone",
                100 * peer / n,
                found / max(peer, 1),
            ),
            Row(f"{name}: wrong mesh returned", float(wrong), "faces", "0", wrong == 0),
            Row(
                f"{name}: mesh error",
                100 * float(np.mean(errors)),
                "% of outer-canthal distance",
                "<= 1.9",
                float(np.mean(errors)) <= 0.019,
            ),
        ]
    return rows


def _occlusion(people: list[Person], finder: FaceFinder) -> list[Row]:
    flags: dict[str, list[bool]] = defaultdict(list)
    for number, person in enumerate(people):
        image = person.pixels()
        face = finder.find(image).choose()
        rng = np.random.default_rng([7, number])
        for what in (None, *Occluder):
            shown = image if what is None else occlude(image, face.mesh_px, what=what, rng=rng)
            found = finder.find(shown).faces
            if not found:
                flags[f"{what}: face not found"].append(True)
                flags[str(what)].append(False)
                continue
            quality = assess(shown, found[0])
            eyes, mouth = (quality.check(f"{part} covered").advice != "" for part in ("eyes", "mouth"))
            hit = eyes if what in COVERS_EYES else mouth if what in COVERS_MOUTH else eyes or mouth
            flags[str(what)].append(hit)
            if what is None:
                flags[f"plain, {person.ancestry}"].append(hit)
    rows = []
    for what in (*COVERS_EYES, *COVERS_MOUTH):
        share = 100 * float(np.mean(flags[str(what)]))
        rows.append(
            Row(f"{what}: flagged", share, f"% of {len(people)} (people seen in training)", ">= 95", share >= 95)
        )
    for name in ("None", str(Occluder.SPECTACLES), *sorted(k for k in flags if k.startswith("plain"))):
        share = 100 * float(np.mean(flags[name]))
        label = "uncovered" if name == "None" else name
        rows.append(Row(f"{label}: falsely flagged", share, f"% of {len(flags[name])}", "<= 2", share <= 2))
    return rows


def _speed(people: list[Person], finder: FaceFinder) -> Row:
    times = []
    for person in people[:30]:
        image = person.pixels()
        start = time.perf_counter()
        photo = Pyramid(image)
        face = finder.find(photo).choose()
        assess(photo, face)
        align(photo, face, "arcface-112")
        times.append(time.perf_counter() - start)
    ms = 1000 * float(np.median(times))
    return Row("find, judge and align one 1350 x 1350 photo, one thread, median of 30", ms, "ms", "<= 15", ms <= 15)


def run() -> Bench:
    """Measure; needs the London photos and the model files."""
    import cv2

    cv2.setNumThreads(1)
    store = ModelStore()
    finder = FaceFinder.from_store(store)
    people = london()
    rows = [_speed(people, finder), *_geometry(people, finder, store), *_occlusion(people, finder)]
    return Bench("faces", machine(), tuple(rows))
