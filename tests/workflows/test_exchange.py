"""Cases in and out of a workspace, as far as consent allows."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import replace

import pytest

from deciface.cases import (
    Ancestry,
    Case,
    Consent,
    Diagnosis,
    Disorder,
    Patient,
    Phenotype,
    Scope,
    Sex,
    TermState,
)
from deciface.errors import InputError, NothingFoundError, OptionError, StorageError
from deciface.formats.exchange import ReadCases
from deciface.ontology import HpoTerms
from deciface.photos import read_photo
from deciface.store import Workspace
from deciface.workflows.exchange_formats import importer_for
from deciface.workflows.exporting import export_cases
from deciface.workflows.importing import import_cases, import_encodings

OBO = """data-version: hp/releases/2026-01-01

[Term]
id: HP:0000316
name: Hypertelorism
alt_id: HP:0000578
synonym: "Wide-set eyes" EXACT []
"""


@pytest.fixture
def workspace(tmp_path):
    with Workspace.create(tmp_path / "workspace", site="Taipei") as opened:
        yield opened


def person(number, *scopes, site=None, **facts):
    consents = tuple(Consent(scope, site if scope is Scope.SHARING else None) for scope in scopes)
    patient = Patient(f"p{number}", Sex.FEMALE, (Ancestry("Hakka", code="TW:hakka"),), "TW")
    return Case(patient, consents=consents, **facts)


def read(*cases):
    return ReadCases(tuple(enumerate(cases, start=2)), ())


def run(workspace, source, model_store=None, **options):
    return import_cases(source, workspace, name="cases.csv", store=model_store, **options)


def test_people_without_photos_come_in_and_come_again(workspace):
    cases = [person(n, Scope.CARE) for n in range(450)]
    first = run(workspace, read(*cases))
    assert (first.cases, first.cases_there, first.problems) == (450, 0, ())
    again = run(workspace, read(*cases))
    assert (again.cases, again.cases_there, again.problems) == (0, 450, ())
    assert sorted(workspace.cases(), key=lambda c: c.id) == sorted(cases, key=lambda c: c.id)


def test_consents_are_vouched_for_only_where_the_source_states_none(workspace):
    vouched = Consent(Scope.STUDY, text_version="3", evidence="vouched for at import")
    simulated = Case(Patient("made up", simulated=True))
    run(workspace, read(person(1), person(2, Scope.CARE), simulated), attested=(vouched,))
    stored = {case.id: case.consents for case in workspace.cases()}
    assert stored == {"p1": (vouched,), "p2": (Consent(Scope.CARE),), "made up": ()}


def test_stored_facts_change_only_when_asked(workspace):
    known = person(1, Scope.CARE, diagnoses=(Diagnosis(Disorder("OMIM:1", "One")),))
    corrected = replace(known, diagnoses=(Diagnosis(Disorder("OMIM:2", "Two")),), consents=(Consent(Scope.STUDY),))
    run(workspace, read(known))
    kept = run(workspace, read(corrected, person(2, Scope.CARE)))
    assert (kept.cases, kept.changed) == (1, 0)
    assert "stored already with other diagnoses" in kept.problems[0]
    changed = run(workspace, read(corrected), update=True)
    assert (changed.changed, changed.problems) == (1, ())
    assert workspace.case("p1").diagnoses == corrected.diagnoses
    assert {c.scope for c in workspace.case("p1").consents} == {Scope.CARE, Scope.STUDY}


def test_features_are_found_by_name_and_replaced_ids_brought_up_to_date(workspace):
    case = person(
        1,
        Scope.CARE,
        phenotypes=(Phenotype("HP:0000578"), Phenotype("HP:7777777")),
        as_written=(("hpo", "!wide-set eyes"), ("hpo", "long nose")),
    )
    done = run(workspace, read(case), terms=HpoTerms.parse(OBO))
    assert workspace.case("p1").phenotypes == (Phenotype("HP:0000316"), Phenotype("HP:7777777"))
    assert workspace.case("p1").as_written == case.as_written
    assert any("HP:0000578 is now HP:0000316" in said for said in done.notes)
    assert any("HP:7777777 is not in hp/releases/2026-01-01; kept as it is" in said for said in done.problems)
    other = person(2, Scope.CARE, as_written=(("hpo", "!wide-set eyes"),))
    run(workspace, read(other), terms=HpoTerms.parse(OBO))
    assert workspace.case("p2").phenotypes == (Phenotype("HP:0000316", TermState.EXCLUDED, label="Hypertelorism"),)


def test_nothing_to_import_is_said(workspace):
    with pytest.raises(NothingFoundError, match=r"'cases\.csv' has no case"):
        run(workspace, ReadCases((), ()))


def test_an_unknown_source_or_format_is_named(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        importer_for(tmp_path / "none.csv")
    (tmp_path / "x.bin").write_bytes(b"\x00\x01\x02")
    with pytest.raises(InputError, match="looks like none of gmdb, phenopackets"):
        importer_for(tmp_path / "x.bin")
    with pytest.raises(OptionError, match="--format xml: allowed are auto, gmdb"):
        importer_for(tmp_path / "x.bin", "xml")


@pytest.mark.parametrize(
    ("format_name", "file"), [("csv", "out.csv"), ("xlsx", "out.xlsx"), ("phenopackets", "o.jsonl")]
)
def test_export_then_import_gives_equal_cases(workspace, tmp_path, format_name, file):
    cases = [
        person(
            n,
            Scope.STUDY,
            diagnoses=(Diagnosis(Disorder("OMIM:117550", "Sotos syndrome"), ("NSD1",)),),
            phenotypes=(Phenotype("HP:0000316"), Phenotype("HP:0001249", TermState.EXCLUDED)),
        )
        for n in range(3)
    ]
    run(workspace, read(*cases))
    done = export_cases(workspace, tmp_path / file, format_name=format_name)
    assert (done.cases, done.left_out) == (3, ())
    importer = importer_for(tmp_path / file)
    assert importer.name == format_name
    back = importer.read(tmp_path / file)
    assert back.problems == ()
    assert [case for _, case in back.cases] == cases
    with pytest.raises(StorageError, match="exists already"):
        export_cases(workspace, tmp_path / file, format_name=format_name)


def test_only_who_agreed_goes_out_and_it_is_logged(workspace, tmp_path):
    bonn = Consent(Scope.SHARING, "Bonn")
    over = Consent(Scope.SHARING, "Bonn", withdrawn_on=dt.date(2020, 1, 1))
    run(
        workspace,
        read(
            person(1),
            person(2, Scope.CARE),
            replace(person(3, Scope.CARE), consents=(Consent(Scope.CARE), bonn)),
            replace(person(4, Scope.CARE), consents=(Consent(Scope.CARE), over)),
            person(5, Scope.PUBLICATION),
        ),
    )
    here = export_cases(workspace, tmp_path / "here.csv", format_name="csv")
    assert here.cases == 4
    assert [line.split(":")[0] for line in here.left_out] == ["patient 'p1'"]
    there = export_cases(workspace, tmp_path / "there.csv", format_name="csv", to_site="Bonn")
    assert there.cases == 2
    assert sum("no consent to share with 'Bonn' is in force" in line for line in there.left_out) == 2
    last = workspace.trail()[-1]
    assert last.action == "export the record"
    assert last.detail["patients"] == ["p3", "p5"]
    assert "Bonn" in last.detail["purpose"]
    with pytest.raises(NothingFoundError, match="nobody of 1 patients may be exported so"):
        export_cases(workspace, tmp_path / "none.csv", format_name="csv", patients=["p1"])
    with pytest.raises(InputError, match="patient 'p9' is not in the workspace"):
        export_cases(workspace, tmp_path / "none.csv", format_name="csv", patients=["p9"])
    assert not (tmp_path / "none.csv").exists()


@pytest.mark.models
def test_photos_go_out_and_come_back_with_their_pixels(small_workspace, small_cohort, model_store, tmp_path):
    with Workspace.open(small_workspace) as workspace:
        before = {photo.id: photo.sha256 for photo in workspace.photos()}
        done = export_cases(workspace, tmp_path / "out", format_name="csv", with_photos=True)
        export_cases(workspace, tmp_path / "enc.parquet", format_name="encodings")
    assert done.photos == len(before) == 8
    with Workspace.create(tmp_path / "other") as other:
        source = importer_for(tmp_path / "out" / "cases.csv").read(tmp_path / "out" / "cases.csv")
        again = run(other, source, model_store)
        assert (again.photos, again.problems) == (8, ())
        assert {photo.id: photo.sha256 for photo in other.photos()} == before
        for photo_id, sha256 in before.items():
            assert read_photo(other.image_bytes(photo_id)).pixel_sha256 == sha256
        assert import_encodings(tmp_path / "enc.parquet", other) == 0


@pytest.mark.models
def test_a_photo_of_a_real_person_without_consent_is_not_even_encoded(small_cohort, model_store, workspace, tmp_path):
    photo = min((small_cohort.folder / "photos").glob("SIM-P*.jpg"))
    shutil.copy(photo, tmp_path / "face.jpg")
    (tmp_path / "cases.csv").write_text("photo,patient,disorder\nface.jpg,real,OMIM:117550\n")
    source = importer_for(tmp_path / "cases.csv").read(tmp_path / "cases.csv")
    with pytest.raises(InputError, match="no consent is recorded for patient 'real': nothing of them was stored"):
        run(workspace, source, model_store)
    assert workspace.cases() == ()
    done = run(workspace, source, model_store, attested=(Consent(Scope.CARE),))
    assert (done.photos, done.encodings, done.problems) == (1, 2, ())
    with pytest.raises(NothingFoundError, match="of nobody who agreed to the reference gallery"):
        workspace.gallery()
    workspace.record_consent("real", Consent(Scope.GALLERY))
    assert len(workspace.gallery()) == 1
