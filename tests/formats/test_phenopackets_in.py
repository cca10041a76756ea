"""Phenopackets, in: what is taken over, what is told, and that nothing is dropped silently."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from deciface.cases import (
    NOT_STATED,
    Case,
    Consent,
    Diagnosis,
    DiagnosisStatus,
    Disorder,
    Patient,
    Phenotype,
    PhotoSource,
    PhotoView,
    Scope,
    Sex,
    TermState,
    Variant,
    VitalStatus,
)
from deciface.errors import InputError, TableError
from deciface.formats.phenopackets_in import PhenopacketsImporter
from deciface.formats.phenopackets_out import PhenopacketsExporter

NOW = dt.datetime(2026, 11, 25, 8, 0, tzinfo=dt.UTC)
META = {"phenopacketSchemaVersion": "2.0"}
FGFR2 = {"geneContext": {"valueId": "HGNC:3689", "symbol": "FGFR2"}}


def write(folder, *packets, name="cases.jsonl"):
    path = folder / name
    path.write_text("\n".join(json.dumps(packet, ensure_ascii=False) for packet in packets), "utf-8")
    return path


def read(folder, *packets):
    """The cases of these phenopackets and what was told, as (row, JSON path, message)."""
    found = PhenopacketsImporter().read(write(folder, *packets))
    return [case for _, case in found.cases], [(p.row, p.column, p.message) for p in found.problems]


def packet(**more):
    return {"id": "P1", "subject": {"id": "P1"}, "metaData": META, **more}


def exporter():
    return PhenopacketsExporter(lambda: NOW, versions={"HP": "2025-03-03"})


class TestDiagnoses:
    @staticmethod
    def interpretation(progress="SOLVED", status="CAUSATIVE", acmg="PATHOGENIC", disease="OMIM:101600"):
        return {
            "progressStatus": progress,
            "diagnosis": {
                "disease": {"id": disease, "label": "Pfeiffer syndrome"},
                "genomicInterpretations": [
                    {
                        "interpretationStatus": status,
                        "variantInterpretation": {
                            "acmgPathogenicityClassification": acmg,
                            "variationDescriptor": FGFR2,
                        },
                    }
                ],
            },
        }

    @pytest.mark.parametrize(
        ("progress", "status", "acmg", "listed", "expected"),
        [
            ("SOLVED", "CAUSATIVE", "PATHOGENIC", True, DiagnosisStatus.MOLECULAR),
            ("SOLVED", "CAUSATIVE", "LIKELY_PATHOGENIC", False, DiagnosisStatus.MOLECULAR),
            ("SOLVED", "CAUSATIVE", "UNCERTAIN_SIGNIFICANCE", False, DiagnosisStatus.CLINICAL),
            ("SOLVED", "CAUSATIVE", "NOT_PROVIDED", True, DiagnosisStatus.CLINICAL),
            ("SOLVED", "CANDIDATE", "PATHOGENIC", False, DiagnosisStatus.CLINICAL),
            ("IN_PROGRESS", "CAUSATIVE", "PATHOGENIC", True, DiagnosisStatus.CLINICAL),
            ("IN_PROGRESS", "CAUSATIVE", "PATHOGENIC", False, DiagnosisStatus.SUSPECTED),
            ("UNSOLVED", "UNKNOWN_STATUS", "BENIGN", False, DiagnosisStatus.SUSPECTED),
        ],
    )
    def test_how_sure_a_diagnosis_is(self, tmp_path, progress, status, acmg, listed, expected):
        diseases = [{"term": {"id": "MIM 101600", "label": "Pfeiffer syndrome"}}] if listed else []
        (case,), _ = read(
            tmp_path, packet(diseases=diseases, interpretations=[self.interpretation(progress, status, acmg)])
        )
        assert case.diagnoses == (Diagnosis(Disorder("OMIM:101600", "Pfeiffer syndrome"), ("FGFR2",), expected),)

    def test_diseases_and_interpretations_are_joined_by_id(self, tmp_path):
        (case,), told = read(
            tmp_path,
            packet(
                diseases=[{"term": {"id": "ORPHA:710"}}, {"term": {"id": "OMIM:101600", "label": "Pfeiffer"}}],
                interpretations=[self.interpretation(), self.interpretation(disease="MONDO:0007043")],
            ),
        )
        assert [(d.disorder.id, d.disorder.name, d.genes) for d in case.diagnoses] == [
            ("ORPHA:710", "ORPHA:710", ()),
            ("OMIM:101600", "Pfeiffer", ("FGFR2",)),
            ("MONDO:0007043", "Pfeiffer syndrome", ("FGFR2",)),
        ]
        assert told == [
            (
                1,
                "interpretations[0].diagnosis.disease.label",
                "OMIM:101600 is called 'Pfeiffer' earlier, taken so; correct one",
            )
        ]

    def test_slips_are_told_and_kept_as_written(self, tmp_path):
        (case,), told = read(
            tmp_path,
            packet(
                diseases=[
                    {"term": {"label": "Pfeiffer syndrome"}},
                    {"term": {"id": "Apert syndrome", "label": "OMIM:101200"}},
                    {"term": {"id": "101200"}},
                    {"term": {"id": "OMIM:123500"}, "excluded": True},
                    {"term": {"id": "a site's own"}},
                ]
            ),
        )
        assert [d.disorder for d in case.diagnoses] == [
            Disorder("OMIM:101200", "Apert syndrome"),
            Disorder("a site's own", "a site's own"),
        ]
        assert told == [
            (
                1,
                "diseases[0].term",
                "left out: a disease without id beside 'Pfeiffer syndrome'; give one, e.g. OMIM:148600 or "
                "MONDO:0007254",
            ),
            (
                1,
                "diseases[1].term",
                "id 'Apert syndrome' and label 'OMIM:101200' changed places, read as meant; correct them",
            ),
            (1, "diseases[2]", "OMIM:101200 stands among the diseases already; the first is taken, delete one"),
            (
                1,
                "diseases[3]",
                "OMIM:123500 was ruled out and is left out; a case has the diagnoses that were made",
            ),
            (
                1,
                "diseases[4].term.id",
                "'a site's own' has no form such as OMIM:148600; taken as it stands, check it",
            ),
        ]
        assert ("diseases[0].term.label", "Pfeiffer syndrome") in case.as_written
        assert ("diseases[3].excluded", "OMIM:123500") in case.as_written

    def test_variants_that_were_rejected_or_say_nothing_are_left_out(self, tmp_path):
        rejected = self.interpretation(status="REJECTED")
        empty = self.interpretation(status="CANDIDATE")
        empty["diagnosis"]["genomicInterpretations"][0]["variantInterpretation"]["variationDescriptor"] = {"id": "v"}
        (case,), told = read(tmp_path, packet(interpretations=[rejected, empty]))
        assert case.variants == ()
        assert [message for _, _, message in told] == [
            "left out: its interpretation is REJECTED; a case has reported variants only",
            "left out: a variant without gene, description or position; describe it",
        ]

    def test_hgvs_of_a_wrong_shape_is_told(self, tmp_path):
        made = self.interpretation()
        made["diagnosis"]["genomicInterpretations"][0]["variantInterpretation"]["variationDescriptor"] = {
            "expressions": [
                {"syntax": "hgvs.c", "value": "NM_000141.5:c.755C > G"},
                {"syntax": "hgvs.c", "value": "a deletion"},
                {"syntax": "spdi", "value": "NC_000010.11:121520118:G:C"},
            ],
            "vcfRecord": {"chrom": "chr10", "pos": "121520119", "ref": "G", "alt": "C"},
            "allelicState": {"id": "GENO:9999999", "label": "?"},
        }
        (case,), told = read(tmp_path, packet(interpretations=[made]))
        assert case.variants == (
            Variant(
                hgvs=("NM_000141.5:c.755C>G",),
                chromosome="chr10",
                position=121520119,
                ref="G",
                alt="C",
                acmg="PATHOGENIC",
            ),
        )
        assert [message for _, _, message in told] == [
            "'NM_000141.5:c.755C > G' is no HGVS description, read as 'NM_000141.5:c.755C>G'; correct it",
            "'a deletion' is no HGVS description, left out; correct it",
            "'GENO:9999999' is not known, taken as unknown; use e.g. GENO:0000135",
        ]
        assert [text for _, text in case.as_written] == [
            "NM_000141.5:c.755C > G",
            "a deletion",
            "NC_000010.11:121520118:G:C",
            "GENO:9999999",
        ]


class TestFeatures:
    def test_everything_about_a_feature_is_taken_over(self, tmp_path):
        (case,), told = read(
            tmp_path,
            packet(
                phenotypicFeatures=[
                    {
                        "type": {"id": "HP:0000316", "label": "Hypertelorism"},
                        "severity": {"id": "HP:0012828", "label": "Severe"},
                        "modifiers": [{"id": "HP:0012833"}, {"id": "Triggered by cold", "label": "HP:0025206"}],
                        "onset": {"gestationalAge": {"weeks": 13}},
                    },
                    {"type": {"id": "hp_0001249"}, "excluded": True, "onset": {"age": {"iso8601duration": "P18M"}}},
                    {"type": {"id": "HP:0000252"}, "onset": {"ontologyClass": {"id": "HP:0003577"}}},
                ]
            ),
        )
        assert case.phenotypes == (
            Phenotype(
                "HP:0000316", TermState.PRESENT, "13w0d", "HP:0012828", ("HP:0012833", "HP:0025206"), "Hypertelorism"
            ),
            Phenotype("HP:0001249", TermState.EXCLUDED, "P1Y6M"),
            Phenotype("HP:0000252", onset="HP:0003577"),
        )
        assert told == [
            (
                1,
                "phenotypicFeatures[0].modifiers[1]",
                "id 'Triggered by cold' and label 'HP:0025206' changed places, read as meant; correct them",
            )
        ]
        assert ("phenotypicFeatures[1].type.id", "hp_0001249") in case.as_written
        assert ("phenotypicFeatures[1].onset.age.iso8601duration", "P18M") in case.as_written

    def test_contradictions_and_wrong_shapes_are_told(self, tmp_path):
        (case,), told = read(
            tmp_path,
            packet(
                phenotypicFeatures=[
                    {"type": {"id": "HP:0000316"}},
                    {"type": {"id": "HP:0000316"}, "excluded": True},
                    {"type": {"id": "HP:0000316"}},
                    {"type": {"id": "HP:316"}},
                    {"type": {}},
                    "HP:0000252",
                    {"type": {"id": "HP:0001249"}, "excluded": "yes", "onset": {"age": {"iso8601duration": "four"}}},
                    {"type": {"id": "HP:0000252"}, "onset": {"timestamp": "2010-05-06T00:00:00Z"}},
                    {"type": {"id": "HP:0000253"}, "evidence": [{"evidenceCode": {"id": "ECO:1"}}]},
                ],
                measurements=[{}, {}],
            ),
        )
        assert [p.term for p in case.phenotypes] == ["HP:0000316", "HP:0001249", "HP:0000252", "HP:0000253"]
        assert [(column, message) for _, column, message in told] == [
            (
                "phenotypicFeatures[1]",
                "HP:0000316 is both present and excluded; taken as present, correct one",
            ),
            ("phenotypicFeatures[2]", "HP:0000316 stands there already in the same words; taken once, delete one"),
            ("phenotypicFeatures[3].type.id", "'HP:316' is left out; write an HPO id such as HP:0000316"),
            ("phenotypicFeatures[4].type.id", "left out: no id; give an HPO id"),
            ("phenotypicFeatures[5]", "'HP:0000252' is left out; an object is needed here"),
            ("phenotypicFeatures[6].excluded", "'yes' is taken as false; write true or false"),
            (
                "phenotypicFeatures[6].onset.age",
                "'four' is left out; write an ISO 8601 age of at most 120 years such as P1Y6M",
            ),
            (
                "phenotypicFeatures[7].onset",
                "'timestamp' is left out: dates and ranges are not stored; give age, ontologyClass, gestationalAge",
            ),
            ("measurements", "not taken over; a case has no place for it, keep the source"),
            ("phenotypicFeatures[].evidence", "not taken over; a case has no place for it, keep the source"),
        ]
        assert "2010" not in str((case, told))


class TestRecords:
    def test_what_is_no_person_s_phenopacket_is_dropped(self, tmp_path):
        cases, told = read(
            tmp_path,
            packet(),
            packet(),
            {"subject": {"id": "x"}},
            {"id": 3},
            {"id": "", "proband": {}, "metaData": META},
            packet(id="mouse", subject={"taxonomy": {"id": "NCBITaxon:10090"}}),
            ["no"],
            "text",
        )
        assert [case.id for case in cases] == ["P1"]
        assert told == [
            (2, "id", "dropped: 'P1' stands in cases.jsonl, row 1 already; keep one"),
            (3, "id", "dropped: no id; a phenopacket needs one line of text"),
            (4, "id", "dropped: '3' is no id; a phenopacket needs one line of text"),
            (
                5,
                "id",
                "dropped: no id (a Family or Cohort; give its members); a phenopacket needs one line of text",
            ),
            (6, "subject.taxonomy", "dropped: 'NCBITaxon:10090' is not human (NCBITaxon:9606)"),
            (7, "", "dropped: '['no']' is no phenopacket; an object with id and subject is needed"),
            (8, "", "dropped: 'text' is no phenopacket; an object with id and subject is needed"),
        ]

    def test_the_subject(self, tmp_path):
        (case,), told = read(
            tmp_path,
            packet(
                subject={
                    "id": "Patient 1 ",
                    "alternateIds": ["A", 7],
                    "sex": "OTHER_SEX",
                    "karyotypicSex": "XXY",
                    "dateOfBirth": "2001-02-03T00:00:00Z",
                    "vitalStatus": {"status": "DECEASED", "causeOfDeath": {"id": "X"}},
                    "timeAtLastEncounter": {"age": {"iso8601duration": "P80Y"}},
                },
                metaData={
                    "phenopacketSchemaVersion": "1.0",
                    "externalReferences": [
                        {"id": "pmid 24573067"},
                        {"reference": "https://doi.org/10.1000/XYZ"},
                        {"id": "in press"},
                    ],
                },
            ),
        )
        assert case.other_ids == ("Patient 1", "A")
        assert case.references == ("PMID:24573067", "doi:10.1000/xyz")
        assert case.consents == (Consent(Scope.PUBLICATION, evidence="PMID:24573067"),)
        assert (case.vital_status, case.last_seen_age) == (VitalStatus.DECEASED, "P80Y")
        assert case.patient.sex is Sex.UNKNOWN
        assert {("subject.sex", "OTHER_SEX"), ("subject.karyotypicSex", "XXY"), ("subject.id", "Patient 1 ")} <= set(
            case.as_written
        )
        assert {(column, message) for _, column, message in told} == {
            ("metaData.phenopacketSchemaVersion", "schema version '1.0', read as 2.0; check the record"),
            (
                "metaData.externalReferences[2]",
                "'in press' is left out; write a publication as PMID:24573067 or doi:10.1000/xyz",
            ),
            ("subject.alternateIds[1]", "'7' is left out; text is needed here"),
            (
                "subject.dateOfBirth",
                "left out: dates of birth are not stored; give timeAtLastEncounter as an age",
            ),
            ("subject.sex", "'OTHER_SEX' is taken as unknown; write FEMALE, MALE or UNKNOWN_SEX"),
            ("subject.vitalStatus.causeOfDeath", "not taken over; a case has no place for it, keep the source"),
        }
        assert "2001" not in str((case, told))

    def test_any_json_gives_cases_and_problems_but_no_exception(self, tmp_path):
        wrong = (None, 0, -1.5, True, "x", [], [1, [2]], {}, {"id": 1}, {"a": {"b": []}})
        keys = ("id", "subject", "phenotypicFeatures", "diseases", "interpretations", "files", "metaData")
        packets = [{"id": f"P{i}-{key}", key: value} for key in keys for i, value in enumerate(wrong)]
        inner = [
            {"id": f"Q{n}-{i}", key: {name: value} if key == "subject" else [{name: value}]}
            for i, value in enumerate(wrong)
            for n, (key, name) in enumerate(
                (
                    ("subject", "id"),
                    ("phenotypicFeatures", "type"),
                    ("phenotypicFeatures", "onset"),
                    ("diseases", "term"),
                    ("interpretations", "diagnosis"),
                    ("files", "uri"),
                    ("files", "fileAttributes"),
                )
            )
        ]
        cases, told = read(tmp_path, *packets, *inner)
        assert {"Q0-0", "P0-subject"} <= {case.id for case in cases}
        assert all("\n" not in message for _, _, message in told)


class TestPhotos:
    @staticmethod
    def file(uri, photo_id=None, **attributes):
        people = {"individualToFileIdentifiers": {"P1": photo_id}} if photo_id else {}
        return {"uri": uri, **people, "fileAttributes": attributes}

    def test_images_beside_the_file_are_found_and_others_never_opened(self, tmp_path):
        inside = tmp_path / "in"
        (inside / "photos").mkdir(parents=True)
        for path in (inside / "photos" / "a b.png", inside / "c.jpg", tmp_path / "secret.png"):
            path.write_bytes(b"image")
        (inside / "link.png").symlink_to(tmp_path / "secret.png")
        path = write(
            inside,
            packet(
                files=[
                    self.file("photos/a%20b.png", "one", ageAtPhoto="18 months", view="Frontal"),
                    self.file((inside / "c.jpg").as_uri()),
                    self.file("../secret.png", "three"),
                    self.file("link.png", "four"),
                    self.file("https://example.org/five.png"),
                    self.file("cases.vcf.gz", fileFormat="VCF"),
                    self.file("c.jpg"),
                ]
            ),
        )
        found = PhenopacketsImporter().read(path)
        case = found.cases[0][1]
        assert [(p.id, p.file_name) for p in case.photos] == [
            ("one", "photos/a b.png"),
            ("P1-92b3b1c4", "c.jpg"),
            ("three", "../secret.png"),
            ("four", "link.png"),
            ("P1-7f546927", "five.png"),
        ]
        assert case.photos[0].age_years == 1.5
        assert case.photos[0].view is PhotoView.FRONTAL
        assert found.photo_files == {"one": inside / "photos" / "a b.png", "P1-92b3b1c4": inside / "c.jpg"}
        assert [(problem.column, problem.message) for problem in found.problems] == [
            (
                "files[6]",
                "photo left out: the id 'P1-92b3b1c4' stands there twice; give each photo its own id in "
                "individualToFileIdentifiers",
            ),
            ("files[]", "not taken over; a case has no place for it, keep the source"),
            ("files", "'../secret.png' lies outside the folder and is not opened; copy it beside the file"),
            ("files", "'link.png' lies outside the folder and is not opened; copy it beside the file"),
            ("files", "the images of 3 photos are not beside the file; they are described only"),
        ]

    def test_attributes_that_are_not_understood_are_told(self, tmp_path):
        (case,), told = read(
            tmp_path,
            packet(
                files=[
                    self.file(
                        "x.png",
                        "x",
                        ageAtPhoto="four",
                        view="from above",
                        sha256="123",
                        consentScope="Study; sharing with a named site; all",
                        source="clinic",
                    ),
                    {"uri": "y.png", "individualToFileIdentifiers": {"mother": "y"}},
                ]
            ),
        )
        (photo,) = case.photos
        assert (photo.sha256, photo.age_years, photo.view) == (NOT_STATED, None, PhotoView.UNKNOWN)
        assert photo.source is PhotoSource.CLINIC
        assert case.consents == (Consent(Scope.STUDY, evidence="as stated in the phenopacket"),)
        assert [message for _, _, message in told] == [
            "'four' is left out; write an age such as P1Y6M",
            "'123' is left out; 64 hexadecimal digits are needed",
            "'from above' is taken as unknown; write frontal, left profile, right profile, oblique, unknown",
            "sharing is left out: the site is not named; record the consent",
            "' all' is left out; write care, study, reference gallery, reader study, publication, separated by ;",
            "photo left out: it does not name the subject",
            "the images of 1 photos are not beside the file; they are described only",
        ]

    def test_a_photo_id_belongs_to_one_case(self, tmp_path):
        files = [{"uri": "x.png", "individualToFileIdentifiers": {"P1": "x"}}]
        other = [{"uri": "x.png", "individualToFileIdentifiers": {"P2": "x"}}]
        (first, second), told = read(tmp_path, packet(files=files), packet(id="P2", files=other))
        assert ([p.id for p in first.photos], second.photos) == (["x"], ())
        assert told[0] == (2, "files", "photo 'x' left out: case 'P1' has that id; give each its own")


class TestFolders:
    def test_a_folder_is_read_file_by_file_and_a_bad_file_is_told(self, tmp_path):
        (tmp_path / "genes").mkdir()
        write(tmp_path / "genes", packet(), name="a.json")
        write(tmp_path, packet(id="P2"), packet(id="P3"), name="b.jsonl")
        (tmp_path / "c.json").write_text('{"id": "P4", ')
        (tmp_path / "notes.txt").write_text("nothing")
        found = PhenopacketsImporter().read(tmp_path)
        assert [(row, case.id) for row, case in found.cases] == [(1, "P2"), (2, "P3"), (1, "P1")]
        assert [str(problem) for problem in found.problems] == [
            "c.json, row 1: dropped: JSON that breaks off; is the file cut off? Fetch or export it again"
        ]

    def test_an_empty_folder_says_so(self, tmp_path):
        with pytest.raises(InputError) as caught:
            PhenopacketsImporter().read(tmp_path)
        assert str(caught.value) == (
            f"'{tmp_path}' has no phenopackets (.json, .jsonl, .json.gz, .jsonl.gz); give a file or a folder of them"
        )

    def test_a_file_that_cannot_be_read_is_one_line(self, tmp_path):
        with pytest.raises(TableError) as caught:
            PhenopacketsImporter().read(tmp_path / "none.json")
        assert str(caught.value) == "none.json: cannot be read (No such file or directory); give a JSON file"

    def test_sniffing(self, tmp_path):
        importer = PhenopacketsImporter()
        (tmp_path / "folder").mkdir()
        (tmp_path / "other.json").write_text('{"a": 1}')
        assert not importer.sniff(tmp_path / "other.json")
        assert not importer.sniff(tmp_path / "folder")
        assert not importer.sniff(tmp_path / "none.json")
        exporter().write([Case(Patient("P1"))], tmp_path / "cases.jsonl.gz")
        exporter().write([Case(Patient("P1", family="F"))], tmp_path / "folder" / "in")
        assert importer.sniff(tmp_path / "cases.jsonl.gz")
        assert importer.sniff(tmp_path / "folder")
        assert not importer.sniff(tmp_path / "folder" / "in" / "P1.deciface.json")
