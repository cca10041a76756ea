"""Galleries of patients with several photos, with and without a planted likeness."""

import numpy as np

from deciface.cases import Ancestry, Diagnosis, Disorder, Patient, Photo, Sex, View
from deciface.space import Gallery

VIEWS = (View("m"), View("m", flip=True))


def gallery_of_people(people, *, seed, dimensions=24, within=0.5):
    """One row of options a patient: disorder (number or None), shift, photos, sex, ancestry, age_years, family, ...

    Every disorder has a direction of its own, `pull` says how strongly its patients go there; photos of one patient
    differ by `within`.
    """
    rng = np.random.default_rng(seed)
    photos, rows = [], []
    shifts = {}
    for i, person in enumerate(people):
        patient = Patient(
            person.get("id", f"p{i:03d}"),
            person.get("sex", Sex.UNKNOWN),
            (Ancestry(person["ancestry"]),) if "ancestry" in person else (),
            family=person.get("family"),
        )
        disorder = person.get("disorder")
        shift = shifts.setdefault(disorder, rng.standard_normal((len(VIEWS), dimensions)))
        face = rng.standard_normal((len(VIEWS), dimensions)) + person.get("pull", 0.0) * shift
        diagnoses = (
            (Diagnosis(Disorder(f"D{disorder}", f"D{disorder}"), (f"G{disorder}",)),) if disorder is not None else ()
        )
        for n in range(person.get("photos", 1)):
            photos.append(
                Photo(
                    f"{patient.id}-{n}",
                    patient,
                    f"{len(photos):064x}",
                    person.get("age_years"),
                    diagnoses,
                    unaffected=person.get("unaffected", False),
                )
            )
            rows.append(face + within * rng.standard_normal(face.shape))
    stacked = np.array(rows, np.float32)
    return Gallery.from_arrays(
        photos,
        VIEWS,
        [np.ascontiguousarray(stacked[:, v]) for v in range(len(VIEWS))],
        encoder_sha256={"m": "a" * 64},
        crop_version={"m": "crop/1"},
    )


def unit(vector):
    length = sum(x * x for x in vector) ** 0.5
    return [x / length for x in vector]


def face_of(gallery, photo_ids):
    """Per view the mean direction of some photos, in plain lists."""
    number = {p.id: i for i, p in enumerate(gallery.photos)}
    views = []
    for block in gallery.vectors.blocks:
        rows = [gallery.vectors.matrix[gallery.rows[number[i]], block.start : block.stop].tolist() for i in photo_ids]
        views.append(unit([sum(column) for column in zip(*rows, strict=True)]))
    return views


def apart(one, other):
    """Mean over views of 1 - cosine of two results of `face_of`."""
    return sum(1 - sum(a * b for a, b in zip(x, y, strict=True)) for x, y in zip(one, other, strict=True)) / len(one)


def mean_distance(gallery, patients):
    """Mean pairwise distance of patients' mean faces, in plain loops."""
    faces = [face_of(gallery, [p.id for p in gallery.photos if p.patient.id == who]) for who in patients]
    pairs = [apart(faces[i], faces[j]) for i in range(len(faces)) for j in range(i)]
    return sum(pairs) / len(pairs)
