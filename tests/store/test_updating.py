"""What a source says of a stored case: stated facts replace, open ones do not, withdrawals arrive, nothing revives."""

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.cases import Case, Consent, Participant, Patient, Scope
from deciface.errors import MismatchError
from deciface.store.updating import as_signed, consents_ended, consents_with, updated
from tests.store.test_people import any_case
from tests.store.whole_case import everything_recorded

DAY = dt.date(2026, 1, 1)
days = st.none() | st.integers(0, 3).map(lambda n: DAY + dt.timedelta(n))
consents = st.lists(
    st.builds(
        Consent,
        st.sampled_from([Scope.CARE, Scope.GALLERY]),
        text_version=st.sampled_from(["", "2"]),
        signed_on=days,
        withdrawn_on=days,
    ),
    max_size=4,
).map(tuple)


def holding(of, on):
    return {as_signed(consent) for consent in of if consent.holds(on)}


@settings(max_examples=100, deadline=None)
@given(any_case, any_case)
def test_saying_it_twice_changes_nothing_more(stored, said):
    said = replace(said, patient=replace(said.patient, simulated=stored.patient.simulated))
    once = updated(stored, said)
    assert updated(once, said) == once
    assert updated(stored, stored) == stored
    assert updated(stored, Case(Patient(stored.id))) == stored


def test_a_whole_case_replaces_a_bare_one():
    whole = replace(everything_recorded(), photos=())
    assert updated(Case(Patient(whole.id)), whole) == whole


@settings(max_examples=300, deadline=None)
@given(consents, consents)
def test_no_withdrawal_is_lost_and_no_consent_is_revived(stored, said):
    new = consents_with(stored, said)
    assert consents_with(new, said) == new
    assert [as_signed(c) for c in new[: len(stored)]] == [as_signed(c) for c in stored]
    for before, after in zip(stored, new, strict=False):
        assert before.withdrawn_on is None or (after.withdrawn_on and after.withdrawn_on <= before.withdrawn_on)
    ended = {as_signed(c): c.withdrawn_on for c in said if c.withdrawn_on}
    for consent in new:
        if day := ended.get(as_signed(consent)):
            assert consent.withdrawn_on is not None
            assert not consent.holds(max(day, consent.withdrawn_on))
    for later in (DAY + dt.timedelta(n) for n in range(9)):
        revived = holding(new, later) & {as_signed(c) for c in stored} - holding(stored, later)
        assert revived == set()


def test_a_withdrawal_that_is_not_worded_as_recorded_ends_what_was_signed_by_then():
    care, other = Consent(Scope.CARE, text_version="1"), Consent(Scope.GALLERY)
    later = Consent(Scope.CARE, text_version="2", signed_on=DAY + dt.timedelta(1))
    withdrawal = Consent(Scope.CARE, withdrawn_on=DAY)
    assert consents_ended((care, other, later), (withdrawal,)) == (replace(care, withdrawn_on=DAY), other, later)
    assert consents_ended((care,), (withdrawal, care)) == (care,), "the source says that this one holds"
    bonn = Consent(Scope.SHARING, "Bonn")
    assert consents_ended((bonn,), (Consent(Scope.SHARING, "Ulm", withdrawn_on=DAY),)) == (bonn,)


def test_what_the_study_knows_is_joined():
    stored = replace(Case(Patient("p")), participant=Participant("Taipei", True, None, False))
    said = replace(Case(Patient("p")), participant=Participant("Bonn", None, True, None, DAY))
    assert updated(stored, said).participant == Participant("Bonn", True, True, False, DAY)


def test_nobody_becomes_simulated():
    real, made = Case(Patient("p")), Case(Patient("p", simulated=True))
    with pytest.raises(MismatchError, match="patient 'p' cannot change between simulated and real; use another id"):
        updated(real, made)
    assert updated(made, real) == made, "blank is no statement"
