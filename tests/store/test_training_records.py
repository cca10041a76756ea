"""Records of a training name whom the model learnt from: they go when one of these is withdrawn."""

from __future__ import annotations

import datetime as dt

import pytest

from deciface.errors import InputError
from deciface.store import SubjectKind, Workspace
from tests.store.importing import case, photo

NOW = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC)


def test_records_inside_are_deleted_and_those_outside_are_named(tmp_path, new_database):
    inside, outside = tmp_path / "w" / "runs" / "a" / "run.json", tmp_path / "runs" / "run.json"
    with Workspace.create(tmp_path / "w", user="ann", database=new_database(), clock=lambda: NOW) as workspace:
        for i in range(6):
            workspace.add_case(case(i))
        model = inside.with_name("model.onnx")
        for path in (inside, outside, model):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("whom it learnt from")
        learnt = [photo(i).id for i in (0, 2)]
        workspace.note_trained("e" * 64, "own", photo_ids=learnt, files=[inside, outside])
        of_nobody_else = workspace.withdraw(SubjectKind.PATIENT, photo(5).patient.id)
        assert inside.is_file()
        assert not of_nobody_else.marked_models
        certificate = workspace.withdraw(SubjectKind.PATIENT, photo(0).patient.id)
    assert not inside.exists()
    assert model.is_file(), "the model stays, and is marked"
    assert [m.name for m in certificate.marked_models] == ["own"]
    assert {(r.kind, r.path, r.photo_ids) for r in certificate.make_again} == {
        ("training", "runs/a/run.json", (photo(2).id,)),
        ("training", str(outside), (photo(2).id,)),
    }
    assert f"training {outside}" in certificate.beyond_reach


def test_the_workspace_itself_is_no_record(tmp_path, new_database):
    with Workspace.create(tmp_path / "w", user="ann", database=new_database(), clock=lambda: NOW) as workspace:
        workspace.add_case(case(0))
        with pytest.raises(InputError, match="is no place for a file made of people"):
            workspace.note_trained("e" * 64, "own", photo_ids=[photo(0).id], files=[tmp_path / "w" / "deciface.sqlite"])
