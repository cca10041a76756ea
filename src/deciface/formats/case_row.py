"""One row of a case table, cell by cell, as a case with no or one photo; what cannot be taken is told and kept."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TypeVar

from deciface.cases import (
    Ancestry,
    Case,
    Consent,
    Diagnosis,
    DiagnosisStatus,
    Disorder,
    Participant,
    Patient,
    Phenotype,
    Photo,
    PhotoSource,
    PhotoView,
    Scope,
    Sex,
    Signer,
    Variant,
    VitalStatus,
)
from deciface.cases.ages import iso_age, parse_age_years
from deciface.cases.identifiers import country, disorder_id, reference_id
from deciface.cases.sexes import parse_sex
from deciface.formats import case_values as value
from deciface.formats.text import Problem, in_one_line

PHOTO_COLUMNS = ("photo", "photo_id", "age_years", "view", "source", "occlusions", "replaces")
"""What a row says about its photo; everything else is about the patient."""
_YES_NO = dict.fromkeys(("yes", "y", "true", "1"), True) | dict.fromkeys(("no", "n", "false", "0"), False)
_CONSENT_DETAILS = ("version", "language", "signer", "date", "withdrawn", "evidence")
_SCOPES = "care; study; reference gallery; reader study; sharing:SITE; publication"

Choice = TypeVar("Choice", bound=StrEnum)


class RowReader:
    """Reads the cells of one row."""

    def __init__(self, file: str, number: int, cells: Mapping[str, str]) -> None:
        self.file, self.number, self.cells = file, number, cells
        self.problems: list[Problem] = []
        self.doubtful: set[tuple[Scope, str | None]] = set()
        """Scopes (and sites) whose withdrawal cannot be read."""
        self._as_written: dict[tuple[str, str], None] = {}

    def case(self) -> Case:
        """Everything the row says."""
        for text in value.values(self._cell("as_written")):
            field, colon, words = text.partition(": ")
            self._keep(*((field, words) if colon else ("as_written", text)))
        patient = Patient(
            self._cell("patient"),
            self._sex(),
            self._ancestry(),
            self._country("country"),
            simulated=self._yes("simulated") or False,
            country_of_birth=self._country("country_of_birth"),
            family=self._cell("family") or None,
        )
        diagnoses = self._diagnoses()
        case = Case(
            patient,
            diagnoses,
            self._phenotypes(),
            self._variants(),
            unaffected=self._unaffected(diagnoses),
            consents=self._consents(),
            participant=self._participant(),
            last_seen_age=self._last_seen_age(),
            vital_status=self._choice("vital_status", VitalStatus, VitalStatus.UNKNOWN),
            references=self._references(),
            other_ids=value.values(self._cell("other_ids")),
            site=self._cell("site"),
        )
        photo = self._photo(case)
        case = case.with_photos([photo] if photo else [])
        return replace(case, as_written=tuple(self._as_written))

    def _cell(self, column: str) -> str:
        return self.cells.get(column, "")

    def _tell(self, column: str, message: str) -> None:
        self.problems.append(Problem(self.file, self.number, column, message))

    def _keep(self, field: str, text: str) -> None:
        self._as_written.setdefault((field, text))

    def _left_out(self, column: str, text: str, advice: str) -> None:
        """Report a value that cannot be taken, and keep how it was written."""
        self._tell(column, f"'{in_one_line(text, 40)}' is left out; {advice}")
        self._keep(column, text)

    def _normal(self, column: str, text: str, canonical: str) -> None:
        """Keep how a value was written when it is more than another case of the same letters."""
        if text.casefold() != canonical.casefold():
            self._keep(column, text)

    def _sex(self) -> Sex:
        cell = self._cell("sex")
        sex = parse_sex(cell)
        if sex is None:
            self._tell(
                "sex", f"'{in_one_line(cell, 40)}' is not known, taken as unknown; write female, male or unknown"
            )
            self._keep("sex", cell)
        elif cell:
            self._normal("sex", cell, sex)
        return sex or Sex.UNKNOWN

    def _ancestry(self) -> tuple[Ancestry, ...]:
        found = []
        for text in value.values(self._cell("ancestry")):
            found.append(value.read_ancestry(text))
            if found[-1].term not in text:
                self._keep("ancestry", text)
        return tuple(dict.fromkeys(found))

    def _country(self, column: str) -> str | None:
        cell = self._cell(column)
        code = country(cell) if cell else None
        if code:
            self._normal(column, cell, code)
        elif cell:
            self._left_out(column, cell, "write two letters of ISO 3166 or the English name, e.g. TW or Taiwan")
        return code

    def _yes(self, column: str) -> bool | None:
        cell = self._cell(column)
        if cell and cell.casefold() not in _YES_NO:
            self._left_out(column, cell, "write yes or no")
        return _YES_NO.get(cell.casefold())

    def _choice(self, column: str, choices: type[Choice], default: Choice) -> Choice:
        return self._one_of(column, self._cell(column), choices, default)

    def _one_of(self, column: str, text: str, choices: type[Choice], default: Choice) -> Choice:
        if not text:
            return default
        found = {str(choice): choice for choice in choices}.get(" ".join(text.casefold().split()))
        if found is None:
            self._left_out(column, text, f"write one of {', '.join(choices)}")
        return found or default

    def _day(self, column: str, text: str) -> dt.date | None:
        day = value.read_day(text) if text else None
        if text and day is None:
            self._left_out(column, text, "write the day as 2026-03-01")
        return day

    def _for_each(self, column: str, count: int, what: str) -> tuple[str, ...]:
        """The values of a column that go with `count` values of another one."""
        found = value.one_or_each(self._cell(column), count)
        if found is None:
            cell = self._cell(column)
            number = len(value.split(cell))
            self._tell(column, f"{number} values for {count} {what}, left out; give one for all or one for each")
            self._keep(column, cell)
        return found or ("",) * count

    def _diagnoses(self) -> tuple[Diagnosis, ...]:
        texts = [text for text in value.split(self._cell("disorder")) if text]
        if not texts:
            self._leave_out_details("disorder", ("disorder_name", "gene", "diagnosis_status", "diagnosis_date"))
            return ()
        names = value.split(self._cell("disorder_name"))
        if len(names) != len(texts):
            if names != ("",):
                self._tell(
                    "disorder_name", f"{len(names)} names for {len(texts)} disorders, left out; give one for each"
                )
                self._keep("disorder_name", self._cell("disorder_name"))
            names = ("",) * len(texts)
        statuses = self._for_each("diagnosis_status", len(texts), "disorders")
        days = self._for_each("diagnosis_date", len(texts), "disorders")
        found: dict[str, Diagnosis] = {}
        for text, name, genes, status, day in zip(texts, names, self._genes(len(texts)), statuses, days, strict=True):
            id_ = disorder_id(text) or text
            self._normal("disorder", text, id_)
            diagnosis = Diagnosis(
                Disorder(id_, name or id_),
                genes,
                self._one_of("diagnosis_status", status, DiagnosisStatus, DiagnosisStatus.CLINICAL),
                self._day("diagnosis_date", day),
            )
            if found.setdefault(id_, diagnosis) != diagnosis:
                self._tell("disorder", f"'{in_one_line(id_, 40)}' stands twice; the first is used")
        return tuple(found.values())

    def _genes(self, disorders: int) -> list[tuple[str, ...]]:
        raw = value.split_raw(self._cell("gene"), "|")
        if len(raw) == 1:
            return [value.values(raw[0])] * disorders
        if len(raw) != disorders:
            self._tell("gene", f"{len(raw)} groups for {disorders} disorders, left out; separate them by |")
            self._keep("gene", self._cell("gene"))
            return [()] * disorders
        return [value.values(group) for group in raw]

    def _leave_out_details(self, column: str, details: Sequence[str]) -> None:
        for detail in details:
            if cell := self._cell(detail):
                what = "give a disorder id" if column == "disorder" else "name the scopes"
                self._tell(detail, f"left out because the {column} column is empty; {what}")
                self._keep(detail, cell)

    def _unaffected(self, diagnoses: Sequence[Diagnosis]) -> bool:
        unaffected = self._yes("unaffected") or False
        if unaffected and diagnoses:
            self._tell("unaffected", "yes beside a disorder, taken as no; remove one of them")
            return False
        return unaffected

    def _phenotypes(self) -> tuple[Phenotype, ...]:
        found: dict[str, Phenotype] = {}
        for text in value.values(self._cell("hpo")):
            feature = value.read_feature(text)
            if feature is None:
                shown = in_one_line(text, 40)
                self._tell("hpo", f"'{shown}' is not an HPO id, kept as written; write HP:0000316 or !HP:0000316")
                self._keep("hpo", text)
                continue
            if feature.term.casefold() not in text.casefold():
                self._keep("hpo", text)
            earlier = found.setdefault(feature.term, feature)
            if earlier.state is not feature.state:
                self._tell(
                    "hpo", f"{feature.term} is both {earlier.state} and {feature.state}, taken as {earlier.state}"
                )
        return tuple(found.values())

    def _variants(self) -> tuple[Variant, ...]:
        found = []
        for text in value.values(self._cell("variants")):
            variant, described = value.read_variant(text)
            if described:
                shown = in_one_line(" ".join(described), 40)
                self._tell(
                    "variants", f"'{shown}' is kept as a description; write e.g. NSD1 NM_022455.5:c.1A>G (heterozygous)"
                )
            found.append(variant)
        return tuple(dict.fromkeys(found))

    def _references(self) -> tuple[str, ...]:
        found = []
        for text in value.values(self._cell("reference")):
            if known := reference_id(text):
                self._normal("reference", text, known)
                found.append(known)
            else:
                self._left_out("reference", text, "write e.g. PMID:24573067 or doi:10.1000/xyz")
        return tuple(dict.fromkeys(found))

    def _consents(self) -> tuple[Consent, ...]:
        scopes = value.values(self._cell("consent"))
        if not scopes:
            self._leave_out_details("consent", [f"consent_{detail}" for detail in _CONSENT_DETAILS])
            return ()
        if value.one_or_each(self._cell("consent_withdrawn"), len(scopes)) is None:
            # which one was withdrawn is not clear, so none may be taken as holding
            self.doubtful.update(filter(None, map(value.read_scope, scopes)))
            self._tell("consent", "left out, because the withdrawals are not one for all or one for each scope")
            self._keep("consent", self._cell("consent"))
            self._keep("consent_withdrawn", self._cell("consent_withdrawn"))
            return ()
        details = zip(*(self._for_each(f"consent_{d}", len(scopes), "scopes") for d in _CONSENT_DETAILS), strict=True)
        found = (self._consent(text, *given) for text, given in zip(scopes, details, strict=True))
        return tuple(consent for consent in found if consent)

    def _consent(
        self, text: str, version: str, language: str, signer: str, date: str, withdrawn: str, evidence: str
    ) -> Consent | None:
        scope = value.read_scope(text)
        if scope is None:
            self._left_out("consent", text, f"write one of {_SCOPES}")
            return None
        withdrawn_on = self._day("consent_withdrawn", withdrawn)
        if withdrawn and withdrawn_on is None:
            # a withdrawal on a day nobody can read must not turn into a consent that holds
            self.doubtful.add(scope)
            self._left_out("consent", text, "its withdrawal cannot be read")
            return None
        return Consent(
            scope[0],
            scope[1],
            version,
            language,
            self._one_of("consent_signer", signer, Signer, Signer.UNKNOWN),
            self._day("consent_date", date),
            withdrawn_on,
            evidence,
        )

    def _participant(self) -> Participant | None:
        columns = ("abnormal_appearance", "suspected_genetic_disease", "unable_to_cooperate", "enrolled")
        if not any(map(self._cell, columns)):
            return None
        return Participant(
            self._cell("site"),
            abnormal_appearance=self._yes("abnormal_appearance"),
            suspected_genetic_disease=self._yes("suspected_genetic_disease"),
            unable_to_cooperate=self._yes("unable_to_cooperate"),
            enrolled_on=self._day("enrolled", self._cell("enrolled")),
        )

    def _last_seen_age(self) -> str | None:
        cell = self._cell("last_seen_age")
        if not cell or value.ONSET_OR_GESTATION.fullmatch(cell):
            return cell or None
        age = iso_age(cell)
        if age is None:
            self._left_out("last_seen_age", cell, "write e.g. 4y 6m, P4Y6M or HP:0011463")
            return None
        self._normal("last_seen_age", cell, age)
        return age

    def _photo(self, case: Case) -> Photo | None:
        file_name = self._cell("photo")
        photo_id = self._cell("photo_id") or (file_name and value.photo_id_of(case.id, file_name))
        if not photo_id:
            for column in PHOTO_COLUMNS:
                if cell := self._cell(column):
                    self._tell(column, "left out because the row has no photo; name the photo or its id")
                    self._keep(column, cell)
            return None
        return case.photo(
            photo_id,
            age_years=self._age(photo_id),
            view=self._choice("view", PhotoView, PhotoView.UNKNOWN),
            source=self._choice("source", PhotoSource, PhotoSource.UNKNOWN),
            occlusions=value.values(self._cell("occlusions")),
            file_name=file_name,
            replaces=self._cell("replaces") or None,
        )

    def _age(self, photo_id: str) -> float | None:
        cell = self._cell("age_years")
        age = parse_age_years(cell) if cell else None
        if cell and age is None:
            self._left_out("age_years", cell, "write 0 to 120 years, e.g. 4.5, 4y 6m, P4Y6M or 18 months")
        elif cell and not cell.replace(".", "", 1).isdecimal():
            self._keep(f"age_years of {photo_id}", cell)
        return age
