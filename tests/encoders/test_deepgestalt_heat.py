"""Heatmaps carried back onto the face: the right place, the right weight, and a planted truth."""

from __future__ import annotations

import numpy as np
import pytest

from deciface.encoders.deepgestalt import Label
from deciface.encoders.deepgestalt_heat import Heatmaps, heatmaps
from deciface.encoders.deepgestalt_model import DeepGestalt
from deciface.errors import MismatchError, OptionError
from deciface.faces.region_crops import Region, RegionCrops
from tests.encoders.deepgestalts import REGIONS, model_bytes, some_crops

SIDES = (50, 25, 13, 7, 7)
FACE = np.array([[1.56, 0, 50.0], [0, 1.56, 60.0]])
MOUTH = np.array([[0.74, 0, 90.0], [0, 0.56, 140.0]])


def planted(at, scores=(1.0,), matrices=(FACE,)):
    """Maps that are lit at one place (x, y) of the crop, in the first region only."""
    maps = []
    for side, step in zip(SIDES, (2, 4, 8, 16, 16), strict=True):
        heat = np.zeros((len(scores), side, side))
        heat[0, at[1] // step, at[0] // step] = 3.0
        maps.append(heat)
    names = (Region.FACE, Region.MOUTH)[: len(scores)]
    return Heatmaps(Label("a", "A"), names, np.array(scores), tuple(maps), np.stack(matrices))


@pytest.mark.parametrize("pooling", [1, 2, 3, 4, 5])
def test_a_lit_place_of_a_crop_is_lit_at_its_place_on_the_face(pooling):
    heat = planted((70, 20)).on_face(pooling)
    assert heat.shape == (256, 256)
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    step = 2 ** min(pooling, 4)
    assert np.abs(np.array([x, y]) - FACE @ [70, 20, 1]).max() <= 1.56 * step / 2 + 1.5
    assert heat.max() == pytest.approx(1, abs=0.2)


def test_the_map_of_a_crop_has_its_size_and_a_largest_value_of_one():
    heat = planted((70, 20)).on_crop(Region.FACE, 1)
    assert heat.shape == (100, 100)
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert abs(x - 70.5) <= 1
    assert abs(y - 20.5) <= 1


def test_regions_count_by_their_scores_and_only_where_they_were_cut():
    both = planted((50, 70), scores=(0.6, 0.2), matrices=(FACE, MOUTH)).on_face(4)
    alone = planted((50, 70)).on_face(4)
    inside_mouth = (180, 120)
    assert both[inside_mouth] == pytest.approx(0.75 * alone[inside_mouth])
    assert both[100, 100] == pytest.approx(alone[100, 100])
    assert both[10, 10] == 0  # no region there


@pytest.mark.parametrize("pooling", [1, 2, 3, 4, 5])
def test_the_edge_of_a_crop_does_not_outshine_what_is_inside(pooling):
    heat = planted((50, 50))
    lit = heat.maps[pooling - 1][0]
    lit[[0, -1]] = lit[:, [0, -1]] = 30.0  # ten times the place inside: what zeros beyond the edge do
    assert np.array_equal(heat.on_crop(Region.FACE, pooling), planted((50, 50)).on_crop(Region.FACE, pooling))
    assert np.array_equal(heat.on_face(pooling), planted((50, 50)).on_face(pooling))


def test_nothing_that_speaks_for_it_is_dark():
    nothing = Heatmaps(
        Label("a", "A"), (Region.FACE,), np.ones(1), tuple(np.zeros((1, s, s)) for s in SIDES), FACE[None]
    )
    assert not nothing.on_face(3).any()
    assert not nothing.on_crop(Region.FACE, 3).any()


def test_maps_of_a_model_are_never_negative_and_name_what_they_are_of():
    crops = RegionCrops(REGIONS, some_crops(1)[0], np.stack([FACE, MOUTH]))
    found = heatmaps(DeepGestalt(model_bytes()), crops, "OMIM:3")
    assert found.label.name == "third"
    assert all((one >= 0).all() for one in found.maps)
    assert np.allclose(found.scores, DeepGestalt(model_bytes()).scores(some_crops(1))[0, :, 2])


def test_other_regions_layers_and_crops_are_refused():
    with pytest.raises(OptionError, match="region 'nose'; the model looked at face"):
        planted((5, 5)).on_crop(Region.NOSE, 1)
    with pytest.raises(OptionError, match="pooling layer 6; there are 1 to 5"):
        planted((5, 5)).on_face(6)
    crops = RegionCrops((Region.MOUTH, Region.FACE), some_crops(1)[0], np.stack([MOUTH, FACE]))
    with pytest.raises(MismatchError, match="regions mouth, face were cut, the model looks at face, mouth"):
        heatmaps(DeepGestalt(model_bytes()), crops, "OMIM:3")
