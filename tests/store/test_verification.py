import datetime as dt

import pytest
from sqlalchemy import delete, insert, select, text, update

from deciface.errors import AccessError, StorageError
from deciface.store import Workspace, erasure, tables
from deciface.store.audit import Head
from deciface.store.engines import read, write
from deciface.store.tombstones import WITHDRAWN
from deciface.store.verification import Severity, verify
from tests.store.erasure_world import CURATOR, NOW, fill

LATER = NOW + dt.timedelta(days=1)


@pytest.fixture
def filled(workspace, tmp_path):
    fill(workspace, outside=tmp_path / "outside")
    return workspace


def withdraw(workspace, subject: str = "P1") -> None:
    erasure.withdraw(workspace, kind="patient", subject_id=subject, actor=CURATOR, now=LATER)


def lines(workspace) -> list[str]:
    return [str(finding) for finding in verify(workspace).findings]


def image_of(workspace, photo_id: str):
    with read(workspace.engine) as connection:
        sha256 = connection.execute(select(tables.photos.c.file_sha256).where(tables.photos.c.id == photo_id)).scalar()
    return workspace.root / "photos" / sha256[:2] / f"{sha256}.png"


def test_a_sound_workspace_has_no_findings(filled):
    found = verify(filled)
    assert found.findings == ()
    assert found.sound
    assert (found.photos, found.encodings, found.landmarks, found.withdrawn) == (3, 36, 6, 0)
    assert found.chain.whole
    withdraw(filled)
    after = verify(filled)
    assert (after.findings, after.photos, after.encodings, after.landmarks, after.withdrawn) == ((), 1, 12, 2, 1)
    assert verify(filled, expected_head=found.chain.head).sound


def test_a_missing_and_an_altered_image_are_errors(filled):
    image_of(filled, "P1-a").unlink()
    image_of(filled, "P1-b").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = verify(filled)
    assert not found.sound
    messages = {finding.subject: finding.message for finding in found.findings}
    assert "cannot be read (No such file or directory); restore it from a backup" in messages["photo P1-a"]
    assert "has changed since it was stored; restore it from a backup" in messages["photo P1-b"]
    assert len(messages) == 2


def test_a_file_without_a_photo_is_a_warning(filled):
    left = filled.root / "photos" / "ab" / f"ab{'0' * 62}.png"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"x")
    assert verify(filled).sound
    assert lines(filled) == [
        f"warning: photos/ab/{left.name}: no photo has this file: an import was interrupted; import again, or delete "
        "the file (the next withdrawal does)"
    ]


def test_who_may_not_read_the_trail_verifies_nothing(filled):
    with (
        Workspace.open(filled.root, user="nobody") as opened,
        pytest.raises(AccessError, match=r"user 'nobody' \(no role\) may not read the audit trail; it takes the role"),
    ):
        verify(opened)


def test_encodings_and_points_of_other_pixels_are_errors(filled):
    with write(filled.engine) as connection:
        connection.execute(update(tables.photos).where(tables.photos.c.id == "P2-c").values(sha256="0" * 64))
    assert lines(filled) == [
        "error: photo P2-c: 12 encodings were made from other pixels; encode the photo again",
        "error: photo P2-c: 2 versions of its points belong to other pixels; place the points again",
    ]


def test_a_version_of_points_that_was_removed_is_an_error(filled):
    with write(filled.engine) as connection:
        of = tables.landmarks.c
        connection.execute(delete(tables.landmarks).where(of.photo_id == "P1-a", of.version == 1))
    assert lines(filled) == ["error: photo P1-a: 1 of 2 versions of its points are missing; restore a backup"]


def test_a_cut_trail_is_an_error_against_a_noted_head(filled):
    head = verify(filled).chain.head
    found = verify(filled, expected_head=Head(head.number + 1, "0" * 64))
    (finding,) = found.findings
    assert (finding.severity, finding.subject) == (Severity.ERROR, "audit trail")
    assert f"the trail ends with entry {head.number}, but entry {head.number + 1} was noted" in finding.message


def test_a_derived_file_that_is_gone_is_a_note(filled):
    (filled.root / "reports" / "P2.html").unlink()
    assert lines(filled) == ["note: reports/P2.html: this report is no longer there; make it again where it is needed"]


def test_a_pending_purge_and_a_missing_line_are_warnings(filled, monkeypatch):
    def stop(*_: object) -> None:
        raise StorageError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(erasure, "STEPS", (stop,))
        with pytest.raises(StorageError, match="stopped"):
            withdraw(filled)
    assert verify(filled).sound
    assert lines(filled) == [
        "warning: patient P1: withdrawn and not served, but not erased yet; open the workspace again",
        "warning: patient P1: the database says it was withdrawn, withdrawn.jsonl does not; open the workspace again",
    ]
    erasure.resume(filled, now=LATER)
    assert lines(filled) == []


def test_a_damaged_list_of_withdrawals_is_an_error(filled):
    withdraw(filled)
    (filled.root / WITHDRAWN).write_text("{}\n")
    (line,) = lines(filled)
    assert line.startswith("error: withdrawn.jsonl: ")
    assert "line 1: not a line DeciFace wrote" in line


def test_an_altered_certificate_and_an_erased_patient_who_is_stored_again_are_errors(filled):
    with read(filled.engine) as connection:
        row = dict(connection.execute(select(tables.patients).where(tables.patients.c.id == "P1")).mappings().one())
    withdraw(filled)
    with write(filled.engine) as connection:
        connection.execute(insert(tables.patients).values(row))
        certificate = connection.execute(select(tables.tombstones.c.certificate)).scalar_one()
        connection.execute(update(tables.tombstones).values(certificate={**certificate, "photo_files": 9}))
    found = lines(filled)
    assert len(found) == 2
    assert "error: patient P1: the erasure certificate of patient 'P1' was changed after it was written" in found[0]
    assert found[1] == "error: patient P1: was withdrawn and erased, but is stored again; withdraw it again"


def test_a_damaged_database_file_is_an_error(filled):
    if filled.engine.dialect.name != "sqlite":
        pytest.skip("a server checks its own pages")
    with filled.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        page = connection.execute(text("SELECT rootpage FROM sqlite_master WHERE name = 'ix_photos_sha256'")).scalar()
        size = connection.execute(text("PRAGMA page_size")).scalar()
    filled.engine.dispose()
    with (filled.root / "deciface.sqlite").open("r+b") as file:
        file.seek((page - 1) * size + size - 200)
        file.write(bytes(200))
    found = verify(filled)
    assert not found.sound
    assert {finding.subject for finding in found.findings} == {"database"}
    assert found.findings[0].message.endswith("; restore a backup")


def test_a_row_that_belongs_to_nothing_is_an_error(filled):
    if filled.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL does not let anybody switch this off")
    with filled.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("DELETE FROM patients WHERE id = 'P1'")
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
    assert "error: database: a row of table photos belongs to nothing; restore a backup" in lines(filled)
