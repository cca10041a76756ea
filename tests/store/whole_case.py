"""A case with something in every field."""

import datetime as dt

from deciface.cases import (
    Ancestry,
    AncestrySource,
    Case,
    Consent,
    Diagnosis,
    DiagnosisStatus,
    Disorder,
    Participant,
    Patient,
    Phenotype,
    PhotoSource,
    PhotoView,
    Scope,
    Sex,
    Side,
    Signer,
    TermState,
    Variant,
    VitalStatus,
    Zygosity,
)


def everything_recorded() -> Case:
    case = Case(
        Patient(
            "full 號",
            Sex.FEMALE,
            (
                Ancestry("Hakka", Side.MATERNAL, AncestrySource.SELF_REPORT, "TW:hakka"),
                Ancestry("客家", Side.PATERNAL),
            ),
            country="TW",
            country_of_birth="DE",
            family="F1",
        ),
        diagnoses=(
            Diagnosis(
                Disorder("OMIM:148600", "one"),
                ("G1", "G2"),
                DiagnosisStatus.MOLECULAR,
                dt.date(2020, 2, 29),
                "HP:0003577",
            ),
            Diagnosis(Disorder("ORPHA:2", "two")),
        ),
        phenotypes=(
            Phenotype("HP:0000316", TermState.PRESENT, "P1Y6M", "HP:0012828", ("HP:0012833",), "Hypertelorism"),
            Phenotype("HP:0001249", TermState.EXCLUDED),
        ),
        variants=(
            Variant(
                "ANKRD11",
                "HGNC:21316",
                ("NM_013275.6:c.1A>G", "NP_1:p.Met1?"),
                "GRCh38",
                "16",
                89_268_000,
                "A",
                "G",
                Zygosity.HETEROZYGOUS,
                "PATHOGENIC",
                "",
                "one",
            ),
            Variant(structural_type="SO:1000029"),
        ),
        consents=(
            Consent(
                Scope.STUDY, None, "v2", "zh-Hant-TW", Signer.PARENT, dt.date(2021, 5, 6), dt.date(2999, 1, 1), "form 7"
            ),
            Consent(Scope.SHARING, "Bonn"),
            Consent(Scope.GALLERY),
        ),
        participant=Participant("Taipei", True, None, False, dt.date(2023, 2, 1)),
        last_seen_age="P4Y",
        vital_status=VitalStatus.DECEASED,
        references=("PMID:24573067", "doi:10.1000/xyz"),
        other_ids=("GMDB 1", "A_2"),
        site="Taipei",
        as_written=(("sex", "女"), ("age", "4y")),
    )
    return case.with_photos(
        [
            case.photo(
                "full 1",
                sha256="ab" * 32,
                age_years=4.25,
                view=PhotoView.LEFT,
                source=PhotoSource.CLINIC,
                occlusions=("glasses", "eye bar"),
                file_name="a b.jpg",
                replaces="full 0",
            ),
            case.photo("full 2"),
        ]
    )
