"""What an evaluation is given: genes instead of disorders, facts that divide, split files, manifests."""

from __future__ import annotations

import json

import numpy as np
import pytest

from deciface.cases import NOT_STATED, Diagnosis, Disorder, Encoding, Patient, Photo, PhotoSource, Sex, View
from deciface.errors import InputError, MismatchError
from deciface.evaluation.leakage import Leak
from deciface.evaluation.protocol import Experiment
from deciface.evaluation.training_sets import LearntPhoto, TrainingSet
from deciface.space import Gallery
from deciface.store import SubjectKind, Workspace
from deciface.workflows.evaluating import Division, Target, evaluate
from deciface.workflows.evaluation_inputs import noted_training, protocol_of_files, read_training_manifest
from deciface.workflows.galleries import open_gallery


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


HASH = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n\n b b.jpg \r\n", [LearntPhoto("a"), LearntPhoto("b b.jpg")]),
        (f"{HASH.upper()}\n", [LearntPhoto(HASH.upper(), HASH.upper())]),
        (f"photo,sha256\nph0,{HASH}\nph1,\n", [LearntPhoto("ph0", HASH), LearntPhoto("ph1")]),
        ("Patient;age;Photo\np0;3;ph0\n;;\np1;;\n", [LearntPhoto("ph0", "", "p0"), LearntPhoto(patient="p1")]),
        ("sha256\nabc\n", [LearntPhoto(sha256="abc")]),
        ("image_id,subject,label\n12,1,7\n", [LearntPhoto("12", "", "1")]),
        (json.dumps(["a", {"patient": "p"}]), [LearntPhoto("a"), LearntPhoto(patient="p")]),
        (json.dumps({"learnt_from": [{"photo": "a", "sha256": "unknown"}]}), [LearntPhoto("a")]),
        (
            json.dumps(
                {"started": "2026", "data": {"classes": ["D"], "learnt_from": [{"photo": "a", "sha256": HASH}]}}
            ),
            [LearntPhoto("a", HASH)],
        ),
    ],
)
def test_a_training_manifest_may_be_a_run_a_table_or_a_list(tmp_path, text, expected):
    (tmp_path / "run.json").write_text(text)
    training = read_training_manifest(tmp_path / "run.json")
    assert list(training.photos) == expected
    assert training.source == "manifest 'run.json'"
    assert training.models is None
    assert not training.ids_of_gallery
    assert read_training_manifest(tmp_path) == training, "the folder of a run is its manifest"


ALLOWED = "give run.json of `deciface train`, a CSV with a header of photo, sha256 or patient, or one photo id or"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "'m.json' names nobody who was learnt from; "),
        ("[1, 2]", "'m.json', entry 1 has neither photo nor sha256 nor patient as text; "),
        ('["a", {"sha256": ""}]', "'m.json', entry 2 has neither photo nor sha256 nor patient as text; "),
        ("{", "'m.json' is no JSON ("),
        (
            '{"part": "all", "started": "2026", "training": {"stages": [1]}}',
            "'m.json' does not say who was learnt from (it has no list 'learnt_from'); ",
        ),
        ('{"data": {"learnt_from": []}}', "'m.json' names nobody who was learnt from; "),
        ("photo,sha256\n", "'m.json' names nobody who was learnt from; "),
        ("epoch,loss\n1,0.5\n", "m.json, row 1: the header has epoch, loss; none of photo, sha256, patient, "),
        ("photo,age\na,1\nb,2,3\n", "m.json, row 3: 3 cells, the header has 2; correct it"),
        ('photo,age\na,1\n"b,2\n', "m.json, row 3: no table from here on (unexpected end of data); correct the"),
    ],
)
def test_a_manifest_that_names_nobody_is_refused(tmp_path, text, words):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(InputError) as refused:
        read_training_manifest(tmp_path / "m.json")
    assert words in str(refused.value)
    assert "correct" in words or ALLOWED in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"run\.json' cannot be read \(No such file or directory\)"):
        read_training_manifest(tmp_path)


def trained_workspace(root, *, weights=NOT_STATED):
    """Three simulated people with two photos each; two models; of `own`, who has these weights, a photo is noted."""
    rng = np.random.default_rng(4)
    with Workspace.create(root) as workspace:
        encodings = []
        for person in range(3):
            patient = Patient(f"p{person}", simulated=True)
            for k in range(2):
                shown = Photo(f"p{person}-{k}", patient, f"{10 * person + k:064x}", diagnoses=(A,))
                workspace.add_photo(shown)
                encodings += [
                    Encoding(shown.id, shown.sha256, "c", sha256, View(model), rng.normal(size=8).astype(np.float32))
                    for model, sha256 in (("own", weights), ("public", "f" * 64))
                ]
        workspace.add_encodings(encodings)
        workspace.note_trained("e" * 64, "own", photo_ids=["p1-0"])
    return root


A = Diagnosis(Disorder("A", "disorder A"))


@pytest.mark.parametrize("weights", ["e" * 64, NOT_STATED])
def test_what_a_workspace_noted_of_its_encoders_is_looked_up(tmp_path, weights):
    root = trained_workspace(tmp_path / "w", weights=weights)
    gallery = open_gallery(root, models=["own", "public"])
    assert noted_training(root, gallery) == (
        TrainingSet(
            source="what the workspace noted of 'own'",
            photos=(LearntPhoto("p1-0", f"{10:064x}", "p1"),),
            models=frozenset({"own"}),
            ids_of_gallery=True,
        ),
    )
    assert noted_training(root, open_gallery(root, models=["public"])) == ()
    with pytest.raises(
        MismatchError, match=r"test patient that the encoder was trained on: 2 case\(s\), first photo 'p1-0' "
    ):
        evaluate(gallery, gallery_name="w", trained_on=noted_training(root, gallery), replicates=100)
    answer = evaluate(
        gallery, gallery_name="w", trained_on=noted_training(root, gallery), allow_leakage=True, replicates=100
    )
    assert [(one.leak, one.test_photo) for one in answer.leakage.found] == [
        (Leak.TRAINED_ON, "p1-0"),
        (Leak.TRAINED_ON, "p1-1"),
    ]
    document = answer.as_document()["leakage"]
    assert document["trained_on"] == ["what the workspace noted of 'own': 1 of 1 listed are in the gallery"]
    assert document["limits"] == {str(Leak.TRAINED_ON): "no training manifest of public was given"}
    assert (
        "not wholly checked (test patient that the encoder was trained on): no training manifest of public was given"
        in answer.remarks
    )
    assert (
        "looked for whom the encoder learnt from in what the workspace noted of 'own': 1 of 1 listed are in the gallery"
        in answer.remarks
    )


def test_other_weights_of_the_same_name_are_another_encoder(tmp_path):
    root = trained_workspace(tmp_path / "w", weights="d" * 64)
    assert noted_training(root, open_gallery(root, models=["own", "public"])) == ()


def test_photos_that_were_withdrawn_since_are_counted(tmp_path):
    root = trained_workspace(tmp_path / "w", weights="e" * 64)
    with Workspace.open(root) as workspace:
        workspace.withdraw(SubjectKind.PHOTO, "p1-0")
    gallery = open_gallery(root, models=["own", "public"])
    (training,) = noted_training(root, gallery)
    assert training.photos == ()
    answer = evaluate(gallery, gallery_name="w", trained_on=[training], replicates=100)
    assert dict(answer.leakage.limits)[Leak.TRAINED_ON] == (
        "1 photos of what the workspace noted of 'own' were withdrawn since; whose they were is not known"
    )
