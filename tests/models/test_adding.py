"""Adding an encoder: what is checked before anything is stored."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest
from onnx import TensorProto

from deciface.errors import ModelError
from deciface.models import ModelStore, add_model
from tests.models.networks import external_network, mean_network, write_card


def add(folder, content, name="net.onnx", **changes):
    file = folder / name
    file.write_bytes(content)
    return add_model(ModelStore(folder / "store"), file, card=write_card(folder, **changes))


def refusal(folder, content, name="net.onnx", **changes):
    with pytest.raises(ModelError) as caught:
        add(folder, content, name, **changes)
    assert "\n" not in str(caught.value)
    assert not [path for path in (folder / "store").rglob("*") if path.is_file()]
    return str(caught.value)


@pytest.mark.parametrize("batch", ["n", 1, 4])
def test_a_good_network_is_stored(tmp_path, batch):
    content = mean_network((batch, 3, 112, 112))
    card = add(tmp_path, content)
    models = ModelStore(tmp_path / "store")
    assert models.path("tiny").read_bytes() == content
    assert models.card("tiny") == card
    assert (card.file, card.bytes) == ("tiny.onnx", len(content))
    assert add(tmp_path, content) == card


def test_the_other_layout(tmp_path):
    assert add(tmp_path, mean_network(("n", 112, 112, 3)), layout="nhwc", dimensions=112).layout == "nhwc"


def test_both_shapes_are_named(tmp_path):
    message = refusal(tmp_path, mean_network((1, 3, 160, 160)))
    assert "'net.onnx' takes (1, 3, 160, 160), but its card declares (n, 3, 112, 112)" in message
    message = refusal(tmp_path, mean_network(), dimensions=512)
    assert "'net.onnx' gives (1, 3), but its card declares (1, 512); correct dimensions in the card" in message
    assert "takes (n, 3, 112), but" in refusal(tmp_path, mean_network(("n", 3, 112)))


def test_a_network_of_another_kind(tmp_path):
    assert "has 1 inputs and 2 outputs; one of each is needed" in refusal(tmp_path, mean_network(outputs=2))
    assert "takes tensor(double); float32 pixels are needed" in refusal(tmp_path, mean_network(kind=TensorProto.DOUBLE))
    assert "vectors that are not finite on a blank picture" in refusal(tmp_path, mean_network(divide_by_zero=True))
    assert "keeps its weights in other files" in refusal(tmp_path, external_network())


class Harmful:
    opened = False

    def __reduce__(self):
        return (setattr, (Harmful, "opened", True))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ["net.pkl", "net.pth", "net.ckpt", "net.onnx"])
def test_pickles_are_refused_unopened(tmp_path, protocol, name):
    message = refusal(tmp_path, pickle.dumps(Harmful(), protocol=protocol), name)
    assert "is a pickle, which runs code" in message or "is not an ONNX file" in message
    assert "ONNX" in message
    assert not Harmful.opened


def test_other_files_are_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    assert "is a PyTorch or ZIP archive (it holds pickles, which run code)" in refusal(
        tmp_path, buffer.getvalue(), "a.pt"
    )
    assert "is a LiteRT file" in refusal(tmp_path, b"\x1c\0\0\0TFL3" + b"\0" * 50)
    assert "is empty (0 bytes)" in refusal(tmp_path, b"")
    assert "is not an ONNX file" in refusal(tmp_path, b"some text that is no network at all")
    noise = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes()
    assert "'net.onnx' " in refusal(tmp_path, noise)
    assert "'net.onnx' " in refusal(tmp_path, mean_network()[:-40])


def test_a_card_that_is_for_another_file(tmp_path):
    assert "is not the file of card 'card.yaml' (sha256 " in refusal(tmp_path, mean_network(), sha256="0" * 64)


def test_only_encoders_can_be_added(tmp_path):
    message = refusal(tmp_path, mean_network(), kind="detector", alignment=None, views=[])
    assert "missing: alignment" in message
    assert "is of a face-encoder with runtime dlib; only a face-encoder with runtime onnx" in refusal(
        tmp_path, mean_network(), runtime="dlib"
    )


def test_an_id_that_is_taken(tmp_path):
    assert "the id 'yunet' is taken by another file" in refusal(tmp_path, mean_network(), id="yunet")
    add(tmp_path, mean_network())
    with pytest.raises(ModelError, match=r"the id 'tiny' is taken by another file .sha256 .*; choose another id"):
        add(tmp_path, mean_network((1, 3, 112, 112)))


def test_a_missing_file(tmp_path):
    with pytest.raises(ModelError, match=r"none.onnx' cannot be read .No such file"):
        add_model(ModelStore(tmp_path), tmp_path / "none.onnx", card=write_card(tmp_path))


def test_a_real_network(tmp_path, shared_data):
    content = (shared_data / "models" / "mobilefacenet_foamliu.onnx").read_bytes()
    assert add(tmp_path, content, dimensions=128).dimensions == 128
