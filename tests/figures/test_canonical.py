"""The drawing of a difference of shapes: outlines of both, arrows where told."""

from __future__ import annotations

import re

import numpy as np

from deciface.faces.canonical import canonical_points
from deciface.faces.landmarks import FACE_POINTS, row_of
from deciface.figures.canonical import OUTLINES, shape_difference


def drawn(**options):
    moved = np.array(canonical_points())
    moved[row_of("gnathion")] += (0.0, 0.05)
    return shape_difference(canonical_points(), moved, name="d", names=("all <b>", "some"), **options)


def test_every_outline_is_of_face_points():
    assert {i for line in OUTLINES for i in line} <= set(FACE_POINTS)


def test_arrows_are_where_told_and_lengths_are_magnified():
    told = np.zeros(len(FACE_POINTS), bool)
    told[row_of("gnathion")] = True
    svg = drawn(told=told, magnified=3)
    assert svg.count("<polygon") == 1
    assert "gnathion: 5.0 % of the outer canthal distance" in svg
    assert "all &lt;b&gt;" in svg
    assert "some, difference drawn 3 times as large" in svg
    assert "1 of 88 named points have an arrow" in svg
    (line,) = re.findall(r'<g><line x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)"', svg)
    x1, y1, x2, y2 = map(float, line)
    assert (x2 - x1, y2 - y1) == (0.0, np.float64(30.0).round(1)), ".05 outer-canthal distances of 200 px, three times"


def test_nothing_told_has_no_arrow():
    svg = drawn(told=np.zeros(len(FACE_POINTS), bool))
    assert "<polygon" not in svg
    assert "0 of 88 named points" in svg
