"""The command line contract: one JSON document, one clear error line, exit codes 0, 2, 3, nothing half-written."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np
import pytest

from deciface import RESEARCH_USE_ONLY
from deciface.cli.bench import BENCHES
from deciface.photos import write_photo
from tests.cli.run import deciface
from tests.faces.drawing import smiley
from tests.workflows.conftest import small_cohort, small_workspace  # noqa: F401 - fixtures


def test_version_says_research_use_only():
    ran = deciface("--version")
    assert ran.code == 0
    assert RESEARCH_USE_ONLY in ran.out


def test_importing_the_package_is_light():
    code = "import sys, deciface; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"onnxruntime", "ai_edge_litert", "cv2", "torch", "matplotlib", "sqlalchemy", "polars"} & set(modules)


def test_an_unknown_command_is_one_line_and_exit_code_2():
    ran = deciface("diagnoze")
    assert ran.code == 2
    assert "diagnoze" in ran.error_line
    assert ran.out == ""


def test_init_makes_a_workspace_once(tmp_path):
    made = deciface("init", tmp_path / "w", "--json").document
    assert made["workspace"] == str(tmp_path / "w")
    assert made["roles"] == ["admin", "contributor", "coordinator", "curator"]
    again = deciface("init", tmp_path / "w")
    assert again.code == 2
    assert "is a workspace already" in again.error_line


def test_a_missing_model_names_the_command(tmp_path):
    write_photo(smiley(), tmp_path / "a.png")
    ran = deciface("photo", "check", tmp_path / "a.png", DECIFACE_MODELS=str(tmp_path / "none"))
    assert ran.code == 2
    assert "run `deciface models fetch`" in ran.error_line


def bad_files(folder):
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("not a photo")
    write_photo(np.full((300, 300, 3), 90, np.uint8), folder / "whole.jpg")
    (folder / "cut.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:900])
    write_photo(smiley(), folder / "smiley.png")


@pytest.mark.models
@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("empty.jpg", 2, "empty"),
        ("text.jpg", 2, "text.jpg"),
        ("cut.jpg", 2, "cut.jpg"),
        ("absent.jpg", 2, "does not exist"),
        ("smiley.png", 3, "no face found"),
    ],
)
@pytest.mark.parametrize("command", ["check", "encode", "diagnose"])
def test_bad_photos_are_one_line_each(model_store, small_workspace, tmp_path, name, code, said, command):  # noqa: F811
    bad_files(tmp_path)
    output = tmp_path / "out.csv"
    arguments = {
        "check": ("photo", "check", tmp_path / name),
        "encode": ("encode", tmp_path / name, "-o", output),
        "diagnose": ("diagnose", tmp_path / name, "--workspace", small_workspace, "--report", tmp_path / "r.html"),
    }[command]
    ran = deciface(*arguments)
    assert ran.code == code
    assert said in ran.err
    assert not output.exists()
    assert not (tmp_path / "r.html").exists()


@pytest.mark.models
def test_check_says_quality_as_json(small_cohort):  # noqa: F811
    photo = min((small_cohort.folder / "photos").glob("*.jpg"))
    (document,) = deciface("photo", "check", photo, "--json").document["photos"]
    assert document["faces"] == 1
    assert {c["name"] for c in document["checks"]} >= {"resolution", "sharpness", "exposure", "yaw", "eyes covered"}


@pytest.mark.models
def test_encode_writes_gestaltmatchers_columns(model_store, small_cohort, tmp_path):  # noqa: F811
    ran = deciface("encode", small_cohort.folder / "photos", "-o", tmp_path / "x.csv", "--json")
    assert ran.code == 0
    assert ran.document["photos"] == 8
    lines = (tmp_path / "x.csv").read_text().splitlines()
    assert lines[0] == "img_name;model;flip;gray;class_conf;representations"
    assert len(lines) == 1 + 8 * len(ran.document["views"])


@pytest.mark.models
def test_one_bad_photo_means_nothing_is_written_unless_asked(model_store, small_cohort, tmp_path):  # noqa: F811
    bad_files(tmp_path)
    good = min((small_cohort.folder / "photos").glob("*.jpg"))
    ran = deciface("encode", good, tmp_path / "text.jpg", "-o", tmp_path / "x.npz", "--json")
    assert (ran.code, ran.document["output"]) == (2, None)
    assert not (tmp_path / "x.npz").exists()
    ran = deciface("encode", good, tmp_path / "text.jpg", "-o", tmp_path / "x.npz", "--json", "--skip-bad")
    assert (ran.code, ran.document["photos"], len(ran.document["problems"])) == (0, 1, 1)


@pytest.mark.models
def test_diagnose_json_and_report(small_cohort, small_workspace, tmp_path):  # noqa: F811
    photo = min((small_cohort.folder / "photos").glob("SIM-P*.jpg"))
    report = tmp_path / "deep" / "report.html"
    ran = deciface(
        "diagnose", photo, "--workspace", small_workspace, "--json", "--report", report, "--rule", "patient-mean"
    )
    assert ran.code == 0
    document = ran.document
    assert document["notice"] == RESEARCH_USE_ONLY
    assert document["rule"] == "patient-mean"
    assert {d["id"] for d in document["disorders"]} == {"SIM-01", "SIM-05"}
    told = deciface("diagnose", photo, "--workspace", small_workspace, "--rule", "patient-mean").out.splitlines()
    genes = told[told.index("genes, by the same rule (a disorder without a known gene stands for itself):") + 1 :]
    for gene, line in zip(document["genes"], genes, strict=False):
        assert line == f"{gene['rank']:5d}. {gene['distance']:.4f}  {gene['gene']}"
    page = report.read_text()
    assert RESEARCH_USE_ONLY in page
    assert "simulated people" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "<script" not in page


@pytest.mark.models
def test_a_gallery_that_is_none_is_refused(small_cohort, tmp_path):  # noqa: F811
    photo = min((small_cohort.folder / "photos").glob("*.jpg"))
    ran = deciface("diagnose", photo, "--gallery", tmp_path)
    assert ran.code == 2
    assert "is not a workspace" in ran.error_line
    ran = deciface("diagnose", photo)
    assert "no workspace named" in ran.error_line
    deciface("init", tmp_path / "w")
    ran = deciface("diagnose", photo, "--workspace", tmp_path / "w")
    assert ran.code == 3
    assert "no photo encoded" in ran.error_line


@pytest.mark.models
@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX")
def test_a_full_disk_leaves_no_half_file(small_cohort, tmp_path):  # noqa: F811
    photos = small_cohort.folder / "photos"
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); "
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "from deciface.cli import main; sys.argv = ['deciface', *sys.argv[1:]]; main()"
    )
    arguments = ["encode", *sorted(map(str, photos.glob("*.jpg")))[:3], "-o", str(tmp_path / "x.csv")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.models
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_a_killed_encode_leaves_nothing_and_can_be_run_again(small_cohort, tmp_path):  # noqa: F811
    arguments = [
        sys.executable,
        "-m",
        "deciface",
        "encode",
        str(small_cohort.folder / "photos"),
        "-o",
        str(tmp_path / "x.csv"),
    ]
    for delay in (0.3, 1.0, 2.0):
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.kill()
        process.wait()
        assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] in ([], ["x.csv", "x.csv.meta.json"])
    assert subprocess.run(arguments, capture_output=True, check=False).returncode == 0


def test_simulated_faces_say_so(tmp_path):
    ran = deciface("simulate", "faces", tmp_path / "f", "--count", 2, "--feature", "hypertelorism=2", "--json")
    assert ran.code == 0
    assert "simulated" in ran.document["notice"]
    assert sorted(p.name for p in (tmp_path / "f").iterdir()) == [
        "simulated-0001.jpg",
        "simulated-0002.jpg",
        "truth.jsonl",
    ]
    ran = deciface("simulate", "faces", tmp_path / "g", "--feature", "hypertelorism")
    assert "write NAME=SD" in ran.error_line


def test_every_bench_is_described_where_it_is_asked_for():
    said = " ".join(deciface("bench", "--help").out.replace("│", " ").split())
    for name, what in BENCHES.items():
        assert f"{name}: {what}" in said
        assert find_spec(f"deciface.benchmarks.{name}") is not None


def test_an_unknown_bench_names_those_there_are():
    assert "allowed are faces, search" in deciface("bench", "speed").error_line
