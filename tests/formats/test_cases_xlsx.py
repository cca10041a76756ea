"""The case table as a workbook: what Excel makes of ids and dates, what is refused, the template, damaged files."""

import datetime as dt
import io
import random
import zipfile
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from deciface.cases import Case, Consent, Patient, Scope
from deciface.cases.table import ALL_CASE_TABLE_COLUMNS, CASE_TABLE
from deciface.errors import StorageError, TableError
from deciface.formats import cases_xlsx
from deciface.formats.cases_xlsx import CaseWorkbookExporter, parse_workbook, read_workbook, write_template


def workbook(*rows, title="cases", before=()):
    book = Workbook()
    book.remove(book.active)
    for name in before:
        book.create_sheet(name).append(["patient"])
    sheet = book.create_sheet(title)
    for row in rows:
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def parsed(*rows, **options):
    return parse_workbook(workbook(*rows, **options), Path("/clinic/cases.xlsx"))


def told(result):
    return [str(problem).removeprefix("cases.xlsx, ") for problem in result.problems]


def test_numbers_dates_and_truth_values():
    result = parsed(
        ["patient", "photo", "age_years", "disorder", "family", "enrolled", "consent", "consent_date", "unaffected"],
        [1001, 7.0, 4.5, 117550.0, 3, dt.datetime(2026, 3, 1), "care", dt.date(2026, 3, 2), False],
    )
    assert told(result) == []
    ((row, case),) = result.cases
    (photo,) = case.photos
    assert (row, case.id, case.patient.family, photo.file_name, photo.age_years) == (2, "1001", "3", "7", 4.5)
    assert case.diagnoses[0].disorder.id == "OMIM:117550"
    assert case.participant.enrolled_on == dt.date(2026, 3, 1)
    assert case.consents == (Consent(Scope.CARE, signed_on=dt.date(2026, 3, 2)),)
    assert (result.encoding, result.photo_files) == ("xlsx", {photo.id: Path("/clinic/7")})


def test_a_date_where_an_age_should_be_is_told():
    result = parsed(["patient", "photo", "age_years"], ["p", "a", dt.datetime(2026, 6, 4)])
    assert told(result) == [
        "row 2, column 'age_years': '2026-06-04' is left out; write 0 to 120 years, e.g. 4.5, 4y 6m, P4Y6M or 18 months"
    ]


def test_formulas_and_errors_are_left_out_and_told():
    result = parsed(
        ["patient", "photo", "site", "family"],
        ["p", "a", "=1+1", "#REF!"],
        ["=A2", "b"],
        ["q", "c", None, None, "surplus"],
    )
    assert told(result) == [
        "row 2, column 'site': a formula, left out; type or paste the value itself",
        "row 2, column 'family': an error value, left out; type or paste the value itself",
        "row 3, column 'patient': a formula, left out; type or paste the value itself",
        "row 3, column 'patient': row dropped: the cell is empty; fill it in",
        "row 4: 1 more cells than the header; they are ignored",
    ]
    assert [case.id for _, case in result.cases] == ["p", "q"]


def test_the_sheet_is_found_by_name_and_the_header_below_blank_rows():
    result = parsed([], [], ["Patient ", "sex"], [], ["p", "f"], title="Cases", before=("first",))
    assert [(row, case.id) for row, case in result.cases] == [(5, "p")]
    assert told(result) == []
    assert parsed(["patient", "sex"], ["q", "m"], title="only").cases[0][1].id == "q"


def test_rows_beyond_the_limit_are_told(monkeypatch):
    monkeypatch.setattr(cases_xlsx, "MOST_ROWS", 3)
    result = parsed(["patient", "sex"], *([f"p{i}", "f"] for i in range(5)))
    assert [case.id for _, case in result.cases] == ["p0", "p1"]
    assert told(result) == ["row 4: more than 3 rows; the rest is not read, split the workbook"]


def with_part(raw, name, content):
    out = io.BytesIO(raw)
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as container:
        container.writestr(name, content)
    return out.getvalue()


GOOD = workbook(["patient", "sex", "age_years"], ["p", "f", 3], ["q", "m", "=A1"])


@pytest.mark.parametrize(
    ("raw", "name", "message"),
    [
        (GOOD, "a.xlsm", "a.xlsm: the workbook has macros; save it as XLSX without macros"),
        (with_part(GOOD, "xl/vbaProject.bin", b"x"), "a.xlsx", "the workbook has macros"),
        (
            b"\xd0\xcf\x11\xe0" + bytes(600),
            "a.xlsx",
            "an old or password-protected Excel file; save it as XLSX without a",
        ),
        (GOOD[:-200], "a.xlsx", "not a workbook, or damaged; save it again as XLSX"),
        (b"PK\x03\x04", "a.xlsx", "not a workbook, or damaged"),
        (with_part(b"", "hello.txt", b"x"), "a.xlsx", "not a workbook, or damaged"),
        (workbook(["id"], ["p"]), "a.xlsx", "row 1: the header has id; needed is patient"),
        (workbook(), "a.xlsx", "row 1: the header has nothing; needed is patient"),
    ],
)
def test_what_is_refused(raw, name, message):
    with pytest.raises(TableError, match=message):
        parse_workbook(raw, Path(name))


def test_bombs_are_refused_before_they_are_unpacked(monkeypatch):
    bomb = with_part(GOOD, "xl/media/big.bin", bytes(2**20))
    assert len(bomb) < 20_000
    monkeypatch.setattr(cases_xlsx, "LARGEST_UNPACKED_BYTES", 2**20)
    with pytest.raises(TableError, match=r"a.xlsx: 1 MiB when unpacked; at most 1 are read"):
        parse_workbook(bomb, Path("a.xlsx"))


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(TableError, match=r"cannot be read \(No such file or directory\); give a CSV or XLSX file"):
        read_workbook(tmp_path / "none.xlsx")
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"")
    with pytest.raises(TableError, match="not a workbook, or damaged; save it again as XLSX"):
        read_workbook(path)
    path.write_bytes(GOOD)
    assert [case.id for _, case in read_workbook(path).cases] == ["p", "q"]
    monkeypatch.setattr(cases_xlsx, "LARGEST_FILE_BYTES", 100)
    with pytest.raises(TableError, match=r"a.xlsx: 5 KiB; at most 0 are read"):
        read_workbook(path)


def test_the_template_explains_every_column_and_has_drop_downs(tmp_path):
    path = tmp_path / "template.xlsx"
    write_template(path)
    book = load_workbook(path)
    assert tuple(cell.value for cell in book["cases"][1]) == ALL_CASE_TABLE_COLUMNS
    explained = [row[:2] for row in book["columns"].iter_rows(min_row=2, values_only=True)]
    assert explained == [(column.name, column.explanation) for column in CASE_TABLE]
    choices = {next(iter(v.sqref.ranges)).min_col: v.formula1 for v in book["cases"].data_validations.dataValidation}
    assert choices == {i: f'"{",".join(column.allowed)}"' for i, column in enumerate(CASE_TABLE, 1) if column.allowed}
    assert told(read_workbook(path)) == ["template.xlsx, row 1: the table has a header and no rows"]
    with pytest.raises(StorageError, match="exists already; name a new file"):
        write_template(path)
    sheet = book["cases"]
    sheet.append([column.example or None for column in CASE_TABLE])
    book.save(tmp_path / "filled.xlsx")
    filled = read_workbook(tmp_path / "filled.xlsx")
    assert told(filled) == []
    assert filled.cases[0][1].photos[0].age_years == 4.5


def test_everything_written_is_text(tmp_path):
    CaseWorkbookExporter().write([Case(Patient("=1+1", family="007"))], tmp_path / "a.xlsx")
    sheet = load_workbook(tmp_path / "a.xlsx")["cases"]
    assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value is not None} == {"s"}
    assert "'=1+1" in [cell.value for cell in sheet[2]]


def mutated(rng):
    """A workbook with bytes changed in the container, or with one of its parts changed or cut off."""
    if rng.random() < 0.3:
        raw = bytearray(GOOD)
        for _ in range(rng.randint(1, 8)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        return bytes(raw)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(GOOD)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        chosen = rng.choice(old.namelist())
        for name in old.namelist():
            content = old.read(name)
            if name == chosen:
                at, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
                piece = rng.choice([b"", b"</v>", b"&a;", b"1e999", b"-1", b'"', b'r="ZZZ9"', b"\0", content[at:end]])
                content = content[:at] + piece + content[rng.choice([at, end, at + 1]) :]
            if name != chosen or rng.random() < 0.95:
                new.writestr(name, content)
    return out.getvalue()


def fuzz(runs, seed):
    rng = random.Random(seed)
    good = 0
    for _ in range(runs):
        raw = mutated(rng)
        try:
            result = parse_workbook(raw, Path("x.xlsx"))
        except TableError as error:
            lines = [str(error)]
        else:
            lines = [str(problem) for problem in result.problems]
            good += 1
        assert all(len(line.splitlines()) == 1 for line in lines)
    return good


def test_damaged_workbooks_give_a_table_or_a_table_error():
    assert fuzz(150, 1) > 10


@pytest.mark.slow
def test_three_thousand_damaged_workbooks():
    assert fuzz(3000, 2) > 200
