"""Ages as paediatricians, spreadsheets and machines write them."""

import gzip
import json
import math
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deciface.cases.ages import OLDEST_YEARS, iso_age, iso_of_years, parse_age_years, years_of

DAY = 1 / 365.25


@pytest.mark.parametrize(
    ("text", "years", "iso"),
    [
        ("4", 4, "P4Y"),
        ("4.5", 4.5, "P4Y6M"),
        ("4,5", 4.5, "P4Y6M"),
        ("４．５", 4.5, "P4Y6M"),
        ("0", 0, "P0D"),
        ("120", 120, "P120Y"),
        (" 1y 6m ", 1.5, "P1Y6M"),
        ("1y6m", 1.5, "P1Y6M"),
        ("1 year and 6 months", 1.5, "P1Y6M"),
        ("1 year, 6 months old", 1.5, "P1Y6M"),
        ("1 yr. 6 mos.", 1.5, "P1Y6M"),
        ("P1Y6M", 1.5, "P1Y6M"),
        ("p1y6m", 1.5, "P1Y6M"),
        ("P18M", 1.5, "P1Y6M"),
        ("P1Y14M", 26 / 12, "P2Y2M"),
        ("P3Y0M0DT0H0M0S", 3, "P3Y"),
        ("18 months", 1.5, "P1Y6M"),
        ("4m", 4 / 12, "P4M"),
        ("4;6", 4.5, "P4Y6M"),
        ("0;09", 0.75, "P9M"),
        ("4;6.15", 4.5 + 15 * DAY, "P4Y6M15D"),
        ("4 6/12", 4.5, "P4Y6M"),
        ("4 1/2", 4.5, "P4Y6M"),
        ("4½", 4.5, "P4Y6M"),
        ("6/12", 0.5, "P6M"),
        ("3/52", 21 * DAY, "P3W"),
        ("3 weeks", 21 * DAY, "P3W"),
        ("2 w 3 d", 17 * DAY, "P17D"),
        ("10 d", 10 * DAY, "P10D"),
        ("2 Jahre", 2, "P2Y"),
        ("2 Jahre und 3 Monate", 2.25, "P2Y3M"),
        ("1,5 Jahre", 1.5, "P1Y6M"),
        ("3 Tage alt", 3 * DAY, "P3D"),
        ("2歲3個月", 2.25, "P2Y3M"),
        ("2 歲 3 個月", 2.25, "P2Y3M"),
        ("２岁３个月", 2.25, "P2Y3M"),
        ("2歲半", 2.5, "P2Y6M"),
        ("半歲", 0.5, "P6M"),
        ("3個月大", 0.25, "P3M"),
        ("4 y.o.", 4, "P4Y"),
        ("4 y/o", 4, "P4Y"),
        ("4yo", 4, "P4Y"),
        ("4.3", 4.3, "P4.3Y"),
        ("3.5 months", 3.5 / 12, "P3.5M"),
        ("2.5 weeks", 17.5 * DAY, "P2.5W"),
    ],
)
def test_an_age_is_read_in_years_and_written_as_iso(text, years, iso):
    assert parse_age_years(text) == pytest.approx(years, abs=1e-12)
    assert iso_age(text) == iso


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "four", "adult", "newborn", "unknown", "nan", "inf", "1e1", "P", "PT", "P1H", "T1Y", "y"),
        *("-1", "-1y", "−2", "P-1Y", "120.1", "121", "1500 months", "999999999"),
        *("1y 14m", "1y 12m", "4;12", "4 12/12", "4 13/12", "2m 40d", "1w 9d", "4;6.40"),
        *("4-5", "4-5 years", "~4", "<1", ">18 y", "4+", "4?", "ca. 4", "4 or 5 years"),
        *("1.5y 6m", "P1.5Y6M", "6m 1y", "1y 1y", "P6M1Y", "1;2;3", "4 years 3", "y 4"),
        *("1,200 days", "1,200", "12,345,678 d", "5 hours", "PT12H", "4 cm", "4 my", "1/2/2019", "2019-04-05", "٤"),
    ],
)
def test_what_is_not_clearly_an_age_is_refused(text):
    assert parse_age_years(text) is None
    assert iso_age(text) is None


def test_days_stay_days_because_months_differ_in_length():
    assert iso_age("45 days") == "P45D"


@pytest.mark.parametrize("text", ["1y 6m", "18 months", "4.5", "", "P", "P121Y", "P1Y2H", "P1YX"])
def test_years_of_reads_durations_and_nothing_else(text):
    assert years_of(text) is None


def test_a_year_has_365_and_a_quarter_days():
    assert years_of("P1461D") == 4
    assert years_of("P2W") == pytest.approx(14 / 365.25)
    assert years_of("P0D") == 0


counts = st.tuples(st.integers(0, 119), st.integers(0, 11), st.integers(0, 31))


@given(counts)
def test_every_usual_way_to_write_an_age_says_the_same(age):
    years, months, days = age
    expected = years + months / 12 + days / 365.25
    texts = [
        f"{years}y {months}m {days}d",
        f"P{years}Y{months}M{days}D",
        f"{years}歲{months}個月{days}天",
        f"{years} Jahre {months} Monate {days} Tage",
        f"{years};{months:02}.{days:02}",
    ]
    assert [parse_age_years(text) for text in texts] == pytest.approx([expected] * 5)
    assert len({iso_age(text) for text in texts}) == 1


@given(counts)
def test_the_normal_form_is_reached_once_and_keeps_the_age(age):
    text = "P{}Y{}M{}D".format(*age)
    iso = iso_age(text)
    assert iso_age(iso) == iso
    assert years_of(iso) == parse_age_years(text)


@given(st.decimals(0, 120, allow_nan=False, places=4))
def test_decimal_years_survive_the_way_through_iso(years):
    assert years_of(iso_age(f"{years:f}")) == float(years)


@given(st.floats(0, OLDEST_YEARS))
@example(5e-324)
@example(17 / 12)
@example(2 + 10 / 365.25)
def test_any_age_of_a_photo_survives_the_way_through_iso_exactly(years):
    iso = iso_of_years(years)
    assert years_of(iso) == years
    assert iso_age(iso) == iso


@given(st.integers(0, 1440))
def test_whole_months_are_written_as_such(months):
    years, rest = divmod(months, 12)
    assert iso_of_years(months / 12) == iso_age(f"P{years}Y{rest}M")


@pytest.mark.parametrize("years", [-0.001, 120.001, math.nan, math.inf, -math.inf])
def test_impossible_ages_have_no_duration(years):
    assert iso_of_years(years) is None


@given(st.text(max_size=30))
def test_no_text_breaks_the_reader(text):
    years = parse_age_years(text)
    assert years is None or 0 <= years <= OLDEST_YEARS
    assert (iso_age(text) is None) == (years is None)


@pytest.mark.parametrize("piece", ["1", "1 ", "1y", "1,000", "P1Y", ";", "歲", " ", "and "])
def test_long_and_hostile_texts_are_decided_at_once(piece):
    begun = time.perf_counter()
    assert parse_age_years("1" + piece * 50_000 + "x") is None
    assert parse_age_years("1" + piece * 75 + "x") is None
    assert time.perf_counter() - begun < 1


def test_all_ages_of_published_cases_are_understood(shared_data):
    ages = set()
    with gzip.open(shared_data / "phenotype" / "phenopackets_dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            json.loads(line, object_hook=lambda o: ages.add(o.get("iso8601duration")) or o)
    ages.discard(None)
    assert len(ages) > 300
    assert [age for age in ages if years_of(age) is None or years_of(iso_age(age)) != years_of(age)] == []
