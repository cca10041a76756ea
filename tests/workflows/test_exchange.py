"""Cases in and out of a workspace, as far as consent allows."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import replace

import numpy as np
import pytest

from deciface.cases import (
    Ancestry,
    Case,
    Consent,
    Diagnosis,
    Disorder,
    Encoding,
    Patient,
    Phenotype,
    Scope,
    Sex,
    TermState,
    View,
    VitalStatus,
)
from deciface.errors import InputError, MismatchError, NothingFoundError, OptionError, StorageError
from deciface.formats.encodings import write_encodings
from deciface.formats.exchange import ReadCases
from deciface.ontology import HpoTerms
from deciface.photos import read_photo
from deciface.store import Workspace
from deciface.workflows.exchange_formats import importer_for, table_within
from deciface.workflows.exporting import export_cases
from deciface.workflows.importing import import_cases
from deciface.workflows.importing_encodings import ImportedEncodings, import_encodings

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
    run(workspace, read(person(1), person(2, Scope.CARE), simulated), vouched=(vouched,))
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


def test_an_update_changes_only_what_the_source_states(workspace):
    known = person(1, Scope.CARE, diagnoses=(Diagnosis(Disorder("OMIM:1", "One")),), phenotypes=(Phenotype("HP:1"),))
    run(workspace, read(known))
    done = run(workspace, read(Case(Patient("p1", Sex.MALE), vital_status=VitalStatus.ALIVE)), update=True)
    assert (done.changed, done.problems) == (1, ())
    stored = workspace.case("p1")
    assert (stored.patient.sex, stored.vital_status) == (Sex.MALE, VitalStatus.ALIVE)
    assert (stored.patient.ancestry, stored.diagnoses, stored.phenotypes, stored.consents) == (
        known.patient.ancestry,
        known.diagnoses,
        known.phenotypes,
        known.consents,
    )


def test_a_withdrawn_consent_is_never_revived(workspace):
    signed = Consent(Scope.GALLERY, signed_on=dt.date(2026, 1, 1))
    known = replace(person(1), consents=(signed,))
    run(workspace, read(known))
    workspace.withdraw_consent("p1", Scope.GALLERY, on=dt.date(2026, 2, 1))
    ended = replace(signed, withdrawn_on=dt.date(2026, 2, 1))
    corrected = replace(known, diagnoses=(Diagnosis(Disorder("OMIM:2", "Two")),))
    run(workspace, read(corrected), update=True)
    assert workspace.case("p1").diagnoses == corrected.diagnoses
    assert workspace.case("p1").consents == (ended,)
    run(workspace, read(replace(corrected, consents=())), update=True, vouched=(Consent(Scope.GALLERY),))
    assert workspace.case("p1").consents == (ended,)


@pytest.mark.parametrize("update", [False, True])
def test_a_withdrawal_in_the_source_arrives(workspace, update):
    signed = Consent(Scope.GALLERY, signed_on=dt.date(2026, 1, 1))
    run(workspace, read(replace(person(1), consents=(Consent(Scope.CARE), signed))))
    ended = replace(signed, withdrawn_on=dt.date(2026, 2, 1))
    done = run(workspace, read(replace(person(1), consents=(Consent(Scope.CARE), ended))), update=update)
    assert done.problems == ()
    assert workspace.case("p1").consents == (Consent(Scope.CARE), ended)


def test_features_that_contradict_each_other_are_told(workspace):
    case = person(
        1,
        Scope.CARE,
        phenotypes=(Phenotype("HP:0000316"), Phenotype("HP:0000578", TermState.EXCLUDED)),
        as_written=(("hpo", "!wide-set eyes"),),
    )
    done = run(workspace, read(case), terms=HpoTerms.parse(OBO))
    assert workspace.case("p1").phenotypes == (Phenotype("HP:0000316"),)
    told = [problem for problem in done.problems if "HP:0000316 is excluded here and present before" in problem]
    assert len(told) == 2
    assert not any("was taken as" in said for said in done.notes)


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


def test_photos_need_consent_of_their_own_and_the_record_too(workspace, tmp_path):
    image = b"\x89PNG\r\n\x1a\n" + bytes(300)
    for case in (person(1, Scope.GALLERY), person(2, Scope.CARE), person(3, Scope.STUDY, Scope.PUBLICATION)):
        whole = case.with_photos([case.photo(f"{case.id}-a", sha256=f"{case.id[1]:0>64}")])
        workspace.add_case(whole, images={f"{case.id}-a": image + case.id.encode()})
    done = export_cases(workspace, tmp_path / "here", format_name="csv", with_photos=True)
    assert (done.cases, done.photos) == (2, 1)
    assert [line.split(":")[0] for line in done.left_out] == ["patient 'p1'", "photos of patient 'p2'"]
    boston = export_cases(workspace, tmp_path / "boston", format_name="csv", with_photos=True, to_site="Boston")
    assert (boston.cases, boston.photos) == (1, 0)
    assert any("photos of patient 'p3': no consent to share with 'Boston'" in line for line in boston.left_out)


def test_everything_an_export_wrote_in_the_workspace_goes_with_a_patient(workspace, tmp_path):
    run(workspace, read(person(1, Scope.STUDY), person(2, Scope.STUDY)))
    out = workspace.root / "exports"
    out.mkdir()
    export_cases(workspace, out / "all.jsonl", format_name="phenopackets")
    export_cases(workspace, out / "two.csv", format_name="csv", patients=["p2"])
    assert len(list(out.iterdir())) == 3
    certificate = workspace.withdraw("patient", "p1")
    assert [file.name for file in out.iterdir()] == ["two.csv"]
    assert {path.rsplit("/", 1)[-1] for _, path in certificate.derived} == {"all.jsonl", "all.deciface.json"}


def test_gmdb_takes_patients_with_photos_only(workspace, tmp_path):
    case = person(1, Scope.STUDY)
    workspace.add_case(case.with_photos([case.photo("one")]))
    run(workspace, read(person(2, Scope.STUDY)))
    done = export_cases(workspace, tmp_path / "gm", format_name="gmdb")
    assert done.cases == 1
    assert done.left_out == ("patient 'p2': has no photo, and a row of this format is one",)


def test_a_failed_export_leaves_no_trace(workspace, tmp_path):
    run(workspace, read(person(1, Scope.STUDY)))
    before = len(workspace.trail())
    with pytest.raises(StorageError):
        export_cases(workspace, tmp_path / "no folder" / "x.csv", format_name="csv")
    actions = [entry.action for entry in workspace.trail()[before:]]
    assert "export the record" not in actions
    assert workspace.withdraw("patient", "p1").derived == ()


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
        assert import_encodings(tmp_path / "enc.parquet", other) == ImportedEncodings(0, ())


@pytest.mark.models
@pytest.mark.parametrize("format_name", ["csv", "xlsx", "phenopackets", "gmdb"])
def test_a_folder_with_photos_comes_in_as_it_went_out(small_workspace, model_store, tmp_path, format_name):
    with Workspace.open(small_workspace) as workspace:
        before = {photo.sha256 for photo in workspace.photos()}
        export_cases(workspace, tmp_path / "out", format_name=format_name, with_photos=True)
    source = table_within(tmp_path / "out")
    importer = importer_for(source)
    assert importer.name == format_name
    with Workspace.create(tmp_path / "other") as other:
        done = run(other, importer.read(source), model_store)
        assert all("SIM-" in problem for problem in done.problems), "their ids are of no known kind, no more"
        assert {photo.sha256 for photo in other.photos()} == before
        assert all(other.has_image(photo.id) for photo in other.photos())


@pytest.mark.models
def test_an_edited_export_and_a_renamed_folder_change_no_photo(small_workspace, small_cohort, model_store, tmp_path):
    shutil.copytree(small_workspace, tmp_path / "w")
    with Workspace.open(tmp_path / "w") as workspace:
        export_cases(workspace, tmp_path / "out.csv", format_name="csv")
        text = (tmp_path / "out.csv").read_text(encoding="utf-8-sig").replace(",female,", ",unknown,")
        (tmp_path / "out.csv").write_text(text.replace(",male,", ",female,"), encoding="utf-8")
        edited = importer_for(tmp_path / "out.csv").read(tmp_path / "out.csv")
        done = run(workspace, edited, model_store, update=True)
        assert (done.photos, done.problems) == (0, ())
        assert done.changed > 0
        assert len(workspace.photos()) == 8
        shutil.copytree(small_cohort.folder, tmp_path / "moved")
        (tmp_path / "moved" / "photos").rename(tmp_path / "moved" / "pictures")
        table = (tmp_path / "moved" / "cases.csv").read_text().replace("photos/", "pictures/")
        (tmp_path / "moved" / "cases.csv").write_text(table)
        moved = importer_for(tmp_path / "moved" / "cases.csv").read(tmp_path / "moved" / "cases.csv")
        again = run(workspace, moved, model_store, update=True)
        assert again.photos == 0
        assert sum("once more; it was not added again" in said for said in again.notes) == 8
        assert len(workspace.photos()) == 8


def test_described_photos_take_the_pixels_that_their_vectors_were_made_from(workspace, tmp_path):
    for number in (1, 2):
        case = person(number, Scope.GALLERY)
        workspace.add_case(case.with_photos([case.photo(f"{number}", file_name=f"img/{number}.jpg")]))
    vector = np.array([0.6, 0.8], np.float32)
    made = [Encoding("1.jpg", "a" * 64, "crop/1", "e" * 64, View("m", flip=flip), vector) for flip in (False, True)]
    write_encodings(made, tmp_path / "one.npz")
    assert import_encodings(tmp_path / "one.npz", workspace) == ImportedEncodings(2, ())
    assert {photo.id: photo.sha256 for photo in workspace.photos()} == {"1": "a" * 64, "2": "unknown"}
    assert len(workspace.gallery()) == 1
    write_encodings([replace(made[0], photo_id="2")], tmp_path / "two.npz")
    with pytest.raises(MismatchError, match="was made from the pixels of another photo"):
        import_encodings(tmp_path / "two.npz", workspace)


def test_a_withdrawn_photo_stays_out_and_its_patient_comes_in(workspace):
    case = person(1, Scope.STUDY)
    both = case.with_photos([case.photo("one"), case.photo("two")])
    run(workspace, read(both))
    workspace.withdraw("photo", "one")
    done = run(workspace, read(both))
    assert (done.cases_there, done.problems) == (1, ("cases.csv, row 2: photo 'one' was withdrawn; it was left out",))
    assert [photo.id for photo in workspace.photos()] == ["two"]


@pytest.mark.models
def test_vectors_of_unknown_photos_are_left_out_and_told(small_workspace, tmp_path):
    with Workspace.open(small_workspace) as workspace:
        encodings = list(workspace.encodings())
        extra = [replace(encoding, photo_id="nobody") for encoding in encodings[:2]]
        write_encodings([*encodings, *extra], tmp_path / "enc.npz")
        assert import_encodings(tmp_path / "enc.npz", workspace) == ImportedEncodings(0, ("nobody",))
        write_encodings(extra, tmp_path / "other.npz")
        with pytest.raises(InputError, match=r"none of the photos of 'other\.npz' is in the workspace"):
            import_encodings(tmp_path / "other.npz", workspace)


@pytest.mark.models
def test_a_photo_of_a_real_person_without_consent_is_not_even_encoded(small_cohort, model_store, workspace, tmp_path):
    photo = min((small_cohort.folder / "photos").glob("SIM-P*.jpg"))
    shutil.copy(photo, tmp_path / "face.jpg")
    (tmp_path / "cases.csv").write_text("photo,patient,disorder\nface.jpg,real,OMIM:117550\n")
    source = importer_for(tmp_path / "cases.csv").read(tmp_path / "cases.csv")
    with pytest.raises(InputError, match="no consent is recorded for patient 'real': nothing of them was stored"):
        run(workspace, source, model_store)
    assert workspace.cases() == ()
    done = run(workspace, source, model_store, vouched=(Consent(Scope.CARE),))
    assert (done.photos, done.encodings, done.problems) == (1, 2, ())
    with pytest.raises(NothingFoundError, match="of nobody who agreed to the reference gallery"):
        workspace.gallery()
    workspace.record_consent("real", Consent(Scope.GALLERY))
    assert len(workspace.gallery()) == 1
