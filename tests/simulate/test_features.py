from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from deciface.errors import OptionError
from deciface.simulate import FEATURES, hpo_terms
from deciface.simulate.features import check_features, measures, velocity
from deciface.simulate.template import anchors_from_template
from deciface.simulate.warp import flow

SIGNED = [(n, s) for n, f in FEATURES.items() for s in ((1, -1) if f.opposite_hpo else (1,))]


def shift(model, features):
    """How far a plant moves each landmark, and each measure in its own SD."""
    before = model.mean_shape
    after = flow(before, velocity(features, anchors_from_template(before)))
    old, new = measures(before), measures(after)
    return after - before, {k: (new[k] - old[k]) / FEATURES[k].sd for k in old}


@pytest.mark.parametrize(
    ("name", "sign"), [s for s in SIGNED if s[0] in measures(np.random.default_rng(0).random((189, 2)))]
)
def test_one_sd_planted_changes_its_own_measure_by_one_sd(model, name, sign):
    _, change = shift(model, {name: sign})
    assert change[name] == pytest.approx(sign, abs=0.15)
    assert shift(model, {name: 2 * sign})[1][name] == pytest.approx(2 * sign, abs=0.4)


def test_nothing_planted_moves_nothing(model):
    moved, change = shift(model, {"hypertelorism": 0.0, "tall_chin": 0.0})
    assert np.abs(moved).max() == 0
    assert all(v == 0 for v in change.values())


def test_hypertelorism_moves_the_whole_eyes_and_telecanthus_only_the_inner_canthi(model):
    apart, _ = shift(model, {"hypertelorism": 2})
    inner, _ = shift(model, {"telecanthus": 2})
    for moved in (apart, inner):  # inner canthi go outward by 1 SD each way in both
        assert moved[23, 0] == pytest.approx(0.022, rel=0.15)
        assert moved[22, 0] == pytest.approx(-0.022, rel=0.15)
    assert moved_pupil(apart) == pytest.approx(0.022, rel=0.15)
    assert moved_pupil(inner) < 0.004
    assert apart[27, 0] == pytest.approx(0.022, rel=0.15)
    assert abs(inner[27, 0]) < 0.0005
    assert FEATURES["hypertelorism"].hpo != FEATURES["telecanthus"].hpo


def moved_pupil(moved):
    return (moved[1, 0] - moved[0, 0]) / 2


def test_upslant_lifts_outer_canthi_and_downslant_lowers_them(model):
    up, _ = shift(model, {"upslanted_fissures": 2})
    down, _ = shift(model, {"upslanted_fissures": -2})
    assert up[18, 1] < -0.01
    assert up[27, 1] < -0.01
    assert down[18, 1] > 0.01
    assert down[27, 1] > 0.01


def test_features_leave_far_landmarks_alone(model):
    moved, _ = shift(model, {"hypertelorism": 3, "upslanted_fissures": -3, "epicanthus": 3})
    assert np.abs(moved[[87, 93, 106, 129, 55]]).max() < 0.002
    moved, _ = shift(model, {"wide_mouth": 3, "tall_chin": -3, "thick_lower_lip": 3})
    assert np.abs(moved[[18, 22, 23, 27, 0, 1, 73, 79]]).max() < 0.002


def test_terms_follow_the_sign_and_keep_one_order():
    planted = {"tall_chin": -2.0, "hypertelorism": 1.0, "long_philtrum": 0.0}
    assert hpo_terms(planted) == ("HP:0000316", "HP:0000347")
    assert check_features(planted) == {"hypertelorism": 1.0, "tall_chin": -2.0}


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"big_eyes": 1}, "feature 'big_eyes'; known are hypertelorism"),
        ({"wide_nose": 4.5}, "wide_nose of 4.5 SD; between -4 and 4 is allowed"),
        ({"wide_nose": float("nan")}, "wide_nose of nan SD"),
        ({"epicanthus": -1}, "epicanthus of -1 SD; there is no opposite"),
    ],
)
def test_amounts_that_cannot_be_planted_are_refused(features, message):
    with pytest.raises(OptionError, match=message):
        check_features(features)


def test_every_term_has_an_id_and_ids_are_never_shared():
    ids = [i for f in FEATURES.values() for i in (f.hpo, f.opposite_hpo) if i]
    assert len(ids) == len(set(ids))
    assert all(i.startswith("HP:") and len(i) == 10 for i in ids)
    assert all(bool(f.opposite_hpo) == bool(f.opposite_label) for f in FEATURES.values())


def test_labels_are_those_of_published_phenopackets(shared_data):
    labels = {}
    with gzip.open(shared_data / "phenotype" / "phenopackets_dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            for seen in json.loads(line).get("phenotypicFeatures", []):
                labels[seen["type"]["id"]] = seen["type"]["label"]
    ours = {i: n for f in FEATURES.values() for i, n in ((f.hpo, f.label), (f.opposite_hpo, f.opposite_label)) if i}
    common = ours.keys() & labels.keys()
    assert len(common) >= 15
    assert {i: ours[i] for i in common} == {i: labels[i] for i in common}
