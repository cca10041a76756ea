from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter

import numpy as np
import pytest

from deciface.cases import CASE_TABLE_COLUMNS, SIMULATED
from deciface.errors import OptionError, StorageError
from deciface.photos import read_photo
from deciface.simulate import DISORDERS, FEATURES, CohortPlan, disorder, simulate_cohort

PLAN = CohortPlan(
    patients_per_disorder=2, unaffected=4, disorders=("SIM-01", "SIM-10"), photos=(1, 2), recorded=1.0, size_px=128
)


@pytest.fixture(scope="module")
def cohort(model, tmp_path_factory):
    seen = []
    made = simulate_cohort(
        model,
        tmp_path_factory.mktemp("c") / "cohort",
        plan=PLAN,
        seed=3,
        progress=lambda done, all_: seen.append((done, all_)),
    )
    assert seen == [(k + 1, made.photos) for k in range(made.photos)]
    return made


def rows(cohort):
    with cohort.cases.open(newline="") as file:
        return list(csv.DictReader(file))


def digest(folder):
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_table_has_one_row_per_photo_and_every_photo_is_there(cohort):
    table = rows(cohort)
    assert list(table[0]) == list(CASE_TABLE_COLUMNS)
    assert len(table) == cohort.photos
    assert {r["patient"] for r in table} == {
        r["patient"] for r in table if r["photo"].startswith(f"photos/{r['patient']}-")
    }
    assert len({r["patient"] for r in table}) == cohort.people == 8
    for row in table:
        assert read_photo(cohort.folder / row["photo"]).pixels.shape == (128, 128, 3)


def test_patients_have_their_disorders_terms_and_unaffected_people_none(cohort):
    for row in rows(cohort):
        present = {t for t in row["hpo"].split(";") if t and not t.startswith("!")}
        if row["unaffected"] == "yes":
            assert row["disorder"] == row["gene"] == ""
            assert not present
        else:
            affected_by = disorder(row["disorder"])
            assert row["disorder_name"] == affected_by.name
            assert present == {FEATURES[n].term(w) for n, w in affected_by.features.items()}
        excluded = {t.strip("!") for t in row["hpo"].split(";") if t.startswith("!")}
        assert not excluded & present
        assert 18 <= float(row["age_years"]) <= 60


def test_truth_tells_shams_from_plants_and_their_strains_are_alike(cohort):
    lines = [json.loads(line) for line in (cohort.folder / "truth.jsonl").read_text().splitlines()]
    assert [t["photo"] for t in lines] == [r["photo"] for r in rows(cohort)]
    for truth in lines:
        assert truth["notice"] == SIMULATED
        assert bool(truth["features_sd"]) == (truth["disorder"] is not None)
        assert (truth["strain"] > 0) != (truth["sham_strain"] > 0)
    planted = [t["strain"] for t in lines if t["strain"]]
    shams = [t["sham_strain"] for t in lines if t["sham_strain"]]
    assert 0.5 < np.mean(shams) / np.mean(planted) < 2


def test_manifest_says_simulated_and_counts(cohort):
    manifest = json.loads((cohort.folder / "manifest.json").read_text())
    assert manifest["notice"] == SIMULATED
    assert manifest["people"] == 8
    assert manifest["photos"] == cohort.photos
    assert manifest["patients_by_disorder"] == {"SIM-01": 2, "SIM-10": 2}
    assert manifest["people_by_ancestry"] == {"east_asian": 4, "white": 4}
    assert manifest["sha256"]["cases.csv"] == hashlib.sha256(cohort.cases.read_bytes()).hexdigest()


def test_ancestries_are_balanced_within_every_disorder(cohort):
    people = {(r["patient"], r["disorder"], r["ancestry"]) for r in rows(cohort)}
    count = Counter((d, a) for _, d, a in people)
    assert set(count.values()) == {1, 2}
    assert {count[d, a] for d in ("SIM-01", "SIM-10") for a in PLAN.ancestries} == {1}


def test_seed_decides_whatever_the_number_of_processes(model, cohort, tmp_path):
    again = simulate_cohort(model, tmp_path / "two", plan=PLAN, seed=3, workers=2)
    assert digest(again.folder) == digest(cohort.folder)
    other = simulate_cohort(model, tmp_path / "other", plan=PLAN, seed=4)
    assert digest(other.folder) != digest(cohort.folder)


def test_severity_zero_is_a_negative_control(model, tmp_path):
    plan = CohortPlan(
        patients_per_disorder=1, unaffected=1, disorders=("SIM-02",), severity_sd=0, photos=(1, 1), size_px=128
    )
    made = simulate_cohort(model, tmp_path / "zero", plan=plan, seed=1)
    for line in (made.folder / "truth.jsonl").read_text().splitlines():
        truth = json.loads(line)
        assert truth["features_sd"] == {}
        assert truth["landmarks_before"] == truth["landmarks_after"]


def test_incomplete_penetrance_leaves_every_patient_something(model, tmp_path):
    plan = CohortPlan(
        patients_per_disorder=12, unaffected=0, disorders=("SIM-03",), penetrance=0.4, photos=(1, 1), size_px=128
    )
    made = simulate_cohort(model, tmp_path / "p", plan=plan, seed=1)
    counts = [len(json.loads(line)["features_sd"]) for line in (made.folder / "truth.jsonl").read_text().splitlines()]
    assert min(counts) >= 1
    assert max(counts) <= 3
    assert np.mean(counts) < 2.6


def test_a_folder_with_something_in_it_is_left_alone(model, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OptionError, match="not an empty folder; a cohort needs one of its own"):
        simulate_cohort(model, tmp_path, plan=PLAN, seed=1)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_interrupted_work_leaves_nothing_behind(model, tmp_path):
    def stop(done, _):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_cohort(model, tmp_path / "c", plan=PLAN, seed=1, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_parent_that_is_a_file_is_a_storage_error(model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        simulate_cohort(model, tmp_path / "file" / "c", plan=PLAN, seed=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"disorders": ("SIM-99",)}, "disorder 'SIM-99'; simulated are SIM-01 to"),
        ({"severity_sd": 3.9}, "severity 3.9: allowed are 0 to 3.333 SD, so that with a spread of 20 %"),
        ({"severity_sd": -5.0}, "severity -5: allowed are 0 to 3.333 SD"),
        ({"severity_sd": float("nan")}, "severity nan: allowed are 0 to 3.333 SD"),
        ({"severity_spread": 2.0}, "severity spread 2: allowed are 0 to 1"),
        ({"severity_spread": 0.0, "severity_sd": 4.1}, "severity 4.1: allowed are 0 to 4 SD"),
        ({"photos": (3, 1)}, "photos 3 to 1: allowed are 1 to 20 a person"),
        ({"patients_per_disorder": -1}, "patients -1: must be 0 or more"),
        ({"patients_per_disorder": 0, "unaffected": 0}, "patients 0 of 10 disorders, unaffected 0: there is nobody"),
        ({"ages_years": (2, 12)}, "ages 2 to 12 years: allowed are 18 to 60"),
        ({"penetrance": 0.0}, "penetrance 0: a probability above 0"),
        ({"recorded": 1.5}, "recorded 1.5: a probability of 0 to 1"),
    ],
)
def test_impossible_plans_are_refused_by_option_and_value(change, message):
    with pytest.raises(OptionError, match=message) as refused:
        CohortPlan(**change)
    assert len(str(refused.value)) < 140


def test_a_killed_run_leaves_a_folder_that_the_next_one_of_that_name_removes(model, tmp_path):
    left = tmp_path / ".c.partial" / "photos"
    left.mkdir(parents=True)
    (left / "SIM-P0001-1.jpg").write_bytes(b"cut off")
    simulate_cohort(model, tmp_path / "c", plan=PLAN, seed=1)
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_unknown_ancestry_is_refused_before_any_work(model, tmp_path):
    with pytest.raises(OptionError, match="ancestry 'elf'; this appearance model knows"):
        simulate_cohort(model, tmp_path / "c", plan=CohortPlan(ancestries=("elf",)), seed=1)
    assert list(tmp_path.iterdir()) == []


def test_disorders_are_distinct_and_named_as_simulated():
    assert len(DISORDERS) >= 10
    assert len({tuple(sorted(d.features.items())) for d in DISORDERS}) == len(DISORDERS)
    for number, one in enumerate(DISORDERS, start=1):
        assert one.id == f"SIM-{number:02d}"
        assert one.name == f"{one.id} (simulated)"
        assert len(one.features) == 3
        assert all(w > 0 or FEATURES[n].opposite_hpo for n, w in one.features.items())
