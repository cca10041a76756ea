"""The map finds the one region that an encoder looks at, and says nothing when it looks nowhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.errors import MismatchError, NothingFoundError, OptionError
from deciface.explain import OUTLINES, Contrast, blend, mean_face, occlusion_map
from deciface.explain.occlusion import patches
from tests.explain.worlds import SIDE, crops, looking_at, looking_nowhere, regions


def shown(encode, where, *, seed=1, shift=60.0):
    rng = np.random.default_rng(seed)
    controls, patients = crops(rng, 20), crops(rng, 10, where=where, shift=shift)
    contrast = Contrast.between(encode(patients), encode(controls))
    query = crops(rng, 1, where=where, shift=shift)[0]
    return occlusion_map(encode, query, filling=mean_face(controls), contrast=contrast, regions=regions())


@pytest.mark.parametrize("where", list(OUTLINES))
def test_the_region_that_is_looked_at_is_found(where):
    found = shown(looking_at(where), where)
    mask = regions().masks[regions().names.index(where)]
    x, y = found.peak_px
    near = np.argwhere(mask > 0.5)
    assert np.hypot(*(near - [y, x]).T).min() <= 10, "the peak is in the region or within half a patch"
    assert max(found.regions, key=found.regions.get) == where
    assert found.regions[where] > 0
    weights = np.abs(found.heat)
    assert (weights * (mask > 0.05)).sum() / weights.sum() > 1.5 * (mask > 0.05).mean()


def test_what_is_unlike_the_disorder_is_below_zero():
    encode, rng = looking_at("mouth"), np.random.default_rng(2)
    controls, patients = crops(rng, 20), crops(rng, 10, where="mouth", shift=60)
    contrast = Contrast.between(encode(patients), encode(controls))
    query = crops(rng, 1, where="mouth", shift=-60)[0]
    found = occlusion_map(encode, query, filling=mean_face(controls), contrast=contrast, regions=regions())
    assert min(found.regions, key=found.regions.get) == "mouth"
    assert found.heat.min() < 0
    assert abs(found.heat.min()) > 10 * abs(found.heat.max())
    assert found.contrast < 0


def test_an_encoder_that_looks_nowhere_gives_a_flat_map():
    found = shown(looking_nowhere, "nose")
    assert np.all(found.heat == 0)
    assert set(found.regions.values()) == {0.0}


def test_everything_is_encoded_in_one_batch():
    batches = []

    def encode(batch):
        batches.append(len(batch))
        return looking_at("eyes")(batch)

    contrast = Contrast(np.eye(7)[0], np.eye(7)[1])
    face = crops(np.random.default_rng(0), 1)[0]
    found = occlusion_map(encode, face, filling=face, contrast=contrast, regions=regions(), grid=9, patch=0.2)
    assert batches == [1 + 81 + 10]
    assert found.patches == 81
    assert np.all(found.heat == 0), "a face covered by itself stays the same"


@settings(max_examples=25, deadline=None)
@given(st.integers(4, 15), st.sampled_from((90, 112)), st.integers(60, 130))
def test_patches_reach_every_pixel(grid, height, width):
    covers = patches(height, width, grid=grid, patch=min(0.5, 1.6 / grid * max(height, width) / min(height, width)))
    assert covers.shape == (grid * grid, height, width)
    assert covers.sum(axis=0).min() > 0.001


def test_refusals():
    face, contrast = np.zeros((SIDE, SIDE, 3), np.uint8), Contrast(np.eye(2)[0], np.eye(2)[1])
    with pytest.raises(OptionError, match=r"^grid 1, patch 0\.2; a grid of 2 to 64 and a patch of 0\.02 to 0\.5"):
        occlusion_map(looking_nowhere, face, filling=face, contrast=contrast, grid=1, patch=0.2)
    with pytest.raises(OptionError, match=r"^a grid of 4 with patches of 0\.05 leaves gaps; choose a finer grid"):
        occlusion_map(looking_nowhere, face, filling=face, contrast=contrast, grid=4, patch=0.05)
    with pytest.raises(MismatchError, match=r"^crops of \(112, 112, 3\) and \(150, 150, 3\), masks of \(150, 150\)"):
        occlusion_map(looking_nowhere, np.zeros((150, 150, 3), np.uint8), filling=face, contrast=contrast)
    with pytest.raises(NothingFoundError, match=r"^0 patients against 3 controls; at least one of each is needed"):
        Contrast.between(np.zeros((0, 4), np.float32), np.ones((3, 4), np.float32))
    with pytest.raises(NothingFoundError, match=r"^no crops to take the mean face of"):
        mean_face(np.zeros((0, 4, 4, 3), np.uint8))


def test_a_composite_is_the_one_outside_and_the_other_inside():
    inside, outside = np.full((8, 8, 3), 200, np.uint8), np.full((8, 8, 3), 10, np.uint8)
    masks = np.zeros((3, 8, 8))
    masks[0, 2:4, 2:4], masks[2] = 1, 0.5
    made = blend(inside, outside, masks)
    assert np.all(made[0, 2:4, 2:4] == 200)
    assert made[0].sum() == 4 * 3 * 200 + 60 * 3 * 10
    assert np.array_equal(made[1], outside)
    assert np.all(made[2] == 105)
