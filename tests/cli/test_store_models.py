"""Models and whom they learnt from, by the command line."""

from __future__ import annotations

import datetime as dt

from deciface.store import Workspace
from tests.cli.run import deciface
from tests.store.importing import case, photo

NOW = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC)


def test_models_are_listed_and_a_consent_that_ends_says_which_it_does_not_reach(tmp_path):
    clinic = tmp_path / "clinic"
    with Workspace.create(clinic, clock=lambda: NOW) as workspace:
        for i in range(6):
            workspace.add_case(case(i))
    listed = deciface("store", "models", "--workspace", clinic)
    assert (listed.code, listed.out.strip()) == (0, "no model learnt from photos here")
    with Workspace.open(clinic) as workspace:
        workspace.note_trained("e" * 64, "own", photo_ids=[photo(0).id, photo(2).id])
        workspace.note_trained("d" * 64, "other", photo_ids=[photo(4).id])
    gone, stays = photo(0).patient.id, photo(4).patient.id
    ended = deciface("store", "consent", gone, "reference gallery", "--withdraw", "--workspace", clinic)
    assert f"own (eeeeeeeeeeee) learnt from 1 photos of {gone} and cannot unlearn them" in ended.err
    assert "other" not in ended.err
    assert deciface("withdraw", gone, "--workspace", clinic, "--yes").code == 0
    listed = deciface("store", "models", "--workspace", clinic, "--json")
    assert [(m["name"], m["photos"], m["withdrawn_photos"]) for m in listed.document["models"]] == [
        ("other", 1, 0),
        ("own", 1, 1),
    ]
    assert "and 1 photos withdrawn since" in deciface("store", "models", "--workspace", clinic).out
    assert stays not in ended.err
