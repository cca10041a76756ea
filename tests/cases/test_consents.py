"""When a consent is in force, and who is eligible."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deciface.cases import Consent, Participant, Scope

MONDAY, TUESDAY, WEDNESDAY = (dt.date(2026, 3, day) for day in (2, 3, 4))


def test_a_consent_holds_from_the_day_it_was_signed():
    consent = Consent(Scope.STUDY, signed_on=TUESDAY)
    assert [consent.holds(day) for day in (MONDAY, TUESDAY, WEDNESDAY)] == [False, True, True]


def test_a_consent_does_not_hold_on_the_day_it_was_withdrawn_nor_later():
    consent = Consent(Scope.STUDY, signed_on=MONDAY, withdrawn_on=TUESDAY)
    assert [consent.holds(day) for day in (MONDAY, TUESDAY, WEDNESDAY)] == [True, False, False]


def test_a_consent_without_a_date_holds_until_it_is_withdrawn():
    assert Consent(Scope.PUBLICATION, evidence="PMID:24573067").holds(dt.date.min)
    undated = Consent(Scope.STUDY, withdrawn_on=WEDNESDAY)
    assert undated.holds(TUESDAY)
    assert not undated.holds(WEDNESDAY)


def test_a_consent_signed_and_withdrawn_on_one_day_never_holds():
    consent = Consent(Scope.STUDY, signed_on=TUESDAY, withdrawn_on=TUESDAY)
    assert not any(consent.holds(day) for day in (MONDAY, TUESDAY, WEDNESDAY))


@given(st.dates(), st.dates(), st.dates(), st.dates())
def test_what_was_withdrawn_never_holds_again(signed, withdrawn, day, later):
    consent = Consent(Scope.STUDY, signed_on=signed, withdrawn_on=withdrawn)
    assert not consent.holds(max(withdrawn, later))
    assert consent.holds(day) == (signed <= day < withdrawn)


@pytest.mark.parametrize(
    ("appearance", "genetic", "unable", "eligible"),
    [
        (True, True, False, True),
        (False, True, False, False),
        (True, False, False, False),
        (True, True, True, False),
        (None, None, None, None),
        (True, True, None, None),
        (True, None, False, None),
        (None, True, False, None),
        (False, None, None, False),
        (None, False, None, False),
        (None, None, True, False),
    ],
)
def test_a_participant_is_eligible_by_both_criteria_of_inclusion_and_none_of_exclusion(
    appearance, genetic, unable, eligible
):
    participant = Participant(
        "Taipei", abnormal_appearance=appearance, suspected_genetic_disease=genetic, unable_to_cooperate=unable
    )
    assert participant.eligible is eligible


criterion = st.sampled_from([True, False, None])


@given(criterion, criterion, criterion, st.integers(0, 2), st.booleans())
def test_a_decision_is_never_turned_round_by_what_is_assessed_later(appearance, genetic, unable, which, answer):
    answers = [appearance, genetic, unable]
    before = Participant("Bonn", *answers).eligible
    if answers[which] is None:
        answers[which] = answer
    if before is not None:
        assert Participant("Bonn", *answers).eligible is before
