"""Accuracy by age against plain loops, and change over the years on planted truth and on none."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from deciface.cases import View
from deciface.evaluation.accuracy import FEWEST_PATIENTS
from deciface.evaluation.over_years import FEWEST_OVER_YEARS, holm, over_years
from deciface.evaluation.protocol import Experiment, Run, make_protocol
from deciface.evaluation.ranks import Ranked, RankedRun, Ranks, rank_all
from deciface.space import Rule
from tests.evaluation.worlds import gallery_of

VIEW = View("m")
SIZE = 12


def ageing(rng, *, patients=12, shows_with_age=(), disorders=6, noise=0.5):
    """Every patient as a child and as an adult; in some disorders the features are there in the adult only."""
    centres = 2.5 * np.linalg.qr(rng.standard_normal((SIZE, SIZE)))[0][:disorders]
    records = []
    for d in range(disorders):
        for p in range(patients):
            who = noise * rng.standard_normal(SIZE)
            for k, age in enumerate((float(rng.uniform(1, 5)), float(rng.uniform(19, 39)))):
                amount = 0.0 if k == 0 and d in shows_with_age else 1.0
                face = amount * centres[d] + who + noise * rng.standard_normal(SIZE)
                records.append(
                    {
                        "id": f"d{d}p{p:02d}-{k}",
                        "patient": f"d{d}p{p:02d}",
                        "labels": [f"D{d}"],
                        "vectors": {VIEW: face.tolist()},
                        "age_years": age,
                    }
                )
    return records


def found_in(records, *, replicates=200):
    gallery = gallery_of(records)
    protocol = make_protocol(
        [r["patient"] for r in records], [r["labels"] for r in records], experiments=[Experiment.ONE_OUT]
    )
    ranked = rank_all(gallery, protocol)
    ages = [p.age_years for p in gallery.photos]
    return ranked, over_years(
        ranked, ages, gallery.patient_of_row, gallery.by_patient.keys, seed=1, replicates=replicates
    )


def test_a_disorder_that_shows_with_age_is_found_and_no_other():
    _, found = found_in(ageing(np.random.default_rng(0), shows_with_age=(2,)))
    rows = {row.disorder: row for row in found.changes}
    assert set(rows) == {"", *(f"D{d}" for d in range(6))}
    shows = rows["D2"]
    assert shows.adjusted_p < 0.05
    assert shows.interval[1] < 0
    assert shows.interval[0] <= shows.change <= shows.interval[1]
    assert (shows.patients, shows.median_span_years > 10) == (12, True)
    assert all(row.adjusted_p > 0.05 for name, row in rows.items() if name not in ("", "D2"))
    assert rows[""].patients == 72
    assert rows[""].adjusted_p is None
    child, adult = ({row.band: row for row in found.by_age}[band] for band in ("2-6", "18-40"))
    assert child.figures["top-1"].value < adult.figures["top-1"].value


def of_ranks(ages, ranks, *, tied=None):
    """`over_years` of (patients, photos) ranks of one disorder, the photos of every patient at these ages."""
    people, photos = ranks.shape
    query = np.arange(ranks.size)
    other = np.zeros(ranks.size, np.intp) if tied is None else tied.ravel()
    found = Ranks(query, np.zeros(ranks.size, np.intp), ranks.ravel().astype(float), other)
    run = Run(Experiment.ONE_OUT, None, query, query, own_left_out=True)
    ranked = Ranked(Rule.NEAREST_IMAGE, ("D",), (RankedRun(run, found, found),))
    owners = np.repeat(np.arange(people), photos)
    return over_years(ranked, [*ages] * people, owners, [f"p{n:02d}" for n in range(people)], seed=1, replicates=100)


@pytest.mark.parametrize("ages", [(5, 10), (5, 5, 10, 10), (5, 5, 5, 8, 10)])
def test_where_age_changes_nothing_nothing_is_found_at_the_nominal_rate(ages):
    """Eight patients: the largest p below .05 is 12 / 256. Chance leaves the bounds once in 10,000 on each side."""
    rng = np.random.default_rng(20262)
    rows = [of_ranks(ages, rng.integers(1, 301, (8, len(ages)))).changes[0] for _ in range(500)]
    found = sum(row.p <= 0.05 for row in rows)
    assert binom.ppf(0.0001, 500, 12 / 256) <= found <= binom.ppf(0.9999, 500, 12 / 256)
    assert found == sum(row.interval[0] > 0 or row.interval[1] < 0 for row in rows)


def test_on_galleries_without_an_effect_of_age_little_is_found():
    """Patients of one gallery are ranked against each other: at most what chance gives once in 10,000 times."""
    rng = np.random.default_rng(20262)
    p = [found_in(ageing(rng, patients=4, disorders=5, noise=1.5), replicates=100)[1].changes[0].p for _ in range(120)]
    assert sum(one <= 0.05 for one in p) <= binom.ppf(0.9999, 120, 0.05)


def test_photos_of_one_age_count_by_their_geometric_mean():
    ranks = np.tile([8, 2, 1, 16, 3], (6, 1))
    found = of_ranks((5, 5, 10, 10, 7), ranks)
    (_, person), *_ = found.patients
    assert person.ages_years == (5.0, 7.0, 10.0)
    assert person.ranks == pytest.approx((4.0, 3.0, 4.0))
    assert person.change == pytest.approx(0.0)
    assert found.changes[0].change == pytest.approx(0.0)


def test_a_tie_counts_by_the_geometric_mean_of_its_places():
    """First with three others as near as a child, first alone as an adult: a change from (1 2 3 4)^(1/4) to 1."""
    found = of_ranks((5, 10), np.ones((6, 2)), tied=np.tile([3, 0], (6, 1)))
    assert found.changes[0].change == pytest.approx(-math.log2(24) / 4)
    assert found.changes[0].interval == pytest.approx((-math.log2(24) / 4,) * 2)


def test_the_curve_is_that_of_plain_loops():
    rng = np.random.default_rng(2)
    records = ageing(rng, patients=6, shows_with_age=(0, 1))
    records[3]["age_years"] = None
    ranked, found = found_in(records)
    gallery = gallery_of(records)
    (run,) = ranked.runs
    ranks = {gallery.photos[q].id: r for q, r in zip(run.by_photo.query, run.by_photo.rank, strict=True)}
    for row in found.by_age:
        high = math.inf if row.to_years is None else row.to_years
        mine = [r for r in records if r["age_years"] is not None and row.from_years <= r["age_years"] < high]
        by_patient = {}
        for r in mine:
            by_patient.setdefault(r["patient"], []).append(ranks[r["id"]])
        assert (row.photos, row.patients) == (len(mine), len(by_patient))
        assert row.median_years == pytest.approx(np.median([r["age_years"] for r in mine]))
        if len(by_patient) < FEWEST_PATIENTS:
            assert row.figures == {}
            continue
        for name, value in (("top-1", lambda rank: float(rank <= 1)), ("MRR", lambda rank: 1 / rank)):
            means = [np.mean([value(rank) for rank in theirs]) for theirs in by_patient.values()]
            figure = row.figures[name]
            assert figure.value == pytest.approx(np.mean(means))
            assert figure.interval[0] <= figure.value <= figure.interval[1]
    assert sum(row.photos for row in found.by_age) == len(records) - 1


def test_the_lines_are_the_ranks_of_each_patient_youngest_first():
    records = ageing(np.random.default_rng(3), patients=6)
    for r in records:
        if r["patient"] == "d0p00":
            r["age_years"] = 4.0 + 0.5 * int(r["id"][-1])  # half a year apart: no change over the years
        if r["patient"] == "d0p01":
            r["age_years"] = 30.0 if r["id"].endswith("0") else 3.0
    ranked, found = found_in(records)
    gallery = gallery_of(records)
    ranks = {
        gallery.photos[q].id: r
        for q, r in zip(ranked.runs[0].by_photo.query, ranked.runs[0].by_photo.rank, strict=True)
    }
    people = {person.patient: person for _, person in found.patients}
    assert "d0p00" not in people
    assert len(people) == 35
    turned = people["d0p01"]
    assert turned.ages_years == (3.0, 30.0)
    assert turned.ranks == (ranks["d0p01-1"], ranks["d0p01-0"])
    assert turned.change == pytest.approx(np.log2(ranks["d0p01-0"] / ranks["d0p01-1"]))
    assert turned.span_years == 27.0


def test_few_patients_are_given_no_change():
    _, found = found_in(ageing(np.random.default_rng(4), patients=FEWEST_OVER_YEARS - 1))
    whole, *each = found.changes
    assert whole.change is not None
    assert {(row.patients, row.change, row.p, row.adjusted_p) for row in each} == {(5, None, None, None)}


def test_holm_keeps_the_order_and_never_exceeds_one():
    assert holm([]) == []
    assert holm([0.5, 0.01, 0.9]) == pytest.approx([1.0, 0.03, 1.0])
