"""What an evaluation is given: genes instead of disorders, facts that divide, split files, manifests."""

from __future__ import annotations

import json

import numpy as np
import pytest

from deciface.cases import Diagnosis, Disorder, Encoding, Patient, Photo, PhotoSource, Sex, View
from deciface.errors import InputError
from deciface.evaluation.protocol import Experiment
from deciface.space import Gallery
from deciface.workflows.evaluating import Division, Target, evaluate
from deciface.workflows.evaluation_inputs import protocol_of_files, read_training_manifest


def gallery_of(photos):
    rng = np.random.default_rng(0)
    return Gallery.build(
        photos,
        [Encoding(p.id, p.sha256, "c", "e" * 64, View("m"), rng.normal(size=4).astype(np.float32)) for p in photos],
    )


def photo(number, disorder, genes=(), **more):
    found = Diagnosis(Disorder(disorder, f"disorder {disorder}"), genes)
    return Photo(
        f"i{number:02d}", Patient(f"p{number:02d}", more.pop("sex", Sex.FEMALE)), f"s{number}", 4.0, (found,), **more
    )


def test_genes_cross_disorders_and_a_disorder_may_have_several():
    photos = [photo(i, "A", ("G1", "G2")) for i in range(4)] + [photo(i, "B", ("G1",)) for i in range(4, 8)]
    photos.append(photo(8, "C"))
    answer = evaluate(gallery_of(photos), gallery_name="x", target=Target.GENE, replicates=100)
    assert answer.protocol.frequent == ("G1",)
    assert answer.protocol.rare == ()  # the patients of G2 are all patients of G1, which is frequent
    assert answer.protocol.labels[0] == ("G1",)
    assert answer.protocol.labels[8] == ()  # a disorder without a known gene is no gene
    (out,) = [row for row in answer.results[0].per_patient if row.experiment is Experiment.ONE_OUT]
    assert out.patients == 8


def test_photos_are_divided_by_what_is_known_of_them():
    photos = [photo(i, "A", occlusions=("eye bar",), source=PhotoSource.LITERATURE) for i in range(11)]
    photos += [photo(i, "A", sex=Sex.MALE) for i in range(11, 22)]
    answer = evaluate(
        gallery_of(photos),
        gallery_name="x",
        experiments=[Experiment.ONE_OUT],
        divisions=[d for d in Division if d is not Division.NONE],
        replicates=100,
    )
    found = {(row.by, row.stratum): row.patients for row in answer.results[0].strata}
    assert found == {
        ("ancestry", "not recorded"): 22,
        ("age", "2-6 years"): 22,
        ("sex", "female"): 11,
        ("sex", "male"): 11,
        ("occlusion", "eye bar"): 11,
        ("occlusion", "none recorded"): 11,
        ("source", "literature"): 11,
        ("source", "unknown"): 11,
    }


def test_images_are_joined_by_id_file_name_or_what_stands_before_the_underscore(tmp_path):
    people = [photo(i, "A") for i in range(4)]
    names = ["12_aligned.jpg", "x", "14.jpg", "15"]
    photos = [
        Photo(name, p.patient, p.sha256, diagnoses=p.diagnoses, file_name="13_rot.jpg" if name == "x" else "")
        for name, p in zip(names, people, strict=True)
    ]
    gallery = gallery_of(photos)
    (tmp_path / "gmdb_frequent_test_images_v1.0.9.csv").write_text("image_id,subject,label\n99,1,7\n")
    (tmp_path / "gmdb_frequent_test_images_v1.1.0.csv").write_text("image_id,subject,label\n12,1,7\n13,2,7\n99,9,7\n")
    (tmp_path / "gmdb_frequent_gallery_images_v1.1.0.csv").write_text("image_id,subject,label\n14,3,7\n15,4,7\n")
    protocol = protocol_of_files(gallery, [("A",)] * 4, tmp_path, [Experiment.FREQUENT])
    (run,) = protocol.runs
    assert [gallery.photos[i].id for i in run.test] == ["12_aligned.jpg", "x"]
    assert [gallery.photos[i].id for i in run.gallery] == ["14.jpg", "15"]
    assert protocol.source.endswith("version 1.1.0")
    assert protocol.remarks == ("1 of 5 images of the splits are not in the gallery, first '99'",)


def test_a_name_that_could_be_two_photos_is_neither(tmp_path):
    photos = [
        Photo(name, Patient(name), name, diagnoses=photo(0, "A").diagnoses) for name in ("12_a", "12_b", "3", "4")
    ]
    (tmp_path / "gmdb_test_images_v1.csv").write_text("image_id,subject,label\n12,1,7\n3,2,7\n")
    (tmp_path / "gmdb_train_images_v1.csv").write_text("image_id,subject,label\n4,3,7\n")
    protocol = protocol_of_files(gallery_of(photos), [()] * 4, tmp_path, [Experiment.FREQUENT])
    assert protocol.runs[0].test.tolist() == [2 if gallery_of(photos).photos[2].id == "3" else 0]
    assert protocol.remarks == ("1 of 3 images of the splits are not in the gallery, first '12'",)


@pytest.mark.parametrize(
    "text",
    [
        "a\nb\n",
        json.dumps(["a", "b"]),
        json.dumps({"photos": {"a": "b"}}),
        json.dumps({"x": [{"photo": "a", "sha256": "b"}]}),
    ],
)
def test_a_training_manifest_may_be_lines_or_json(tmp_path, text):
    path = tmp_path / "manifest"
    path.write_text(text)
    assert {"a", "b"} <= read_training_manifest(path)


@pytest.mark.parametrize(("text", "words"), [("[1, 2]", "names no photo"), ("{", "is no JSON")])
def test_a_manifest_without_photos_is_refused(tmp_path, text, words):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(InputError, match=rf"'m\.json' {words}.*give one photo id or sha256 a line"):
        read_training_manifest(tmp_path / "m.json")
