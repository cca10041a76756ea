"""One phenopacket as a case.

A publication that the phenopacket names is recorded as consent to publication with the publication as its evidence:
the source states the case as published there, and no form of the patient's is at hand. Photos are files whose name is
an image's or whose attributes are those of a photo; what ``consentScope`` lists is recorded as consent stated by the
source. Dates (of birth, of an encounter) are told and never stored or repeated.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from deciface.cases import (
    NOT_STATED,
    SIMULATED,
    Case,
    Consent,
    Patient,
    Phenotype,
    Photo,
    PhotoSource,
    PhotoView,
    Scope,
    Sex,
    TermState,
    VitalStatus,
)
from deciface.cases.ages import iso_age, years_of
from deciface.cases.identifiers import reference_id
from deciface.cases.sexes import parse_sex
from deciface.formats.case_values import photo_id_of
from deciface.formats.phenopackets_genomics import read_genomics
from deciface.formats.phenopackets_shape import Record, below, shown
from deciface.formats.phenopackets_terms import HUMAN, SEXES, VITAL

STATED = "as stated in the phenopacket"
"""Evidence of a consent that only a photo's ``consentScope`` speaks of."""
_Word = TypeVar("_Word", PhotoView, PhotoSource)
_IMAGES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".heic", ".heif")
_OF_PHOTOS = frozenset({"ageAtPhoto", "view", "sha256", "consentScope"})
_TOP = ("id", "subject", "phenotypicFeatures", "diseases", "interpretations", "files", "metaData")
_SUBJECT = ("id", "alternateIds", "dateOfBirth", "timeAtLastEncounter", "vitalStatus", "sex", "taxonomy")
_FEATURE = ("type", "excluded", "negated", "onset", "severity", "modifiers")


def read_packet(record: Record, packet: object) -> tuple[Case, dict[str, str]] | None:
    """Read a phenopacket.

    Returns
    -------
    The case and the URI of each photo by its id; None when the record had to be dropped, which is among its problems.
    """
    if not isinstance(packet, dict):
        record.tell("", f"dropped: {shown(packet)} is no phenopacket; an object with id and subject is needed")
        return None
    case_id = packet.get("id")
    if not isinstance(case_id, str) or not case_id.strip() or not case_id.isprintable():
        what = "no id" if case_id in (None, "") else f"{shown(case_id)} is no id"
        kinds = " (a Family or Cohort; give its members)" if packet.keys() & {"proband", "members"} else ""
        record.tell("id", f"dropped: {what}{kinds}; a phenopacket needs one line of text")
        return None
    subject = record.object(packet, "subject", "")
    species = record.text(record.object(subject, "taxonomy", "subject"), "id", "subject.taxonomy")
    if species not in ("", HUMAN, HUMAN.replace("Taxon", "Taxon_")):
        record.tell("subject.taxonomy", f"dropped: {shown(species)} is not human ({HUMAN})")
        return None
    record.left_over(packet, "", _TOP)
    references, simulated = _meta_data(record, record.object(packet, "metaData", ""))
    diagnoses, variants = read_genomics(record, packet)
    vital, last_seen = _last_encounter(record, subject)
    case = Case(
        Patient(case_id, _sex(record, subject), simulated=simulated),
        diagnoses=diagnoses,
        phenotypes=_phenotypes(record, packet),
        variants=variants,
        last_seen_age=last_seen,
        vital_status=vital,
        references=references,
        other_ids=_other_ids(record, subject, case_id),
    )
    names = {case_id, str(subject.get("id"))}
    photos, uris, scopes = _photos(record, packet, case, names)
    consents = [Consent(Scope.PUBLICATION, evidence=references[0])] if references else []
    consents += [Consent(s, evidence=STATED) for s in scopes if s is not Scope.PUBLICATION or not references]
    record.finish()
    whole = replace(case, photos=tuple(photos), consents=tuple(consents), as_written=tuple(record.as_written))
    return whole, uris


def _meta_data(record: Record, meta: dict[str, Any]) -> tuple[tuple[str, ...], bool]:
    """Publications, and whether the people are simulated; titles and versions of vocabularies are not taken over."""
    version = record.text(meta, "phenopacketSchemaVersion", "metaData")
    if version.split(".")[0] != "2":
        stated = f"schema version {shown(version)}" if version else "no schema version"
        record.tell("metaData.phenopacketSchemaVersion", f"{stated}, read as 2.0; check the record")
    found = []
    for path, value in record.objects(meta, "externalReferences", "metaData"):
        written = record.text(value, "id", path)
        reference = reference_id(written) or reference_id(record.text(value, "reference", path))
        if reference is None:
            what = shown(written or value.get("reference") or "")
            record.tell(path, f"{what} is left out; write a publication as PMID:24573067 or doi:10.1000/xyz")
        if written and reference != written:
            record.keep(below(path, "id"), written)
        found += [reference] if reference else []
    return tuple(dict.fromkeys(found)), SIMULATED in record.text(meta, "createdBy", "metaData")


def _sex(record: Record, subject: dict[str, Any]) -> Sex:
    written = record.text(subject, "sex", "subject")
    if not written or written in SEXES:
        return SEXES.get(written, Sex.UNKNOWN)
    sex = parse_sex(written)
    if sex in (None, Sex.UNKNOWN):
        record.tell("subject.sex", f"{shown(written)} is taken as unknown; write FEMALE, MALE or UNKNOWN_SEX")
    record.keep("subject.sex", written)
    return sex or Sex.UNKNOWN


def _last_encounter(record: Record, subject: dict[str, Any]) -> tuple[VitalStatus, str | None]:
    if subject.get("dateOfBirth"):
        record.tell(
            "subject.dateOfBirth", "left out: dates of birth are not stored; give timeAtLastEncounter as an age"
        )
    record.left_over(subject, "subject", _SUBJECT)
    status = record.object(subject, "vitalStatus", "subject")
    if status.get("timeOfDeath"):
        record.tell("subject.vitalStatus.timeOfDeath", "not taken over; a case has no place for it, keep the source")
    record.left_over(status, "subject.vitalStatus", ("status", "timeOfDeath"))
    written = record.text(status, "status", "subject.vitalStatus")
    if written and written not in VITAL:
        record.tell("subject.vitalStatus.status", f"{shown(written)} is taken as unknown; write ALIVE or DECEASED")
        record.keep("subject.vitalStatus.status", written)
    return VITAL.get(written, VitalStatus.UNKNOWN), record.time(subject, "timeAtLastEncounter", "subject")


def _other_ids(record: Record, subject: dict[str, Any], case_id: str) -> tuple[str, ...]:
    """What the source calls the patient besides the case's id: ids of subjects repeat from paper to paper."""
    ids = [record.text(subject, "id", "subject")]
    ids += [text.strip() for _, text in record.texts(subject, "alternateIds", "subject")]
    return tuple(dict.fromkeys(i for i in ids if i and i != case_id))


def _phenotypes(record: Record, packet: dict[str, Any]) -> tuple[Phenotype, ...]:
    found: dict[str, list[Phenotype]] = {}
    for path, value in record.objects(packet, "phenotypicFeatures", ""):
        phenotype = _phenotype(record, value, path)
        if phenotype is None:
            continue
        same = found.setdefault(phenotype.term, [])
        if same and same[0].state is not phenotype.state:
            record.tell(path, f"{phenotype.term} is both present and excluded; taken as {same[0].state}, correct one")
        elif phenotype in same:
            record.tell(path, f"{phenotype.term} stands there already in the same words; taken once, delete one")
        else:
            same.append(phenotype)
    return tuple(phenotype for same in found.values() for phenotype in same)


def _phenotype(record: Record, value: dict[str, Any], path: str) -> Phenotype | None:
    term = record.hpo_class(record.object(value, "type", path), below(path, "type"))
    record.left_over(value, path, _FEATURE)
    if term is None:
        return None
    excluded = record.flag(value, "excluded", path) or record.flag(value, "negated", path)
    if len(value) == 1 or (len(value) == 2 and "excluded" in value):
        return Phenotype(term[0], TermState.EXCLUDED if excluded else TermState.PRESENT, label=term[1])
    severity = record.object(value, "severity", path)
    graded = record.hpo_class(severity, below(path, "severity")) if severity else None
    modifiers = [record.hpo_class(item, at) for at, item in record.objects(value, "modifiers", path)]
    return Phenotype(
        term[0],
        TermState.EXCLUDED if excluded else TermState.PRESENT,
        onset=record.time(value, "onset", path),
        severity=graded[0] if graded else None,
        modifiers=tuple(modifier[0] for modifier in modifiers if modifier),
        label=term[1],
    )


def _photos(
    record: Record, packet: dict[str, Any], case: Case, names: set[str]
) -> tuple[list[Photo], dict[str, str], list[Scope]]:
    photos: list[Photo] = []
    uris: dict[str, str] = {}
    scopes: list[Scope] = []
    for path, value in record.objects(packet, "files", ""):
        uri, attributes = record.text(value, "uri", path), record.object(value, "fileAttributes", path)
        if not uri.casefold().endswith(_IMAGES) and not attributes.keys() & _OF_PHOTOS:
            record.not_held(path)
            continue
        record.left_over(value, path, ("uri", "individualToFileIdentifiers", "fileAttributes"))
        people = record.object(value, "individualToFileIdentifiers", path)
        called = next((people[name] for name in people if name in names), None)
        if people and called is None:
            record.tell(below(path, "individualToFileIdentifiers"), "photo left out: it does not name the subject")
            continue
        name = _file_name(uri)
        photo_id = called if isinstance(called, str) and called.strip() else name and photo_id_of(case.id, name)
        if not photo_id or photo_id in uris:
            why = f"the id {shown(photo_id)} stands there twice" if photo_id else "it has neither id nor uri"
            record.tell(path, f"photo left out: {why}; give each photo its own id in individualToFileIdentifiers")
            continue
        photos.append(_photo(record, case, photo_id, name, attributes, below(path, "fileAttributes")))
        uris[photo_id] = uri
        scopes += _scopes(record, attributes, below(path, "fileAttributes"))
    return photos, uris, list(dict.fromkeys(scopes))


def _file_name(uri: str) -> str:
    """Path of a relative URI, last part of any other."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return ""
    return unquote(parts.path.rsplit("/", 1)[-1] if parts.scheme or uri.startswith("/") else parts.path)


def _photo(record: Record, case: Case, photo_id: str, name: str, attributes: dict[str, Any], path: str) -> Photo:
    record.left_over(attributes, path, (*_OF_PHOTOS, "source", "fileFormat"))
    age, written = None, record.text(attributes, "ageAtPhoto", path)
    if written:
        iso = iso_age(written)
        age = years_of(iso) if iso else None
        if age is None:
            record.tell(below(path, "ageAtPhoto"), f"{shown(written)} is left out; write an age such as P1Y6M")
        if iso != written:
            record.keep(below(path, "ageAtPhoto"), written)
    sha256 = record.text(attributes, "sha256", path).casefold()
    if sha256 and not re.fullmatch("[0-9a-f]{64}", sha256):
        record.tell(below(path, "sha256"), f"{shown(sha256)} is left out; 64 hexadecimal digits are needed")
        sha256 = ""
    return case.photo(
        photo_id,
        sha256=sha256 or NOT_STATED,
        age_years=age,
        view=_word(record, PhotoView, attributes, "view", path) or PhotoView.UNKNOWN,
        source=_word(record, PhotoSource, attributes, "source", path) or PhotoSource.UNKNOWN,
        file_name=name,
    )


def _word(record: Record, kind: type[_Word], attributes: dict[str, Any], key: str, path: str) -> _Word | None:
    written = record.text(attributes, key, path)
    try:
        return kind(written.casefold()) if written else None
    except ValueError:
        record.tell(below(path, key), f"{shown(written)} is taken as unknown; write {', '.join(kind)}")
        record.keep(below(path, key), written)
        return None


def _scopes(record: Record, attributes: dict[str, Any], path: str) -> list[Scope]:
    found: list[Scope] = []
    for word in record.text(attributes, "consentScope", path).split(";"):
        if not word.strip():
            continue
        try:
            scope = Scope(word.strip().casefold())
        except ValueError:
            allowed = ", ".join(scope for scope in Scope if scope is not Scope.SHARING)
            record.tell(below(path, "consentScope"), f"{shown(word)} is left out; write {allowed}, separated by ;")
            continue
        if scope is Scope.SHARING:
            record.tell(below(path, "consentScope"), "sharing is left out: the site is not named; record the consent")
            continue
        found.append(scope)
    return found
