"""Case tables as cases: every column, rows of a patient joined, written and read back, nothing run in a spreadsheet."""

import csv
import datetime as dt
import io
import string
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deciface.cases import (
    CASE_TABLE_COLUMNS,
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
    Signer,
    TermState,
    Variant,
    VitalStatus,
    Zygosity,
)
from deciface.cases.ancestry_terms import ancestry
from deciface.cases.table import ALL_CASE_TABLE_COLUMNS, CASE_TABLE
from deciface.errors import StorageError, TableError
from deciface.formats import case_values as value
from deciface.formats.case_table import CaseTableImporter, CaseWorkbookImporter, read
from deciface.formats.cases_csv import parse_cases
from deciface.formats.cases_csv_out import CaseTableExporter, losses_of, table_rows
from deciface.formats.cases_xlsx import CaseWorkbookExporter

FULL = {
    "photo": "img/a.jpg",
    "photo_id": "a",
    "patient": "p_1",
    "disorder": "MIM 117550; own-7",
    "disorder_name": "Sotos; Local",
    "gene": "NSD1|A;B",
    "age_years": "4y 6m",
    "sex": "weiblich",
    "ancestry": "maternal:Hakka (self-report); Somewhere [X:1] (genetic)",
    "country": "Taiwan",
    "country_of_birth": "DE",
    "family": "F1",
    "site": "Taipei",
    "unaffected": "",
    "hpo": "HP:0000316 Hypertelorism; !hp_0000252; ?HP:0000405; large ears",
    "simulated": "no",
    "variants": "NSD1 HGNC:14234 NM_022455.5:c.1234C>T (heterozygous, PATHOGENIC); GRCh38:chr1:123:A:G; 5q35 deletion",
    "reference": "24573067; in press",
    "consent": "care; study; sharing:Bonn",
    "consent_version": "2.1",
    "consent_language": "zh-Hant-TW",
    "consent_signer": "parent",
    "consent_date": "2026-03-01; 2026/3/2; 2026-03-01",
    "consent_withdrawn": ";;2026-05-01",
    "consent_evidence": "form 17",
    "diagnosis_status": "molecularly confirmed; suspected",
    "diagnosis_date": "2025-11-30;",
    "abnormal_appearance": "yes",
    "suspected_genetic_disease": "yes",
    "unable_to_cooperate": "no",
    "enrolled": "2026-03-03",
    "view": "Left profile",
    "source": "clinic",
    "occlusions": "glasses; tube",
    "replaces": "a0",
    "last_seen_age": "18 months",
    "vital_status": "alive",
    "other_ids": "GMDB:1; X_2",
}


def table(*rows, columns=None):
    columns = columns or list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([row.get(name, "") for name in columns] for row in rows)
    return parse_cases(out.getvalue().encode(), Path("/clinic/cases.csv"))


def cases(result):
    return [case for _, case in result.cases]


def told(result):
    return [str(problem).removeprefix("cases.csv, ") for problem in result.problems]


def test_every_column_is_explained_once():
    assert len(set(ALL_CASE_TABLE_COLUMNS)) == len(CASE_TABLE)
    assert ALL_CASE_TABLE_COLUMNS[: len(CASE_TABLE_COLUMNS)] == CASE_TABLE_COLUMNS
    assert all(column.explanation and "\n" not in column.explanation for column in CASE_TABLE)


def test_a_row_with_everything():
    result = table(FULL)
    assert told(result) == [
        "row 2, column 'hpo': 'large ears' is not an HPO id, kept as written; write HP:0000316 or !HP:0000316",
        "row 2, column 'variants': '5q35 deletion' is kept as a description; "
        "write e.g. NSD1 NM_022455.5:c.1A>G (heterozygous)",
        "row 2, column 'reference': 'in press' is left out; write e.g. PMID:24573067 or doi:10.1000/xyz",
    ]
    (case,) = cases(result)
    signed = {"text_version": "2.1", "language": "zh-Hant-TW", "signer": Signer.PARENT, "evidence": "form 17"}
    first = dt.date(2026, 3, 1)
    expected = Case(
        Patient(
            "p_1",
            Sex.FEMALE,
            (
                ancestry("Hakka", side=Side.MATERNAL, source=AncestrySource.SELF_REPORT),
                Ancestry("Somewhere", Side.SELF, AncestrySource.GENETIC, "X:1"),
            ),
            "TW",
            country_of_birth="DE",
            family="F1",
        ),
        (
            Diagnosis(Disorder("OMIM:117550", "Sotos"), ("NSD1",), DiagnosisStatus.MOLECULAR, dt.date(2025, 11, 30)),
            Diagnosis(Disorder("own-7", "Local"), ("A", "B"), DiagnosisStatus.SUSPECTED),
        ),
        (
            Phenotype("HP:0000316", label="Hypertelorism"),
            Phenotype("HP:0000252", TermState.EXCLUDED),
            Phenotype("HP:0000405", TermState.NOT_ASSESSED),
        ),
        (
            Variant(
                "NSD1",
                "HGNC:14234",
                ("NM_022455.5:c.1234C>T",),
                zygosity=Zygosity.HETEROZYGOUS,
                acmg="PATHOGENIC",
            ),
            Variant(assembly="GRCh38", chromosome="chr1", position=123, ref="A", alt="G"),
            Variant(label="5q35 deletion"),
        ),
        consents=(
            Consent(Scope.CARE, signed_on=first, **signed),
            Consent(Scope.STUDY, signed_on=dt.date(2026, 3, 2), **signed),
            Consent(Scope.SHARING, "Bonn", signed_on=first, withdrawn_on=dt.date(2026, 5, 1), **signed),
        ),
        participant=Participant("Taipei", True, True, False, dt.date(2026, 3, 3)),
        last_seen_age="P1Y6M",
        vital_status=VitalStatus.ALIVE,
        references=("PMID:24573067",),
        other_ids=("GMDB:1", "X_2"),
        site="Taipei",
        as_written=(
            ("sex", "weiblich"),
            ("country", "Taiwan"),
            ("disorder", "MIM 117550"),
            ("hpo", "!hp_0000252"),
            ("hpo", "large ears"),
            ("last_seen_age", "18 months"),
            ("reference", "24573067"),
            ("reference", "in press"),
            ("age_years of a", "4y 6m"),
        ),
    )
    photo = expected.photo(
        "a",
        age_years=4.5,
        view=PhotoView.LEFT,
        source=PhotoSource.CLINIC,
        occlusions=("glasses", "tube"),
        file_name="img/a.jpg",
        replaces="a0",
    )
    assert set(case.as_written) == set(expected.as_written)
    assert replace(case, as_written=()) == replace(expected.with_photos([photo]), as_written=())
    assert result.photo_files == {"a": Path("/clinic/img/a.jpg")}


def test_rows_without_photo_are_patients_without_photos():
    result = table({"patient": "p1", "enrolled": "2026-01-01"}, {"patient": "p2", "age_years": "4"}, {"patient": "p3"})
    assert [case.id for case in cases(result)] == ["p1", "p2"]
    assert all(case.photos == () for case in cases(result))
    assert told(result) == [
        "row 3, column 'age_years': left out because the row has no photo; name the photo or its id",
        "row 4, column 'photo': row dropped: neither a photo nor any other fact about the patient; fill in one of them",
    ]
    assert cases(result)[1].as_written == (("age_years", "4"),)


def test_rows_of_a_patient_are_joined_and_what_differs_is_told():
    result = table(
        {"photo": "a", "patient": "p", "hpo": "HP:0000316", "disorder": "D1", "site": "Bonn", "country": "DE"},
        {"photo": "b", "patient": "q", "sex": "m"},
        {"photo": "c", "patient": "p", "hpo": "!HP:0000316;HP:0000400", "disorder": "D2", "site": "Bonn", "sex": "f"},
        {"patient": "p", "consent": "care", "unaffected": "yes", "reference": "PMID:1", "last_seen_age": "3"},
    )
    assert told(result) == [
        "row 4, column 'disorder': differs from row 2 of the same patient, taken as there; correct one",
        "row 4, column 'hpo': HP:0000316 is excluded here and present in an earlier row, taken as there",
        "row 5, column 'unaffected': yes beside a disorder in another row of the patient, taken as no; correct one",
    ]
    (number, p), (_, q) = result.cases
    assert (number, [photo.file_name for photo in p.photos], [photo.file_name for photo in q.photos]) == (
        2,
        ["a", "c"],
        ["b"],
    )
    assert [f.term for f in p.phenotypes] == ["HP:0000316", "HP:0000400"]
    assert p.consents == (Consent(Scope.CARE),)
    assert (p.patient.sex, p.patient.country, p.references, p.last_seen_age) == (Sex.FEMALE, "DE", ("PMID:1",), "P3Y")
    assert p.diagnoses == (Diagnosis(Disorder("D1", "D1")),)
    assert {photo.diagnoses for photo in p.photos} == {p.diagnoses}
    assert [row.diagnoses for _, row in result.rows] == [p.diagnoses, (), p.diagnoses]


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("country_of_birth", "Utopia", "'Utopia' is left out; write two letters of ISO 3166 or the English name, "
         "e.g. TW or Taiwan"),
        ("consent", "all", "'all' is left out; write one of care; study; reference gallery; reader study; "
         "sharing:SITE; publication"),
        ("consent", "sharing", "'sharing' is left out; write one of care; study; reference gallery; reader study; "
         "sharing:SITE; publication"),
        ("consent_date", "2026-01-01", "left out because the consent column is empty; name the scopes"),
        ("diagnosis_status", "clinical", "left out because the disorder column is empty; give a disorder id"),
        ("enrolled", "2026-02-30", "'2026-02-30' is left out; write the day as 2026-03-01"),
        ("unable_to_cooperate", "perhaps", "'perhaps' is left out; write yes or no"),
        ("view", "behind", "'behind' is left out; write one of frontal, left profile, right profile, oblique, unknown"),
        ("vital_status", "dead", "'dead' is left out; write one of alive, deceased, unknown"),
        ("last_seen_age", "old", "'old' is left out; write e.g. 4y 6m, P4Y6M or HP:0011463"),
        ("disorder", "MIM 117550;OMIM:117550", None),
    ],
)  # fmt: skip
def test_a_cell_that_is_left_out_is_kept_as_written(column, cell, message):
    result = table({"photo": "a", "patient": "p", column: cell})
    assert told(result) == ([f"row 2, column '{column}': {message}"] if message else [])
    written = dict(cases(result)[0].as_written)
    assert written[column] == (cell if message else "MIM 117550")


def test_a_row_that_makes_a_real_person_simulated_is_dropped():
    result = table(
        {"photo": "a", "patient": "real", "simulated": "no", "consent": "care"},
        {"photo": "b", "patient": "real", "simulated": "yes", "sex": "f"},
        {"photo": "b", "patient": "real", "sex": "m"},
        {"photo": "c", "patient": "made"},
        {"photo": "d", "patient": "made", "simulated": "yes"},
        {"photo": "e", "patient": "made", "simulated": "perhaps"},
        {"photo": "f", "patient": "made", "simulated": "no"},
    )
    assert [line for line in told(result) if "simulated" in line] == [
        "row 3, column 'simulated': row dropped: patient 'real' is simulated here and a real person in row 2; correct "
        "one",
        "row 7, column 'simulated': 'perhaps' is left out; write yes or no",
        "row 8, column 'simulated': row dropped: patient 'made' is a real person here and simulated in row 6; correct "
        "one",
    ]
    real, made = cases(result)
    assert (real.patient.simulated, real.patient.sex, [p.file_name for p in real.photos]) == (
        False,
        Sex.MALE,
        ["a", "b"],
    )
    assert (made.patient.simulated, [p.file_name for p in made.photos]) == (True, ["c", "d", "e"])


def test_a_withdrawal_that_cannot_be_read_never_leaves_a_consent_that_holds():
    unreadable = table({"patient": "p", "consent": "care;study", "consent_withdrawn": "soon;"})
    assert cases(unreadable)[0].consents == (Consent(Scope.STUDY),)
    assert told(unreadable)[1] == "row 2, column 'consent': 'care' is left out; its withdrawal cannot be read"
    unclear = table({"patient": "p", "consent": "care;study;publication", "consent_withdrawn": "2026-01-01;"})
    assert cases(unclear)[0].consents == ()
    assert told(unclear) == [
        "row 2, column 'consent': left out, because the withdrawals are not one for all or one for each scope"
    ]


def test_a_withdrawal_in_any_row_counts():
    day = dt.date(2026, 5, 1)
    result = table(
        {"photo": "a", "patient": "p", "consent": "care;study;publication"},
        {"photo": "b", "patient": "p", "consent": "care;study", "consent_withdrawn": "2026-05-01;"},
        {"photo": "c", "patient": "p", "consent": "publication", "consent_withdrawn": "last year"},
    )
    assert cases(result)[0].consents == (Consent(Scope.CARE, withdrawn_on=day), Consent(Scope.STUDY))
    assert told(result) == [
        "row 3, column 'consent': differs from row 2 of the same patient, taken as there; correct one",
        "row 4, column 'consent_withdrawn': 'last year' is left out; write the day as 2026-03-01",
        "row 4, column 'consent': 'publication' is left out; its withdrawal cannot be read",
    ]


def test_numbers_of_values_that_do_not_match_are_told():
    result = table({"patient": "p", "disorder": "D1;D2", "diagnosis_date": "2026-01-01;;", "consent": "care"})
    assert told(result) == [
        "row 2, column 'diagnosis_date': 3 values for 2 disorders, left out; give one for all or one for each"
    ]


def test_codes_of_ancestry_become_their_names():
    (case,) = cases(table({"patient": "p", "ancestry": "paternal:TW:hakka;[odd];" + "[" * 50_000}))
    first, second, third = case.patient.ancestry
    assert first == ancestry("TW:hakka", side=Side.PATERNAL)
    assert (second, third) == (Ancestry("[odd]"), Ancestry("[" * 50_000))
    assert case.as_written == (("ancestry", "paternal:TW:hakka"),)


def test_doubled_photos_are_one_problem_line():
    result = table(
        {"photo": "a", "photo_id": "x_1", "patient": "p"},
        {"photo": "b", "photo_id": "x_1", "patient": "p"},
        {"photo": "x_1", "patient": "p"},
    )
    assert told(result) == [
        "row 3, column 'photo_id': row dropped: 'x_1' stands in row 2 already; keep one",
        "row 4, column 'photo': row dropped: 'x_1' stands in row 2 already; keep one",
    ]


@pytest.mark.parametrize("text", ["a;b", "a\\", "a\\;b", "|", "'=x", "=1+1", "''-1", "ä\\n", "'"])
def test_lists_are_written_and_read(text):
    assert value.split(value.join([text, "x", text])) == (text, "x", text)
    assert value.unguard(value.guard(text)) == text


def test_nothing_written_begins_like_a_formula(tmp_path):
    case = Case(
        Patient("=cmd|' /C calc'!A0", family="+1", ancestry=(Ancestry("@x"), Ancestry("Han", code="HANCESTRO:0027"))),
        (Diagnosis(Disorder("-1", "=HYPERLINK(1)")),),
        site="＝1",
        other_ids=("'=2", "=3"),
    )
    written = CaseTableExporter().write([case], tmp_path / "o.csv")
    assert written.losses == ()
    for row in csv.reader((tmp_path / "o.csv").read_text("utf-8-sig").splitlines()):
        assert not any(part[:1] in set("=+-@＝") for cell in row for part in (cell, *cell.split(";")))
    assert cases(read(tmp_path / "o.csv")) == [case]


def test_what_the_table_cannot_hold_is_named():
    case = Case(
        Patient("p"),
        (Diagnosis(Disorder("D", "D"), onset="P1Y"),),
        (Phenotype("HP:0000316", onset="P2Y"), Phenotype("HP:0000400", severity="HP:0012825")),
        (Variant(structural_type="SO:1000029", label="5q35 deletion"),),
    )
    case = case.with_photos([case.photo("a", sha256="ff")])
    blank = Case(Patient(" "))
    rows = table_rows([case, blank])
    back = table(*(dict(zip(rows[0], row, strict=True)) for row in rows[1:]))
    assert losses_of([case, blank], cases(back)) == (
        "the table cannot hold diagnoses onset of 1 patient (first: 'p')",
        "the table cannot hold phenotypes onset of 1 patient (first: 'p')",
        "the table cannot hold phenotypes severity of 1 patient (first: 'p')",
        "the table cannot hold variants structural_type of 1 patient (first: 'p')",
        "the table cannot hold photos sha256 of 1 patient (first: 'p')",
        "the table cannot hold the record of 1 patient (first: ' ')",
    )


def test_targets_that_exist_are_refused(tmp_path):
    target = tmp_path / "o.csv"
    target.write_text("mine")
    with pytest.raises(StorageError, match=r"o.csv' exists already; name a new file"):
        CaseTableExporter().write([], target)
    assert target.read_text() == "mine"


def test_importers_know_their_files(tmp_path):
    text, book, other = tmp_path / "a.csv", tmp_path / "a.xlsx", tmp_path / "b.csv"
    text.write_bytes("photo;Patient\na;p\n".encode("utf-16"))
    other.write_text("image_id,patient_id\n1,2\n")
    CaseWorkbookExporter().write([Case(Patient("p"))], book)
    for importer, own in ((CaseTableImporter(), text), (CaseWorkbookImporter(), book)):
        assert [importer.sniff(path) for path in (own, other, tmp_path / "none", tmp_path)] == [True, *[False] * 3]
        assert [case.id for _, case in importer.read(own).cases] == ["p"]
    assert not CaseTableImporter().sniff(book)
    assert not CaseWorkbookImporter().sniff(text)
    with pytest.raises(TableError, match="No such file or directory"):
        read(tmp_path / "none.csv")


WORD = st.text(
    st.characters(blacklist_categories=["Cs", "Cc", "Cf", "Zl", "Zp", "Zs"]) | st.sampled_from(";|\\'=+-@\","),
    min_size=1,
    max_size=6,
)
PLAIN = st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=6)
DAY = st.none() | st.dates(dt.date(1900, 1, 1), dt.date(2099, 1, 1))
ANCESTRY = st.builds(
    lambda term, side, source: ancestry(term, side=side, source=source),
    WORD.filter(lambda w: not set(w) & set("[]():")) | st.sampled_from(["Hakka", "Taiwanese Han", "客家人"]),
    st.sampled_from(Side),
    st.sampled_from(AncestrySource),
)
DIAGNOSIS = st.builds(
    Diagnosis,
    st.builds(Disorder, PLAIN.map(lambda w: f"own:{w}") | st.just("OMIM:117550"), WORD),
    st.lists(WORD, max_size=2, unique=True).map(tuple),
    st.sampled_from(DiagnosisStatus),
    DAY,
)
PHENOTYPE = st.builds(
    Phenotype,
    st.integers(0, 9_999_999).map("HP:{:07d}".format),
    st.sampled_from(TermState),
    label=st.just("") | WORD,
)
VARIANT = st.builds(
    Variant,
    gene=st.sampled_from(["", "NSD1"]),
    hgvs=st.sampled_from([("NM_022455.5:c.1234C>T",), ("NM_022455.5:c.1del", "NP_071900.2:p.(Arg96*)")]),
    zygosity=st.sampled_from(Zygosity),
    acmg=st.sampled_from(["", "PATHOGENIC"]),
    label=st.just("") | WORD.filter(lambda w: '"' not in w),
)
CONSENT = st.builds(
    lambda scope, site, *rest: Consent(scope, site if scope is Scope.SHARING else None, *rest),
    st.sampled_from(Scope),
    PLAIN,
    st.just("") | WORD,
    st.sampled_from(["", "zh-Hant-TW"]),
    st.sampled_from(Signer),
    DAY,
    DAY,
    st.just("") | WORD,
)


@st.composite
def people(draw):
    def some(strategy, by=None):
        return tuple(draw(st.lists(strategy, max_size=3, unique_by=by or (lambda x: x))))

    site = draw(st.just("") | PLAIN)
    yes = st.none() | st.booleans()
    diagnoses = some(DIAGNOSIS, lambda d: d.disorder.id)
    patient = Patient(
        draw(WORD),
        draw(st.sampled_from(Sex)),
        some(ANCESTRY),
        draw(st.sampled_from([None, "TW", "DE"])),
        draw(st.booleans()),
        draw(st.sampled_from([None, "TW"])),
        draw(st.none() | WORD),
    )
    study = draw(st.none() | st.builds(Participant, st.just(site), yes, yes, yes, DAY))
    case = Case(
        patient,
        diagnoses,
        some(PHENOTYPE, lambda p: p.term),
        some(VARIANT),
        unaffected=not diagnoses and draw(st.booleans()),
        consents=some(CONSENT, lambda c: (c.scope, c.site)),
        participant=study if study != Participant(site) else None,
        last_seen_age=draw(st.sampled_from([None, "P1Y6M", "HP:0011463", "13w0d"])),
        vital_status=draw(st.sampled_from(VitalStatus)),
        references=some(st.sampled_from(["PMID:1234567", "doi:10.1000/x;y"])),
        other_ids=some(WORD),
        site=site,
        as_written=some(st.tuples(PLAIN, WORD)),
    )
    return case, draw(
        st.lists(
            st.tuples(
                st.none() | st.floats(0, 120),
                st.sampled_from(PhotoView),
                st.sampled_from(PhotoSource),
                st.lists(WORD, max_size=2, unique=True).map(tuple),
                st.booleans(),
            ),
            max_size=2,
        )
    )


@pytest.mark.parametrize("exporter", [CaseTableExporter(), CaseWorkbookExporter()], ids=lambda e: e.name)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=st.lists(people(), min_size=1, max_size=4, unique_by=lambda p: p[0].id))
def test_what_is_written_is_read_back(tmp_path_factory, exporter, drawn):
    target = tmp_path_factory.mktemp("table") / f"cases.{exporter.name}"
    made = []
    for i, (case, photos) in enumerate(drawn):
        named = [
            case.photo(
                f"photo_{i}_{j}",
                age_years=age,
                view=view,
                source=source,
                occlusions=occlusions,
                file_name=f"{'' if same else 'img/'}photo_{i}_{j}",
            )
            for j, (age, view, source, occlusions, same) in enumerate(photos)
        ]
        made.append(case.with_photos(named))
    written = exporter.write(made, target)
    back = read(target)
    assert (written.losses, [str(p) for p in back.problems]) == ((), [])
    assert [case for _, case in back.cases] == made
    assert set(back.photo_files) == {photo.id for case in made for photo in case.photos}
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_the_documentation_has_every_column_and_a_table_that_can_be_read():
    text = (Path(__file__).parents[2] / "docs" / "cases.md").read_text()
    for column in CASE_TABLE:
        explanation = column.explanation.replace("|", "\\|")
        assert f"| {column.name} | {explanation} |" in text
    example = text.split("```\n")[1].split("```")[0]
    result = parse_cases(example.encode(), Path("cases.csv"))
    assert ([case.id for case in cases(result)], told(result)) == (["N10", "U03", "N11"], [])
