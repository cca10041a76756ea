"""Phenopackets: the published cases, and that going out and coming in again changes nothing."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from deciface.cases import (
    SIMULATED,
    Ancestry,
    AncestrySource,
    Case,
    Consent,
    Diagnosis,
    DiagnosisStatus,
    Disorder,
    Participant,
    Patient,
    Phenotype,
    PhotoSource,
    PhotoView,
    Scope,
    Sex,
    Side,
    TermState,
    Variant,
    VitalStatus,
    Zygosity,
)
from deciface.errors import InputError, StorageError
from deciface.formats.phenopackets_in import PhenopacketsImporter
from deciface.formats.phenopackets_out import PhenopacketsExporter
from tests.formats.made_cases import several_cases

NOW = dt.datetime(2026, 11, 25, 8, 0, tzinfo=dt.UTC)


def exporter():
    return PhenopacketsExporter(lambda: NOW, versions={"HP": "2025-03-03"})


def imported(path):
    return {case.id: case for _, case in PhenopacketsImporter().read(path).cases}


def parsed(line):
    """As the protobuf classes of the standard see it: unknown fields, wrong types and wrong words raise."""
    from google.protobuf.json_format import Parse
    from phenopackets import Phenopacket

    return Parse(line, Phenopacket())


@pytest.fixture(scope="module")
def source(shared_data):
    return shared_data / "phenotype" / "phenopackets_dev.jsonl.gz"


@pytest.fixture(scope="module")
def published(source):
    """The 4,463 cases of the reference file."""
    return [case for _, case in PhenopacketsImporter().read(source).cases]


class TestReferenceFile:
    def test_all_cases_come_in_within_seconds_and_slips_are_told(self, source):
        begun = time.perf_counter()
        found = PhenopacketsImporter().read(source)
        assert time.perf_counter() - begun < 20
        assert len(found.cases) == 4463
        assert [row for row, _ in found.cases] == list(range(1, 4464))
        cases = [case for _, case in found.cases]
        assert sum(len(case.phenotypes) for case in cases) == 96700
        assert sum(p.state is TermState.EXCLUDED for case in cases for p in case.phenotypes) == 57107
        assert sum(len(case.variants) for case in cases) == 4939
        statuses = [d.status for case in cases for d in case.diagnoses]
        assert statuses.count(DiagnosisStatus.MOLECULAR) == 4444
        assert statuses.count(DiagnosisStatus.CLINICAL) == 19
        assert all(case.consents == (Consent(Scope.PUBLICATION, evidence=case.references[0]),) for case in cases)
        assert sum(case.vital_status is VitalStatus.DECEASED for case in cases) == 378
        assert sum(case.last_seen_age is not None for case in cases) == 3404 + 19 + 16
        messages = [problem.message for problem in found.problems]
        assert len(messages) == 39
        assert sum("is no HGVS description, read as" in message for message in messages) == 15
        assert sum("changed places" in message for message in messages) == 4
        assert sum("has an ACMG class" in message for message in messages) == 19
        assert str(found.problems[0]) == (
            "phenopackets_dev.jsonl.gz, row 649, column 'interpretations[0].diagnosis.genomicInterpretations[0]"
            ".variantInterpretation.variationDescriptor.expressions[0].value': 'NM_000075.4:c.367C > T' is no HGVS "
            "description, read as 'NM_000075.4:c.367C>T'; correct it"
        )

    def test_the_first_case_is_taken_over_whole(self, published):
        first = published[0]
        assert first.patient == Patient("PMID_24573067_CASE_REPORT", Sex.FEMALE)
        assert first.other_ids == ("CASE REPORT",)
        assert first.last_seen_age == "P80Y"
        assert first.diagnoses == (
            Diagnosis(
                Disorder("OMIM:148600", "Keratoderma, palmoplantar, punctate type IA"),
                ("AAGAB",),
                DiagnosisStatus.MOLECULAR,
                onset="HP:0011463",
            ),
        )
        assert first.phenotypes[0] == Phenotype("HP:0006482", TermState.EXCLUDED, label="Abnormal dental morphology")
        assert first.variants == (
            Variant(
                "AAGAB",
                "HGNC:25662",
                ("NM_024666.5:c.174del", "NC_000015.10:g.67236720del", "NP_078942.3:p.(Asn59IlefsTer51)"),
                "hg38",
                "chr15",
                67236719,
                "TG",
                "T",
                Zygosity.HETEROZYGOUS,
                "PATHOGENIC",
            ),
        )
        assert first.as_written == (("x_unseen_by_hpoa_2025_01", "true"),)

    @pytest.mark.parametrize("name", ["out.jsonl.gz", "out"])
    def test_export_and_import_give_equal_cases(self, published, tmp_path, name):
        written = exporter().write(published, tmp_path / name)
        assert written.losses == ("asWritten of 4463 cases: in the sidecar only",)
        assert imported(tmp_path / name) == {case.id: case for case in published}

    def test_the_standard_s_own_classes_accept_what_is_written(self, published, tmp_path):
        exporter().write(published, tmp_path / "out.jsonl.gz")
        with gzip.open(tmp_path / "out.jsonl.gz") as lines:
            read_back = [parsed(line) for line in lines]
        assert [message.id for message in read_back] == [case.id for case in published]
        assert sum(len(message.phenotypic_features) for message in read_back) == 96700
        descriptor = read_back[0].interpretations[0].diagnosis.genomic_interpretations[0].variant_interpretation
        assert descriptor.variation_descriptor.vcf_record.pos == 67236719


@given(several_cases())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_cases_survive_going_out_and_coming_in(cases):
    with tempfile.TemporaryDirectory() as folder:
        for name in ("out", "out.jsonl"):
            exporter().write(cases, Path(folder) / name)
            if cases:
                assert imported(Path(folder) / name) == {case.id: case for case in cases}
        for line in (Path(folder) / "out.jsonl").read_bytes().splitlines():
            parsed(line)


def test_what_phenopackets_cannot_hold_is_in_the_sidecar_under_beacon_s_names(tmp_path):
    case = Case(
        Patient(
            "TW-1",
            Sex.MALE,
            (Ancestry("客家人", Side.MATERNAL, AncestrySource.SELF_REPORT, "TW:hakka"),),
            "TW",
            country_of_birth="JP",
            family="F7",
        ),
        phenotypes=(Phenotype("HP:0000316", TermState.NOT_ASSESSED),),
        consents=(Consent(Scope.SHARING, site="Bonn", signed_on=dt.date(2026, 1, 2)),),
        participant=Participant("NTUH", abnormal_appearance=True),
        site="NTUH",
    )
    case = case.with_photos([case.photo("photo-1", age_years=4.5, occlusions=["glasses"], replaces="photo-0")])
    written = exporter().write([case], tmp_path / "out")
    assert [path.name for path in written.files] == ["TW-1.json", "TW-1.deciface.json"]
    sidecar = json.loads((tmp_path / "out" / "TW-1.deciface.json").read_text("utf-8"))
    entry = sidecar["cases"]["TW-1"]
    assert entry["ethnicity"] == [
        {"label": "客家人", "side": "maternal", "source": "self-report", "id": "TW:hakka"},
    ]
    assert entry["geographicOrigin"] == {"residence": "TW", "birth": "JP"}
    assert entry["consents"] == [{"scope": "sharing with a named site", "site": "Bonn", "signedOn": "2026-01-02"}]
    assert entry["participant"] == {"site": "NTUH", "abnormalAppearance": True}
    assert (entry["family"], entry["site"]) == ("F7", "NTUH")
    assert "sex" not in entry
    assert written.losses == tuple(
        f"{name} of 1 cases: in the sidecar only"
        for name in (
            "consents",
            "ethnicity",
            "family",
            "geographicOrigin",
            "participant",
            "phenotypes",
            "photos",
            "site",
        )
    )
    assert imported(tmp_path / "out") == {"TW-1": case}


def test_a_photo_is_a_file_with_attributes(tmp_path):
    case = Case(Patient("P1"), consents=(Consent(Scope.STUDY), Consent(Scope.GALLERY, withdrawn_on=NOW.date())))
    photo = case.photo(
        "photo-1",
        sha256="ab" * 32,
        age_years=1.5,
        view=PhotoView.LEFT,
        source=PhotoSource.CLINIC,
        file_name="a photo.png",
    )
    exporter().write([case.with_photos([photo])], tmp_path / "out")
    written = json.loads((tmp_path / "out" / "P1.json").read_text())
    assert written["files"] == [
        {
            "uri": "a%20photo.png",
            "individualToFileIdentifiers": {"P1": "photo-1"},
            "fileAttributes": {
                "ageAtPhoto": "P1Y6M",
                "view": "left profile",
                "sha256": "ab" * 32,
                "consentScope": "study",
                "source": "clinic",
                "fileFormat": "image",
            },
        }
    ]
    assert written["metaData"]["created"] == "2026-11-25T08:00:00.000000Z"
    assert written["metaData"]["phenopacketSchemaVersion"].startswith("2.0")
    (tmp_path / "out" / "P1.deciface.json").unlink()
    alone = imported(tmp_path / "out")["P1"]
    assert alone.photos == (photo,)
    assert alone.consents == (Consent(Scope.STUDY, evidence="as stated in the phenopacket"),)


def test_releases_of_vocabularies_are_stated_as_far_as_known(tmp_path):
    case = Case(Patient("P1"), (Diagnosis(Disorder("OMIM:101600", "Pfeiffer syndrome")),), (Phenotype("HP:0000316"),))
    exporter().write([case], tmp_path / "out")
    resources = json.loads((tmp_path / "out" / "P1.json").read_text())["metaData"]["resources"]
    assert {resource["namespacePrefix"]: resource.get("version") for resource in resources} == {
        "HP": "2025-03-03",
        "OMIM": None,
        "NCBITaxon": None,
    }


def test_simulated_people_say_so_even_without_the_sidecar(tmp_path):
    case = Case(Patient("S1", simulated=True))
    written = exporter().write([case], tmp_path / "out")
    assert [path.name for path in written.files] == ["S1.json"]
    assert SIMULATED in (tmp_path / "out" / "S1.json").read_text()
    assert imported(tmp_path / "out") == {"S1": case}


def test_file_names_stay_apart_and_inside_the_folder(tmp_path):
    cases = [Case(Patient(case_id)) for case_id in ("a/b", "a_b", "A_B", "../up", "Ä" * 300, "con.x")]
    written = exporter().write(cases, tmp_path / "out")
    assert len({path.name.casefold() for path in written.files}) == len(cases)
    assert {path.parent for path in written.files} == {tmp_path / "out"}
    assert imported(tmp_path / "out") == {case.id: case for case in cases}


@pytest.mark.parametrize("name", ["out", "out.jsonl"])
def test_nothing_is_written_over(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(StorageError) as caught:
        exporter().write([Case(Patient("P1"))], tmp_path / name)
    assert str(caught.value) == (
        f"'{tmp_path / name}' exists already and is not written over; name a new one or move it away"
    )
    assert (tmp_path / name).read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_old_sidecar_is_not_left_to_be_taken_up(tmp_path):
    (tmp_path / "out.deciface.json").write_text("{}")
    with pytest.raises(StorageError, match=r"out\.deciface\.json' exists already"):
        exporter().write([Case(Patient("P1"))], tmp_path / "out.jsonl")


def test_a_folder_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(StorageError, match=r"cannot be written \(No such file or directory\)"):
        exporter().write([Case(Patient("P1"))], tmp_path / "none" / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("cases", "message"),
    [
        ([Case(Patient("P1"))] * 2, "case 'P1' is there twice; export each case once"),
        ([Case(Patient(" "))], "case ' ' has no id that a phenopacket can have; give it one line of text"),
        ([Case(Patient("a\nb"))], "case 'a b' has no id that a phenopacket can have; give it one line of text"),
        (
            [Case(Patient("P1"), site="\ud800")],
            "case 'P1' cannot be written as JSON (str is not valid UTF-8: surrogates not allowed); correct its text",
        ),
    ],
)
def test_what_cannot_be_exported_is_one_line(tmp_path, cases, message):
    with pytest.raises(InputError) as caught:
        exporter().write(cases, tmp_path / "out")
    assert str(caught.value) == message
    assert not list(tmp_path.iterdir())


class TestSidecar:
    CASE = Case(Patient("P1", country="TW", family="F1"), site="NTUH")

    def test_a_phenopacket_that_was_changed_since_is_told(self, tmp_path):
        exporter().write([self.CASE], tmp_path / "out")
        path = tmp_path / "out" / "P1.json"
        path.write_text(path.read_text().replace('"UNKNOWN_SEX"', '"MALE"'))
        found = PhenopacketsImporter().read(tmp_path / "out")
        assert found.cases[0][1] == replace(self.CASE, patient=replace(self.CASE.patient, sex=Sex.MALE))
        assert [str(problem) for problem in found.problems] == [
            "P1.json, row 1: changed since the sidecar was written; geographicOrigin, family, site are taken from the "
            "sidecar, check them"
        ]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (
                "{",
                "out.deciface.json, row 1: the sidecar is not used: out.deciface.json, row 1: JSON that breaks off; "
                "is the file cut off? Fetch or export it again",
            ),
            (
                '{"format": "deciface-phenopackets-sidecar", "version": 9}',
                "out.deciface.json, row 1: the sidecar is not used: is no deciface-phenopackets-sidecar of version 1; "
                "export again, or delete it to read the phenopackets alone",
            ),
            (
                '{"format": "deciface-phenopackets-sidecar", "version": 1, "cases": []}',
                "out.deciface.json, row 1: the sidecar is not used: has no entries by case id; export again, or delete "
                "it to read the phenopackets alone",
            ),
            (
                '{"format": "deciface-phenopackets-sidecar", "version": 1, "cases": {"P1": {"site": 3}}}',
                "out.jsonl, row 1: the sidecar's fields are not used: 'site' needs str; export again",
            ),
            (
                '{"format": "deciface-phenopackets-sidecar", "version": 1, "cases": {"P1": {"owner": "me"}}}',
                "out.jsonl, row 1: the sidecar's fields are not used: 'owner' is not known; export again",
            ),
            (
                '{"format": "deciface-phenopackets-sidecar", "version": 1, "cases": {"P1": {"consents": [{}]}}}',
                "out.jsonl, row 1: the sidecar's fields are not used: 'consents' lacks a field; export again",
            ),
            (
                '{"format": "deciface-phenopackets-sidecar", "version": 1, '
                '"cases": {"P1": {"consents": [{"scope": "all"}]}}}',
                "out.jsonl, row 1: the sidecar's fields are not used: 'all' is not a valid Scope; export again",
            ),
        ],
    )
    def test_a_damaged_sidecar_is_told_and_the_phenopacket_is_read(self, tmp_path, content, message):
        exporter().write([self.CASE], tmp_path / "out.jsonl")
        (tmp_path / "out.deciface.json").write_text(content)
        found = PhenopacketsImporter().read(tmp_path / "out.jsonl")
        assert [case for _, case in found.cases] == [Case(Patient("P1"))]
        assert [str(problem) for problem in found.problems] == [message]
