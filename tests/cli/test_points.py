"""Face points by the command line: shown, corrected by a table, listed, gone back to; refusals in one line."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest

from deciface.faces.landmarks import FACE_POINTS
from deciface.store import Workspace
from tests.cli.run import deciface
from tests.workflows.conftest import small_cohort, small_workspace  # noqa: F401 - fixtures
from tests.workflows.photo_with_points import place, with_photo
from tests.workflows.test_stored_points import corrected_in


@pytest.fixture
def clinic(tmp_path):
    """A workspace of the operating system's user, with a photo and its points as the model placed them."""
    with with_photo(tmp_path / "clinic", user=None) as workspace:
        (photo,) = workspace.photos()
        workspace.correct_landmarks(
            photo.id, place(b"", ""), corrected=(), started_from=0, photo_sha256=photo.sha256, comment="placed"
        )
    return tmp_path / "clinic"


def points(*arguments: object):
    return deciface("photo", "points", *arguments)


def test_points_are_shown_corrected_listed_and_gone_back_to(clinic, tmp_path):
    table = tmp_path / "points.csv"
    shown = points("show", "P1-a", "--workspace", clinic, "-o", table, "--json")
    assert shown.code == 0, shown.err
    assert (shown.document["version"], len(shown.document["points"])) == (1, len(FACE_POINTS))
    assert shown.document["source"] == "made 0123456789ab (version 1)"
    rows = list(csv.DictReader(table.read_text().splitlines()))
    moved = next(row for row in rows if row["name"] == "subnasale")
    moved["y_px"] = f"{float(moved['y_px']) + 6:.2f}"
    with table.open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    unsaid = points("correct", "P1-a", table, "--workspace", clinic)
    assert unsaid.code == 2
    assert "say which version the correction started from (--from-version)" in unsaid.error_line
    done = points("correct", "P1-a", table, "--from-version", 1, "--comment", "profile", "--workspace", clinic)
    assert (done.code, done.out.splitlines()) == (
        0,
        [
            "version 2 of the points of photo P1-a: 1 moved, 1 of 163 points placed by hand",
            "    subnasale: by 6.0 px, 5.0 % of the outer-canthal distance",
        ],
    )
    text = points("show", "P1-a", "--workspace", clinic).out.splitlines()
    assert text[0] == "photo P1-a: points by made 0123456789ab, 1 of 163 points by hand (version 2)"
    assert f"    subnasale: {float(moved['x_px']):.2f}, {float(moved['y_px']):.2f} px, by hand" in text
    back = points("revert", "P1-a", 1, "--workspace", clinic, "--json")
    assert (back.document["version"], back.document["corrected"]) == (3, [])
    assert [point["percent_of_outer_canthal_distance"] for point in back.document["moved"]] == [
        pytest.approx(5, abs=0.02)
    ]
    versions = points("history", "P1-a", "--workspace", clinic, "--json").document["versions"]
    assert [(v["version"], v["corrected"], v["comment"]) for v in versions] == [
        (1, [], "placed"),
        (2, [55], "profile"),
        (3, [], "back to version 1"),
    ]
    lines = points("history", "P1-a", "--workspace", clinic).out.splitlines()
    assert lines[1].startswith("   2 20")
    assert lines[1].endswith(", made 0123456789ab, 1 points by hand: profile")


def test_a_version_stored_since_is_told(clinic, tmp_path):
    table = tmp_path / "moves.csv"
    x, y = np.round(place(b"", "").point("subnasale"), 2)
    table.write_text(f"name,x_px,y_px\nsubnasale,{x + 1:.2f},{y:.2f}\n")
    correct = ("correct", "P1-a", table, "--from-version", 1, "--workspace", clinic)
    assert points(*correct).code == 0
    again = points(*correct)
    assert again.code == 2
    assert "photo 'P1-a' has newer points, version 2 by " in again.error_line
    assert "yours started from version 1: look at version 2 and correct that" in again.error_line


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("show", "P9"), 2, "photo 'P9' is not in the workspace; list its photos first"),
        (("history", "P9"), 2, "photo 'P9' is not in the workspace; list its photos first"),
        (("show", "P1-a", "-o", "points.txt"), 2, "--output points.txt: points are a CSV table; name it .csv"),
        (("show", "P1-a", "--norms", "n.csv"), 2, "--norms is for the page; name it with --report"),
        (("revert", "P1-a", "7"), 2, "version 7 of the points of photo 'P1-a'; there are to go back to: none"),
        (("correct", "P1-a", "gone.csv"), 2, "'gone.csv' cannot be read (No such file or directory); give a UTF-8 CSV"),
    ],
)
def test_refusals_are_one_line(clinic, arguments, code, message):
    ran = points(*arguments, "--workspace", clinic)
    assert ran.code == code
    assert message in ran.error_line


def test_a_photo_whose_points_nobody_stored(tmp_path):
    with_photo(tmp_path / "clinic", user=None).close()
    ran = points("history", "P1-a", "--workspace", tmp_path / "clinic")
    assert (ran.code, ran.out) == (0, "no points of photo P1-a are stored; the landmark model places them\n")


@pytest.mark.models
def test_the_page(small_workspace, finder, tmp_path):  # noqa: F811
    root = tmp_path / "imported"
    shutil.copytree(small_workspace, root)
    with Workspace.open(root) as workspace:
        photo_id = workspace.photos()[0].id
        corrected_in(workspace, photo_id, finder, tmp_path)
    ran = points("show", photo_id, "--report", tmp_path / "page.html", "--workspace", root, "--json")
    assert ran.code == 0, ran.err
    assert ran.document["simulated"] == "simulated people: no real patient, no real disorder"
    assert f"report: {tmp_path / 'page.html'}" in ran.err
    assert f"Measurements of {photo_id} (simulated person)" in (tmp_path / "page.html").read_text(encoding="utf-8")
