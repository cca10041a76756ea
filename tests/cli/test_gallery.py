"""`deciface gallery evaluate`: the tables, the report, the refusals; on encodings in GestaltMatcher-Arc's layout."""

import csv
import json
from html.parser import HTMLParser

import numpy as np
import pytest

from deciface.cases import CASE_TABLE_COLUMNS, RESEARCH_USE_ONLY, View
from tests.cli.run import deciface
from tests.evaluation import oracle
from tests.evaluation.worlds import DIMENSIONS, scattered

ARC = tuple(
    View(model, flip=bool(flip), grey=bool(grey)) for model in ("m0", "m1") for flip in (0, 1) for grey in (0, 1)
)
"""Models x flips x colours, as the ensemble writes them."""


def write_site(folder, records, *, simulated="no"):
    """Encodings without a sidecar, and a case table."""
    folder.mkdir(exist_ok=True)
    with (folder / "encodings.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["img_name", "model", "flip", "gray", "class_conf", "representations"])
        for r in records:
            for view, vector in r["vectors"].items():
                numbers = json.dumps([float(np.float32(x)) for x in vector])
                writer.writerow([r["id"], view.model, int(view.flip), int(view.grey), "[]", numbers])
    with (folder / "cases.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CASE_TABLE_COLUMNS)
        for r in records:
            label = r["labels"][0]
            facts = [round(r["age_years"], 1), r["sex"], r["ancestry"], "", "no", "", simulated]
            writer.writerow([r["id"], r["patient"], label, f"name of {label}", f"GENE{label[1:]}", *facts])
    return folder / "encodings.csv", folder / "cases.csv"


def made_records(**more):
    with pytest.MonkeyPatch.context() as patch:
        for view in ARC:
            patch.setitem(DIMENSIONS, view, 2)
        sizes = [9, 14, 20, 8, 2, 3, 5, 1]
        return scattered(
            np.random.default_rng(8), disorders=8, patients=sizes.__getitem__, views=ARC, spread=2.0, **more
        )


@pytest.fixture(scope="module")
def records():
    return made_records()


@pytest.fixture(scope="module")
def site(records, tmp_path_factory):
    return write_site(tmp_path_factory.mktemp("site"), records)


@pytest.fixture(scope="module")
def evaluated(site, tmp_path_factory):
    page = tmp_path_factory.mktemp("report") / "out.html"
    ran = deciface("gallery", "evaluate", site[0], "--cases", site[1], "--report", page, "--json")
    assert ran.code == 0, ran.err
    return ran.document, page.read_text()


def test_the_document_has_every_number_of_the_published_protocol(evaluated, records):
    document, _ = evaluated
    assert document["notice"] == RESEARCH_USE_ONLY
    assert document["notices"] == []
    assert (document["protocol"]["frequent"], document["protocol"]["rare"]) == (4, 3)
    assert document["provenance"]["views"] == [str(view) for view in sorted(ARC)]
    rows = {row["experiment"]: row for row in document["rules"][0]["published"]}
    assert set(rows) == {"F/F", "R/R", "F/F+R", "R/F+R"}
    assert rows["R/R"]["splits"] == rows["F/F+R"]["splits"] == 10
    assert rows["F/F"]["splits"] == 1
    assert rows["R/R"]["disorders"] == 3
    for row in rows.values():
        assert set(row["top"]) == {"top-1", "top-5", "top-10", "top-30"}
        assert row["top"]["top-30"] == 1.0
        assert 0 < row["top"]["top-1"] <= row["top"]["top-5"]
    assert rows["F/F"]["gallery_photos"] + rows["F/F"]["test_photos"] == sum(r["id"] < "d04" for r in records)
    assert rows["F/F"]["gallery_patients"] + rows["F/F"]["test_patients"] == 9 + 14 + 20 + 8
    assert (rows["F/F"]["gallery_disorders"], rows["R/F+R"]["gallery_disorders"]) == (4, 7)
    assert rows["F/F"]["spread"] is None
    assert set(rows["R/R"]["spread"]) == set(rows["R/R"]["top"])


def test_the_figures_per_patient_are_the_oracles(evaluated, records):
    """One patient out, by plain loops over the same records."""
    row = next(r for r in evaluated[0]["rules"][0]["per_patient"] if r["experiment"] == "one-out")
    everything = range(len(records))
    _, ranks = oracle.ranks(records, everything, everything, rule="nearest-image", own_left_out=True)
    assert row["patients"] == 62
    assert row["disorders"] == 8
    assert row["covered"] == pytest.approx(61 / 62)
    for name, value in (
        ("top-1", lambda r: float(r <= 1)),
        ("top-5", lambda r: float(r <= 5)),
        ("MRR", lambda r: 1 / r),
    ):
        micro, macro = oracle.honest([ranks], value)
        assert row["micro"][name]["value"] == pytest.approx(micro)
        assert row["macro"][name]["value"] == pytest.approx(macro)
        for mean in ("micro", "macro"):
            low, high = row[mean][name]["interval"]
            assert low <= row[mean][name]["value"] <= high
    assert "1 patient(s) alone with their disorder are in no published test or gallery" in evaluated[0]["remarks"]


def test_strata_carry_their_numbers_or_say_too_few(evaluated):
    strata = evaluated[0]["rules"][0]["strata"]
    out = [s for s in strata if s["experiment"] == "one-out" and s["by"] == "ancestry"]
    assert {s["stratum"]: s["patients"] for s in out} == {"East Asian": 33, "European": 29}
    assert all(s["figures"]["top-1"]["method"] == "Wilson" for s in out)
    small = [s for s in strata if s["patients"] < 10]
    assert small
    assert all(s["figures"] == {} for s in small)
    assert {s["by"] for s in strata} == {"ancestry", "age", "sex"}


def test_age_is_a_curve_and_patients_over_the_years(evaluated, records):
    ages = evaluated[0]["rules"][0]["ages"]
    curve = [row for row in ages["by_age"] if row["experiment"] == "one-out"]
    assert sum(row["photos"] for row in curve) == len(records)
    assert [row["band"] for row in curve] == ["0-2", "2-6", "6-12", "12-18", "18-40"]
    over = [row for row in ages["changes"] if row["experiment"] == "one-out"]
    assert over[0]["disorder"] == ""
    assert over[0]["patients"] == len({p["patient"] for p in ages["patients"] if p["experiment"] == "one-out"})
    for person in ages["patients"]:
        assert person["ages_years"] == sorted(person["ages_years"])
        assert person["ages_years"][-1] - person["ages_years"][0] >= 1


def test_nothing_is_said_about_age_where_it_was_not_asked_for(site):
    ran = deciface("gallery", "evaluate", site[0], "--cases", site[1], "--by", "sex", "--experiments", "F/F", "--json")
    assert ran.document["rules"][0]["ages"] is None


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.scripts = [], 0

    def handle_starttag(self, tag, attrs):
        self.scripts += tag == "script"
        # "#..." is a mark of a chart, drawn once on the same page
        self.links += [value for name, value in attrs if name in ("src", "href") and not value.startswith("#")]


def test_the_report_is_one_file_with_the_same_numbers(evaluated):
    document, page = evaluated
    parser = _Links()
    parser.feed(page)
    assert parser.links == []
    assert parser.scripts == 0
    for row in document["rules"][0]["published"]:
        assert f"{100 * row['top']['top-1']:.2f}" in page
    assert RESEARCH_USE_ONLY in page
    assert document["gallery"]["digest"] in page
    assert "too few" in page


def test_the_terminal_shows_three_tables(site):
    ran = deciface(
        "gallery", "evaluate", *site[:1], "--cases", site[1], "--rule", "patient-mean", "--experiments", "F/F"
    )
    assert ran.code == 0, ran.err
    assert "Published protocol, rule patient-mean: per photo, macro by disorder, %" in ran.out
    assert "Per patient, rule patient-mean: % with 95 % interval over patients; absent is a miss" in ran.out
    assert "Strata, rule patient-mean" in ran.out
    assert "By age in the photo, rule patient-mean: mean over patients of their photos, %" in ran.out
    assert "Patients over the years, rule patient-mean: doublings of the rank of the own disorder" in ran.out
    assert "R/R" not in ran.out
    assert "NOTE: not checked (near-duplicate person in test and gallery): no ArcFace model" in ran.out


def test_simulated_people_are_called_so_at_every_table(tmp_path, records):
    encodings, cases = write_site(tmp_path / "s", records, simulated="yes")
    ran = deciface("gallery", "evaluate", encodings, "--cases", cases, "--experiments", "F/F")
    assert ran.out.count("! Computed on simulated people: no real patient, no real disorder") == 5


def test_genes_and_several_rules(site):
    ran = deciface(
        "gallery", "evaluate", site[0], "--cases", site[1], "--target", "gene", "--rule", "nearest-image",
        "--rule", "disorder-centroid", "--by", "none", "--experiments", "R/F+R", "--json",
    )  # fmt: skip
    assert [r["rule"] for r in ran.document["rules"]] == ["nearest-image", "disorder-centroid"]
    assert ran.document["target"] == "gene"
    assert ran.document["rules"][0]["strata"] == []
    assert ran.document["rules"][0]["published"][0]["disorders"] == 3


def test_photos_are_divided_by_a_table_of_their_own(site, records, tmp_path):
    table = tmp_path / "quality.csv"
    good = [r["id"] for r in records if int(r["patient"][-2:]) % 2]
    table.write_text(
        "photo,quality\n" + "".join(f"{i},{'good' if i in good else 'poor'}\n" for i in [r["id"] for r in records])
    )
    ran = deciface(
        "gallery", "evaluate", site[0], "--cases", site[1], "--by", "none", "--strata", table,
        "--experiments", "one-out", "--json",
    )  # fmt: skip
    strata = {s["stratum"]: s["patients"] for s in ran.document["rules"][0]["strata"]}
    assert strata == {"poor": 33, "good": 29}
    assert ran.document["rules"][0]["published"] == []
    table.write_text("image,quality\n1,good\n")
    ran = deciface("gallery", "evaluate", site[0], "--cases", site[1], "--strata", table)
    assert ran.code == 2
    assert "quality.csv: needs rows, a column 'photo' and another one" in ran.error_line


def write_splits(folder, records, *, leak=()):
    """Files of a published split: one patient of each disorder is the test; `leak` stands on both sides."""
    folder.mkdir()
    number = {label: str(i) for i, label in enumerate(sorted({r["labels"][0] for r in records}))}

    def write(name, rows, fold=None):
        with (folder / f"gmdb_{name}_images_v1.1.0.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image_id", "subject", "label", *(["split"] if fold else [])])
            for r, split in rows:
                writer.writerow([r["id"], r["patient"], number[r["labels"][0]], *([split] if fold else [])])

    frequent = [r for r in records if r["id"] < "d04"]
    rare = [r for r in records if "d04" <= r["id"] < "d07"]
    write("frequent_test", [(r, None) for r in frequent if r["patient"].endswith("p00")])
    write("frequent_gallery", [(r, None) for r in frequent if not r["patient"].endswith("p00") or r["patient"] in leak])
    write("rare_test", [(r, s) for s in (0, 1) for r in rare if r["patient"].endswith(f"p0{s}")], fold=True)
    write("rare_gallery", [(r, s) for s in (0, 1) for r in rare if not r["patient"].endswith(f"p0{s}")], fold=True)
    return folder


def test_split_files_are_taken_as_they_are(site, records, tmp_path):
    folder = write_splits(tmp_path / "splits", records)
    ran = deciface("gallery", "evaluate", site[0], "--cases", site[1], "--splits", folder, "--json")
    document = ran.document
    assert document["protocol"] == {
        "source": "split files of splits, version 1.1.0", "seed": None, "frequent": 4, "rare": 3, "runs": 8
    }  # fmt: skip
    rows = {row["experiment"]: row for row in document["rules"][0]["published"]}
    test = [i for i, r in enumerate(records) if r["id"] < "d04" and r["patient"].endswith("p00")]
    gallery = [i for i, r in enumerate(records) if r["id"] < "d04" and not r["patient"].endswith("p00")]
    ranks, _ = oracle.ranks(records, test, gallery, rule="nearest-image", own_left_out=False)
    assert rows["F/F"]["top"]["top-1"] == pytest.approx(oracle.published([ranks], 1))
    assert (rows["F/F"]["gallery_photos"], rows["F/F"]["test_photos"]) == (len(gallery), len(test))
    assert rows["R/R"]["splits"] == 2


def test_a_patient_on_both_sides_stops_the_run_unless_allowed(site, records, tmp_path):
    folder = write_splits(tmp_path / "splits", records, leak=("d00p00",))
    asked = ("gallery", "evaluate", site[0], "--cases", site[1], "--splits", folder)
    ran = deciface(*asked, "--report", tmp_path / "out.html")
    assert ran.code == 2
    assert ran.out == ""
    assert "same patient in test and gallery: " in ran.error_line
    assert "photo 'd00p00-0' of d00p00 and photo 'd00p00-0' of d00p00" in ran.error_line
    assert "--allow-leakage evaluates all the same" in ran.error_line
    assert not (tmp_path / "out.html").exists()
    ran = deciface(*asked, "--allow-leakage", "--report", tmp_path / "out.html")
    assert ran.code == 0
    assert ran.out.count("! LEAKAGE, let through on request: same patient in test and gallery") == 5
    assert (tmp_path / "out.html").read_text().count("▲ LEAKAGE") == 4


def test_photos_that_were_trained_on_stop_the_run(site, records, tmp_path):
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("photo,patient\n" + "".join(f"{r['id'].upper()}.jpg,\n" for r in records))
    asked = ("gallery", "evaluate", site[0], "--cases", site[1], "--trained-on", manifest)
    ran = deciface(*asked)
    assert ran.code == 2
    assert "test patient that the encoder was trained on" in ran.error_line
    alone = next(r for r in records if r["labels"] == ["D07"])  # in the gallery of nobody's test but their own
    manifest.write_text(f"{alone['id']}\r\n")
    ran = deciface(*asked, "--json", "--experiments", "F/F", "--experiments", "R/R")
    assert ran.code == 0
    assert "test patient that the encoder was trained on" not in ran.document["leakage"]["not_checked"]
    assert ran.document["leakage"]["trained_on"] == ["manifest 'manifest.csv': 1 of 1 listed are in the gallery"]


def test_a_manifest_that_names_nobody_here_has_checked_nothing(site, tmp_path):
    manifest = tmp_path / "list.txt"
    manifest.write_text("nobody-here\r\n")
    ran = deciface("gallery", "evaluate", site[0], "--cases", site[1], "--trained-on", manifest, "--experiments", "F/F")
    assert ran.code == 0
    assert (
        "NOTE: not checked (test patient that the encoder was trained on): none of 1 listed in manifest 'list.txt' is "
        "in the gallery, first 'nobody-here'; they are probably spelled in another way"
    ) in ran.out
    manifest.write_text("{}")
    ran = deciface("gallery", "evaluate", site[0], "--cases", site[1], "--trained-on", manifest)
    assert ran.code == 2
    assert "'list.txt' does not say who was learnt from" in ran.error_line


def test_a_workspace_knows_whom_its_own_encoder_learnt_from(tmp_path):
    """Nobody has to ask: an encoder that was trained in the workspace is not measured on whom it learnt from."""
    from deciface.cases import Diagnosis, Disorder, Encoding, Patient, Photo
    from deciface.store import Workspace

    rng = np.random.default_rng(5)
    photos = [
        Photo(f"f{i}", Patient(f"p{i}", simulated=True), f"{i:064x}", diagnoses=(Diagnosis(Disorder("D", "d")),))
        for i in range(4)
    ]
    with Workspace.create(tmp_path / "w") as workspace:
        for photo in photos:
            workspace.add_photo(photo)
        workspace.add_encodings(
            Encoding(p.id, p.sha256, "c", "e" * 64, View("own"), rng.normal(size=8).astype(np.float32)) for p in photos
        )
        workspace.note_trained("e" * 64, "own", photo_ids=["f2"])
    ran = deciface("gallery", "evaluate", "--workspace", tmp_path / "w", "--experiments", "one-out")
    assert ran.code == 2
    assert "leakage: test patient that the encoder was trained on: 1 case(s), first photo 'f2' of p2" in ran.error_line
    ran = deciface("gallery", "evaluate", tmp_path / "w", "--experiments", "one-out", "--allow-leakage")
    assert ran.code == 0
    assert (
        "NOTE: looked for whom the encoder learnt from in what the workspace noted of 'own': 1 of 1 listed" in ran.out
    )
    assert "! LEAKAGE, let through on request: test patient that the encoder was trained on: 1 case(s)" in ran.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "no workspace named: give --workspace DIR"),
        (["nowhere.csv"], 2, "does not exist"),
        (["SITE"], 2, "give the case table too, --cases TABLE.csv"),
        (["SITE", "--cases", "CASES", "--rule", "psychic"], 2, "psychic"),
        (["SITE", "--cases", "CASES", "--splits", "EMPTY"], 3, "has no gmdb_*_images_v*.csv"),
        (
            ["SITE", "--cases", "CASES", "--identity-model", "arc"],
            2,
            "--identity-model arc: the encodings are of m0, m1",
        ),
        (["SITE", "--cases", "CASES", "--trained-on", "CASESX"], 2, "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_one_line(site, tmp_path, arguments, code, words):
    names = {"SITE": site[0], "CASES": site[1], "EMPTY": tmp_path, "CASESX": tmp_path / "none"}
    ran = deciface("gallery", "evaluate", *(names.get(a, a) for a in arguments), DECIFACE_WORKSPACE="")
    assert ran.code == code
    assert words in ran.error_line
    assert ran.out == ""


def test_views_that_some_photos_lack_are_named(tmp_path, records):
    lacking = [
        {**r, "vectors": {v: x for v, x in r["vectors"].items() if i or v != ARC[1]}} for i, r in enumerate(records)
    ]
    encodings, cases = write_site(tmp_path / "s", lacking)
    ran = deciface("gallery", "evaluate", encodings, "--cases", cases, "--experiments", "F/F")
    assert ran.code == 0
    assert f"NOTE: view {ARC[1]} was not used: some photos lack it" in ran.out


def test_nobody_with_a_disorder_in_common_is_exit_code_3(tmp_path):
    encodings, cases = write_site(tmp_path / "s", made_records()[:1])
    ran = deciface("gallery", "evaluate", encodings, "--cases", cases)
    assert ran.code == 3
    assert (
        "nothing to evaluate: no experiment of F/F, R/R, F/F+R, R/F+R, one-out has a test and a gallery"
        in ran.error_line
    )


@pytest.mark.slow
@pytest.mark.models
def test_a_simulated_cohort_in_a_workspace(model_store, tmp_path):
    """Ten patients of each of two simulated disorders and three of a third: found clearly more often than by chance."""
    from deciface.simulate import AppearanceModel, CohortPlan, simulate_cohort
    from deciface.store import Workspace
    from deciface.workflows.importing import import_table

    plan = CohortPlan(
        patients_per_disorder=10, unaffected=2, disorders=("SIM-01", "SIM-05"), photos=(1, 2), severity_sd=3.3,
        size_px=256,
    )  # fmt: skip
    cohort = simulate_cohort(AppearanceModel.shipped(), tmp_path / "cohort", plan=plan, seed=3)
    with Workspace.create(tmp_path / "w") as workspace:
        import_table(cohort.cases, workspace, store=model_store)
    page = tmp_path / "page.html"
    ran = deciface("gallery", "evaluate", "--workspace", tmp_path / "w", "--report", page, "--json")
    assert ran.code == 0, ran.err
    assert ran.document["notices"] == ["Computed on simulated people: no real patient, no real disorder"]
    rows = {row["experiment"]: row for row in ran.document["rules"][0]["per_patient"]}
    assert set(rows) == {"F/F", "one-out"}
    out = rows["one-out"]
    assert out["patients"] == 20
    assert out["chance"] == 0.5
    assert out["micro"]["top-1"]["interval"][0] > 0.5
    assert out["micro"]["top-5"]["value"] == 1.0
    assert page.read_text().count("▲ Computed on simulated people") == 4
    again = deciface("gallery", "evaluate", tmp_path / "w", "--json")
    assert again.document["rules"] == ran.document["rules"]
