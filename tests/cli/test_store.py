"""The case database by the command line: in, out, consents, users, health, withdrawal."""

from __future__ import annotations

import json

import pytest

from tests.cli.run import deciface

TABLE = (
    "patient,disorder,disorder_name,sex,ancestry,hpo,consent\n"
    "N10,117550,Sotos syndrome,f,Hakka,HP:0000316,care;study\n"
    "N_11,OMIM:117550,Sotos syndrome,m,Taiwanese Han,!HP:0000252,care;sharing:Bonn\n"
    "N12,OMIM:117550,Sotos syndrome,x,,,\n"
)


@pytest.fixture
def clinic(tmp_path):
    """A workspace of three invented patients without photos."""
    (tmp_path / "cases.csv").write_text(TABLE)
    assert deciface("init", tmp_path / "clinic", "--site", "Taipei").code == 0
    done = deciface("import", tmp_path / "cases.csv", "--workspace", tmp_path / "clinic", "--json")
    assert done.code == 0
    assert (done.document["cases"], done.document["format"]) == (3, "csv")
    assert any("row 4, column 'sex': 'x'" in problem for problem in done.document["problems"])
    return tmp_path / "clinic"


def test_an_export_comes_back_equal_and_says_who_was_left_out(clinic, tmp_path):
    out = deciface("export", tmp_path / "out.csv", "--workspace", clinic, "--json")
    assert out.code == 0
    assert out.document["cases"] == 2
    assert out.document["label"] == "pseudonymised"
    assert out.document["left_out"][0].startswith("patient 'N12': ")
    bonn = deciface("export", tmp_path / "bonn.csv", "--to", "Bonn", "--workspace", clinic, "--json").document
    assert bonn["cases"] == 1
    again = deciface("import", tmp_path / "out.csv", "--workspace", clinic, "--json").document
    assert (again["cases"], again["cases_there"], again["changed"]) == (0, 2, 0)


def test_an_export_never_writes_over_anything(clinic, tmp_path):
    (tmp_path / "mine.csv").write_text("mine")
    ran = deciface("export", tmp_path / "mine.csv", "--workspace", clinic)
    assert ran.code == 2
    assert "exists already" in ran.error_line
    assert (tmp_path / "mine.csv").read_text() == "mine"


def test_nobody_to_export_is_exit_code_3(clinic, tmp_path):
    ran = deciface("export", tmp_path / "seoul.csv", "--to", "Seoul", "--workspace", clinic)
    assert ran.code == 3
    assert "no consent to share with 'Seoul' is in force" in ran.error_line


def test_consents_are_recorded_and_end(clinic):
    consent = ("store", "consent", "N12", "--workspace", clinic, "--json")
    given = deciface(*consent, "care; reader study", "--signer", "parent", "--date", "2026-01-02")
    assert [c["scope"] for c in given.document["consents"]] == ["care", "reader study"]
    ended = deciface(*consent, "care", "--withdraw", "--date", "2026-02-01")
    assert [c["withdrawn_on"] for c in ended.document["consents"]] == ["2026-02-01", None]
    wrong = deciface("store", "consent", "N12", "everything", "--workspace", clinic)
    assert wrong.code == 2
    assert "allowed are care, study, reference gallery" in wrong.error_line


def test_a_user_has_no_role_until_one_is_given(clinic):
    given = deciface("store", "user", "anna", "reader", "viewer", "--workspace", clinic, "--json")
    assert given.document == {"name": "anna", "roles": ["reader", "viewer"], "site": "Taipei"}
    users = {
        u["name"]: u["roles"] for u in deciface("store", "users", "--workspace", clinic, "--json").document["users"]
    }
    assert users["anna"] == ["reader", "viewer"]
    wrong = deciface("store", "user", "anna", "boss", "--workspace", clinic)
    assert wrong.code == 2
    assert "allowed are viewer, contributor, curator, coordinator, reader, admin" in wrong.error_line


def test_withdrawal_is_certified_and_final(clinic, tmp_path):
    backup = deciface("store", "backup", tmp_path / "backup", "--workspace", clinic, "--json")
    assert backup.code == 0
    ran = deciface("withdraw", "N10", "--yes", "--certificate", tmp_path / "n10.txt", "--workspace", clinic, "--json")
    assert ran.code == 0
    assert ran.document["subject_id"] == "N10"
    assert "ERASURE CERTIFICATE" in (tmp_path / "n10.txt").read_text()
    unknown = deciface("withdraw", "N99", "--yes", "--workspace", clinic)
    assert unknown.code == 2
    assert "'N99' is neither a patient nor a photo" in unknown.error_line
    again = deciface("import", tmp_path / "cases.csv", "--workspace", clinic, "--json").document
    assert any("patient 'N10' was withdrawn; nothing about them is stored again" in p for p in again["problems"])
    known = ("--withdrawn", clinic / "withdrawn.jsonl")
    restored = deciface("store", "restore", tmp_path / "backup", tmp_path / "restored", *known, "--json")
    assert restored.code == 0
    out = deciface("export", tmp_path / "after.csv", "--workspace", tmp_path / "restored", "--json").document
    assert out["cases"] == 1
    assert "N10" not in (tmp_path / "after.csv").read_text(encoding="utf-8-sig")


def test_verify_notices_a_trail_that_was_cut(clinic):
    sound = deciface("store", "verify", "--workspace", clinic, "--json")
    assert (sound.code, sound.document["sound"]) == (0, True)
    number, _, sha256 = sound.document["trail"]["head"].partition(":")
    later = deciface("store", "verify", "--head", f"{int(number) + 5}:{sha256}", "--workspace", clinic, "--json")
    assert (later.code, later.document["sound"]) == (2, False)
    wrong = deciface("store", "verify", "--head", "last", "--workspace", clinic)
    assert wrong.code == 2
    assert "NUMBER:SHA256" in wrong.error_line


def test_the_trail_names_who_did_what(clinic):
    entries = deciface("store", "audit", "--workspace", clinic, "--json").document["entries"]
    assert [e["record"] for e in entries if e["action"] == "add"] == ["N10", "N_11", "N12"]
    assert json.dumps(entries).count("Sotos") == 0, "ids only"


def test_the_trail_is_cut_at_its_old_end_and_says_how_to_see_others(clinic):
    audit = ("store", "audit", "--workspace", clinic)
    everything = deciface(*audit, "--json").document
    total = everything["entries_in_all"]
    assert [e["number"] for e in everything["entries"]] == list(range(1, total + 1))
    newest = deciface(*audit, "--limit", "2").out.splitlines()
    assert [int(line.split()[0]) for line in newest[:-1]] == [total - 1, total]
    older = f"older: --after {max(0, total - 4)} --limit {min(2, total - 2)}"
    assert newest[-1] == f"entries {total - 1} to {total} of {total}; {older}"
    first = deciface(*audit, "--after", "0", "--limit", "1").out.splitlines()
    assert first[-1] == f"entries 1 to 1 of {total}; newer: --after 1"
    assert deciface(*audit, "--after", total).out.strip() == f"no entry there; the trail has {total}"


@pytest.mark.parametrize(
    ("option", "address", "message"),
    [
        ("--blobs", "nonsense://x", "is no place for photos"),
        ("--blobs", "ftp://127.0.0.1:1/x", "is no place for photos"),
        ("--database", "postgresql://nobody@127.0.0.1:1/x", "check that the database server runs"),
    ],
)
def test_a_place_that_cannot_be_reached_leaves_nothing(tmp_path, option, address, message):
    ran = deciface("init", tmp_path / "w", option, address)
    assert ran.code == 2
    assert message in ran.error_line
    assert not (tmp_path / "w").exists()


def test_nobody_is_erased_unasked_and_formats_go_by_the_name(clinic, tmp_path):
    ran = deciface("withdraw", "N10", "--workspace", clinic)
    assert ran.code == 2
    assert "give --yes" in ran.error_line
    wrong = deciface("export", tmp_path / "x.csv", "--format", "xlsx", "--workspace", clinic)
    assert wrong.code == 2
    assert "ends in '.csv', which is csv, not xlsx" in wrong.error_line
    unnamed = deciface("export", tmp_path / "x", "--workspace", clinic)
    assert "does not say its format" in unnamed.error_line
    assert deciface("export", tmp_path / "x.xlsx", "--workspace", clinic).code == 0
    assert (tmp_path / "x.xlsx").read_bytes().startswith(b"PK")
    assert deciface("export", tmp_path / "t.csv", "--template").code == 2


def test_cases_are_listed_page_by_page(clinic):
    first = deciface("store", "cases", "--limit", "2", "--workspace", clinic, "--json").document
    assert [case["patient"] for case in first["cases"]] == ["N10", "N12"]
    rest = deciface("store", "cases", "--after", first["next"], "--workspace", clinic, "--json").document
    assert ([case["patient"] for case in rest["cases"]], rest["next"]) == (["N_11"], None)


def test_a_template_is_written_without_a_workspace(tmp_path):
    ran = deciface("export", tmp_path / "cases.xlsx", "--template", "--json")
    assert ran.code == 0
    assert (tmp_path / "cases.xlsx").read_bytes().startswith(b"PK")
    nothing = deciface("import", tmp_path / "cases.xlsx", "--workspace", tmp_path / "none")
    assert nothing.code == 2
    assert "is not a workspace" in nothing.error_line


def test_hpo_names_are_used_once_the_ontology_is_here(tmp_path):
    (tmp_path / "hp.obo").write_text(
        "data-version: hp/releases/2026-01-01\n\n[Term]\nid: HP:0000154\nname: Wide mouth\n"
    )
    here = {"DECIFACE_ONTOLOGY": str(tmp_path / "ontology")}
    missing = deciface("ontology", "status", **here)
    assert missing.code == 3
    assert "deciface ontology update --from DIR" in missing.error_line
    assert deciface("ontology", "update", "--from", tmp_path, "--json", **here).document["terms"] == 1
    (tmp_path / "cases.csv").write_text("patient,hpo,consent\nN1,wide mouth,care\n")
    assert deciface("init", tmp_path / "w").code == 0
    ran = deciface("import", tmp_path / "cases.csv", "--workspace", tmp_path / "w", "--json", **here)
    assert any("'wide mouth' was taken as HP:0000154 Wide mouth" in said for said in ran.document["notes"])
