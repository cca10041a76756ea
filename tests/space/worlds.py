"""Small galleries and queries, as records for the oracle and as types for the room."""

import numpy as np
from hypothesis import strategies as st

from deciface.cases import Ancestry, Diagnosis, Disorder, Encoding, Patient, Photo, Sex, View
from deciface.space import Gallery, Query

VIEWS = (View("m"), View("m", flip=True), View("other", grey=True))
DIMENSIONS = {VIEWS[0]: 4, VIEWS[1]: 4, VIEWS[2]: 3}
SHA = {"m": "a" * 64, "other": "b" * 64}
DISORDERS = [
    {"id": "D1", "genes": ("G1",)},
    {"id": "D2", "genes": ("G1", "G2")},
    {"id": "D3", "genes": ()},
    {"id": "G1", "genes": ()},
]


def encodings(photo_id, pixels, vectors):
    return [
        Encoding(photo_id, pixels, "crop/1", SHA[view.model], view, np.array(vector, np.float32))
        for view, vector in vectors.items()
    ]


def photo_of(record):
    diagnoses = tuple(Diagnosis(Disorder(d["id"], f"name of {d['id']}"), d["genes"]) for d in record["diagnoses"])
    patient = Patient(
        record["patient"],
        record.get("sex", Sex.UNKNOWN),
        (Ancestry(record["ancestry"]),) if record.get("ancestry") else (),
    )
    return Photo(
        record["id"],
        patient,
        record["pixels"],
        record.get("age_years"),
        diagnoses,
        unaffected=record.get("unaffected", False),
    )


def gallery_of(records):
    return Gallery.build(
        [photo_of(r) for r in records],
        [e for r in records for e in encodings(r["id"], r["pixels"], r["vectors"])],
    )


def query_of(queries, own_patient=None, pixels="query"):
    return Query.of(
        [e for i, q in enumerate(queries) for e in encodings(f"q{i}", f"{pixels}", q)],
        patient_id=own_patient,
    )


def face(views):
    numbers = st.integers(-2, 2).map(float)  # few values: ties and equal faces are common

    def vector(view):
        size = DIMENSIONS[view]
        return st.lists(numbers, min_size=size, max_size=size).filter(any)

    return st.fixed_dictionaries({v: vector(v) for v in views})


@st.composite
def worlds(draw):
    """(records, query faces, own patient or None, pixels of the query)."""
    views = draw(st.sampled_from([VIEWS, VIEWS[:1], VIEWS[1:], VIEWS[:2]]))
    extra = [v for v in VIEWS if v not in views]
    records = []
    for i in range(draw(st.integers(2, 12))):
        has = [*views, *(v for v in extra if draw(st.booleans()))]
        diagnoses = draw(st.lists(st.sampled_from(DISORDERS), max_size=2, unique_by=lambda d: d["id"]))
        records.append(
            {
                "id": f"photo{i}",
                "patient": f"p{draw(st.integers(0, 5))}",
                "pixels": draw(st.sampled_from([f"pixels{i}", f"pixels{i}", f"pixels{i}", "query"])),
                "diagnoses": diagnoses,
                "unaffected": not diagnoses and draw(st.booleans()),
                "vectors": draw(face(has)),
                "ancestry": draw(st.sampled_from(["Taiwanese", "German", None])),
                "sex": draw(st.sampled_from(list(Sex))),
                "age_years": draw(st.sampled_from([None, 1.0, 5.0, 30.0])),
            }
        )
    queries = draw(st.lists(face(draw(st.sampled_from([views, VIEWS]))), min_size=1, max_size=3))
    return records, queries, draw(st.sampled_from([None, "p0", "p1", "stranger"]))
