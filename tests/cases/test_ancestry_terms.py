"""The vocabulary of ancestry and GMDB's two columns."""

import csv

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deciface.cases import Ancestry, AncestrySource, Patient, Side
from deciface.cases.ancestry_terms import ancestry, find_term, from_gmdb, terms, to_gmdb
from deciface.errors import InputError

INDIGENOUS = (
    "amis atayal paiwan bunun puyuma rukai tsou saisiyat tao thao kavalan truku sakizaya seediq hlaalua kanakanavu"
)

cells = st.text(max_size=20).map(str.strip)
categories = st.sampled_from(["", "African", "Asian", "European", "Others", "Unknown"]) | cells
sub_categories = st.sampled_from(["", "East Asian", "South-East Asian", "Others", "Unknown", "Latin/Hispanic"]) | cells


def code_of(text):
    term = find_term(text)
    return term and term.code


def test_codes_have_one_of_three_forms_and_name_gmdb_pairs_exactly():
    for code, term in terms().items():
        vocabulary, _, rest = code.partition(":")
        assert vocabulary in ("GMDB", "HANCESTRO", "TW"), code
        assert rest, code
        if vocabulary == "GMDB":
            assert [statement.code for statement in from_gmdb(*term.gmdb)] == [code]
        if vocabulary == "HANCESTRO":
            assert rest.isdigit(), code
            assert len(rest) == 4, code


def test_every_spelling_leads_to_its_own_term():
    for term in terms().values():
        for spelling in (term.code, term.name, term.name_zh_hant, *term.other_names):
            if spelling:
                assert find_term(spelling) == term, spelling
                assert find_term(f" {spelling.upper()} ") == term, spelling


def test_every_pair_of_the_vocabulary_is_one_that_gmdb_states():
    stated = {term.gmdb for code, term in terms().items() if code.startswith("GMDB:")} | {("", "")}
    assert {term.gmdb for term in terms().values()} == stated


def test_sub_categories_are_those_of_the_published_ancestry_table(shared_data):
    categories = {"AF": "African", "AS": "Asian", "EU": "European", "O": "Others"}
    with (shared_data / "gestaltmatcher" / "ancestry_fig5.csv").open(encoding="utf-8") as table:
        groups = {tuple(row["sub_ancestry"].split(" ", 1)) for row in csv.DictReader(table)}
    published = {(categories[short], sub) for short, sub in groups if short in categories}
    assert len(published) == 13
    assert {term.gmdb for code, term in terms().items() if code.startswith("GMDB:") and term.gmdb[1]} == published


def test_the_sixteen_indigenous_peoples_of_taiwan_are_there_and_named_in_chinese():
    peoples = [terms()[f"TW:{people}"] for people in INDIGENOUS.split()]
    assert len({people.name_zh_hant for people in peoples}) == 16
    assert all(people.name_zh_hant.endswith("族") for people in peoples)
    assert terms()["TW:indigenous"].name == "Indigenous peoples of Taiwan"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Hakka", "TW:hakka"),
        ("客家", "TW:hakka"),
        ("客家人", "TW:hakka"),
        ("Minnan", "TW:hoklo"),
        ("閩南人", "TW:hoklo"),
        ("外省人", "TW:mainlander"),
        ("Taiwanese Han", "HANCESTRO:0583"),
        ("TW:han", "HANCESTRO:0583"),
        ("台灣漢人", "HANCESTRO:0583"),
        ("阿美", "TW:amis"),
        ("達悟族", "TW:tao"),
        ("Yami", "TW:tao"),
        ("hla’alua", "TW:hlaalua"),
        ("台灣原住民", "TW:indigenous"),
        ("新住民(越南)", "TW:new-immigrant-vn"),
        ("southeast asian", "GMDB:Asian/South-East Asian"),
        ("South East Asian ancestry", "HANCESTRO:0007"),
        ("hancestro_0027", "HANCESTRO:0027"),
        ("Unknown", "GMDB:Unknown"),
    ],
)
def test_usual_spellings(text, code):
    assert code_of(text) == code


@pytest.mark.parametrize("text", ["", " ", "-", "Ruritanian", "HANCESTRO:9999", "East", "族"])
def test_what_the_vocabulary_has_not_is_not_guessed(text):
    assert find_term(text) is None


def test_han_chinese_and_chinese_are_two_terms_and_neither_leads_to_the_other():
    assert {code_of("Han Chinese"), code_of("Chinese"), code_of("Taiwanese Han"), code_of("Taiwanese")} == {
        "HANCESTRO:0027",
        "HANCESTRO:0021",
        "HANCESTRO:0583",
        "HANCESTRO:0020",
    }


def test_a_statement_keeps_the_words_it_was_made_in():
    stated = ancestry(" 客家人 ", side=Side.MATERNAL, source=AncestrySource.SELF_REPORT)
    assert stated == Ancestry("客家人", Side.MATERNAL, AncestrySource.SELF_REPORT, "TW:hakka")
    assert ancestry("Ruritanian") == Ancestry("Ruritanian")


def test_a_bare_code_is_shown_by_its_name_and_a_foreign_one_is_kept():
    assert ancestry("TW:amis") == Ancestry("Amis", code="TW:amis")
    assert ancestry("HANCESTRO:9999") == Ancestry("HANCESTRO:9999", code="HANCESTRO:9999")
    assert ancestry("GMDB:Asian/Ainu") == Ancestry("GMDB:Asian/Ainu", code="GMDB:Asian/Ainu")
    assert ancestry("TW:unheard-of") == Ancestry("TW:unheard-of")


def test_a_statement_needs_words():
    with pytest.raises(InputError, match=r"^an ancestry without words; write a term such as 'Han Chinese', or leave"):
        ancestry("  ")


@given(categories, sub_categories)
@example("", "")
@example("Unknown", "")
@example("Unknown", "Unknown")
@example("", "East Asian")
@example("Asian/Pacific", "A/B")
@example("100%", "")
@example("%2F", "%25")
@example("a%/b", "")
def test_whatever_a_gmdb_row_says_comes_back(category, sub_category):
    statements = from_gmdb(category, sub_category)
    assert to_gmdb(statements) == (category, sub_category)
    assert len(statements) == (1 if category or sub_category else 0)
    assert from_gmdb(*to_gmdb(statements)) == statements


@given(st.lists(st.tuples(categories, sub_categories), min_size=2, max_size=20, unique=True))
def test_different_gmdb_rows_stay_different_statements(rows):
    assert len({from_gmdb(*row) for row in rows}) == len(rows)


def test_gmdb_unknown_is_a_statement_and_blank_is_none():
    assert Patient("p", ancestry=from_gmdb("Unknown", "")).ancestry_label == "Unknown"
    assert Patient("p", ancestry=from_gmdb("", "")).ancestry_label == "not recorded"


def test_gmdb_words_and_the_same_words_in_a_case_table_have_one_code():
    assert ancestry("East Asian") == from_gmdb("Asian", "East Asian")[0]


def test_a_sub_category_the_vocabulary_has_not_is_kept_verbatim():
    assert from_gmdb("Asian", "Ainu") == (Ancestry("Ainu", code="GMDB:Asian/Ainu"),)


@pytest.mark.parametrize(
    ("statements", "pair"),
    [
        ([], ("", "")),
        ([ancestry("Hakka")], ("Asian", "East Asian")),
        ([Ancestry("Hakka")], ("Asian", "East Asian")),
        ([ancestry("Amis")], ("Asian", "")),
        ([ancestry("Hakka"), ancestry("Japanese")], ("Asian", "East Asian")),
        ([ancestry("Hakka"), ancestry("Amis")], ("Asian", "")),
        ([ancestry("Hakka"), ancestry("German")], ("", "")),
        ([ancestry("Hakka"), ancestry("Ruritanian")], ("", "")),
        ([ancestry("Ruritanian")], ("", "")),
        ([Ancestry("East Asian", code="HANCESTRO:9999")], ("", "")),
        ([ancestry("Hakka"), ancestry("German", side=Side.PATERNAL)], ("Asian", "East Asian")),
        ([ancestry("Hakka", side=Side.MATERNAL), ancestry("Thai", side=Side.PATERNAL)], ("Asian", "")),
    ],
)
def test_other_statements_go_to_gmdb_as_far_as_they_agree(statements, pair):
    assert to_gmdb(statements) == pair


@given(st.text(max_size=20))
def test_no_text_breaks_the_reader(text):
    assert find_term(text) is None or find_term(text).code in terms()
