"""Encode photos, one or a hundred thousand: decode, find the face, crop, encode in every view.

One photo is encoded in this process; from `POOL_FROM` photos on a pool of processes shares the cores, each process with
one thread (two threads of one network gain less than two processes, and never disturb each other).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deciface.cases import Encoding, View
from deciface.encoders import Ensemble, available_cores, encode_views, open_encoder, open_ensemble
from deciface.encoders.precision import MIN_PHOTOS, Precision, choose_precision
from deciface.errors import DeciFaceError, NothingFoundError, OptionError
from deciface.faces import FaceFinder, align, template
from deciface.models import ModelStore
from deciface.processes import in_processes
from deciface.workflows.looking import SeenPhoto, look

DEFAULT_ENSEMBLE = "dlib-resnet"
POOL_FROM = 8
_CHUNK = 4
SAMPLE = 32
"""Photos that are encoded in both precisions where reduced precision is asked for."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A photo that could not be encoded, and why; `exit_code` as of its error."""

    photo: str
    message: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class EncodedPhoto:
    """One photo's encodings, and what was seen on the way; `png` holds its pixels without metadata where asked for."""

    name: str
    pixel_sha256: str
    encodings: tuple[Encoding, ...]
    quality: str
    remarks: tuple[str, ...]
    png: bytes | None = None


@dataclass(frozen=True, slots=True)
class EncodedPhotos:
    """All photos that could be encoded, in the order given, and the problems of the others."""

    photos: tuple[EncodedPhoto, ...]
    problems: tuple[Problem, ...]

    @property
    def encodings(self) -> list[Encoding]:
        """All encodings, photo by photo."""
        return [e for photo in self.photos for e in photo.encodings]


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Where networks run and how exactly; other than ``cpu`` and ``fp32`` for models with runtime ``torch`` alone."""

    device: str = "cpu"
    precision: Precision = Precision.FP32


class PhotoEncoder:
    """Face finder and ensemble together, in one process with one thread.

    Parameters
    ----------
    store
        Where the model files are.
    ensemble
        Encoders and views by name, see `deciface.encoders.parse_ensemble`.
    arithmetic
        Where and how exactly; reduced precision is for whoever has checked it, see `settled`.
    """

    def __init__(
        self, store: ModelStore, *, ensemble: str = DEFAULT_ENSEMBLE, arithmetic: Arithmetic | None = None
    ) -> None:
        self.finder = FaceFinder.from_store(store)
        self.arithmetic = arithmetic or Arithmetic()
        self._made_of = store, ensemble
        how = self.arithmetic
        self.ensemble: Ensemble = open_ensemble(
            ensemble, partial(open_encoder, store, device=how.device, precision=how.precision)
        )

    def in_full_precision(self) -> PhotoEncoder:
        """Open the same encoders on the same device in full precision."""
        store, ensemble = self._made_of
        return PhotoEncoder(store, ensemble=ensemble, arithmetic=replace(self.arithmetic, precision=Precision.FP32))

    def encode(self, seen: SeenPhoto, *, photo_id: str | None = None) -> tuple[Encoding, ...]:
        """Encode the chosen face of a photo in every view of the ensemble."""
        crops = {a: align(seen.pyramid, seen.face, a)[None] for a in self.ensemble.alignments}
        vectors = encode_views(crops, self.ensemble)
        cards = {m.encoder.card.id: m.encoder.card for m in self.ensemble.members}

        def named(view: View, matrix: NDArray[np.float32]) -> Encoding:
            card = cards[view.model]
            return Encoding(
                photo_id=photo_id or seen.name,
                photo_sha256=seen.photo.pixel_sha256,
                crop_version=template(card.alignment or "").version,
                encoder_sha256=card.sha256,
                view=view,
                vector=matrix[0],
            )

        return tuple(named(view, matrix) for view, matrix in vectors)


def settled(
    paths: Sequence[Path], encoder: PhotoEncoder, *, face_number: int | None, say: Callable[[str], None]
) -> PhotoEncoder:
    """Take an encoder in reduced precision if it keeps the ranking of a sample of these photos, else full precision.

    Encodings do not say in which precision they were made, so it must keep the ranking against a gallery in full
    precision, too (`deciface.encoders.precision`). An encoder in full precision is returned as it is.

    Parameters
    ----------
    paths, face_number
        `SAMPLE` of the photos, evenly spaced, are looked at; which face to take in each.
    encoder
        As asked for.
    say
        Told the outcome, one line at a time.

    Raises
    ------
    OptionError
        Too few of the photos can be used: nothing can be checked.
    """
    if encoder.arithmetic.precision is Precision.FP32:
        return encoder
    spaced = np.unique(np.linspace(0, len(paths) - 1, min(len(paths), SAMPLE)).round().astype(int)).tolist()
    faces = []
    for i in spaced:
        try:
            seen = look(paths[i], encoder.finder, name=paths[i].name, face_number=face_number)
        except DeciFaceError:
            continue  # told when its turn comes
        faces.append({a: align(seen.pyramid, seen.face, a) for a in encoder.ensemble.alignments})
    if len(faces) <= MIN_PHOTOS:
        raise OptionError(
            f"precision {encoder.arithmetic.precision}: {len(faces)} usable photos of {len(paths)} given, and "
            f"{MIN_PHOTOS + 1} are needed to check that it keeps the ranking; give more, or use precision fp32"
        )
    crops = {a: np.stack([face[a] for face in faces]) for a in encoder.ensemble.alignments}
    exact = encoder.in_full_precision()
    _, report = choose_precision(crops, full=exact.ensemble, reduced=encoder.ensemble)
    say(report.as_text())
    if report.keeps_mixed_ranking:
        return encoder
    say("all photos are encoded in precision fp32")
    return exact


def photo_ids(paths: Sequence[Path]) -> list[str]:
    """Name photos by file name, or by the path below their common folder where names repeat."""
    names = [p.name for p in paths]
    if len(set(names)) == len(names):
        return names
    resolved = [p.resolve() for p in paths]
    shared = Path(*_common([p.parent.parts for p in resolved]))
    return [p.relative_to(shared).as_posix() for p in resolved]


def _common(parts: Iterable[tuple[str, ...]]) -> list[str]:
    columns = zip(*parts, strict=False)
    shared = []
    for column in columns:
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    return shared


@dataclass(frozen=True, slots=True)
class _Task:
    path: Path
    photo_id: str
    face_number: int | None
    keep_png: bool


_worker: PhotoEncoder | None = None


def _start(root: Path, ensemble: str, arithmetic: Arithmetic) -> None:
    global _worker
    _worker = PhotoEncoder(ModelStore(root), ensemble=ensemble, arithmetic=arithmetic)


def _work(task: _Task) -> EncodedPhoto | Problem:
    if _worker is None:
        raise RuntimeError("the worker was not started")
    return _encoded(_worker, task)


def _encoded(encoder: PhotoEncoder, task: _Task) -> EncodedPhoto | Problem:
    try:
        seen = look(task.path, encoder.finder, name=task.photo_id, face_number=task.face_number)
        encodings = encoder.encode(seen)
    except DeciFaceError as error:
        return Problem(task.photo_id, str(error), error.exit_code)
    return EncodedPhoto(
        task.photo_id,
        seen.photo.pixel_sha256,
        encodings,
        str(seen.quality.verdict),
        seen.remarks,
        png_bytes(seen.photo.pixels) if task.keep_png else None,
    )


def png_bytes(pixels: NDArray[np.uint8]) -> bytes:
    """Return (h, w, 3) uint8 pixels as a PNG without metadata: what is kept is exactly what was encoded."""
    import cv2

    _, code = cv2.imencode(".png", pixels[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return code.tobytes()


def iter_encoded(
    paths: Sequence[Path],
    *,
    store: ModelStore,
    ensemble: str = DEFAULT_ENSEMBLE,
    face_number: int | None = None,
    names: Sequence[str] | None = None,
    processes: int | None = None,
    keep_png: bool = False,
    arithmetic: Arithmetic | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Generator[EncodedPhoto | Problem, None, None]:
    """Encode many photos one after the other, in order; the models are loaded once a process.

    A photo that cannot be encoded becomes a problem and stops nobody else.

    Parameters
    ----------
    paths
        Photos.
    store, ensemble
        Models, see `PhotoEncoder`.
    face_number
        Which face to take in every photo; the largest when left out.
    names
        Photo ids; made from the file names when left out.
    processes
        How many; one below `POOL_FROM` photos and on any device but the CPU, else one a core.
    keep_png
        Give the pixels back, too.
    arithmetic, say
        Where and how exactly; in reduced precision it is checked first that it keeps the ranking of these photos, full
        precision is used where it does not, and `say` is told.

    Raises
    ------
    NothingFoundError
        Without photos.
    ModelError
        When a model is missing, altered or of the wrong shape.
    OptionError
        For a device or precision that a model does not have, and reduced precision with too few photos to check it.
    """
    if not paths:
        raise NothingFoundError("no photos given; name at least one file or folder")
    tasks = [_Task(p, n, face_number, keep_png) for p, n in zip(paths, names or photo_ids(paths), strict=True)]
    how = arithmetic or Arithmetic()
    alone = len(tasks) < POOL_FROM or how.device != "cpu"
    count = processes or (1 if alone else min(available_cores(), len(tasks) // _CHUNK))
    encoder = PhotoEncoder(store, ensemble=ensemble, arithmetic=how)  # before any process: what is missing is told once
    encoder = settled(paths, encoder, face_number=face_number, say=say)
    if count == 1:
        yield from (_encoded(encoder, task) for task in tasks)
        return
    given = (store.root, ensemble, encoder.arithmetic)
    yield from in_processes(_work, tasks, processes=count, start=_start, given=given, portion=_CHUNK)


def encode_photos(
    paths: Sequence[Path],
    *,
    store: ModelStore,
    ensemble: str = DEFAULT_ENSEMBLE,
    face_number: int | None = None,
    processes: int | None = None,
    advance: Callable[[], None] = lambda: None,
    arithmetic: Arithmetic | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> EncodedPhotos:
    """Encode many photos and wait for all; `advance` is called after every one. Otherwise as `iter_encoded`."""
    photos: list[EncodedPhoto] = []
    problems: list[Problem] = []
    for one in iter_encoded(
        paths,
        store=store,
        ensemble=ensemble,
        face_number=face_number,
        processes=processes,
        arithmetic=arithmetic,
        say=say,
    ):
        if isinstance(one, Problem):
            problems.append(one)
        else:
            photos.append(one)
        advance()
    return EncodedPhotos(tuple(photos), tuple(problems))
