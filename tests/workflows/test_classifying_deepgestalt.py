"""A photo and a model file: the sorted list, pictures of where it looked, what is refused before anything is drawn."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from deciface.errors import OptionError, StorageError
from deciface.workflows.classifying_deepgestalt import classify_photo
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


def test_unknown_classes_and_folders_that_are_there_are_refused(photo, model_file, model_store, tmp_path):
    with pytest.raises(OptionError, match=r"'OMIM:9' is not a class of model\.onnx; it knows OMIM:1, OMIM:2, OMIM:3"):
        classify_photo(photo, model_file, store=model_store, label="OMIM:9", heat=tmp_path / "heat")
    with pytest.raises(StorageError, match="exists already and is not written over"):
        classify_photo(photo, model_file, store=model_store, heat=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx"}
