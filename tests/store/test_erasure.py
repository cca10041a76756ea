import dataclasses
import datetime as dt
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text, update

from deciface.cases import Case, Patient
from deciface.consent import Action, Actor, Role, rule_for
from deciface.errors import AccessError, InputError, StorageError
from deciface.store import Workspace, audit, derived, erasure, people, photo_rows, tables
from deciface.store.certificate import Certificate
from deciface.store.derived import DerivedKind
from deciface.store.engines import is_sqlite, read, write
from deciface.store.photo_files import PhotoFolder
from deciface.store.policy_sql import allowed, facts_of
from deciface.store.tombstones import WITHDRAWN, read_lines, read_tombstones, workspace_id
from deciface.store.verification import verify
from deciface.store.versions import stamp, version
from tests.store.erasure_world import (
    CURATOR,
    DERIVED,
    LEFT_BY_A_KILLED_EXPORT,
    NOW,
    VIEWER,
    files_with,
    fill,
    open_cache,
    picture,
)

LATER = NOW + dt.timedelta(days=1)


@pytest.fixture
def traces(workspace, tmp_path):
    return fill(workspace, outside=tmp_path / "outside")


def withdraw(workspace, kind: str = "patient", subject: str = "P1", *, actor: Actor = CURATOR) -> Certificate:
    return erasure.withdraw(workspace, kind=kind, subject_id=subject, actor=actor, now=LATER)


def resume(workspace) -> tuple[Certificate, ...]:
    return erasure.resume(workspace, now=LATER)


def rows_of(workspace) -> dict[str, int]:
    with read(workspace.engine) as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in tables.metadata.sorted_tables
        }


def everything_stored(workspace) -> bytes:
    """All rows of all tables as the database prints them, and the raw vectors."""
    with read(workspace.engine) as connection:
        rows = [tuple(row) for table in tables.metadata.sorted_tables for row in connection.execute(select(table))]
        embeddings = [] if is_sqlite(connection) else connection.execute(text("SELECT embedding::text FROM encodings"))
        shown = [repr(row).encode() for row in (*rows, *embeddings)]
    return b"\n".join([*shown, *(cell for row in rows for cell in row if isinstance(cell, bytes))])


def served(workspace, actor: Actor = CURATOR) -> set[str]:
    """Ids of the photos that somebody may see."""
    where = allowed(rule_for(actor, Action.SEE_PHOTO), actor, on=LATER.date())
    with read(workspace.engine) as connection:
        return {photo.id for photo in photo_rows.read_photos(connection, where=where)}


def test_no_byte_of_an_erased_photo_is_left(workspace, traces, tmp_path):
    for photo_id in ("P1-a", "P1-b"):
        before = files_with(workspace.root, traces[photo_id])
        assert any(name.startswith("photos/") for name in before)
        assert any(name.startswith("cache/") for name in before)
        assert {"reports/P1.html", "exports/all.csv"} <= set(before)
        assert traces[photo_id].found_in(everything_stored(workspace))
        if workspace.engine.dialect.name == "sqlite":
            assert any(name.startswith("deciface.sqlite") for name in before)
    withdraw(workspace)
    for photo_id in ("P1-a", "P1-b"):
        assert files_with(workspace.root, traces[photo_id]) == []
        assert not traces[photo_id].found_in(everything_stored(workspace))
    assert "photos/" in "".join(files_with(workspace.root, traces["P2-c"]))
    assert open_cache(workspace) == 1
    assert files_with(workspace.root, traces["P1-a"]) == []


def test_no_byte_is_left_with_a_database_server_but_in_its_write_ahead_log(workspace, traces):
    if workspace.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no server")
    with workspace.engine.connect() as connection:
        data = Path(connection.execute(text("SHOW data_directory")).scalar_one())
        connection.execute(text("ANALYZE"))  # sampled values are copied into the planner's statistics
        connection.commit()
        connection.execute(text("CHECKPOINT"))
    assert any(name.startswith("base/") for name in files_with(data, traces["P1-a"]))
    certificate = withdraw(workspace)
    with workspace.engine.connect() as connection:
        connection.execute(text("CHECKPOINT"))
    left = files_with(data, traces["P1-a"]) + files_with(data, traces["P1-b"])
    assert all(name.startswith("pg_wal/") for name in left)  # what the certificate says is out of reach
    assert any(name.startswith("base/") for name in files_with(data, traces["P2-c"]))
    assert any("write-ahead log (pg_wal)" in line for line in certificate.beyond_reach)


def test_the_certificate_lists_what_became_of_a_patient(workspace, traces, tmp_path):
    certificate = withdraw(workspace)
    assert certificate.photo_ids == ("P1-a", "P1-b")
    assert (certificate.kind, certificate.subject_id, certificate.withdrawn_by) == ("patient", "P1", "ann")
    assert (certificate.withdrawn_at, certificate.purged_at) == (stamp(LATER), stamp(LATER))
    assert certificate.photo_files == 2
    assert certificate.cached_rows == 2
    assert certificate.rows == {
        "consents": 1,
        "derived": 8,
        "derived_from": 16,
        "derived_patients": 12,
        "encodings": 24,
        "job_patients": 3,
        "jobs": 2,
        "landmarks": 4,
        "other_ids": 1,
        "patients": 1,
        "photos": 2,
        "trained_on": 2,
    }
    assert {path for _, path in certificate.derived} == DERIVED.keys() - {"reports/P2.html"}
    assert [(made.kind, made.path, made.photo_ids) for made in certificate.make_again] == [
        ("composite", "reports/all.png", ("P2-c",)),
        ("centroid", "reports/centroid.bin", ("P2-c",)),
    ]
    assert [(m.name, m.withdrawn_photos) for m in certificate.marked_models] == [("gestalt", 2)]
    assert len(certificate.unfinished) == 1
    assert certificate.kept == ()
    assert certificate.beyond_reach[0] == f"export {tmp_path / 'outside' / 'sent.csv'}"
    assert certificate.beyond_reach[1].startswith(f"export of {stamp(NOW)} by ann (audit entry ")
    assert (tmp_path / "outside" / "sent.csv").exists()
    assert [path for path in DERIVED if (workspace.root / path).exists()] == ["reports/P2.html"]
    with read(workspace.engine) as connection:
        model = connection.execute(select(tables.trained_models)).one()
        assert model.withdrawn_photos == 2
        assert connection.execute(select(tables.jobs.c.payload)).scalars().all() == [{"photo": "P2-c"}]


def test_the_certificate_is_printed_and_signed(workspace, traces):
    certificate = withdraw(workspace)
    text_ = certificate.as_text()
    for line in (
        "ERASURE CERTIFICATE",
        "Withdrawn:     patient P1 (2 photos)",
        "  * rows of table encodings: 24",
        "  * rows of table landmarks: 4",
        "  * photo files: 2",
        "  * report reports/P1.html",
        "Deleted, to be made again without the withdrawn photos:",
        "  * gestalt (mmmmmmmmmmmm): 2 withdrawn photos",
        "Out of this program's reach:",
        f"SHA-256 of this certificate: {certificate.sha256}",
    ):
        assert line in text_.splitlines()
    document = certificate.as_document()
    assert Certificate.from_document(document) == certificate
    with pytest.raises(StorageError, match="of patient 'P1' was changed after it was written"):
        Certificate.from_document({**document, "photo_files": 3})
    with pytest.raises(StorageError, match="this is not an erasure certificate"):
        Certificate.from_document({"sha256": certificate.sha256})
    with read(workspace.engine) as connection:
        last = audit.entries(connection, after=audit.read_head(connection).number - 1)[0]
    assert (last.action, last.record, last.detail["certificate"]) == ("purge", "P1", certificate.sha256)


def test_one_photo_goes_and_its_patient_stays(workspace, traces):
    certificate = withdraw(workspace, "photo", "P1-a")
    assert (certificate.rows["photos"], certificate.rows["landmarks"]) == (1, 2)
    assert "patients" not in certificate.rows
    assert certificate.rows["jobs"] == 1  # the one that names the photo; the one of everybody stays
    assert certificate.photo_files == 1
    assert files_with(workspace.root, traces["P1-a"]) == []
    assert not traces["P1-a"].found_in(everything_stored(workspace))
    assert served(workspace) == {"P1-b", "P2-c"}
    assert open_cache(workspace) == 2


def test_nothing_is_served_from_the_first_transaction_on(workspace, traces, monkeypatch):
    def refuse(*_: object) -> None:
        raise StorageError("stopped before the purge")

    assert served(workspace) == {"P1-a", "P1-b", "P2-c"}
    with read(workspace.engine) as connection:
        before = version(connection)
    monkeypatch.setattr(erasure, "STEPS", (refuse,))
    with pytest.raises(StorageError, match="stopped before the purge"):
        withdraw(workspace)
    assert served(workspace) == {"P2-c"}
    with pytest.raises(StorageError, match="stopped before the purge"):
        withdraw(workspace, "photo", "P2-c")
    assert served(workspace) == set()
    with read(workspace.engine) as connection:
        assert version(connection) == before + 2
        assert facts_of(connection, ["P1"])["P1"].erased
        assert erasure.certificate_of(connection, kind="patient", subject_id="P1") is None
    monkeypatch.undo()
    assert [certificate.subject_id for certificate in resume(workspace)] == ["P1", "P2-c"]
    assert resume(workspace) == ()


def test_a_second_withdrawal_returns_the_certificate_again(workspace, traces):
    certificate = withdraw(workspace)
    rows = rows_of(workspace)
    later = erasure.withdraw(
        workspace, kind="patient", subject_id="P1", actor=CURATOR, now=LATER + dt.timedelta(days=9)
    )
    assert later == certificate
    assert rows_of(workspace) == rows
    with read(workspace.engine) as connection:
        assert erasure.certificate_of(connection, kind="patient", subject_id="P1") == certificate


@pytest.mark.parametrize(("kind", "subject"), [("patient", "P9"), ("photo", "P9-a"), ("photo", "P1")])
def test_what_is_not_there_cannot_be_withdrawn(workspace, traces, kind, subject):
    with pytest.raises(InputError, match=f"{kind} '{subject}' is not in the workspace; list its {kind}s first"):
        withdraw(workspace, kind, subject)
    with pytest.raises(InputError, match="'site' cannot be withdrawn; allowed are patient and photo"):
        withdraw(workspace, "site", subject)


@pytest.mark.parametrize("subject", [("patient", "P1"), ("photo", "P1-a")])
def test_who_may_not_withdraw_is_refused_before_and_after(workspace, traces, subject):
    rows = rows_of(workspace)
    elsewhere = Actor("eve", frozenset({Role.CURATOR}), "taipei")
    with pytest.raises(AccessError, match=r"user 'eve' may withdraw and erase the record only .*if it belongs to"):
        withdraw(workspace, *subject, actor=elsewhere)
    with pytest.raises(AccessError, match="it takes the role curator or coordinator or admin"):
        withdraw(workspace, *subject, actor=VIEWER)
    assert rows_of(workspace) == rows
    withdraw(workspace, *subject)
    with pytest.raises(AccessError, match=r"user 'vic' \(viewer\) may not withdraw and erase the record"):
        withdraw(workspace, *subject, actor=VIEWER)


def test_a_file_that_is_another_photos_too_is_kept_and_named(workspace, traces):
    image, _ = picture(0)
    with write(workspace.engine) as connection:
        row = connection.execute(select(tables.photos).where(tables.photos.c.id == "P1-a")).mappings().one()
        values = {**row, "id": "P2-same", "patient_id": "P2", "sha256": "unknown"}
        connection.execute(insert(tables.photos).values(values))
    certificate = withdraw(workspace)
    assert certificate.photo_files == 1
    assert certificate.kept == ("image file of photo P1-a: it is also that of a photo that was not withdrawn",)
    stored = next((workspace.root / "photos").rglob("*.png"))
    assert image in {path.read_bytes() for path in (workspace.root / "photos").rglob("*.png")}, stored
    assert withdraw(workspace, "patient", "P2").photo_files == 2
    assert [p for p in (workspace.root / "photos").rglob("*") if p.is_file()] == []


def test_a_later_version_of_a_withdrawn_photo_no_longer_names_it(workspace, traces):
    with write(workspace.engine) as connection:
        connection.execute(update(tables.photos).where(tables.photos.c.id == "P2-c").values(replaces="P1-b"))
    withdraw(workspace)
    with read(workspace.engine) as connection:
        assert connection.execute(select(tables.photos.c.id, tables.photos.c.replaces)).all() == [("P2-c", None)]


def test_parts_that_a_killed_import_left_go_too(workspace, traces):
    files = PhotoFolder(workspace.root / "photos")
    image, _ = picture(1)
    stored = files.put(image)
    files.path(stored).with_name(f".part-{stored.sha256}-77").write_bytes(image)
    withdraw(workspace)
    assert files_with(workspace.root, traces["P1-b"]) == []


@pytest.mark.parametrize("path", ["../other.txt", "reports/../../other.txt", "link/other.txt"])
def test_nothing_outside_the_workspace_is_deleted(workspace, traces, tmp_path, path):
    (workspace.root / "link").symlink_to(tmp_path)
    (tmp_path / "other.txt").write_text("somebody else's")
    with write(workspace.engine) as connection:
        derived.register(connection, kind=DerivedKind.REPORT, places=[path], patient_ids=["P1"], at=stamp(NOW))
    certificate = withdraw(workspace)
    assert (tmp_path / "other.txt").exists()
    assert f"report {path}" in certificate.beyond_reach
    assert path not in {name for _, name in certificate.derived}


def test_a_derived_folder_goes_as_a_whole(workspace, traces):
    folder = workspace.root / "exports" / "set"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    with write(workspace.engine) as connection:
        derived.register(connection, kind=DerivedKind.EXPORT, places=["exports/set"], patient_ids=["P1"], at=stamp(NOW))
    withdraw(workspace)
    assert not folder.exists()


def test_nothing_can_be_made_of_who_or_what_was_withdrawn(workspace, traces):
    withdraw(workspace, "photo", "P1-a")
    withdraw(workspace, "patient", "P2")

    def register(patient_ids, photo_ids):
        with write(workspace.engine) as connection:
            derived.register(
                connection,
                kind=DerivedKind.CROP,
                places=["crops/new.png"],
                patient_ids=patient_ids,
                photo_ids=photo_ids,
                at=stamp(NOW),
            )

    with pytest.raises(
        InputError, match=r"'crops/new\.png' is made of photo 'P1-a', which is not in the workspace or w"
    ):
        register(["P1"], ["P1-a"])
    with pytest.raises(
        InputError, match=r"'crops/new\.png' is made of patient 'P2', who is not in the workspace or was"
    ):
        register(["P2"], [])
    with pytest.raises(InputError, match=r"'crops/new\.png' names nobody it is made of"):
        register([], [])


@pytest.mark.parametrize(
    "path",
    [
        *("photos", "Photos/x", "photos/ab/x.png", "cache/x", "deciface.sqlite", "deciface.sqlite-wal"),
        *("deciface.toml", "withdrawn.jsonl", ".", "..", "reports/../photos", "link/x"),
    ],
)
def test_nothing_of_the_workspace_itself_is_registered_to_be_deleted(workspace, traces, tmp_path, path, monkeypatch):
    (workspace.root / "link").symlink_to(workspace.root / "photos")
    refused = "is no place for a file made of people; give a folder such as .*/reports$"
    for given in (workspace.root / path, (tmp_path / "to ws") / path):
        (tmp_path / "to ws").is_symlink() or (tmp_path / "to ws").symlink_to(workspace.root)
        with pytest.raises(InputError, match=refused):
            derived.place_of(given, workspace.root)
    monkeypatch.chdir(workspace.root)
    with pytest.raises(InputError, match=refused):
        derived.place_of(Path(path), workspace.root)


def test_places_are_relative_to_the_workspace_wherever_they_are_named_from(workspace, tmp_path, monkeypatch):
    (workspace.root / "reports").mkdir()
    (tmp_path / "to ws").symlink_to(workspace.root)
    monkeypatch.chdir(workspace.root / "reports")
    for given in (workspace.root / "reports" / "a.html", tmp_path / "to ws" / "reports" / "a.html", Path("a.html")):
        assert derived.place_of(given, workspace.root) == "reports/a.html"
        assert derived.place_of(given, tmp_path / "to ws") == "reports/a.html"
    assert derived.place_of(tmp_path / "a.html", workspace.root) == (tmp_path / "a.html").as_posix()
    with pytest.raises(InputError, match="reports' is a folder that is there already; give a new one, or a file in it"):
        derived.place_of(workspace.root / "reports", workspace.root)
    (workspace.root / "reports" / "l.html").symlink_to(tmp_path / "elsewhere.html")
    with pytest.raises(InputError, match=r"l\.html' is a link; give the place itself"):
        derived.place_of(workspace.root / "reports" / "l.html", workspace.root)


def test_a_moved_workspace_still_erases_what_was_made_in_it(workspace, traces, tmp_path):
    workspace.close()
    workspace.root.rename(tmp_path / "moved")
    with Workspace.open(tmp_path / "moved") as moved:
        certificate = withdraw(moved)
        assert {path for _, path in certificate.derived} == DERIVED.keys() - {"reports/P2.html"}
        for photo_id in ("P1-a", "P1-b"):
            assert files_with(moved.root, traces[photo_id]) == []


def test_an_image_that_a_killed_import_left_goes_with_the_next_withdrawal(workspace, traces):
    left, _ = picture(77)
    path = PhotoFolder(workspace.root / "photos").path(workspace.files.put(left))  # and killed before the commit
    path.with_name(".part-" + "0" * 64 + "-7").write_bytes(left)
    assert {str(f.severity) for f in verify(workspace).findings} == {"warning"}
    certificate = withdraw(workspace)
    assert (certificate.photo_files, certificate.left_files) == (2, 2)
    assert "  * image files that interrupted imports had left: 2" in certificate.as_text().splitlines()
    assert len([p for p in (workspace.root / "photos").rglob("*") if p.is_file()]) == 1
    assert verify(workspace).findings == ()


def test_what_a_killed_export_left_beside_its_name_goes_with_it(workspace, traces):
    exports = workspace.root / "exports"
    (exports / ".set.ab_1.part" / "photos").mkdir(parents=True)
    (exports / ".set.ab_1.part" / "photos" / "a.png").write_bytes(b"x")
    others = [exports / name for name in (".set.more.csv.ab_1.part", ".settle.ab_1.part", "set.part")]
    for other in others:
        other.write_text("of somebody else")
    with write(workspace.engine) as connection:
        derived.register(connection, kind=DerivedKind.EXPORT, places=["exports/set"], patient_ids=["P1"], at=stamp(NOW))
    withdraw(workspace)
    assert sorted(exports.iterdir()) == sorted(others)
    assert not (workspace.root / LEFT_BY_A_KILLED_EXPORT).exists()


def test_what_was_made_of_a_patient_without_photos_goes_with_them(workspace, traces):
    with write(workspace.engine) as connection:
        bare = {"owner": "ann", "origin": "csv", "site": "bonn", "at": stamp(NOW)}
        people.insert_cases(connection, [Case(Patient("P3"))], **bare)
        derived.register(
            connection, kind=DerivedKind.EXPORT, places=["exports/p3.csv"], patient_ids=["P3"], at=stamp(NOW)
        )
    (workspace.root / "exports" / "p3.csv").write_text("P3")
    certificate = withdraw(workspace, "patient", "P3")
    assert certificate.derived == (("export", "exports/p3.csv"),)
    assert not (workspace.root / "exports" / "p3.csv").exists()


def test_a_photo_takes_along_what_may_show_it(workspace, traces):
    for name, photo_ids in (("any", []), ("a", ["P1-a"]), ("b", ["P1-b"])):
        with write(workspace.engine) as connection:
            derived.register(
                connection,
                kind=DerivedKind.REPORT,
                places=[f"reports/{name}.html"],
                patient_ids=["P1", "P2"],
                photo_ids=photo_ids,
                at=stamp(NOW),
            )
        (workspace.root / "reports" / f"{name}.html").write_text(name)
    withdraw(workspace, "photo", "P1-a")
    assert [n for n in ("any", "a", "b") if (workspace.root / "reports" / f"{n}.html").exists()] == ["b"]


def test_a_path_that_is_registered_again_keeps_the_photos_it_had(workspace, traces):
    with write(workspace.engine) as connection:
        for _ in range(2):
            derived.register(
                connection,
                kind=DerivedKind.REPORT,
                places=["reports/P1.html"],
                patient_ids=["P2"],
                photo_ids=["P2-c"],
                at=stamp(NOW),
            )
        found = [file.path for file in derived.paths_of(connection, ["P2-c"])]
        assert found == [
            "exports/all.csv",
            "exports/all.csv.meta.json",
            "reports/P1.html",
            "reports/P2.html",
            "reports/all.png",
            "reports/centroid.bin",
        ]
        assert "reports/P1.html" in [file.path for file in derived.paths_of(connection, ["P1-b"])]


# After a crash


def killed(workspace, when: str, kind: str = "patient", subject: str = "P1", *, after_s: float | None = None) -> None:
    script = [sys.executable, "-m", "tests.store.withdraw_and_die", str(workspace.root), kind, subject, when]
    process = subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    if after_s is not None:
        time.sleep(after_s)
        process.kill()
    _, error = process.communicate(timeout=120)
    assert process.returncode == -9 or (after_s and process.returncode == 0), error


def is_whole(workspace, traces) -> None:
    """Nothing is left of P1, everything of P2, and the trail fits."""
    for photo_id in ("P1-a", "P1-b"):
        assert files_with(workspace.root, traces[photo_id]) == []
        assert not traces[photo_id].found_in(everything_stored(workspace))
    assert served(workspace) == {"P2-c"}
    rows = rows_of(workspace)
    assert {name: rows[name] for name in ("patients", "photos", "encodings", "landmarks", "jobs", "tombstones")} == {
        "patients": 1,
        "photos": 1,
        "encodings": 12,
        "landmarks": 2,
        "jobs": 1,
        "tombstones": 1,
    }
    with read(workspace.engine) as connection:
        own = workspace_id(connection)
        (stone,) = read_tombstones(connection).values()
        assert read_tombstones(connection, pending=True) == {}
        assert audit.check_chain(connection).whole
        certificate = erasure.certificate_of(connection, kind="patient", subject_id="P1")
        model = connection.execute(select(tables.trained_models.c.withdrawn_photos)).scalar_one()
    assert read_lines(workspace.root / WITHDRAWN, workspace=own) == (stone,)
    assert (certificate.photo_files, certificate.rows["encodings"], model) == (2, 24, 2)
    assert {path for _, path in certificate.derived} == DERIVED.keys() - {"reports/P2.html"}


@pytest.mark.parametrize("when", [f"before {n}" for n in range(5)] + ["after 4"])
def test_a_purge_that_was_killed_between_two_steps_is_resumed(workspace, traces, when):
    killed(workspace, when)
    assert served(workspace) == {"P2-c"}
    (certificate,) = resume(workspace)
    is_whole(workspace, traces)
    assert withdraw(workspace) == certificate


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_purge_that_was_killed_at_a_random_time_is_resumed(workspace, traces, seed):
    longest_s = 0.15 if workspace.engine.dialect.name == "sqlite" else 0.8
    killed(workspace, "outside", after_s=random.Random(seed).random() * longest_s)
    resume(workspace)
    if served(workspace) != {"P2-c"}:
        assert served(workspace) == {"P1-a", "P1-b", "P2-c"}  # killed before the withdrawal was committed
        withdraw(workspace)
    is_whole(workspace, traces)


def test_a_withdrawn_photo_is_resumed_too(workspace, traces):
    killed(workspace, "before 1", "photo", "P1-a")
    assert served(workspace) == {"P1-b", "P2-c"}
    (certificate,) = resume(workspace)
    assert (certificate.photo_files, certificate.rows["encodings"]) == (1, 12)
    assert files_with(workspace.root, traces["P1-a"]) == []


def test_a_line_that_a_crash_cut_short_is_written_again(workspace, traces):
    withdraw(workspace)
    path = workspace.root / WITHDRAWN
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert resume(workspace) == ()
    assert path.read_bytes() == whole


def test_a_damaged_or_foreign_list_is_refused(workspace, traces):
    withdraw(workspace)
    path = workspace.root / WITHDRAWN
    own = path.read_text()
    path.write_text("{}\n" + own)
    with pytest.raises(StorageError, match=r"withdrawn\.jsonl, line 1: not a line DeciFace wrote; put back the file"):
        resume(workspace)
    with read(workspace.engine) as connection:
        path.write_text(own.replace(workspace_id(connection), "elsewhere"))
    with pytest.raises(StorageError, match=r"withdrawn\.jsonl, line 1: belongs to another workspace"):
        resume(workspace)


def test_a_reader_delays_the_purge_and_nothing_else(workspace, traces, monkeypatch):
    monkeypatch.setattr("deciface.store.compaction._PATIENCE_S", 0.2)
    with workspace.engine.connect() as other:
        if is_sqlite(other):
            other.exec_driver_sql("BEGIN")
        else:
            other.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        other.execute(select(tables.users)).all()
        with pytest.raises(StorageError, match="another program is reading the database, so what was deleted"):
            withdraw(workspace)
        assert served(workspace) == {"P2-c"}
        assert resume(workspace) == ()
    withdraw(workspace)
    is_whole(workspace, traces)


def test_changed_content_of_a_certificate_changes_its_hash(workspace, traces):
    certificate = withdraw(workspace)
    assert dataclasses.replace(certificate, kept=("something",)).sha256 != certificate.sha256


def test_what_was_written_past_the_program_is_erased_by_withdrawing_it_again(workspace, traces):
    with read(workspace.engine) as connection:
        row = dict(connection.execute(select(tables.patients).where(tables.patients.c.id == "P1")).mappings().one())
    first = withdraw(workspace)
    with write(workspace.engine) as connection:
        connection.execute(insert(tables.patients).values(row))
    again = withdraw(workspace)
    assert again != first
    assert again.rows == {"patients": 1}
    assert rows_of(workspace)["patients"] == 1


@pytest.mark.parametrize("subject", [("patient", "P1"), ("photo", "P1-a")])
def test_steps_of_a_slower_process_leave_the_certificate_as_it_is(workspace, traces, subject):
    certificate = withdraw(workspace, *subject)
    with read(workspace.engine) as connection:
        (stone,) = read_tombstones(connection).values()
    for step in erasure.STEPS:
        step(workspace, stone)
    assert withdraw(workspace, *subject) == certificate


def test_two_processes_that_withdraw_one_patient_at_once_agree(workspace, traces):
    script = [sys.executable, "-m", "tests.store.withdraw_and_die", str(workspace.root), "patient", "P1", "outside"]
    processes = [subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ended = [(process.communicate(timeout=120)[1], process.returncode) for process in processes]
    assert [code for _, code in ended] == [0, 0], ended
    is_whole(workspace, traces)
    with read(workspace.engine) as connection:
        actions = [entry.action for entry in audit.entries(connection, limit=1000)]
    assert (actions.count("withdraw"), actions.count("purge")) == (1, 1)
