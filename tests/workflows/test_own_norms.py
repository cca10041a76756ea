"""Norms of one's own people: points corrected by hand come before those that the model would place."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from deciface.cases import Sex
from deciface.faces import norms as room
from deciface.store import Workspace
from deciface.workflows.own_norms import norms_of_gallery
from deciface.workflows.photo_galleries import open_photos
from tests.workflows.test_measuring import Canonical
from tests.workflows.test_stored_points import corrected_in


@pytest.mark.models
def test_corrected_points_are_measured_as_stored(small_workspace, finder, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "LEAST_PEOPLE", 3)
    shutil.copytree(small_workspace, tmp_path / "imported")

    def norms():
        model = Canonical()
        with open_photos(tmp_path / "imported") as gallery:
            alike = {"sex": Sex.FEMALE, "ancestry": gallery.photos[0].patient.ancestry}
            healthy = tuple(
                replace(p, patient=replace(p.patient, **alike), diagnoses=(), unaffected=True) for p in gallery.photos
            )
            found = norms_of_gallery(
                replace(gallery, photos=healthy, diagnosed=frozenset()), finder, model, ages=[(0, 99)]
            )
        (philtrum,) = (n.m for n in found.norms.rows if n.measurement == "philtrum length / outer canthal distance")
        return found, model.calls, philtrum

    before, calls, philtrum = norms()
    assert calls == before.people == 8
    assert before.norms.rows[0].source == "own unaffected people of imported, canonical"
    with Workspace.open(tmp_path / "imported") as workspace:
        for photo in workspace.photos():
            corrected_in(workspace, photo.id, finder, tmp_path)
    after, calls, other = norms()
    assert calls == 0
    assert after.norms.rows[0].source == "own unaffected people of imported, canonical, points of 8 as stored"
    assert not np.isclose(philtrum, other, rtol=0.01)
