"""Fetching: by sha256 out of archives and folders, and one clear line when the network is away."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import importlib.util
import io
import subprocess
import sys
import tarfile
import zipfile

import pytest

from deciface.errors import ModelError
from deciface.models import ModelState, ModelStore, archives, download_command, fetch, shipped_cards, store

CONTENT = {"mediapipe-mesh": b"mesh" * 500, "dlib-resnet": b"resnet" * 900, "yunet": b"yunet" * 100}


@pytest.fixture
def small(monkeypatch):
    """Three of the shipped cards with small contents."""
    cards = [
        dataclasses.replace(card, sha256=hashlib.sha256(CONTENT[card.id]).hexdigest(), bytes=len(CONTENT[card.id]))
        for card in shipped_cards()
        if card.id in CONTENT
    ]
    monkeypatch.setattr(store, "shipped_cards", lambda: cards)


def wheel(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def sdist(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_from_a_folder_of_archives_and_bare_files(tmp_path, small):
    given = tmp_path / "given"
    (given / "deep").mkdir(parents=True)
    wheel(given / "a.whl", {"x/mesh.tflite": CONTENT["mediapipe-mesh"], "x/other": b"o" * 2000})
    sdist(given / "b.tar.gz", {"y/setup.py": b"raise SystemExit", "y/r.dat": CONTENT["dlib-resnet"]})
    (given / "deep" / "anything").write_bytes(CONTENT["yunet"])
    models = ModelStore(tmp_path / "store")
    assert fetch(models, sources=[given]).placed == ("dlib-resnet", "mediapipe-mesh", "yunet")
    for id_, content in CONTENT.items():
        assert models.path(id_).read_bytes() == content
    again = fetch(models, sources=[given])
    assert (again.placed, again.present) == ((), ("dlib-resnet", "mediapipe-mesh", "yunet"))


def test_an_altered_file_is_replaced(tmp_path, small):
    for id_, content in CONTENT.items():
        (tmp_path / f"{id_}.bin").write_bytes(content)
    models = ModelStore(tmp_path / "store")
    fetch(models, sources=[tmp_path])
    models.path("mediapipe-mesh").write_bytes(b"mash" * 500)
    assert fetch(models, sources=[tmp_path / "mediapipe-mesh.bin"]).placed == ("mediapipe-mesh",)


def test_what_is_missing_afterwards_is_named_with_the_way_to_get_it(tmp_path, small):
    (tmp_path / "mesh").write_bytes(CONTENT["mediapipe-mesh"])
    models = ModelStore(tmp_path / "store")
    with pytest.raises(ModelError) as caught:
        fetch(models, sources=[tmp_path / "mesh"])
    message = str(caught.value)
    assert message.startswith(
        "still missing: dlib-resnet (placed now: mediapipe-mesh); get on a machine with network: "
    )
    assert "`python -m pip download --no-deps face_recognition_models==0.3.0`" in message
    assert message.endswith("then run `deciface models fetch --from FOLDER` with the folder of those files")
    assert "\n" not in message
    assert models.path("mediapipe-mesh").is_file()


def test_optional_files_may_stay_away(tmp_path, small):
    for id_ in ("mediapipe-mesh", "dlib-resnet"):
        (tmp_path / id_).write_bytes(CONTENT[id_])
    assert fetch(ModelStore(tmp_path / "store"), sources=[tmp_path]).missing == ("yunet",)


@pytest.mark.parametrize("name", ["../../evil", "/evil", "x/../../../evil", "C:\\evil"])
def test_names_in_archives_are_never_paths(tmp_path, small, name):
    given = tmp_path / "deep" / "deeper" / "given"
    given.mkdir(parents=True)
    wheel(given / "a.whl", {name: CONTENT["mediapipe-mesh"]})
    sdist(given / "b.tar.gz", {name: CONTENT["dlib-resnet"]})
    fetch(ModelStore(given / "store"), sources=[given])
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"a.whl", "b.tar.gz", "face_landmark.tflite", "dlib_face_recognition_resnet_model_v1.dat"}


def test_links_in_archives_are_not_followed(tmp_path, small):
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("r.dat")
        info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/passwd", len(CONTENT["dlib-resnet"])
        archive.addfile(info)
    with pytest.raises(ModelError, match="still missing: dlib-resnet, mediapipe-mesh"):
        fetch(ModelStore(tmp_path / "store"), sources=[tmp_path / "b.tar.gz"])


def test_a_tar_bomb_is_stopped(tmp_path, small, monkeypatch):
    monkeypatch.setattr(archives, "_MAX_UNPACKED_BYTES", 10_000)
    bomb = sdist(tmp_path / "b.tar.gz", {"zeros": b"\0" * 20_000, "r.dat": CONTENT["dlib-resnet"]})
    with pytest.raises(ModelError, match=r"is damaged or no archive \(more than 100000 members or 0 GiB unpacked"):
        fetch(ModelStore(tmp_path / "store"), sources=[bomb])


def test_a_member_that_lies_about_its_size(tmp_path, small):
    path = wheel(tmp_path / "a.whl", {"mesh": b"\0" * 50_000})
    data = path.read_bytes().replace(
        (50_000).to_bytes(4, "little"), len(CONTENT["mediapipe-mesh"]).to_bytes(4, "little")
    )
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"damaged or no archive|still missing"):
        fetch(ModelStore(tmp_path / "store"), sources=[path])


@pytest.mark.parametrize("name", ["a.whl", "b.zip", "c.tar.gz", "d.tgz", "e.tar", "f.tar.xz"])
@pytest.mark.parametrize(
    "content",
    [b"", b"not an archive", gzip.compress(b"x" * 5000, mtime=0)[:100]],  # with the time, test names would differ
    ids=["empty", "text", "cut gzip"],
)
def test_damaged_archives_are_named(tmp_path, small, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        ModelError, match=rf"{name}' is damaged or no archive \(.*\); copy or download it again|still missing"
    ):
        fetch(ModelStore(tmp_path / "store"), sources=[tmp_path / name])


def test_a_source_that_does_not_exist(tmp_path, small):
    with pytest.raises(
        ModelError, match=r"none.whl' does not exist; give a wheel, a source archive, a model file or a folder"
    ):
        fetch(ModelStore(tmp_path), sources=[tmp_path / "none.whl"])


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """A pip that reaches nobody: a registry on a closed port of this machine."""
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "no-pip.conf"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    if importlib.util.find_spec("pip") is None:
        pytest.skip("this Python has no pip")


@pytest.mark.slow
def test_without_network_one_line_says_how_to_do_it_by_hand(tmp_path, offline):
    models = ModelStore(tmp_path / "store")
    with pytest.raises(ModelError) as caught:
        fetch(models)
    message = str(caught.value)
    assert "\n" not in message
    assert "mediapipe 0.10.21 could not be downloaded (pip: No matching distribution found" in message
    assert "face_recognition_models 0.3.0 could not be downloaded" in message
    assert "deciface models fetch --from FOLDER" in message
    assert not [path for path in models.root.rglob("*") if path.is_file()]


def test_without_pip_the_way_out_is_named(tmp_path, small, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "pip" else real(name, *a))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ModelError, match=r"this Python has none: run `python -m ensurepip` and try again; .*still missing"
    ):
        fetch(ModelStore(tmp_path / "store"))


def test_what_pip_is_asked_is_pinned_and_hashed(tmp_path, small, monkeypatch):
    """A stand-in for pip that records its command and answers with an archive, as an older pip and a newer one."""
    asked = []
    for version in ("23.0", "26.1"):
        script = tmp_path / "pip.py"
        script.write_text(STAND_IN.format(version=version, log=str(tmp_path / "log")))
        monkeypatch.setattr("deciface.models.fetching._pip", lambda script=script: [sys.executable, str(script)])
        with pytest.raises(ModelError, match="still missing: dlib-resnet, mediapipe-mesh"):
            fetch(ModelStore(tmp_path / "store"), progress=recording(asked))
        log = (tmp_path / "log").read_text()
        assert log.count("--require-hashes") == 2
        assert log.count("--no-deps") == 2
        assert "--platform manylinux_2_28_x86_64 --python-version 3.11 --implementation cp --abi cp311" in log
        assert (
            "mediapipe==0.10.21 --hash=sha256:05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3" in log
        )
        assert ("--progress-bar raw" in log) == (version == "26.1")
        (tmp_path / "log").unlink()
    assert asked[-1] == ("mediapipe 0.10.21 (bytes)", 35622638, [100, 35622538])


STAND_IN = """
import pathlib, sys
if "--version" in sys.argv:
    print("pip {version} from somewhere")
else:
    requirements = sys.argv[sys.argv.index("--requirement") + 1]
    with open({log!r}, "a") as log:
        log.write(" ".join(sys.argv) + chr(10) + pathlib.Path(requirements).read_text())
    print("Progress 100 of 35622638")
    print("Progress 35622638 of 35622638")
"""


def recording(asked):
    import contextlib

    @contextlib.contextmanager
    def progress(description, total):
        steps = []
        yield lambda n=1: steps.append(n)
        asked.append((description, total, steps))

    return progress


def test_the_command_for_another_machine():
    sources = {card.source.package: card.source for card in shipped_cards() if card.source}
    assert download_command(sources["mediapipe"]) == (
        "python -m pip download --no-deps --only-binary :all: --platform manylinux_2_28_x86_64 "
        "--python-version 3.11 --implementation cp --abi cp311 mediapipe==0.10.21"
    )
    assert download_command(sources["face_recognition_models"]) == (
        "python -m pip download --no-deps face_recognition_models==0.3.0"
    )


def test_an_interrupted_download_ends_pip(tmp_path, small, monkeypatch):
    script = tmp_path / "pip.py"
    script.write_text(
        "import sys, time\nif '--version' in sys.argv: print('pip 26.0')\n"
        "else:\n    print('Progress 1 of 2', flush=True)\n    time.sleep(60)\n"
    )
    monkeypatch.setattr("deciface.models.fetching._pip", lambda: [sys.executable, str(script)])
    started = []
    real = subprocess.Popen

    class Watched(real):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Watched)

    def interrupt(n=1):
        raise KeyboardInterrupt

    import contextlib

    with pytest.raises(KeyboardInterrupt):
        fetch(ModelStore(tmp_path / "store"), progress=lambda *_: contextlib.nullcontext(interrupt))
    assert started[-1].poll() is not None
    assert all(s.state is ModelState.MISSING for s in ModelStore(tmp_path / "store").status())


@pytest.mark.models
def test_fetched_files_are_those_of_the_cards(model_store):
    for status in model_store.status():
        assert status.state is ModelState.PRESENT or not status.card.required
