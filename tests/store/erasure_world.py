"""A workspace with two people and everything that can come of their photos, and a search for what is left of one."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from sqlalchemy import insert

from deciface.cases import Case, Consent, Encoding, Patient, Scope, View
from deciface.consent import Actor, Role
from deciface.faces.landmarks import FACE_POINTS
from deciface.store import audit, derived, gallery_cache, people, photo_rows, tables, vectors
from deciface.store.derived import DerivedKind
from deciface.store.engines import read, write
from deciface.store.jobs import JobQueue
from deciface.store.photo_files import PhotoFolder, StoredFile
from deciface.store.versions import count_up, stamp, version

NOW = dt.datetime(2026, 11, 25, 8, 0, tzinfo=dt.UTC)
CURATOR = Actor("ann", frozenset({Role.CURATOR}), "bonn")
VIEWER = Actor("vic", frozenset({Role.VIEWER}), "bonn")
VIEWS = tuple(View(f"net{n}", "face", flip, grey) for n in range(3) for flip in (False, True) for grey in (False, True))
DERIVED = {
    "reports/crop-a.png": (DerivedKind.CROP, ["P1-a"]),
    "reports/heat-a.png": (DerivedKind.HEATMAP, ["P1-a"]),
    "reports/P1.html": (DerivedKind.REPORT, ["P1-a", "P1-b"]),
    "reports/P2.html": (DerivedKind.REPORT, ["P2-c"]),
    "reports/all.png": (DerivedKind.COMPOSITE, ["P1-a", "P1-b", "P2-c"]),
    "reports/centroid.bin": (DerivedKind.CENTROID, ["P1-a", "P2-c"]),
    "exports/all.csv": (DerivedKind.EXPORT, ["P1-a", "P1-b", "P2-c"]),
    "exports/all.csv.meta.json": (DerivedKind.EXPORT, ["P1-a", "P1-b", "P2-c"]),
}
LEFT_BY_A_KILLED_EXPORT = "exports/.all.csv.x1_y2z3.part"


@dataclass(frozen=True)
class Traces:
    """What must not be found of a photo any more: windows of its file, vectors, face points, and its pixels' hash."""

    photo_id: str
    windows: tuple[bytes, ...]

    def found_in(self, content: bytes) -> bool:
        return any(window in content for window in self.windows)


def picture(seed: int) -> tuple[bytes, str]:
    """A PNG of noise, which nothing can compress away, and the hash of its pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 40, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue(), hashlib.sha256(pixels.tobytes()).hexdigest()


def fill(workspace, *, outside: Path) -> dict[str, Traces]:
    """Two people, three photos with twelve views and two versions of points each, and what came of them; the traces."""
    outside.mkdir(parents=True, exist_ok=True)
    files, traces = PhotoFolder(workspace.root / "photos"), {}
    contents: dict[str, bytes] = {}
    with write(workspace.engine) as connection:
        for number, (patient, photo_ids) in enumerate({"P1": ["P1-a", "P1-b"], "P2": ["P2-c"]}.items()):
            case = Case(
                Patient(patient), consents=(Consent(Scope.GALLERY, text_version="1"),), other_ids=("X-" + patient,)
            )
            people.insert_cases(connection, [case], owner="ann", origin="csv", site="bonn", at=stamp(NOW))
            for i, photo_id in enumerate(photo_ids):
                image, pixel_hash = picture(10 * number + i)
                stored: StoredFile = files.put(image)
                photo = case.photo(photo_id, sha256=pixel_hash, age_years=4.0, file_name=f"{photo_id}.png")
                photo_rows.insert_photos(connection, [photo], {photo_id: stored}, at=stamp(NOW))
                rows = np.random.default_rng(99 + 10 * number + i).normal(size=(len(VIEWS), 512)).astype(np.float32)
                rows /= np.linalg.norm(rows, axis=1, keepdims=True)
                vectors.insert_encodings(
                    connection,
                    [
                        Encoding(photo_id, pixel_hash, "c1", "w" * 64, v, row)
                        for v, row in zip(VIEWS, rows, strict=True)
                    ],
                )
                points = store_points(connection, photo_id, pixel_hash, seed=10 * number + i)
                traces[photo_id] = Traces(photo_id, tuple(_windows(image, rows, points, pixel_hash)))
                contents[photo_id] = image + rows.tobytes() + points.tobytes() + pixel_hash.encode()
        made = {workspace.root / path: what for path, what in DERIVED.items()}
        for path, (kind, of) in {**made, outside / "sent.csv": (DerivedKind.EXPORT, ["P1-a"])}.items():
            place = derived.place_of(path, workspace.root)
            derived.register(connection, kind=kind, places=[place], patient_ids=[], photo_ids=of, at=stamp(NOW))
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"".join(contents[photo_id] for photo_id in of))
        (workspace.root / LEFT_BY_A_KILLED_EXPORT).write_bytes(contents["P1-a"][:-300])
        queue = JobQueue(workspace.engine, clock=lambda: NOW)
        for payload, whose in (({"photo": "P1-a"}, ["P1"]), ({"photo": "P2-c"}, ["P2"]), ({"all": 1}, ["P1", "P2"])):
            queue.enqueue("encode", payload, patient_ids=whose, owner="ann", connection=connection)
        model = {"sha256": "m" * 64, "name": "gestalt", "created_at": stamp(NOW), "withdrawn_photos": 0}
        connection.execute(insert(tables.trained_models).values(model))
        trained = [{"model_sha256": "m" * 64, "photo_id": photo_id} for photo_id in contents]
        connection.execute(insert(tables.trained_on), trained)
        audit.append(
            connection, at=stamp(NOW), actor="ann", action="export", record="", detail={"photos": ["P1-a", "P2-c"]}
        )
        count_up(connection)
    open_cache(workspace)
    return traces


def store_points(connection, photo_id: str, pixel_hash: str, *, seed: int) -> np.ndarray:
    """Two versions of a photo's face points; return the points of both."""
    both = np.random.default_rng(seed).uniform(0, 4000, (2, len(FACE_POINTS), 2)).astype("<f8")
    for version_, points in enumerate(both, start=1):
        values = {
            "photo_id": photo_id,
            "version": version_,
            "photo_sha256": pixel_hash,
            "points": points.tobytes(),
            "covariance": np.zeros((len(FACE_POINTS), 2, 2), "<f8").tobytes(),
            "corrected": [],
            "source": "by hand",
            "actor": "ann",
            "created_at": stamp(NOW),
            "comment": "",
        }
        connection.execute(insert(tables.landmarks).values(values))
    return both


def open_cache(workspace) -> int:
    """Open the gallery of everybody, which writes the cache; return how many photos are in it."""
    with read(workspace.engine) as connection:
        photos = photo_rows.read_photos(connection)
        folder, now = workspace.root / "cache", version(connection)
        gallery = gallery_cache.open_gallery(connection, photos, models=None, folder=folder, version=now)
    return len(gallery.photos)


def _windows(image: bytes, rows: np.ndarray, points: np.ndarray, pixel_hash: str) -> Iterable[bytes]:
    for start in range(64, len(image) - 64, len(image) // 9):
        yield image[start : start + 64]
    for row in rows:
        for start in (0, 100, 508):
            yield row[start : start + 4].tobytes()
        yield row.astype(np.float16)[100:108].tobytes()
    for version_ in points:
        for place in (0, 80, 162):
            yield version_[place].tobytes()
    yield pixel_hash.encode()
    yield bytes.fromhex(pixel_hash)


def files_with(root: Path, traces: Traces) -> list[str]:
    """Every file below a folder in which something of the photo is found."""
    found = []
    for path in root.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a server removes files meanwhile
            if path.is_file() and traces.found_in(path.read_bytes()):
                found.append(path.relative_to(root).as_posix())
    return sorted(found)
