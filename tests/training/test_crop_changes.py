"""What is done to crops while a network learns: each change does what it is called, and none but those asked for."""

from __future__ import annotations

import numpy as np
import pytest

from deciface.training.crop_changes import CropChanges, as_input, changed_crops
from deciface.training.planted_crops import FEATURE_NAMES, Shots

torch = pytest.importorskip("torch")
STILL = CropChanges(turn_deg=0, scale=0, shift_px=0, gamma=0, gain=0, light=0, blur=0, noise=0)


def shown(plan: CropChanges, *, count: int = 64, side: int = 48, inner: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Crops before and after, (n, 3, inner, inner); those that were mirrored are mirrored back."""
    rng = np.random.default_rng(4)
    base = rng.integers(0, 256, (count, 12, 12, 3)).astype(np.uint8).repeat(4, 1).repeat(4, 2)
    points = np.tile(np.array([20.0, 24.0], np.float32), (count, 189, 1))
    made = Shots(base, np.zeros((count, len(FEATURE_NAMES)), np.float32), points)
    crops, where = changed_crops(
        made, np.arange(count), np.random.default_rng(1), plan=plan, inner_px=inner, mirror=torch.arange(189)
    )
    margin = (side - inner) // 2
    before = as_input(base[:, margin:-margin, margin:-margin]).numpy()
    after = crops.numpy()
    flipped = where[:, 0, 0].numpy() > 18  # the point lies at 16 of 40, or mirrored at 23
    after[flipped] = after[flipped][..., ::-1]
    assert 0.2 < flipped.mean() < 0.8
    return before, after


def test_nothing_asked_for_changes_nothing_but_sides():
    before, after = shown(STILL)
    np.testing.assert_allclose(after, before.clip(1e-3, 1), atol=2e-3)


def test_coarse_crops_lose_detail_and_keep_their_mean():
    before, after = shown(CropChanges(**{**vars_of(STILL), "coarse": 1.0}))
    assert np.abs(np.diff(after, axis=3)).max() < np.abs(np.diff(before, axis=3)).max()
    np.testing.assert_allclose(after.mean((1, 2, 3)), before.mean((1, 2, 3)), atol=0.03)


def test_covered_crops_are_covered_in_part():
    before, after = shown(CropChanges(**{**vars_of(STILL), "covered": 0.5}))
    share = (np.abs(after - before.clip(1e-3, 1)).max(1) > 0.01).mean((1, 2))
    covered = share > 0.005
    assert 0.25 < covered.mean() < 0.75
    assert share[covered].min() > 0.01
    assert share.max() < 0.25


def test_grey_crops_have_one_luminance_and_warm_ones_three_gains():
    before, after = shown(CropChanges(**{**vars_of(STILL), "grey": 1.0}))
    np.testing.assert_allclose(after[:, 0], after[:, 2], atol=1e-6)
    luminance = (before.clip(1e-3, 1) * np.array([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)).sum(1)
    np.testing.assert_allclose(after[:, 1], luminance, atol=3e-3)
    before, after = shown(CropChanges(**{**vars_of(STILL), "warmth": 0.1}))
    dark = (before > 0.1) & (before < 0.6)
    gain = np.where(dark, after / before.clip(1e-3), np.nan)
    per_crop = np.nanstd(gain, axis=(2, 3))
    assert per_crop.max() < 0.03, "one gain a colour"
    assert 0.05 < np.nanmean(gain, axis=(2, 3)).std() < 0.2


def vars_of(plan: CropChanges) -> dict[str, float]:
    return {name: getattr(plan, name) for name in plan.__slots__}
