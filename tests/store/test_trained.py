"""Whom a model learnt from: read back as far as the user may compare with them."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from deciface.cases import Scope
from deciface.consent import Actor
from deciface.store import SubjectKind, Workspace
from deciface.store.trained import TrainedModel, TrainedPhoto, trained_models
from tests.store.importing import case, photo

NOW = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC)


def filled(root, database):
    """Three people with two photos each, and two models that learnt from some of them."""
    workspace = Workspace.create(root, user="ann", database=database, clock=lambda: NOW)
    for i in range(6):
        workspace.add_case(case(i))
    workspace.note_trained("e" * 64, "own", photo_ids=[photo(i).id for i in (4, 0, 2)])
    workspace.note_trained("d" * 64, "other", photo_ids=[photo(1).id])
    return workspace


def trained(*numbers):
    return tuple(TrainedPhoto(photo(i).id, photo(i).sha256, photo(i).patient.id) for i in numbers)


def test_models_and_whom_they_learnt_from(tmp_path, new_database):
    with filled(tmp_path / "w", new_database()) as workspace:
        assert trained_models(workspace) == (
            TrainedModel("d" * 64, "other", trained(1), 0),
            TrainedModel("e" * 64, "own", trained(0, 2, 4), 0),
        )
        workspace.withdraw(SubjectKind.PATIENT, photo(0).patient.id)
        assert trained_models(workspace) == (
            TrainedModel("d" * 64, "other", (), 1),
            TrainedModel("e" * 64, "own", trained(2, 4), 1),
        )


def test_people_whom_the_user_may_not_compare_with_are_left_out(tmp_path, new_database):
    with filled(tmp_path / "w", new_database()) as workspace:
        workspace.withdraw_consent(photo(4).patient.id, Scope.GALLERY, on=NOW.date())
        assert [model.photos for model in trained_models(workspace)] == [trained(1), trained(0, 2)]
        stranger = replace(workspace, actor=Actor("stranger", frozenset(), ""))
        assert [model.photos for model in trained_models(stranger)] == [(), ()]


def test_a_workspace_without_models_of_its_own(tmp_path, new_database):
    with Workspace.create(tmp_path / "w", database=new_database()) as workspace:
        assert trained_models(workspace) == ()
