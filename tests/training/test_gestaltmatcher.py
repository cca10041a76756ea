"""The GestaltMatcher recipe on small pictures whose class can be seen, and on labels that mean nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deciface.cases import Diagnosis, DiagnosisStatus, Disorder, Patient, Photo
from deciface.errors import InputError, MismatchError, OptionError
from deciface.models import shipped_cards
from deciface.models.card import Colour
from deciface.training.folds import patient_folds
from deciface.training.gestaltmatcher import Augmentation, DisorderTask, gestaltmatcher_recipe, moved
from deciface.training.loop import run
from deciface.training.manifest import curves_table, identity_of, material_as_document
from deciface.training.photos import TrainingPhotos, disorder_of, gene_of

torch = pytest.importorskip("torch")

CARD = next(card for card in shipped_cards() if card.id == "dlib-resnet")
SIDE = 24


def photo(patient: int, number: int, disorder: str) -> Photo:
    diagnosis = Diagnosis(Disorder(disorder, disorder), (f"GENE{disorder[-1]}",))
    who = Patient(f"P{patient}", simulated=True)
    return Photo(f"P{patient}-{number}", who, "0" * 64, diagnoses=(diagnosis,))


def material(*, patients: int = 12, telling: bool = True, seed: int = 0) -> TrainingPhotos:
    """Three disorders: a bright spot above, in the middle or below; or the same spot everywhere."""
    rng = np.random.default_rng(seed)
    photos, crops = [], []
    for p in range(3 * patients):
        for k in range(1 + p % 2):
            photos.append(photo(p, k, f"D{p % 3}"))
            crop = rng.integers(60, 120, (SIDE, SIDE, 3))
            at = (3, 10, 17)[p % 3 if telling else int(rng.integers(3))]
            crop[at : at + 5, 9:15] += 90
            crops.append(crop.astype(np.uint8))
    return TrainingPhotos(tuple(photos), np.stack(crops))


def trunk() -> Any:
    torch.manual_seed(4)
    nn = torch.nn
    layers: list[Any] = [nn.Conv2d(3, 8, 5, 2, 2), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten()]
    network = nn.Sequential(*layers)
    network.add_module("fc", nn.Linear(8 * 9, 16))
    return network


def task_of(data: TrainingPhotos, **options: Any) -> tuple[DisorderTask, Any]:
    fold = patient_folds(data.patients, data.class_of, folds=3, seed=0)
    rows = [np.flatnonzero(fold == k) for k in range(3)]
    plan = Augmentation(turn_deg=1.0, grey=0.1, shrink=0.1)
    task = DisorderTask(trunk(), 16, CARD, data, learn=rows[2], choose=rows[1], batch=8, plan=plan, **options)
    return task, rows[0]


RECIPE = gestaltmatcher_recipe(head_epochs=2, epochs=14, rate=3e-3, head_rate=3e-3, seed=1)


def test_people_never_seen_are_told_apart() -> None:
    task, test = task_of(material(patients=30))
    epochs = run(task, RECIPE)
    assert {e.stage for e in epochs} == {"last layer", "all layers"}
    right = (task.ranks(test) == 0).mean()
    assert right > 0.8, right
    vectors = task.vectors(test)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(task.scores(test).sum(1), 1, atol=1e-5)


def test_labels_that_mean_nothing_are_not_learnt() -> None:
    task, test = task_of(material(patients=40, telling=False))
    run(task, gestaltmatcher_recipe(head_epochs=1, epochs=4, rate=1e-3, seed=1))
    ranks = task.ranks(test)
    assert len(ranks) > 50
    assert (ranks == 0).mean() < 1 / 3 + 3.5 * np.sqrt(2 / 9 / len(ranks)), "chance is a third"


def test_an_interrupted_run_gives_the_same_encoder(tmp_path: Path) -> None:
    recipe = gestaltmatcher_recipe(head_epochs=1, epochs=2, seed=5)

    class PowerCutError(Exception):
        pass

    def stop(epoch: Any) -> None:
        if epoch.number == 2:
            raise PowerCutError

    data = material()
    whole, test = task_of(data, balance=True)
    run(whole, recipe)
    with pytest.raises(PowerCutError):
        run(task_of(data, balance=True)[0], recipe, checkpoint=tmp_path / "c.pt", identity="x", advance=stop)
    again, _ = task_of(data, balance=True)
    run(again, recipe, checkpoint=tmp_path / "c.pt", identity="x")
    np.testing.assert_array_equal(whole.vectors(test), again.vectors(test))


@pytest.mark.parametrize("killed_after", [None, 1, 2], ids=["before any", "in the first stage", "between stages"])
def test_the_seed_decides_whatever_was_drawn_before(tmp_path: Path, killed_after: int | None) -> None:
    recipe = gestaltmatcher_recipe(head_epochs=2, epochs=1, seed=5)
    data = material()

    class PowerCutError(Exception):
        pass

    def stop(epoch: Any) -> None:
        if epoch.number == killed_after:
            raise PowerCutError

    def begun(disturbance: int, seed: int = 5) -> DisorderTask:
        network = trunk()
        torch.manual_seed(disturbance)  # what else a process may have drawn
        rows = np.arange(len(data.photos))
        return DisorderTask(network, 16, CARD, data, learn=rows[::2], choose=rows[1::2], batch=8, seed=seed)

    whole = begun(11)
    first = run(whole, recipe)
    if killed_after is not None:
        with pytest.raises(PowerCutError):
            run(begun(22), recipe, checkpoint=tmp_path / "c.pt", identity="x", advance=stop)
    again = begun(33)
    assert run(again, recipe, checkpoint=tmp_path / "c.pt", identity="x") == first
    for name, values in whole.network.state_dict().items():
        assert torch.equal(values, again.network.state_dict()[name]), name
    one, other = (begun(11, seed).network.classifier[1].weight for seed in (5, 6))
    assert not torch.equal(one, other)


def test_the_classifier_leaves_the_stream_of_others_alone() -> None:
    data, network = material(), trunk()
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    DisorderTask(network, 16, CARD, data, learn=np.arange(4), choose=np.arange(4), seed=1)
    assert torch.equal(torch.rand(2), wanted)


def test_augmentation_follows_its_generator_and_keeps_its_range() -> None:
    crops = torch.from_numpy(material().crops[:6]).permute(0, 3, 1, 2).float()
    plan = Augmentation(shrink=0.5, grey=0.5)
    a, b, c = (moved(crops, plan, np.random.default_rng(s)) for s in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert a.shape == crops.shape
    assert float(a.min()) >= 0
    assert float(a.max()) <= 255
    still = Augmentation(flip=0, grey=0, shrink=0, turn_deg=0, scale=0, shift=0, light=0, colour=0)
    np.testing.assert_allclose(moved(crops, still, np.random.default_rng(0)).numpy(), crops.numpy(), atol=1e-3)
    mirrored = Augmentation(flip=1, grey=0, shrink=0, turn_deg=0, scale=0, shift=0, light=0, colour=0)
    np.testing.assert_allclose(
        moved(crops, mirrored, np.random.default_rng(0)).numpy(), crops.flip(3).numpy(), atol=1e-3
    )


def test_what_cannot_be_learnt_from_is_refused() -> None:
    data = material()
    one = data.rows([i for i, label in enumerate(data.labels) if label == "D0"])
    with pytest.raises(InputError, match=r"^1 class with 2 or more patients; at least 2 are needed"):
        task_of(one)
    lone = [i for i, p in enumerate(data.patients) if data.labels[i] == "D0" or p == "P1"]
    with pytest.raises(InputError, match=r"1 class with 2 or more patients \(D1 has one patient\)"):
        data.rows(lone).need_classes()
    alone = tuple(photo(p, 0, f"D{p}") for p in range(7))
    with pytest.raises(
        InputError,
        match=r"^0 classes with 2 or more patients \(D0, D1, D2, D3, D4 and 2 more have one patient each\); at least 2",
    ):
        TrainingPhotos(alone, data.crops[:7]).need_classes()
    with pytest.raises(OptionError, match="batch = 1; at least 2"):
        DisorderTask(trunk(), 16, CARD, data, learn=np.arange(4), choose=np.arange(4), batch=1)
    with pytest.raises(MismatchError, match="2 photos and 1 crops"):
        TrainingPhotos(data.photos[:2], data.crops[:1])
    twice = (photo(1, 0, "D0"), photo(1, 1, "D1"))
    with pytest.raises(MismatchError, match="patient 'P1' is 'D0' in one photo and 'D1' in another"):
        TrainingPhotos(twice, data.crops[:2])


def test_a_suspicion_is_no_label_and_a_family_counts_once() -> None:
    data = material()
    first = data.photos[0]
    suspected = replace(first, diagnoses=(replace(first.diagnoses[0], status=DiagnosisStatus.SUSPECTED),))
    assert disorder_of(suspected) == ""
    assert gene_of(suspected) == ""
    both = replace(first, diagnoses=(*suspected.diagnoses, Diagnosis(Disorder("D9", "D9"))))
    assert disorder_of(both) == "D9"
    related = tuple(Photo(f"{who}.jpg", Patient(who, family="F"), "0", diagnoses=first.diagnoses) for who in ("A", "B"))
    pair = TrainingPhotos(related, data.crops[:2])
    assert pair.units == ("family F", "family F")
    assert pair.classes == ()
    assert pair.too_small == ("D0",)


def test_a_network_of_other_colour_order_sees_its_own_order() -> None:
    data, rows = material(), np.arange(6)
    straight, _ = task_of(data)
    bgr = replace(CARD, colour=Colour.BGR, mean=CARD.mean[::-1], std=CARD.std[::-1])
    network = trunk()
    with torch.no_grad():
        network[0].weight.copy_(network[0].weight.flip(1))  # the same network for the other order
    reverse = DisorderTask(network, 16, bgr, data, learn=rows, choose=rows, batch=8)
    np.testing.assert_allclose(reverse.vectors(rows), straight.vectors(rows), atol=1e-5)
    wrong = DisorderTask(network, 16, CARD, data, learn=rows, choose=rows, batch=8)
    assert np.abs(wrong.vectors(rows) - straight.vectors(rows)).max() > 1e-3


def test_classes_can_be_genes() -> None:
    data = material()
    by_gene = TrainingPhotos(data.photos, data.crops, gene_of)
    assert by_gene.classes == ("GENE0", "GENE1", "GENE2")


def test_the_manifest_names_everybody_learnt_from_and_the_digest_follows_the_data() -> None:
    data = material()
    document = material_as_document(data, source="cohort", learnt_from=[0, 3])
    assert document["patients"] == 36
    assert document["simulated_photos"] == document["photos"] == 54
    assert [entry["photo"] for entry in document["learnt_from"]] == [data.photos[0].id, data.photos[3].id]
    changed = data.crops.copy()
    changed[0, 0, 0, 0] ^= 1
    digests = {data.digest, TrainingPhotos(data.photos, changed).digest, data.rows(range(53)).digest}
    assert len(digests) == 3
    settings = {"batch": 8}
    assert identity_of(RECIPE, settings, data.digest) != identity_of(RECIPE, {"batch": 9}, data.digest)


def test_curves_as_a_table() -> None:
    task, _ = task_of(material())
    lines = curves_table(run(task, gestaltmatcher_recipe(head_epochs=1, epochs=1, seed=0))).splitlines()
    assert lines[0] == "epoch,stage,loss,score,top-1,top-5,learning_rate,best"
    assert lines[1].startswith("1,last layer,")
    assert len(lines) == 3
