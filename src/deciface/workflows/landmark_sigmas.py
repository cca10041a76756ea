"""How sure the landmark network may say that it is: measured on the people whom each fold's network never saw.

The network that is shipped learnt from everybody, so nobody is left to measure it on; its sigmas get the factors of the
folds' networks, which learnt the same way from two thirds of the people.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deciface.faces import FaceFinder, align, alignment
from deciface.faces.landmark_model import SIGMA_FACTORS, LandmarkModel, mirror_rows
from deciface.faces.landmarks import FACE_POINTS
from deciface.models import ModelStore
from deciface.models.card import read_card
from deciface.photos import read_photo
from deciface.simulate.template import read_template
from deciface.simulate.training_set import TrainingSet
from deciface.training.manifest import CARD_FILE, card_text
from deciface.whole_files import write_whole

ONE_SIGMA = 0.6827
"""Share of the errors of a normal distribution that lie within one sigma."""
SIGMAS_FILE = "landmark_sigmas.csv"

Floats = NDArray[np.float64]


def open_landmarks(folder: Path, model_file: str, *, factors: Floats | None = None) -> LandmarkModel:
    """Open the network of one part of a run."""
    card = read_card(folder / CARD_FILE)
    return LandmarkModel(folder / model_file, card, factors=factors)


def factors_of(gaps: Floats, sigmas: Floats) -> Floats:
    """What sigmas must be multiplied by, (points,), so that 68 % of errors along an axis lie within one.

    Parameters
    ----------
    gaps, sigmas
        (n, points, 2) errors and what the network said of them. A point and its mirror image are taken together.
    """
    ratio = np.abs(gaps) / sigmas
    both = np.concatenate([ratio, ratio[:, mirror_rows()]])
    return np.asarray(np.quantile(both.transpose(1, 0, 2).reshape(both.shape[1], -1), ONE_SIGMA, axis=1))


def held_out_errors(
    training: TrainingSet, who: Sequence[int], model: LandmarkModel, finder: FaceFinder
) -> tuple[Floats, Floats]:
    """Errors and sigmas on the photos of some people, (n, points, 2) each, in crop px."""
    gaps, sigmas = [], []
    for i in who:
        pixels = read_photo(training.photos[i]).pixels
        face = finder.find(pixels).choose()
        matrix = alignment(face, model.template)
        (points,), (said,) = model.on_crops(align(pixels, face, model.template)[None])
        truth = read_template(training.templates[i])[list(FACE_POINTS)] @ matrix[:, :2].T + matrix[:, 2]
        gaps.append(points - truth)
        sigmas.append(said)
    return np.stack(gaps), np.stack(sigmas)


def write_sigmas(
    training: TrainingSet,
    folder: Path,
    folds: Sequence[tuple[str, Sequence[int]]],
    *,
    model_file: str,
    whole: str = "all",
    store: ModelStore | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Measure the factors of a finished run and write them into its shipped network, its card and a table.

    Gives the same files when it is done again.

    Parameters
    ----------
    training, folder
        The photos and the run.
    folds
        Name of each fold's part and whom it never saw.
    model_file, whole
        Name of the networks' files; of the part that learnt from everybody.
    store
        Models of the face finder.
    say
        Told what happens.
    """
    import onnx

    finder = FaceFinder.from_store(store or ModelStore())
    ones = np.ones(len(FACE_POINTS))
    found = [
        held_out_errors(training, who, open_landmarks(folder / name, model_file, factors=ones), finder)
        for name, who in folds
    ]
    gaps, sigmas = (np.concatenate(part) for part in zip(*found, strict=True))
    factors = factors_of(gaps, sigmas)
    say(f"sigmas measured on {len(gaps)} people held out: factors {factors.min():.2f} to {factors.max():.2f}")
    network = onnx.load(str(folder / whole / model_file))
    about = {p.key: p.value for p in network.metadata_props}
    onnx.helper.set_model_props(network, about | {SIGMA_FACTORS: ",".join(f"{f:.3f}" for f in factors)})
    content = bytes(network.SerializeToString(deterministic=True))
    origin = folder / whole / CARD_FILE
    card = read_card(origin)
    card = replace(card, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    write_whole(folder / whole / model_file, content)
    write_whole(origin, card_text(card).encode())
    write_whole(folder / SIGMAS_FILE, _table(gaps, sigmas, factors).encode())


def _table(gaps: Floats, sigmas: Floats, factors: Floats) -> str:
    """By point: people, mean error and mean sigma in crop px, factor."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["template", "people", "error_px", "sigma_px", "factor"])
    error = np.hypot(gaps[..., 0], gaps[..., 1]).mean(0)
    said = np.sqrt((sigmas**2).mean((0, 2)))
    for point, e, s, f in zip(FACE_POINTS, error, said, factors, strict=True):
        rows.writerow([point, len(gaps), f"{e:.3f}", f"{s:.3f}", f"{f:.3f}"])
    return out.getvalue()
