"""GMDB metadata, in: what is taken over, what is told, and how cautiously consent is read."""

from __future__ import annotations

import csv
import datetime as dt

import pytest

from deciface.cases import (
    Ancestry,
    Consent,
    Diagnosis,
    Disorder,
    Patient,
    Phenotype,
    PhotoSource,
    PhotoView,
    Scope,
    Sex,
    TermState,
    Variant,
)
from deciface.errors import InputError, TableError
from deciface.formats.gmdb_consent import CONSENT_WORDS, PRIVATE_WORDS, Openness, openness, words_of
from deciface.formats.gmdb_in import GmdbImporter
from deciface.formats.gmdb_tables import COLUMNS, SplitImage, read_splits

NOW = dt.datetime(2026, 11, 25, 8, 0, tzinfo=dt.UTC)
FILE = "image_metadata_v1.1.0.tsv"


def write(folder, rows, columns=COLUMNS, name=FILE):
    """A table of these rows; cells that are not given are blank."""
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return path


def read(folder, *rows):
    """The cases of these rows and what was told, as (row, column, message); the missing images aside."""
    write(folder, rows)
    found = GmdbImporter().read(folder)
    told = [(p.row, p.column, p.message) for p in found.problems if p.column != "filename"]
    return [case for _, case in found.cases], told


def row(image_id="1", patient_id="P1", **cells):
    return {"image_id": image_id, "patient_id": patient_id, **cells}


class TestReading:
    def test_a_row_is_taken_over_whole(self, tmp_path):
        (case,), told = read(
            tmp_path,
            row(
                gene_names="FGFR2",
                gene_entrez_ids="2263",
                disorder_names="Pfeiffer syndrome, type 2",
                omim_ids="101600.0",
                internal_syndrome_id="17.0",
                internal_syndrome_name="Pfeiffer",
                gender="M",
                age_year="4.0",
                age_month="6",
                ethnicity_category="Asian",
                ethnicity_sub_category="East Asian",
                present_features="HP:0000316;HP:0000520",
                absent_features="HP:0001249",
                hgvs="NM_000141.5:c.755C>G;NP_000132.3:p.(Ser252Trp);NM_000141.5:c.1A>G",
                image_type="Frontal",
                pmid="24573067",
                doi="10.1000/XYZ",
                consent="yes",
                private="no",
                filename="1.jpg",
            ),
        )
        assert told == []
        assert case.patient == Patient("P1", Sex.MALE, (Ancestry("East Asian", code="GMDB:Asian/East Asian"),))
        assert case.diagnoses == (Diagnosis(Disorder("OMIM:101600", "Pfeiffer syndrome, type 2"), ("FGFR2",)),)
        assert case.phenotypes == (
            Phenotype("HP:0000316"),
            Phenotype("HP:0000520"),
            Phenotype("HP:0001249", TermState.EXCLUDED),
        )
        assert case.variants == (
            Variant("FGFR2", hgvs=("NM_000141.5:c.755C>G", "NP_000132.3:p.(Ser252Trp)")),
            Variant("FGFR2", hgvs=("NM_000141.5:c.1A>G",)),
        )
        assert case.references == ("PMID:24573067", "doi:10.1000/xyz")
        assert case.consents == (
            Consent(Scope.GALLERY, evidence="GMDB: FAIR"),
            Consent(Scope.PUBLICATION, evidence="PMID:24573067"),
        )
        assert case.as_written == (
            ("gender", "M"),
            ("internal_syndrome_id", "17"),
            ("internal_syndrome_name", "Pfeiffer"),
            ("gene_entrez_ids", "2263"),
        )
        assert case.photos == (
            case.photo("1", age_years=4.5, view=PhotoView.FRONTAL, source=PhotoSource.LITERATURE, file_name="1.jpg"),
        )

    def test_images_of_one_patient_have_their_own_ages(self, tmp_path):
        (case,), told = read(
            tmp_path,
            row("1", age_year="1", age_month=""),
            row("2", age_year="", age_month="18"),
            row("3", age_year="3 weeks"),
            row("4", age_year="nan", age_month="nan"),
            row("5", age_year="-1"),
            row("6", age_year="119", age_month="24"),
        )
        ages = [photo.age_years for photo in case.photos]
        assert ages == [1.0, 1.5, pytest.approx(21 / 365.25), None, None, None]
        assert told == [
            (6, "age_year", "'-1 years 0 months' is left out; ages are numbers of years (0 to 120) and months"),
            (7, "age_year", "'119 years 24 months' is left out; ages are numbers of years (0 to 120) and months"),
        ]

    def test_contradicting_rows_are_told_and_the_first_counts(self, tmp_path):
        (first, _), told = read(
            tmp_path,
            row("1", gender="male", omim_ids="101600", private="no"),
            row("2", "P2", gender="female"),
            row("3", gender="female", disorder_names="Pfeiffer syndrome", private="yes"),
            row("4", gender="male", pmid="24573067", private="yes"),
        )
        assert first.patient.sex is Sex.MALE
        assert first.diagnoses == (Diagnosis(Disorder("OMIM:101600", "Pfeiffer syndrome")),)
        assert [photo.id for photo in first.photos] == ["1", "3", "4"]
        assert [photo.source for photo in first.photos][1:] == [PhotoSource.UNKNOWN, PhotoSource.LITERATURE]
        assert first.consents == (
            Consent(Scope.CARE, evidence="GMDB: private"),
            Consent(Scope.PUBLICATION, evidence="PMID:24573067"),
        )
        assert told == [
            (
                4,
                "consent",
                "differs from earlier rows of the same patient (PRIVATE here); the stricter counts",
            ),
            (4, "gender", "'female' here and 'male' in row 2 of the same patient; taken as there"),
        ]

    def test_rows_that_cannot_be_taken_are_dropped_and_told(self, tmp_path):
        cases, told = read(tmp_path, row("1"), row("", "P2"), row("2", ""), row("1", "P3"), row("3", "a\nb"))
        assert [case.id for case in cases] == ["P1"]
        assert told == [
            (3, "image_id", "row dropped: the cell is empty; fill it in"),
            (4, "patient_id", "row dropped: the cell is empty; fill it in"),
            (5, "image_id", "row dropped: '1' stands in row 2 already"),
            (6, "patient_id", "row dropped: the cell has control characters; remove them"),
        ]

    def test_cells_that_are_not_understood_are_told_and_kept_as_written(self, tmp_path):
        (case,), told = read(
            tmp_path,
            row(
                gender="5",
                disorder_names="A;B;C",
                omim_ids="101600;somewhere",
                present_features="HP:0000316;wide eyes",
                absent_features="HP:0000316",
                hgvs="755C to G;c.1 A>G",
                pmid="unknown",
                doi="10.1000/xyz",
            ),
        )
        assert [d.disorder.id for d in case.diagnoses] == ["OMIM:101600", "somewhere"]
        assert case.variants == (Variant(hgvs=("c.1A>G",)),)
        assert case.references == ("doi:10.1000/xyz",)
        assert told == [
            (2, "absent_features", "HP:0000316 is both present and absent; taken as present, correct one"),
            (2, "disorder_names", "3 names for 2 OMIM ids, left out; give one for each"),
            (2, "gender", "'5' is taken as unknown; write female, male or unknown"),
            (2, "hgvs", "'755C to G' is no HGVS description, left out; correct it"),
            (2, "omim_ids", "'somewhere' is no OMIM number, taken as it stands; check it"),
            (2, "pmid", "'unknown' is left out; write e.g. 24573067 or 10.1000/xyz"),
            (2, "present_features", "'wide eyes' is left out; write an HPO id such as HP:0000316"),
        ]
        assert dict(case.as_written) == {
            "gender": "5",
            "disorder_names": "A;B;C",
            "omim_ids": "101600;somewhere",
            "present_features": "HP:0000316;wide eyes",
            "absent_features": "HP:0000316",
            "hgvs": "755C to G;c.1 A>G",
        }

    def test_disorders_without_a_number(self, tmp_path):
        cases, told = read(
            tmp_path,
            row("1", disorder_names="A", internal_syndrome_id="7"),
            row("2", "P2", disorder_names="B"),
            row("3", "P3", gene_names="G"),
        )
        assert [case.diagnoses for case in cases] == [
            (Diagnosis(Disorder("GMDB:7", "A")),),
            (Diagnosis(Disorder("B", "B")),),
            (),
        ]
        assert told == [
            (3, "omim_ids", "'B' has no OMIM number; its name stands for its id: give the number"),
            (4, "gene_names", "left out because there is no disorder; give one"),
        ]

    def test_unknown_words_are_told_once(self, tmp_path):
        cases, told = read(
            tmp_path,
            *(row(str(i), f"P{i}", consent="maybe", image_type="sketch", private="no") for i in range(50)),
        )
        assert all(case.consents == () for case in cases)
        assert [(number, column) for number, column, _ in told] == [(2, "consent"), (2, "image_type")]
        assert told[0][2].startswith("'maybe' (50 rows) is not known and allows nothing; known: no, false, 0,")
        assert told[1][2].startswith("'sketch' (50 rows) is not known and is taken as unknown; known: frontal, front,")


class TestConsent:
    @pytest.mark.parametrize(
        ("consent", "private", "expected"),
        [
            ("", "", Openness.UNSTATED),
            ("", "no", Openness.FAIR),
            ("FAIR", "", Openness.FAIR),
            ("yes", "False", Openness.FAIR),
            ("yes", "", Openness.PRIVATE),
            ("yes", "1", Openness.PRIVATE),
            ("FAIR", "yes", Openness.PRIVATE),
            ("private", "no", Openness.PRIVATE),
            ("no", "no", Openness.REFUSED),
            ("withdrawn", "", Openness.REFUSED),
            ("maybe", "no", Openness.UNSTATED),
            ("yes", "maybe", Openness.UNSTATED),
            ("no", "maybe", Openness.REFUSED),
        ],
    )
    def test_the_two_columns_are_read_cautiously(self, consent, private, expected):
        assert openness(consent, private) is expected

    def test_no_other_word_opens_the_gallery(self):
        opening = {
            (consent, private)
            for consent in (*CONSENT_WORDS, "", "?")
            for private in (*PRIVATE_WORDS, "", "?")
            if openness(consent, private) is Openness.FAIR
        }
        assert {private for _, private in opening} == {"no", "false", "0", "fair", "public", ""}
        assert {consent for consent, private in opening if private == ""} == {"fair", "public", "open"}

    @pytest.mark.parametrize("scopes", [(), (Scope.CARE,), (Scope.GALLERY,), (Scope.STUDY,), (Scope.PUBLICATION,)])
    def test_what_is_written_opens_no_more_than_was_agreed_to(self, scopes):
        consents = [Consent(scope) for scope in scopes]
        read_back = openness(*words_of(consents, on=NOW.date()))
        assert (read_back is Openness.FAIR) == (Scope.GALLERY in scopes)
        assert (read_back is Openness.PRIVATE) == (Scope.CARE in scopes)
        ended = [Consent(scope, withdrawn_on=NOW.date()) for scope in scopes]
        assert openness(*words_of(ended, on=NOW.date())) is Openness.REFUSED

    def test_consent_refused_overrides_a_publication(self, tmp_path):
        (case,), _ = read(tmp_path, row(consent="no", pmid="24573067"))
        assert case.consents == ()


class TestFiles:
    def test_images_are_found_beside_the_table_and_in_its_folders(self, tmp_path):
        for name in ("images", "elsewhere"):
            (tmp_path / name).mkdir()
        for name in ("1.jpg", "images/2.png", "images/1.jpg", "images/3.jpg", "elsewhere/4.jpg"):
            (tmp_path / name).write_bytes(b"image")
        write(
            tmp_path,
            [
                row("1", filename="1.jpg"),
                row("2", filename="folder/2.png"),
                row("3"),
                row("4", filename="elsewhere/4.jpg"),
                row("5", filename="../../etc/passwd"),
            ],
        )
        found = GmdbImporter().read(tmp_path)
        assert found.photo_files == {
            "1": tmp_path / "1.jpg",
            "2": tmp_path / "images" / "2.png",
            "3": tmp_path / "images" / "3.jpg",
        }
        assert [str(problem) for problem in found.problems] == [
            f"{FILE}, row 1, column 'filename': 2 of 5 images are not beside the table or in images/; these photos are "
            "described only"
        ]

    def test_the_newest_table_is_read_and_the_others_are_named(self, tmp_path):
        for name, patient in (("1.9.0", "old"), ("1.10.0", "new")):
            write(tmp_path, [row(patient_id=patient)], name=f"image_metadata_v{name}.tsv")
        found = GmdbImporter().read(tmp_path)
        assert [case.id for _, case in found.cases] == ["new"]
        assert "image_metadata_v1.9.0.tsv, row 1: not read: image_metadata_v1.10.0.tsv is newer" in map(
            str, found.problems
        )
        old = GmdbImporter().read(tmp_path / "image_metadata_v1.9.0.tsv")
        assert [case.id for _, case in old.cases] == ["old"]

    def test_columns_that_are_missing_strange_or_doubled_are_told(self, tmp_path):
        path = write(tmp_path, [row(gender="male")], ("", "image_id", "patient_id", "gender", "gender", "mood"))
        found = GmdbImporter().read(path)
        assert found.cases[0][1].patient.sex is Sex.MALE
        told = [(p.column, p.message) for p in found.problems]
        assert ("gender", "column stands twice; the first is used") in told
        assert ("mood", "column not known, ignored") in told
        assert told[0][1].startswith("columns not there, taken as blank: filename, gene_names,")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", f"{FILE}: the file is empty; a header line and one row per photo are needed"),
            (
                "image_id,patient_id\n1,2\n",
                f"{FILE}, row 1: the header has image_id,patient_id; image_id and patient_id missing: add it",
            ),
            (
                'image_id\tpatient_id\n1\t"2\n',
                f"{FILE}, row 2: no table from here on (unexpected end of data); correct the quotes",
            ),
        ],
    )
    def test_what_is_no_such_table_is_one_line(self, tmp_path, content, message):
        (tmp_path / FILE).write_text(content)
        with pytest.raises(TableError) as caught:
            GmdbImporter().read(tmp_path)
        assert str(caught.value) == message

    def test_a_row_that_is_cut_off_is_dropped(self, tmp_path):
        (tmp_path / FILE).write_text("image_id\tpatient_id\tgender\n1\tP1\tmale\n2\tP2")
        found = GmdbImporter().read(tmp_path)
        assert [case.id for _, case in found.cases] == ["P1"]
        assert f"{FILE}, row 3: row dropped: 2 cells, the header has 3; is the row cut off?" in map(str, found.problems)

    def test_a_folder_without_the_table_says_so(self, tmp_path):
        with pytest.raises(InputError) as caught:
            GmdbImporter().read(tmp_path)
        assert str(caught.value) == f"'{tmp_path}' has no image_metadata_vX.tsv; give a folder of GMDB tables"

    def test_syndromes_of_another_version_are_told(self, tmp_path):
        write(tmp_path, [row("1")])
        (tmp_path / "gmdb_syndromes_v1.tsv").write_text("syndrome_id\tsyndrome_name\timage_ids\n7\tA\t[1, 2, 3]\n")
        problems = GmdbImporter().read(tmp_path).problems
        message = "2 images of the list of syndromes are not here; are the versions the same?"
        assert [p.message for p in problems if p.column == "image_id"] == [message]
        (tmp_path / "gmdb_syndromes_v1.tsv").write_text("nothing\n")
        problems = [str(p) for p in GmdbImporter().read(tmp_path).problems]
        assert any(line.startswith("gmdb_syndromes_v1.tsv, row 1: not read: ") for line in problems)

    def test_sniffing(self, tmp_path):
        importer = GmdbImporter()
        assert not importer.sniff(tmp_path)
        assert not importer.sniff(tmp_path / "none")
        path = write(tmp_path, [row()])
        assert importer.sniff(tmp_path)
        assert importer.sniff(path)
        path.write_text("something else")
        assert not importer.sniff(path)


class TestSplits:
    def test_splits_are_read_by_name_and_version(self, tmp_path):
        (tmp_path / "gmdb_train_images_v1.1.0.csv").write_text("image_id,subject,label\n1,10,3\n2,11.0,4\n")
        (tmp_path / "gmdb_rare_gallery_images_v1.1.0.csv").write_text(
            ",image_id,subject,label,split\n0,5,12,9,0\n1,5,12,9,1\n2,,12,9,1\n3,6,12,9,x\n"
        )
        rare, train = read_splits(tmp_path)
        assert (train.name, train.version, train.problems) == ("train", "1.1.0", ())
        assert train.images == (SplitImage("1", "10", "3"), SplitImage("2", "11", "4"))
        assert rare.name == "rare_gallery"
        assert rare.images == (SplitImage("5", "12", "9", 0), SplitImage("5", "12", "9", 1))
        assert [(p.row, p.column, p.message) for p in rare.problems] == [
            (4, "", "row dropped: it needs image_id, subject and label"),
            (5, "split", "row dropped: 'x' is no number"),
        ]

    def test_a_split_without_a_column_is_one_line(self, tmp_path):
        (tmp_path / "gmdb_val_images_v1.csv").write_text("image_id,label\n1,2\n")
        with pytest.raises(TableError) as caught:
            read_splits(tmp_path)
        assert str(caught.value) == (
            "gmdb_val_images_v1.csv, row 1: the header has image_id, label; subject missing: add it"
        )
