from __future__ import annotations

import numpy as np
import pytest
import yaml

from deciface.cases import Sex
from deciface.errors import InputError, TableError
from deciface.photos import write_photo
from deciface.simulate import FRONTAL, PersonGroup, fit, simulate_face
from deciface.simulate.training_set import read_training_set, write_card

GROUPS = (
    [("black", Sex.MALE)] * 6
    + [("white", Sex.FEMALE)] * 12
    + [("white", Sex.MALE)] * 4
    + [("east_asian", Sex.MALE)] * 4
)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """Simulated photos with their true templates, as a training set of 26 people; east_asian has only 4."""
    root = tmp_path_factory.mktemp("training")
    rows = ["photo,ancestry,sex,age_years"]
    for k, (ancestry, sex) in enumerate(GROUPS):
        face = simulate_face(model, 50 + k, sex=sex, ancestry=ancestry, age_years=20 + k, nuisance=FRONTAL, size_px=320)
        write_photo(face.pixels, root / f"p{k:02d}.jpg")
        points = "\n".join(f"{x:.3f}\t{y:.3f}" for x, y in face.landmarks_px)
        (root / f"p{k:02d}.tem").write_text(f"189\n{points}\n0\n")
        rows.append(f"p{k:02d},{ancestry},{sex},{20 + k if k else 'NA'}")
    (root / "people.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def fitted(folder):
    training = read_training_set(folder, folder / "people.csv")
    return training, fit(training.photos, training.templates, training.groups, source="simulated, for a test")


def test_small_groups_get_no_mean_and_components_stay_below_half_the_people(fitted):
    _, learnt = fitted
    assert learnt.ancestries == ("black", "white")
    assert learnt.people == {"black": 6, "white": 16}
    assert len(learnt.luma.components) == len(learnt.shape.components) == 11


def test_group_means_are_learnt(fitted):
    """The tone of each group's cheeks comes back, so does the mean shape."""
    _, learnt = fitted
    cheek = (slice(150, 180), slice(60, 80))
    tone = {}
    for ancestry in learnt.ancestries:
        rng = np.random.default_rng(0)
        people = [learnt.identity(rng, ancestry=ancestry, sex=Sex.MALE, age_years=30) for _ in range(10)]
        tone[ancestry] = np.mean([learnt.texture(p)[0][cheek].mean() for p in people])
    assert tone["black"] < tone["white"] - 30


def test_fit_is_deterministic(fitted):
    training, learnt = fitted
    again = fit(training.photos, training.templates, training.groups, source="simulated, for a test")
    assert again.sha256 == learnt.sha256


def test_card_states_size_groups_and_command(fitted, tmp_path):
    training, learnt = fitted
    write_card(learnt, tmp_path / "card.yaml", training=training, command="deciface simulate fit x")
    card = yaml.safe_load((tmp_path / "card.yaml").read_text())
    assert card["sha256"] == learnt.sha256
    assert card["made_by"] == "deciface simulate fit x"
    assert card["training_people"]["total"] == 26
    assert card["training_people"]["by_ancestry"] == {"black": 6, "white": 16}


def test_too_few_people_and_unequal_lists_are_refused(folder):
    training = read_training_set(folder, folder / "people.csv")
    with pytest.raises(InputError, match="6 people in ancestry groups of 5 or more; at least 20 are needed"):
        fit(training.photos[:6], training.templates[:6], training.groups[:6], source="x")
    with pytest.raises(InputError, match="26 photos, 25 templates, 26 groups; give one of each"):
        fit(training.photos, training.templates[1:], training.groups, source="x")


def test_a_photo_that_is_none_is_named(folder, tmp_path):
    training = read_training_set(folder, folder / "people.csv")
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no photo")
    with pytest.raises(InputError, match=r"bad.jpg: not a photo that can be read"):
        fit((bad, *training.photos[1:]), training.templates, training.groups, source="x")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("photo,ancestry,sex,age_years\np00,white,female,20\n", "nobody named 'p01'"),
        (
            "photo,ancestry,sex\np00,white,female\n",
            "column 'age_years': column missing; there are photo, ancestry, sex",
        ),
        ("photo,ancestry,sex,age_years\np00,white,fem,20\n", "row 2, column 'sex': 'fem'; female, male or unknown"),
        (
            "photo,ancestry,sex,age_years\np00,white,female,old\n",
            "row 2, column 'age_years': 'old'; years from 0 to 120",
        ),
    ],
)
def test_a_bad_table_is_named_by_cell(folder, tmp_path, table, message):
    file = tmp_path / "people.csv"
    file.write_text(table)
    with pytest.raises(TableError, match=message):
        read_training_set(folder, file)


def test_a_folder_without_templates_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match=r"no photo with a \.tem template beside it"):
        read_training_set(tmp_path, folder / "people.csv")


def test_people_of_two_groups_count_in_both():
    from deciface.simulate.fitting import _count, _groups_to_use

    groups = [PersonGroup("a")] * 10 + [PersonGroup("b")] * 10 + [PersonGroup("a/b"), PersonGroup("a/c")]
    names, keep = _groups_to_use(groups)
    assert names == ["a", "b"]
    assert len(keep) == 21
    assert dict(_count([groups[i] for i in keep], names)) == {"a": 11, "b": 11}
