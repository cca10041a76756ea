"""What things are: Case, Patient, Photo, Diagnosis, Phenotype, Variant, Consent, Encoding. Frozen, no I/O."""

from deciface.cases.case import Case
from deciface.cases.consents import Consent, Participant, Scope, Signer
from deciface.cases.notice import RESEARCH_USE_ONLY, SIMULATED
from deciface.cases.people import Ancestry, AncestrySource, Patient, Sex, Side, VitalStatus
from deciface.cases.records import (
    NOT_STATED,
    Diagnosis,
    DiagnosisStatus,
    Disorder,
    Encoding,
    Phenotype,
    Photo,
    PhotoSource,
    PhotoView,
    TermState,
    Variant,
    View,
    Zygosity,
)
from deciface.cases.table import CASE_TABLE_COLUMNS

__all__ = [
    "CASE_TABLE_COLUMNS",
    "NOT_STATED",
    "RESEARCH_USE_ONLY",
    "SIMULATED",
    "Ancestry",
    "AncestrySource",
    "Case",
    "Consent",
    "Diagnosis",
    "DiagnosisStatus",
    "Disorder",
    "Encoding",
    "Participant",
    "Patient",
    "Phenotype",
    "Photo",
    "PhotoSource",
    "PhotoView",
    "Scope",
    "Sex",
    "Side",
    "Signer",
    "TermState",
    "Variant",
    "View",
    "VitalStatus",
    "Zygosity",
]
