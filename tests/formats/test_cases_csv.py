"""The case table as CSV: what it takes, what it reports, and that nothing is dropped silently."""

import codecs
import random
from pathlib import Path

import pytest

from deciface.cases import CASE_TABLE_COLUMNS, Diagnosis, Disorder, Patient, Phenotype, Sex, TermState
from deciface.cases.ancestry_terms import ancestry
from deciface.errors import TableError
from deciface.formats import cases_csv
from deciface.formats.case_cells import COLUMNS, CaseRow
from deciface.formats.cases_csv import parse_cases, read_cases

HEADER = ",".join(CASE_TABLE_COLUMNS)
FULL = (
    "a.jpg,p1,OMIM:117550;OMIM:130650,Sotos;Beckwith,NSD1|CDKN1C;KCNQ1OT1"
    ",4y 6m,f,Han;Hakka,tw,no,HP:0000316;!HP:0001249"
)


def table(text, encoding="utf-8"):
    return parse_cases(text.encode(encoding), Path("/clinic/cases.csv"))


def told(result):
    return [str(problem) for problem in result.problems]


def test_a_full_row():
    result = table(f"{HEADER}\n{FULL}\n")
    assert result.problems == ()
    assert (result.encoding, result.delimiter) == ("utf-8", ",")
    ((number, row),) = result.rows
    assert number == 2
    assert row == CaseRow(
        Patient("p1", Sex.FEMALE, (ancestry("Han"), ancestry("Hakka")), "TW"),
        Path("/clinic/a.jpg"),
        4.5,
        (
            Diagnosis(Disorder("OMIM:117550", "Sotos"), ("NSD1",)),
            Diagnosis(Disorder("OMIM:130650", "Beckwith"), ("CDKN1C", "KCNQ1OT1")),
        ),
        unaffected=False,
        phenotypes=(Phenotype("HP:0000316"), Phenotype("HP:0001249", TermState.EXCLUDED)),
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(delimiter, newline):
    lines = [delimiter.join(["photo", "patient", "ancestry"]), delimiter.join(["a.jpg", "p1", '"Han;Hakka"']), ""]
    result = table(newline.join(lines))
    assert (result.delimiter, told(result)) == (delimiter, [])
    assert result.rows[0][1].patient.ancestry == (ancestry("Han"), ancestry("Hakka"))


@pytest.mark.parametrize(
    ("encoding", "said", "name"),
    [
        ("utf-8", "utf-8", "客家人"),
        ("utf-8-sig", "utf-8", "客家人"),
        ("utf-16", "utf-16", "客家人"),
        ("big5", "big5", "客家人"),
        ("latin-1", "latin-1", "Türkisch"),
    ],
)
def test_encodings_are_found_and_named(encoding, said, name):
    result = table(f"photo,patient,ancestry\na.jpg,p1,{name}\n", encoding)
    assert result.encoding == said
    assert result.rows[0][1].patient.ancestry == (ancestry(name),)
    assert any("read as Latin-1" in text for text in told(result)) == (said == "latin-1")


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("age_years", "-1", "'-1' is left out; write 0 to 120 years, e.g. 4.5, 4y 6m, P4Y6M or 18 months"),
        ("age_years", "121", "'121' is left out; write 0 to 120 years, e.g. 4.5, 4y 6m, P4Y6M or 18 months"),
        ("age_years", "old", "'old' is left out; write 0 to 120 years, e.g. 4.5, 4y 6m, P4Y6M or 18 months"),
        ("sex", "x", "'x' is not known, taken as unknown; write female, male or unknown"),
        (
            "country",
            "Utopia",
            "'Utopia' is left out; write two letters of ISO 3166 or the English name, e.g. TW or Taiwan",
        ),
        ("unaffected", "maybe", "'maybe' is left out; write yes or no"),
        ("hpo", "HP:316", "'HP:316' is not an HPO id, kept as written; write HP:0000316 or !HP:0000316"),
        ("hpo", "HP:0000316;-HP:0000316", "HP:0000316 is both present and excluded, taken as present"),
        ("gene", "NSD1", "left out because the disorder column is empty; give a disorder id"),
        ("disorder_name", "Sotos", "left out because the disorder column is empty; give a disorder id"),
    ],
)
def test_a_bad_cell_is_reported_and_the_row_kept(column, cell, message):
    result = table(f'photo,patient,{column}\na.jpg,p1,"{cell}"\nb.jpg,p2,\n')
    assert told(result) == [f"cases.csv, row 2, column '{column}': {message}"]
    assert [number for number, _ in result.rows] == [2, 3]


def test_disorders_names_and_genes_must_match_in_number():
    result = table("photo,patient,disorder,disorder_name,gene,unaffected\na,p,D1;D2,one,G1|G2|G3,yes\n")
    assert told(result) == [
        "cases.csv, row 2, column 'disorder_name': 1 names for 2 disorders, left out; give one for each",
        "cases.csv, row 2, column 'gene': 3 groups for 2 disorders, left out; separate them by |",
        "cases.csv, row 2, column 'unaffected': yes beside a disorder, taken as no; remove one of them",
    ]
    row = result.rows[0][1]
    assert row.diagnoses == (Diagnosis(Disorder("D1", "D1")), Diagnosis(Disorder("D2", "D2")))
    assert not row.unaffected


def test_rows_that_are_dropped_are_told():
    result = table(
        "photo,patient,sex\na,p1,f\n,p2,\nb,,f\na,p3,f\nc,p1,m\nd,p1,u\n,,\n\ne,p\x015,f\nf,p6,f,surplus,more\n"
    )
    assert told(result) == [
        "cases.csv, row 3, column 'photo': row dropped: neither a photo nor any other fact about the patient; "
        "fill in one of them",
        "cases.csv, row 4, column 'patient': row dropped: the cell is empty; fill it in",
        "cases.csv, row 5, column 'photo': row dropped: 'a' stands in row 2 already; keep one",
        "cases.csv, row 6, column 'sex': row dropped: patient 'p1' is male here and female in row 2; correct one",
        "cases.csv, row 10, column 'patient': row dropped: the cell has control characters; remove them",
        "cases.csv, row 11: 2 more cells than the header; they are ignored",
    ]
    assert [number for number, _ in result.rows] == [2, 7, 11]


def test_a_patient_is_the_same_in_all_rows():
    result = table("photo,patient,sex,ancestry,country\na,p,,,\nb,p,f,Han,TW\nc,p,,German,DE\n")
    assert {row.patient for _, row in result.rows} == {Patient("p", Sex.FEMALE, (ancestry("Han"),), "TW")}
    assert told(result) == [
        "cases.csv, row 4, column 'ancestry': differs from row 3 of the same patient, taken as there; correct one",
        "cases.csv, row 4, column 'country': differs from row 3 of the same patient, taken as there; correct one",
    ]


def test_unknown_and_double_columns_are_reported():
    result = table("Photo, patient ,comment,,photo,Age Years\na,p,x,y,z,4\n")
    assert told(result) == [
        "cases.csv, row 1, column 'comment': column not known, ignored; docs/cases.md lists the columns",
        "cases.csv, row 1, column 'number 4': column not known, ignored; docs/cases.md lists the columns",
        "cases.csv, row 1, column 'photo': column stands twice; the first is used",
        "cases.csv, row 1, column 'age years': column not known, ignored; did you mean 'age_years'?",
    ]
    assert result.rows[0][1].photo_path == Path("/clinic/a")


def test_quotes_over_lines_and_unclosed_quotes_lose_one_line_only():
    result = table('photo,patient,ancestry\na,p1,"Han\nChinese"\nb,p2,"open\nc,p3,Han\nd,p4,"x"y\ne,p5,\n')
    assert [(n, r.patient.id) for n, r in result.rows] == [(2, "p1"), (5, "p3"), (7, "p5")]
    assert [text.split(":")[0] for text in told(result)] == ["cases.csv, row 4", "cases.csv, row 6"]


@pytest.mark.parametrize("length", [100_001, 200_000])
def test_huge_cells_are_reported(length):
    result = table(f"photo,patient,ancestry\na,p1,{'x' * length}\nb,p2,Han\n")
    assert told(result) == [
        "cases.csv, row 2: row dropped: a cell has more than 100000 characters; shorten it or close its quote"
    ]
    assert [n for n, _ in result.rows] == [3]


def test_too_many_broken_rows_end_it():
    with pytest.raises(TableError, match="row 102: more than 100 rows with broken quotes; correct the quotes"):
        table("photo,patient\n" + 'a,"x"y\n' * 150)


def test_nul_characters_are_removed_and_told():
    result = table("photo,patient\na,p\0one\n")
    assert told(result) == ["cases.csv, row 2: 1 NUL characters removed; check the row"]
    assert result.rows[0][1].patient.id == "pone"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "the file is empty; a header line and one row per photo are needed"),
        (b" \r\n\n", "the file is empty"),
        (codecs.BOM_UTF8, "the file is empty"),
        (b"\xff\xfea", "UTF-16 text that breaks off; save it again as CSV UTF-8"),
        (bytes(range(32)) * 9, "not a text file; save the table as CSV UTF-8"),
        (
            b"name,age\nx,3\n",
            "the header has name, age; needed is patient, allowed photo, patient, disorder",
        ),
        (b"photo\na\n", "needed is patient"),
        (b"photo|patient\na|p\n", r"row 1: the cells seem to be separated by '\|'; use comma, semicolon or tab"),
    ],
)
def test_what_is_no_table(raw, message):
    with pytest.raises(TableError, match=message):
        parse_cases(raw, Path("cases.csv"))


def test_header_only_is_told():
    result = table("photo,patient\n")
    assert result.rows == ()
    assert told(result) == ["cases.csv, row 1: the table has a header and no rows"]


def test_missing_and_too_large_files(tmp_path, monkeypatch):
    with pytest.raises(TableError, match=r"none.csv: cannot be read \(No such file or directory\); give a CSV file"):
        read_cases(tmp_path / "none.csv")
    with pytest.raises(TableError, match="Is a directory"):
        read_cases(tmp_path)
    with pytest.raises(TableError, match="cannot be read"):
        read_cases(Path("a\0b"))
    path = tmp_path / "big.csv"
    path.write_text("photo,patient\n" * 100_000)
    monkeypatch.setattr(cases_csv, "LARGEST_FILE_BYTES", 2**20)
    with pytest.raises(TableError, match=r"big.csv: 1 MiB; at most 1 are read"):
        read_cases(path)


EVERY_COLUMN = ",".join(COLUMNS)
SEEDS = [
    f"{EVERY_COLUMN}\n{FULL},DE,F1,Bonn,NSD1 NM_022455.5:c.1C>T (mosaic),PMID:1,care;sharing:Bonn,1;2,de,parent,"
    "2026-01-01,;2026-02-01,f,clinical,2026-01-01,yes,no,,2026-01-02,x,frontal,clinic,glasses,y,P1Y,alive,z,a: b\n"
    "".encode(),
    f"{HEADER}\n{FULL}\nb.jpg,p2,,,,1y,m,,DE,yes,\n".encode(),
    'photo;patient;ancestry\na;p;"Han\nx"\n'.encode("utf-16"),
    "photo\tpatient\tancestry\na\tp\t客家人\n".encode("big5"),
    "photo,patient\r\na,Müller\r\n".encode("latin-1"),
]
PIECES = [
    b'"',
    b"\0",
    b"\n",
    b"\r",
    b",",
    b";",
    b"\t",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x80",
    b"-1",
    b"1e999",
    b"HP:",
    b'"' * 9,
    b"\\;",
    b"|",
    b"'=",
    b"sharing:",
    b"2026-01-01",
    b" (heterozygous)",
]


def mutated(rng):
    raw = bytearray(rng.choice(SEEDS))
    for _ in range(rng.randint(1, 12)):
        at = rng.randrange(len(raw) + 1)
        match rng.randrange(4):
            case 0:
                raw[at:at] = rng.choice(PIECES)
            case 1:
                del raw[at : at + rng.randint(1, 20)]
            case 2:
                raw[at : at + 1] = bytes([rng.randrange(256)])
            case _:
                raw[at:at] = raw[rng.randrange(len(raw) + 1) :][: rng.randint(1, 60)]
    return bytes(raw)


def fuzz(runs, seed):
    rng = random.Random(seed)
    good = 0
    for _ in range(runs):
        raw = mutated(rng)
        try:
            result = parse_cases(raw, Path("x.csv"))
        except TableError as error:
            lines = str(error).count("\n") + 1
        else:
            lines = max((len(str(p).splitlines()) for p in result.problems), default=1)
            good += 1
            dropped = [p for p in result.problems if "row dropped" in p.message]
            assert len({n for n, _ in result.rows} & {p.row for p in dropped}) == 0
            assert len({case.id for _, case in result.cases}) == len(result.cases)
        assert lines == 1
    return good


def test_mutated_tables_give_a_table_or_a_table_error():
    assert fuzz(300, 1) > 30


@pytest.mark.slow
def test_ten_thousand_mutated_tables():
    assert fuzz(10_000, 2) > 1000
