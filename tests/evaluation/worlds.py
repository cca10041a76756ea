"""Small galleries as records for the oracle and as types for the room."""

import numpy as np
from hypothesis import strategies as st

from deciface.cases import Ancestry, Diagnosis, Disorder, Encoding, Patient, Photo, Sex, View
from deciface.space import Gallery

VIEWS = (View("m"), View("m", flip=True), View("other", grey=True))
DIMENSIONS = {VIEWS[0]: 3, VIEWS[1]: 3, VIEWS[2]: 2}
SHA = {"m": "a" * 64, "other": "b" * 64}
LABELS = ("D1", "D2", "D3", "D4")


def photo_of(record):
    diagnoses = tuple(
        Diagnosis(Disorder(label, f"disorder {label}"), (f"gene of {label}",)) for label in record["labels"]
    )
    ancestry = (Ancestry(record["ancestry"]),) if record.get("ancestry") else ()
    return Photo(
        record["id"],
        Patient(record["patient"], record.get("sex", Sex.UNKNOWN), ancestry, simulated=record.get("simulated", False)),
        record.get("pixels", f"pixels of {record['id']}"),
        record.get("age_years"),
        diagnoses,
        occlusions=record.get("occlusions", ()),
    )


def gallery_of(records):
    encodings = [
        Encoding(
            r["id"],
            r.get("pixels", f"pixels of {r['id']}"),
            "crop/1",
            SHA[view.model],
            view,
            np.array(vector, np.float32),
        )
        for r in records
        for view, vector in r["vectors"].items()
    ]
    return Gallery.build([photo_of(r) for r in records], encodings)


def face(views):
    numbers = st.integers(-2, 2).map(float)  # few values: ties and equal faces are common
    return st.fixed_dictionaries(
        {v: st.lists(numbers, min_size=DIMENSIONS[v], max_size=DIMENSIONS[v]).filter(any) for v in views}
    )


@st.composite
def worlds(draw):
    """Records sorted by photo id; a patient has the same one or two labels in all photos, some views are not shared."""
    shared = draw(st.sampled_from([VIEWS, VIEWS[:1], VIEWS[1:], VIEWS[:2]]))
    extra = [v for v in VIEWS if v not in shared]
    own = {f"p{i}": draw(st.lists(st.sampled_from(LABELS), min_size=1, max_size=2, unique=True)) for i in range(9)}
    records = []
    for i in range(draw(st.integers(4, 22))):
        patient = f"p{draw(st.integers(0, 8))}"
        has = [*shared, *(v for v in extra if draw(st.booleans()))]
        records.append({"id": f"photo{i:02d}", "patient": patient, "labels": own[patient], "vectors": draw(face(has))})
    return records


def scattered(rng, *, disorders, patients, photos=(1, 3), views=VIEWS, spread=0.8, **more):
    """Records of a larger world: faces scatter around their disorder; `patients` per disorder by number."""
    records = []
    for d in range(disorders):
        centre = {v: rng.normal(size=DIMENSIONS[v] * 4) for v in views}
        for p in range(patients(d)):
            own = {v: centre[v] + spread * rng.normal(size=len(centre[v])) for v in views}
            records += [
                {
                    "id": f"d{d:02d}p{p:02d}-{k}",
                    "patient": f"d{d:02d}p{p:02d}",
                    "labels": [f"D{d:02d}"],
                    "vectors": {v: own[v] + 0.3 * rng.normal(size=len(own[v])) for v in views},
                    "ancestry": ["East Asian", "European"][p % 2],
                    "sex": [Sex.FEMALE, Sex.MALE][(p // 2) % 2],
                    "age_years": float(rng.uniform(0, 30)),
                    **more,
                }
                for k in range(int(rng.integers(photos[0], photos[1] + 1)))
            ]
    return sorted(records, key=lambda r: r["id"])
