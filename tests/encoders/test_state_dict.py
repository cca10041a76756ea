"""Files of weights: read exactly, and nothing in them is ever run."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.encoders import state_dict as module
from deciface.encoders.state_dict import read_state_dict
from deciface.errors import ModelError
from tests.encoders.iresnets import as_safetensors, saved

SMALL = {
    "a.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "a.bias": np.array([0.5, -1.5], np.float32),
}


def refusal(content, name="x.pth"):
    with pytest.raises(ModelError) as caught:
        read_state_dict(content, name=name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)
    return str(caught.value)


def archive(pickled, members=(), compression=zipfile.ZIP_STORED):
    """An archive as torch.save lays it out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        made.writestr("archive/data.pkl", pickled)
        for name, content in members:
            made.writestr(f"archive/{name}", content)
    return buffer.getvalue()


@pytest.mark.parametrize("how", [{}, {"_use_new_zipfile_serialization": False}])
def test_what_torch_saves_is_read_exactly(how):
    torch = pytest.importorskip("torch")
    base = torch.arange(40, dtype=torch.float32)
    state = OrderedDict(
        {
            "plain": torch.from_numpy(SMALL["a.weight"].copy()),
            "view": base[5:29].view(4, 6).t(),
            "half": torch.linspace(-2, 2, 7).half(),
            "bf16": torch.linspace(-2, 2, 7).bfloat16(),
            "double": torch.linspace(-2, 2, 7).double(),
            "count": torch.tensor(3),
            "empty": torch.zeros(0, 4),
            "learnt": torch.nn.Parameter(torch.ones(2, 2)),
        }
    )
    found = read_state_dict(saved(state, **how), name="x.pth")
    assert list(found) == list(state)
    for key, value in state.items():
        wanted = value.detach().float() if key == "bf16" else value.detach()
        np.testing.assert_array_equal(found[key], wanted.numpy())
        assert found[key].dtype == wanted.numpy().dtype
    with pytest.raises(ValueError, match="read-only"):
        found["plain"][0] = 1


@pytest.mark.parametrize("how", [{}, {"_use_new_zipfile_serialization": False}])
@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "backbone", "net"])
def test_a_checkpoint_gives_the_state_dict_inside(key, how):
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(3, 2)
    optimiser = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    checkpoint = {"epoch": 7, "best": 0.5, "args": None, "optimizer": optimiser.state_dict(), key: layer.state_dict()}
    found = read_state_dict(saved(checkpoint, **how), name="x.pth")
    assert set(found) == {"weight", "bias"}
    np.testing.assert_array_equal(found["weight"], layer.weight.detach().numpy())


def test_safetensors():
    half = np.linspace(-2, 2, 6).astype(np.float16)
    bf16 = np.array([0x3F80, 0xC000, 0x3F00], np.uint16)
    found = read_state_dict(
        as_safetensors({**SMALL, "h": half, "b": bf16}, kinds={"h": "F16", "b": "BF16"}), name="x.safetensors"
    )
    for key, values in {**SMALL, "h": half, "b": np.array([1, -2, 0.5], np.float32)}.items():
        np.testing.assert_array_equal(found[key], values)
    content = as_safetensors(SMALL)
    assert "is damaged or holds no weights (a.weight lies outside" in refusal(content[:-60])
    assert "is damaged" in refusal(as_safetensors(SMALL, kinds={"a.bias": "F8_E4M3"}))


class Harmful:
    """A pickle that would write a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("inside", [lambda evil: evil, lambda evil: {"state_dict": {"a.weight": evil}}])
def test_code_is_named_and_never_run(tmp_path, protocol, inside):
    written = tmp_path / "written"
    pickled = pickle.dumps(inside(Harmful(written)), protocol=protocol)
    for content in (pickled, archive(pickled)):
        message = refusal(content)
        assert "which could run code when opened; it was not opened" in message
        assert "pathlib" in message
        assert "torch.save(model.state_dict(), 'weights.pth')" in message
    assert not written.exists()
    pickle.loads(pickled)  # noqa: S301 - shows that the test would find it
    assert written.exists()


def test_code_behind_a_good_beginning_is_not_run(tmp_path):
    """The older format is several pickles; the fourth is the one with the content."""
    written = tmp_path / "written"
    good = [pickle.dumps(value, protocol=2) for value in (module._OLD_MAGIC, module._OLD_VERSION, {})]
    evil = pickle.dumps({"a": Harmful(written)}, protocol=2)
    assert "pathlib" in refusal(b"".join([*good, evil, pickle.dumps([], protocol=2)]))
    assert not written.exists()


@pytest.mark.parametrize(
    "trick",
    [
        b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.",
        b"\x80\x02(X\x04\0\0\0trueios\nsystem\n.",
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
        b"\x80\x04\x8c\x05posix\x940\x8c\x06system\x940h\x00h\x01\x93\x8c\x04true\x85R.",  # names out of the memory
        b"\x80\x02ccollections\nOrderedDict\n)\x81.",
        b"\x80\x02\x82\x01.",
    ],
)
def test_other_ways_to_reach_code(trick):
    message = refusal(trick)
    assert "holds " in message
    assert "it was not opened" in message


def test_a_whole_model_says_how_to_save_its_weights():
    torch = pytest.importorskip("torch")
    message = refusal(saved(torch.nn.Sequential(torch.nn.Linear(2, 2))), "model.pth")
    assert "'model.pth' is a whole pickled model (class torch.nn." in message
    assert "where it was trained, save the weights alone: torch.save(model.state_dict(), 'weights.pth')" in message


def test_torchscript_is_named():
    content = archive(pickle.dumps({}, protocol=2), [("code/__torch__.py", b"")])
    assert "is a TorchScript archive, which holds code" in refusal(content)


def test_what_is_no_file_of_weights():
    assert "is no PyTorch or safetensors file" in refusal(b"")
    assert "is no PyTorch or safetensors file" in refusal(b"some text")
    assert "is a ZIP archive, but not of weights" in refusal(archive(b"")[:0] + _zip_of("readme.txt"))
    assert "is a pickle of something else than weights" in refusal(pickle.dumps({"a": 1}, protocol=2))
    assert "holds no state_dict, neither by itself nor under state_dict" in refusal(
        archive(pickle.dumps({"a": 1}, protocol=2))
    )
    assert "is damaged or holds no weights" in refusal(archive(b"\x80\x02}"))
    assert "big-endian" in refusal(archive(pickle.dumps({}, protocol=2), [("byteorder", b"big")]))


def _zip_of(name):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr(name, b"text")
    return buffer.getvalue()


def test_bombs_are_refused():
    assert "compressed or too large" in refusal(archive(b"\x80\x02" + b"0" * 9999, compression=zipfile.ZIP_DEFLATED))
    huge_memory = b"\x80\x02}r\xff\xff\xff\xff."
    assert "holds no state_dict" in refusal(archive(huge_memory))


def test_size_limit(monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    assert "has 0 MiB; weights may have 0" in refusal(as_safetensors(SMALL))


def _view(count, offset, size, stride):
    """A state dict whose one tensor claims this part of a storage of `count` numbers."""
    numbers = lambda values: b"(" + b"".join(b"J" + v.to_bytes(4, "little", signed=True) for v in values) + b"t"  # noqa: E731
    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu" + numbers([count])[1:-1] + b"tQ"
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + numbers([offset])[1:-1] + numbers(size) + numbers(stride)
    )
    return archive(b"\x80\x02}X\x01\0\0\0w" + tensor + b"\x89}tRs.", [("data/0", np.arange(6, dtype="<f4").tobytes())])


def test_views_stay_inside_their_storage():
    np.testing.assert_array_equal(read_state_dict(_view(6, 1, [2, 2], [3, 1]), name="x")["w"], [[1, 2], [4, 5]])
    for bad in [(6, 5, [2], [1]), (6, 0, [7], [1]), (6, 0, [2], [6]), (6, 0, [1000], [0]), (6, -1, [1], [1])]:
        assert "is damaged or holds no weights" in refusal(_view(*bad))
    assert "has 24 bytes instead of 28" in refusal(_view(7, 0, [7], [1]))
    assert "is damaged or holds no weights" in refusal(_view(6, 0, [2], [-1]))


GOOD = (as_safetensors(SMALL), _view(6, 1, [2, 2], [3, 1]))


@given(st.sampled_from(GOOD), st.integers(0, 1000), st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_damage_is_refused_or_harmless(content, at, byte):
    damaged = bytearray(content)
    damaged[at % len(content)] = byte
    for variant in (bytes(damaged), content[: at % len(content)]):
        try:
            found = read_state_dict(variant, name="x.pth")
        except ModelError as error:
            found, message = {}, str(error)
        else:
            message = "read"
        assert "\n" not in message
        assert all(isinstance(values, np.ndarray) for values in found.values())


def test_neither_torch_nor_pickle_is_needed():
    code = (
        "import sys; sys.modules['torch'] = None; import deciface.encoders.state_dict as s;"
        "print('pickle' in vars(s), 'pickle' in vars(s.evaluate.__globals__.get('io')), s.MAX_BYTES)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", str(2 * 2**30)]
