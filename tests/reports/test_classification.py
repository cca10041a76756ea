from dataclasses import replace

import numpy as np
import pytest

from deciface.errors import OptionError
from deciface.evaluation.classification import (
    Predictions,
    binary_accuracy,
    multiclass_accuracy,
    published_beside,
    specialised_accuracy,
)
from deciface.figures.discrimination import reliability_bins
from deciface.reports.classification import ClassificationReport, Classified, Learnt, nothing_learnt, render
from deciface.reports.training import Curves, FoldSize, TrainingData
from tests.figures.test_training import EPOCHS
from tests.reports.pages import HEAD, NOW, check_page


def predictions(classes, patients=60, *, skill=1.0, seed=1):
    rng = np.random.default_rng(seed)
    own = np.concatenate([np.arange(classes), rng.integers(0, classes, patients - classes)]).astype(np.intp)
    raw = np.exp(rng.standard_normal((patients, classes)) + skill * np.eye(classes)[own])
    ids = tuple(f"OMIM:{163_950 + i}" for i in range(classes))
    return Predictions(tuple(f"p{i}" for i in range(patients)), ids, own, raw / raw.sum(axis=1, keepdims=True))


def test_one_disorder_against_the_rest():
    known = predictions(2)
    main, region = binary_accuracy(known), binary_accuracy(predictions(2, skill=0.2))
    scores, own = known.by_patient()
    report = ClassificationReport(
        HEAD,
        (
            Classified("all regions", main, reliability=reliability_bins(scores[:, 1], own == 1)),
            *(Classified(f"region {i}", region) for i in range(5)),
        ),
        {main.disorder: "Noonan <syndrome>"},
    )
    page = render(report, now=NOW)
    text = check_page(page)
    assert f"Noonan &lt;syndrome&gt; against the rest: {main.with_disorder} patients with it" in text
    for share in (main.accuracy, main.sensitivity, main.specificity):
        low, high = share.interval
        assert f"{100 * share.value:.1f} % ({share.hits} of {share.of}) ({100 * low:.0f}–{100 * high:.0f} %)" in text
    low, high = main.auc.interval
    assert f"{main.auc.value:.3f} ({low:.3f}–{high:.3f})" in text
    assert "2 more are in the table and not in the chart." in text
    assert page.count("<svg") == 2
    assert "What others printed" not in text


def test_accuracy_comes_last_and_beside_always_no():
    main = binary_accuracy(predictions(2))
    text = check_page(render(ClassificationReport(HEAD, (Classified("all regions", main),)), now=NOW))
    assert "classifier sensitivity specificity AUC accuracy accuracy of always 'no'" in text.replace("&#39;", "'")
    others = main.specificity.of
    assert f"{100 * others / 60:.1f} % ({others} of 60)" in text


def test_a_classifier_that_learnt_nothing_says_so_first():
    none, some = (binary_accuracy(predictions(2, skill=skill)) for skill in (0.0, 1.5))
    said = nothing_learnt(none)
    low, high = none.auc.interval
    assert said == (
        f"Nothing was learnt that can be told from chance: AUC {none.auc.value:.2f} ({low:.2f} to {high:.2f}), where "
        "knowing nothing gives 0.50. Do not use this model."
    )
    assert some.auc.value < 1
    assert nothing_learnt(some) == ""
    perfect, few = (binary_accuracy(predictions(2, patients, skill=90.0)) for patients in (60, 4))
    assert (perfect.auc.value, few.auc.value) == (1, 1), "where DeLong's interval is no interval"
    assert nothing_learnt(perfect) == ""
    assert nothing_learnt(few).endswith("4 patients are too few to say.")
    page = ClassificationReport(HEAD, (Classified("all regions", none),))
    assert check_page(render(page, now=NOW)).count(said) == 1
    told = replace(page, head=replace(HEAD, notices=(*HEAD.notices, said)))
    assert check_page(render(told, now=NOW)).count(said) == 1, "once, in the head"
    genes = nothing_learnt(specialised_accuracy(predictions(5, skill=0.0)))
    assert genes.startswith("Nothing was learnt that can be told from chance: top-1")
    assert nothing_learnt(specialised_accuracy(predictions(5, skill=4.0))) == ""
    many = (multiclass_accuracy(predictions(12, 100, skill=skill), seed=1, replicates=200) for skill in (0.0, 4.0))
    assert [bool(nothing_learnt(result)) for result in many] == [True, False]


def test_who_was_learnt_from_how_and_the_curves_are_on_the_page():
    data = TrainingData(
        60, 61, {"D1": 6, "rest": 54}, {"Amis": 60}, folds=(FoldSize("fold 1", 36, 37, 12, 12, 12, 12),)
    )
    learnt = Learnt(
        data, (Curves("fold 1", EPOCHS, ("top-1",), "share"),), (("epochs asked for", "at most 20 a fold"),)
    )
    main = Classified("all regions", binary_accuracy(predictions(2)))
    page = render(ClassificationReport(HEAD, (main,), learnt=learnt), now=NOW)
    text = check_page(page)
    for said in ("60 patients, 61 photos", "Amis 60", "fold 1 36 37 12 12 12 12", "epochs asked for at most 20 a fold"):
        assert said in text
    assert page.count("<svg") == 2


def test_genes_of_a_disorder_have_a_confusion_matrix_and_their_chance():
    result = specialised_accuracy(predictions(5))
    names = dict(zip(result.classes, ("PTPN11", "SOS1", "RAF1", "RIT1", "KRAS"), strict=True))
    report = ClassificationReport(
        HEAD, (Classified("all regions", result, published_beside(result, ["OMIM:163950"])),), names
    )
    text = check_page(render(report, now=NOW))
    assert "5 classes, 60 patients, 60 photos. A random order finds 20.0 %" in text
    assert f"Exact one-sided p against the larger of the two: {result.p:.3g}." in text
    assert "five genes of Noonan syndrome, chance 20 % top-1 64.0 %" in text
    assert f"{result.top_1.hits} of 60 patients have their own class first" in text
    assert {"PTPN11", "KRAS"} <= set(text.split())


def test_many_disorders_have_top_k_and_their_mistakes():
    result = multiclass_accuracy(predictions(12, 100), seed=1, replicates=200)
    text = check_page(render(ClassificationReport(HEAD, (Classified("all regions", result),)), now=NOW))
    for row in result.top:
        assert f"(top-{row.k})" in text
        for mean, figure in (("micro", row.micro), ("macro", row.macro)):
            assert f"top-{row.k}, {mean}" in text
            assert f"{100 * figure.value:.1f} % ({100 * figure.interval[0]:.0f}–" in text
    wrong = result.confusion.copy()
    np.fill_diagonal(wrong, 0)
    i, j = np.unravel_index(np.argmax(wrong), wrong.shape)
    assert f"{result.classes[i]} {result.classes[j]} {wrong[i, j]} of {result.confusion[i].sum()}" in text


def test_classes_that_cannot_be_read_are_not_drawn_one_by_one():
    result = multiclass_accuracy(predictions(61, 130), seed=1, replicates=200)
    page = render(ClassificationReport(HEAD, (Classified("all regions", result),)), now=NOW)
    check_page(page)
    assert page.count("<svg") == 1


def test_one_page_shows_one_kind():
    binary = Classified("a", binary_accuracy(predictions(2)))
    other = replace(binary, result=specialised_accuracy(predictions(3)))
    with pytest.raises(OptionError, match="results of 2 kinds of classifier"):
        render(ClassificationReport(HEAD, (binary, other)), now=NOW)
    with pytest.raises(OptionError, match="results of 0 kinds"):
        render(ClassificationReport(HEAD, ()), now=NOW)
