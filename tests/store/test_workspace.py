"""A workspace: what goes in comes out, whatever happens in between."""

import datetime as dt
import os
import resource
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deciface.cases import (
    NOT_STATED,
    Ancestry,
    AncestrySource,
    Case,
    Consent,
    Diagnosis,
    DiagnosisStatus,
    Disorder,
    Encoding,
    Patient,
    Phenotype,
    Photo,
    Scope,
    Sex,
    Side,
    TermState,
    Variant,
    View,
)
from deciface.errors import AccessError, InputError, MismatchError, NoGalleryError, StorageError
from deciface.store import Added, Workspace, audit, engines
from tests.store.importing import PNG, case, encodings, image, photo

ANNA = Patient(
    "anna",
    Sex.FEMALE,
    (Ancestry("Han", Side.MATERNAL, AncestrySource.SELF_REPORT), Ancestry("Hakka", Side.PATERNAL)),
    "TW",
    simulated=True,
)
FULL = Photo(
    "photo",
    ANNA,
    "aa" * 32,
    4.5,
    (
        Diagnosis(Disorder("D1", "one"), ("G1", "G2"), DiagnosisStatus.MOLECULAR),
        Diagnosis(Disorder("D2", "two")),
    ),
    unaffected=False,
    phenotypes=(Phenotype("HP:0000316"), Phenotype("HP:0001249", TermState.EXCLUDED)),
)
JPEG = b"\xff\xd8\xff picture"


def encoding(of, vector=(0.6, 0.8), view=None, **change):
    made = Encoding(of.id, of.sha256, "crop/1", "e" * 64, view or View("m"), np.array(vector, np.float32))
    return replace(made, **change)


def from_dave(**change):
    """A real person; nothing is recorded about consent."""
    return Case(Patient("dave", **change))


GALLERY = Consent(Scope.GALLERY, signed_on=dt.date(2020, 1, 1))


def trail(workspace):
    """Actions and records of the audit trail, without the first line."""
    with engines.read(workspace.engine) as connection:
        assert audit.check_chain(connection).whole
        return [(entry.action, entry.record) for entry in audit.entries(connection, limit=1000)][1:]


@pytest.fixture
def on_sqlite(tmp_path):
    with Workspace.create(tmp_path / "ws") as made:
        yield made


def test_what_goes_in_comes_out(workspace):
    assert workspace.add_photo(FULL, JPEG) is Added.ADDED
    views = [View("m"), View("m", "nose", flip=True, grey=True)]
    given = [encoding(FULL, view=v) for v in views]
    assert workspace.add_encodings(given) == 2
    workspace.close()
    with Workspace.open(workspace.root) as again:
        assert again.photos() == (FULL,)
        assert again.image_bytes("photo") == JPEG
        found = list(again.encodings())
        assert [e.view for e in found] == views
        assert all(e.vector.tolist() == given[0].vector.tolist() and e.vector.flags.writeable for e in found)
        assert [replace(e, vector=None) for e in found] == [replace(e, vector=None) for e in given]
        assert again.gallery().views == tuple(views)
        assert again.gallery().photos == (FULL,)


def test_files_are_named_by_their_content(workspace):
    import hashlib

    workspace.add_photo(FULL, JPEG)
    workspace.add_case(case(1), images={photo(1).id: image(1)})
    names = sorted(p.relative_to(workspace.root / "photos").as_posix() for p in workspace.root.rglob("photos/*/*"))
    hashes = [(hashlib.sha256(JPEG).hexdigest(), "jpg"), (hashlib.sha256(image(1)).hexdigest(), "png")]
    assert names == sorted(f"{h[:2]}/{h}.{suffix}" for h, suffix in hashes)


def test_the_same_again_is_already_there(workspace):
    workspace.add_photo(FULL, JPEG)
    assert workspace.add_photo(FULL, JPEG) is Added.ALREADY_THERE
    assert workspace.add_encodings([encoding(FULL)]) == 1
    assert workspace.add_encodings([encoding(FULL), encoding(FULL, view=View("m", flip=True))]) == 1
    assert len(workspace.photos()) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"age_years": 5.0}, "photo 'photo' is stored already with other age; give the new photo another id"),
        ({"sha256": "b", "unaffected": True, "diagnoses": ()}, "other pixels and diagnoses and unaffected"),
        (
            {"id": "x", "patient": Patient("ben", simulated=True)},
            "has the pixels of photo 'photo' of patient 'anna'; correct the patient",
        ),
        (
            {"id": "x", "sha256": "b", "patient": replace(ANNA, sex=Sex.MALE)},
            "patient 'anna' is stored with other sex than photo 'x' states; correct the new one",
        ),
        (
            {"id": "x", "sha256": "b", "diagnoses": (), "phenotypes": ()},
            "patient 'anna' is stored with other diagnoses and phenotypes than photo 'x' states",
        ),
    ],
)
def test_contradictions_are_refused(workspace, change, message):
    workspace.add_photo(FULL, JPEG)
    with pytest.raises(MismatchError, match=message):
        workspace.add_photo(replace(FULL, **change), JPEG)
    assert workspace.photos() == (FULL,)


def test_two_photos_of_one_patient_may_have_the_same_pixels(workspace):
    workspace.add_photo(FULL, JPEG)
    assert workspace.add_photo(replace(FULL, id="again"), JPEG) is Added.ADDED


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"photo_id": "none"}, InputError, "photo 'none' is not in the workspace; add the photo before"),
        ({"photo_sha256": "zz"}, MismatchError, "stored with pixels aaaaaaaaaaaa but its encoding was made from zz"),
        ({"vector": np.array([1, np.nan], np.float32)}, InputError, r"shape \(2,\) with 1 NaN or infinite numbers"),
        ({"vector": np.zeros((1, 2), np.float32)}, InputError, r"shape \(1, 2\)"),
        ({"vector": np.zeros(0, np.float32)}, InputError, r"shape \(0,\)"),
        ({"crop_version": "crop/2"}, MismatchError, r"\(weights eeeeeeeeeeee, crop crop/1\); nothing was stored"),
        ({"vector": np.array([1, 0], np.float32)}, MismatchError, "another encoding of view m/face/straight/colour"),
    ],
)
def test_encodings_all_or_none(workspace, change, error, message):
    workspace.add_photo(FULL, JPEG)
    workspace.add_encodings([encoding(FULL)])
    with pytest.raises(error, match=message):
        workspace.add_encodings([encoding(FULL, view=View("new")), encoding(FULL, **change)])
    assert len(list(workspace.encodings())) == 1


def test_gallery_of_some_models_and_of_nobody(workspace):
    with pytest.raises(NoGalleryError, match="has no photo encoded; import photos first"):
        workspace.gallery()
    workspace.add_photo(FULL, JPEG)
    workspace.add_case(case(1), images={photo(1).id: image(1)})
    workspace.add_encodings([encoding(FULL), encoding(FULL, view=View("b")), encoding(photo(1), view=View("b"))])
    assert len(workspace.gallery(models=["m"])) == 1
    assert workspace.gallery().views == (View("b"),)
    with pytest.raises(NoGalleryError, match="no photo encoded by other; import"):
        workspace.gallery(models=["other"])


def test_only_jpeg_and_png_and_only_known_photos(workspace):
    with pytest.raises(InputError, match="must be JPEG or PNG"):
        workspace.add_photo(FULL, b"GIF89a")
    with pytest.raises(InputError, match="photo 'x' is not in the workspace"):
        workspace.image_bytes("x")


def test_a_photo_stored_by_another_process_meanwhile_is_no_error(workspace, monkeypatch):
    def lost_the_race(path, target):
        target.write_bytes(path.read_bytes())
        path.unlink()
        raise FileNotFoundError

    monkeypatch.setattr(Path, "replace", lost_the_race)
    assert workspace.add_photo(FULL, JPEG) is Added.ADDED
    assert workspace.image_bytes("photo") == JPEG


def test_a_changed_or_missing_file_is_noticed(workspace):
    workspace.add_photo(FULL, JPEG)
    (path,) = workspace.root.rglob("*.jpg")
    path.write_bytes(JPEG + b"!")
    with pytest.raises(StorageError, match="has changed since it was stored; restore it from a backup"):
        workspace.image_bytes("photo")
    path.unlink()
    with pytest.raises(StorageError, match=r"cannot be read \(No such file or directory\)"):
        workspace.image_bytes("photo")


def test_what_is_no_workspace(tmp_path):
    with pytest.raises(StorageError, match=r"is not a workspace \(no deciface.sqlite\); make one with: deciface init"):
        Workspace.open(tmp_path)
    (tmp_path / "deciface.sqlite").write_bytes(b"not a database, but long enough to be looked at" * 50)
    with pytest.raises(StorageError, match="file is not a database"):
        Workspace.open(tmp_path)
    (tmp_path / "deciface.sqlite").write_bytes(b"")
    with pytest.raises(StorageError, match="is not a DeciFace database"):
        Workspace.open(tmp_path)


def test_create_refuses_a_workspace_and_a_folder_in_use(tmp_path, workspace):
    with pytest.raises(StorageError, match="is a workspace already"):
        Workspace.create(workspace.root)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("x")
    with pytest.raises(StorageError, match=r"holds other files \(letter.txt\)"):
        Workspace.create(tmp_path / "mine")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot be made a workspace"):
        Workspace.create(tmp_path / "file")


def test_a_locked_database_is_told(on_sqlite):
    from sqlalchemy import event

    @event.listens_for(on_sqlite.engine, "connect")
    def impatient(connection, _):
        connection.execute("PRAGMA busy_timeout = 50")

    on_sqlite.engine.dispose()
    other = sqlite3.connect(on_sqlite.root / "deciface.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StorageError, match="database is locked; close the other program that is writing to it"):
            on_sqlite.add_photo(FULL, JPEG)
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert on_sqlite.add_photo(FULL, JPEG) is Added.ADDED


@pytest.fixture
def small_disk():
    """Files may not grow beyond 4 MB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_line_and_leaves_nothing_half(on_sqlite, small_disk):
    with pytest.raises(StorageError, match=r"photo [0-9a-f]{12} could not be written to .* free some space") as error:
        on_sqlite.add_photo(FULL, PNG + bytes(4_100_000))
    assert "\n" not in str(error.value)
    assert [p for p in on_sqlite.root.rglob("*") if p.is_file() and "photos" in p.parts] == []
    for i in range(5):
        on_sqlite.add_case(case(i), images={photo(i).id: image(i)})
    with pytest.raises(StorageError, match="free some space or check the folder"):
        on_sqlite.add_encodings(
            [encoding(photo(i), vector=np.ones(1024), view=View(f"m{k}")) for i in range(5) for k in range(400)]
        )
    assert list(on_sqlite.encodings()) == []
    assert len(on_sqlite.photos()) == 5


def test_the_same_encoding_rounded_by_another_processor_is_already_there(workspace):
    vector = np.array([0.6, 0.8], np.float32)
    made = Encoding(FULL.id, FULL.sha256, "crop/1", "e" * 64, View("m"), vector)
    workspace.add_photo(FULL, JPEG)
    assert workspace.add_encodings([made]) == 1
    assert workspace.add_encodings([replace(made, vector=vector + np.float32(1e-6))]) == 0
    assert next(iter(workspace.encodings())).vector.tolist() == vector.tolist()
    with pytest.raises(MismatchError, match="another encoding"):
        workspace.add_encodings([replace(made, vector=np.array([0.65, 0.76], np.float32))])


def test_a_whole_case_comes_out_as_it_went_in_and_again_is_already_there(workspace, full_case):
    images = {photo.id: PNG + photo.id.encode() for photo in full_case.photos[:1]}
    assert workspace.add_case(full_case, images=images, origin="gmdb") is Added.ADDED
    assert workspace.case(full_case.id) == full_case
    assert workspace.cases() == (full_case,)
    assert workspace.add_case(full_case, images=images) is Added.ALREADY_THERE
    assert trail(workspace) == [("add", full_case.id)]
    assert workspace.image_bytes(full_case.photos[0].id) == images[full_case.photos[0].id]
    with pytest.raises(InputError, match=f"photo '{full_case.photos[1].id}' is described only, its image is not"):
        workspace.image_bytes(full_case.photos[1].id)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"patient": Patient("dave", Sex.MALE, country="DE")}, "other sex and country; change the stored case or"),
        ({"references": ("PMID:1",), "last_seen_age": "P3Y"}, "other age when last seen and references;"),
        ({"consents": (GALLERY, Consent(Scope.CARE))}, "other consents;"),
    ],
)
def test_a_case_with_other_facts_is_refused_with_their_names(workspace, change, said):
    stored = replace(from_dave(), consents=(GALLERY,))
    workspace.add_case(stored)
    with pytest.raises(MismatchError, match=f"case 'dave' is stored already with {said}"):
        workspace.add_case(replace(stored, **change))
    assert workspace.cases() == (stored,)


def test_photos_that_state_other_facts_than_their_case_are_refused(workspace):
    with pytest.raises(InputError, match=r"case 'dave' has photos that state other facts than the case; use Case.with"):
        workspace.add_case(replace(from_dave(), photos=(FULL,)))


@pytest.mark.parametrize(
    ("unstorable", "message"),
    [
        (
            from_dave(country="T\0"),
            r"case 'dave' has text with NUL or half a character in it; save its source as UTF-8",
        ),
        (replace(from_dave(), as_written=(("sex", "\ud800"),)), "case 'dave' has text with NUL or half a character"),
        (Case(Patient("d\0")), r"case 'd\\x00' has text with NUL"),
        (from_dave().with_photos([from_dave().photo("d\udfff")]), "case 'dave' has text with NUL"),
        (
            from_dave().with_photos([from_dave().photo("d")] * 2),
            "case 'dave' has two photos with the id 'd'; give each",
        ),
        (Case(Patient("")), "case '' has an empty id, its own or a photo's; give every patient and photo one"),
        (from_dave().with_photos([from_dave().photo("")]), "case 'dave' has an empty id"),
        (from_dave().with_photos([from_dave().photo("d", age_years=float("nan"))]), "photo 'd' has the age nan; give"),
        (replace(from_dave(), variants=(Variant(position=2**31),)), "'dave' has a variant at position 2147483648; no"),
    ],
)
def test_what_not_every_database_keeps_is_refused_by_both(workspace, unstorable, message):
    with pytest.raises(InputError, match=message):
        workspace.add_case(unstorable)
    assert workspace.add_case(from_dave(country=r"\x00 \ud800")) is Added.ADDED, "written out they are only letters"


def test_one_refused_case_does_not_stop_the_others(workspace):
    cases = [case(0), from_dave(), replace(from_dave(), unaffected=True), case(2), from_dave(), case(1)]
    outcomes = workspace.add_cases(cases, images={photo(0).id: image(0), photo(2).id: b"GIF89a"})
    assert outcomes[0] == outcomes[1] == outcomes[5] == Added.ADDED
    assert str(outcomes[2]).startswith("case 'dave' is stored already with other unaffected")
    assert str(outcomes[3]).startswith("the stored photo must be JPEG or PNG")
    assert outcomes[4] is Added.ALREADY_THERE
    assert [c.id for c in workspace.cases()] == ["dave", "p00"]
    assert [p.id for p in workspace.case("p00").photos] == [photo(0).id, photo(1).id]
    assert trail(workspace) == [("add", "p00"), ("add", "dave")]


def test_pixels_of_another_patient_are_noticed_within_one_call(workspace):
    twin = replace(case(2), photos=(replace(case(2).photos[0], sha256=photo(0).sha256),))
    outcomes = workspace.add_cases([case(0), twin])
    assert outcomes[0] is Added.ADDED
    assert "has the pixels of photo 'photo000' of patient 'p00'" in str(outcomes[1])
    assert [c.id for c in workspace.cases()] == ["p00"]


def test_a_photo_of_a_real_person_needs_a_consent_in_force(workspace):
    dave = from_dave()
    picture = dave.photo("d1", sha256="d" * 64)
    with_d1 = dave.with_photos([picture])
    for attempt in (
        lambda: workspace.add_photo(picture, JPEG),
        lambda: workspace.add_case(with_d1, images={"d1": JPEG}),
    ):
        with pytest.raises(AccessError, match=r"^no consent is recorded for patient 'dave': record it first$"):
            attempt()
    assert list((workspace.root / "photos").rglob("*.*")) == [], "a photo without consent was written to disk"
    assert workspace.add_case(dave.with_photos([picture])) is Added.ADDED, "a description alone may be stored"
    workspace.record_consent("dave", replace(GALLERY, withdrawn_on=dt.date(2021, 1, 1)))
    with pytest.raises(AccessError, match="no consent is recorded for patient 'dave'"):
        workspace.add_photo(picture, JPEG)
    assert workspace.record_consent("dave", GALLERY) is Added.ADDED
    assert workspace.record_consent("dave", GALLERY) is Added.ALREADY_THERE
    assert workspace.add_photo(picture, JPEG) is Added.ADDED
    assert workspace.image_bytes("d1") == JPEG


def test_a_described_photo_is_completed_by_its_image(workspace):
    described = FULL.patient
    bare = replace(FULL, sha256=NOT_STATED)
    assert workspace.add_photo(bare) is Added.ADDED
    assert workspace.add_photo(FULL, JPEG) is Added.ADDED
    assert workspace.photos() == (FULL,)
    assert workspace.add_photo(bare) is Added.ALREADY_THERE
    assert workspace.photos() == (FULL,), f"{described.id} lost pixels"


def test_encodings_of_unknown_pixels_are_not_joined_with_an_image(workspace):
    bare = replace(FULL, sha256=NOT_STATED)
    workspace.add_photo(bare)
    workspace.add_encodings([encoding(bare)])
    with pytest.raises(MismatchError, match="photo 'photo' has encodings that do not say from which pixels"):
        workspace.add_photo(FULL, JPEG)
    assert workspace.gallery().photos == (bare,)


def test_a_stored_case_is_changed_and_keeps_photos_encodings_and_consents(workspace, full_case):
    workspace.add_case(full_case)
    workspace.add_encodings([encoding(full_case.photos[0])])
    bare = replace(full_case, photos=(), diagnoses=(), last_seen_age="P9Y", references=("PMID:2",))
    assert workspace.change_case(bare) == ("diagnoses", "last_seen_age", "references")
    assert workspace.change_case(bare) == ()
    assert workspace.case(full_case.id) == bare.with_photos(full_case.photos)
    assert len(list(workspace.encodings())) == 1
    assert trail(workspace)[-1] == ("change", full_case.id)
    with pytest.raises(MismatchError, match="is given with other consents than are recorded; record or withdraw a"):
        workspace.change_case(replace(bare, consents=()))
    with pytest.raises(MismatchError, match="cannot change between simulated and real"):
        workspace.change_case(replace(bare, patient=replace(bare.patient, simulated=True)))
    with pytest.raises(InputError, match="patient 'nobody' is not in the workspace"):
        workspace.change_case(Case(Patient("nobody")))


def test_withdrawing_a_consent_takes_effect_on_its_day(workspace):
    workspace.add_case(case(0), images={photo(0).id: image(0)})
    workspace.add_encodings(encodings(0))
    today = dt.datetime.now(dt.UTC).astimezone().date()
    assert workspace.withdraw_consent("p00", Scope.GALLERY, on=today + dt.timedelta(days=2)) == 1
    assert len(workspace.gallery()) == 1
    assert workspace.withdraw_consent("p00", Scope.GALLERY, on=today) == 1
    with pytest.raises(NoGalleryError, match="1 encoded photos, of nobody who agreed to the reference gallery; record"):
        workspace.gallery()
    with pytest.raises(AccessError, match=r"patient 'p00': user .* may see the photo only"):
        workspace.image_bytes(photo(0).id)
    with pytest.raises(InputError, match="patient 'p00' has no consent to publication that ends"):
        workspace.withdraw_consent("p00", Scope.PUBLICATION, on=today)
    assert workspace.add_case(case(0)) is Added.ALREADY_THERE, "the same import again does not restore a consent"
    assert not workspace.case("p00").consents[0].holds(today)
    assert trail(workspace)[-2:] == [("withdraw consent", "p00")] * 2


def test_sharing_consents_end_by_site(workspace):
    workspace.add_case(from_dave())
    for site in ("Bonn", "Taipei"):
        workspace.record_consent("dave", Consent(Scope.SHARING, site=site))
    with pytest.raises(InputError, match="to sharing names no site; name the one that may receive it"):
        workspace.record_consent("dave", Consent(Scope.SHARING))
    assert workspace.withdraw_consent("dave", Scope.SHARING, site="Bonn", on=dt.date(2026, 1, 1)) == 1
    assert [c.withdrawn_on is None for c in workspace.case("dave").consents] == [False, True]


def test_what_was_withdrawn_is_not_stored_again(workspace):
    from deciface.store import erasure

    workspace.add_photo(FULL, JPEG)
    workspace.add_case(case(0))
    actor, now = workspace.actor, workspace.clock()
    erasure.withdraw(workspace, kind="patient", subject_id="anna", actor=actor, now=now)
    erasure.withdraw(workspace, kind="photo", subject_id=photo(0).id, actor=actor, now=now)
    with pytest.raises(AccessError, match=r"^patient 'anna' was withdrawn; nothing about them is stored again$"):
        workspace.add_photo(FULL, JPEG)
    with pytest.raises(AccessError, match="patient 'anna' was withdrawn"):
        workspace.add_case(Case(ANNA))
    with pytest.raises(AccessError, match=r"^photo 'photo000' was withdrawn; it is not stored again$"):
        workspace.add_photo(photo(0))
    assert workspace.add_case(case(0)) is Added.ALREADY_THERE
    assert workspace.photos() == ()


def test_ids_sort_by_their_bytes_and_pages_follow_each_other(workspace):
    ids = ["b", "a_2", "a-1", "B", "é", "10", "9", "阿"]
    disorders = (Diagnosis(Disorder("OMIM:1", "One 100% syndrome")), Diagnosis(Disorder("OMIM:2", "Two")))
    people = [Case(Patient(i, simulated=True), disorders[: n % 3]) for n, i in enumerate(ids)]
    workspace.add_cases([p.with_photos([p.photo(f"of {p.id}")]) for p in people])
    pages, after = [], None
    while page := workspace.list_page(after=after, limit=3):
        pages.append([row.id for row in page])
        after = page[-1].id
    assert [len(page) for page in pages] == [3, 3, 2]
    assert [i for page in pages for i in page] == sorted(ids) == [c.id for c in workspace.cases()]
    assert [p.id for p in workspace.photos()] == sorted(f"of {i}" for i in ids)
    (first,) = workspace.list_page(limit=1)
    assert (first.disorders, first.photos, first.simulated) == ((disorders[0].disorder, disorders[1].disorder), 1, True)
    assert {row.id for row in workspace.list_page(disorder="OMIM:2")} == {"a-1", "10"}
    assert {row.id for row in workspace.list_page(text="tWo")} == {"a-1", "10"}
    assert {row.id for row in workspace.list_page(text="0%")} == {"a_2", "a-1", "é", "10", "阿"}
    assert [row.id for row in workspace.list_page(text="_")] == ["a_2"]
    with pytest.raises(InputError, match="a page of 0 cases was asked for; ask for 1 to 1000"):
        workspace.list_page(limit=0)


def test_a_reader_of_a_list_sees_one_moment(workspace):
    workspace.add_cases([case(0), case(2)])
    with workspace._read() as connection:
        from deciface.store import people

        before = people.read_cases(connection)
        with Workspace.open(workspace.root) as other:
            other.add_case(case(4))
        assert people.read_cases(connection) == before
    assert len(workspace.cases()) == 3


def test_a_folder_that_may_not_be_written_to_is_opened_for_reading(on_sqlite, monkeypatch):
    on_sqlite.add_photo(FULL, JPEG)
    on_sqlite.add_encodings([encoding(FULL)])
    may_write = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: may_write(path, mode) and Path(path) != on_sqlite.root)
    for log_is_left in (True, False):
        if not log_is_left:
            on_sqlite.close()
        with Workspace.open(on_sqlite.root) as reading:
            assert reading.photos() == (FULL,)
            assert reading.image_bytes("photo") == JPEG
            assert len(reading.gallery()) == 1
            for attempt in (
                lambda: reading.add_photo(replace(FULL, id="x"), PNG),
                lambda: reading.add_case(case(0)),
                lambda: reading.add_encodings([]),
            ):
                with pytest.raises(StorageError, match="the workspace is open for reading only, because its folder"):
                    attempt()
    assert len(list(on_sqlite.root.rglob("photos/*/*"))) == 1


ENDED = dt.date(2026, 1, 1)


def test_a_withdrawal_in_the_source_arrives(workspace):
    workspace.add_case(case(0), images={photo(0).id: image(0)})
    workspace.add_encodings(encodings(0))
    assert len(workspace.gallery()) == 1
    withdrawn = replace(case(0), consents=(Consent(Scope.GALLERY, withdrawn_on=ENDED),))
    assert workspace.add_case(withdrawn, origin="csv") is Added.ALREADY_THERE
    assert workspace.case("p00").consents == withdrawn.consents
    with pytest.raises(NoGalleryError, match="of nobody who agreed"):
        workspace.gallery()
    assert trail(workspace)[-1] == ("withdraw consent", "p00")
    entries = len(trail(workspace))
    later = replace(case(0), consents=(Consent(Scope.GALLERY, withdrawn_on=ENDED + dt.timedelta(9)),))
    for again in (withdrawn, later, case(0)):
        assert workspace.add_case(again) is Added.ALREADY_THERE
    assert workspace.case("p00").consents == withdrawn.consents, "the first day counts, and nothing is revived"
    assert len(trail(workspace)) == entries


def test_a_withdrawal_arrives_even_when_the_rest_contradicts_what_is_stored(workspace):
    stored = replace(from_dave(), consents=(GALLERY, Consent(Scope.CARE)))
    workspace.add_case(stored)
    other = replace(stored, unaffected=True, consents=(replace(GALLERY, withdrawn_on=ENDED), Consent(Scope.CARE)))
    (outcome,) = workspace.add_cases([other])
    assert str(outcome).startswith("case 'dave' is stored already with other unaffected;")
    assert workspace.case("dave") == replace(stored, consents=other.consents)


def test_no_image_comes_in_with_the_withdrawal_of_its_last_consent(workspace):
    workspace.add_case(replace(from_dave(), consents=(GALLERY,)))
    ended = replace(from_dave(), consents=(replace(GALLERY, withdrawn_on=ENDED),))
    with pytest.raises(AccessError, match="no consent is recorded for patient 'dave'"):
        workspace.add_case(ended.with_photos([ended.photo("d1", sha256="d" * 64)]), images={"d1": JPEG})
    assert workspace.case("dave") == ended


def test_what_a_source_states_replaces_what_is_stored_and_nothing_else(workspace, full_case):
    workspace.add_case(full_case)
    before = len(trail(workspace))
    bare = Case(Patient(full_case.id))
    assert workspace.update_case(bare) == ()
    assert workspace.update_case(bare.with_photos([bare.photo("full 1"), bare.photo("not stored")])) == ()
    assert workspace.case(full_case.id) == full_case
    assert len(trail(workspace)) == before
    given = Case(
        Patient(full_case.id, Sex.MALE if full_case.patient.sex is Sex.FEMALE else Sex.FEMALE),
        references=("PMID:9",),
        as_written=(("sex", "m"),),
    )
    given = given.with_photos([given.photo("full 1", age_years=9.0), given.photo("full 2", occlusions=("cap",))])
    assert workspace.update_case(given) == ("patient", "references", "as_written", "age_years", "occlusions")
    first, second = full_case.photos
    expected = replace(
        full_case,
        patient=replace(full_case.patient, sex=given.patient.sex),
        references=("PMID:9",),
        as_written=(("age", "4y"), ("sex", "m")),
    ).with_photos([replace(first, age_years=9.0), replace(second, occlusions=("cap",))])
    assert workspace.case(full_case.id) == expected
    assert workspace.update_case(given) == ()
    assert trail(workspace)[before:] == [("change", full_case.id)], "one transaction, one line"
    assert workspace.trail(limit=1000)[-1].detail["photos"] == ["full 1", "full 2"]


def test_a_diagnosis_and_being_unaffected_are_one_statement(workspace):
    sotos = (Diagnosis(Disorder("OMIM:117550", "Sotos")),)
    workspace.add_case(replace(from_dave(), unaffected=True))
    assert workspace.update_case(replace(from_dave(), diagnoses=sotos)) == ("diagnoses", "unaffected")
    assert workspace.case("dave") == replace(from_dave(), diagnoses=sotos)
    assert workspace.update_case(replace(from_dave(), unaffected=True)) == ("diagnoses", "unaffected")
    assert workspace.case("dave") == replace(from_dave(), unaffected=True)


def test_an_update_ends_and_records_consents_and_revives_none(workspace):
    def update(*consents):
        changed = workspace.update_case(replace(from_dave(), consents=consents))
        return changed, workspace.case("dave").consents

    care = Consent(Scope.CARE)
    workspace.add_case(replace(from_dave(), consents=(GALLERY, care)))
    ended = replace(GALLERY, withdrawn_on=ENDED)
    assert update(ended) == (("consents",), (ended, care))
    vouched = Consent(Scope.GALLERY, evidence="vouched for at import")
    earlier = Consent(Scope.GALLERY, text_version="2", signed_on=ENDED)
    for revived in (GALLERY, vouched, earlier):
        assert update(revived, care) == ((), (ended, care))
    signed_since = Consent(Scope.GALLERY, text_version="2", signed_on=ENDED + dt.timedelta(1))
    bonn, ulm = Consent(Scope.SHARING, "Bonn"), Consent(Scope.SHARING, "Ulm", withdrawn_on=ENDED)
    assert update(signed_since, bonn, ulm)[1] == (ended, care, signed_since, bonn, ulm)
    assert update(Consent(Scope.CARE, text_version="not as recorded", withdrawn_on=ENDED))[1][1] == replace(
        care, withdrawn_on=ENDED
    )


def test_what_an_update_refuses_changes_nothing(workspace, full_case):
    workspace.add_case(full_case)
    given = replace(full_case, references=("PMID:9",))
    with pytest.raises(MismatchError, match="photo 'full 1' is stored already with other pixels; give the new photo"):
        workspace.update_case(given.with_photos([given.photo("full 1", sha256="cd" * 32, age_years=9.0)]))
    with pytest.raises(MismatchError, match="cannot change between simulated and real"):
        workspace.update_case(replace(given, patient=replace(given.patient, simulated=True)))
    with pytest.raises(InputError, match="patient 'nobody' is not in the workspace"):
        workspace.update_case(Case(Patient("nobody")))
    assert workspace.case(full_case.id) == full_case


def test_one_withdrawn_photo_is_left_out_and_its_patient_is_not(workspace):
    two = replace(case(0), photos=(photo(0), photo(1)))
    images = {photo(0).id: image(0), photo(1).id: image(1)}
    workspace.add_case(two, images=images)
    workspace.withdraw("photo", photo(0).id)
    assert workspace.withdrawn_photos([photo(0).id, photo(1).id, "none"]) == {photo(0).id}
    three = two.with_photos([*two.photos, replace(photo(1), id="new", sha256="9" * 64)])
    assert workspace.add_case(three, images=images) is Added.ADDED
    assert {p.id for p in workspace.case("p00").photos} == {photo(1).id, "new"}
    with pytest.raises(AccessError, match=r"^photo 'photo000' was withdrawn; it is not stored again$"):
        workspace.add_photo(photo(0), image(0))


def test_photos_of_a_withdrawn_patient_do_not_come_back_as_another_patients(workspace):
    workspace.add_case(case(0), images={photo(0).id: image(0)})
    workspace.withdraw("patient", "p00")
    alias = Case(Patient("p99"), consents=(Consent(Scope.GALLERY),))
    alias = alias.with_photos([replace(photo(0), patient=alias.patient)])
    assert workspace.add_case(alias, images={photo(0).id: image(0)}) is Added.ADDED
    assert workspace.case("p99") == replace(alias, photos=())
    assert list((workspace.root / "photos").rglob("*.png")) == []
    with pytest.raises(AccessError, match="photo 'photo000' was withdrawn"):
        workspace.add_photo(alias.photos[0], image(0))


def test_nobody_waits_while_a_file_of_encodings_is_read(workspace):
    workspace.add_case(case(0))

    def slowly():
        for number, encoding_ in enumerate(encodings(0)):
            with Workspace.open(workspace.root) as other:
                other.add_case(case(2 + 2 * number))
            yield encoding_

    assert workspace.add_encodings(slowly()) == 2
    assert {c.id for c in workspace.cases()} == {"p00", "p01", "p02"}


def test_more_encodings_than_are_held_in_memory_come_out_as_they_went_in(workspace):
    workspace.add_case(case(0))
    given = [
        encoding(photo(0), vector=np.random.default_rng(k).normal(size=1024), view=View(f"m{k:03d}"))
        for k in range(300)
    ]
    assert workspace.add_encodings(iter(given)) == 300
    for before, after in zip(given, workspace.encodings(), strict=True):
        assert after.vector.tolist() == before.vector.tolist()
        assert replace(after, vector=None) == replace(before, vector=None)
    assert list((workspace.root / "cache").iterdir()) == []


@pytest.mark.parametrize("how", ["a purge has not ended", "the database does not know of it"])
def test_a_folder_for_reading_in_which_a_withdrawal_is_not_carried_out_is_refused(on_sqlite, monkeypatch, how):
    from deciface.store import erasure
    from deciface.store.tombstones import SubjectKind, Tombstone, append_lines, workspace_id

    def stop(*_):
        raise StorageError("stopped")

    on_sqlite.add_case(case(0), images={photo(0).id: image(0)})
    if how == "a purge has not ended":
        with monkeypatch.context() as patch:
            patch.setattr(erasure, "STEPS", (stop,))
            with pytest.raises(StorageError, match="stopped"):
                on_sqlite.withdraw("patient", "p00")
    else:
        with engines.read(on_sqlite.engine) as connection:
            own = workspace_id(connection)
        stone = Tombstone(SubjectKind.PATIENT, "p00", (), "2026", "ann")
        append_lines(on_sqlite.root / "withdrawn.jsonl", [stone], workspace=own)
    with monkeypatch.context() as patch:
        may_write = os.access
        patch.setattr(os, "access", lambda path, mode: may_write(path, mode) and Path(path) != on_sqlite.root)
        with pytest.raises(
            StorageError, match=r"may not be written to, and 1 withdrawals have not been carried out in it yet; open it"
        ):
            Workspace.open(on_sqlite.root)
    with Workspace.open(on_sqlite.root) as opened:
        assert opened.cases() == ()
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: may_write(path, mode) and Path(path) != on_sqlite.root)
        with Workspace.open(on_sqlite.root) as reading:
            assert reading.cases() == ()


def test_photos_that_a_killed_import_left_in_the_cache_are_cleared_after_a_day(workspace):
    folders = [workspace.root / "cache" / name for name in ("import-old", "import-new", "gallery-x")]
    now = workspace.clock().timestamp()
    for folder, age_h in zip(folders, (25, 23, 25), strict=True):
        folder.mkdir(parents=True)
        (folder / "0.png").write_bytes(PNG)
        os.utime(folder, (now - 3600 * age_h,) * 2)
    Workspace.open(workspace.root).close()
    assert [folder.exists() for folder in folders] == [False, True, True]
