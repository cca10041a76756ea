"""The columns of the case table: what an import reads, an export writes and a template explains."""

from __future__ import annotations

from dataclasses import dataclass

from deciface.cases.consents import Scope, Signer
from deciface.cases.people import Sex, VitalStatus
from deciface.cases.records import DiagnosisStatus, PhotoSource, PhotoView

CASE_TABLE_COLUMNS = (
    "photo",
    "patient",
    "disorder",
    "disorder_name",
    "gene",
    "age_years",
    "sex",
    "ancestry",
    "country",
    "unaffected",
    "hpo",
    "simulated",
)
"""The columns that every table we write has; what a simulated cohort writes."""

YES_NO = ("yes", "no")
SHARING = "sharing"
"""How `Scope.SHARING` is written in a cell, followed by ``:`` and the site."""
CONSENT_WORDS = {scope: SHARING if scope is Scope.SHARING else str(scope) for scope in Scope}


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column.

    Parameters
    ----------
    name
        As in the header, lower case.
    explanation
        One line for the person who fills it in.
    example
        A cell.
    allowed
        The closed list of values; empty where any text may stand.
    """

    name: str
    explanation: str
    example: str = ""
    allowed: tuple[str, ...] = ()


_STATUSES = ", ".join(DiagnosisStatus)
_CONSENTS = tuple(f"{word}:SITE" if word == SHARING else word for word in CONSENT_WORDS.values())

CASE_TABLE: tuple[TableColumn, ...] = (
    TableColumn("photo", "path of the image, relative to the table's folder; blank: no image", "img/n10_1.jpg"),
    TableColumn("patient", "pseudonymous id, the only column that is needed; no name, no birth date", "N10"),
    TableColumn("disorder", "OMIM:117550, ORPHA:821, MONDO:.. or your own id; several separated by ;", "OMIM:117550"),
    TableColumn("disorder_name", "the name shown; as many as disorders", "Sotos syndrome"),
    TableColumn("gene", "symbols separated by ; with several disorders one group each, groups separated by |", "NSD1"),
    TableColumn("age_years", "age in the photo: 4, 4.5, 4y 6m, P4Y6M, 18 months", "4y 6m"),
    TableColumn("sex", f"as recorded: {', '.join(Sex)}", "female", tuple(Sex)),
    TableColumn(
        "ancestry",
        "terms in your own words separated by ; each may have a side in front and who said so in brackets",
        "maternal:Hakka (self-report)",
    ),
    TableColumn("country", "of residence: ISO 3166-1 code or English name", "TW"),
    TableColumn("unaffected", "yes for people examined and found without a disorder", "no", YES_NO),
    TableColumn(
        "hpo",
        "HP:0000316 present, !HP:0000252 looked for and not seen, ?HP:0000405 not assessed; a name may follow",
        "HP:0000316;!HP:0000252",
    ),
    TableColumn("simulated", "yes for people made by `deciface simulate`", "no", YES_NO),
    TableColumn("country_of_birth", "ISO 3166-1 code or English name", "TW"),
    TableColumn("family", "pseudonymous id shared by relatives", "F3"),
    TableColumn("site", "which site the case belongs to", "Taipei"),
    TableColumn(
        "variants",
        "gene, HGVS descriptions, zygosity in brackets; several separated by ;",
        "NSD1 NM_022455.5:c.1234C>T (heterozygous)",
    ),
    TableColumn("reference", "publications, PMID:24573067 or doi:10.1000/xyz, separated by ;", "PMID:24573067"),
    TableColumn(
        "consent",
        f"what was agreed to, separated by ; of: {', '.join(_CONSENTS)}",
        "care;study;reference gallery;sharing:Bonn",
    ),
    TableColumn("consent_version", "version of the text that was signed; one for all or one for each scope", "2.1"),
    TableColumn("consent_language", "of that text, BCP 47", "zh-Hant-TW"),
    TableColumn("consent_signer", f"who signed: {', '.join(Signer)}; one for all or one for each scope", "parent"),
    TableColumn("consent_date", "day of the signature; one for all or one for each scope", "2026-03-01"),
    TableColumn("consent_withdrawn", "day of the withdrawal, blank while it holds; one for all or one for each", ""),
    TableColumn("consent_evidence", "where the agreement can be seen: number of the form, PMID:..", "form 17"),
    TableColumn("diagnosis_status", f"of each disorder: {_STATUSES}", "molecularly confirmed"),
    TableColumn("diagnosis_date", "day of each diagnosis", "2025-11-30"),
    TableColumn("abnormal_appearance", "study, inclusion: the face looks unusual; blank: not assessed", "yes", YES_NO),
    TableColumn(
        "suspected_genetic_disease",
        "study, inclusion: a genetic disease is suspected; blank: not assessed",
        "yes",
        YES_NO,
    ),
    TableColumn("unable_to_cooperate", "study, exclusion; blank: not assessed", "no", YES_NO),
    TableColumn("enrolled", "study: day of enrolment; blank while only screened", "2026-03-01"),
    TableColumn("photo_id", "id of the photo; blank: made of patient and file name", "N10-a"),
    TableColumn("view", f"from where the face is seen: {', '.join(PhotoView)}", "frontal", tuple(PhotoView)),
    TableColumn("source", f"where the photo comes from: {', '.join(PhotoSource)}", "clinic", tuple(PhotoSource)),
    TableColumn("occlusions", "what covers the face, separated by ;", "glasses"),
    TableColumn("replaces", "id of the photo that this one is a better version of", ""),
    TableColumn("last_seen_age", "age at the last encounter: 4y 6m, P4Y6M", "P6Y"),
    TableColumn("vital_status", f"when last heard of: {', '.join(VitalStatus)}", "alive", tuple(VitalStatus)),
    TableColumn("other_ids", "what others call the patient (pseudonymous), separated by ;", "GMDB:1234"),
    TableColumn(
        "as_written", "what an earlier import normalised, as the source wrote it: `field: text`; written by exports"
    ),
)
"""All columns. Those that are not in `CASE_TABLE_COLUMNS` are written when at least one row has something in them."""

ALL_CASE_TABLE_COLUMNS = tuple(column.name for column in CASE_TABLE)
