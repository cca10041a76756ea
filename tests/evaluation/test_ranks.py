"""Ranks of all tests at once against the oracle, and against the ranking of one query at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.errors import OptionError
from deciface.evaluation import group_distances
from deciface.evaluation import ranks as ranks_module
from deciface.evaluation.protocol import Experiment, Protocol, Run, make_protocol
from deciface.evaluation.ranks import count_tests, rank_all
from deciface.space import Gallery, Rule
from tests.evaluation import oracle
from tests.evaluation.worlds import gallery_of, scattered, worlds

BY_ORACLE = [rule for rule in Rule if rule is not Rule.DISCRIMINANT]
"""The covariance of that one is checked in its own room, against an oracle there; here against one query at a time."""


def protocol_of(records, runs):
    return Protocol(tuple(runs), tuple(tuple(sorted(r["labels"])) for r in records), (), (), "test", None)


def random_run(data, records, *, number):
    """Any test set and any gallery, or one patient out."""
    everything = np.arange(len(records))
    if data.draw(st.booleans(), label="one out"):
        return Run(Experiment.ONE_OUT, None, everything, everything, own_left_out=True)
    side = st.lists(st.sampled_from(everything.tolist()), min_size=1, unique=True).map(lambda x: np.array(sorted(x)))
    return Run(Experiment.RARE, number, data.draw(side, label="test"), data.draw(side, label="gallery"))


def as_dict(gallery, found, labels, *, per_patient):
    names = gallery.by_patient.keys if per_patient else [p.id for p in gallery.photos]
    return {
        (names[q], labels[k]): (rank - 1, tied)
        for q, k, rank, tied in zip(
            found.query.tolist(), found.label.tolist(), found.rank.tolist(), found.tied.tolist(), strict=True
        )
    }


def check(records, runs, rule):
    gallery = gallery_of(records)
    ranked = rank_all(gallery, protocol_of(records, runs), rule=rule)
    assert [r.run for r in ranked.runs] == list(runs)
    for run, found in zip(runs, ranked.runs, strict=True):
        by_photo, by_patient = oracle.ranks(
            records, run.test.tolist(), run.gallery.tolist(), rule=rule.value, own_left_out=run.own_left_out
        )
        assert as_dict(gallery, found.by_photo, ranked.labels, per_patient=False) == by_photo
        assert as_dict(gallery, found.by_patient, ranked.labels, per_patient=True) == by_patient


@settings(max_examples=150, deadline=None)
@given(worlds(), st.sampled_from(BY_ORACLE), st.data())
def test_equals_the_oracle(records, rule, data):
    runs = [random_run(data, records, number=i) for i in range(data.draw(st.integers(1, 3)))]
    people = {r["patient"] for r in records}
    if len(people) < 2 and any(run.own_left_out for run in runs):
        return
    check(records, runs, rule)


@pytest.mark.parametrize("rule", BY_ORACLE)
def test_equals_the_oracle_on_the_published_runs_in_small_portions(rule, monkeypatch):
    monkeypatch.setattr(ranks_module, "_HELD_BYTES", 8 * 100 * 5)
    monkeypatch.setattr(group_distances, "_ROWS_AT_A_TIME", 7)
    records = scattered(np.random.default_rng(4), disorders=7, patients=lambda d: [8, 9, 12, 2, 3, 6, 1][d])
    protocol = make_protocol([r["patient"] for r in records], [r["labels"] for r in records])
    assert protocol.experiments == tuple(Experiment)
    check(records, protocol.runs[::5], rule)


def same(one, other):
    for a, b in zip(one.runs, other.runs, strict=True):
        for mine, theirs in ((a.by_photo, b.by_photo), (a.by_patient, b.by_patient)):
            assert np.array_equal(mine.query, theirs.query)
            assert np.array_equal(mine.label, theirs.label)
            assert np.array_equal(mine.rank, theirs.rank)
            assert np.array_equal(mine.tied, theirs.tied)


def singly(gallery, protocol, rule):
    """Ask `deciface.space.rank` for every test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks_module, "_holds_whole_patients", lambda *_: False)
        return rank_all(gallery, protocol, rule=rule)


@pytest.mark.parametrize("experiment", [Experiment.FREQUENT_AMONG_ALL, Experiment.ONE_OUT])
@pytest.mark.parametrize("rule", list(Rule))
def test_equals_one_query_at_a_time(rule, experiment):
    records = scattered(np.random.default_rng(5), disorders=5, patients=lambda d: 9 if d < 3 else 4, spread=4.0)
    for r in records:  # somebody has two disorders
        if r["patient"] in ("d00p00", "d03p01"):
            r["labels"] = ["D00", "D03"]
    gallery = gallery_of(records)
    protocol = make_protocol([r["patient"] for r in records], [r["labels"] for r in records], experiments=[experiment])
    told = []
    at_once = rank_all(gallery, protocol, rule=rule, advance=told.append)
    same(at_once, singly(gallery, protocol, rule))
    assert sum(told) == count_tests(protocol)
    assert max(r.by_photo.rank.max() for r in at_once.runs) > 1


@settings(max_examples=40, deadline=None)
@given(worlds(), st.sampled_from([Rule.HYBRID, Rule.NEAREST_PATIENTS]), st.data())
def test_ties_and_missing_views_equal_one_query_at_a_time(records, rule, data):
    runs = [random_run(data, records, number=i) for i in range(2)]
    if len({r["patient"] for r in records}) < 2 and any(run.own_left_out for run in runs):
        return
    gallery, protocol = gallery_of(records), protocol_of(records, runs)
    same(rank_all(gallery, protocol, rule=rule), singly(gallery, protocol, rule))


def test_a_gallery_too_small_for_a_covariance_is_refused_in_one_line():
    records = scattered(np.random.default_rng(5), disorders=3, patients=lambda _: 4)
    protocol = make_protocol([r["patient"] for r in records], [r["labels"] for r in records])
    with pytest.raises(
        OptionError, match=r"rule discriminant needs more people: 23 for these 3 groups .*; use rule disorder-centroid"
    ):
        rank_all(gallery_of(records), protocol, rule=Rule.DISCRIMINANT)


def test_equal_distances_share_a_rank_and_are_counted():
    """The own disorder is as near as another one, and both are nearest: nothing is nearer, one other is as near."""
    one, two = [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]
    from tests.evaluation.worlds import VIEWS

    records = [
        {"id": "a", "patient": "a", "labels": ["A"], "vectors": {VIEWS[0]: one}},
        {"id": "b", "patient": "b", "labels": ["B"], "vectors": {VIEWS[0]: one}},
        {"id": "c", "patient": "c", "labels": ["C"], "vectors": {VIEWS[0]: [0.0, 0, 1]}},
        {"id": "q", "patient": "q", "labels": ["B", "C"], "vectors": {VIEWS[0]: two}},
        {"id": "r", "patient": "r", "labels": ["Z"], "vectors": {VIEWS[0]: two}},
    ]
    run = Run(Experiment.FREQUENT, None, np.array([3, 4]), np.array([0, 1, 2]))
    ranked = rank_all(gallery_of(records), protocol_of(records, [run]))
    found = as_dict(gallery_of(records), ranked.runs[0].by_photo, ranked.labels, per_patient=False)
    assert found == {("q", "B"): (0, 1), ("q", "C"): (2, 0), ("r", "Z"): (np.inf, 0)}


def test_a_restricted_gallery_reads_its_own_rows():
    """Rows of a gallery that shares the vectors of a larger one are not the rows of its matrix."""
    records = scattered(np.random.default_rng(6), disorders=4, patients=lambda _: 8)
    whole = gallery_of(records)
    half = whole.subset(ancestry="European")
    alone = gallery_of([r for r in records if r["ancestry"] == "European"])
    protocol = make_protocol(
        [p.patient.id for p in alone.photos], [[d.disorder.id for d in p.diagnoses] for p in alone.photos]
    )
    for rule in BY_ORACLE:
        a, b = rank_all(half, protocol, rule=rule), rank_all(alone, protocol, rule=rule)
        for x, y in zip(a.runs, b.runs, strict=True):
            assert np.array_equal(x.by_photo.rank, y.by_photo.rank)
    assert isinstance(half, Gallery)
