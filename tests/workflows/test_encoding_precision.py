"""Device and precision of commands that encode: checked on the photos themselves, said, never assumed."""

from __future__ import annotations

import shutil

import pytest

from deciface.encoders.precision import Precision
from deciface.errors import OptionError
from deciface.simulate import AppearanceModel, CohortPlan, simulate_cohort
from deciface.workflows.encoding import Arithmetic, PhotoEncoder, encode_photos, settled
from tests.cli.run import deciface

pytestmark = pytest.mark.models
BF16 = Arithmetic(precision=Precision.BF16)


@pytest.fixture(scope="module")
def own_store(model_store, tmp_path_factory):
    """A store with the face finder's files and a small network of nobody's weights, called 'own'."""
    pytest.importorskip("torch")
    from tests.encoders.iresnets import as_tensors, saved, weights_of
    from tests.encoders.test_torch_encoder import added

    folder = tmp_path_factory.mktemp("models")
    for model in ("mediapipe-face-short", "mediapipe-face-full", "mediapipe-mesh", "mediapipe-iris"):
        path = model_store.path(model)
        place = folder / "store" / path.relative_to(model_store.root)
        place.parent.mkdir(parents=True)
        shutil.copy(path, place)
    store, _ = added(folder, saved(as_tensors(weights_of())))
    return store


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    plan = CohortPlan(patients_per_disorder=0, unaffected=12, photos=(1, 1), size_px=256)
    folder = tmp_path_factory.mktemp("twelve") / "cohort"
    return sorted((simulate_cohort(AppearanceModel.shipped(), folder, plan=plan, seed=3).folder / "photos").iterdir())


def test_reduced_precision_is_checked_on_the_photos_and_the_outcome_is_said(own_store, photos):
    said = []
    done = encode_photos(photos, store=own_store, ensemble="own", arithmetic=BF16, say=said.append, processes=1)
    assert len(done.photos) == 12
    assert said[0].startswith("reduced precision ")
    assert "on 12 photos x 1 views" in said[0]
    kept = "keeps the ranking on" in said[0]
    assert said[1:] == ([] if kept else ["all photos are encoded in precision fp32"])


def test_where_the_ranking_changes_full_precision_is_taken(own_store, photos, monkeypatch):
    monkeypatch.setattr("deciface.encoders.precision.MIN_COSINE", 1.1)  # no reduced precision can meet it
    said = []
    taken = settled(photos, PhotoEncoder(own_store, ensemble="own", arithmetic=BF16), face_number=None, say=said.append)
    assert taken.arithmetic == Arithmetic()
    assert "changes the ranking: use fp32" in said[0]
    assert said[1] == "all photos are encoded in precision fp32"


def test_full_precision_needs_no_check(own_store, photos):
    encoder = PhotoEncoder(own_store, ensemble="own")
    assert settled(photos[:1], encoder, face_number=None, say=pytest.fail) is encoder


def test_too_few_photos_to_check_are_refused(own_store, photos):
    with pytest.raises(OptionError) as caught:
        encode_photos(photos[:3], store=own_store, ensemble="own", arithmetic=BF16)
    assert str(caught.value) == (
        "precision bf16: 3 usable photos of 3 given, and 11 are needed to check that it keeps the ranking; give more, "
        "or use precision fp32"
    )


def test_a_diagnosis_in_reduced_precision_is_compared_with_full_precision(own_store, photos, tmp_path):
    encodings = tmp_path / "x.npz"
    ran = deciface("encode", *photos, "-o", encodings, "--encoder", "own", DECIFACE_MODELS=str(own_store.root))
    assert ran.code == 0, ran.err
    cases = tmp_path / "cases.csv"
    shutil.copy(photos[0].parent.parent / "cases.csv", cases)
    ran = deciface(
        "diagnose", photos[0], "--gallery", encodings, "--cases", cases, "--precision", "bf16", "--json",
        DECIFACE_MODELS=str(own_store.root),
    )  # fmt: skip
    assert ran.code == 0, ran.err
    (remark,) = [r for r in ran.document["remarks"] if r.startswith("precision bf16")]
    assert remark.endswith(("in the same order as fp32", "fp32 was used"))


@pytest.mark.parametrize(
    ("option", "value", "given"), [("--precision", "bf16", "cpu and bf16"), ("--device", "cuda", "cuda and fp32")]
)
def test_a_model_that_knows_neither_says_so_in_one_line(model_store, photos, tmp_path, option, value, given):
    said = f"dlib-resnet runs on device cpu in precision fp32 alone; given {given}"
    ran = deciface("encode", photos[0], "-o", tmp_path / "x.npz", option, value)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.error_line
    assert not (tmp_path / "x.npz").exists()
    deciface("init", tmp_path / "w")
    ran = deciface("import", photos[0].parent.parent / "cases.csv", "--workspace", tmp_path / "w", option, value)
    assert ran.code == 2
    assert said in ran.error_line
