"""What a diagnosis says of unusualness and of patient against unaffected, in JSON, in lines and on the page."""

import json

import numpy as np
import pytest

from deciface.cases import Sex
from deciface.cli.diagnose import lines_of
from deciface.space import Background, rank, syndromic_evidence, unusualness
from deciface.workflows.diagnosing import FaceDiagnosis, PatientFacts
from tests.space.test_unusual import asked
from tests.space.test_unusual_syndromic import cohort, gallery_of


def answer_of(query, gallery, background):
    return FaceDiagnosis(
        seen=(),
        facts=PatientFacts(),
        ranking=rank(gallery, query),
        unusualness=unusualness(gallery, query, background=background),
        syndromic=syndromic_evidence(gallery, query, background=background),
        cards=(),
        gallery_name="made",
    )


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(12)
    backgrounds, vectors, labels = cohort(rng, unaffected=150, patients=80, amount=3.0)
    return gallery_of(backgrounds, vectors, labels), cohort(rng, unaffected=1, patients=1, amount=12.0)


def test_a_patient_is_told_with_whom_and_from_whom(world):
    gallery, (backgrounds, vectors, _) = world
    answer = answer_of(asked(vectors[1]), gallery, backgrounds[1])
    document = json.loads(json.dumps(answer.as_document(), allow_nan=False))
    found, evidence = document["unusualness"], document["syndromic"]
    assert found["verdict"] == "more unusual than at least 95 % of unaffected faces"
    assert found["reference_people"] == 150
    assert found["adjusted_for"] == ["ancestry", "age", "sex"]
    assert set(found["people_share"]) | set(found["let_go"]) == {"ancestry", "age", "sex"}
    assert evidence["verdict"] == "speaks for a patient of some disorder"
    assert 0 < evidence["interval"][0] <= evidence["log_likelihood_ratio"] <= evidence["interval"][1]
    assert len(evidence["reasons"]) == 3
    assert evidence["calibration"]["unaffected"] == 150
    low, high = evidence["calibration"]["auroc_disorder_known"]["interval"]
    assert low < evidence["calibration"]["auroc_disorder_known"]["value"] < high
    text = "\n".join(lines_of(answer))
    assert "unusualness: more unusual than at least 95 % of unaffected faces (" in text
    assert f" of {found['people']} unaffected people (" in text
    assert "adjusted for, not held equal" in text
    assert "patient of some disorder, or unaffected: speaks for a patient of some disorder\n" in text
    assert f"log likelihood ratio {evidence['log_likelihood_ratio']:+.2f}" in text
    assert "distance to the nearest patients: larger than in" in text


def test_cannot_tell_says_why_and_gives_no_number(world):
    gallery, (_, vectors, _) = world
    answer = answer_of(asked(vectors[0]), gallery, Background(0.2, Sex.FEMALE))
    document = answer.as_document()
    assert (document["unusualness"]["p"], document["unusualness"]["percentile"]) == (None, None)
    assert document["syndromic"]["log_likelihood_ratio"] is None
    assert document["syndromic"]["calibration"] is None
    text = "\n".join(lines_of(answer))
    why = "0 of 150 unaffected people are of age 0-2 years; 10 are needed to know what is usual there"
    assert f"unusualness: cannot tell: {why}" in text
    assert f"patient of some disorder, or unaffected: cannot tell: {why}" in text


@pytest.mark.models
def test_age_sex_and_ancestry_are_those_given_else_those_of_the_very_photo(small_cohort, small_workspace, model_store):
    from deciface.workflows.diagnosing import diagnose
    from deciface.workflows.encoding import PhotoEncoder
    from deciface.workflows.galleries import open_gallery

    photo = min((small_cohort.folder / "photos").glob("SIM-P*.jpg"))
    gallery = open_gallery(small_workspace)
    encoder = PhotoEncoder(model_store)
    recorded = next(p for p in gallery.photos if p.patient.id == photo.stem.rsplit("-", 1)[0])
    found = diagnose([photo], gallery, encoder=encoder, gallery_name="x").unusualness.background
    assert found == Background.of(recorded)
    facts = PatientFacts(age_years=3.0, sex="female", ancestry="Hakka / Amis")
    found = diagnose([photo], gallery, encoder=encoder, gallery_name="x", facts=facts).unusualness.background
    assert found == Background(3.0, Sex.FEMALE, frozenset(["hakka", "amis"]))
