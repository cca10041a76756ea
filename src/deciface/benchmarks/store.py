"""How long a workspace takes to import, to open as a gallery, and to list, beside plain sqlite3 and numpy.

Made-up records in the shape of GMDB metadata, and random unit vectors: twelve views of 512 numbers a photo. The import
runs in a process of its own, whose memory is what is printed. Files are in the memory of the operating system, as they
are on any machine that has just written or read them.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np

from deciface.benchmarks.result import Bench, Row, machine
from deciface.cases import (
    Ancestry,
    Case,
    Consent,
    Diagnosis,
    DiagnosisStatus,
    Disorder,
    Encoding,
    Patient,
    Phenotype,
    Scope,
    Sex,
    TermState,
    Variant,
    View,
    Zygosity,
)
from deciface.consent import Role
from deciface.space import Gallery
from deciface.store import Workspace

IMPORT_S, IMPORT_MB, OPEN_S, PAGE_MS = 60.0, 2048.0, 0.5, 20.0
"""What was promised for `SIZE`."""

_DISORDERS = 450
_WITH_TERMS = 45
"""In GMDB v1.0.9, 4,432 of 9,764 images come with HPO terms: this many in a hundred."""
_CASES_AT_ONCE = 1000
_PAGE = "SELECT id, sex FROM patients WHERE id > ? ORDER BY id LIMIT 50"
_ROUNDS = 7
_T = TypeVar("_T")


@dataclass(frozen=True)
class Size:
    """Cases of one photo each, and what a photo is encoded to."""

    photos: int = 10_000
    views: int = 12
    dimensions: int = 512

    def __str__(self) -> str:
        return f"{self.photos:,} photos x {self.views} x {self.dimensions}"


SIZE = Size()


def run(size: Size = SIZE) -> Bench:
    """Measure; about a minute, 1.2 GB of memory and as much space for temporary files."""
    with tempfile.TemporaryDirectory(prefix="deciface-bench-") as folder:
        root = Path(folder) / "workspace"
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
            seconds, peak_mb = child.submit(import_all, root, size).result()
        rows = _importing(size, seconds, peak_mb, peer_s=_by_hand(Path(folder), size))
        with Workspace.open(root, user="maker") as workspace:
            rows += _opening(workspace, size) + _listing(workspace, size)
    return Bench("store", machine(), tuple(rows))


def import_all(root: Path, size: Size) -> tuple[float, float]:
    """Import cases, then encodings, into a new workspace; return seconds and this process's peak memory in MB."""
    begun = time.perf_counter()
    with Workspace.create(root, user="maker") as workspace:
        for start in range(0, size.photos, _CASES_AT_ONCE):
            numbers = range(start, min(size.photos, start + _CASES_AT_ONCE))
            for outcome in workspace.add_cases([_case(i) for i in numbers], origin="gmdb"):
                if isinstance(outcome, Exception):
                    raise outcome
        workspace.add_encodings(_encodings(size))
    return time.perf_counter() - begun, _peak_mb()


def _peak_mb() -> float:
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _case(i: int) -> Case:
    """A row of GMDB metadata as a case."""
    disorder = Disorder(f"OMIM:{100_000 + i % _DISORDERS}", f"disorder {i % _DISORDERS}")
    case = Case(
        Patient(
            f"{i:06d}",
            (Sex.FEMALE, Sex.MALE)[i % 2],
            (Ancestry("Asian"), Ancestry("East Asian")) if i % 3 else (Ancestry("European"),),
        ),
        diagnoses=(Diagnosis(disorder, (f"GENE{i % _DISORDERS}",), DiagnosisStatus.MOLECULAR),),
        phenotypes=tuple(
            Phenotype(f"HP:{1000 + (31 * i + 97 * k) % 6000:07d}", TermState.EXCLUDED if k > 5 else TermState.PRESENT)
            for k in range(8 if i % 100 < _WITH_TERMS else 0)
        ),
        variants=(
            Variant(f"GENE{i % _DISORDERS}", hgvs=(f"NM_{i:06d}.3:c.{i + 1}C>T",), zygosity=Zygosity.HETEROZYGOUS),
        ),
        consents=(Consent(Scope.CARE), Consent(Scope.GALLERY, evidence=f"PMID:{20_000_000 + i}")),
        references=(f"PMID:{20_000_000 + i}",),
    )
    photo = case.photo(_photo_id(i), sha256=f"{i:064x}", age_years=i % 40 / 2, file_name=f"{i}.jpg")
    return case.with_photos([photo])


def _photo_id(i: int) -> str:
    return f"photo {i:06d}"


def _encodings(size: Size, *, first: int = 0, photos: int | None = None) -> Iterator[Encoding]:
    """Make encodings while they are read; models are named as those of an ensemble with four views each."""
    rng = np.random.default_rng(7)
    views = [View(f"m{v // 4}", flip=v % 4 > 1, grey=v % 2 == 1) for v in range(size.views)]
    for i in range(first, first + (size.photos if photos is None else photos)):
        block = rng.standard_normal((size.views, size.dimensions), dtype=np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        for view, vector in zip(views, block, strict=True):
            yield Encoding(_photo_id(i), f"{i:064x}", "crop/1", "e" * 64, view, vector)


def _by_hand(folder: Path, size: Size) -> float:
    """Write the same vectors into a bare table, as a user would; return seconds."""
    begun = time.perf_counter()
    with closing(sqlite3.connect(folder / "peer.sqlite")) as connection:
        connection.execute("CREATE TABLE v (photo TEXT, view TEXT, vector BLOB, PRIMARY KEY (photo, view))")
        rows = ((e.photo_id, str(e.view), e.vector.tobytes()) for e in _encodings(size))
        connection.executemany("INSERT INTO v VALUES (?, ?, ?)", rows)
        connection.commit()
    return time.perf_counter() - begun


def _importing(size: Size, seconds: float, peak_mb: float, *, peer_s: float) -> list[Row]:
    vectors_mb = size.photos * size.views * size.dimensions * 4 / 2**20
    return [
        _row(
            f"import {size.photos:,} cases and {size}",
            seconds,
            "s",
            most=IMPORT_S,
            peer=("sqlite3, the vectors alone in a bare table", peer_s),
        ),
        _row("memory of that import", peak_mb, "MB", most=IMPORT_MB, peer=("the vectors alone", vectors_mb)),
    ]


def _opening(workspace: Workspace, size: Size) -> list[Row]:
    first_s, _ = _timed(workspace.gallery)
    cached_s = median(_timed(workspace.gallery)[0] for _ in range(_ROUNDS))
    (file,) = (workspace.root / "cache").glob("*.npy")
    load_s = median(_timed(lambda: np.load(file))[0] for _ in range(_ROUNDS))
    rebuilt_s, _ = _timed(lambda: Gallery.build(workspace.photos(), workspace.encodings()))
    workspace.add_cases([_case(size.photos)], origin="gmdb")
    workspace.add_encodings(_encodings(size, first=size.photos, photos=1))
    added_s, gallery = _timed(workspace.gallery)
    if len(gallery) != size.photos + 1:
        raise RuntimeError(f"the gallery has {len(gallery)} photos, {size.photos + 1} were imported")
    rebuilt = ("built from the database without it", rebuilt_s)
    return [
        _row(
            f"open the gallery of {size} from the cache, with its people",
            cached_s,
            "s",
            most=OPEN_S,
            peer=("numpy.load of the matrix alone into memory", load_s),
        ),
        _row("the same", cached_s, "s", peer=rebuilt),
        _row("open it after one photo was added", added_s, "s", peer=rebuilt),
        _row("open it for the first time, which makes the cache", first_s, "s", peer=rebuilt),
    ]


def _listing(workspace: Workspace, size: Size) -> list[Row]:
    workspace.set_user("viewer", [Role.VIEWER])
    rows = []
    with (
        Workspace.open(workspace.root, user="viewer") as viewed,
        closing(sqlite3.connect(workspace.root / "deciface.sqlite")) as plain,
    ):
        middle = f"{size.photos // 2:06d}"
        pages: dict[str, Callable[[], object]] = {
            "first page": viewed.list_page,
            "page in the middle": lambda: viewed.list_page(after=middle),
            "page of one disorder": lambda: viewed.list_page(disorder="OMIM:100007"),
            "page of a text": lambda: viewed.list_page(text="gene7"),
        }
        for name, page in pages.items():
            page_ms = median(_timed(page)[0] for _ in range(3 * _ROUNDS)) * 1e3
            plain_ms = (
                median(_timed(lambda: plain.execute(_PAGE, (middle,)).fetchall())[0] for _ in range(_ROUNDS)) * 1e3
            )
            rows.append(
                _row(
                    f"list {size.photos:,} cases as the policy allows, {name}",
                    page_ms,
                    "ms",
                    most=PAGE_MS,
                    peer=("sqlite3, ids of a page, no policy", plain_ms),
                )
            )
    return rows


def _timed(work: Callable[[], _T]) -> tuple[float, _T]:
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def _row(name: str, value: float, unit: str, *, most: float | None = None, peer: tuple[str, float]) -> Row:
    return Row(
        name=name,
        value=value,
        unit=unit,
        target=None if most is None else f"<= {most:g}",
        holds=None if most is None else value <= most,
        peer=peer[0],
        peer_value=peer[1],
        ratio=value / peer[1],
    )
