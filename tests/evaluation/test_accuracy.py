"""Tables against the oracle on whole protocols, and what they say of absent, several and few."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.evaluation.accuracy import (
    FEWEST_PATIENTS,
    MRR,
    SEVERAL,
    TOP,
    by_stratum,
    figures_of,
    per_patient,
    published,
)
from deciface.evaluation.protocol import Experiment, Protocol, Run, make_protocol
from deciface.evaluation.ranks import Ranked, RankedRun, Ranks, rank_all
from deciface.space import Rule
from deciface.stats.proportions import clopper_pearson, wilson
from tests.evaluation import oracle
from tests.evaluation.test_ranks import BY_ORACLE
from tests.evaluation.worlds import gallery_of, scattered, worlds


def protocol_of(records, **options):
    return make_protocol([r["patient"] for r in records], [r["labels"] for r in records], **options)


def oracle_runs(records, protocol, rule):
    runs = {}
    labelled = [{**r, "labels": list(own)} for r, own in zip(records, protocol.labels, strict=True)]
    for run in protocol.runs:
        ranks = oracle.ranks(
            labelled, run.test.tolist(), run.gallery.tolist(), rule=rule.value, own_left_out=run.own_left_out
        )
        runs.setdefault(run.experiment, []).append(ranks)
    return runs


@pytest.mark.parametrize("rule", BY_ORACLE)
def test_every_table_is_the_oracles(rule):
    records = scattered(np.random.default_rng(1), disorders=7, patients=[12, 8, 23, 4, 6, 2, 1].__getitem__, spread=3.0)
    gallery, protocol = gallery_of(records), protocol_of(records)
    ranked = rank_all(gallery, protocol, rule=rule)
    truth = oracle_runs(records, protocol, rule)
    rows = published(ranked, protocol, gallery.patient_of_row, top=(1, 2, 3))
    assert [row.experiment for row in rows] == list(truth)[:4]
    for row in rows:
        photos = [by_photo for by_photo, _ in truth[row.experiment]]
        assert row.splits == len(photos)
        assert row.test_photos == pytest.approx(np.mean([len(run) for run in photos]))
        for k in (1, 2, 3):
            assert row.top[k] == pytest.approx(oracle.published(photos, k))
            if len(photos) > 1:
                each = [oracle.published([one], k) for one in photos]
                assert row.spread[k] == pytest.approx(np.std(each, ddof=1))
    for row in per_patient(ranked, protocol, seed=0, replicates=100, top=(1, 2, 3)):
        people = [by_patient for _, by_patient in truth[row.experiment]]
        assert row.patients == len({who for run in people for who, _ in run})
        for name, value in (
            *((f"top-{k}", lambda r, k=k: float(r <= k)) for k in (1, 2, 3)),
            (MRR, lambda r: 1 / r),
        ):
            micro, macro = oracle.honest(people, value)
            assert row.micro[name].value == pytest.approx(micro)
            assert row.macro[name].value == pytest.approx(macro)


@settings(max_examples=80, deadline=None)
@given(worlds(), st.sampled_from(BY_ORACLE), st.integers(0, 3))
def test_one_patient_out_is_the_oracles_with_ties_and_several_disorders(records, rule, seed):
    if len({r["patient"] for r in records}) < 2:
        return
    protocol = protocol_of(records, experiments=[Experiment.ONE_OUT], seed=seed)
    truth = oracle_runs(records, protocol, rule)[Experiment.ONE_OUT]
    (row,) = per_patient(rank_all(gallery_of(records), protocol, rule=rule), protocol, seed=0, replicates=100)
    for name, value in (("top-1", lambda r: float(r <= 1)), (MRR, lambda r: 1 / r)):
        micro, macro = oracle.honest([by_patient for _, by_patient in truth], value)
        assert row.micro[name].value == pytest.approx(micro)
        assert row.macro[name].value == pytest.approx(macro)
    found = {}
    for (who, _), (nearer, _) in truth[0][1].items():
        found[who] = found.get(who, False) or np.isfinite(nearer)
    assert row.covered == pytest.approx(np.mean(list(found.values())))


def made(ranks, *, labels=None, experiment=Experiment.FREQUENT, splits=None):
    """A run of one photo a patient with these ranks, none of them tied."""
    n = len(ranks)
    numbers = np.arange(n)
    own = np.zeros(n, np.intp) if labels is None else np.array(labels)
    found = Ranks(numbers, own, np.array(ranks, float), np.zeros(n, np.intp))
    run = Run(experiment, splits, numbers, np.array([n]))
    protocol = Protocol((run,), tuple((f"D{k}",) for k in [*own.tolist(), 0]), (), (), "made", None)
    return Ranked(Rule.NEAREST_IMAGE, ("D0", "D1", "D2"), (RankedRun(run, found, found),)), protocol


def test_an_absent_disorder_is_a_miss_and_the_coverage_is_said():
    ranked, protocol = made([1, 1, 2, np.inf], labels=[0, 0, 1, 2])
    (row,) = per_patient(ranked, protocol, seed=0, replicates=200)
    assert row.covered == 0.75
    assert row.micro["top-1"].value == 0.5
    assert row.micro["top-30"].value == 0.75
    assert row.macro["top-1"].value == pytest.approx(1 / 3)
    assert row.micro[MRR].value == pytest.approx(2.5 / 4)
    (row,) = published(ranked, protocol, np.array([0, 1, 2, 3, 0]))
    assert row.top[30] == pytest.approx(2 / 3)
    assert row.spread is None
    assert (row.gallery_photos, row.gallery_patients, row.gallery_disorders) == (1, 1, 1)
    assert (row.test_photos, row.test_patients, row.disorders) == (4, 4, 3)


def test_where_all_or_none_are_found_the_interval_is_exact():
    ranked, protocol = made([1] * 15)
    (row,) = per_patient(ranked, protocol, seed=0, replicates=200)
    assert row.micro["top-1"].interval == clopper_pearson(15, 15)
    ranked, protocol = made([np.inf] * 15)
    (row,) = per_patient(ranked, protocol, seed=0, replicates=200)
    assert row.micro["top-30"].interval == clopper_pearson(0, 15)
    assert row.micro["top-30"].method == "Clopper-Pearson"


def test_one_patient_has_no_interval_but_a_figure():
    ranked, protocol = made([2])
    (row,) = per_patient(ranked, protocol, seed=0, replicates=200)
    assert row.micro[MRR].value == 0.5
    assert row.micro[MRR].interval is None


def test_strata_need_patients_and_take_binomial_intervals():
    ranks = [1, 2] * 15 + [1] * 4
    ranked, _ = made(ranks)
    ages = ["0-2"] * 30 + ["12-18"] * 4
    rows = by_stratum(ranked, {"age": ages}, np.arange(34), seed=0, replicates=200)
    assert [(row.stratum, row.patients) for row in rows] == [("0-2", 30), ("12-18", 4)]
    assert rows[0].figures["top-1"].interval == wilson(15, 30)
    assert rows[1].figures == {}
    assert rows[1].patients < FEWEST_PATIENTS
    assert rows[0].figures[MRR].method == "bounded mean, Gaffke"


def test_a_patient_whose_photos_lie_in_two_strata_is_in_several():
    photos = Ranks(np.arange(4), np.zeros(4, np.intp), np.ones(4), np.zeros(4, np.intp))
    people = Ranks(np.arange(2), np.zeros(2, np.intp), np.ones(2), np.zeros(2, np.intp))
    run = Run(Experiment.FREQUENT, None, np.arange(4), np.array([0]))
    ranked = Ranked(Rule.NEAREST_IMAGE, ("D",), (RankedRun(run, photos, people),))
    rows = by_stratum(ranked, {"age": ["2-6", "6-12", "6-12", "6-12"]}, np.array([0, 0, 1, 1]), seed=0)
    assert [(row.stratum, row.patients) for row in rows] == [("6-12", 1), (SEVERAL, 1)]


def test_intervals_cover_the_truth_of_a_clustered_population():
    """Micro and macro of 200 draws of patients whose chance to be found varies by disorder and by patient."""
    rng = np.random.default_rng(12)
    covered = {"micro": 0, "macro": 0}
    for seed in range(200):
        sizes = rng.integers(1, 5, 45)
        label = np.repeat(np.arange(45), sizes)
        chance = np.clip(rng.beta(3, 3, 45)[label] + rng.normal(scale=0.1, size=len(label)), 0, 1)
        ranks = np.where(rng.random(len(label)) < chance, 1, 50)
        ranked, protocol = made(ranks.tolist(), labels=label.tolist())
        (row,) = per_patient(ranked, protocol, seed=seed, replicates=600, top=(1,))
        for kind, figures in (("micro", row.micro), ("macro", row.macro)):
            low, high = figures["top-1"].interval
            covered[kind] += low <= 0.5 <= high
    assert all(0.90 <= count / 200 <= 0.99 for count in covered.values()), covered


@pytest.mark.parametrize("rule", BY_ORACLE)
def test_a_network_that_tells_nobody_apart_is_exactly_at_chance(rule):
    """All faces are one point; somebody has two disorders, which doubles their chance."""
    records = scattered(np.random.default_rng(3), disorders=12, patients=lambda d: 8 if d < 8 else 3, photos=(1, 1))
    for r in records:
        r["vectors"] = {view: [1.0] * len(vector) for view, vector in r["vectors"].items()}
        if r["patient"] in ("d00p00", "d01p01"):
            r["labels"] = ["D00", "D01"]
    gallery, protocol = gallery_of(records), protocol_of(records)
    ranked = rank_all(gallery, protocol, rule=rule)
    for row in per_patient(ranked, protocol, seed=0, replicates=100):
        assert row.micro["top-1"].value == pytest.approx(row.chance)
        assert row.tied == 1.0
    for row in published(ranked, protocol, gallery.patient_of_row, top=(1, 5)):
        assert row.top == pytest.approx({1: 1 / row.gallery_disorders, 5: min(1.0, 5 / row.gallery_disorders)})
    (one_out,) = [row for row in per_patient(ranked, protocol, seed=0) if row.experiment is Experiment.ONE_OUT]
    assert one_out.chance == pytest.approx((76 + 2) / 76 / 12)
    assert one_out.macro["top-5"].value == pytest.approx(5 / 12)
    assert one_out.macro[MRR].value == pytest.approx(np.mean(1 / np.arange(1, 13)))


def test_ties_among_a_patients_own_labels_are_no_ties():
    """Two own labels share the nearest place and nothing else does: found first, and not counted as tied."""
    numbers, labels = np.array([0, 0, 1]), np.array([0, 1, 0])
    for tied, first, share in (([1, 1, 0], 1.0, 0.0), ([2, 2, 0], (2 / 3 + 1) / 2, 0.5)):
        found = Ranks(numbers, labels, np.ones(3), np.array(tied))
        run = Run(Experiment.FREQUENT, None, np.array([0, 1]), np.array([2]))
        protocol = Protocol((run,), (("D0", "D1"), ("D0",), ("D0", "D1", "D2")), (), (), "made", None)
        ranked = Ranked(Rule.NEAREST_IMAGE, ("D0", "D1", "D2"), (RankedRun(run, found, found),))
        (row,) = per_patient(ranked, protocol, seed=0, replicates=100, top=(1,))
        assert row.micro["top-1"].value == pytest.approx(first)
        assert row.tied == share


def test_few_patients_whose_ranks_are_skewed_are_covered():
    """Ten patients, any rank to 30 as likely: the mean reciprocal rank rests on who comes first, seldom among ten."""
    rng = np.random.default_rng(31)
    truth = np.mean(1 / np.arange(1, 31))
    covered = 0
    for seed in range(300):
        values = 1 / rng.integers(1, 31, (10, 1))
        (figure,) = figures_of(values, np.ones(10), np.arange(10), seed, 300)
        covered += figure.interval[0] <= truth <= figure.interval[1]
    assert covered >= 0.93 * 300


def test_a_gallery_of_noise_is_at_chance():
    """Faces that know nothing of their disorder: top-1 is found as often as a random order would."""
    rng = np.random.default_rng(2)
    records = scattered(rng, disorders=6, patients=lambda _: 25, photos=(1, 1), spread=0.8)
    shuffled = [r["labels"] for r in records]
    order = rng.permutation(len(records))
    records = [{**r, "labels": shuffled[i]} for r, i in zip(records, order.tolist(), strict=True)]
    protocol = protocol_of(records, experiments=[Experiment.ONE_OUT])
    (row,) = per_patient(rank_all(gallery_of(records), protocol), protocol, seed=0)
    assert row.chance == pytest.approx(1 / 6)
    low, high = row.micro["top-1"].interval
    assert low <= row.chance <= high
    assert set(row.micro) == {*(f"top-{k}" for k in TOP), MRR}
