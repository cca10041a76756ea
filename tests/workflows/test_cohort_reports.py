import datetime as dt

import numpy as np
import pytest

from deciface.cases import Sex
from deciface.errors import StorageError
from deciface.space.cohort_test import Match, cohort_test
from deciface.space.lumping import compare_cohorts
from deciface.space.matrices import pair_matrices
from deciface.space.people import PatientRow
from deciface.stats.permutation import Alternative, p_value
from deciface.stats.roc import roc, youden
from deciface.workflows.cohort_reports import (
    Asked,
    controls_of,
    write_comparison_report,
    write_matrix_report,
    write_test_report,
)
from tests.space.cohorts import gallery_of_people

NOW = dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)
FOUR = [f"p{i:03d}" for i in range(4)]


@pytest.fixture(scope="module")
def gallery():
    return gallery_of_people(
        [
            {
                "disorder": i // 4,
                "pull": 1.5,
                "photos": 1 + i % 2,
                "sex": (Sex.FEMALE, Sex.MALE)[i % 2],
                "ancestry": "Hakka" if i % 3 else "Amis",
                "age_years": float(i) if i != 1 else None,
            }
            for i in range(60)
        ],
        seed=5,
    )


@pytest.fixture
def asked(gallery):
    return Asked(gallery, "site", ("disorder:D0",), (("seed", "7"),))


@pytest.mark.parametrize("match", [(), (Match.SEX,), (Match.SEX, Match.ANCESTRY)])
@pytest.mark.parametrize("row", list(PatientRow))
def test_the_picture_is_of_the_groups_that_the_test_looked_at(gallery, match, row):
    found = cohort_test(gallery, FOUR, rng=np.random.default_rng(7), match=match, row=row, draws=499)
    assert p_value(found.mean_distance, found.null, of=found.p.null, alternative=Alternative.LESS) == found.p
    assert tuple(np.quantile(found.null, [0.025, 0.975])) == pytest.approx(found.null_range)


def test_the_curve_is_of_the_controls_that_the_comparison_rests_on(gallery):
    found = compare_cohorts(gallery, FOUR[:2], FOUR[2:], rng=np.random.default_rng(7), resamples=100)
    pairs = controls_of(gallery, found, seed=7)
    assert youden(pairs.distances, pairs.different).threshold == found.threshold.value
    assert roc(pairs.distances, pairs.different).area == found.threshold.auc


def test_members_are_told_as_far_as_they_are_recorded(asked):
    first, second = asked.members(["p001", "p000"])
    assert (first.patient, first.photos, first.sex, first.ages, first.ancestry, first.diagnoses) == (
        "p000",
        1,
        "female",
        "0",
        "Amis",
        "D0",
    )
    assert (second.photos, second.sex, second.ages) == (2, "male", "not recorded")


def test_unaffected_and_undiagnosed_people_are_called_so():
    gallery = gallery_of_people([{"unaffected": True}, {}], seed=1)
    assert [m.diagnoses for m in Asked(gallery, "site", ("p000",)).members(["p000", "p001"])] == [
        "unaffected",
        "undiagnosed",
    ]


def test_many_patients_are_counted_in_a_title_and_named_in_the_provenance(gallery):
    asked = Asked(gallery, "site", (",".join(FOUR), "p010,p011"))
    assert asked.briefly == "4 patients against p010, p011"
    assert ("asked for", "p000,p001,p002,p003 against p010,p011") in asked.head("x").provenance


def test_pages_are_written_whole_and_the_same_again(gallery, asked, tmp_path):
    found = cohort_test(gallery, FOUR, rng=np.random.default_rng(7), draws=499)
    for name in ("one", "two"):
        write_test_report(found, tmp_path / name, asked=asked, now=NOW)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    page = (tmp_path / "one").read_text()
    assert "disorder:D0: more alike than chance?" in page
    assert gallery.digest in page
    compared = compare_cohorts(gallery, FOUR[:2], FOUR[2:], rng=np.random.default_rng(7), resamples=100)
    write_comparison_report(compared, tmp_path / "three", asked=asked, seed=7, now=NOW)
    assert (tmp_path / "three").read_text().count("<svg") == 2


def test_a_page_that_cannot_be_written_is_one_line(gallery, asked, tmp_path):
    with pytest.raises(StorageError, match="cannot be written"):
        write_matrix_report(pair_matrices(gallery, FOUR), tmp_path / "no" / "x.html", asked=asked, now=NOW)
