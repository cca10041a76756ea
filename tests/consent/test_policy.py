"""What the policy promises, as a clinician would say it."""

import datetime as dt
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deciface.cases import Consent, Scope
from deciface.consent import RULES, Action, Actor, RecordFacts, Role, may, may_send, rule_for
from deciface.consent.roles import WORKSPACE_ACTIONS

TODAY = dt.date(2026, 3, 3)
RECORD_ACTIONS = [action for action in Action if action not in WORKSPACE_ACTIONS]
LOOKING = [Action.SEE, Action.SEE_PHOTO, Action.COMPARE, Action.READ, Action.EXPORT, Action.EXPORT_PHOTO]


def actor(*roles, user="dr-lin", site="Taipei"):
    return Actor(user, frozenset(roles), site)


def consenting(*scopes, owner="dr-lin", site="Taipei", **facts):
    return RecordFacts(owner, site, consents=tuple(Consent(scope) for scope in scopes), **facts)


def allowed_actions(who, record, on=TODAY):
    return {action for action in RECORD_ACTIONS if may(who, action, record, on=on)}


consents = st.builds(
    Consent,
    st.sampled_from(Scope),
    site=st.sampled_from([None, "", "Taipei", "Bonn"]),
    signed_on=st.none() | st.dates(dt.date(2026, 3, 1), dt.date(2026, 3, 5)),
    withdrawn_on=st.none() | st.dates(dt.date(2026, 3, 1), dt.date(2026, 3, 5)),
)
records = st.builds(
    RecordFacts,
    owner=st.sampled_from(["dr-lin", "dr-weber"]),
    site=st.sampled_from(["", "Taipei", "Bonn"]),
    simulated=st.booleans(),
    consents=st.lists(consents, max_size=3).map(tuple),
    erased=st.booleans(),
)
actors = st.builds(
    Actor,
    st.sampled_from(["dr-lin", "dr-weber"]),
    st.frozensets(st.sampled_from(Role), max_size=3),
    st.sampled_from(["", "Taipei", "Bonn"]),
)


class TestDefaultDeny:
    @given(records)
    def test_a_user_without_roles_may_do_nothing(self, record):
        assert allowed_actions(actor(), record) == set()
        assert not any(may(actor(), action, on=TODAY) for action in WORKSPACE_ACTIONS)

    @given(actors, records)
    def test_what_the_table_does_not_list_is_denied(self, who, record):
        for action in RECORD_ACTIONS:
            if not any((role, action) in RULES for role in who.roles):
                assert not may(who, action, record, on=TODAY)

    @given(actors, records)
    def test_several_roles_allow_what_one_of_them_allows_and_no_more(self, who, record):
        apart = [allowed_actions(Actor(who.user, frozenset([role]), who.site), record) for role in who.roles]
        assert allowed_actions(who, record) == set().union(*apart)

    @pytest.mark.parametrize("role", Role)
    def test_a_stranger_s_patient_without_any_consent_is_seen_by_nobody_elsewhere(self, role):
        record = RecordFacts("dr-weber", "Bonn")
        assert allowed_actions(actor(role), record) - {Action.WITHDRAW} == set()

    def test_every_action_is_allowed_to_somebody(self):
        assert {action for _, action in RULES} == set(Action)


class TestReader:
    def test_sees_the_photos_of_the_reader_study_and_nothing_else(self):
        assert allowed_actions(actor(Role.READER), consenting(Scope.READER_STUDY)) == {Action.READ}

    @pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.READER_STUDY])
    def test_no_other_consent_opens_a_photo_to_readers(self, scope):
        assert allowed_actions(actor(Role.READER), consenting(scope)) == set()

    def test_a_patient_s_own_doctor_sees_no_more_as_a_reader(self):
        record = consenting(Scope.READER_STUDY, Scope.CARE, owner="dr-lin")
        assert allowed_actions(actor(Role.READER, user="dr-lin"), record) == {Action.READ}

    @pytest.mark.parametrize("role", [role for role in Role if role is not Role.READER])
    def test_nobody_else_reads_in_a_reader_study(self, role):
        assert not may(actor(role), Action.READ, consenting(*Scope), on=TODAY)


class TestAdministrator:
    @given(records)
    def test_keeps_the_machine_and_sees_no_patient(self, record):
        assert allowed_actions(actor(Role.ADMIN), record) == {Action.WITHDRAW}

    def test_manages_users_backs_up_and_reads_the_audit_trail(self):
        assert all(may(actor(Role.ADMIN), action, on=TODAY) for action in WORKSPACE_ACTIONS)

    @pytest.mark.parametrize("action", [Action.MANAGE, Action.BACK_UP])
    def test_alone_does_so(self, action):
        assert [role for role in Role if may(actor(role), action, on=TODAY)] == [Role.ADMIN]

    def test_shares_the_audit_trail_with_the_coordinator_only(self):
        able = {role for role in Role if may(actor(role), Action.AUDIT, on=TODAY)}
        assert able == {Role.ADMIN, Role.COORDINATOR}


class TestWithdrawal:
    @given(actors, records)
    def test_stops_everything_but_the_erasure_itself(self, who, record):
        erased = RecordFacts(record.owner, record.site, record.simulated, record.consents, erased=True)
        assert allowed_actions(who, erased) <= {Action.WITHDRAW}

    def test_says_so(self):
        decision = may(actor(Role.CURATOR), Action.SEE, consenting(Scope.GALLERY, erased=True), on=TODAY)
        assert decision.reason == "to see the record is not possible: the record was withdrawn"

    @pytest.mark.parametrize("role", [Role.CURATOR, Role.COORDINATOR])
    def test_is_carried_out_by_the_patient_s_own_site(self, role):
        assert may(actor(role, site="Taipei"), Action.WITHDRAW, consenting(site="Taipei"), on=TODAY)
        assert not may(actor(role, site="Bonn"), Action.WITHDRAW, consenting(*Scope, site="Taipei"), on=TODAY)

    def test_needs_no_consent_and_may_be_repeated(self):
        assert may(actor(Role.CURATOR), Action.WITHDRAW, RecordFacts(site="Taipei", erased=True), on=TODAY)

    @pytest.mark.parametrize("role", [Role.VIEWER, Role.CONTRIBUTOR, Role.READER])
    def test_is_not_for_other_roles(self, role):
        assert not may(actor(role), Action.WITHDRAW, consenting(*Scope), on=TODAY)


class TestDates:
    def facts(self, scope, signed=None, withdrawn=None):
        return RecordFacts("dr-lin", "Taipei", consents=(Consent(scope, signed_on=signed, withdrawn_on=withdrawn),))

    def test_a_consent_counts_from_its_day_to_the_day_before_its_withdrawal(self):
        record = self.facts(Scope.GALLERY, dt.date(2026, 3, 2), dt.date(2026, 3, 4))
        days = [dt.date(2026, 3, day) for day in (1, 2, 3, 4, 5)]
        assert [bool(may(actor(Role.VIEWER), Action.COMPARE, record, on=day)) for day in days] == [
            *(False, True, True, False, False)
        ]

    def test_a_withdrawn_scope_leaves_the_others(self):
        consents = (Consent(Scope.GALLERY, withdrawn_on=TODAY), Consent(Scope.READER_STUDY))
        record = RecordFacts("dr-lin", "Taipei", consents=consents)
        assert not may(actor(Role.VIEWER), Action.COMPARE, record, on=TODAY)
        assert may(actor(Role.READER), Action.READ, record, on=TODAY)

    def test_a_new_consent_after_a_withdrawal_counts(self):
        consents = (Consent(Scope.GALLERY, withdrawn_on=dt.date(2026, 3, 1)), Consent(Scope.GALLERY, signed_on=TODAY))
        record = RecordFacts("dr-lin", "Taipei", consents=consents)
        assert may(actor(Role.VIEWER), Action.COMPARE, record, on=TODAY)
        assert not may(actor(Role.VIEWER), Action.COMPARE, record, on=TODAY - dt.timedelta(1))

    @given(actors, st.lists(consents, max_size=4), st.lists(consents, max_size=2))
    def test_more_consent_never_allows_less(self, who, some, more):
        few = RecordFacts("dr-lin", "Taipei", consents=tuple(some))
        many = RecordFacts("dr-lin", "Taipei", consents=(*some, *more))
        assert allowed_actions(who, few) <= allowed_actions(who, many)


class TestSharing:
    def shared(self, *others, withdrawn=None):
        sharing = Consent(Scope.SHARING, site="Bonn", withdrawn_on=withdrawn)
        return RecordFacts("dr-lin", "Taipei", consents=(sharing, *(Consent(scope) for scope in others)))

    def test_the_named_site_may_look_at_record_and_photo_and_no_more(self):
        curator = actor(Role.CURATOR, user="dr-weber", site="Bonn")
        assert allowed_actions(curator, self.shared(Scope.CARE)) == {Action.SEE, Action.SEE_PHOTO}

    def test_the_home_site_may_send_it_there_and_nowhere_else(self):
        record = self.shared()
        assert may(actor(Role.CURATOR), Action.EXPORT, record, on=TODAY)
        assert may(actor(Role.CURATOR), Action.EXPORT_PHOTO, record, on=TODAY)
        assert may_send(record, "Bonn", action=Action.EXPORT, on=TODAY)
        assert (
            may_send(record, "Seoul", action=Action.EXPORT, on=TODAY).reason
            == "no consent to share with 'Seoul' is in force"
        )
        assert may_send(record, None, action=Action.EXPORT, on=TODAY).reason == (
            "only sharing with a named site was agreed to: name the site"
        )
        assert may_send(self.shared(Scope.CARE), None, action=Action.EXPORT, on=TODAY)
        assert not may_send(self.shared(withdrawn=TODAY), "Bonn", action=Action.EXPORT, on=TODAY)

    def test_published_and_simulated_records_may_be_sent_anywhere(self):
        assert may_send(consenting(Scope.PUBLICATION), "Seoul", action=Action.EXPORT, on=TODAY)
        assert may_send(RecordFacts(simulated=True), "Seoul", action=Action.EXPORT_PHOTO, on=TODAY)

    def test_a_published_patients_photo_needs_the_name_of_the_site_that_gets_it(self):
        record = consenting(Scope.PUBLICATION, Scope.STUDY)
        assert may_send(record, "Seoul", action=Action.EXPORT, on=TODAY)
        refused = may_send(record, "Seoul", action=Action.EXPORT_PHOTO, on=TODAY)
        assert refused.reason == "no consent to share with 'Seoul' is in force"
        assert may_send(record, None, action=Action.EXPORT_PHOTO, on=TODAY)

    def test_any_other_site_may_not(self):
        curator = actor(Role.CURATOR, user="dr-kim", site="Seoul")
        assert allowed_actions(curator, self.shared()) == set()

    def test_a_sharing_consent_that_names_no_site_opens_nothing(self):
        for empty in (None, ""):
            record = RecordFacts("dr-lin", "Taipei", consents=(Consent(Scope.SHARING, site=empty),))
            for site in ("Bonn", ""):
                assert allowed_actions(actor(Role.CURATOR, user="dr-weber", site=site), record) == set()

    def test_it_ends_with_its_withdrawal(self):
        curator = actor(Role.CURATOR, user="dr-weber", site="Bonn")
        assert allowed_actions(curator, self.shared(Scope.CARE, withdrawn=TODAY)) == set()

    def test_it_does_not_put_the_patient_into_the_reference_gallery(self):
        for role in Role:
            assert not may(actor(role, site="Bonn"), Action.COMPARE, self.shared(Scope.CARE, Scope.STUDY), on=TODAY)


class TestOwnSite:
    def test_a_contributor_works_on_their_own_patients(self):
        record = consenting(Scope.CARE, owner="dr-lin")
        assert allowed_actions(actor(Role.CONTRIBUTOR), record) == {
            *(Action.SEE, Action.SEE_PHOTO, Action.ADD, Action.EDIT, Action.ENCODE)
        }

    def test_and_not_on_a_colleague_s(self):
        assert allowed_actions(actor(Role.CONTRIBUTOR), consenting(Scope.CARE, owner="dr-weber")) == set()

    def test_a_contributor_enters_a_patient_before_consent_but_does_not_encode_the_photo(self):
        assert allowed_actions(actor(Role.CONTRIBUTOR), RecordFacts("dr-lin", "Taipei")) == {
            *(Action.SEE, Action.ADD, Action.EDIT)
        }

    def test_a_curator_works_on_the_patients_of_the_site(self):
        record = consenting(Scope.CARE, owner="dr-weber", site="Taipei")
        assert {Action.SEE, Action.SEE_PHOTO, Action.EDIT, Action.ENCODE} <= allowed_actions(
            actor(Role.CURATOR), record
        )

    def test_a_coordinator_sees_the_participants_of_the_study_only(self):
        coordinator = actor(Role.COORDINATOR)
        assert {Action.SEE, Action.SEE_PHOTO, Action.EXPORT} <= allowed_actions(coordinator, consenting(Scope.STUDY))
        assert allowed_actions(coordinator, consenting(Scope.CARE)) == {Action.WITHDRAW}

    def test_care_alone_lets_no_photo_leave_the_house(self):
        for role in Role:
            assert not may(actor(role), Action.EXPORT_PHOTO, consenting(Scope.CARE), on=TODAY)


class TestPublishedAndSimulated:
    def test_a_published_case_is_seen_but_its_photo_only_with_consent_to_the_gallery(self):
        published = consenting(Scope.PUBLICATION, owner="dr-weber", site="Bonn")
        assert allowed_actions(actor(Role.VIEWER), published) == {Action.SEE}
        open_to_all = consenting(Scope.PUBLICATION, Scope.GALLERY, owner="dr-weber", site="Bonn")
        assert allowed_actions(actor(Role.VIEWER), open_to_all) == {Action.SEE, Action.SEE_PHOTO, Action.COMPARE}

    def test_a_published_record_may_be_exported_by_everybody_and_published_by_its_site_but_not_its_photo(self):
        published = consenting(Scope.PUBLICATION, owner="dr-weber", site="Bonn")
        assert allowed_actions(actor(Role.CURATOR), published) == {Action.SEE, Action.EXPORT}
        assert may(actor(Role.CURATOR, site="Bonn"), Action.PUBLISH, published, on=TODAY)
        assert not may(actor(Role.CURATOR, site="Bonn"), Action.EXPORT_PHOTO, published, on=TODAY)

    def test_nothing_is_published_without_consent_to_publication(self):
        others = [scope for scope in Scope if scope is not Scope.PUBLICATION]
        assert not any(may(actor(role), Action.PUBLISH, consenting(*others), on=TODAY) for role in Role)

    def test_the_reference_gallery_takes_nobody_who_did_not_agree_to_it(self):
        others = [scope for scope in Scope if scope is not Scope.GALLERY]
        assert not any(may(actor(role), Action.COMPARE, consenting(*others), on=TODAY) for role in Role)

    def test_simulated_people_are_open_to_every_role_that_may_act_at_all(self):
        nobody = RecordFacts("demo", "elsewhere", simulated=True)
        for role, action in RULES:
            if action not in WORKSPACE_ACTIONS:
                assert may(actor(role), action, nobody, on=TODAY), (role, action)


class TestReasons:
    def test_an_allowed_action_names_the_role(self):
        assert may(actor(Role.VIEWER), Action.SEE, consenting(Scope.GALLERY), on=TODAY).reason == "role viewer"

    def test_a_missing_role_is_told_with_the_roles_that_would_do(self):
        decision = may(actor(Role.VIEWER), Action.EDIT, consenting(Scope.CARE), on=TODAY)
        assert decision.reason == (
            "user 'dr-lin' (viewer) may not change the record; it takes the role contributor or curator"
        )
        assert may(actor(), Action.MANAGE, on=TODAY).reason == (
            "user 'dr-lin' (no role) may not manage users; it takes the role admin"
        )

    def test_a_missing_consent_is_told_by_its_name(self):
        decision = may(actor(Role.READER), Action.READ, consenting(Scope.CARE), on=TODAY)
        assert decision.reason == (
            "user 'dr-lin' may show the photo in a reader study only as reader if the record is not withdrawn and "
            "(the person is simulated, or consent to reader study is in force)"
        )

    def test_every_role_that_could_allow_it_says_what_it_needs(self):
        decision = may(actor(Role.VIEWER, Role.CURATOR), Action.SEE, consenting(Scope.CARE, site="Bonn"), on=TODAY)
        assert "only as viewer if" in decision.reason
        assert "; or as curator if" in decision.reason

    def test_another_sites_withdrawn_record_is_refused_for_its_site(self):
        erased = consenting(site="Bonn", erased=True)
        assert "it belongs to the actor's site" in may(actor(Role.CURATOR), Action.WITHDRAW, erased, on=TODAY).reason

    @pytest.mark.parametrize("role", Role)
    def test_an_action_on_a_record_needs_one_and_an_action_on_the_workspace_none(self, role):
        assert may(actor(role), Action.SEE, on=TODAY).reason == "to see the record, a record has to be named"
        decision = may(actor(role), Action.AUDIT, RecordFacts(), on=TODAY)
        assert not decision
        assert decision.reason == "to read the audit trail, no record has to be named"

    @given(actors, st.sampled_from(Action), st.none() | records)
    def test_a_reason_is_one_line_of_words_and_gives_away_nothing_of_the_record(self, who, action, record):
        reason = may(who, action, record, on=TODAY).reason
        assert reason == reason.strip()
        assert "\n" not in reason
        assert re.search("[a-z]{3}", reason)
        if record is not None and record.owner != who.user:
            assert record.owner not in reason

    def test_a_rule_can_be_read_aloud(self):
        for (role, action), rule in RULES.items():
            assert str(rule_for(actor(role), action)) == str(rule)
            assert "object at" not in str(rule)
        assert str(rule_for(actor(Role.VIEWER), Action.EDIT)) == "no record"


def test_the_rule_of_several_roles_is_the_rule_of_any():
    for one, other in itertools.combinations(Role, 2):
        for action in RECORD_ACTIONS:
            rule = rule_for(actor(one, other), action)
            apart = [RULES[role, action] for role in (one, other) if (role, action) in RULES]
            assert str(rule) == (", or ".join(str(part) for part in apart) or "no record")
