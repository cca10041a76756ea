"""Points as a table: out and in again, some points only, templates, and what is refused with its row and column."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.errors import InputError, TableError
from deciface.faces.landmarks import FACE_POINTS, Landmarks, named
from deciface.formats.landmark_table import PlacedPoint, landmark_table, read_landmark_table, refuse_outside

HEADER = "template,name,x_px,y_px,sigma_px\n"


def landmarks(seed: int = 0) -> Landmarks:
    places = np.random.default_rng(seed).uniform(-30, 6000, (len(FACE_POINTS), 2))
    return Landmarks(places, np.broadcast_to(np.diag([9.0, 1.0]), (len(FACE_POINTS), 2, 2)).copy(), "made")


def table(tmp_path, content: str | bytes, name: str = "points.csv"):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_the_table_names_every_point(tmp_path):
    lines = landmark_table(landmarks()).splitlines()
    assert lines[0] == HEADER.strip()
    assert len(lines) == 1 + len(FACE_POINTS)
    x, y = landmarks().points_px[named()["exocanthion right"].row]
    assert f"18,exocanthion right,{x:.2f},{y:.2f},2.236" in lines
    assert sum(line.split(",")[1] != "" for line in lines[1:]) == len(named())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_is_written_is_read_and_nobody_has_moved(tmp_path_factory, seed):
    placed = landmarks(seed)
    found = read_landmark_table(table(tmp_path_factory.mktemp("points"), landmark_table(placed)))
    assert tuple(point.template for point in found) == FACE_POINTS
    assert [point.row for point in found] == list(range(2, len(FACE_POINTS) + 2))
    assert all(point.is_at(place) for point, place in zip(found, placed.points_px, strict=True))
    assert not any(point.is_at(place + 0.01) for point, place in zip(found, placed.points_px, strict=True))
    assert np.abs([(p.x_px, p.y_px) for p in found] - placed.points_px).max() <= 0.005 + 1e-9


def test_some_points_by_number_or_by_name_in_any_order_of_columns(tmp_path):
    content = "\ufeffY_px, name ,x_px,template,remark\n2,Subnasale,1.5,,moved\n\n 4 ,,3,18,\n6,pupil left,5,1,\n"
    assert read_landmark_table(table(tmp_path, content)) == (
        PlacedPoint(55, 1.5, 2.0, 2),
        PlacedPoint(18, 3.0, 4.0, 4),
        PlacedPoint(1, 5.0, 6.0, 5),
    )
    assert read_landmark_table(table(tmp_path, "name,x_px,y_px\nsubnasale,1,2\n")) == (PlacedPoint(55, 1, 2, 2),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "row 1, column 'x_px': missing; the first line must name template, name, x_px, y_px, sigma_px"),
        (
            "template;x_px;y_px\n18;1;2\n",
            r"row 1, column 'x_px': missing; .* \(template or name is enough, ',' between",
        ),
        ("x_px,y_px\n1,2\n", "row 1, column 'template': missing"),
        (HEADER, r"^points\.csv: names no point; give one row for every point that is to be moved"),
        (HEADER + "18,,1,2,\n18,,1,2,\n", "row 3, column 'template': point 18 stands in row 2 already; keep one"),
        (HEADER + ",subnasale,1,2,\n55,,1,2,\n", "row 3, column 'template': point 55 stands in row 2 already"),
        (HEADER + "55,,1,2,\n,subnasale,1,2,\n", "row 3, column 'name': point 55 stands in row 2 already"),
        (HEADER + ",exocantion right,1,2,\n", "row 2, column 'name': point 'exocantion right' is not known; did you m"),
        (HEADER + ",elbow,1,2,\n", "row 2, column 'name': point 'elbow' is not known; give its template number"),
        (HEADER + "140,,1,2,\n", "row 2, column 'template': '140'; a number from 0 to 188 of a point on the face"),
        (HEADER + "-1,,1,2,\n", "row 2, column 'template': '-1'; a number from 0 to 188"),
        (HEADER + "18,subnasale,1,2,\n", "row 2, column 'name': 'subnasale' is point 55, not 18; correct one of them"),
        (HEADER + ",,1,2,\n", "row 2: the row names no point; give its template number or its name"),
        (HEADER + "18,,left,2,\n", "row 2, column 'x_px': 'left'; a number of px is needed, such as 512.25"),
        (HEADER + '18,,1,"2,5",\n', "row 2, column 'y_px': '2,5'; a number of px is needed"),
        (HEADER + "18,,1,nan,\n", "row 2, column 'y_px': 'nan'; a number of px"),
        (HEADER + "18,,inf,1,\n", "row 2, column 'x_px': 'inf'; a number of px"),
        (HEADER + "18,,1\n", "row 2, column 'y_px': ''; a number of px is needed"),
        (HEADER + '18,"a\n', "is no table .*; save it as CSV with ',' between cells"),
    ],
)
def test_what_is_no_table_of_points_is_refused_with_its_place(tmp_path, content, message):
    with pytest.raises(TableError, match=message):
        read_landmark_table(table(tmp_path, content))


def test_files_that_are_something_else(tmp_path):
    with pytest.raises(
        InputError, match=r"'points\.xlsx': points are read from \.csv and \.tem files; name the file so"
    ):
        read_landmark_table(table(tmp_path, "", "points.xlsx"))
    with pytest.raises(InputError, match=r"gone\.csv' cannot be read \(No such file or directory\); give a UTF-8 CSV"):
        read_landmark_table(tmp_path / "gone.csv")
    with pytest.raises(InputError, match=r"points\.csv' cannot be read \('utf-8' codec can't decode"):
        read_landmark_table(table(tmp_path, HEADER.encode("utf-16")))
    with pytest.raises(InputError, match=r"gone\.tem: no such template"):
        read_landmark_table(tmp_path / "gone.tem")


def test_a_template_places_all_points_of_the_face(tmp_path):
    places = np.random.default_rng(1).uniform(0, 900, (189, 2)).round(3)
    content = "189\n" + "".join(f"{x}\t{y}\n" for x, y in places) + "1\n0 3 0 1 2\n"
    found = read_landmark_table(table(tmp_path, content, "one.TEM"))
    assert [(p.template, p.x_px, p.y_px) for p in found] == [(i, *places[i]) for i in FACE_POINTS]
    lines = content.splitlines()
    assert all(lines[p.row - 1] == f"{p.x_px}\t{p.y_px}" for p in found)


@pytest.mark.parametrize(
    ("x", "y", "column"), [(-0.51, 3, "x_px"), (639.51, 3, "x_px"), (3, -0.51, "y_px"), (3, 479.51, "y_px")]
)
def test_places_outside_the_photo_are_refused(x, y, column):
    inside = [PlacedPoint(1, -0.5, -0.5, 2), PlacedPoint(2, 639.5, 479.5, 3)]
    refuse_outside(inside, width_px=640, height_px=480, file="points.csv")
    value = x if column == "x_px" else y
    said = rf"^points\.csv, row 4, column '{column}': {value:.2f} lies outside the photo of 640 x 480 px; place the"
    with pytest.raises(TableError, match=said):
        refuse_outside([*inside, PlacedPoint(3, x, y, 4)], width_px=640, height_px=480, file="points.csv")
