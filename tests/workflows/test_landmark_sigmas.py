"""Sigmas measured on people held out: the factors, and what is written into the shipped network."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from deciface.faces.landmark_model import SIGMA_FACTORS, mirror_rows
from deciface.faces.landmarks import FACE_POINTS
from deciface.models.card import card_from, read_card_fields
from deciface.simulate.training_set import TrainingSet, read_training_set
from deciface.training.manifest import CARD_FILE, card_text
from deciface.workflows.landmark_sigmas import SIGMAS_FILE, factors_of, open_landmarks, write_sigmas
from deciface.workflows.training_landmarks import LANDMARKS, MODEL_ID, PLAN

MODEL_FILE = f"{MODEL_ID}.onnx"


def test_factors_make_68_percent_of_errors_lie_within_one_sigma():
    rng = np.random.default_rng(0)
    true = rng.uniform(0.5, 3.0, (1, len(FACE_POINTS), 2))
    true = (true + true[:, mirror_rows()]) / 2
    gaps = rng.normal(0, true, (400, len(FACE_POINTS), 2))
    said = np.full_like(gaps, 0.8)
    factors = factors_of(gaps, said)
    np.testing.assert_allclose(factors, factors[mirror_rows()])
    other = rng.normal(0, true, gaps.shape)
    within = (np.abs(other) <= said * factors[:, None]).mean()
    assert abs(within - 0.68) < 0.01


@pytest.mark.models
def test_the_shipped_network_carries_them_and_its_card_knows_the_file(shared_data, model_store, tmp_path):
    torch = pytest.importorskip("torch")
    from deciface.training.landmark_network import build_landmarks

    faces = shared_data / "faces"
    training = read_training_set(faces / "london", faces / "london_info.csv")
    few = TrainingSet(training.photos[:4], training.templates[:4], training.groups[:4])
    for number, name in enumerate(("all", "fold-1", "fold-2")):
        torch.manual_seed(number)
        content = LANDMARKS.write(build_landmarks(len(FACE_POINTS)), {"part": name})
        (tmp_path / name).mkdir()
        (tmp_path / name / MODEL_FILE).write_bytes(content)
        (tmp_path / name / CARD_FILE).write_text(card_text(LANDMARKS.card(content, 4, 40, PLAN)), encoding="utf-8")
    folds, said = [("fold-1", (0, 2)), ("fold-2", (1, 3))], []
    write_sigmas(few, tmp_path, folds, model_file=MODEL_FILE, store=model_store, say=said.append)
    assert said[0].startswith("sigmas measured on 4 people held out: factors ")
    shipped = tmp_path / "all" / MODEL_FILE
    opened = open_landmarks(tmp_path / "all", MODEL_FILE)
    plain = open_landmarks(tmp_path / "all", MODEL_FILE, factors=np.ones(len(FACE_POINTS)))
    crops = np.random.default_rng(1).integers(0, 256, (1, 256, 256, 3), dtype=np.uint8)
    ratio = opened.on_crops(crops)[1] / plain.on_crops(crops)[1]
    with (tmp_path / SIGMAS_FILE).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    np.testing.assert_allclose(ratio[0, :, 0], [float(row["factor"]) for row in rows], rtol=1e-5)
    assert [int(row["template"]) for row in rows] == list(FACE_POINTS)
    import hashlib

    import onnx

    card = card_from(read_card_fields(tmp_path / "all" / CARD_FILE), origin="card")
    content = shipped.read_bytes()
    assert (card.sha256, card.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    kept = {p.key: p.value for p in onnx.load_from_string(content).metadata_props}
    assert kept["part"] == "all"
    assert len(kept[SIGMA_FACTORS].split(",")) == len(FACE_POINTS)
    write_sigmas(few, tmp_path, folds, model_file=MODEL_FILE, store=model_store)
    assert shipped.read_bytes() == content, "done again it gives the same"
    assert replace(card) == card_from(read_card_fields(tmp_path / "all" / CARD_FILE), origin="card")
