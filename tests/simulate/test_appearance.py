from __future__ import annotations

import hashlib
import io
import json
from importlib import resources

import numpy as np
import pytest
import yaml

from deciface.cases import Sex
from deciface.errors import ModelError, OptionError, StorageError
from deciface.simulate import AppearanceModel

DATA = resources.files("deciface.simulate") / "data"
STORED = {
    "about",
    "mean_shape",
    *(
        f"{k}_{v}"
        for k in ("shape", "luma", "chroma")
        for v in ("components", "step", "effects", "effect_step", "effect_centre", "spread")
    ),
}


def test_shipped_model_is_small_and_its_card_is_its_own():
    packed = (DATA / "appearance.npz").read_bytes()
    card = yaml.safe_load((DATA / "appearance.card.yaml").read_text(encoding="utf-8"))
    assert len(packed) <= 3_000_000
    assert card["sha256"] == hashlib.sha256(packed).hexdigest()
    assert card["size_bytes"] == len(packed)
    assert card["licence"] == "CC BY 4.0"
    assert "DeBruine" in card["training_data"]
    assert "changed" in card["training_data"]
    assert card["made_by"].startswith("deciface simulate fit")
    assert card["training_people"]["total"] == 102
    assert card["training_people"]["smallest_group"] >= 5


def test_nothing_of_a_single_person_is_in_the_file(model):
    with np.load(io.BytesIO(model.packed), allow_pickle=False) as stored:
        assert set(stored.files) == STORED
        people = json.loads(stored["about"].tobytes())["people"]
        ancestries = len(people)
        assert min(people.values()) >= 5
        for kind in ("shape", "luma", "chroma"):
            components, effects = stored[f"{kind}_components"], stored[f"{kind}_effects"]
            # effects: one row per ancestry, one of sex, one of age: no mean of a sex within an ancestry
            assert len(effects) == ancestries + 2
            # far fewer components than people, so nobody can be solved for; no array has a row per person
            assert len(components) <= 51
            assert stored[f"{kind}_spread"].shape == (ancestries, len(components))
        assert all(102 not in stored[name].shape and 204 not in stored[name].shape for name in stored.files)


def test_saved_and_loaded_is_the_same_model(model, tmp_path):
    model.save(tmp_path / "m.npz")
    again = AppearanceModel.load(tmp_path / "m.npz")
    assert again.sha256 == model.sha256
    rng = np.random.default_rng(3)
    identity = model.identity(rng, ancestry="white", sex=Sex.MALE, age_years=40)
    assert np.array_equal(again.texture(identity)[0], model.texture(identity)[0])
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]


def test_landmarks_stand_in_the_eye_frame(model):
    for seed in range(8):
        identity = model.identity(np.random.default_rng(seed), ancestry="black", sex=Sex.FEMALE, age_years=30)
        points = model.landmarks(identity)
        assert np.allclose(points[[18, 27]], [[-0.5, 0], [0.5, 0]], atol=1e-9)
        assert points[129, 1] > points[106, 1] > points[90, 1] > points[55, 1] > 0.2


def test_groups_differ_in_tone_and_stay_apart(model):
    """No sample of the darkest group is lighter than the mean of the lightest, and the other way round."""
    cheek = (slice(150, 180), slice(60, 80))

    def tones(ancestry):
        rng = np.random.default_rng(1)
        people = [model.identity(rng, ancestry=ancestry, sex=Sex.FEMALE, age_years=30) for _ in range(25)]
        return np.array([model.texture(p)[0][cheek].mean() for p in people])

    assert tones("black").max() < tones("white").mean()
    assert tones("white").min() > tones("black").mean()


def test_unknown_group_is_refused_by_name(model):
    with pytest.raises(OptionError, match="this appearance model knows black, east_asian, west_asian, white"):
        model.identity(np.random.default_rng(0), ancestry="elf", sex=Sex.MALE, age_years=30)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 broken"])
def test_what_is_no_model_is_refused(tmp_path, content):
    file = tmp_path / "m.npz"
    file.write_bytes(content)
    with pytest.raises(ModelError, match="not an appearance model of format deciface-appearance-1"):
        AppearanceModel.load(file)


def test_truncated_model_and_foreign_npz_are_refused(model, tmp_path):
    (tmp_path / "half.npz").write_bytes(model.packed[: len(model.packed) // 2])
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    for name in ("half.npz", "other.npz"):
        with pytest.raises(ModelError, match="not an appearance model"):
            AppearanceModel.load(tmp_path / name)


def test_missing_model_and_folder_are_named(model, tmp_path):
    with pytest.raises(ModelError, match="no appearance model there; make one with"):
        AppearanceModel.load(tmp_path / "m.npz")
    with pytest.raises(StorageError, match="cannot be written"):
        model.save(tmp_path / "nowhere" / "m.npz")
