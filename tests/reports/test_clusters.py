import numpy as np
import pytest

from deciface.reports.clusters import ClustersReport, render, stability_word
from deciface.reports.cohort import Member
from deciface.space.clusters import find_clusters
from deciface.space.matching import find_matches
from tests.reports.pages import HEAD, NOW, check_page
from tests.space.cohorts import gallery_of_people


@pytest.fixture
def report():
    people = [{"disorder": i // 4, "pull": 1.0} for i in range(40)]
    people += [{"disorder": None, "pull": 3.0, "family": f"f{i // 2}" if i < 2 else None} for i in range(4)]
    gallery = gallery_of_people(people, seed=2)
    found = find_clusters(gallery, rng=np.random.default_rng(1), resamples=20)
    members = tuple(Member(p, 1, "female", "7", "Tongan", "undiagnosed") for p in found.patient_ids)
    return ClustersReport(HEAD, found, find_matches(gallery), 20, members)


def test_clusters_and_pairs_are_all_on_the_page(report):
    page = render(report, now=NOW)
    text = check_page(page)
    assert report.found.clusters
    for number, c in enumerate(report.found.clusters, start=1):
        line = f"{number} {', '.join(c.patient_ids)}"
        assert line in text
        assert f"{c.mean_distance:.4f} {c.stability:.2f} {stability_word(c.stability, len(c.patient_ids))}" in text
    for m in report.matches.matches:
        assert f"{' – '.join(m.patient_ids)} {m.distance:.4f}" in text
    assert f"cut at {report.found.cut:.4f}" in text
    assert "over 20 resamples" in text
    assert "no p-value" in text
    assert page.count("data:image/png;base64,") == 1
    assert page.count("<svg") == 1


def test_everybody_is_described_once_under_their_cluster(report):
    text = check_page(render(report, now=NOW))
    described = text[text.index("Who they are") :]
    for patient in report.found.patient_ids:
        assert described.count(f"{patient} 1 female 7 Tongan undiagnosed") == 1
    assert "Cluster 1 patient photos" in described


def test_one_family_is_said(report):
    assert any(m.relatives for m in report.matches.matches) == ("one family" in check_page(render(report, now=NOW)))


@pytest.mark.parametrize(
    ("stability", "patients", "word"),
    [(1.0, 2, "a pair: says little"), (0.49, 3, "dissolves"), (0.5, 3, "unsure"), (0.75, 3, "stable")],
)
def test_stability_in_words(stability, patients, word):
    assert stability_word(stability, patients) == word
