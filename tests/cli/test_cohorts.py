"""`deciface gallery rank`, `matrix`, `clusters`, `cohort-test`: answers, files, exit codes."""

import csv
import subprocess
import sys

import numpy as np
import pytest

from deciface.cases import CASE_TABLE_COLUMNS, Encoding, View
from deciface.formats.encodings import write_encodings
from tests.cli.run import Ran

COMMAND = (
    "from deciface.cli import cohorts, gallery, main\n"
    "if 'cohort-test' not in {c.name for c in gallery.app.registered_commands}: cohorts.add_to(gallery.app)\n"
    "main()"
)


def gallery_command(*arguments):
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "gallery", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


def unit(vector):
    return (np.array(vector) / np.linalg.norm(vector)).astype(np.float32)


def write_site(folder, people, *, simulated="yes"):
    """`people`: (photo, patient, disorder or "", vector) rows."""
    encodings = [
        Encoding(photo, f"{i:064x}", "crop/1", "e" * 64, View("m"), unit(vector))
        for i, (photo, _, _, vector) in enumerate(people)
    ]
    write_encodings(encodings, folder / "encodings.npz")
    with (folder / "cases.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, CASE_TABLE_COLUMNS)
        writer.writeheader()
        for photo, patient, disorder, _ in people:
            known = {"disorder": disorder, "disorder_name": f"name of {disorder}", "gene": f"GENE{disorder}"}
            writer.writerow({"photo": photo, "patient": patient, "simulated": simulated} | (known if disorder else {}))
    return ["--gallery", folder / "encodings.npz", "--cases", folder / "cases.csv"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Twenty disorders of four patients, one photo each, and six unsolved patients of whom three are alike."""
    rng = np.random.default_rng(3)
    people = []
    for disorder in range(20):
        shift = 1.2 * rng.standard_normal(16)
        for i in range(4):
            name = f"d{disorder:02d}-{i}"
            people.append((f"{name}.png", name, f"D{disorder}", shift + rng.standard_normal(16)))
    shift = 2.5 * rng.standard_normal(16)
    people += [(f"u{i}.png", f"u{i}", "", shift * (i < 3) + rng.standard_normal(16)) for i in range(6)]
    return write_site(tmp_path_factory.mktemp("site"), people)


def test_rank_shows_every_rule_side_by_side(site):
    done = gallery_command("rank", "--patient", "d03-1", "--published-cut", "0.4", *site, "--json")
    assert done.code == 0, done.err
    answer = done.document
    assert list(answer["rules"]) == [
        "nearest-image",
        "patient-mean",
        "disorder-centroid",
        "hybrid",
        "nearest-patients",
        "discriminant",
    ]
    for lists in answer["rules"].values():
        assert lists["disorders"][0]["name"] == "name of D3"
        assert lists["disorders"][0]["patients"] == 3  # without the patient
    assert answer["left_out"] == [{"photo": "d03-1.png", "patient": "d03-1", "reason": "same patient id as the query"}]
    assert answer["published"]["dropped_photos"] > 0
    assert "simulated" in answer["gallery_notice"]
    text = gallery_command("rank", "--patient", "d03-1", "--rule", "hybrid", "--published-cut", "0.4", *site).out
    assert "disorders by hybrid" in text
    assert f"as published, without {answer['published']['dropped_photos']} photos" in text
    assert "disorders by nearest-image" not in text


def test_rank_takes_encodings_and_says_which_rule_the_gallery_is_too_small_for(tmp_path):
    rng = np.random.default_rng(1)
    few = [(f"{i}.png", f"p{i}", f"D{i}", rng.standard_normal(4)) for i in range(4)]
    here = write_site(tmp_path, few)
    asked = Encoding("q", "q" * 64, "crop/1", "e" * 64, View("m"), unit(few[2][3]))
    write_encodings([asked], tmp_path / "query.npz")
    answer = gallery_command("rank", "--query", tmp_path / "query.npz", *here, "--json").document
    assert all(lists["disorders"][0]["id"] == "D2" for lists in answer["rules"].values())
    assert "needs more people: 24 for these 4 groups" in answer["refused"]["discriminant"]
    refused = gallery_command("rank", "--query", tmp_path / "query.npz", "--rule", "discriminant", *here)
    assert refused.code == 2
    assert refused.error_line.startswith("deciface: rule discriminant needs more people")


def test_matrix_writes_tables_with_ids_and_a_picture(site, tmp_path):
    folder = tmp_path / "out" / "matrix"
    answer = gallery_command("matrix", "disorder:D3", "-o", folder, *site, "--json").document
    assert sorted(answer["patients"]) == [f"d03-{i}" for i in range(4)]
    assert answer["compared"] == 85
    with (folder / "distance_matrix.tsv").open() as file:
        rows = list(csv.reader(file, delimiter="\t"))
    assert rows[0] == ["photo", *answer["photos"]]
    assert [row[0] for row in rows[1:]] == answer["photos"]
    assert [[float(x) for x in row[1:]] for row in rows[1:]] == pytest.approx(np.array(answer["distances"]), abs=1e-6)
    with (folder / "rank_matrix.tsv").open() as file:
        ranks = [row[1:] for row in list(csv.reader(file, delimiter="\t"))[1:]]
    assert ranks == [["" if r is None else str(r) for r in row] for row in answer["ranks"]]
    assert (folder / "matrix.png").read_bytes().startswith(b"\x89PNG")
    text = gallery_command("matrix", "d03-0,d03-1", *site).out
    assert "2 photos of 2 patients" in text


def test_clusters_finds_the_three_alike(site, tmp_path):
    answer = gallery_command("clusters", "-o", tmp_path, *site, "--json").document
    assert answer["clusters"][0]["patient_ids"] == ["u0", "u1", "u2"]
    assert answer["matches"][0]["patient_ids"][0] in {"u0", "u1"}
    assert (tmp_path / "clusters.png").read_bytes().startswith(b"\x89PNG")
    assert "u0\t1\n" in (tmp_path / "clusters.tsv").read_text()
    text = gallery_command("clusters", *site).out
    assert "    1. u0, u1, u2 (mean distance" in text
    assert "not a p-value" in text


def test_cohort_test_of_one_cohort(site):
    answer = gallery_command("cohort-test", "gene:GENED3", *site, "--json").document
    assert answer["patients"] == [f"d03-{i}" for i in range(4)]
    assert answer["p"]["p"] < 0.01
    assert answer["p"]["null"] == "a random sample of arrangements"
    assert answer["published"]["alike"] is True
    again = gallery_command("cohort-test", "gene:GENED3", *site, "--json").document
    assert again == answer
    text = gallery_command("cohort-test", "u3,u4,u5", *site, "--first-photo").out
    assert "3 patients (first photo by id), mean pairwise distance" in text
    assert "the published procedure (groups of 10 photos whatever the size" in text


def test_cohort_test_of_two_cohorts(site):
    same = gallery_command("cohort-test", "d03-0,d03-1", "--against", "d03-2,d03-3", *site, "--json").document
    different = gallery_command("cohort-test", "disorder:D3", "--against", "d05-0,d05-1", *site, "--json").document
    assert (same["decision"], different["decision"]) == ("same", "different")
    assert same["posterior"] < 0.5 < different["posterior"]
    text = gallery_command("cohort-test", "disorder:D3", "--against", "d05-0,d05-1", *site).out
    assert "DIFFERENT" in text
    assert "the best of five folds would give" in text


@pytest.mark.parametrize(
    ("arguments", "title", "said"),
    [
        (["rank", "--patient", "d03-1", "--top", "3"], "patient d03-1, every rule side by side", "Rule hybrid"),
        (["matrix", "disorder:D3"], "disorder:D3: 4 photos of 4 patients", "data:image/png;base64,"),
        (["clusters"], "Unsolved patients who look alike", "u0, u1, u2"),
        (
            ["cohort-test", "disorder:D3", "--match", "sex"],
            "disorder:D3: more alike than chance?",
            "random groups of 4",
        ),
        (
            ["cohort-test", "u3,u4,u5", "--first-photo", "--draws", "199"],
            "u3, u4, u5: more alike than chance?",
            "first photo by id",
        ),
        (
            ["cohort-test", "disorder:D3", "--against", "d05-0,d05-1"],
            "disorder:D3 against d05-0, d05-1: same or different?",
            '<b class="">Different</b>',
        ),
    ],
)
def test_report_is_one_page_that_holds_all(site, tmp_path, arguments, title, said):
    page = tmp_path / "report.html"
    done = gallery_command(*arguments, *site, "--report", page, "--json")
    assert done.code == 0, done.err
    assert f"report: {page}" in done.err
    text = page.read_text()
    assert f"<h1>{title}</h1>" in text
    assert said in text
    assert done.document["gallery_digest"] in text
    assert "The gallery holds simulated people" in text
    assert "http" not in text


def test_a_report_that_cannot_be_written_is_one_line(site, tmp_path):
    done = gallery_command("matrix", "u0,u1", *site, "--report", tmp_path / "none" / "report.html")
    assert (done.code, done.out) == (2, "")
    assert "cannot be written" in done.error_line


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["rank"], 2, "give --patient ID of the gallery, or --query"),
        (["rank", "--patient", "nobody"], 3, "patient 'nobody' is not in the gallery of 86 patients"),
        (["rank", "--patient", "u0", "--published-cut", "0.1"], 2, "self-match cut 0.1; published ones are 0.3 to 0.4"),
        (["matrix", "gene:NOPE"], 3, "nobody in the gallery of 86 patients has gene:NOPE"),
        (["matrix", "u0"], 2, "a matrix needs at least two"),
        (["matrix", " , "], 2, "name patients as p1,p2,p3"),
        (["clusters", "--percentile", "0"], 2, "give one between 0 and 100"),
        (["cohort-test", "u0"], 2, "at least two are needed to be alike"),
        (["cohort-test", "u0,u1", "--against", "u1,u2"], 2, "patient 'u1' is in both cohorts"),
        (["cohort-test", "u0,u1", "--against", "u2,u3", "--match", "sex"], 2, "belong to the test of one cohort"),
    ],
)
def test_bad_input_is_one_line(site, arguments, code, said):
    done = gallery_command(*arguments, *site)
    assert (done.code, done.out) == (code, "")
    assert said in done.error_line


def test_a_folder_that_cannot_be_made_is_one_line(site, tmp_path):
    (tmp_path / "file").write_text("")
    done = gallery_command("matrix", "u0,u1", "-o", tmp_path / "file" / "sub", *site)
    assert done.code == 2
    assert "cannot be made" in done.error_line


def test_nobody_unsolved_is_exit_code_3(tmp_path):
    here = write_site(tmp_path, [("a.png", "a", "D1", [1.0, 0]), ("b.png", "b", "D1", [0, 1.0])], simulated="no")
    done = gallery_command("clusters", *here)
    assert done.code == 3
    assert "0 unsolved patients" in done.error_line
