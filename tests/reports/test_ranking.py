import pytest

from deciface.reports.ranking import RankingReport, render
from deciface.space import Rule
from deciface.workflows.cohorts import query_of_patient, rank_side_by_side
from tests.reports.pages import HEAD, NOW, check_page
from tests.space.cohorts import gallery_of_people


@pytest.fixture
def answer():
    gallery = gallery_of_people([{"disorder": i // 3, "pull": 1.0} for i in range(15)] + [{"unaffected": True}], seed=4)
    return rank_side_by_side(gallery, query_of_patient(gallery, "p000"), top=3, published_cut=0.3)


def test_every_rule_stands_beside_the_others(answer):
    page = render(RankingReport(HEAD, answer.rankings, answer.refused, answer.published), now=NOW)
    text = check_page(page)
    for ranking in answer.rankings:
        assert f"Rule {ranking.rule}" in text
        for hit in ranking.disorders:
            assert f"{hit.rank} {hit.disorder.name} {hit.distance:.4f}" in text
    assert "As published, with a self-match cut" in text
    assert f"{answer.published.dropped_photos} photos of {answer.published.dropped_patients} patients" in text
    for rule, why in answer.refused:
        assert f"Not ranked by {rule}: {why}." in text


def test_disorders_are_in_the_order_of_their_best_rank_and_missing_ones_have_a_dash(answer):
    page = render(RankingReport(HEAD, answer.rankings, (), None), now=NOW)
    rows = page.split("<tbody>")[1].split("</tbody>")[0].split("<tr>")[1:]
    listed = [{h.disorder.id: h.rank for h in r.disorders} for r in answer.rankings]
    ids = list(dict.fromkeys(i for ranks in listed for i in ranks))
    best = {i: min(ranks[i] for ranks in listed if i in ranks) for i in ids}
    shown = [next(i for i in ids if f'<span class="small">{i}</span>' in row) for row in rows]
    assert sorted(shown) == sorted(ids)
    assert [best[i] for i in shown] == sorted(best.values())
    missing = sum(i not in ranks for ranks in listed for i in ids)
    assert page.count('<td class="num">–</td>') == missing > 0
    assert "As published" not in page


def test_a_rule_that_was_refused_says_why(answer):
    page = render(RankingReport(HEAD, answer.rankings[:1], ((Rule.DISCRIMINANT, "too few <people>"),), None), now=NOW)
    assert "Not ranked by discriminant: too few &lt;people&gt;." in check_page(page)
