"""Sex as tables and forms spell it."""

import pytest

from deciface.cases import Sex
from deciface.cases.sexes import parse_sex


@pytest.mark.parametrize("text", ["F", "female", " Female ", "FEMALE", "w", "weiblich", "Mädchen", "女", "女性", "ｆ"])
def test_female(text):
    assert parse_sex(text) is Sex.FEMALE


@pytest.mark.parametrize("text", ["M", "male", "boy", "MALE", "männlich", "Junge", "男", "男童"])
def test_male(text):
    assert parse_sex(text) is Sex.MALE


@pytest.mark.parametrize(
    "text", ["", "  ", "u", "unknown", "UNKNOWN_SEX", "not known", "n/a", "NaN", "unbekannt", "不明", "?"]
)
def test_blank_and_unknown_are_unknown(text):
    assert parse_sex(text) is Sex.UNKNOWN


@pytest.mark.parametrize("text", ["OTHER_SEX", "other", "O", "divers", "intersex", "其他"])
def test_a_sex_that_is_neither_is_not_forced_into_one(text):
    assert parse_sex(text) is Sex.UNKNOWN


@pytest.mark.parametrize("text", ["0", "1", "2", "male or female", "mm", "XY", "46,XX", "yes"])
def test_what_is_not_understood_is_not_guessed(text):
    assert parse_sex(text) is None
