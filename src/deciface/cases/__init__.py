"""What things are: Patient, Photo, Diagnosis, Phenotype, Ancestry, Encoding. Frozen, no input or output."""

from deciface.cases.notice import RESEARCH_USE_ONLY, SIMULATED
from deciface.cases.people import Ancestry, AncestrySource, Patient, Sex, Side
from deciface.cases.records import (
    Diagnosis,
    DiagnosisStatus,
    Disorder,
    Encoding,
    Phenotype,
    Photo,
    TermState,
    View,
)
from deciface.cases.table import CASE_TABLE_COLUMNS

__all__ = [
    "CASE_TABLE_COLUMNS",
    "RESEARCH_USE_ONLY",
    "SIMULATED",
    "Ancestry",
    "AncestrySource",
    "Diagnosis",
    "DiagnosisStatus",
    "Disorder",
    "Encoding",
    "Patient",
    "Phenotype",
    "Photo",
    "Sex",
    "Side",
    "TermState",
    "View",
]
