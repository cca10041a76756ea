"""Who is served what: users, roles, sites, and what a name without a role is told."""

import datetime as dt
from dataclasses import replace

import pytest

from deciface.cases import Case, Consent, Encoding, Patient, Scope, View
from deciface.consent import Action, Role
from deciface.errors import AccessError, InputError, MismatchError, NoGalleryError
from deciface.store import DerivedKind, Workspace, audit, derived, engines
from tests.store.importing import case, encodings, image, photo
from tests.store.test_workspace import FULL, GALLERY, JPEG


@pytest.fixture
def peopled(tmp_path, database):
    """Ann's workspace in Taipei: a simulated person, one who agreed to the gallery, one who agreed to care alone."""
    root = tmp_path / "ws"
    with Workspace.create(root, user="ann", site="Taipei", database=database) as workspace:
        workspace.add_photo(FULL, JPEG)
        workspace.add_case(case(0), images={photo(0).id: image(0)})
        care = Case(Patient("care"), consents=(Consent(Scope.CARE), Consent(Scope.SHARING, "Bonn")))
        workspace.add_case(care.with_photos([care.photo("c1", sha256="c" * 64)]), images={"c1": JPEG + b"c"})
        workspace.add_encodings(
            [
                replace(e, photo_id=p, photo_sha256=s)
                for p, s in (("photo", FULL.sha256), (photo(0).id, photo(0).sha256), ("c1", "c" * 64))
                for e in encodings(0)
            ]
        )
        workspace.set_user("vera", [Role.VIEWER], "Taipei")
        workspace.set_user("conny", [Role.CONTRIBUTOR], "Taipei")
        workspace.set_user("bert", [Role.CURATOR], "Bonn")
        workspace.set_user("hans", [Role.CURATOR], "Hamburg")
        workspace.set_user("rita", [Role.READER], "Taipei")
        yield workspace


def seen_by(workspace, user):
    with Workspace.open(workspace.root, user=user) as opened:
        return {
            "cases": {c.id for c in opened.cases()},
            "page": {row.id for row in opened.list_page()},
            "photos": {p.id for p in opened.photos()},
            "encodings": {e.photo_id for e in opened.encodings()},
            "gallery": {p.id for p in opened.gallery().photos},
        }


def test_lists_hold_what_each_may_see(peopled):
    everybody, photos = {"anna", "p00", "care"}, {"photo", "photo000", "c1"}
    open_to_all, open_photos = everybody - {"care"}, photos - {"c1"}
    for user, people, shown in (
        ("ann", everybody, photos),
        ("bert", everybody, photos),
        ("vera", open_to_all, open_photos),
        ("conny", open_to_all, open_photos),
        ("hans", open_to_all, open_photos),
    ):
        assert seen_by(peopled, user) == {
            "cases": people,
            "page": people,
            "photos": shown,
            "encodings": shown,
            "gallery": open_photos,
        }, user


def test_who_may_not_see_a_record_is_told_why(peopled):
    with Workspace.open(peopled.root, user="vera") as vera:
        with pytest.raises(AccessError, match=r"^patient 'care': user 'vera' may see the record only "):
            vera.case("care")
        with pytest.raises(AccessError, match=r"^patient 'care': user 'vera' may see the photo only "):
            vera.image_bytes("c1")
        assert vera.image_bytes("photo") == JPEG
        with pytest.raises(InputError, match="patient 'nobody' is not in the workspace; list its cases first"):
            vera.case("nobody")


@pytest.mark.parametrize("user", ["nobody known", "rita"])
def test_who_has_no_role_for_it_is_told_instead_of_shown_nothing(peopled, user):
    with Workspace.open(peopled.root, user=user) as opened:
        for attempt in (
            opened.cases,
            opened.photos,
            opened.list_page,
            lambda: list(opened.encodings()),
            opened.gallery,
            lambda: opened.case("anna"),
            lambda: opened.image_bytes("photo"),
            lambda: opened.add_case(case(2)),
            lambda: opened.add_photo(replace(FULL, id="x"), JPEG),
            lambda: opened.change_case(replace(peopled.case("anna"), unaffected=True)),
            lambda: opened.add_encodings(encodings(0)),
            lambda: opened.record_consent("p00", GALLERY),
            lambda: opened.withdraw_consent("p00", Scope.GALLERY, on=dt.date(2026, 1, 1)),
            lambda: opened.use(Action.EXPORT, ["p00"], purpose="x"),
            lambda: opened.set_user(user, [Role.ADMIN]),
            opened.users,
        ):
            with pytest.raises(
                AccessError, match=rf"user '{user}' \((no role|reader)\) may not .*; it takes the role "
            ):
                attempt()
    assert set(seen_by(peopled, "ann")["cases"]) == {"anna", "p00", "care"}


def test_a_contributor_changes_their_own_cases_alone(peopled):
    with Workspace.open(peopled.root, user="conny") as conny:
        conny.add_case(Case(Patient("own")))
        assert conny.change_case(Case(Patient("own"), unaffected=True)) == ("unaffected",)
        with pytest.raises(AccessError, match="patient 'p00': user 'conny' may change the record only"):
            conny.change_case(case(0))
        with pytest.raises(AccessError, match="user 'conny' may add the record only"):
            conny.add_photo(photo(1), image(1))
        with pytest.raises(AccessError, match="patient 'p00': user 'conny' may encode the photo only"):
            conny.add_encodings(replace(e, view=View("other")) for e in encodings(0))
        assert {e.view.model for e in conny.encodings()} == {"m"}


def test_encodings_of_somebody_whose_consent_ended_are_refused(peopled):
    for scope in (Scope.CARE, Scope.SHARING):
        peopled.withdraw_consent("care", scope, on=dt.date(2026, 1, 1))
    vector = next(encodings(0)).vector
    with pytest.raises(AccessError, match="patient 'care': user 'ann' may encode the photo only"):
        peopled.add_encodings([Encoding("c1", "c" * 64, "c", "e" * 64, View("new"), vector)])


def test_a_gallery_of_nobody_who_agreed_says_so(peopled):
    peopled.withdraw_consent("p00", Scope.GALLERY, on=dt.date(2026, 1, 1))
    with pytest.raises(NoGalleryError, match=r"has no photo encoded by other; import photos first"):
        peopled.gallery(models=["other"])
    assert [p.id for p in peopled.gallery().photos] == ["photo"]


def test_what_leaves_the_workspace_is_checked_and_logged(peopled):
    peopled.use(Action.EXPORT, ["care", "anna"], purpose="phenopackets")
    with engines.read(peopled.engine) as connection:
        last = list(audit.entries(connection, limit=1000))[-1]
    assert (last.actor, last.action) == ("ann", "export the record")
    assert last.detail == {"patients": ["anna", "care"], "purpose": "phenopackets"}
    with pytest.raises(AccessError, match="patient 'p00': user 'ann' may publish the record only"):
        peopled.use(Action.PUBLISH, ["anna", "p00"], purpose="paper")
    with engines.read(peopled.engine) as connection:
        assert list(audit.entries(connection, limit=1000))[-1] == last


def test_users_are_managed_by_administrators_and_one_stays(peopled):
    assert [(u.user, u.site) for u in peopled.users()] == [
        ("ann", "Taipei"),
        ("bert", "Bonn"),
        ("conny", "Taipei"),
        ("hans", "Hamburg"),
        ("rita", "Taipei"),
        ("vera", "Taipei"),
    ]
    assert Role.READER not in peopled.users()[0].roles
    with pytest.raises(InputError, match="'ann' is the last administrator; give somebody else the role admin first"):
        peopled.set_user("ann", [Role.VIEWER])
    with pytest.raises(InputError, match="a user needs a name"):
        peopled.set_user(" ", [Role.VIEWER])
    peopled.set_user("vera", [Role.ADMIN])
    peopled.set_user("ann", [])
    with Workspace.open(peopled.root, user="vera") as vera:
        assert {u.user: u.roles for u in vera.users()}["ann"] == frozenset()
        with pytest.raises(AccessError, match=r"user 'vera' \(admin\) may not see the record"):
            vera.cases()


def test_decisions_on_exports_ask_where_they_go(peopled):
    def allowed(site=None):
        return {
            i for i, d in peopled.decisions(Action.EXPORT, ["anna", "p00", "care", "nobody"], to_site=site).items() if d
        }

    assert allowed() == {"anna", "care"}, "consent to the gallery alone is none to an export of the record"
    assert allowed("Bonn") == {"anna", "care"}
    assert allowed("Hamburg") == {"anna"}
    refused = peopled.decisions(Action.EXPORT, ["care"], to_site="Hamburg")["care"]
    assert refused.reason == "no consent to share with 'Hamburg' is in force"
    assert peopled.decisions(Action.SEE, ["p00"])["p00"]


def registered(workspace, *, photos=(), patients=()):
    with engines.read(workspace.engine) as connection:
        return [d.path for d in derived.paths_of(connection, photos, patient_ids=patients)]


def test_files_made_of_people_are_noted_with_them_and_their_photos(peopled):
    reports = peopled.root / "reports"
    with peopled.deriving(
        DerivedKind.REPORT, [reports / "care.html", reports / "care.json"], patients=["p00"], photos=["c1"]
    ):
        reports.mkdir()
        assert registered(peopled, photos=["c1"]) == ["reports/care.html", "reports/care.json"]
        (reports / "care.html").write_text("x")
    for whose in ({"photos": ["c1"]}, {"patients": ["care"]}, {"patients": ["p00"]}):
        assert registered(peopled, **whose) == ["reports/care.html", "reports/care.json"]
    last = peopled.trail(limit=1000)[-1]
    assert last.action == "register"
    assert {name: last.detail[name] for name in ("kind", "patients", "photos")} == {
        "kind": "report",
        "patients": ["care", "p00"],
        "photos": ["c1"],
    }
    assert "care.html" not in str(last.detail)
    again = [peopled.root / "reports" / "again.html"]
    with Workspace.open(peopled.root, user="vera") as vera:
        for whose in ({"patients": ["care"]}, {"patients": ["p00"], "photos": ["c1"]}):
            with (
                pytest.raises(AccessError, match="patient 'care': user 'vera' may see the record only"),
                vera.deriving(DerivedKind.REPORT, again, **whose),
            ):
                raise AssertionError("the block ran")
    with (
        pytest.raises(InputError, match="is made of photo 'none', which is not in the workspace"),
        peopled.deriving(DerivedKind.REPORT, again, patients=["p00"], photos=["none"]),
    ):
        raise AssertionError("the block ran")
    assert registered(peopled, patients=["p00"]) == ["reports/care.html", "reports/care.json"]
    with peopled.deriving(DerivedKind.REPORT, again, patients=[]):
        pass
    assert peopled.trail(limit=1000)[-1] == last


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("whom", [("patient", "care"), ("photo", "c1")])
def test_who_is_withdrawn_while_a_file_is_made_is_not_left_in_it(peopled, tmp_path, whom, fails):
    paths = [peopled.root / "out" / "a.csv", peopled.root / "out" / "set", tmp_path / "sent.csv", tmp_path / "old.csv"]
    (peopled.root / "out").mkdir()
    paths[3].write_text("older, and not written")
    with (  # noqa: PT012 (the block is what is tested)
        pytest.raises(ZeroDivisionError if fails else AccessError) as told,
        peopled.deriving(DerivedKind.EXPORT, paths, patients=["care", "p00"], photos=["c1"]),
    ):
        with Workspace.open(peopled.root, user="ann") as other:
            other.withdraw(*whom)
        paths[0].write_text("care")
        paths[1].mkdir()
        (paths[1] / "p.png").write_text("care")
        paths[2].write_text("care")
        if fails:
            raise ZeroDivisionError
    if not fails:
        assert str(told.value) == (
            f"'{paths[0]}' was not kept: somebody it was made of was withdrawn meanwhile; make it without them"
        )
    assert [path.exists() for path in paths] == [False, False, False, True]
    assert registered(peopled, patients=["p00"]) == []


def test_a_block_that_fails_takes_back_what_it_did_not_write(peopled):
    (peopled.root / "out").mkdir()
    paths = [peopled.root / "out" / name for name in ("a.csv", "b.csv")]
    with (  # noqa: PT012 (the block is what is tested)
        pytest.raises(ZeroDivisionError),
        peopled.deriving(DerivedKind.EXPORT, paths, patients=["p00"]),
    ):
        paths[0].write_text("p00")
        raise ZeroDivisionError
    assert registered(peopled, patients=["p00"]) == ["out/a.csv"]
    assert paths[0].exists()
    assert [entry.action for entry in peopled.trail(limit=1000)][-2:] == ["register", "take back"]


def test_a_file_made_of_people_lies_in_no_folder_of_the_workspaces_own(peopled):
    for own in ("photos/x.png", "cache/x", "deciface.sqlite", "deciface.toml", "withdrawn.jsonl", "."):
        with (
            pytest.raises(InputError, match="is no place for a file made of people"),
            peopled.deriving(DerivedKind.REPORT, [peopled.root / own], patients=["p00"]),
        ):
            raise AssertionError("the block ran")
    (peopled.root / "reports").mkdir()
    with (
        pytest.raises(InputError, match="is a folder that is there already"),
        peopled.deriving(DerivedKind.REPORT, [peopled.root / "reports"], patients=["p00"]),
    ):
        raise AssertionError("the block ran")


def test_the_trail_is_read_by_those_who_answer_for_it(peopled):
    assert [e.action for e in peopled.trail(limit=3)] == ["create workspace", "add", "add"]
    assert peopled.trail(after=1)[0].number == 2
    with Workspace.open(peopled.root, user="bert") as bert, pytest.raises(AccessError, match="may not read the audit"):
        bert.trail()


def test_what_is_withdrawn_is_told_by_its_id(peopled):
    assert (peopled.kind_of("care"), peopled.kind_of("c1")) == ("patient", "photo")
    assert (peopled.has_image("c1"), peopled.has_image("none")) == (True, False)
    with Workspace.open(peopled.root, user="vera") as vera, pytest.raises(AccessError, match="'vera'"):
        vera.withdraw("photo", "c1")
    certificate = peopled.withdraw(peopled.kind_of("c1"), "c1")
    assert (certificate.subject_id, certificate.photo_files) == ("c1", 1)
    assert peopled.kind_of("c1") == "photo"
    assert peopled.withdraw("photo", "c1") == certificate
    assert not peopled.has_image("c1")
    with pytest.raises(InputError, match="'none' is neither a patient nor a photo of the workspace; list its cases"):
        peopled.kind_of("none")
    peopled.add_case(Case(Patient("photo", simulated=True)))
    with pytest.raises(
        InputError, match="'photo' is both a patient and a photo; say which: --kind patient or --kind photo"
    ):
        peopled.kind_of("photo")


def test_what_policy_hides_no_error_and_no_question_tells(peopled):
    with Workspace.open(peopled.root, user="conny") as conny:
        mine = Case(Patient("own"), consents=(Consent(Scope.CARE),))
        with pytest.raises(MismatchError) as told:
            conny.add_case(mine.with_photos([mine.photo("own1", sha256="c" * 64)]))
        assert str(told.value) == (
            "photo 'own1' of patient 'own' has the pixels of a photo that is stored of another patient, whom you may "
            "not see; correct the patient id, or ask a curator"
        )
        with pytest.raises(MismatchError, match="has the pixels of photo 'photo000' of patient 'p00'"):
            conny.add_case(mine.with_photos([mine.photo("own1", sha256=photo(0).sha256)]))
        with pytest.raises(MismatchError) as told:
            conny.add_case(mine.with_photos([mine.photo("c1", sha256="d" * 64, age_years=3.0)]))
        assert str(told.value) == "photo 'c1' is stored already with other patient; give the new photo another id"
        assert conny.known_photos(["c1", "photo000", "none"]) == {"photo000"}
        assert not conny.has_image("c1")
        with pytest.raises(AccessError, match="patient 'care': user 'conny' may encode the photo only") as told:
            conny.add_encodings([replace(e, photo_id="c1", photo_sha256="0" * 64) for e in encodings(0)])
        assert "cccc" not in str(told.value), "the pixels' hash is told"
        for subject in ("care", "c1"):
            with pytest.raises(AccessError, match="user 'conny'"):
                conny.kind_of(subject)
        assert conny.kind_of("p00") == "patient"
    assert peopled.known_photos(["c1", "photo000", "none"]) == {"c1", "photo000"}


def test_a_name_without_a_role_is_told_nothing(peopled):
    peopled.withdraw("photo", "c1")
    before = peopled.trail(limit=1000)
    with Workspace.open(peopled.root, user="stranger") as stranger:
        for attempt in (
            lambda: stranger.add_encodings(replace(e, photo_sha256="0" * 64) for e in encodings(0)),
            lambda: stranger.add_encodings([]),
            *(lambda subject=s: stranger.kind_of(subject) for s in ("p00", "photo000", "c1", "none")),
            *(lambda photo_id=p: stranger.has_image(photo_id) for p in ("photo000", "none")),
            lambda: stranger.known_photos(["photo000"]),
            lambda: stranger.withdrawn_photos(["c1"]),
            lambda: stranger.note_restored("2026"),
            lambda: stranger.update_case(case(0)),
            lambda: stranger.deriving(DerivedKind.REPORT, [peopled.root / "r" / "x"], patients=["p00"]).__enter__(),
        ):
            with pytest.raises(AccessError, match=r"user 'stranger' \(no role\) may not "):
                attempt()
    assert peopled.trail(limit=1000) == before
    peopled.note_restored("2026")
    assert peopled.trail(limit=1000)[-1].detail == {"backup_of": "2026"}
