"""A workspace: what goes in comes out, whatever happens in between."""

import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deciface.cases import (
    Ancestry,
    AncestrySource,
    Diagnosis,
    DiagnosisStatus,
    Disorder,
    Encoding,
    Patient,
    Phenotype,
    Photo,
    Sex,
    Side,
    TermState,
    View,
)
from deciface.errors import InputError, MismatchError, NoGalleryError, StorageError
from deciface.store import Added, Workspace
from tests.store.importing import PNG, everything, image, photo

ANNA = Patient(
    "anna",
    Sex.FEMALE,
    (Ancestry("Han", Side.MATERNAL, AncestrySource.SELF_REPORT), Ancestry("Hakka", Side.PATERNAL)),
    "TW",
    simulated=True,
)
FULL = Photo(
    "photo",
    ANNA,
    "aa" * 32,
    4.5,
    (
        Diagnosis(Disorder("D1", "one"), ("G1", "G2"), DiagnosisStatus.MOLECULAR),
        Diagnosis(Disorder("D2", "two")),
    ),
    unaffected=False,
    phenotypes=(Phenotype("HP:0000316"), Phenotype("HP:0001249", TermState.EXCLUDED)),
)
JPEG = b"\xff\xd8\xff picture"


def encoding(of, vector=(0.6, 0.8), view=None, **change):
    made = Encoding(of.id, of.sha256, "crop/1", "e" * 64, view or View("m"), np.array(vector, np.float32))
    return replace(made, **change)


@pytest.fixture
def workspace(tmp_path):
    with Workspace.create(tmp_path / "ws") as made:
        yield made


def test_what_goes_in_comes_out(workspace):
    assert workspace.add_photo(FULL, JPEG) is Added.ADDED
    views = [View("m"), View("m", "nose", flip=True, grey=True)]
    given = [encoding(FULL, view=v) for v in views]
    assert workspace.add_encodings(given) == 2
    workspace.close()
    with Workspace.open(workspace.root) as again:
        assert again.photos() == (FULL,)
        assert again.image_bytes("photo") == JPEG
        found = list(again.encodings())
        assert [e.view for e in found] == views
        assert all(e.vector.tolist() == given[0].vector.tolist() and e.vector.flags.writeable for e in found)
        assert [replace(e, vector=None) for e in found] == [replace(e, vector=None) for e in given]
        assert again.gallery().views == tuple(views)
        assert again.gallery().photos == (FULL,)


def test_files_are_named_by_their_content(workspace):
    import hashlib

    workspace.add_photo(FULL, JPEG)
    workspace.add_photo(photo(1), image(1))
    names = sorted(p.relative_to(workspace.root / "photos").as_posix() for p in workspace.root.rglob("photos/*/*"))
    hashes = [(hashlib.sha256(JPEG).hexdigest(), "jpg"), (hashlib.sha256(image(1)).hexdigest(), "png")]
    assert names == sorted(f"{h[:2]}/{h}.{suffix}" for h, suffix in hashes)


def test_the_same_again_is_already_there(workspace):
    workspace.add_photo(FULL, JPEG)
    assert workspace.add_photo(FULL, JPEG) is Added.ALREADY_THERE
    assert workspace.add_encodings([encoding(FULL)]) == 1
    assert workspace.add_encodings([encoding(FULL), encoding(FULL, view=View("m", flip=True))]) == 1
    assert len(workspace.photos()) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"age_years": 5.0}, "photo 'photo' is stored already with other age; give the new photo another id"),
        ({"sha256": "b", "unaffected": True, "diagnoses": ()}, "other pixels and diagnoses and unaffected"),
        (
            {"id": "x", "patient": Patient("ben")},
            "has the pixels of photo 'photo' of patient 'anna'; correct the patient",
        ),
        (
            {"id": "x", "sha256": "b", "patient": replace(ANNA, sex=Sex.MALE)},
            "patient 'anna' is stored with other sex, ancestry or country than photo 'x' states",
        ),
    ],
)
def test_contradictions_are_refused(workspace, change, message):
    workspace.add_photo(FULL, JPEG)
    with pytest.raises(MismatchError, match=message):
        workspace.add_photo(replace(FULL, **change), JPEG)
    assert workspace.photos() == (FULL,)


def test_two_photos_of_one_patient_may_have_the_same_pixels(workspace):
    workspace.add_photo(FULL, JPEG)
    assert workspace.add_photo(replace(FULL, id="again"), JPEG) is Added.ADDED


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"photo_id": "none"}, InputError, "photo 'none' is not in the workspace; add the photo before"),
        ({"photo_sha256": "zz"}, MismatchError, "stored with pixels aaaaaaaaaaaa but its encoding was made from zz"),
        ({"vector": np.array([1, np.nan], np.float32)}, InputError, r"shape \(2,\) with 1 NaN or infinite numbers"),
        ({"vector": np.zeros((1, 2), np.float32)}, InputError, r"shape \(1, 2\)"),
        ({"vector": np.zeros(0, np.float32)}, InputError, r"shape \(0,\)"),
        ({"crop_version": "crop/2"}, MismatchError, r"\(weights eeeeeeeeeeee, crop crop/1\); nothing was stored"),
        ({"vector": np.array([1, 0], np.float32)}, MismatchError, "another encoding of view m/face/straight/colour"),
    ],
)
def test_encodings_all_or_none(workspace, change, error, message):
    workspace.add_photo(FULL, JPEG)
    workspace.add_encodings([encoding(FULL)])
    with pytest.raises(error, match=message):
        workspace.add_encodings([encoding(FULL, view=View("new")), encoding(FULL, **change)])
    assert len(list(workspace.encodings())) == 1


def test_gallery_of_some_models_and_of_nobody(workspace):
    with pytest.raises(NoGalleryError, match="has no photo encoded; import photos first"):
        workspace.gallery()
    workspace.add_photo(FULL, JPEG)
    workspace.add_photo(photo(1), image(1))
    workspace.add_encodings([encoding(FULL), encoding(FULL, view=View("b")), encoding(photo(1), view=View("b"))])
    assert len(workspace.gallery(models=["m"])) == 1
    assert workspace.gallery().views == (View("b"),)
    with pytest.raises(NoGalleryError, match="no photo encoded by other; import"):
        workspace.gallery(models=["other"])


def test_only_jpeg_and_png_and_only_known_photos(workspace):
    with pytest.raises(InputError, match="must be JPEG or PNG"):
        workspace.add_photo(FULL, b"GIF89a")
    with pytest.raises(InputError, match="photo 'x' is not in the workspace"):
        workspace.image_bytes("x")


def test_a_photo_stored_by_another_process_meanwhile_is_no_error(workspace, monkeypatch):
    def lost_the_race(path, target):
        target.write_bytes(path.read_bytes())
        path.unlink()
        raise FileNotFoundError

    monkeypatch.setattr(Path, "replace", lost_the_race)
    assert workspace.add_photo(FULL, JPEG) is Added.ADDED
    assert workspace.image_bytes("photo") == JPEG


def test_a_changed_or_missing_file_is_noticed(workspace):
    workspace.add_photo(FULL, JPEG)
    (path,) = workspace.root.rglob("*.jpg")
    path.write_bytes(JPEG + b"!")
    with pytest.raises(StorageError, match="has changed since it was stored; restore it from a backup"):
        workspace.image_bytes("photo")
    path.unlink()
    with pytest.raises(StorageError, match=r"cannot be read \(No such file or directory\)"):
        workspace.image_bytes("photo")


def test_what_is_no_workspace(tmp_path):
    with pytest.raises(StorageError, match=r"is not a workspace \(no deciface.sqlite\); make one with: deciface init"):
        Workspace.open(tmp_path)
    (tmp_path / "deciface.sqlite").write_bytes(b"not a database, but long enough to be looked at" * 50)
    with pytest.raises(StorageError, match="file is not a database"):
        Workspace.open(tmp_path)
    (tmp_path / "deciface.sqlite").write_bytes(b"")
    with pytest.raises(StorageError, match="is not a DeciFace database"):
        Workspace.open(tmp_path)


def test_create_refuses_a_workspace_and_a_folder_in_use(tmp_path, workspace):
    with pytest.raises(StorageError, match="is a workspace already"):
        Workspace.create(workspace.root)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("x")
    with pytest.raises(StorageError, match=r"holds other files \(letter.txt\)"):
        Workspace.create(tmp_path / "mine")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot be made a workspace"):
        Workspace.create(tmp_path / "file")


def test_another_schema_version_is_refused(workspace):
    workspace.close()
    with sqlite3.connect(workspace.root / "deciface.sqlite") as connection:
        connection.execute("UPDATE meta SET value = '99'")
    connection.close()
    with pytest.raises(StorageError, match="has schema version 99, this program reads 1; use the version of DeciFace"):
        Workspace.open(workspace.root)


def test_a_locked_database_is_told(workspace, monkeypatch):
    from sqlalchemy import event

    @event.listens_for(workspace._engine, "connect")
    def impatient(connection, _):
        connection.execute("PRAGMA busy_timeout = 50")

    workspace._engine.dispose()
    other = sqlite3.connect(workspace.root / "deciface.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StorageError, match="database is locked; close the other program that is writing to it"):
            workspace.add_photo(FULL, JPEG)
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert workspace.add_photo(FULL, JPEG) is Added.ADDED


@pytest.fixture
def small_disk():
    """Files may not grow beyond 1 MB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_line_and_leaves_nothing_half(workspace, small_disk):
    with pytest.raises(StorageError, match=r"photo [0-9a-f]{12} could not be written to .* free some space") as error:
        workspace.add_photo(FULL, PNG + bytes(1_100_000))
    assert "\n" not in str(error.value)
    assert [p for p in workspace.root.rglob("*") if p.is_file() and "photos" in p.parts] == []
    for i in range(5):
        workspace.add_photo(photo(i), image(i))
    with pytest.raises(StorageError, match="free some space or check the folder"):
        workspace.add_encodings(
            [encoding(photo(i), vector=np.ones(1024), view=View(f"m{k}")) for i in range(5) for k in range(200)]
        )
    assert list(workspace.encodings()) == []
    assert len(workspace.photos()) == 5


def run_import(root):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.store.importing", str(root)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_killed_imports_leave_a_workspace_that_opens_and_can_be_imported_again(tmp_path):
    rng = random.Random(5)
    seen = set()
    for point in range(10):
        root = tmp_path / f"ws{point}"
        with run_import(root) as process:
            assert process.stdout.readline() == b"ready\n"
            time.sleep(rng.uniform(0, 0.35))
            os.kill(process.pid, signal.SIGKILL)
            process.stdout.read()
        if (root / "deciface.sqlite").exists():
            with Workspace.open(root) as workspace:
                stored = workspace.photos()
                seen.add(len(stored))
                assert list(stored) == [photo(i) for i in range(len(stored))]
                assert all(workspace.image_bytes(p.id) for p in stored)
                assert len(list(workspace.encodings())) in (2 * len(stored), 2 * len(stored) - 2)
        everything(root)
        with Workspace.open(root) as workspace:
            assert len(workspace.photos()) == 40
            assert len(workspace.gallery()) == 40
        left = [p for p in root.rglob(".part-*") if p.is_file()]
        assert left == []
    assert len(seen) > 1, "all kills hit the same point"


def test_the_same_encoding_rounded_by_another_processor_is_already_there(workspace):
    vector = np.array([0.6, 0.8], np.float32)
    made = Encoding(FULL.id, FULL.sha256, "crop/1", "e" * 64, View("m"), vector)
    workspace.add_photo(FULL, JPEG)
    assert workspace.add_encodings([made]) == 1
    assert workspace.add_encodings([replace(made, vector=vector + np.float32(1e-6))]) == 0
    assert next(iter(workspace.encodings())).vector.tolist() == vector.tolist()
    with pytest.raises(MismatchError, match="another encoding"):
        workspace.add_encodings([replace(made, vector=np.array([0.65, 0.76], np.float32))])
