"""Classes: who is in which, who is left out, and what is refused."""

from __future__ import annotations

import pytest

from deciface.cases import Diagnosis, DiagnosisStatus, Disorder, Patient, Photo
from deciface.encoders.deepgestalt import ModelKind
from deciface.errors import InputError, OptionError
from deciface.training.deepgestalt_labels import REST, label_photos


def person(name, disorder="", gene="", status=DiagnosisStatus.CLINICAL, unaffected=False, photos=1):
    genes = tuple(gene.split("+")) if gene else ()
    diagnoses = (Diagnosis(Disorder(disorder, f"{disorder} name"), genes, status),) if disorder else ()
    return [
        Photo(f"{name}-{k}", Patient(name), f"{name}{k}", diagnoses=diagnoses, unaffected=unaffected)
        for k in range(photos)
    ]


def cohort():
    made = []
    for number in range(4):
        made += person(f"A{number}", "D:A", "GA" if number % 2 else "GB", photos=2)
        made += person(f"B{number}", "D:B", "GB")
        made += person(f"U{number}", unaffected=True)
    return made


def labels(found, photos):
    return {p.patient.id: found.label_of(i) for i, p in enumerate(photos)}


def test_one_disorder_against_the_rest():
    photos = [*cohort(), *person("N"), *person("S", "D:A", status=DiagnosisStatus.SUSPECTED)]
    found = label_photos(photos, ModelKind.BINARY, disorders=["D:A"])
    assert [label.id for label in found.labels] == ["rest", "D:A"]
    assert (found.labels[0], found.labels[1].name) == (REST, "D:A name")
    of = labels(found, photos)
    assert (of["A0"], of["B0"], of["U0"]) == ("D:A", "rest", "rest")
    assert (of["N"], of["S"]) == ("", "")  # nothing is known of N; S may have it


def test_genes_of_one_or_several_disorders():
    photos = [*cohort(), *person("B9", "D:B", "GC"), *person("T", "D:A", "GA+GB")]
    with pytest.raises(
        InputError, match=r"too few patients in class 'GA' \(2\), 'GB' \(2\); each class needs 3, to lea"
    ):
        label_photos(photos, ModelKind.SPECIALISED, disorders=["D:A"])
    photos += [*person("A8", "D:A", "GA")]
    found = label_photos(photos, ModelKind.SPECIALISED, disorders=["D:A", "D:B"], leave_out_small=True)
    assert [label.id for label in found.labels] == ["GA", "GB"]
    assert found.disorders == ("D:A", "D:B")
    of = labels(found, photos)
    assert (of["A1"], of["B0"], of["B9"], of["T"], of["U0"]) == ("GA", "GB", "", "", "")


def test_all_disorders():
    photos = [*cohort(), *person("C", "D:C")]
    with pytest.raises(InputError, match=r"in class 'D:C' \(1\); each class needs 3, .* with --leave-out-small"):
        label_photos(photos, ModelKind.MULTICLASS)
    found = label_photos(photos, ModelKind.MULTICLASS, leave_out_small=True)
    assert found.disorders == ("D:A", "D:B")
    assert labels(found, photos) == {
        **{f"A{k}": "D:A" for k in range(4)},
        **{f"B{k}": "D:B" for k in range(4)},
        **{f"U{k}": "" for k in range(4)},
        "C": "",
    }


@pytest.mark.parametrize(
    ("kind", "disorders", "message"),
    [
        (ModelKind.BINARY, ["D:X"], "disorder 'D:X' is not in the cohort; it has D:A, D:B: choose from these"),
        (ModelKind.BINARY, [], "a binary model tells one disorder from the rest; 0 given: name one --disorder"),
        (ModelKind.BINARY, ["D:A", "D:B"], "2 given: name one --disorder"),
        (ModelKind.SPECIALISED, [], "a specialised model tells the genes of a disorder apart; name it with --disorder"),
    ],
)
def test_unknown_and_missing_disorders_are_refused(kind, disorders, message):
    with pytest.raises(OptionError, match=message):
        label_photos(cohort(), kind, disorders=disorders)


def test_a_disorder_without_genes_and_a_rest_of_nobody_are_refused():
    photos = [p for k in range(4) for p in person(f"A{k}", "D:A")]
    with pytest.raises(OptionError, match="nobody with D:A has exactly one gene recorded; add genes to the table"):
        label_photos(photos, ModelKind.SPECIALISED, disorders=["D:A"])
    with pytest.raises(InputError, match=r"too few patients in class 'rest' \(0\)"):
        label_photos(photos, ModelKind.BINARY, disorders=["D:A"])
    with pytest.raises(InputError, match="1 class with 3 or more patients; at least 2 are needed: add patients"):
        label_photos(photos, ModelKind.MULTICLASS)


def test_a_patient_of_two_classes_is_refused():
    photos = [*cohort(), *person("A0", "D:B", "GB")]
    with pytest.raises(InputError, match="patient 'A0' is 'D:A' in one photo and 'D:B' in another; correct the case"):
        label_photos(photos, ModelKind.MULTICLASS)
