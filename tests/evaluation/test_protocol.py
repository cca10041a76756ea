"""The published splits: what they hold for every gallery, and what they say when they cannot be made."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciface.errors import InputError, NothingFoundError
from deciface.evaluation.protocol import PUBLISHED, Experiment, given_protocol, make_protocol


def people(sizes, photos=1):
    """`sizes` patients per disorder, `photos` photos each."""
    pairs = [(f"d{d:02d}p{p:03d}", (f"D{d}",)) for d, n in enumerate(sizes) for p in range(n) for _ in range(photos)]
    return [p for p, _ in pairs], [own for _, own in pairs]


def run_of(protocol, experiment, split=None):
    return next(run for run in protocol.runs if run.experiment is experiment and run.split == split)


def test_a_tenth_of_every_frequent_disorder_and_at_least_one():
    patients, labels = people([7, 19, 20, 59, 100])
    run = run_of(make_protocol(patients, labels), Experiment.FREQUENT)
    drawn = [patients[i][:3] for i in run.test]
    assert [drawn.count(f"d{d:02d}") for d in range(5)] == [1, 1, 2, 5, 10]
    assert len(run.gallery) == 205 - 19


def test_more_than_six_is_frequent_two_to_six_is_rare_one_is_neither():
    patients, labels = people([7, 6, 2, 1])
    protocol = make_protocol(patients, labels)
    assert protocol.frequent == ("D0",)
    assert protocol.rare == ("D1", "D2")
    rare = [run for run in protocol.runs if run.experiment is Experiment.RARE]
    assert [run.split for run in rare] == list(range(10))
    for run in rare:
        assert sorted(patients[i][:3] for i in run.test) == ["d01", "d02"]
        assert len(run.gallery) == 6
    assert protocol.remarks == ("1 patient(s) alone with their disorder are in no published test or gallery",)


def test_the_four_experiments_share_tests_and_galleries():
    patients, labels = people([8, 9, 3, 4], photos=2)
    protocol = make_protocol(patients, labels)
    assert protocol.experiments == tuple(Experiment)
    assert len(protocol.runs) == 1 + 10 + 10 + 10 + 1
    frequent = run_of(protocol, Experiment.FREQUENT)
    for split in range(10):
        rare = run_of(protocol, Experiment.RARE, split)
        among, rare_among = (run_of(protocol, e, split) for e in PUBLISHED[2:])
        assert np.array_equal(among.test, frequent.test)
        assert np.array_equal(rare_among.test, rare.test)
        both = np.union1d(frequent.gallery, rare.gallery)
        assert np.array_equal(among.gallery, both)
        assert np.array_equal(rare_among.gallery, both)
    out = run_of(protocol, Experiment.ONE_OUT)
    assert out.own_left_out
    assert np.array_equal(out.test, np.arange(len(patients)))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_patient_is_on_both_sides_and_every_test_can_be_found(data):
    """Patients with one or two disorders and one to three photos, in any order."""
    rows = []
    for p in range(data.draw(st.integers(10, 60))):
        own = data.draw(st.lists(st.integers(0, 5), min_size=0, max_size=2, unique=True))
        rows += [(f"p{p}", tuple(f"D{d}" for d in own))] * data.draw(st.integers(1, 3))
    rows = data.draw(st.permutations(rows))
    patients, labels = [p for p, _ in rows], [own for _, own in rows]
    try:
        protocol = make_protocol(patients, labels, experiments=PUBLISHED, seed=data.draw(st.integers(0, 5)))
    except NothingFoundError:
        return
    for run in protocol.runs:
        asked = {patients[i] for i in run.test}
        assert not asked & {patients[i] for i in run.gallery}
        assert asked == {patients[i] for i in np.flatnonzero([p in asked for p in patients])}
        kind = set(protocol.frequent if run.experiment.startswith("F") else protocol.rare)
        for i in run.test:
            assert set(protocol.labels[i]) <= kind
            assert protocol.labels[i]
        counted = {label for i in run.gallery for label in protocol.labels[i]}
        assert all(label in counted for label in kind)


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_photos():
    patients, labels = people([30, 40, 5, 6])
    first = make_protocol(patients, labels, seed=3)
    again = make_protocol(patients[::-1], labels[::-1], seed=3)
    other = make_protocol(patients, labels, seed=4)

    def who(protocol, names):
        return [sorted(names[i] for i in run.test) for run in protocol.runs]

    assert who(first, patients) == who(again, patients[::-1])
    assert who(first, patients) != who(other, patients)
    assert first.source == "made here, seed 3"


def test_ten_rare_splits_are_not_all_alike():
    patients, labels = people([7, 6, 6, 6])
    protocol = make_protocol(patients, labels, experiments=[Experiment.RARE])
    assert len({run.test.tobytes() for run in protocol.runs}) > 5


def test_what_cannot_be_made_is_said():
    patients, labels = people([9, 9])
    protocol = make_protocol(patients, labels)
    assert protocol.experiments == (Experiment.FREQUENT, Experiment.ONE_OUT)
    assert protocol.remarks == (
        "no test or no gallery for R/R, F/F+R, R/F+R: 2 disorders have more than 6 patients, 0 have 2 to 6",
    )
    with pytest.raises(NothingFoundError, match=r"no experiment of R/R has a test and a gallery .* add patients"):
        make_protocol(patients, labels, experiments=[Experiment.RARE])
    with pytest.raises(NothingFoundError, match="nothing to evaluate"):
        make_protocol(["a", "b"], [(), ()])
    with pytest.raises(InputError, match="1 patients and 0 lists of labels"):
        make_protocol(["a"], [])


def test_a_patient_with_a_frequent_and_a_rare_disorder_is_a_frequent_one():
    patients, labels = people([9, 3])
    labels[0] = ("D0", "D1")
    protocol = make_protocol(patients, labels)
    assert protocol.labels[0] == ("D0",)
    assert protocol.rare == ("D1",)


def test_given_splits_are_kept():
    patients, labels = ["a", "b", "c", "d", "e"], [("X",), ("X",), ("Y",), ("Y",), ("Z",)]
    protocol = given_protocol(
        patients,
        labels,
        frequent=({0: "7"}, {1: "7"}),
        rare={4: ({2: "8"}, {3: "8"})},
        source="files",
        remarks=["one image is missing"],
    )
    assert protocol.labels == (("7",), ("7",), ("8",), ("8",), ("Z",))
    assert [(str(r.experiment), r.split, r.test.tolist(), r.gallery.tolist()) for r in protocol.runs] == [
        ("F/F", None, [0], [1]),
        ("R/R", 4, [2], [3]),
        ("F/F+R", 4, [0], [1, 3]),
        ("R/F+R", 4, [2], [1, 3]),
        ("one-out", None, [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
    ]
    assert (protocol.source, protocol.seed, protocol.remarks) == ("files", None, ("one image is missing",))
