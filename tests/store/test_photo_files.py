"""Photos as files and as objects: whole or not at all, and checked whenever they are read."""

import hashlib
import sys
from pathlib import Path

import pytest

from deciface.cases import Case, Patient
from deciface.errors import InputError, StorageError
from deciface.store import Workspace
from deciface.store.photo_files import PhotoFolder, PhotoObjects, StoredFile, identify, open_files

JPEG = b"\xff\xd8\xff picture"


@pytest.fixture
def bucket():
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    yield memory
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


@pytest.fixture(params=["folder", "objects"])
def files(request, tmp_path, bucket):
    return open_files(tmp_path / "photos", None if request.param == "folder" else "memory://bucket/photos/")


def test_what_is_put_comes_out_once_and_can_be_removed(files):
    file = files.put(JPEG)
    assert file == files.put(JPEG) == StoredFile(hashlib.sha256(JPEG).hexdigest(), "jpg")
    assert files.get(file) == JPEG
    assert files.remove(file) is True
    assert files.remove(file) is False
    with pytest.raises(StorageError, match="read"):
        files.get(file)


def test_what_belongs_to_nothing_is_swept_away(files):
    kept, left = files.put(JPEG), files.put(JPEG + b"2")
    assert files.names() == sorted([kept.name, left.name])
    assert files.sweep({kept.name}) == 1
    assert files.names() == [kept.name]
    assert files.sweep({kept.name}) == 0
    assert files.get(kept) == JPEG


def test_an_image_that_is_swept_away_while_it_is_written_is_written_again(tmp_path, monkeypatch):
    files, replace, sweeps = PhotoFolder(tmp_path), Path.replace, []

    def late(path, target):
        if not sweeps:
            sweeps.append(files.sweep(set()))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", late)
    assert files.get(files.put(JPEG)) == JPEG
    assert sweeps == [1]
    assert len(files.names()) == 1


def test_only_jpeg_and_png(files):
    with pytest.raises(InputError, match="the stored photo must be JPEG or PNG; encode it as one of them first"):
        files.put(b"GIF89a")


def test_objects_are_named_by_their_content_and_half_a_one_is_sent_again(bucket):
    files = PhotoObjects.open("memory://bucket/photos")
    file = files.put(JPEG)
    name = f"/bucket/photos/{file.sha256[:2]}/{file.sha256}.jpg"
    assert bucket.find("/") == [name]
    bucket.pipe_file(name, JPEG[:5])
    with pytest.raises(StorageError, match=f"memory://bucket/photos/{file.name} has changed since it was stored"):
        files.get(file)
    files.put(JPEG)
    assert files.get(file) == JPEG


def test_a_store_that_refuses_is_one_line(bucket, monkeypatch):
    files = PhotoObjects.open("memory://bucket/photos")
    file = files.put(JPEG)

    def refuse(*_, **__):
        raise RuntimeError("no credentials\nlook here")

    for name in ("pipe_file", "cat_file", "rm_file", "find"):
        monkeypatch.setattr(type(bucket), name, refuse)
    said = r"in memory://bucket/photos \(no credentials\); check its address and your rights$"
    with pytest.raises(StorageError, match=f"could not be written {said}"):
        files.put(JPEG + b"2")
    with pytest.raises(StorageError, match=f"could not be read {said}"):
        files.get(file)
    with pytest.raises(StorageError, match=f"could not be removed {said}"):
        files.remove(file)
    with pytest.raises(StorageError, match=f"^the photos could not be listed {said}"):
        files.sweep(set())


def test_places_that_cannot_be_used(monkeypatch, tmp_path):
    pytest.importorskip("fsspec")
    with pytest.raises(StorageError, match="'nowhere://x' is no place for photos"):
        open_files(tmp_path, "nowhere://x")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(StorageError, match=r"needs another package .* pip install 'deciface\[objects\]'"):
        open_files(tmp_path, "s3://bucket/photos")


def test_a_workspace_keeps_its_photos_where_it_says(tmp_path, bucket):
    simulated = Case(Patient("x", simulated=True))
    with Workspace.create(tmp_path / "ws", blobs="memory://bucket/photos") as workspace:
        workspace.add_photo(simulated.photo("x1", sha256="a" * 64), JPEG)
    with Workspace.open(tmp_path / "ws") as workspace:
        assert workspace.image_bytes("x1") == JPEG
    assert bucket.find("/") == [f"/bucket/photos/{identify(JPEG).name}"]
    assert list((tmp_path / "ws" / "photos").iterdir()) == []


def test_a_file_that_cannot_be_removed_is_told(tmp_path):
    files = PhotoFolder(tmp_path)
    file = identify(JPEG)
    files.path(file).mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot be removed"):
        files.remove(file)
