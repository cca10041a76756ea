"""Countries of ISO 3166-1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deciface.cases.countries import countries, country


def test_the_table_is_complete_and_without_doubles():
    entries = countries().values()
    assert len(entries) == 249
    assert all(len(e.alpha_2) == 2 and len(e.alpha_3) == 3 and (e.alpha_2 + e.alpha_3).isupper() for e in entries)
    assert len({e.alpha_3 for e in entries}) == len({e.name for e in entries}) == 249


def test_every_spelling_of_the_table_leads_to_its_own_country():
    for entry in countries().values():
        for spelling in (entry.alpha_2, entry.alpha_3, entry.name, *entry.other_names):
            assert country(spelling) == entry.alpha_2, spelling
            assert country(f" {spelling.lower()} ") == entry.alpha_2, spelling


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *[
            (text, "TW")
            for text in ("TW", "twn", "Taiwan", "臺灣", "台灣", "Taiwan (R.O.C.)", "Taiwan, Province of China")
        ],
        *[(text, "GB") for text in ("UK", "U.K.", "Great Britain", "United Kingdom")],
        *[(text, "US") for text in ("USA", "U.S.A.", "United States", "the United States of America")],
        ("Deutschland", "DE"),
        ("Cote d'Ivoire", "CI"),
        ("Côte d’Ivoire", "CI"),
        ("Turkiye", "TR"),
        ("Bosnia & Herzegovina", "BA"),
        ("South Korea", "KR"),
        ("Viet Nam", "VN"),
        ("ＪＰ", "JP"),
    ],
)
def test_usual_spellings(text, code):
    assert country(text) == code


@pytest.mark.parametrize(
    "text", ["", " ", "XX", "ZZZ", "Korea", "Europe", "Asia", "49", "Taipei", "Yugoslavia", "Tai wan", "the", "TW1"]
)
def test_what_names_no_country_of_today_is_refused(text):
    assert country(text) is None


def test_taiwan_is_shown_as_taiwan():
    assert countries()["TW"].name == "Taiwan"


@given(st.text(max_size=20))
def test_no_text_breaks_the_reader(text):
    assert country(text) is None or country(text) in countries()
