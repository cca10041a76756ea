"""GMDB metadata: a directory goes out and comes in again as it was, and what cannot be held is named."""

from __future__ import annotations

import csv
import datetime as dt
import random
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings

from deciface.cases import (
    Ancestry,
    Case,
    Consent,
    Diagnosis,
    DiagnosisStatus,
    Disorder,
    Patient,
    Phenotype,
    PhotoSource,
    PhotoView,
    Scope,
    Sex,
    TermState,
)
from deciface.errors import InputError, StorageError
from deciface.formats.gmdb_in import GmdbImporter
from deciface.formats.gmdb_out import GmdbExporter
from deciface.formats.gmdb_tables import COLUMNS, read_syndromes
from tests.formats.made_cases import several_cases

NOW = dt.datetime(2026, 11, 25, 8, 0, tzinfo=dt.UTC)
FILE = "image_metadata_v1.1.0.tsv"
ETHNICITIES = (("Asian", "East Asian"), ("Asian", "South-East Asian"), ("European", ""), ("Unknown", ""), ("", ""))


def write(folder, rows, columns=COLUMNS, name=FILE):
    """A table of these rows; cells that are not given are blank."""
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return path


def exporter():
    return GmdbExporter(lambda: NOW)


def readable_otherwise(name):
    """Whether an id means something else in a table."""
    return name.casefold() in ("nan", "none", "null", "na", "n/a", "-") or name.endswith(".0")


def made_rows(patients, seed=3):
    """Rows as the database has them; all values are made up."""
    rng = random.Random(seed)
    rows = []
    image_id = 0
    for number in range(patients):
        several = rng.random() < 0.1
        numbers = [rng.randint(100000, 699999) for _ in range(1 + several)]
        published = rng.random() < 0.6
        category, sub_category = rng.choice(ETHNICITIES)
        features = [f"HP:{n:07d}" for n in rng.sample(range(1, 99999), rng.randint(0, 12))]
        cut = rng.randint(0, len(features))
        private = rng.random() < 0.3
        person = {
            "patient_id": str(number + 1),
            "gene_names": ";".join(f"GENE{n % 500}" for n in numbers) if rng.random() < 0.9 else "",
            "gene_entrez_ids": ";".join(str(n % 9999) for n in numbers),
            "disorder_names": ";".join(f"Made-up syndrome {n}, type {n % 3}" for n in numbers),
            "omim_ids": ";".join(map(str, numbers)),
            "internal_syndrome_id": str(numbers[0] % 449),
            "internal_syndrome_name": f"Class {numbers[0] % 449}",
            "gender": rng.choice(("male", "female", "")),
            "ethnicity_category": category,
            "ethnicity_sub_category": sub_category,
            "present_features": ";".join(features[:cut]),
            "absent_features": ";".join(features[cut:]),
            "hgvs": rng.choice(("", "NM_000141.5:c.755C>G", "NM_000141.5:c.755C>G;NP_000132.3:p.(Ser252Trp)")),
            "pmid": str(rng.randint(10**7, 3 * 10**7)) if published else "",
            "doi": f"10.1000/made.{number}" if published and rng.random() < 0.5 else "",
            "consent": "yes",
            "private": "yes" if private else "no",
        }
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            image_id += 1
            known = rng.random() < 0.8
            rows.append(
                person
                | {
                    "image_id": str(image_id),
                    "filename": f"{image_id}.jpg",
                    "age_year": str(rng.randint(0, 60)) if known else "",
                    "age_month": str(rng.randint(0, 11)) if known else "",
                    "image_type": rng.choice(("frontal", "left profile", "")),
                }
            )
    return rows


class TestRoundTrip:
    def test_a_directory_goes_out_and_comes_in_as_it_was(self, tmp_path):
        write(tmp_path, made_rows(300))
        cases = {case.id: case for _, case in GmdbImporter().read(tmp_path).cases}
        assert len(cases) == 300
        written = exporter().write(list(cases.values()), tmp_path / "out")
        assert written.losses == ()
        assert [path.name for path in written.files] == ["image_metadata_v1.0.tsv", "gmdb_syndromes_v1.0.tsv"]
        back = GmdbImporter().read(tmp_path / "out")
        assert {case.id: case for _, case in back.cases} == cases
        assert [problem.column for problem in back.problems] == ["filename"]

    def test_ten_thousand_rows_come_in_within_seconds(self, tmp_path):
        rows = made_rows(6000)[:10000]
        write(tmp_path, rows)
        begun = time.perf_counter()
        found = GmdbImporter().read(tmp_path)
        assert time.perf_counter() - begun < 10
        assert sum(len(case.photos) for _, case in found.cases) == len(rows) == 10000

    @given(several_cases())
    @settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_what_is_not_named_as_lost_is_equal_and_consent_is_never_widened(self, cases):
        assume(not any(readable_otherwise(name) for case in cases for name in (case.id, *(p.id for p in case.photos))))
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "out"
            written = exporter().write(cases, target)
            back = {case.id: case for _, case in GmdbImporter().read(target).cases}
            assert back.keys() == {case.id for case in cases if case.photos}
            lost = {line.split(" of ")[0] for line in written.losses}
            for case in cases:
                if not case.photos:
                    continue
                read_back = back[case.id]
                for name in ("diagnoses", "variants", "consents", "as_written", "vital_status", "last_seen_age"):
                    assert name in lost or getattr(read_back, name) == getattr(case, name)
                assert read_back.patient.simulated == case.patient.simulated
                allowed = {consent.scope for consent in case.consents if consent.holds(NOW.date())}
                assert {consent.scope for consent in read_back.consents} <= allowed

    def test_what_the_columns_cannot_hold_is_named(self, tmp_path):
        case = Case(
            Patient("P1", Sex.MALE, (Ancestry("Hakka", code="TW:hakka"),), "TW"),
            (Diagnosis(Disorder("ORPHA:710", "Pfeiffer syndrome"), ("FGFR2",), DiagnosisStatus.MOLECULAR),),
            (Phenotype("HP:0000316", onset="P1Y"), Phenotype("HP:0001249", TermState.EXCLUDED)),
            references=("PMID:24573067",),
            consents=(Consent(Scope.STUDY),),
        )
        case = case.with_photos([case.photo("7", sha256="ab" * 32, age_years=4.3, view=PhotoView.FRONTAL)])
        written = exporter().write([case, Case(Patient("P2"))], tmp_path / "out")
        assert written.losses == (
            "1 cases without photos: not written, a row is an image",
            *(
                f"{name} of 1 of 1 cases: not, or not wholly, held"
                for name in ("ancestry", "consents", "country", "diagnoses", "phenotypes", "photo sha256", "references")
            ),
        )
        ((_, back),) = GmdbImporter().read(tmp_path / "out").cases
        assert back.patient == Patient("P1", Sex.MALE, (Ancestry("East Asian", code="GMDB:Asian/East Asian"),))
        assert back.consents == ()
        assert back.photos[0].age_years == 4.3

    def test_genes_stay_with_their_disorders(self, tmp_path):
        diagnoses = (
            (Diagnosis(Disorder("OMIM:101600", "A"), ("FGFR1", "FGFR2")),),
            (Diagnosis(Disorder("OMIM:101600", "A"), ("FGFR2",)), Diagnosis(Disorder("OMIM:615075", "B"))),
            (
                Diagnosis(Disorder("OMIM:101600", "A"), ("G1", "G2", "G3")),
                Diagnosis(Disorder("OMIMPS:163950", "B"), ("G1", "G2", "G3")),
            ),
            (Diagnosis(Disorder("GMDB:17", "no number, one name"), ("G1",)),),
        )
        cases = [Case(Patient(f"P{i}"), d) for i, d in enumerate(diagnoses)]
        cases = [case.with_photos([case.photo(f"I{i}")]) for i, case in enumerate(cases)]
        written = exporter().write(cases, tmp_path / "out")
        assert written.losses == ("as_written of 1 of 4 cases: not, or not wholly, held",)
        assert [case.diagnoses for _, case in GmdbImporter().read(tmp_path / "out").cases] == list(diagnoses)

    def test_simulated_people_are_marked(self, tmp_path):
        case = Case(Patient("S1", simulated=True))
        case = case.with_photos([case.photo("1", source=PhotoSource.SIMULATED)])
        assert exporter().write([case], tmp_path / "out").losses == ()
        assert [case for _, case in GmdbImporter().read(tmp_path / "out").cases] == [case]

    def test_the_list_of_syndromes(self, tmp_path):
        cases = [Case(Patient(f"P{i}"), (Diagnosis(Disorder("OMIM:101600", "Pfeiffer syndrome")),)) for i in range(2)]
        cases = [case.with_photos([case.photo(f"I{i}a"), case.photo(f"I{i}b")]) for i, case in enumerate(cases)]
        exporter().write(cases, tmp_path / "out")
        (syndrome,) = read_syndromes(tmp_path / "out")
        assert (syndrome.id, syndrome.name, syndrome.omim_ids) == ("1", "Pfeiffer syndrome", ("101600",))
        assert syndrome.image_ids == ("I0a", "I0b", "I1a", "I1b")
        assert syndrome.patient_ids == ("P0", "P1")

    @pytest.mark.parametrize(
        ("patient", "photos", "message"),
        [
            (
                "12.0",
                ["1"],
                "'12.0' cannot stand in patient_id: blank, 'nan' and 12.0 are read otherwise; rename it",
            ),
            ("P1", ["nan"], "'nan' cannot stand in image_id: blank, 'nan' and 12.0 are read otherwise; rename it"),
            ("P1", ["1", "1"], "image_id '1' is there twice; export each once"),
        ],
    )
    def test_ids_that_would_be_read_otherwise_are_refused(self, tmp_path, patient, photos, message):
        case = Case(Patient(patient))
        with pytest.raises(InputError) as caught:
            exporter().write([case.with_photos(case.photo(photo) for photo in photos)], tmp_path / "out")
        assert str(caught.value) == message
        assert not list(tmp_path.iterdir())

    def test_nothing_is_written_over(self, tmp_path):
        (tmp_path / "out").mkdir()
        with pytest.raises(StorageError, match="exists already and is not written over"):
            exporter().write([], tmp_path / "out")
