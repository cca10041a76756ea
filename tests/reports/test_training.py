from dataclasses import replace

import pytest

from deciface.errors import OptionError
from deciface.evaluation.accuracy import Figure
from deciface.reports.training import Curves, FoldSize, HeldOut, TrainingData, TrainingReport, render
from tests.figures.test_training import EPOCHS
from tests.reports.pages import HEAD, NOW, check_page


@pytest.fixture
def report():
    ours = Figure(0.62, (0.54, 0.69), "patient bootstrap, BCa")
    theirs = Figure(0.41, (0.33, 0.49), "patient bootstrap, BCa")
    return TrainingReport(
        HEAD,
        TrainingData(
            1_600,
            4_120,
            {f"D{i:02d} <x>": 30 - i for i in range(20)},
            {"Hakka": 900, "Amis": 700},
            ("D99: one patient, and a class needs two",),
            (FoldSize("fold 1", 1_280, 3_300, 320, 820),),
        ),
        (Curves("fold 1", EPOCHS), Curves("fold 2", EPOCHS[:2])),
        (
            HeldOut("top-1", "trained disorders", 160, {"trained here": ours, "dlib-resnet": theirs}, 0.05),
            HeldOut("top-1", "unseen disorders", 80, {"trained here": Figure(0.5)}),
        ),
        (("patience", "10 epochs"),),
        (("licence", "CC BY 4.0"),),
        ("Simulated features are not those of patients.",),
    )


def test_figures_stand_beside_those_of_the_peer(report):
    text = check_page(render(report, now=NOW))
    assert "measure people patients chance trained here dlib-resnet" in text
    assert "top-1 trained disorders 160 5.0 % 62.0 % (54–69 %) 41.0 % (33–49 %)" in text
    assert "top-1 unseen disorders 80 50.0 % In brackets" in text  # no interval, no chance, no peer


def test_people_folds_recipe_and_card_are_there(report):
    text = check_page(render(report, now=NOW))
    for said in (
        "1,600 patients, 4,120 photos, 20 classes of 11 patients or more.",
        "Ancestries were drawn as often as they occur.",
        "D00 &lt;x&gt; 30",
        "and 5 more",
        "Hakka 900 Amis 700",
        "fold 1 1,280 3,300 320 820",
        "D99: one patient, and a class needs two",
        "patience 10 epochs",
        "licence CC BY 4.0",
        "Simulated features are not those of patients.",
        "3 epochs; kept: epoch 2 (score 0.600, top-1 0.400)",
    ):
        assert said in text
    balanced = replace(report, data=replace(report.data, balanced=True))
    assert "Each ancestry was drawn as often as any other." in check_page(render(balanced, now=NOW))


def test_learning_choosing_and_testing_stand_apart_and_people_are_described(report):
    fold = FoldSize("the run", 24, 40, 8, 12, 8, 11)
    data = replace(report.data, folds=(fold,), by_sex={"male": 9, "female": 15}, by_age={"2-6": 20, "6-12": 4})
    text = check_page(render(replace(report, data=data), now=NOW))
    assert "nobody is in two columns" in text
    columns = "learnt from, patients photos choose the epoch, patients photos tested on, patients photos"
    assert f"{columns} the run 24 40 8 11 8 12" in text
    assert "female 15 male 9" in text
    assert "2-6 20 6-12 4" in text, "in the order of age"
    without = check_page(render(report, now=NOW))
    assert "nobody is on both sides" in without
    assert "choose the epoch, patients" not in without


def test_there_is_a_chart_a_run_and_one_of_the_figures(report):
    page = render(report, now=NOW)
    assert page.count("<svg") == 3
    assert "Nobody was held out" in check_page(render(replace(report, held_out=()), now=NOW))


def test_a_report_without_a_run_is_refused(report):
    with pytest.raises(OptionError, match="no training run"):
        render(replace(report, curves=()), now=NOW)
    with pytest.raises(OptionError, match="no epoch was trained"):
        render(replace(report, curves=(Curves("fold 1", ()),)), now=NOW)
