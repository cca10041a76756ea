"""The whole path on real photos: a smoke test that it works, no measure of accuracy."""

from __future__ import annotations

import pytest

from deciface.cases import Patient, Photo
from deciface.space import Gallery, Query, rank
from deciface.workflows.encoding import encode_photos


@pytest.mark.slow
@pytest.mark.models
def test_every_smiling_person_finds_their_neutral_photo_first(shared_data, model_store):
    folder = shared_data / "faces" / "london"
    neutral, smiling = sorted(folder.glob("*_03.jpg")), sorted(folder.glob("*_08.jpg"))
    done = encode_photos([*neutral, *smiling], store=model_store)
    assert done.problems == ()
    by_name = {photo.name: photo for photo in done.photos}
    people = [Photo(p.name, Patient(p.name[:3]), by_name[p.name].pixel_sha256) for p in neutral]
    gallery = Gallery.build(people, [e for p in neutral for e in by_name[p.name].encodings])
    assert len(gallery) == 102
    for photo in smiling:
        answer = rank(gallery, Query.of(by_name[photo.name].encodings), top=1)
        assert answer.photos[0].patient_id == photo.name[:3]
