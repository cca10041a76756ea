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


WEIGHTS = {"runtime": "torch", "architecture": "iresnet18", "dimensions": 3}


def reader(seen, *, left_out=(), network=None, error=None):
    """What turns weights into a network, in place of `deciface.encoders.onnx_from_weights`."""

    def to_onnx(content, card, /, *, name):
        seen.append((content, card.architecture, name))
        if error:
            raise ModelError(error)
        return network or mean_network(), left_out

    return to_onnx


def add_weights(folder, content, to_onnx, name="own.pth", notice=None, **changes):
    file = folder / name
    file.write_bytes(content)
    card = write_card(folder, **{**WEIGHTS, **changes})
    return add_model(ModelStore(folder / "store"), file, card=card, to_onnx=to_onnx, notice=notice)


@pytest.mark.parametrize(("name", "kept"), [("a.pth", "tiny.pth"), ("a.ckpt", "tiny.pth"), ("a.safetensors", None)])
def test_weights_are_stored_as_given(tmp_path, name, kept):
    seen, said = [], []
    card = add_weights(tmp_path, b"weights", reader(seen), name, said.append)
    assert seen == [(b"weights", "iresnet18", name)]
    assert card.file == (kept or "tiny.safetensors")
    assert card.bytes == 7
    assert ModelStore(tmp_path / "store").path("tiny").read_bytes() == b"weights"
    assert ModelStore(tmp_path / "store").card("tiny") == card
    assert said == []


def test_what_was_left_out_is_told(tmp_path):
    said = []
    left_out = ("head.weight", "head.bias", "margin", "teacher")
    add_weights(tmp_path, b"weights", reader([], left_out=left_out), notice=said.append)
    assert said == [
        "'own.pth': left out, because iresnet18 has no such part: head.weight, head.bias, margin and 1 more"
    ]


@pytest.mark.parametrize(
    ("to_onnx", "said"),
    [
        (reader([], error="'own.pth' holds posix.system"), "holds posix.system"),
        (reader([], network=mean_network((1, 3, 160, 160))), "'own.pth' takes (1, 3, 160, 160), but its card declares"),
        (reader([], network=mean_network(divide_by_zero=True)), "vectors that are not finite on a blank picture"),
        (None, "is of a face-encoder with runtime torch; only a face-encoder with runtime onnx can be added"),
    ],
)
def test_weights_that_are_refused_leave_nothing(tmp_path, to_onnx, said):
    with pytest.raises(ModelError) as caught:
        add_weights(tmp_path, b"weights", to_onnx)
    assert said in str(caught.value)
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


def test_architecture_and_runtime_belong_together(tmp_path):
    with pytest.raises(ModelError, match=r"runtime is torch and architecture left out; runtime torch, and it alone"):
        add_weights(tmp_path, b"weights", reader([]), architecture=None)
    with pytest.raises(ModelError, match=r"runtime is onnx and architecture iresnet18; runtime torch, and it alone"):
        add_weights(tmp_path, mean_network(), reader([]), "net.onnx", runtime="onnx")
    with pytest.raises(ModelError, match=r"architecture is 'vgg', allowed is null or one of iresnet18, iresnet34"):
        add_weights(tmp_path, b"weights", reader([]), architecture="vgg")


def test_a_pickle_for_onnx_says_what_else_can_be_done(tmp_path):
    message = refusal(tmp_path, pickle.dumps({}, protocol=2), "net.pth")
    assert "save its state_dict and declare `runtime: torch` and `architecture` in the card" in message
