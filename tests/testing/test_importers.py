"""Our own importers pass the suite, and the suite fails what it must fail."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace

import pytest

from deciface.cases import Case, Consent, Diagnosis, Disorder, Patient, PhotoView, Scope, Sex
from deciface.errors import InputError
from deciface.formats.exchange import ReadCases
from deciface.formats.text import Problem
from deciface.testing import check_importer
from deciface.workflows.exchange_formats import exporter_for, importers
from tests.formats.test_dicom import dicom
from tests.formats.test_face2gene import CASE_FORM
from tests.formats.test_pedia import PEDIA

CASES = [
    Case(
        Patient(f"p{n}", Sex.FEMALE),
        diagnoses=(Diagnosis(Disorder("OMIM:117550", "Sotos syndrome"), ("NSD1",)),),
        consents=(Consent(Scope.GALLERY),),
    )
    for n in range(3)
]
CASES = [
    case.with_photos([case.photo(f"{case.id}.jpg", file_name=f"{case.id}.jpg", view=PhotoView.FRONTAL)])
    for case in CASES
]


def now():
    return dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("name", "file"), [("csv", "x.csv"), ("xlsx", "x.xlsx"), ("phenopackets", "x.jsonl"), ("gmdb", "x")]
)
def test_what_we_write_conforms_when_we_read_it(name, file, tmp_path):
    exporter_for(name, clock=now).write(CASES, tmp_path / file)
    (tmp_path / "scratch").mkdir()
    read = check_importer(importers()[name](), tmp_path / file, tmp_path / "scratch", cases=3)
    assert {case.id for _, case in read.cases} == {"p0", "p1", "p2"}


@pytest.mark.parametrize("name", ["face2gene", "pedia", "dicom"])
def test_our_other_importers_conform(name, tmp_path):
    source = tmp_path / {"face2gene": "case.json", "pedia": "case.json", "dicom": "photo.dcm"}[name]
    if name == "dicom":
        dicom(source)
    else:
        source.write_text(json.dumps(CASE_FORM if name == "face2gene" else PEDIA))
    (tmp_path / "scratch").mkdir()
    check_importer(importers()[name](), source, tmp_path / "scratch", cases=1)


class Broken:
    """A right importer with one fault."""

    name = "broken"

    def __init__(self, fault):
        self.fault = fault

    def sniff(self, path):
        if self.fault == "sniff raises" and path.name.startswith("rubbish"):
            raise ValueError(path)
        return path.exists() and self.fault != "sniffs nothing"

    def read(self, path):
        if not path.exists() or path.name.startswith("rubbish"):
            if self.fault == "raises something else":
                raise KeyError(path)
            if self.fault == "many lines":
                raise InputError("one\ntwo")
            raise InputError("not mine")
        cases = [(1, case) for case in CASES]
        if self.fault == "twice":
            cases.append(cases[0])
        if self.fault == "drops one":
            cases.pop()
        if self.fault == "other facts":
            cases[0] = (1, replace(CASES[0], unaffected=True))
        if self.fault == "row 0":
            cases[0] = (0, CASES[0])
        problems = (Problem("", 1, "", "x"),) if self.fault == "nowhere" else ()
        files = {"nobody.jpg": path} if self.fault == "stray image" else {}
        if self.fault == "changes the source":
            path.write_text("changed")
        return ReadCases(tuple(cases), problems, files)


@pytest.mark.parametrize(
    ("fault", "expected", "message"),
    [
        ("sniffs nothing", AssertionError, "does not take"),
        ("sniff raises", ValueError, "rubbish"),
        ("raises something else", KeyError, "rubbish"),
        ("many lines", AssertionError, "more than one line"),
        ("drops one", AssertionError, "2 cases of"),
        ("other facts", AssertionError, "use Case.with_photos"),
        ("row 0", AssertionError, "rows count from 1"),
        ("nowhere", AssertionError, "file, row from 1"),
        ("stray image", AssertionError, r"image of photo 'nobody\.jpg'"),
        ("changes the source", AssertionError, "changed the source"),
    ],
)
def test_every_fault_is_found(fault, expected, message, tmp_path):
    source = tmp_path / "source.txt"
    source.write_text("anything")
    (tmp_path / "scratch").mkdir()
    with pytest.raises(expected, match=message):
        check_importer(Broken(fault), source, tmp_path / "scratch", cases=3)


def test_a_patient_twice_is_found(tmp_path):
    (tmp_path / "source.txt").write_text("anything")
    (tmp_path / "scratch").mkdir()
    with pytest.raises(AssertionError, match="every patient once"):
        check_importer(Broken("twice"), tmp_path / "source.txt", tmp_path / "scratch", cases=4)


def test_a_right_importer_passes(tmp_path):
    (tmp_path / "source.txt").write_text("anything")
    (tmp_path / "scratch").mkdir()
    assert len(check_importer(Broken(""), tmp_path / "source.txt", tmp_path / "scratch", cases=3).cases) == 3
