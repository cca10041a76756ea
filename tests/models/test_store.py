"""The store: missing, altered, placed whole or not at all."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import io
import os
import threading
from pathlib import Path

import pytest

from deciface.errors import ModelError, StorageError
from deciface.models import ModelState, ModelStore, default_root, shipped_cards, store

CONTENT = b"a model" * 1000


@pytest.fixture
def one(monkeypatch):
    """A shipped set of one small card, so that files can be made here."""
    mesh = next(card for card in shipped_cards() if card.id == "mediapipe-mesh")
    card = dataclasses.replace(mesh, sha256=hashlib.sha256(CONTENT).hexdigest(), bytes=len(CONTENT))
    monkeypatch.setattr(store, "shipped_cards", lambda: [card])
    return card


def put(models, card, content=CONTENT):
    return models.place(io.BytesIO(content), wanted={card.sha256: card}, max_bytes=len(CONTENT))


def test_a_placed_file_is_found(tmp_path, one):
    models = ModelStore(tmp_path / "new" / "store")
    assert put(models, one) == one
    assert models.path(one.id).read_bytes() == CONTENT
    assert [s.state for s in models.status()] == [ModelState.PRESENT]
    assert [p.name for p in models.root.iterdir()] == [one.id]


def test_a_missing_file_names_the_command(tmp_path, one):
    with pytest.raises(ModelError, match=rf"model '{one.id}' is missing \(.*\); run `deciface models fetch`"):
        ModelStore(tmp_path).path(one.id)


def test_a_missing_file_that_the_user_gave_names_the_file(tmp_path):
    with pytest.raises(ModelError, match=r"give its file again: `deciface models fetch --from yunet_n_dynamic.onnx`"):
        ModelStore(tmp_path).path("yunet")


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"X", CONTENT[:-1], b""])
def test_an_altered_file_is_never_given_out(tmp_path, one, content):
    models = ModelStore(tmp_path)
    put(models, one)
    models.path(one.id).write_bytes(content)
    with pytest.raises(ModelError, match=rf"model '{one.id}' is altered: .*sha256 differs"):
        models.path(one.id)
    assert put(models, one) == one
    assert models.path(one.id).read_bytes() == CONTENT


def test_a_file_is_hashed_once(tmp_path, one, monkeypatch):
    models = ModelStore(tmp_path)
    put(models, one)
    models.path(one.id)
    monkeypatch.setattr(hashlib, "file_digest", None)
    assert models.path(one.id).is_file()
    assert ModelStore(tmp_path).path(one.id).is_file()


def test_an_unknown_id_lists_the_known(tmp_path):
    known = "deciface-dysmorphic, dlib-landmarks-5, dlib-resnet, .*yunet"
    with pytest.raises(ModelError, match=f"no model 'arcface'; there are {known}"):
        ModelStore(tmp_path).card("arcface")


def test_a_damaged_added_card_is_named(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "card.yaml").write_text("id: mine")
    with pytest.raises(ModelError, match=r"card '.*mine.card.yaml': missing: name, file"):
        ModelStore(tmp_path).cards()


@pytest.mark.parametrize("content", [CONTENT + b"more", CONTENT[:-1], b"X" * len(CONTENT)])
def test_another_file_leaves_no_trace(tmp_path, one, content):
    models = ModelStore(tmp_path)
    assert put(models, one, content) is None
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_no_half_file(tmp_path, one):
    class Interrupted(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 3000:
                raise KeyboardInterrupt
            return super().read(1000)

    models = ModelStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        models.place(Interrupted(CONTENT), wanted={one.sha256: one}, max_bytes=len(CONTENT))
    assert list(tmp_path.iterdir()) == []
    assert models.status()[0].state is ModelState.MISSING


def test_a_full_disk_is_said_and_leaves_no_half_file(tmp_path, one, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        StorageError, match=r"cannot be written \(No space left on device\); check rights and free space"
    ):
        put(ModelStore(tmp_path), one)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_a_file(tmp_path, one):
    (tmp_path / "store").write_text("")
    with pytest.raises(StorageError, match="name another folder by DECIFACE_MODELS"):
        put(ModelStore(tmp_path / "store"), one)


def test_what_a_killed_fetch_left_is_swept_after_an_hour(tmp_path):
    old, young = tmp_path / ".abc.part", tmp_path / ".def.part"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    ModelStore(tmp_path).sweep()
    assert list(tmp_path.iterdir()) == [young]


def test_many_at_once_place_one_good_file(tmp_path, one):
    models = ModelStore(tmp_path)
    results = []
    threads = [threading.Thread(target=lambda: results.append(put(models, one))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [one] * 8
    assert models.path(one.id).read_bytes() == CONTENT
    assert [p.name for p in tmp_path.iterdir()] == [one.id]


def test_where_the_store_is(monkeypatch, tmp_path):
    monkeypatch.setenv("DECIFACE_MODELS", str(tmp_path))
    assert default_root() == tmp_path
    assert ModelStore().root == tmp_path
    monkeypatch.delenv("DECIFACE_MODELS")
    assert default_root().parts[-2:] == ("deciface", "models")
    assert isinstance(ModelStore().root, Path)
