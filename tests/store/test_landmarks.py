"""Versions of face points: what is stored comes back, nobody's work is lost, and who may not is refused."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from deciface.cases import NOT_STATED, Case, Consent, Patient, Scope
from deciface.consent import Actor, Role
from deciface.errors import AccessError, InputError, MismatchError, StorageError
from deciface.faces.landmarks import FACE_POINTS, Landmarks
from deciface.store import Workspace, engines, tables
from tests.store.erasure_world import NOW
from tests.store.importing import case, image, photo
from tests.store.test_workspace import trail

MODEL = "deciface-landmarks 0123456789ab"


def points(seed: int) -> Landmarks:
    """Points anywhere, also at places that no float32 has, with errors in all directions."""
    rng = np.random.default_rng(seed)
    half = rng.normal(size=(len(FACE_POINTS), 2, 2))
    return Landmarks(rng.uniform(-20, 5000, (len(FACE_POINTS), 2)), half @ half.swapaxes(1, 2), MODEL)


def equal(one: Landmarks, other: Landmarks) -> bool:
    same = np.array_equal(one.points_px, other.points_px) and np.array_equal(one.covariance_px2, other.covariance_px2)
    return same and one.source == other.source


@pytest.fixture
def clinic(tmp_path, database):
    """Ann's workspace with the photos of two people who agreed to the gallery."""
    made = Workspace.create(tmp_path / "ws", user="ann", site="Taipei", database=database, clock=lambda: NOW)
    with made as workspace:
        for i in (0, 2):
            workspace.add_case(case(i), images={photo(i).id: image(i)})
        yield workspace


def correct(workspace, landmarks, started_from, *, of=0, **given_):
    values = {"corrected": (18, 2), "photo_sha256": photo(of).sha256, **given_}
    return workspace.correct_landmarks(photo(of).id, landmarks, started_from=started_from, **values)


def acting(workspace, user, *roles, site="Taipei"):
    return replace(workspace, actor=Actor(user, frozenset(roles), site))


def test_versions_are_added_and_the_newest_counts(clinic):
    assert clinic.landmarks("photo000") is None
    assert clinic.landmark_versions("photo000") == ()
    assert correct(clinic, points(1), 0, corrected=()) == 1
    assert correct(clinic, points(2), 1, comment="commissures") == 2
    found = clinic.landmarks("photo000")
    assert (found.photo_id, found.version, found.photo_sha256) == ("photo000", 2, photo(0).sha256)
    assert (found.corrected, found.actor, found.comment) == ((2, 18), "ann", "commissures")
    assert found.created_at == "2026-11-25T08:00:00.000000+00:00"
    assert equal(found.landmarks, points(2))
    assert found.described.source == f"{MODEL}, 2 of 163 points by hand (version 2)"
    first, second = clinic.landmark_versions("photo000")
    assert equal(first.landmarks, points(1))
    assert first.described.source == f"{MODEL} (version 1)"
    assert (first.version, first.corrected, second.version) == (1, (), 2)
    assert clinic.landmarks("photo002") is None
    clinic.close()
    with Workspace.open(clinic.root, user="ann") as again:
        assert equal(again.landmarks("photo000").landmarks, points(2))


def test_what_the_model_placed_is_kept_before_the_first_correction(clinic):
    before = len(trail(clinic))
    assert correct(clinic, points(2), 0, placed=points(1), comment="commissures") == 2
    first, second = clinic.landmark_versions("photo000")
    assert equal(first.landmarks, points(1))
    assert equal(second.landmarks, points(2))
    assert [(v.corrected, v.comment) for v in (first, second)] == [
        ((), "as the model placed them"),
        ((2, 18), "commissures"),
    ]
    assert len(trail(clinic)) == before + 1
    with pytest.raises(
        InputError, match="a model's placement is kept as version 1, not behind version 2; leave it out"
    ):
        correct(clinic, points(2), 2, placed=points(1))
    with pytest.raises(InputError, match="a comment of 501 characters"):
        correct(clinic, points(2), 0, of=2, placed=points(1), comment="x" * 501)
    assert clinic.landmark_versions("photo002") == ()


def test_every_version_leaves_one_line_without_a_place_in_the_trail(clinic):
    before = len(trail(clinic))
    correct(clinic, points(1), 0, comment="said of somebody")
    assert trail(clinic)[before:] == [("store landmarks", "photo000")]
    last = clinic.trail(limit=1000)[-1]
    assert last.detail == {"patient": "p00", "version": 1, "corrected": [2, 18]}


def test_a_version_that_somebody_stored_in_between_is_not_lost(clinic):
    correct(clinic, points(1), 0)
    bob = acting(clinic, "bob", Role.CURATOR)
    assert correct(bob, points(2), 1) == 2
    said = (
        r"^photo 'photo000' has newer points, version 2 by bob at 2026-11-25T08:00:00.000000\+00:00; yours started "
        "from version 1: look at version 2 and correct that$"
    )
    with pytest.raises(MismatchError, match=said):
        correct(clinic, points(3), 1)
    with pytest.raises(MismatchError, match=r"version 2 by bob at .*; yours started from version 0"):
        correct(clinic, points(3), 0)
    with pytest.raises(
        MismatchError, match="has 2 versions of its points, yours started from version 3; start from the newest"
    ):
        correct(clinic, points(3), 3)
    with pytest.raises(
        MismatchError, match="photo 'photo002' has 0 versions of its points, yours started from version -1"
    ):
        correct(clinic, points(3), -1, of=2)
    assert [equal(v.landmarks, points(i)) for i, v in enumerate(clinic.landmark_versions("photo000"), 1)] == [True] * 2


def test_of_many_who_correct_one_version_at_once_one_is_taken(clinic):
    correct(clinic, points(0), 0)
    outcomes = []

    def one(seed):
        try:
            outcomes.append(correct(clinic, points(seed), 1))
        except MismatchError as error:
            outcomes.append(str(error))

    many = [threading.Thread(target=one, args=(seed,)) for seed in range(1, 6)]
    for thread in many:
        thread.start()
    for thread in many:
        thread.join()
    assert outcomes.count(2) == 1
    assert sum("newer points, version 2 by ann" in str(outcome) for outcome in outcomes) == 4
    assert len(clinic.landmark_versions("photo000")) == 2


def test_points_of_other_pixels_or_of_no_photo_are_refused(clinic):
    with pytest.raises(
        MismatchError, match=f"stored with pixels {'0' * 12} but its points were placed on abababababab"
    ):
        correct(clinic, points(1), 0, photo_sha256="ab" * 32)
    for reading in (clinic.landmarks, clinic.landmark_versions):
        with pytest.raises(InputError, match="photo 'nobody' is not in the workspace; list its photos first"):
            reading("nobody")
    with pytest.raises(InputError, match="photo 'nobody' is not in the workspace"):
        clinic.correct_landmarks("nobody", points(1), corrected=(), started_from=0, photo_sha256="0" * 64)
    with engines.write(clinic.engine) as connection:
        connection.execute(update(tables.photos).values(sha256=NOT_STATED))
    with pytest.raises(MismatchError, match="without the hash of its pixels, so no points can be tied to them; import"):
        correct(clinic, points(1), 0, photo_sha256=NOT_STATED)
    assert clinic.landmark_versions("photo000") == ()


def changed(part: str, value: float) -> Landmarks:
    placed = points(1)
    getattr(placed, part)[5, 0] = value
    return placed


@pytest.mark.parametrize(
    ("placed", "given_", "message"),
    [
        (changed("points_px", np.nan), {}, "points that are not finite numbers; give every point a place in px"),
        (changed("covariance_px2", np.inf), {}, "errors of points that are no covariances"),
        (changed("covariance_px2", -1.0), {}, "each is symmetric and finite, its variances not < 0"),
        (points(1), {"corrected": (18, 140)}, "corrected point 140; give numbers of the 189-point template that lie"),
        (replace(points(1), source=""), {}, "points without a source in one line; give a model's id and hash"),
        (points(1), {"comment": "two\nlines"}, "a comment of 9 characters; give one line of at most 500"),
        (points(1), {"comment": "\0"}, "a comment of 1 characters; give one line"),
        (points(1), {"comment": "x" * 501}, "a comment of 501 characters"),
    ],
)
def test_what_cannot_be_stored_is_refused(clinic, placed, given_, message):
    with pytest.raises(InputError, match=message):
        correct(clinic, placed, 0, **given_)
    assert clinic.landmarks("photo000") is None


def test_who_may_not_edit_or_not_see_the_photo_is_refused(clinic):
    correct(clinic, points(1), 0)
    viewer = acting(clinic, "vera", Role.VIEWER)
    assert viewer.landmarks("photo000").version == 1
    with pytest.raises(AccessError, match=r"patient 'p00': user 'vera' \(viewer\) may not change the record; it takes"):
        correct(viewer, points(2), 1)
    elsewhere = acting(clinic, "bert", Role.CURATOR, site="Bonn")
    with pytest.raises(AccessError, match="user 'bert' may change the record only as"):
        correct(elsewhere, points(2), 1)
    reader = acting(clinic, "rita", Role.READER)
    for reading in (reader.landmarks, reader.landmark_versions):
        with pytest.raises(AccessError, match=r"user 'rita' \(reader\) may not see the photo"):
            reading("photo000")
    clinic.withdraw_consent("p00", Scope.GALLERY, on=NOW.date())
    with pytest.raises(AccessError, match="patient 'p00': user 'ann' may see the photo only as"):
        correct(clinic, points(2), 1)
    with pytest.raises(AccessError, match="patient 'p00': user 'ann' may see the photo only as"):
        clinic.landmarks("photo000")


@pytest.mark.parametrize("subject", [("photo", "photo000"), ("patient", "p00")])
def test_points_go_with_the_photo_and_with_the_patient(clinic, subject):
    for version in range(3):
        correct(clinic, points(version), version)
    correct(clinic, points(9), 0, of=2)
    certificate = clinic.withdraw(*subject)
    assert certificate.rows["landmarks"] == 3
    with pytest.raises(InputError, match="photo 'photo000' is not in the workspace"):
        clinic.landmarks("photo000")
    assert equal(clinic.landmarks("photo002").landmarks, points(9))


def test_points_of_another_set_are_not_read(clinic):
    correct(clinic, points(1), 0)
    with engines.write(clinic.engine) as connection:
        connection.execute(update(tables.landmarks).values(points=bytes(16), covariance=bytes(32)))
    with pytest.raises(
        StorageError, match="version 1 of the points of photo 'photo000' has 1 points, this program know"
    ):
        clinic.landmarks("photo000")


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("correct"),
            st.integers(0, 2**32 - 1),
            st.frozensets(st.sampled_from(FACE_POINTS)),
            st.text(st.characters(exclude_categories=["C", "Z"]), max_size=9),
        ),
        st.tuples(st.just("revert"), st.integers(1, 9)),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_any_sequence_of_corrections_and_reverts_reads_back_as_written(clinic, done):
    person = Patient(f"q{len(clinic.photos()):03d}")
    bare = Case(person, consents=(Consent(Scope.GALLERY),))
    of = bare.photo(f"{person.id}-1", sha256=f"{int(person.id[1:]) + 2**64:064x}")
    clinic.add_case(bare.with_photos([of]))
    written: list[tuple[Landmarks, frozenset[int], str]] = []
    for kind, *values in done:
        if kind == "correct":
            placed, corrected, comment = points(values[0]), values[1], values[2]
        elif values[0] <= len(written):
            older = clinic.landmark_versions(of.id)[values[0] - 1]
            placed, corrected, comment = older.landmarks, frozenset(older.corrected), f"as version {values[0]}"
        else:
            continue
        number = clinic.correct_landmarks(
            of.id,
            placed,
            corrected=corrected,
            started_from=len(written),
            photo_sha256=of.sha256,
            comment=comment,
        )
        written.append((placed, corrected, comment))
        assert number == len(written)
    found = clinic.landmark_versions(of.id)
    assert [v.version for v in found] == list(range(1, len(written) + 1))
    assert [(v.corrected, v.comment) for v in found] == [(tuple(sorted(c)), said) for _, c, said in written]
    assert all(equal(v.landmarks, placed) for v, (placed, _, _) in zip(found, written, strict=True))
    newest = clinic.landmarks(of.id)
    assert (newest.version if newest else 0) == len(written)
