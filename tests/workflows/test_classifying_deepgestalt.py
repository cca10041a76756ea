"""A photo and a model file: the sorted list, pictures of where it looked, what is refused before anything is drawn."""

from __future__ import annotations

import datetime as dt
import json

import cv2
import numpy as np
import pytest

from deciface.errors import OptionError, StorageError
from deciface.photos import read_photo
from deciface.workflows.classifying_deepgestalt import classify_photo, write_report
from tests.encoders.deepgestalts import model_bytes

pytestmark = pytest.mark.models


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(model_bytes())
    return path


@pytest.fixture
def photo(small_cohort):
    return min((small_cohort.folder / "photos").iterdir())


def test_the_list_is_whole_and_sorted_and_regions_speak_for_themselves(photo, model_file, model_store):
    found = classify_photo(photo, model_file, store=model_store)
    assert [one.rank for one in found.suggestions] == [1, 2, 3]
    scores = [one.score for one in found.suggestions]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1)
    assert [region for region, _ in found.by_region] == ["face", "mouth"]
    assert max(one.score for _, one in found.by_region) >= scores[0]
    document = found.as_document()
    assert (document["photo"], document["trained_on"], document["heatmaps"]) == (photo.name, "nobody", [])
    assert document["suggestions"][0]["name"] in {"first", "second", "third"}


def test_heatmaps_are_drawn_over_face_and_regions(photo, model_file, model_store, tmp_path):
    found = classify_photo(photo, model_file, store=model_store, label="OMIM:2", heat=tmp_path / "heat")
    assert {path.name for path in found.heatmaps} == {
        f"{what}-pooling{k}.png" for what in ("all-regions", "face", "mouth") for k in range(1, 6)
    }
    for path in found.heatmaps:
        picture = cv2.imread(str(path))
        assert picture is not None
        assert np.ptp(picture) > 100


def test_the_page_holds_list_regions_heatmaps_and_what_is_known_of_the_photo(photo, model_file, model_store, tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"learnt_from": [{"sha256": "a" * 64}]}))
    found = classify_photo(photo, model_file, store=model_store, pictured=True)
    assert (found.among_learnt, found.heatmaps) == (False, ())
    write_report(found, tmp_path / "r.html", model_file=model_file, now=dt.datetime(2026, 1, 2, tzinfo=dt.UTC))
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 5 + 2
    for said in (*(one.label.name for one in found.suggestions), "mouth", "Not among the 1 photos", "Research use"):
        assert said in page
    assert "http" not in page
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == []


def test_a_photo_that_was_learnt_from_is_told(photo, model_file, model_store, tmp_path):
    assert classify_photo(photo, model_file, store=model_store).among_learnt is None
    learnt = {"data": {"learnt_from": [{"photo": "x", "sha256": read_photo(photo).pixel_sha256}]}}
    (tmp_path / "run.json").write_text(json.dumps(learnt))
    found = classify_photo(photo, model_file, store=model_store, pictured=True)
    assert found.as_document()["learnt_from_this_photo"] is True
    write_report(found, tmp_path / "r.html", model_file=model_file, now=dt.datetime(2026, 1, 2, tzinfo=dt.UTC))
    assert '<p class="notice care">The model learnt from this very photo' in (tmp_path / "r.html").read_text()
    with pytest.raises(OptionError, match="is a folder; name the report's file"):
        write_report(found, tmp_path, model_file=model_file, now=dt.datetime(2026, 1, 2, tzinfo=dt.UTC))


def test_unknown_classes_and_folders_that_are_there_are_refused(photo, model_file, model_store, tmp_path):
    with pytest.raises(OptionError, match=r"'OMIM:9' is not a class of model\.onnx; it knows OMIM:1, OMIM:2, OMIM:3"):
        classify_photo(photo, model_file, store=model_store, label="OMIM:9", heat=tmp_path / "heat")
    with pytest.raises(StorageError, match="exists already and is not written over"):
        classify_photo(photo, model_file, store=model_store, heat=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx"}
