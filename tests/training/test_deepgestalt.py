"""Training: what is there is learnt, what is not is not, nobody is tested by what saw them, a run can be resumed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from deciface.cases import Patient, Photo
from deciface.encoders.deepgestalt import ModelKind, aggregate, build_deepgestalt, channels_of_width
from deciface.errors import InputError, MismatchError, OptionError
from deciface.faces.region_crops import Region
from deciface.training.deepgestalt import RegionTask, augmented, predict
from deciface.training.deepgestalt_folds import (
    EVERYBODY,
    TrainingMaterial,
    TrainingPlan,
    cross_validate,
    divide,
    parts_of,
    train_on_everybody,
    usual_epochs,
)
from deciface.training.deepgestalt_labels import REST, Label, Labelled
from deciface.training.deepgestalt_measures import measure
from deciface.training.photos import TrainingPhotos, refuse_shared_pixels

REGIONS = (Region.FACE, Region.MOUTH)
PLAN = TrainingPlan(REGIONS, folds=3, epochs=6, batch=8, channels=channels_of_width(1 / 16), learning_rate=4e-3, seed=3)


def drawn(classes=2, patients=36, photos=2, seed=0, signal=True):
    """Photos of stripes: upright in one class, level in the other where there is a signal; patients differ anyhow."""
    rng, (y, x) = np.random.default_rng(seed), np.indices((100, 100))
    own = np.arange(patients) % classes
    crops = []
    for patient in range(patients):
        turned = own[patient] if signal else rng.integers(classes)
        pitch = rng.uniform(9, 14)
        for _ in range(photos):
            across = (x, y, x + y)[turned]
            wave = 128 + 70 * np.sin(2 * np.pi * across / pitch + rng.uniform(0, 6)) + rng.normal(0, 15, (2, 100, 100))
            crops.append(np.clip(wave, 0, 255).astype(np.uint8))
    names = tuple(f"P{k:02d}" for k in range(patients) for _ in range(photos))
    return TrainingMaterial(np.stack(crops), np.repeat(own, photos), names, "drawn")


def test_nobody_is_tested_by_what_saw_them_and_every_class_is_learnt_from():
    material = drawn(classes=3, patients=17)
    fold_of = divide(material, replace(PLAN, folds=4))
    for fold in range(4):
        tested, learning, held_out = parts_of(fold_of, fold, 4)
        people = [{material.patients[i] for i in rows} for rows in (tested, learning, held_out)]
        assert sum(map(len, people)) == 17
        assert set(material.class_of[learning]) == {0, 1, 2}


def test_a_class_that_would_have_nobody_to_learn_from_is_refused():
    material = drawn(classes=2, patients=8)
    few = replace(material, class_of=np.array([0] * 12 + [1] * 4))
    with pytest.raises(InputError, match=r"fold [123] of 3: class 1 would have nobody to learn from; give fewer folds"):
        divide(few, PLAN)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"folds": 2}, "2 folds; at least 3 are needed, to learn from, to stop by and to test on"),
        ({"batch": 1}, "batch 1, patience 15; at least 2 photos and 1 epoch are needed"),
    ],
)
def test_impossible_plans_are_refused(change, message):
    with pytest.raises(OptionError, match=message):
        replace(PLAN, **change)


def test_crops_are_changed_and_stay_what_they_are():
    torch = pytest.importorskip("torch")
    x = torch.zeros(64, 2, 100, 100)
    x[:, :, 30:36, 20:26] = 1.0
    y = augmented(x, np.random.default_rng(0)).numpy()
    assert y.shape == tuple(x.shape)
    places = []
    for crop in y.reshape(-1, 100, 100):
        row, column = np.unravel_index(crop.argmax(), crop.shape)
        places.append((row, min(column, 99 - column)))
        assert abs(row - 32.5) < 9
        assert min(abs(column - 22.5), abs(column - 76.5)) < 9
    assert len(set(places)) > 20
    mirrored = [crop.argmax() % 100 > 50 for crop in y.reshape(-1, 100, 100)]
    assert 0.3 < np.mean(mirrored) < 0.7
    assert np.array_equal(y, augmented(x, np.random.default_rng(0)).numpy())


def task_of(material, learning, held_out=()):
    network = build_deepgestalt(REGIONS, material.classes, channels=PLAN.channels)
    rows = np.array(learning, np.intp), np.array(held_out, np.intp)
    return RegionTask(network, material.crops, material.class_of, *rows, 8)


def test_the_score_is_the_log_loss_every_class_counting_the_same():
    pytest.importorskip("torch")
    material = drawn(patients=6)
    task = task_of(material, range(6), range(6, 11))
    scores = aggregate(predict(task.network, material.crops[6:11]))
    own = material.class_of[6:11]
    log = np.log(scores[np.arange(5), own])
    assert task.measure()["score"] == pytest.approx(np.mean([log[own == 0].mean(), log[own == 1].mean()]), abs=1e-5)


def test_the_loss_of_the_regions_is_the_sum_of_their_own():
    torch = pytest.importorskip("torch")
    material = drawn(patients=6)
    task = task_of(material, range(12))
    task.network.eval()
    rows = np.arange(12)
    crops = augmented((torch.from_numpy(material.crops).float() / 255 - 0.5) / 0.5, np.random.default_rng(5))
    with torch.no_grad():
        found = float(task.loss(rows, np.random.default_rng(5)))
        logits, target = task.network(crops), torch.from_numpy(material.class_of)
        wanted = sum(float(torch.nn.functional.cross_entropy(logits[:, region], target)) for region in range(2))
    assert found == pytest.approx(wanted, rel=1e-5)


def test_ancestries_are_learnt_from_equally_often_where_asked():
    pytest.importorskip("torch")
    material = drawn(patients=12)
    many = task_of(material, range(24))
    groups = tuple(["A"] * 18 + ["B"] * 6)
    rows = np.concatenate(list(replace(many, groups=groups).batches(np.random.default_rng(0))))
    assert sorted(np.concatenate(list(many.batches(np.random.default_rng(0))))) == list(range(24))
    assert sum(groups[row] == "B" for row in rows) == 12
    plan = replace(PLAN, epochs=1, balance_ancestry=True)
    known = replace(material, ancestries=groups)
    plain, balanced = (train_on_everybody(known, p, epochs=1) for p in (replace(plan, balance_ancestry=False), plan))
    assert plain.history[0].loss != balanced.history[0].loss


def labelled_of(material):
    labels = (REST, Label("D1", "one"))
    return Labelled(ModelKind.BINARY, labels, material.class_of, ("D1",))


def test_what_is_there_is_learnt():
    pytest.importorskip("torch")
    material = drawn()
    validated = cross_validate(material, PLAN)
    (name, everything), *alone = measure(material, labelled_of(material), validated, PLAN)
    assert (name, [region for region, _ in alone]) == ("all regions", ["face", "mouth"])
    assert everything.auc.value > 0.95
    assert everything.patients == 36
    assert len(validated.chosen_epochs) == 3
    assert 1 <= usual_epochs(validated) <= PLAN.epochs


def test_with_permuted_labels_nothing_is_found():
    """The same photos, labels shuffled over patients: AUC and top-1 at chance."""
    pytest.importorskip("torch")
    material = drawn(patients=48)
    rng = np.random.default_rng(2)
    own = rng.permutation(material.class_of[::2])
    null = replace(material, class_of=np.repeat(own, 2))
    found = measure(null, labelled_of(null), cross_validate(null, PLAN), PLAN)[0][1]
    low, high = found.auc.interval
    assert low <= 0.5 <= high
    assert found.accuracy.interval[0] <= 0.5


def test_a_run_that_was_interrupted_gives_the_same_model(tmp_path):
    torch = pytest.importorskip("torch")
    material, plan = drawn(patients=12), replace(PLAN, epochs=3)
    (tmp_path / "whole").mkdir()
    whole = cross_validate(material, plan, folder=tmp_path / "whole")
    kept = train_on_everybody(material, plan, epochs=2, folder=tmp_path / "whole")
    (tmp_path / "parts").mkdir()

    def stop(name, epoch):
        if (name, epoch.number) in {("fold 2", 2), (EVERYBODY, 1)}:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cross_validate(material, plan, folder=tmp_path / "parts", advance=stop)
    torch.manual_seed(77)  # what else a process may have drawn
    done = []
    resumed = cross_validate(material, plan, folder=tmp_path / "parts", advance=lambda *e: done.append(e))
    assert [(name, epoch.number) for name, epoch in done] == [
        ("fold 2", 3),
        ("fold 3", 1),
        ("fold 3", 2),
        ("fold 3", 3),
    ]
    assert np.array_equal(whole.scores, resumed.scores)
    with pytest.raises(KeyboardInterrupt):
        train_on_everybody(material, plan, epochs=2, folder=tmp_path / "parts", advance=stop)
    again = train_on_everybody(material, plan, epochs=2, folder=tmp_path / "parts")
    for name, values in kept.network.state_dict().items():
        assert torch.equal(values, again.network.state_dict()[name]), name


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    pytest.importorskip("torch")
    material, plan = drawn(patients=12), replace(PLAN, epochs=1)
    cross_validate(material, plan, folder=tmp_path)
    with pytest.raises(MismatchError, match="belongs to a run with other data or settings"):
        cross_validate(material, replace(plan, batch=6), folder=tmp_path)


def test_the_kept_model_learns_for_as_long_as_it_is_told():
    pytest.importorskip("torch")
    kept = train_on_everybody(drawn(patients=12), replace(PLAN, patience=1), epochs=4)
    assert [epoch.number for epoch in kept.history if epoch.best] == [1, 2, 3, 4]


def test_the_kept_model_learns_at_the_rates_of_its_folds():
    pytest.importorskip("torch")
    material = drawn(patients=12)
    part, whole = (train_on_everybody(material, PLAN, epochs=epochs).history for epochs in (3, PLAN.epochs))
    assert [epoch.learning_rate for epoch in part] == [epoch.learning_rate for epoch in whole[:3]]
    assert part[-1].learning_rate > PLAN.learning_rate / 3, "half of the way down, not at its end"


def test_relatives_are_in_one_fold():
    material = drawn(patients=24)
    units = tuple("family" if name in ("P00", "P01", "P02") else name for name in material.patients)
    for seed in range(5):
        fold_of = divide(replace(material, units=units), replace(PLAN, seed=seed))
        assert len({int(fold) for fold, unit in zip(fold_of, units, strict=True) if unit == "family"}) == 1


def test_one_picture_of_two_patients_is_refused():
    photos = tuple(Photo(f"{who}.jpg", Patient(who), sha) for who, sha in (("A", "x"), ("B", "y"), ("C", "x")))
    crops = np.zeros((3, 1, 100, 100), np.uint8)
    with pytest.raises(InputError, match=r"photos 'A.jpg' and 'C.jpg' have the same pixels and patients 'A' and 'C'"):
        refuse_shared_pixels(TrainingPhotos(photos, crops))
    refuse_shared_pixels(TrainingPhotos(photos[:2], crops[:2]))
