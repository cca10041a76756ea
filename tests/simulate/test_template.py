from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deciface.errors import InputError
from deciface.simulate import EyeFrame, read_template
from deciface.simulate.template import REGIONS, anchors_from_template, mirror_order

coordinate = st.floats(-3, 3)


@given(
    x=coordinate,
    y=coordinate,
    ox=st.floats(0, 900),
    oy=st.floats(0, 900),
    ocd=st.floats(5, 900),
    roll=st.floats(-180, 180),
)
def test_eye_frame_and_photo_px_are_inverse(x, y, ox, oy, ocd, roll):
    frame = EyeFrame((ox, oy), ocd, roll)
    point = np.array([x, y])
    assert np.allclose(frame.from_px(frame.to_px(point)), point, atol=1e-8)


def test_eye_frame_has_its_origin_between_the_canthi_and_their_distance_as_unit():
    frame = EyeFrame.from_canthi(np.array([100.0, 100.0]), np.array([160.0, 180.0]))
    assert frame.ocd_px == pytest.approx(100)
    assert np.allclose(frame.from_px(np.array([[100.0, 100.0], [160.0, 180.0]])), [[-0.5, 0], [0.5, 0]])
    below = frame.from_px(np.array([130.0 - 8.0, 140.0 + 6.0]))
    assert np.allclose(below, [0, 0.1])


def test_coinciding_canthi_are_refused():
    with pytest.raises(InputError, match="two different points; check the landmarks"):
        EyeFrame.from_canthi(np.array([5.0, 5.0]), np.array([5.0, 5.0]))


def test_template_is_read_and_its_line_drawing_is_not(tmp_path):
    file = tmp_path / "a.tem"
    points = np.arange(378.0).reshape(189, 2)
    rows = "\n".join(f"{x}\t{y}" for x, y in points)
    file.write_text(f"189\n{rows}\n2\n0\n9\n2 3 4 5 6 7 8 9 2\n")
    assert np.array_equal(read_template(file), points)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a landmark template"),
        ("189\n1\t2\n", "template of 189 points; 189 finite points are needed"),
        ("2\n1\t2\n3\t4\n", "template of 2 points"),
        ("two\n", "starts with 189"),
        ("189\n" + "nan\t1\n" * 189, "189 finite points are needed"),
    ],
)
def test_what_is_no_template_is_refused(tmp_path, content, message):
    file = tmp_path / "a.tem"
    file.write_text(content)
    with pytest.raises(InputError, match=message):
        read_template(file)


def test_missing_template_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nobody.tem: no such template"):
        read_template(tmp_path / "nobody.tem")


def test_landmarks_of_another_layout_are_refused():
    with pytest.raises(InputError, match=r"landmarks of shape \(68, 2\); a template is \(189, 2\)"):
        anchors_from_template(np.zeros((68, 2)))


def test_regions_name_existing_points_and_mirror_onto_each_other(model):
    order = mirror_order(model.mean_shape)
    assert sorted(order) == list(range(189))
    assert np.array_equal(order[order], np.arange(189))
    for name, points in REGIONS.items():
        assert max(points) < 189
        if name.endswith("_left"):
            assert {int(order[p]) for p in points} == set(REGIONS[name.replace("_left", "_right")]), name
