"""PyTorch as runtime: the same vectors as onnxruntime, bfloat16 near them, a ranking that stays."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from deciface.encoders import Encoder, OnnxEncoder, open_encoder
from deciface.encoders.onnx_export import onnx_from_iresnet, onnx_from_weights
from deciface.encoders.precision import Precision
from deciface.encoders.torch_encoder import TorchEncoder
from deciface.errors import MismatchError, ModelError, OptionError
from deciface.models import Colour, ModelStore, add_model, card_fields
from tests.encoders.drawing import drawn_faces
from tests.encoders.iresnets import as_safetensors, as_tensors, iresnet_card, saved, weights_of

torch = pytest.importorskip("torch")
NOISE = np.random.default_rng(8).integers(0, 256, (18, 112, 112, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def wanted():
    return OnnxEncoder(onnx_from_iresnet(weights_of(), "iresnet18"), iresnet_card(), threads=2).encode(NOISE)


@pytest.fixture(scope="module")
def full():
    return TorchEncoder(weights_of(), iresnet_card(), threads=2)


@pytest.fixture(scope="module")
def reduced():
    return TorchEncoder(weights_of(), iresnet_card(), threads=2, precision=Precision.BF16)


def test_it_is_an_encoder_and_gives_what_onnxruntime_gives(full, wanted):
    assert isinstance(full, Encoder)
    found = full.encode(NOISE)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert full.encode(NOISE[:0]).shape == (0, 512)


def test_bfloat16_is_near_and_not_the_same(reduced, wanted):
    found = reduced.encode(NOISE)
    cosines = (found * wanted).sum(1)
    assert cosines.min() > 0.999
    assert np.abs(found - wanted).max() > 1e-6
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("precision", list(Precision))
def test_a_photo_in_a_batch_is_the_photo_alone(precision, full, reduced):
    encoder = full if precision is Precision.FP32 else reduced
    alone = np.concatenate([encoder.encode(NOISE[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(encoder.encode(NOISE)[:3], alone, atol=1e-6 if precision is Precision.FP32 else 2e-3)


def test_colour_order_is_that_of_the_card(full):
    other = TorchEncoder(weights_of(), iresnet_card(colour=Colour.BGR), threads=2)
    np.testing.assert_allclose(other.encode(NOISE[:2, ..., ::-1]), full.encode(NOISE[:2]), atol=1e-6)
    assert np.abs(other.encode(drawn_faces(112)) - full.encode(drawn_faces(112))).max() > 1e-3


def test_threads_of_the_process_are_given_back(full):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        full.encode(NOISE[:1])
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_calls_at_once_are_safe(full, wanted):
    found = {}
    jobs = [threading.Thread(target=lambda i=i: found.update({i: full.encode(NOISE[i : i + 2])})) for i in range(4)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    for i, rows in found.items():
        np.testing.assert_allclose(rows, wanted[i : i + 2], atol=1e-6)


def test_nothing_is_learnt_while_encoding(full):
    assert not full._network.training
    first = full.encode(NOISE[:2])
    np.testing.assert_array_equal(first, full.encode(NOISE[:2]))


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "", "cuda; rm"])
def test_devices_that_are_not_here(device):
    with pytest.raises(OptionError, match=r"device '.*' is not here; PyTorch finds cpu.*: choose one of them"):
        TorchEncoder(weights_of(), iresnet_card(), device=device)


def test_on_a_gpu(wanted):
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    found = TorchEncoder(weights_of(), iresnet_card(), device="cuda").encode(NOISE)
    np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_wrong_crops_and_threads(full):
    with pytest.raises(MismatchError, match=r"own takes \(n, 112, 112, 3\) uint8"):
        full.encode(np.zeros((1, 96, 96, 3), np.uint8))
    with pytest.raises(OptionError, match="threads = 0; a whole number from 1 to 1024"):
        TorchEncoder(weights_of(), iresnet_card(), threads=0)


def added(folder, content, **changes):
    """Add weights to a store in this folder."""
    import yaml

    fields = card_fields(iresnet_card(**changes))
    for computed in ("file", "sha256", "bytes"):
        del fields[computed]
    (folder / "card.yaml").write_text(yaml.safe_dump(fields))
    (folder / "own.pth").write_bytes(content)
    store = ModelStore(folder / "store")
    return store, add_model(store, folder / "own.pth", card=folder / "card.yaml", to_onnx=onnx_from_weights)


def test_an_added_state_dict_is_opened_in_both_runtimes(tmp_path, wanted):
    store, made = added(tmp_path, saved(as_tensors(weights_of(), "module.")))
    assert made.file == "own.pth"
    plain = open_encoder(store, "own", threads=2)
    assert isinstance(plain, OnnxEncoder)
    np.testing.assert_allclose(plain.encode(NOISE), wanted, atol=1e-7)
    faster = open_encoder(store, "own", threads=2, precision=Precision.BF16)
    assert isinstance(faster, TorchEncoder)
    assert (faster.encode(NOISE) * wanted).sum(1).min() > 0.999
    assert faster.card == plain.card == made


def test_without_torch_full_precision_stays_open(tmp_path, monkeypatch, wanted):
    store, _ = added(tmp_path, as_safetensors(weights_of()))
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    np.testing.assert_allclose(open_encoder(store, "own").encode(NOISE[:1]), wanted[:1], atol=1e-6)
    with pytest.raises(ModelError, match=r"PyTorch is not installed; install it by `pip install 'deciface\[torch\]'`"):
        open_encoder(store, "own", precision=Precision.BF16)


@pytest.mark.models
def test_other_models_say_that_they_cannot(model_store):
    for how in ({"device": "cuda"}, {"precision": Precision.BF16}):
        with pytest.raises(OptionError, match=r"dlib-resnet runs on device cpu in precision fp32 alone; given "):
            open_encoder(model_store, "dlib-resnet", **how)
