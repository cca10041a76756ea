"""Averages of cohorts: who is meant, who is shown, and differences that are planted or not."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from deciface.cases import Diagnosis, Disorder, Patient, Photo
from deciface.errors import NothingFoundError, OptionError
from deciface.faces.canonical import canonical_points
from deciface.faces.landmarks import Landmarks, row_of
from deciface.workflows import average_faces
from deciface.workflows.average_faces import Averaged, averaged, difference, in_eye_frame, people_of, write_average
from deciface.workflows.photo_galleries import open_photos
from tests.workflows.test_measuring import Canonical

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
PICTURE = np.full((250, 250, 3), 128, np.uint8)


def cohort(name, people, rng, *, moved=0.0):
    """People whose points scatter by .02; the chins lie lower by `moved`."""
    shapes = canonical_points() + rng.normal(0, 0.02, (people, len(canonical_points()), 2))
    shapes[:, row_of("gnathion"), 1] += moved
    return Averaged(name, tuple(f"{name}{i}" for i in range(people)), shapes, PICTURE, ())


def photos():
    a, b = Diagnosis(Disorder("OMIM:1", "A"), genes=("ANKRD11",)), Diagnosis(Disorder("OMIM:2", "B"))
    made = [("p1", (a,), False), ("p2", (a, b), False), ("p3", (), True), ("p4", (), False)]
    return [
        Photo(f"{who}-1", Patient(who, simulated=True), "0" * 64, diagnoses=diagnoses, unaffected=unaffected)
        for who, diagnoses, unaffected in made
    ]


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("all", ("p1", "p2", "p3", "p4")),
        ("unaffected", ("p3",)),
        ("disorder:OMIM:1", ("p1", "p2")),
        ("disorder:OMIM:1+disorder:OMIM:2", ("p2",)),
        ("gene:ANKRD11", ("p1", "p2")),
        ("p4, p1", ("p1", "p4")),
    ],
)
def test_who_is_meant(named, meant):
    assert people_of(photos(), named) == meant


def test_nobody_meant_and_nothing_named():
    with pytest.raises(NothingFoundError, match=r"nobody in the gallery is meant by 'disorder:OMIM:9'; give p1,p2,p3"):
        people_of(photos(), "disorder:OMIM:9")
    with pytest.raises(OptionError, match=r"cohort 'all\+'; give p1,p2,p3, all, unaffected"):
        people_of(photos(), "all+")


def test_position_size_and_rotation_do_not_matter():
    points = canonical_points() @ np.array([[0.6, 0.8], [-0.8, 0.6]]) * 70 + (300, 200)
    laid = in_eye_frame(Landmarks(points, np.zeros((len(points), 2, 2)), "made"))
    np.testing.assert_allclose(laid, canonical_points(), atol=1e-9)


def test_a_planted_difference_is_told_where_it_is_and_which_way():
    rng = np.random.default_rng(0)
    found = difference(cohort("a", 20, rng, moved=0.05), cohort("b", 30, rng), seed=1, draws=199)
    assert found.told[row_of("gnathion")]
    assert found.told.sum() <= 2
    np.testing.assert_allclose(found.moved[row_of("gnathion")], (0, 0.05), atol=0.02)
    assert found.p.min() == pytest.approx(1 / 200)


def test_nothing_is_found_where_nothing_was_planted():
    """Any of the 163 points told in at most 5 % of comparisons of the same people (exact binomial limit)."""
    rng = np.random.default_rng(1)
    told = [difference(cohort("a", 12, rng), cohort("b", 15, rng), seed=k, draws=99).told.any() for k in range(100)]
    assert sum(told) <= 12, "P(13 or more of 100 at 5 %) < .002"


def test_nobody_may_be_in_both():
    one = cohort("a", 10, np.random.default_rng(2))
    with pytest.raises(
        OptionError, match="'a' and 'a' share 10 people, first a0; name cohorts without a common person"
    ):
        difference(one, one, seed=0, draws=9)


@pytest.mark.models
def test_of_a_gallery_with_its_page(small_cohort, finder, monkeypatch, tmp_path):
    with open_photos(small_cohort.cases.parent) as gallery:
        with pytest.raises(
            NothingFoundError, match="8 of the 8 people of 'all' can be used, and at least 10 are needed"
        ):
            averaged(gallery, "all", finder, Canonical())
        monkeypatch.setattr(average_faces, "LEAST_PEOPLE", 2)
        told = []
        one = averaged(gallery, "disorder:SIM-01", finder, Canonical(), advance=told.append)
        other = averaged(gallery, "unaffected", finder, Canonical())
        assert (len(one.patients), told, len(other.patients)) == (3, [3, 3, 3], 2)
        assert one.picture.shape == (250, 250, 3)
        assert one.picture.std() > 10, "a face, not a plane"
        found = difference(one, other, seed=0, draws=99)
        path = tmp_path / "page.html"
        write_average(gallery, one, other, found, path, points="canonical", seed=0, now=NOW)
    page = path.read_text(encoding="utf-8")
    for said in ("disorder:SIM-01: mean of 3 people", "simulated people", "Where the shapes differ", "99 times"):
        assert said in page
    broken = replace(one, left_out=("p9: no face",))
    write_average(gallery, broken, None, None, path, points="canonical", seed=0, now=NOW)
    assert "Not in the mean of disorder:SIM-01: p9: no face." in path.read_text(encoding="utf-8")
    assert "Where the shapes differ" not in path.read_text(encoding="utf-8")
