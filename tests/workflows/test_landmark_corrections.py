"""Points corrected by hand: what is moved and how far, what stays, going back, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from deciface.errors import (
    InputError,
    MismatchError,
    ModelError,
    NoFaceError,
    NothingFoundError,
    OptionError,
    TableError,
)
from deciface.faces.landmarks import FACE_POINTS, Landmarks, named, row_of
from deciface.faces.measurement_definitions import outer_canthal
from deciface.faces.measurements import measure
from deciface.formats.landmark_table import landmark_table
from deciface.workflows.landmark_corrections import correct_points, lines_of, revert_points
from tests.workflows.photo_with_points import UNIT_PX, place, with_photo

SUBNASALE = named()["subnasale"].template


@pytest.fixture
def workspace(tmp_path):
    with with_photo(tmp_path / "ws") as made:
        yield made


def table(tmp_path, *moves, header="name,x_px,y_px"):
    path = tmp_path / "moves.csv"
    path.write_text("\n".join([header, *(",".join(map(str, move)) for move in moves), ""]))
    return path


def somewhere(name, dx=0.0, dy=0.0):
    """A row that moves a point of the placed face; what is written has two digits behind the point."""
    x, y = place(b"", "").point(name).round(2)
    return name, round(x + dx, 2), round(y + dy, 2)


def test_moved_points_are_placed_by_hand_and_the_others_stay_to_the_bit(workspace, tmp_path):
    file = table(tmp_path, somewhere("subnasale", dy=6.0), somewhere("cheilion right", dx=-3.0, dy=4.0))
    done = correct_points(workspace, "P1-a", file, place=place, comment="seen in profile")
    cheilion = named()["cheilion right"].template
    assert (done.photo_id, done.version, done.corrected) == ("P1-a", 2, tuple(sorted((SUBNASALE, cheilion))))
    far = {point.name: (point.distance_px, point.percent) for point in done.moved}
    assert far["subnasale"] == pytest.approx((6.0, 100 * 6 / UNIT_PX), abs=0.02)
    assert far["cheilion right"] == pytest.approx((5.0, 100 * 5 / UNIT_PX), abs=0.02)
    assert len(far) == 2
    model, corrected = workspace.landmark_versions("P1-a")
    before, after = model.landmarks, corrected.landmarks
    rows = [row_of("subnasale"), row_of("cheilion right")]
    others = np.delete(np.arange(len(FACE_POINTS)), rows)
    assert np.array_equal(before.points_px, place(b"", "").points_px)
    assert np.array_equal(after.points_px[others], before.points_px[others])
    assert np.array_equal(after.covariance_px2[others], before.covariance_px2[others])
    assert not after.covariance_px2[rows].any()
    assert tuple(after.point("subnasale")) == somewhere("subnasale", dy=6.0)[1:]
    assert (model.corrected, model.comment) == ((), "as the model placed them")
    assert (corrected.comment, corrected.actor) == ("seen in profile", "ann")
    assert after.source == before.source == "made 0123456789ab"
    assert lines_of(done) == [
        "version 2 of the points of photo P1-a: 2 moved, 2 of 163 points placed by hand",
        "    subnasale: by 6.0 px, 5.0 % of the outer-canthal distance",
        "    cheilion right: by 5.0 px, 4.2 % of the outer-canthal distance",
    ]
    assert done.as_document()["moved"][0]["name"] == "subnasale"


def test_a_whole_table_in_which_one_point_was_changed_moves_that_one(workspace, tmp_path):
    x, y = place(b"", "").point("subnasale")
    path = tmp_path / "points.csv"
    path.write_text(landmark_table(place(b"", "")).replace(f",{x:.2f},{y:.2f},", f",{x + 1:.2f},{y:.2f},"))
    done = correct_points(workspace, "P1-a", path, place=place)
    assert (done.corrected, [point.name for point in done.moved]) == ((SUBNASALE,), ["subnasale"])
    path.write_text(landmark_table(workspace.landmarks("P1-a").landmarks))
    with pytest.raises(NothingFoundError, match=r"'points\.csv' has no point elsewhere than photo 'P1-a'; nothing was"):
        correct_points(workspace, "P1-a", path, place=place, started_from=2)
    assert len(workspace.landmark_versions("P1-a")) == 2


def test_a_later_correction_says_what_it_started_from_and_keeps_what_was_corrected(workspace, tmp_path):
    correct_points(workspace, "P1-a", table(tmp_path, somewhere("subnasale", 2)), place=place, started_from=0)
    second = table(tmp_path, somewhere("gnathion", dy=3))
    with pytest.raises(
        OptionError, match=r"are version 2, by ann at .*; say which version the correction started from"
    ):
        correct_points(workspace, "P1-a", second, place=place)
    for started_from in (0, 1):
        with pytest.raises(MismatchError, match=f"newer points, version 2 by ann .* from version {started_from}: look"):
            correct_points(workspace, "P1-a", second, place=place, started_from=started_from)
    done = correct_points(workspace, "P1-a", second, place=None, started_from=2)
    assert done.version == 3
    assert done.corrected == tuple(sorted((SUBNASALE, named()["gnathion"].template)))
    assert [point.name for point in done.moved] == ["gnathion"]


def test_what_was_stored_between_reading_and_writing_is_not_lost(workspace, tmp_path):
    file = table(tmp_path, somewhere("subnasale", 2))

    def slow(image, name):
        correct_points(workspace, "P1-a", table(tmp_path, somewhere("gnathion", 2)), place=place)
        return place(image, name)

    with pytest.raises(MismatchError, match="has newer points, version 2 by ann"):
        correct_points(workspace, "P1-a", file, place=slow)
    assert [v.corrected for v in workspace.landmark_versions("P1-a")] == [(), (named()["gnathion"].template,)]


def test_going_back_repeats_an_older_version(workspace, tmp_path):
    with pytest.raises(OptionError, match="version 1 of the points of photo 'P1-a'; there are to go back to: none"):
        revert_points(workspace, "P1-a", 1)
    correct_points(workspace, "P1-a", table(tmp_path, somewhere("subnasale", 6)), place=place)
    done = revert_points(workspace, "P1-a", 1)
    assert (done.version, done.corrected) == (3, ())
    assert [(point.name, round(point.percent)) for point in done.moved] == [("subnasale", 5)]
    first, second, third = workspace.landmark_versions("P1-a")
    assert np.array_equal(first.landmarks.points_px, third.landmarks.points_px)
    assert np.array_equal(first.landmarks.covariance_px2, third.landmarks.covariance_px2)
    assert third.comment == "back to version 1"
    assert revert_points(workspace, "P1-a", 2, comment="after all").corrected == second.corrected
    with pytest.raises(OptionError, match="version 4 of the points of photo 'P1-a'; there are to go back to: 1 to 3"):
        revert_points(workspace, "P1-a", 4)


def whole_template(tmp_path):
    places = np.full((189, 2), -9.0)
    places[list(FACE_POINTS)] = place(b"", "").points_px
    path = tmp_path / "one.tem"
    path.write_text("189\n" + "".join(f"{x}\t{y}\n" for x, y in places))
    return path


def test_without_a_model_all_points_have_to_be_given(workspace, tmp_path):
    said = "photo 'P1-a' has no points and there is no landmark model 'deciface-landmarks' to place them; give a file"
    with pytest.raises(ModelError, match=said):
        correct_points(workspace, "P1-a", table(tmp_path, somewhere("subnasale", 2)), place=None)
    done = correct_points(workspace, "P1-a", whole_template(tmp_path), place=None)
    assert (done.version, done.corrected, done.moved) == (1, FACE_POINTS, ())
    found = workspace.landmarks("P1-a").landmarks
    assert (found.source, found.covariance_px2.any()) == ("by hand", False)
    assert np.array_equal(found.points_px, place(b"", "").points_px)
    assert all(m.se == 0 for m in measure(found))


def test_a_face_that_the_model_does_not_see_is_placed_by_hand_as_a_whole(workspace, tmp_path):
    def blind(image, name):
        raise NoFaceError(f"'{name}': no face")

    with pytest.raises(NoFaceError, match="'P1-a': no face"):
        correct_points(workspace, "P1-a", table(tmp_path, somewhere("subnasale", 2)), place=blind)
    assert correct_points(workspace, "P1-a", whole_template(tmp_path), place=blind).version == 1
    assert workspace.landmarks("P1-a").landmarks.source == "by hand"


def test_a_template_on_what_the_model_placed_moves_what_differs(workspace, tmp_path):
    path = whole_template(tmp_path)
    done = correct_points(workspace, "P1-a", path, place=place)
    assert (done.version, len(workspace.landmark_versions("P1-a"))) == (2, 2)
    assert len(done.corrected) > 150, "a template has more digits than a table"


def test_places_outside_the_photo_are_refused_unless_the_model_put_them_there(workspace, tmp_path):
    with pytest.raises(
        TableError, match=r"moves\.csv, row 2, column 'x_px': 640\.00 lies outside the photo of 640 x 480"
    ):
        correct_points(workspace, "P1-a", table(tmp_path, ("subnasale", 640, 3)), place=place)

    def beyond(image, name):
        placed = place(image, name)
        return Landmarks(placed.points_px - (0, 250), placed.covariance_px2, placed.source)

    path = tmp_path / "points.csv"
    below = beyond(b"", "")
    x, y = below.point("gnathion")
    path.write_text(landmark_table(below).replace(f",{x:.2f},{y:.2f},", f",{x:.2f},{y + 2:.2f},"))
    assert (below.points_px[:, 1] < -1).any()
    assert correct_points(workspace, "P1-a", path, place=beyond).corrected == (named()["gnathion"].template,)


def test_outer_canthi_on_one_another_are_refused(workspace, tmp_path):
    x, y = place(b"", "").point("exocanthion left")
    file = table(tmp_path, ("exocanthion right", x, y))
    with pytest.raises(InputError, match=r"'moves\.csv' puts the outer canthi on one another; correct 'exocanthion ri"):
        correct_points(workspace, "P1-a", file, place=place)
    assert workspace.landmarks("P1-a") is None
    assert float(outer_canthal(place(b"", "").points_px)) == pytest.approx(UNIT_PX, rel=0.01)


def test_a_photo_that_is_not_there(workspace, tmp_path):
    with pytest.raises(InputError, match="photo 'P9' is not in the workspace; list its photos first"):
        correct_points(workspace, "P9", table(tmp_path, ("subnasale", 1, 2)), place=place)
