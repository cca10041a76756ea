from __future__ import annotations

import numpy as np
import pytest

from deciface.errors import OptionError
from deciface.explain.regions import CANONICAL_POINTS, OUTLINES, canonical_to_crop, regions_of
from deciface.faces import TEMPLATES, Template, template
from deciface.faces.face import OUTER_CANTHI

EVERY = ("forehead", "brows", "eyes", "nasal bridge", "nose", "cheeks", "philtrum", "mouth", "chin and jaw", "ears")


def test_ten_regions_cover_the_face_of_every_template():
    assert tuple(OUTLINES) == EVERY
    for name, crop_template in TEMPLATES.items():
        found = regions_of(name)
        assert found.names == EVERY
        assert found.masks.shape == (10, crop_template.size_px, crop_template.size_px)
        assert found.masks.min() >= 0
        assert found.masks.max() <= 1 + 1e-9
        to_crop = canonical_to_crop(crop_template)
        for x, y in ((0.36, 0.0), (-0.36, 0.0), (0, 0.40), (0, 0.78), (0.5, 0.35), (0, 1.0), (0, -0.35)):
            column, row = np.rint(to_crop[:, :2] @ [x, y] + to_crop[:, 2]).astype(int)
            if 0 <= row < crop_template.size_px:
                assert found.masks[:, row, column].max() > 0.5, (name, x, y)


@pytest.mark.parametrize(
    ("region", "place"),
    [
        ("eyes", (0.36, 0.0)),
        ("mouth", (0, 0.75)),
        ("nose", (0, 0.4)),
        ("nasal bridge", (0, 0)),
        ("philtrum", (0, 0.57)),
    ],
)
def test_a_region_lies_where_its_name_says_and_nowhere_else(region, place):
    found, to_crop = regions_of("dlib-150"), canonical_to_crop(template("dlib-150"))
    x, y = np.rint(to_crop[:, :2] @ place + to_crop[:, 2]).astype(int)
    assert found.names[int(np.argmax(found.masks[:, y, x]))] == region
    assert found.masks[found.names.index(region), y, x] > 0.9


def test_regions_are_symmetric_and_their_centres_lie_inside():
    found = regions_of("dlib-150")
    middle = canonical_to_crop(template("dlib-150"))[0, 2]
    for mask, (x, y) in zip(found.masks, found.centres_px.astype(int), strict=True):
        assert mask[y, x] > 0.9
        mirrored = [
            mask[row, round(2 * middle - column)] for row, column in np.argwhere(mask > 0.95) if column > middle
        ]
        assert np.mean(mirrored) > 0.9


def test_the_unit_is_the_distance_of_the_outer_canthi():
    targets = np.array(template("dlib-150").targets_px)
    assert regions_of("dlib-150").unit_px == pytest.approx(targets[3, 0] - targets[0, 0], rel=0.02)
    left, right = (CANONICAL_POINTS[i] for i in OUTER_CANTHI)
    assert np.hypot(right[0] - left[0], right[1] - left[1]) == pytest.approx(1)


def test_a_template_of_unknown_mesh_points_is_refused():
    strange = Template("strange-90", 90, ((33,), (263,), (9,)), ((30, 40), (60, 40), (45, 20)))
    with pytest.raises(
        OptionError, match=r"^template 'strange-90' names mesh point 9; canonical places are known of 1,"
    ):
        canonical_to_crop(strange)
    with pytest.raises(OptionError, match="alignment 'dlib-151' is not known"):
        regions_of("dlib-151")
