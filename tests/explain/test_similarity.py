"""Regional similarity: finds what was planted, cannot tell where nothing is, and seldom claims anything by chance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind

from deciface.errors import NothingFoundError
from deciface.explain import Verdict, mean_face, region_vectors, regional_similarity
from tests.explain.worlds import crops, looking_at, looking_nowhere, regions


def judged(encode, query, patients, controls):
    filling, cut = mean_face(controls), regions()
    parts = [region_vectors(encode, c, filling=filling, regions=cut).astype(float) for c in (query, patients, controls)]
    return regional_similarity(cut.names, parts[0][:, 0], patients=parts[1], controls=parts[2])


@pytest.mark.parametrize("where", ["brows", "nose", "mouth"])
def test_the_region_that_is_looked_at_is_found_and_no_other(where):
    rng = np.random.default_rng(4)
    patients, controls = crops(rng, 20, where=where, shift=70), crops(rng, 24)
    for shift, verdict in ((70, Verdict.FOR), (-70, Verdict.AGAINST)):
        found = judged(looking_at(where), crops(rng, 1, where=where, shift=shift), patients, controls)
        said = {r.region: r.verdict for r in found}
        assert said.pop(where) is verdict
        told = [r for r in found if r.verdict is not Verdict.CANNOT_TELL]
        assert [r.region for r in told] == [where]
        assert told[0].words.startswith(f"{where}: {verdict} the disorder: more like the patients than ")
        elsewhere = next(r for r in found if r.region == "forehead")
        assert elsewhere.words == "forehead: cannot tell: the encoder sees no difference between people here"


def test_unlike_the_patients_is_against_also_when_it_is_like_the_controls():
    rng = np.random.default_rng(6)
    patients, controls = crops(rng, 20, where="mouth", shift=80), crops(rng, 20)
    found = judged(looking_at("mouth"), crops(rng, 1), patients, controls)
    mouth = next(r for r in found if r.region == "mouth")
    assert mouth.verdict is Verdict.AGAINST
    assert mouth.among_patients.difference < 0
    assert mouth.among_controls.p_regions > 0.05


def test_between_both_cannot_tell():
    row = lambda x, n, rng: np.column_stack([np.cos(x + rng.normal(0, 0.01, n)), np.sin(x + rng.normal(0, 0.01, n))])  # noqa: E731
    rng = np.random.default_rng(3)
    patients, controls = row(0.6, 20, rng)[None], row(0.0, 20, rng)[None]
    (found,) = regional_similarity(["eyes"], row(0.3, 1, rng), patients=patients, controls=controls)
    assert found.verdict is Verdict.CANNOT_TELL
    assert found.words == (
        "eyes: cannot tell: between both, more like the patients than 20 of 20 controls are "
        "and than 0 of 20 patients are"
    )


def test_an_encoder_that_looks_nowhere_cannot_tell():
    rng = np.random.default_rng(1)
    found = judged(looking_nowhere, crops(rng, 1), crops(rng, 8), crops(rng, 20))
    assert {r.verdict for r in found} == {Verdict.CANNOT_TELL}
    assert {r.score for r in found} == {0.0}


def test_too_few_people_cannot_tell():
    rng = np.random.default_rng(1)
    encode, patients = looking_at("eyes"), crops(rng, 3, where="eyes", shift=90)
    found = judged(encode, crops(rng, 1, where="eyes", shift=90), patients, crops(rng, 18))
    eyes = next(r for r in found if r.region == "eyes")
    assert eyes.verdict is Verdict.CANNOT_TELL
    assert eyes.words.startswith("eyes: cannot tell: more like the patients than 18 of 18 controls are and than ")
    assert eyes.words.endswith(
        " of 3 patients are; 19 controls are needed to speak for; 19 patients are needed to speak against"
    )
    assert eyes.interval[0] > 0
    (single,) = regional_similarity(["eyes"], np.eye(2)[:1], patients=np.eye(2)[None, :1], controls=np.eye(2)[None])
    assert single.interval is None
    with pytest.raises(NothingFoundError, match=r"^0 patients and 3 controls to compare the regions with"):
        regional_similarity(["eyes"], np.ones((1, 2)), patients=np.ones((1, 0, 2)), controls=np.ones((1, 3, 2)))


def test_scores_equal_plain_loops():
    rng = np.random.default_rng(9)
    unit = lambda shape: (lambda v: v / np.linalg.norm(v, axis=-1, keepdims=True))(rng.normal(size=shape))  # noqa: E731
    query, patients, controls = unit((2, 5)), unit((2, 6, 5)), unit((2, 7, 5))
    for r, found in enumerate(regional_similarity(["a", "b"], query, patients=patients, controls=controls)):
        near = lambda x, group: float(np.mean([x @ y for y in group]))  # noqa: E731
        everybody_but = lambda group, i, q=query[r]: [y for k, y in enumerate([q, *group]) if k != i]  # noqa: E731
        score = near(query[r], patients[r]) - near(query[r], controls[r])
        of_controls = [
            near(x, patients[r]) - near(x, everybody_but(controls[r], i))
            for i, x in enumerate([query[r], *controls[r]])
        ]
        of_patients = [
            near(x, everybody_but(patients[r], i)) - near(x, controls[r])
            for i, x in enumerate([query[r], *patients[r]])
        ]
        assert found.score == pytest.approx(score)
        for of, standing in ((of_controls, found.among_controls), (of_patients, found.among_patients)):
            assert of[0] == pytest.approx(score)
            assert standing.difference == pytest.approx(score - np.mean(of[1:]))
            assert standing.below == sum(x < score for x in of[1:])
        welch = ttest_ind(patients[r] @ query[r], controls[r] @ query[r], equal_var=False).confidence_interval()
        assert found.interval == pytest.approx((welch.low, welch.high))


def alike(rng, *counts):
    """Regions of people of one kind, (10, n, 16) for each count: nothing sets the first apart from the others."""
    rows = rng.normal(size=(10, sum(counts), 16)) * 0.05 + np.eye(16)[0]
    rows /= np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.split(rows, np.cumsum(counts)[:-1], axis=1)


def told(query, patients, controls):
    return {
        r.verdict for r in regional_similarity(list("abcdefghij"), query[:, 0], patients=patients, controls=controls)
    }


def test_nothing_is_claimed_by_chance_over_all_regions():
    """Query, patients and controls alike: how often anything is said of any of ten regions. 400 people at 5 %: 20."""
    rng = np.random.default_rng(12)
    answers = [told(*alike(rng, 1, 20, 24)) for _ in range(400)]
    assert sum(Verdict.FOR in said for said in answers) <= 32
    assert sum(Verdict.AGAINST in said for said in answers) <= 32


def test_a_patient_is_seldom_told_against_and_an_unaffected_person_often():
    """Patients differ from controls in three regions: the error of each claim is that of its own kind of people."""
    rng = np.random.default_rng(13)
    said = {"patient": [], "unaffected": []}
    for _ in range(300):
        query, patients, controls = alike(rng, 2, 30, 30)
        for group in (query[:, :1], patients):
            group[:3] += 0.12 * np.eye(16)[1]
            group /= np.linalg.norm(group, axis=-1, keepdims=True)
        said["patient"].append(told(query[:, :1], patients, controls))
        said["unaffected"].append(told(query[:, 1:], patients, controls))
    count = lambda who, verdict: sum(verdict in answer for answer in said[who])  # noqa: E731
    assert count("patient", Verdict.AGAINST) <= 25, "300 at 5 %: 15"
    assert count("unaffected", Verdict.FOR) <= 25
    assert count("patient", Verdict.FOR) > 150
    assert count("unaffected", Verdict.AGAINST) > 150


def test_less_like_the_patients_than_controls_are_is_not_enough_to_speak_against():
    rng = np.random.default_rng(5)
    query, patients, controls = alike(rng, 1, 8, 40)
    for group, amount in ((query, -0.2), (patients, 0.2)):
        group[0] += amount * np.eye(16)[1]
        group /= np.linalg.norm(group, axis=-1, keepdims=True)
    (first, *_) = regional_similarity(list("abcdefghij"), query[:, 0], patients=patients, controls=controls)
    assert first.among_controls.below == first.among_patients.below == 0
    assert first.verdict is Verdict.CANNOT_TELL
    assert first.words.endswith("; 19 patients are needed to speak against")
