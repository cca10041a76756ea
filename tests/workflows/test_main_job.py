"""From photos to an answer, on simulated people."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from deciface.errors import InputError, MismatchError, NoFaceError, NothingFoundError, OptionError
from deciface.photos import read_photo, write_photo
from deciface.simulate.occluders import Occluder, occlude
from deciface.space import Restriction
from deciface.store import Workspace
from deciface.workflows.diagnosing import PatientFacts, diagnose, ensemble_of
from deciface.workflows.encoding import PhotoEncoder, encode_photos, photo_ids
from deciface.workflows.galleries import open_gallery
from deciface.workflows.importing import import_table
from deciface.workflows.looking import look
from tests.faces.drawing import smiley

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def encoder(model_store):
    return PhotoEncoder(model_store)


def first_photo(cohort):
    return min((cohort.folder / "photos").glob("SIM-P*.jpg"))


def test_a_patient_is_never_compared_with_themselves(small_cohort, small_workspace, encoder):
    photo = first_photo(small_cohort)
    patient = photo.stem.rsplit("-", 1)[0]
    gallery = open_gallery(small_workspace)
    by_id = diagnose([photo], gallery, encoder=encoder, gallery_name="x", facts=PatientFacts(id=patient))
    assert all(hit.patient_id != patient for hit in by_id.ranking.photos)
    assert {out.patient_id for out in by_id.ranking.left_out} == {patient}
    without_id = diagnose([photo], gallery, encoder=encoder, gallery_name="x")
    assert {out.patient_id for out in without_id.ranking.left_out} == {patient}
    assert any(f"as patient '{patient}': all photos of that patient were left out" in r for r in without_id.remarks)
    other = diagnose([photo], gallery, encoder=encoder, gallery_name="x", facts=PatientFacts(id="nobody"))
    assert "patient 'nobody' is not in the gallery" in other.remarks[0]
    assert [str(out.reason) for out in other.ranking.left_out] == ["same pixels as a query photo"]


def test_a_photo_to_be_retaken_is_said_before_the_ranking(small_cohort, small_workspace, encoder, tmp_path):
    from deciface.cli.diagnose import lines_of

    pixels = read_photo(first_photo(small_cohort)).pixels
    face = encoder.finder.find(pixels).choose()
    barred = occlude(pixels, face.mesh_px, what=Occluder.BLACK_BAR, rng=np.random.default_rng(0))
    write_photo(barred, tmp_path / "barred.png")
    answer = diagnose([tmp_path / "barred.png"], open_gallery(small_workspace), encoder=encoder, gallery_name="x")
    assert "'barred.png' should be retaken (the eyes seem covered" in answer.remarks[0]
    lines = lines_of(answer)
    said = next(k for k, line in enumerate(lines) if "do not rely on what follows" in line)
    assert said < next(k for k, line in enumerate(lines) if line.startswith("disorders by"))


def test_a_second_encoder_is_named_and_never_mixed_in_unasked(small_cohort, small_workspace, model_store, tmp_path):
    shutil.copytree(small_workspace, tmp_path / "two")
    with Workspace.open(tmp_path / "two") as workspace:
        done = import_table(small_cohort.cases, workspace, store=model_store, ensemble="geometry")
        assert (done.photos, done.already_there, done.encodings) == (0, 8, 8)
    said: list[str] = []
    usual = open_gallery(tmp_path / "two", say=said.append)
    assert {view.model for view in usual.views} == {"dlib-resnet"}
    assert said == ["encoder: dlib-resnet; also there and not used: geometry (choose by --model)"]
    for models in (["geometry"], ["dlib-resnet", "geometry"]):
        assert {view.model for view in open_gallery(tmp_path / "two", models=models).views} == set(models)


def test_simulated_people_are_called_so_everywhere(small_cohort, small_workspace, encoder):
    gallery = open_gallery(small_workspace)
    answer = diagnose([first_photo(small_cohort)], gallery, encoder=encoder, gallery_name="x")
    document = answer.as_document()
    assert answer.simulated
    assert "simulated people" in document["gallery_notice"]
    assert all(d["simulated"] for d in document["disorders"])
    assert all(n["simulated"] for n in document["neighbours"])


def test_every_simulated_disorder_line_of_the_terminal_says_simulated(small_cohort, small_workspace, encoder):
    from deciface.cli.diagnose import lines_of

    gallery = open_gallery(small_workspace)
    lines = lines_of(diagnose([first_photo(small_cohort)], gallery, encoder=encoder, gallery_name="x"))
    disorders = [line for line in lines if "patients," in line]
    assert len(disorders) == 2
    assert all("[simulated disorder]" in line for line in disorders)


def test_too_few_unaffected_people_means_cannot_tell(small_cohort, small_workspace, encoder):
    answer = diagnose([first_photo(small_cohort)], open_gallery(small_workspace), encoder=encoder, gallery_name="x")
    assert str(answer.unusualness.verdict) == "cannot tell"
    assert "2 unaffected people" in answer.unusualness.reason


def test_a_restriction_is_kept_and_said(small_cohort, small_workspace, encoder):
    answer = diagnose(
        [first_photo(small_cohort)],
        open_gallery(small_workspace),
        encoder=encoder,
        gallery_name="x",
        restriction=Restriction(ancestry=("white",)),
    )
    assert {hit.ancestry for hit in answer.ranking.photos} == {"white"}
    assert str(answer.ranking.restriction) == "ancestry white"


def test_importing_again_adds_nothing(small_cohort, small_workspace, model_store):
    with Workspace.open(small_workspace) as workspace:
        before = workspace.gallery().digest
        again = import_table(small_cohort.cases, workspace, store=model_store)
        assert (again.photos, again.already_there, again.problems) == (0, 8, ())
        assert workspace.gallery().digest == before


def test_good_rows_are_imported_and_bad_ones_named(small_cohort, model_store, tmp_path):
    shutil.copy(first_photo(small_cohort), tmp_path / "good.jpg")
    (tmp_path / "text.jpg").write_text("not a photo")
    write_photo(smiley(), tmp_path / "smiley.png")
    (tmp_path / "cases.csv").write_text(
        "photo,patient,disorder,consent\ngood.jpg,p1,SIM-01,care\ntext.jpg,p2,SIM-01,care\n"
        "smiley.png,p3,SIM-01,care\nabsent.jpg,p4,SIM-01,care\n"
    )
    with Workspace.create(tmp_path / "workspace") as workspace:
        done = import_table(tmp_path / "cases.csv", workspace, store=model_store)
        rows = [problem.split(":")[0] for problem in done.problems]
        assert rows == [f"cases.csv, row {n}" for n in (3, 3, 4, 4, 5)]
        assert "'smiley.png': no face" in done.problems[2]
        assert "patient 'p3' was not stored: none of their photos could be used" in done.problems[3]
        assert "'absent.jpg' is not there: the photo is described only" in done.problems[4]
        (good, absent) = workspace.photos()
        assert (good.file_name, absent.file_name) == ("good.jpg", "absent.jpg")
        assert workspace.has_image(good.id)
        assert not workspace.has_image(absent.id)
        assert "good" not in good.id, "ids stay in the trail, names of files do not"


def test_a_table_without_a_good_row_imports_nothing(model_store, tmp_path):
    (tmp_path / "text.jpg").write_text("not a photo")
    (tmp_path / "cases.csv").write_text("photo,patient,consent\ntext.jpg,p2,care\n")
    with (
        Workspace.create(tmp_path / "workspace") as workspace,
        pytest.raises(InputError, match=r"none of the 1 cases of 'cases\.csv' could be imported; the first problem: "),
    ):
        import_table(tmp_path / "cases.csv", workspace, store=model_store)


def test_one_process_and_two_give_the_same_vectors(small_cohort, model_store):
    photos = sorted((small_cohort.folder / "photos").glob("*.jpg"))
    one = encode_photos(photos, store=model_store, processes=1)
    two = encode_photos(photos, store=model_store, processes=2)
    assert [p.name for p in one.photos] == [p.name for p in two.photos] == [p.name for p in photos]
    for a, b in zip(one.encodings, two.encodings, strict=True):
        assert a.view == b.view
        assert np.array_equal(a.vector, b.vector)


def test_a_gallery_of_a_file_and_a_table_ranks_like_the_workspace(
    small_cohort, small_workspace, model_store, encoder, tmp_path
):
    from deciface.formats.encodings import write_encodings

    photos = sorted((small_cohort.folder / "photos").glob("*.jpg"))
    write_encodings(encode_photos(photos, store=model_store).encodings, tmp_path / "enc.npz")
    from_file = open_gallery(tmp_path / "enc.npz", cases=small_cohort.cases)
    query = [first_photo(small_cohort)]
    a = diagnose(query, from_file, encoder=encoder, gallery_name="x").ranking
    b = diagnose(query, open_gallery(small_workspace), encoder=encoder, gallery_name="x").ranking
    assert [(d.disorder.id, d.distance) for d in a.disorders] == [(d.disorder.id, d.distance) for d in b.disorders]
    with pytest.raises(OptionError, match="give the case table too, --cases"):
        open_gallery(tmp_path / "enc.npz")


def test_another_encoders_gallery_is_refused(small_cohort, small_workspace, model_store):
    gallery = open_gallery(small_workspace)
    assert ensemble_of(gallery).startswith("dlib-resnet:")
    with pytest.raises(MismatchError, match="none in common"):
        diagnose(
            [first_photo(small_cohort)],
            gallery,
            encoder=PhotoEncoder(model_store, ensemble="geometry"),
            gallery_name="x",
        )


def test_the_same_photo_twice_is_refused(small_cohort, small_workspace, encoder):
    photo = first_photo(small_cohort)
    with pytest.raises(MismatchError, match="given twice"):
        diagnose([photo, photo], open_gallery(small_workspace), encoder=encoder, gallery_name="x")


def test_no_face_is_said_with_the_photos_name(encoder, tmp_path):
    write_photo(smiley(), tmp_path / "smiley.png")
    with pytest.raises(NoFaceError, match=r"'smiley.png': no face found"):
        look(tmp_path / "smiley.png", encoder.finder)


def test_the_stored_picture_is_the_encoded_one(small_cohort, small_workspace):
    with Workspace.open(small_workspace) as workspace:
        for photo in workspace.photos():
            assert read_photo(workspace.image_bytes(photo.id)).pixel_sha256 == photo.sha256


def test_photo_ids_are_names_or_paths_where_names_repeat(tmp_path):
    a, b = tmp_path / "x" / "face.jpg", tmp_path / "y" / "face.jpg"
    assert photo_ids([a, tmp_path / "other.jpg"]) == ["face.jpg", "other.jpg"]
    assert photo_ids([a, b]) == ["x/face.jpg", "y/face.jpg"]


def test_nothing_given_is_nothing_found(model_store):
    with pytest.raises(NothingFoundError, match="no photos given"):
        encode_photos([], store=model_store)
